//! Which client family an agent names: woothee's answer, corrected by our own signatures.

use crate::matched::Matched;
use crate::signatures::Family;

/// What woothee writes when it does not know.
const UNKNOWN: &str = "UNKNOWN";

/// The client family, such as `Chrome`; empty when none is known.
///
/// woothee takes Gmail's proxy for Firefox, its prefetch for Edge, and mail apps for nothing or for the browser engine
/// inside them, so a signature that names a client goes first, and one of a mail app before one of a browser.
pub(crate) fn family<'a>(matched: &Matched<'a>) -> &'a str {
    let named = |browser: bool| {
        matched
            .agents()
            .iter()
            .filter(|signature| (signature.family == Family::Browser) == browser)
            .find_map(|signature| signature.client.as_deref())
    };
    if let Some(client) = named(false).or_else(|| named(true)) {
        return client;
    }
    let name: &'a str = matched.woothee().map_or(UNKNOWN, |found| found.name);
    match name {
        UNKNOWN => "",
        "SamsungBrowser" => "Samsung Internet",
        "Webview" => "Web view",
        "misc crawler" => "Crawler",
        name => name,
    }
}
