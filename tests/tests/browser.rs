//! A mail that was instrumented through the API, read in a real browser by what looks like a person.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{System, wait_until};
use chromiumoxide::cdp::browser_protocol::accessibility::GetFullAxTreeParams;
use chromiumoxide::cdp::browser_protocol::input::{DispatchKeyEventParams, DispatchKeyEventType};
use chromiumoxide::{Browser, BrowserConfig, Page};
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// As headless Chromium, but without saying that it is headless: a person's browser does not.
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

/// Serves one page at any path: the website that the mail's link leads to, and the webmail that shows the mail.
async fn website(pages: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 8192];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
            let page = pages.iter().find(|(start, _)| path.starts_with(start)).map_or("", |(_, page)| page);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\n";
            let answer = format!("{head}content-length: {}\r\n\r\n{page}", page.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    base
}

fn chromium() -> Option<&'static Path> {
    let found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    found.into_iter().map(Path::new).find(|path| path.exists())
}

/// The trap with one of the things that hide it taken away, as mail clients take away what they don't know; each of these
/// is a webmail's page with a link before and one behind it.
fn stripped(trap: &str) -> Vec<String> {
    let cut = |text: &str, from: &str, to: &str| {
        let mut out = text.to_owned();
        while let Some(at) = out.find(from) {
            let end = at + from.len() + out[at + from.len()..].find(to).unwrap() + to.len();
            out.replace_range(at..end, "");
        }
        assert_ne!(out, text, "{from} stands in the trap");
        out
    };
    let page = |trap: String| {
        format!(
            "<body><a id=\"before\" href=\"/x\">before</a>{trap}<a id=\"behind\" href=\"/x\">behind</a></body>"
        )
    };
    let without_styles = cut(trap, " style=\"", "\"");
    let without_names = cut(&cut(trap, " aria-hidden=\"", "\""), " tabindex=\"", "\"");
    vec![
        page(trap.to_owned()),
        page(without_styles),
        page(trap.replace("<div hidden", "<div")),
        page(without_names),
        page(cut(trap, "<!--", "-->")),
    ]
}

