use crate::agent::Named;
use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;
use engagement::Kind;

/// What woothee calls a client that a person sits at.
const PEOPLE: [&str; 4] = ["pc", "smartphone", "mobilephone", "appliance"];

/// An ordinary browser, or the web view of an app, on a system that people use.
///
/// Evidence: the agent names a browser and a system, by woothee 0.13 or by `signatures/browsers.toml`. The web view on
/// an open is a mail app showing the mail; on iOS the agent that ends at `Mobile/…` is Apple Mail's
/// (express-useragent #78, 2017-01-28; uap-core 00c90f1b calls it a WKWebView, so any app's).
///
/// Known false positives: scanners send plausible Chrome strings, a different version per request (classification.md,
/// what matters most, point 5). Hence a moderate confidence, and only where nothing is found against it.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let found = matched.woothee().filter(|found| PEOPLE.contains(&&*found.category))?;
    let (source, confidence, name) = match matched.agent(Family::Browser) {
        Some(signature) => (signature.who, 0.6, signature.client.as_deref().unwrap_or(&found.name)),
        None => by_woothee(found, facts).map(|(source, confidence)| (source, confidence, &*found.name))?,
    };
    let alone = "; one request alone can't tell a person from a borrowed agent";
    let evidence = ["the agent names ", name, alone].concat();
    Some(Finding::general(Weight::Claim, source, confidence, evidence))
}

fn by_woothee(found: &Named, facts: &Facts<'_>) -> Option<(&'static str, f64)> {
    Some(match &*found.name {
        "Chrome" => ("chrome", 0.6),
        "Safari" => ("safari", 0.6),
        "Firefox" => ("firefox", 0.6),
        "Edge" => ("edge", 0.6),
        "Opera" => ("opera", 0.6),
        "SamsungBrowser" => ("samsung_internet", 0.6),
        "Webview" if facts.kind == Kind::Open && ends_at_mobile(facts.ua) => ("apple_mail", 0.55),
        "Webview" if facts.kind == Kind::Open => ("mail_app", 0.55),
        "Mobile Transcoder" | "UNKNOWN" => return None,
        _ => ("other_browser", 0.5),
    })
}

/// Whether the last word of the agent is iOS's `Mobile/…`.
fn ends_at_mobile(agent: &str) -> bool {
    agent.rsplit(' ').next().is_some_and(|word| word.starts_with("Mobile/"))
}
