//! The page at `/`, in a real browser over a running system with a simulated campaign: what it shows is what the API says, it
//! has every panel that Grafana's dashboards have, it asks nobody else, the console of the browser stays quiet, and it can be
//! read on a phone, in the dark, and by who can't see it (`look.js`).

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{Api, System, wait_until};
use chromiumoxide::cdp::browser_protocol::emulation::SetDeviceMetricsOverrideParams;
use chromiumoxide::cdp::browser_protocol::network::EventRequestWillBeSent;
use chromiumoxide::cdp::js_protocol::runtime::{EventConsoleApiCalled, EventExceptionThrown};
use chromiumoxide::{Browser, BrowserConfig, Page};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

fn chromium() -> Option<&'static Path> {
    let found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    found.into_iter().map(Path::new).find(|path| path.exists())
}

async fn evaluate(page: &Page, script: &str) -> Value {
    page.evaluate(script).await.unwrap().into_value().unwrap_or(Value::Null)
}

/// Waits until a view is shown, and gives what its figures say: name and value.
async fn figures(page: &Page, view: &str) -> Value {
    let script = format!(
        "(() => {{ const main = document.getElementById('content');
            if (!main.dataset.shown?.startsWith('{view}') || main.classList.contains('busy')) return [main.dataset.shown, main.className, main.innerText.slice(0, 300)].join(' | ');
            return Object.fromEntries([...main.querySelectorAll('[data-figure]')].map((node) =>
                [node.dataset.figure, JSON.parse(node.dataset.value)])); }})()"
    );
    wait_until(|| evaluate(page, &script), Value::is_object).await
}

/// Changes a list as a person does.
async fn choose(page: &Page, list: &str, value: &str) {
    let script = format!(
        "(() => {{ const list = document.getElementById('{list}'); list.value = '{value}';
            delete document.getElementById('content').dataset.shown;
            list.dispatchEvent(new Event('change', {{ bubbles: true }})); return list.value; }})()"
    );
    assert_eq!(evaluate(page, &script).await, json!(value));
}

/// The titles of a dashboard's panels.
fn titles(dashboard: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../dashboards/grafana/{dashboard}.json"));
    let dashboard: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    panels.iter().map(|panel| panel["title"].as_str().unwrap().to_owned()).collect()
}

/// That a view has every panel of its dashboard, and that none of them is empty or still waits.
async fn has_the_panels_of(page: &Page, dashboard: &str, empty: &[&str]) {
    let script = "Object.fromEntries([...document.querySelectorAll('[data-panel]')].map((node) =>
        [node.dataset.panel, node.querySelector('.empty, .waiting, [aria-busy]')?.textContent ?? '']))";
    let shown = evaluate(page, script).await;
    for title in titles(dashboard) {
        let inside = shown.get(&title).unwrap_or_else(|| panic!("{dashboard}: no panel {title}: {shown}"));
        assert!(inside == "" || empty.contains(&title.as_str()), "{dashboard}: {title} shows {inside}");
    }
}

/// That `look.js` complains of nothing, at a width and in a theme.
async fn can_be_read(page: &Page, view: &str, width: i64, theme: &str) {
    let size = SetDeviceMetricsOverrideParams::new(width, 844, 1.0, width < 600);
    page.execute(size).await.unwrap();
    evaluate(
        page,
        &format!(
            "{{ document.documentElement.dataset.theme = '{theme}';
             document.querySelectorAll('details').forEach((one) => one.open = true);
             const fold = document.getElementById('fold');
             if (fold.checkVisibility() && fold.ariaExpanded !== 'true') fold.click(); }}"
        ),
    )
    .await;
    // Charts follow the width a frame later.
    let complaints = async || json!([view, evaluate(page, include_str!("look.js")).await]);
    wait_until(complaints, |said| said[1] == json!([])).await;
}

async fn open(page: &Page, view: &str) {
    evaluate(page, &format!("location.hash = '{view}'")).await;
}

