//! The link that no reader can see, for mails of an account that does not put one into its own.

use engagement::Kind;
use engagement::keys::KeyRing;
use engagement::token::{self, Nonce};
use reqwest::Url;

/// Where a mail's trap came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Traps {
    /// The account puts them into its mails.
    OfAccount,
    /// Sealed here, under the master key that sealed the mail's pixel; the account's setting stays as it is.
    MadeHere,
    /// There is none.
    None,
}

/// The trap of the mail that a pixel belongs to, if the key here is the one that it was sealed under.
pub(super) fn make(ring: &KeyRing, pixel: &Url) -> Option<Url> {
    let parsed = token::parse(pixel.path_segments()?.next_back()?).0.ok()?;
    let host = pixel.host_str()?;
    let mut content = token::open_with_ring(ring, host, &parsed).ok()?;
    content.kind = Kind::Trap;
    let mut nonce = [0; 12];
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    let bound = parsed.prefix.host_bound.then_some(host);
    let token = token::mint(ring, parsed.prefix.account, bound, &content, Nonce::from_random(nonce)).ok()?;
    let mut url = pixel.clone();
    url.path_segments_mut().ok()?.pop().pop().push("c").push(&token);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engagement::keys::{KeyId, MasterKey};
    use engagement::token::Content;
    use engagement::{AccountNumber, Timestamp};

    #[test]
    fn a_trap_is_made_for_the_mails_of_ones_own_key_alone() {
        let ring = |byte| KeyRing::new(vec![MasterKey::new(KeyId(1), [byte; 32])], KeyId(1)).unwrap();
        let content = Content {
            kind: Kind::Open,
            message_id: "m-1".into(),
            recipient_id: String::new(),
            campaign: "c".into(),
            recipient_domain: "a.example".into(),
            sent_at: Timestamp::parse("2026-11-21T08:00:00Z").unwrap(),
            link: None,
        };
        for bound in [None, Some("t.example")] {
            let nonce = Nonce::from_random([1; 12]);
            let sealed = token::mint(&ring(7), AccountNumber(3), bound, &content, nonce).unwrap();
            let pixel: Url = format!("https://t.example:8443/base/o/{sealed}").parse().unwrap();
            let url = make(&ring(7), &pixel).unwrap();
            let token = url.as_str().strip_prefix("https://t.example:8443/base/c/").unwrap();
            let opened =
                token::open_with_ring(&ring(7), "t.example", &token::parse(token).0.unwrap()).unwrap();
            assert_eq!(opened, Content { kind: Kind::Trap, ..content.clone() });
            assert_eq!(make(&ring(8), &pixel), None);
        }
    }
}
