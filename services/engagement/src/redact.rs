//! Takes mail addresses out of texts that others wrote, before anything is kept.

/// What stands in an address's place.
const MARK: &str = "[address]";

/// The text with every mail address replaced. An address is any run around an `@` of characters that addresses use;
/// a run that merely looks like one is replaced too, since a leak costs more than a blurred text.
#[must_use]
pub fn addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let start = rest[..at].rfind(|c| !belongs(c)).map_or(0, |i| i + width(rest, i));
        let end = rest[at..].find(|c| c != '@' && !belongs(c)).map_or(rest.len(), |i| at + i);
        out.push_str(&rest[..start]);
        out.push_str(MARK);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
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
        ] {
            assert_eq!(addresses(text), expected);
        }
    }
}
