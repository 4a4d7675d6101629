//! The order of decision. What real texts mean is held by the corpus, `tests/bounces.rs`.

use super::*;

fn said(enhanced: Option<&str>, smtp: Option<u16>, text: Option<&str>) -> (BounceClass, &'static str) {
    let refusal =
        classify(&Said { enhanced_code: enhanced, smtp_code: smtp, diagnostic: text, verdict: None });
    (refusal.class, refusal.reason)
}

#[test]
fn enhanced_code_first_then_smtp_code_then_text() {
    use BounceClass::{Block, Hard, Soft, Undetermined};
    for (enhanced, smtp, text, expected) in [
        (Some("5.1.1"), Some(550), Some("spam"), (Hard, "no_such_user")),
        (Some("5.2.2"), Some(552), None, (Soft, "mailbox_full")),
        // The code says the class, and words of another class have no say.
        (Some("5.7.1"), Some(550), Some("user unknown"), (Block, "policy")),
        (Some("5.7.1"), Some(550), Some("blocked using zen.spamhaus.org"), (Block, "reputation")),
        (Some("4.4.7"), None, None, (Soft, "expired")),
        // Given up on: the address may be right.
        (Some("4.1.1"), None, None, (Soft, "no_such_user")),
        (Some("5.0.0"), Some(550), Some("No such user here"), (Hard, "no_such_user")),
        (Some("5.0.0"), Some(550), Some("smtp; 550 5.2.1 whatever"), (Hard, "inactive")),
        (None, Some(552), None, (Soft, "mailbox_full")),
        (None, Some(552), Some("message size exceeds fixed limit"), (Soft, "message_too_large")),
        (None, Some(550), Some("Mail rejected: listed on an RBL"), (Block, "reputation")),
        (None, Some(554), Some("transaction failed"), (Undetermined, "undetermined")),
        (None, None, Some("550 sorry, no mailbox here by that name (#5.1.1)"), (Hard, "no_such_user")),
        (None, None, Some("host mx.example[192.0.2.1] said: 552 no"), (Soft, "mailbox_full")),
        (Some("five"), None, None, (Undetermined, "undetermined")),
        (Some("5.1.1.1"), None, None, (Undetermined, "undetermined")),
        (None, None, Some("sent by Postfix 3.5.1 from 5.7.1.9"), (Undetermined, "undetermined")),
        (None, None, None, (Undetermined, "undetermined")),
    ] {
        assert_eq!(said(enhanced, smtp, text), expected, "{enhanced:?} {smtp:?} {text:?}");
    }
}

#[test]
fn the_data_names_only_reasons_that_there_are() {
    let named = DATA
        .exceptions
        .iter()
        .map(|rule| &rule.reason)
        .chain(DATA.enhanced.iter().map(|rule| &rule.reason))
        .chain(DATA.smtp.iter().map(|rule| &rule.reason))
        .chain(DATA.texts.iter().map(|rule| &rule.reason));
    for reason in named {
        assert!(class_of(reason).is_some(), "{reason} is not in schema/bounce-reasons.json");
    }
    assert_eq!(reasons().last().map(|reason| reason.id.as_str()), Some(UNDETERMINED));
    for word in DATA.texts.iter().flat_map(|rule| &rule.words) {
        assert_eq!(*word, word.to_lowercase(), "texts are searched in lower case");
    }
    assert!(!data_version().is_empty());
}
