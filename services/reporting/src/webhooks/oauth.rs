//! Tokens for a provider that asks for one before it posts: SparkPost with OAuth 2.0
//! (<https://support.sparkpost.com/docs/tech-resources/webhook-authentication>), by the grant of client credentials (RFC 6749, 4.4).
//! A token is the moment of its end and a hash of that under the account's secret: nothing is stored, and a new secret ends all.

use super::{Refused, hex};
use aws_lc_rs::{constant_time, digest, hmac};
use engagement::Timestamp;
use serde::Deserialize;

/// How long a token is good, in seconds.
pub(crate) const LIVES: i64 = 3600;

/// What asks for a token, as JSON or as a form.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
}

/// A token for whoever names `user` and `password` of the account's `user:password` as id and secret.
pub(crate) fn token(body: &[u8], secret: &str, now: Timestamp) -> Option<String> {
    let asked = serde_json::from_slice(body).ok().or_else(|| form(body))?;
    let given = format!("{}:{}", asked.client_id, asked.client_secret);
    same(given.as_bytes(), secret.as_bytes()).then(|| {
        let end = now.plus_millis(LIVES * 1000).millis().to_string();
        format!("{end}.{}", tag(&end, secret))
    })
}

/// That a token is one of the account's and not over.
pub(super) fn check(token: &str, secret: &str, now: Timestamp) -> Result<(), Refused> {
    let (end, given) = token.split_once('.').ok_or(Refused::Signature)?;
    if !same(given.as_bytes(), tag(end, secret).as_bytes()) {
        return Err(Refused::Signature);
    }
    let end: i64 = end.parse().map_err(|_| Refused::Signature)?;
    if now.millis() <= end { Ok(()) } else { Err(Refused::Time) }
}

fn form(body: &[u8]) -> Option<Asked> {
    let pairs = url::form_urlencoded::parse(body);
    let mut asked = Asked { client_id: String::new(), client_secret: String::new() };
    for (name, value) in pairs {
        match &*name {
            "client_id" => asked.client_id = value.into_owned(),
            "client_secret" => asked.client_secret = value.into_owned(),
            _ => {}
        }
    }
    (!asked.client_secret.is_empty()).then_some(asked)
}

fn tag(end: &str, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex(hmac::sign(&key, format!("trueopen webhook token\0{end}").as_bytes()).as_ref())
}

/// Whether two secrets are the same, in a time that tells nothing of either.
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    let digest = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes);
    constant_time::verify_slices_are_equal(digest(left).as_ref(), digest(right).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_its_account_and_its_hour() {
        let secret = "sparkpost:0123456789abcdef";
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let now = at("2026-11-22T12:00:00Z");
        let json = r#"{"client_id":"sparkpost","client_secret":"0123456789abcdef","grant_type":"client_credentials"}"#;
        let given = token(json.as_bytes(), secret, now).unwrap();
        let form = b"grant_type=client_credentials&client_id=sparkpost&client_secret=0123456789abcdef";
        assert_eq!(token(form, secret, now).unwrap(), given);
        assert_eq!(check(&given, secret, now), Ok(()));
        assert_eq!(check(&given, secret, at("2026-11-22T13:00:01Z")), Err(Refused::Time));
        assert_eq!(check(&given, "sparkpost:another-password!", now), Err(Refused::Signature));
        let longer = given.replacen('1', "2", 1);
        for forged in [longer.as_str(), "", ".", "9999999999999.", "x.y"] {
            assert_eq!(check(forged, secret, now), Err(Refused::Signature), "{forged}");
        }
        for wrong in [
            &b"{}"[..],
            b"",
            b"client_id=sparkpost",
            br#"{"client_id":"sparkpost","client_secret":"0123456789abcdeX"}"#,
        ] {
            assert!(token(wrong, secret, now).is_none());
        }
    }
}
