//! Takes mail addresses out of texts that others wrote, before anything is kept.

/// What stands in an address's place.
const MARK: &str = "[address]";

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
pub fn document(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(addresses(text)),
        Value::Array(items) => Value::Array(items.iter().map(document).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(name, _)| !PERSONAL.contains(&name.to_ascii_lowercase().as_str()))
                .map(|(name, value)| (addresses(name), document(value)))
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
}