/// Asserts that a person can't see, hear or reach the trap on the page that is open.
async fn assert_out_of_reach(page: &Page, trap: &str) {
    let shown = "(() => { const a = [...document.links].find(a => a.href.startsWith('URL'));
        const box = a.getBoundingClientRect();
        return [box.width, box.height, a.innerText.length, document.body.innerText.includes('http')]; })()";
    let shown = page.evaluate(shown.replace("URL", trap)).await.unwrap().into_value::<Value>().unwrap();
    assert_eq!(shown, json!([0, 0, 0, false]), "it takes no room and shows no text");

    // Round the whole page and past its end.
    let mut reached = Vec::new();
    for _ in 0..6 {
        let key = DispatchKeyEventParams::builder().key("Tab").code("Tab").windows_virtual_key_code(9);
        for kind in [DispatchKeyEventType::RawKeyDown, DispatchKeyEventType::KeyUp] {
            page.execute(key.clone().r#type(kind).build().unwrap()).await.unwrap();
        }
        let focus = page.evaluate("document.activeElement.href || ''").await.unwrap();
        reached.push(focus.into_value::<String>().unwrap());
    }
    assert!(
        reached.iter().any(|href| !href.is_empty()),
        "the Tab key reaches the mail's own links: {reached:?}"
    );
    assert!(!reached.iter().any(|href| href == trap), "and never the trap: {reached:?}");

    let tree = page.execute(GetFullAxTreeParams::default()).await.unwrap();
    let spoken: Vec<_> = tree.nodes.iter().filter(|node| !node.ignored).collect();
    let links: Vec<_> = spoken
        .iter()
        .filter(|node| node.role.as_ref().and_then(|role| role.value.as_ref()) == Some(&json!("link")))
        .collect();
    let own = page.evaluate("[...document.links].length").await.unwrap().into_value::<usize>().unwrap();
    assert_eq!(links.len(), own - 1, "every link but the trap is announced: {links:#?}");
    assert!(!format!("{spoken:?}").contains(trap));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_read_in_a_browser_shows_as_a_human_open_and_click() {
    let Some(chromium) = chromium() else {
        assert!(std::env::var_os("CI").is_none(), "there is no Chromium, and CI must have one");
        println!("skipped: there is no Chromium (make test-deps installs it as root)");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    let api = system.api();

    let (status, answer) =
        api.send(Method::PUT, "/v1/accounts/demo/settings", &json!({"trap_links": true})).await;
    assert!(status.is_success(), "{answer}");

    let shop = website(vec![("/", "<h1>the autumn range</h1>".to_owned())]).await;
    let html = format!(
        "<html><body><p>Dear reader,</p><p><a id=\"range\" href=\"{shop}/range?a=1&amp;b=2\">the autumn range</a></p></body></html>"
    );
    let body = json!({"message_id": "mail-1", "campaign": "autumn", "recipient_id": "reader-1",
        "recipient_domain": "example.org", "html": html});
    let (status, tracked) = api.send(Method::POST, "/v1/accounts/demo/instrument", &body).await;
    assert!(status.is_success(), "{tracked}");
    let trap = tracked["trap"].clone();
    let (trap, trap_html) = (trap["url"].as_str().unwrap(), trap["html"].as_str().unwrap());
    let tracked = tracked["html"].as_str().unwrap().to_owned();
    assert!(!tracked.contains("/range?"), "the destination is sealed");
    assert!(tracked.contains(trap_html));
    const VARIANTS: [&str; 5] = ["/0", "/1", "/2", "/3", "/4"];
    let mut pages: Vec<_> = VARIANTS.into_iter().zip(stripped(trap_html)).collect();
    pages.push(("/mail", tracked));
    let webmail = website(pages).await;

    let profile = tempfile::tempdir().unwrap();
    let config = BrowserConfig::builder()
        .chrome_executable(chromium)
        .user_data_dir(profile.path())
        .no_sandbox()
        .args(["disable-gpu", "disable-quic", "disable-background-networking", "disable-component-update"])
        .arg(("user-agent", AGENT))
        .build()
        .unwrap();
    let (mut browser, mut handler) = Browser::launch(config).await.unwrap();
    let driver = tokio::spawn(async move { while handler.next().await.is_some() {} });
    let page = browser.new_page(format!("{webmail}/mail")).await.unwrap();
    page.wait_for_navigation().await.unwrap();
    let pixel =
        "[...document.images].every(i => i.complete && i.naturalWidth === 1) && document.images.length";
    let images = || async { page.evaluate(pixel).await.unwrap().into_value::<Value>().unwrap() };
    wait_until(images, |count| *count == json!(1)).await;
    assert_out_of_reach(&page, trap).await;
    page.find_element("#range").await.unwrap().click().await.unwrap();
    let address = || async { page.url().await.unwrap().unwrap_or_default() };
    let arrived = wait_until(address, |url| url.starts_with(&shop)).await;
    assert_eq!(arrived, format!("{shop}/range?a=1&b=2"));
    for variant in VARIANTS {
        page.goto(format!("{webmail}{variant}")).await.unwrap();
        assert_out_of_reach(&page, trap).await;
    }
    browser.close().await.unwrap();
    browser.wait().await.unwrap();
    driver.await.unwrap();

    let timeline = wait_until(
        || async {
            let response = api.timeline("mail-1").await;
            response.json::<Value>().await.unwrap()
        },
        |timeline| timeline["events"].as_array().is_some_and(|events| events.len() == 2),
    )
    .await;
    for (event, kind) in timeline["events"].as_array().unwrap().iter().zip(["open", "click"]) {
        assert_eq!(event["type"], kind, "{timeline:#}");
        assert_eq!(event["verdict"]["actor"], "human", "{timeline:#}");
        assert_eq!(event["verdict"]["source"], "chrome", "{timeline:#}");
        assert!(!event["verdict"]["reasons"].as_array().unwrap().is_empty());
    }
    assert_eq!(timeline["recipient_domain"], "example.org");
    system.stop();
}
