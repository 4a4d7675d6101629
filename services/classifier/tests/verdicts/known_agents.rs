//! The exact strings of classification.md, each with what it says they are.

use crate::support::{GMAIL_PREFETCH, GMAIL_PROXY, click, open};
use engagement::Actor::{self, Automated, Human, Unknown};

#[test]
fn on_the_pixel() {
    let table: &[(&str, Actor, &str)] = &[
        ("Mozilla/5.0", Automated, "apple_mpp"),
        (GMAIL_PROXY, Human, "google_proxy"),
        (GMAIL_PREFETCH, Automated, "google_prefetch"),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", Unknown, "yahoo_proxy"),
        ("YahooMailProxy; https://senders.yahooinc.com/mail-proxy-servers", Unknown, "yahoo_proxy"),
        ("RamblerMail/6.0 (incompatible; ImageProxy/6.0)", Unknown, "webmail_proxy"),
        ("Mozilla/5.0 SeznamEmailProxy/2.0.174", Unknown, "webmail_proxy"),
        ("Mozilla/5.0 (via secureurl.fwdcdn.com - mail.ukr.net proxy)", Unknown, "webmail_proxy"),
        ("Barracuda Sentinel (EE)", Automated, "barracuda"),
        (
            "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b",
            Automated,
            "bing_preview",
        ),
        (
            "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1; Microsoft Outlook 14.0.7109; ms-office; MSOffice 14)",
            Human,
            "outlook",
        ),
        ("Outlook-iOS/709.2226530.prod.iphone (3.24.1)", Human, "outlook"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
            Unknown,
            "webkit_bare",
        ),
        ("Microsoft Office/16.0 (Windows NT 10.0; 16.0.12026; Pro)", Unknown, "generic_client"),
        ("okhttp/3.12.1", Unknown, "generic_client"),
        ("python-requests/2.31.0", Automated, "http_library"),
    ];
    for (agent, actor, source) in table {
        open(agent).judged().is(*actor, source);
    }
}

#[test]
fn on_a_link() {
    let table: &[(&str, Actor, &str)] = &[
        ("Mozilla/5.0", Unknown, "unknown"),
        ("Barracuda Sentinel (EE)", Automated, "barracuda"),
        ("Java/1.8.0_292", Automated, "http_library"),
        ("Apache-HttpClient/4.5.2 (Java/1.8.0_161)", Automated, "http_library"),
        ("AHC/2.1", Automated, "http_library"),
        ("Jetty/9.4.11.v20180605", Automated, "http_library"),
        ("curl/7.64.1", Automated, "http_library"),
        ("Go-http-client/1.1", Automated, "http_library"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
            Human,
            "safari",
        ),
    ];
    for (agent, actor, source) in table {
        click(agent).judged().is(*actor, source);
    }
}

/// woothee is weak alone: what it gets wrong, and what the signatures make of it.
#[test]
fn corrects_woothee() {
    let woothee = woothee::parser::Parser::new();
    let name = |agent| woothee.parse(agent).map(|found| found.name);
    assert_eq!(name(GMAIL_PROXY), Some("Firefox"));
    open(GMAIL_PROXY).judged().client("Gmail");
    assert_eq!(name(GMAIL_PREFETCH), Some("Edge"));
    open(GMAIL_PREFETCH).judged().client("Gmail");
    for (agent, client) in [
        ("Mozilla/5.0", "Apple Mail"),
        ("YahooMailProxy; https://senders.yahooinc.com/mail-proxy-servers", "Yahoo Mail"),
        ("Barracuda Sentinel (EE)", "Barracuda"),
        ("Outlook-iOS/709.2226530.prod.iphone (3.24.1)", "Outlook"),
    ] {
        assert_eq!(name(agent), None);
        open(agent).judged().client(client);
    }
}
