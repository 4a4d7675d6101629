//! Rules over the clients that people use, and over those that can't be told: hit, near miss, known false positive.

use crate::support::{BARRACUDA, CHROME, SAFARI, click, open};
use engagement::Actor;

const NEW_OUTLOOK: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0.0.0 Safari/537.36 Edg/136.0.0.0 OneOutlook/1.2025.516.400";

#[test]
fn webkit_bare() {
    let mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)";
    open(mac).judged().unknown("webkit_bare").by("webkit_bare");
    click(mac).judged().unknown("webkit_bare");
    // Near miss: a program is named behind it.
    open(SAFARI).judged().human("safari").silent("webkit_bare");
    // Known false positive: most are people in Apple Mail; nothing may suppress them.
    assert_eq!(open(mac).judged().judgement.verdict.class(), None);
}

#[test]
fn generic_client() {
    for (agent, client) in [
        ("okhttp/4.12.0", "OkHttp"),
        ("Mail/3774.600.62 CFNetwork/1568.200.51 Darwin/24.1.0", "CFNetwork"),
        ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A.240205.004)", "Dalvik"),
    ] {
        open(agent).judged().unknown("generic_client").by("generic_client").client(client);
    }
    open("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.12026; Pro)")
        .judged()
        .unknown("generic_client")
        .fired("mail_app");
    // Near miss: the name of the machine elsewhere in the agent.
    open("Reader/1.0 (not Dalvik/2)").judged().unknown("unknown").silent("generic_client");
    // The new Outlook fetches a link itself, at the reader's click or ahead of it: nobody says which.
    click(NEW_OUTLOOK).judged().unknown("generic_client").by("generic_client").client("Outlook");
    // Near miss: Edge itself, in whose web view it runs.
    click(NEW_OUTLOOK.split(" OneOutlook").next().unwrap()).judged().human("edge");
    // Known false positive of others: not called automated even on a link.
    click("okhttp/4.12.0").judged().unknown("generic_client");
}

#[test]
fn mail_app() {
    for (agent, source, client) in [
        ("Mozilla/4.0 (compatible; ms-office; MSOffice 16)", "outlook", "Outlook"),
        ("Outlook-iOS/711.2304115.prod.iphone (3.26.0)", "outlook", "Outlook"),
        ("MacOutlook/16.61.22041701 (Intel Mac OS X 10.15.7)", "outlook", "Outlook"),
        (NEW_OUTLOOK, "outlook", "Outlook"),
        ("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.0; SLCC1; MSOffice 12)", "outlook", "Outlook"),
        ("Evolution/3.52.3", "mail_app", "Evolution"),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.4.0",
            "thunderbird",
            "Thunderbird",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Superhuman/1 Chrome/120.0.0.0 Electron/28 Safari/537.36",
            "mail_app",
            "Superhuman",
        ),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) eMClient/9.2", "mail_app", "eM Client"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 13_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MailMaster/6.22.4.1582",
            "mail_app",
            "MailMaster",
        ),
    ] {
        open(agent).judged().human(source).by("mail_app").client(client);
    }
    // Near miss: Microsoft's names in a browser's agent are not Outlook.
    click(&format!("{CHROME} Edg/142.0.0.0")).judged().human("edge").silent("mail_app");
    // Known false positive: a scanner under a borrowed agent, where evidence or a network says otherwise.
    click("Mozilla/4.0 (compatible; ms-office; MSOffice 16)")
        .ip("40.107.1.1")
        .judged()
        .automated("microsoft_safelinks");
}

#[test]
fn browser() {
    let iphone =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
    let android = "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko)";
    for (agent, source, client) in [
        (CHROME.to_owned(), "chrome", "Chrome"),
        (SAFARI.to_owned(), "safari", "Safari"),
        (format!("{iphone} CriOS/142.0.0.0 Mobile/15E148 Safari/604.1"), "chrome", "Chrome"),
        (format!("{iphone} Version/18.6 Mobile/15E148 Safari/604.1"), "safari", "Safari"),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned(),
            "firefox",
            "Firefox",
        ),
        (format!("{CHROME} Edg/142.0.3595.53"), "edge", "Edge"),
        (format!("{CHROME} OPR/125.0.0.0"), "opera", "Opera"),
        (
            format!("{android} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36"),
            "samsung_internet",
            "Samsung Internet",
        ),
        (
            format!("{iphone} Version/18.0 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15"),
            "other_browser",
            "DuckDuckGo",
        ),
        (format!("{CHROME} Vivaldi/7.6"), "other_browser", "Vivaldi"),
    ] {
        let judged = click(&agent).judged().human(source).by("browser").client(client);
        assert!(judged.confidence() <= 0.6, "one request alone can't be surer");
        assert!(judged.judgement.verdict.reasons[0].evidence.contains("one request alone"));
    }
    // A web view shows the mail on an open, and a page on a click.
    let view = format!("{iphone} Mobile/15E148");
    open(&view).judged().human("apple_mail").client("Web view");
    click(&view).judged().human("other_browser");
    let app = "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.0.0 Mobile Safari/537.36";
    open(app).judged().human("mail_app");
    // Near misses: a system without a browser, a browser without a system.
    click("Reader/1.0 (Windows NT 10.0)").judged().unknown("unknown").silent("browser");
    click("Chrome/142.0.0.0 Safari/537.36").judged().unknown("unknown").silent("browser");
    // Known false positive: a scanner under a plausible agent, once anything speaks against it.
    click(CHROME).ip("209.222.82.1").judged().automated("barracuda").fired("browser");
}

#[test]
fn nothing_known_decides_nothing() {
    for agent in ["x", "-", "Mozilla", "\u{1f4e7}", "Mozilla/5.0 (unheard of)"] {
        let judged = open(agent).judged().unknown("unknown").by("undecided");
        assert_eq!(judged.rules(), ["undecided"]);
        assert_eq!(judged.confidence(), 0.0);
    }
}

#[test]
fn every_rule_that_fired_is_a_reason() {
    let judged = click(BARRACUDA)
        .method("HEAD")
        .ip("40.107.1.1")
        .trailing("%27")
        .header("purpose", "prefetch")
        .judged()
        .is(Actor::Automated, "barracuda");
    assert_eq!(
        judged.rules(),
        ["gateway_agent", "microsoft_network", "head_request", "prefetch_header", "microsoft_quote"]
    );
}
