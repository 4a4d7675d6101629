//! What an agent says of the client: its family by woothee's answer, corrected by our own signatures; the kind of device;
//! the mail app.

use crate::matched::Matched;
use crate::signatures::Family;
use crate::words::{Word, Words};

/// What woothee writes when it does not know.
const UNKNOWN: &str = "UNKNOWN";

/// The client family, such as `Chrome`; empty when none is known.
///
/// woothee takes Gmail's proxy for Firefox, its prefetch for Edge, and mail apps for nothing or for the browser engine
/// inside them, so a signature that names a client goes first, and one of a mail app before one of a browser.
pub(crate) fn family<'m>(matched: &'m Matched<'_>) -> &'m str {
    let named = |browser: bool| {
        matched
            .agents()
            .filter(|signature| (signature.family == Family::Browser) == browser)
            .find_map(|signature| signature.client.as_deref())
    };
    if let Some(client) = named(false).or_else(|| named(true)) {
        return client;
    }
    match matched.woothee().map_or(UNKNOWN, |found| &found.name) {
        UNKNOWN => "",
        "SamsungBrowser" => "Samsung Internet",
        "Webview" => "Web view",
        "misc crawler" => "Crawler",
        name => name,
    }
}

/// Who fetches for somebody else: what their agents say of a device is made up.
const PROXIES: [Family; 5] = [
    Family::GoogleImageProxy,
    Family::GooglePrefetch,
    Family::ApplePrefetch,
    Family::WebmailProxy,
    Family::DeclaredBot,
];

/// The kind of device: `desktop`, `phone` or `tablet`; empty when the agent doesn't say. An iPad whose Safari asks for desktop
/// pages says it is a Mac.
pub(crate) fn device(matched: &Matched<'_>) -> &'static str {
    if matched.agents().any(|signature| PROXIES.contains(&signature.family)) {
        return "";
    }
    matched.read().says().device
}

/// The kind of device that an agent says it is, whosever it is.
pub(crate) fn device_said(words: &Words) -> &'static str {
    use Word::{Android, CrOs, IPad, IPhone, IPod, MacOsX, MacOutlook, Macintosh, Mobile, MsOffice};
    use Word::{ProdIPad, ProdIPhone, WindowsNt, WindowsPhone, X11};
    if words.say_one(&[IPad, ProdIPad]) {
        "tablet"
    } else if words.say_one(&[IPhone, IPod, ProdIPhone, WindowsPhone]) {
        "phone"
    } else if words.say(Android) {
        // Android's phones say Mobile, its tablets don't (developer.chrome.com, user-agent strings).
        match words.android_version {
            true if words.say(Mobile) => "phone",
            true => "tablet",
            false => "",
        }
    } else if words.say_one(&[WindowsNt, Macintosh, X11, CrOs, MacOsX, MsOffice, MacOutlook]) {
        "desktop"
    } else {
        ""
    }
}

/// The mail app or webmail in which the mail was shown or fetched; empty when that is none or not known.
pub(crate) fn mail_app<'a>(matched: &Matched<'a>, source: &str) -> &'a str {
    const MAIL: [Family; 5] = [
        Family::MailApp,
        Family::GoogleImageProxy,
        Family::GooglePrefetch,
        Family::ApplePrefetch,
        Family::WebmailProxy,
    ];
    let named = matched
        .agents()
        .filter(|signature| MAIL.contains(&signature.family))
        .find_map(|signature| signature.client.as_deref());
    match named {
        Some(named) => named,
        None if source == "apple_mail" => "Apple Mail",
        None => "",
    }
}
