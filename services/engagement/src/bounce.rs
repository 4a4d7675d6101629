//! Bounce classes: why a message was refused for good.
//!
//! The enhanced code (RFC 3463, with the registry of RFC 5248) decides first, then the SMTP code (RFC 5321), then words
//! in the text. What none of them tells is `undetermined`, which is an answer.

use serde::{Deserialize, Serialize};

/// Why a message was refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BounceClass {
    /// No such mailbox or domain: never send again.
    Hard,
    /// Mailbox full, mail too large, policy of the moment.
    Soft,
    /// Reputation, spam, authentication: the sender is refused, not the mailbox.
    Block,
    /// Nothing tells.
    Undetermined,
}

impl BounceClass {
    /// The name in tables and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Block => "block",
            Self::Undetermined => "undetermined",
        }
    }
}

/// Words of SMTP texts that decide where the codes do not, looked for in this order, in lower case.
const WORDS: &[(BounceClass, &[&str])] = &[
    (
        BounceClass::Block,
        &["blacklist", "blocklist", "blocked", "spam", "reputation", "dmarc", "spf", "dkim", "rbl"],
    ),
    (
        BounceClass::Soft,
        &["mailbox full", "mailbox is full", "over quota", "quota exceeded", "too large", "exceeds size"],
    ),
    (
        BounceClass::Hard,
        &[
            "user unknown",
            "unknown user",
            "no such user",
            "does not exist",
            "no mailbox",
            "invalid recipient",
            "recipient not found",
            "host not found",
            "nxdomain",
        ],
    ),
];

/// The class of a refusal from what the receiving server said.
#[must_use]
pub fn classify(
    enhanced_code: Option<&str>,
    smtp_code: Option<u16>,
    diagnostic: Option<&str>,
) -> BounceClass {
    enhanced_code
        .and_then(by_enhanced)
        .or_else(|| smtp_code.and_then(by_smtp))
        .or_else(|| diagnostic.and_then(by_words))
        .unwrap_or(BounceClass::Undetermined)
}

/// By subject and detail of RFC 3463; `None` where the code says too little.
fn by_enhanced(code: &str) -> Option<BounceClass> {
    let mut parts = code.trim().split('.').map(str::parse::<u16>);
    let (Some(Ok(class)), Some(Ok(subject)), Some(Ok(detail)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    match (class, subject, detail) {
        // Bad mailbox, domain or syntax of the address; mailbox moved; null MX (RFC 7505).
        (5, 1, 1 | 2 | 3 | 6 | 10) => Some(BounceClass::Hard),
        // Bad sender's address or domain.
        (_, 1, 7 | 8) => Some(BounceClass::Block),
        // Mailbox disabled for good.
        (5, 2, 1) => Some(BounceClass::Hard),
        // Mailbox full, mail too large for it or for the system.
        (_, 2, 2 | 3) | (_, 3, 1 | 4) => Some(BounceClass::Soft),
        // No answer, no host, unable to route.
        (5, 4, 4) => Some(BounceClass::Hard),
        (_, 4, 1 | 2 | 5 | 6 | 7) => Some(BounceClass::Soft),
        // Security and policy: unauthorized, authentication, reputation.
        (_, 7, _) => Some(BounceClass::Block),
        // A temporary code on a message that was given up: it never got in at that time.
        (4, _, _) => Some(BounceClass::Soft),
        _ => None,
    }
}

/// By RFC 5321's reply codes; 550 and 554 are used for everything, so the text decides them.
fn by_smtp(code: u16) -> Option<BounceClass> {
    match code {
        551 | 553 => Some(BounceClass::Hard),
        552 | 421 | 450..=452 => Some(BounceClass::Soft),
        530 | 535 => Some(BounceClass::Block),
        _ => None,
    }
}

fn by_words(text: &str) -> Option<BounceClass> {
    let text = text.to_lowercase();
    WORDS.iter().find(|(_, words)| words.iter().any(|word| text.contains(word))).map(|(class, _)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_first_then_text() {
        for (enhanced, smtp, text, expected) in [
            (Some("5.1.1"), Some(550), Some("spam"), BounceClass::Hard),
            (Some("5.2.2"), Some(552), None, BounceClass::Soft),
            (Some("5.7.1"), Some(550), Some("user unknown"), BounceClass::Block),
            (Some("4.4.7"), None, None, BounceClass::Soft),
            (Some("5.0.0"), Some(550), Some("No such user here"), BounceClass::Hard),
            (None, Some(552), None, BounceClass::Soft),
            (None, Some(550), Some("Mail rejected: listed on an RBL"), BounceClass::Block),
            (None, Some(554), Some("transaction failed"), BounceClass::Undetermined),
            (Some("five"), None, None, BounceClass::Undetermined),
            (None, None, None, BounceClass::Undetermined),
        ] {
            assert_eq!(classify(enhanced, smtp, text), expected, "{enhanced:?} {smtp:?} {text:?}");
        }
    }
}