/// Every figure of a view that the API's summary has a name for.
async fn compare(page: &Page, api: &Api, view: &str, suppress: &str) -> Value {
    let shown = figures(page, view).await;
    let summary = async |suppress: &str| {
        let path = format!("/v1/accounts/demo/reports/summary?suppress={suppress}");
        api.get(&path).await.json::<Value>().await.unwrap()
    };
    let (said, raw) = (summary(suppress).await, summary("none").await);
    let mut compared = 0;
    for (name, value) in shown.as_object().unwrap() {
        let (answer, name) = name.strip_prefix("raw.").map_or((&said, name.as_str()), |name| (&raw, name));
        let Some(expected) = answer.pointer(&format!("/{}", name.replace('.', "/"))) else { continue };
        let close = match (value.as_f64(), expected.as_f64()) {
            (Some(value), Some(expected)) => (value - expected).abs() < 1e-9,
            _ => value == expected,
        };
        assert!(close, "{view}, {suppress}: {name} is shown as {value}, the API says {expected}");
        compared += 1;
    }
    assert!(compared >= 4, "{view} has {compared} figures: {shown}");
    shown
}

/// The filter by provider, and what is said when the API can't answer.
async fn narrow_and_fail(page: &Page, api: &Api) {
    open(page, "deliverability").await;
    figures(page, "deliverability").await;
    let offered =
        || evaluate(page, "[...document.getElementById('one-provider').options].map((one) => one.value)");
    wait_until(offered, |names| names.as_array().unwrap().contains(&json!("gmail"))).await;
    choose(page, "one-provider", "gmail").await;
    let shown = figures(page, "deliverability").await;
    let said = api.json("/v1/accounts/demo/reports/summary?mailbox_provider=gmail").await;
    assert_eq!((&shown["sent"], &shown["deferred"]), (&said["sent"], &said["deferred"]));
    assert!(said["sent"].as_u64() > Some(0));
    evaluate(
        page,
        "window.asked = window.fetch; window.fetch = async (path, more) => (String(path).includes('/reports/')
            ? new Response(JSON.stringify({ detail: 'the database is not available' }), { status: 503 }) : window.asked(path, more));",
    )
    .await;
    choose(page, "one-provider", "").await;
    let trouble = || evaluate(page, "document.querySelector('[role=alert]')?.textContent ?? ''");
    let text = wait_until(trouble, |text| text.as_str().unwrap().contains("Try again")).await;
    assert!(text.as_str().unwrap().contains("the database is not available"), "{text}");
    can_be_read(page, "deliverability", 390, "light").await;
    // The database is back.
    evaluate(page, "window.fetch = window.asked; document.querySelector('[role=alert] button').click()")
        .await;
    let quiet = || {
        evaluate(
            page,
            "[document.querySelectorAll('[role=alert], .waiting').length, document.getElementById('content').className]",
        )
    };
    wait_until(quiet, |state| *state == json!([0, ""])).await;
    let size = SetDeviceMetricsOverrideParams::new(1280, 900, 1.0, false);
    page.execute(size).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_shows_what_the_api_says_and_asks_nobody_else() {
    let Some(chromium) = chromium() else {
        assert!(std::env::var_os("CI").is_none(), "there is no Chromium, and CI must have one");
        println!("skipped: there is no Chromium (make test-deps installs it as root)");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let system =
        System::start_with(&dir.path().join("data"), &[("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1")]);
    let api = system.api();
    let played =
        system.command(&["simulate", "--recipients", "150", "--api", &system.told("reporting API")]).output();
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    // Until two answers in a row are the same, and there are hits.
    let last = Mutex::new(Value::Null);
    wait_until(
        || async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            let said = api.get("/v1/accounts/demo/reports/summary").await.json::<Value>().await.unwrap();
            let said = json!([said["delivered"], said["opens"], said["clicks"]]);
            let before = std::mem::replace(&mut *last.lock().unwrap(), said.clone());
            before == said && said[1]["human"]["total"].as_u64() > Some(0)
        },
        |steady| *steady,
    )
    .await;

    let profile = tempfile::tempdir().unwrap();
    let config = BrowserConfig::builder()
        .chrome_executable(chromium)
        .user_data_dir(profile.path())
        .no_sandbox()
        .window_size(1280, 900)
        .args(["disable-gpu", "disable-background-networking", "disable-component-update"])
        .build()
        .unwrap();
    let (mut browser, mut handler) = Browser::launch(config).await.unwrap();
    let driver = tokio::spawn(async move { while handler.next().await.is_some() {} });
    let page = browser.new_page("about:blank").await.unwrap();
    let base = system.told("reporting API");
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (said, thrown) = (
        page.event_listener::<EventConsoleApiCalled>().await.unwrap(),
        page.event_listener::<EventExceptionThrown>().await.unwrap(),
    );
    let mut requests = page.event_listener::<EventRequestWillBeSent>().await.unwrap();
    let noise = Arc::clone(&heard);
    tokio::spawn(said.for_each(move |event| {
        noise.lock().unwrap().push(format!("{:?}", event.args));
        std::future::ready(())
    }));
    let noise = Arc::clone(&heard);
    tokio::spawn(thrown.for_each(move |event| {
        noise.lock().unwrap().push(format!("{:?}", event.exception_details));
        std::future::ready(())
    }));
    let urls = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Some(event) = requests.next().await {
            urls.lock().unwrap().push(event.request.url.clone());
        }
    });
    page.goto(&base).await.unwrap();
    let form = || evaluate(&page, "!!document.getElementById('sign-key')");
    wait_until(form, |there| *there == json!(true)).await;
    let key = std::fs::read_to_string(dir.path().join("data/admin.key")).unwrap().trim().to_owned();
    page.find_element("#sign-key").await.unwrap().click().await.unwrap().type_str("not-a-key").await.unwrap();
    page.find_element("button.primary").await.unwrap().click().await.unwrap();
    let error = || evaluate(&page, "document.querySelector('.error')?.textContent ?? ''");
    wait_until(error, |text| *text == json!("This key is not known.")).await;
    evaluate(&page, "document.getElementById('sign-key').value = ''").await;
    page.find_element("#sign-key").await.unwrap().click().await.unwrap().type_str(&key).await.unwrap();
    page.find_element("button.primary").await.unwrap().click().await.unwrap();

    let counted = compare(&page, &api, "engagement", "account").await;
    let charts = evaluate(&page, "document.querySelectorAll('.uplot canvas').length").await;
    assert!(charts.as_u64() >= Some(3), "{charts} charts");
    // The switch: the raw figures, and back. The account's setting stays as it is.
    choose(&page, "suppress", "none").await;
    let raw = compare(&page, &api, "engagement", "none").await;
    assert_ne!(counted["rates.open"], raw["rates.open"]);
    assert_eq!(counted["opens.human.unique"], raw["opens.human.unique"]);
    // Saved, it is the account's setting, and every report follows.
    page.find_element("#save").await.unwrap().click().await.unwrap();
    let settings = || async { api.get("/v1/accounts/demo/settings").await.json::<Value>().await.unwrap() };
    let all = json!({"apple": false, "google": false, "scanners": false, "other": false});
    wait_until(settings, |settings| settings["suppress"] == all).await;
    let switched = || evaluate(&page, "document.getElementById('suppress').value");
    wait_until(switched, |value| *value == json!("account")).await;
    compare(&page, &api, "engagement", "account").await;

    // Few mails: maybe nothing that was judged again. What must be there is.
    let few = ["Judged again"];
    for view in ["engagement", "deliverability", "campaign", "scanners"] {
        open(&page, view).await;
        if view == "scanners" {
            let shown = figures(&page, view).await;
            let machines = api.json("/v1/accounts/demo/reports/machines").await;
            assert_eq!(shown["machines.hits"], machines["rows"][0]["hits"]);
            assert!(
                shown["machines.traps"].as_u64() >= Some(1) && shown["suspects"].as_u64() >= Some(1),
                "{shown}"
            );
        } else {
            compare(&page, &api, view, "account").await;
        }
        if view == "campaign" {
            let returned =
                "document.querySelector('[data-panel=\"Who came back to a link\"] .legend').innerText";
            let returned = evaluate(&page, returned).await;
            let visits = api.json("/v1/accounts/demo/reports/visits").await;
            assert!(visits["rows"].as_array().unwrap().iter().any(|row| row["returning"].as_u64() > Some(0)));
            assert!(!returned.as_str().unwrap().trim_end().ends_with(" 0"), "{returned}");
        }
        has_the_panels_of(&page, view, &few).await;
        for (width, theme) in [(390, "light"), (1280, "dark"), (1280, "light")] {
            can_be_read(&page, view, width, theme).await;
        }
    }
    // It does complain.
    let wrong = "{ const line = document.createElement('p'); line.textContent = 'wrong';
        Object.assign(line.style, { width: '3000px', color: '#ddd', fontSize: '9px' });
        document.querySelector('main').append(line, document.createElement('button')); }";
    evaluate(&page, wrong).await;
    let complaints = evaluate(&page, include_str!("look.js")).await;
    assert!(complaints.as_array().unwrap().len() >= 4, "{complaints}");
    narrow_and_fail(&page, &api).await;
    open(&page, "message").await;
    let field = || evaluate(&page, "!!document.getElementById('message')");
    wait_until(field, |there| *there == json!(true)).await;
    page.find_element("#message").await.unwrap().click().await.unwrap().type_str("sim-1-1").await.unwrap();
    page.find_element(".search button").await.unwrap().click().await.unwrap();
    let said = api.timeline("sim-1-1").await.json::<Value>().await.unwrap();
    let lines = || evaluate(&page, "document.querySelectorAll('.timeline > li').length");
    wait_until(lines, |lines| lines.as_u64() == Some(said["events"].as_array().unwrap().len() as u64)).await;
    has_the_panels_of(&page, "message", &["Every verdict there ever was"]).await;
    can_be_read(&page, "message", 390, "light").await;
    open(&page, "pipeline").await;
    // What has not happened in a quiet process is said to be nothing.
    let quiet = [
        "Waiting for Kafka",
        "Webhooks of mail providers",
        "Errors of the API",
        "Requests that are no hit",
        "Hits",
        "Verdicts",
        "Rows stored",
        "How fast readers are answered",
        "How long the disk takes",
        "Oldest record that waits",
    ];
    let told = || {
        evaluate(
            &page,
            "[document.querySelectorAll('[data-panel=\"How fast reports are\"] .spark').length === 1, document.querySelectorAll('.waiting').length]",
        )
    };
    wait_until(told, |state| *state == json!([true, 0])).await;
    has_the_panels_of(&page, "pipeline", &quiet).await;
    let lost = "document.querySelector('[data-panel=\"Hits lost\"] [data-value]').dataset.value";
    assert_eq!(evaluate(&page, lost).await, json!("0"));
    can_be_read(&page, "pipeline", 390, "light").await;
    open(&page, "definitions").await;
    let defined = || evaluate(&page, "document.querySelector('.definitions')?.innerText ?? ''");
    wait_until(defined, |text| text.as_str().unwrap().contains("what the readers we can see say of all"))
        .await;
    can_be_read(&page, "definitions", 390, "dark").await;

    assert_eq!(heard.lock().unwrap().clone(), [""; 0], "the browser's console is quiet");
    let urls = asked.lock().unwrap().clone();
    assert!(urls.len() > 15, "{urls:?}");
    for url in &urls {
        assert!(url.starts_with(&base) || url.starts_with("about:"), "{url} is asked elsewhere");
        assert!(!url.contains(&key), "the key stands in a URL");
    }
    browser.close().await.unwrap();
    browser.wait().await.unwrap();
    driver.await.unwrap();
    system.stop();
}
