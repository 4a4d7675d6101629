//! Takes mail addresses out of texts that others wrote, before anything is kept.

use serde_json::Value;

/// What stands in an address's place.
const MARK: &str = "[address]";
/// What stands in a URL's place.
const URL_MARK: &str = "[url]";
/// What a URL has behind its scheme, plain and as it stands in another URL.
const BEHIND_SCHEME: [&str; 3] = ["://", "%3A%2F%2F", "%3a%2f%2f"];

/// The text with every mail address replaced. An address is any run around an `@` of characters that addresses use;
/// a run that merely looks like one is replaced too, since a leak costs more than a blurred text.
#[must_use]
pub fn addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = sign(rest) {
        let start = rest[..at].rfind(|c| !belongs(c)).map_or(0, |i| i + width(rest, i));
        let end = rest[at..].find(|c| c != '@' && !belongs(c)).map_or(rest.len(), |i| at + i);
        out.push_str(&rest[..start]);
        out.push_str(MARK);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Where the first `@` stands, plain or percent-encoded as in URLs.
fn sign(text: &str) -> Option<usize> {
    [text.find('@'), text.find("%40")].into_iter().flatten().min()
}

/// The text with every URL replaced, up to a blank, a quotation mark or an angle bracket.
#[must_use]
pub fn urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = BEHIND_SCHEME.iter().filter_map(|mark| rest.find(mark)).min() {
        let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let start = rest[..at].rfind(|c| !scheme(c)).map_or(0, |i| i + width(rest, i));
        let ends = |c: char| c.is_whitespace() || "\"'<>".contains(c);
        let end = rest[at..].find(ends).map_or(rest.len(), |i| at + i);
        out.push_str(&rest[..start]);
        out.push_str(URL_MARK);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// What names a person or says what a mail is about, in the documents of mail providers, by the name of its field: nothing
/// below it is kept. A link's URL may be personal too.
const PERSONAL: &[&str] = &[
    "headers",
    "commonheaders",
    "message-headers",
    "subject",
    "to",
    "from",
    "cc",
    "bcc",
    "reply-to",
    "replyto",
    "name",
    "url",
    "link",
    "originallink",
    "target_link_url",
    "target_link_name",
    "content",
    "body",
    "dump",
    "raw_rcpt_to",
    "friendly_from",
    "attachments",
    "originaltext",
];

/// A document with every mail address in it replaced, and what else is personal taken out.
#[must_use]
pub fn document(value: &Value) -> Value {
    redacted(value, &addresses)
}

/// The same of a document that tells of an open or a click: without any URL either, nor the destination, with its scheme or
/// without.
#[must_use]
pub fn engagement(value: &Value, destination: &str) -> Value {
    // A host alone is no destination: it is the recipient's domain, as often as not.
    let bare = destination.split_once("://").map_or("", |(_, rest)| rest.trim_end_matches('/'));
    let known = [destination, bare].map(|text| Some(text).filter(|text| text.contains([':', '/', '?'])));
    redacted(value, &|text| {
        let without = known.iter().flatten().fold(urls(text), |text, known| text.replace(known, URL_MARK));
        addresses(&without)
    })
}

fn redacted(value: &Value, text_of: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(text_of(text)),
        Value::Array(items) => Value::Array(items.iter().map(|item| redacted(item, text_of)).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(name, _)| !PERSONAL.contains(&name.to_ascii_lowercase().as_str()))
                .map(|(name, value)| (text_of(name), redacted(value, text_of)))
                .collect(),
        ),
        plain => plain.clone(),
    }
}

fn belongs(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
}

fn width(text: &str, index: usize) -> usize {
    text[index..].chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_and_the_rest_stays() {
        for (text, expected) in [
            ("550 5.1.1 <jane.doe+x@example.org>: user unknown", "550 5.1.1 <[address]>: user unknown"),
            ("jane@example.org", "[address]"),
            ("to=a@b,c@d; ok", "[address],[address]; ok"),
            ("rfc822;jürgen@müller.example full", "rfc822;[address] full"),
            ("no address here", "no address here"),
            ("“x@y”", "“[address]”"),
            ("a@b@c d", "[address] d"),
            ("@", "[address]"),
            ("https://x.example/?to=jane%40example.org&b", "https:[address]"),
        ] {
            assert_eq!(addresses(text), expected);
        }
    }

    #[test]
    fn documents_keep_what_is_not_personal() {
        let told = serde_json::json!({"event": "bounce", "email": "jane@example.org", "Subject": "Your results",
            "mail": {"commonHeaders": {"to": ["Jane <jane@example.org>"]}, "codes": [550, "<jane@example.org> unknown"]},
            "tags": {"jane@example.org": true}});
        let kept = serde_json::json!({"event": "bounce", "email": "[address]",
            "mail": {"codes": [550, "<[address]> unknown"]}, "tags": {"[address]": true}});
        assert_eq!(document(&told), kept);
    }

    #[test]
    fn what_tells_of_a_click_does_not_say_where_to() {
        for (text, expected) in [
            ("https://shop.example/results?u=1,jane@example.org", "[url]"),
            ("Bot/1.0 (+http://bot.example/)", "Bot/1.0 ([url]"),
            ("to \"HTTPS://x.example/\", then app+x://y z", "to \"[url]\", then [url] z"),
            ("/r?u=https%3A%2F%2Fx.example%2Fyour-results&a=1", "/r?u=[url]"),
            ("näher://x", "nä[url]"),
            ("://", "[url]"),
            ("12:30 a/b // c", "12:30 a/b // c"),
        ] {
            assert_eq!(urls(text), expected);
        }
        let told = serde_json::json!({"event": "click", "url": "https://x.example/a", "ref": "see tel:+123 and https://x.example/a",
            "seen": {"https://x.example/a": 2}, "email": "jane@example.org", "ip": "192.0.2.7"});
        let kept = serde_json::json!({"event": "click", "ref": "see [url] and [url]", "seen": {"[url]": 2},
            "email": "[address]", "ip": "192.0.2.7"});
        assert_eq!(engagement(&told, "tel:+123"), kept);
    }
}
