//! API keys: who may ask what of which account.
//!
//! A key is shown once and stored as the SHA-256 of its text. A slow, salted hash is for passwords, which people choose;
//! a key has 256 random bits, so nobody guesses one from its hash, and a plain hash lets a service look it up at once.

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engagement::{AccountNumber, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What every key's text starts with, so that scanners for leaked secrets can find one.
const PREFIX: &str = "to_";
const RANDOM_BYTES: usize = 32;

/// What a key may do, on its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Read reports, timelines and events.
    #[serde(rename = "reports:read")]
    ReportsRead,
    /// Make links and hand delivery events in.
    #[serde(rename = "events:write")]
    EventsWrite,
    /// Read and change settings.
    #[serde(rename = "settings:write")]
    SettingsWrite,
    /// All of the above on its own account; creates accounts, and keys for any account. It does not read another
    /// account's data.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::ReportsRead, Self::EventsWrite, Self::SettingsWrite, Self::Admin];

    /// The name in documents and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReportsRead => "reports:read",
            Self::EventsWrite => "events:write",
            Self::SettingsWrite => "settings:write",
            Self::Admin => "admin",
        }
    }

    /// The scope of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// The SHA-256 of a key's text, in lower-case hex.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct KeyHash(pub(crate) String);

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl KeyHash {
    pub(crate) fn of(secret: &str) -> Self {
        Self(hex(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref()))
    }
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key as it is listed; its secret is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Key {
    /// The id by which it is listed and revoked.
    pub id: Uuid,
    /// The account it belongs to.
    pub account: AccountNumber,
    /// What its owner calls it.
    pub label: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is dead.
    pub revoked_at: Option<Timestamp>,
    #[serde(skip)]
    pub(crate) hash: KeyHash,
}

impl Key {
    /// Whether the key may do this on its own account.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&Scope::Admin) || self.scopes.contains(&scope)
    }
}

/// A new secret: `to_` and 43 base64url characters of 32 random bytes. `None` when the system gives no random bytes.
pub(crate) fn new_secret() -> Option<String> {
    let mut bytes = [0; RANDOM_BYTES];
    rand::fill(&mut bytes).ok()?;
    Some(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_shape_and_is_new_each_time() {
        let secret = new_secret().unwrap();
        let random = secret.strip_prefix("to_").unwrap();
        assert_eq!(random.len(), 43);
        assert!(random.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_ne!(new_secret().unwrap(), secret);
        assert_eq!(
            KeyHash::of("abc").0,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, appendix B.1
        );
    }

    #[test]
    fn admin_holds_the_other_scopes() {
        let key = |scopes: &[Scope]| Key {
            id: Uuid::nil(),
            account: AccountNumber(1),
            label: String::new(),
            scopes: scopes.to_vec(),
            created_at: Timestamp::from_millis(1_000_000_000_000).unwrap(),
            revoked_at: None,
            hash: KeyHash::of("x"),
        };
        assert!(Scope::ALL.into_iter().all(|scope| key(&[Scope::Admin]).allows(scope)));
        assert!(key(&[Scope::ReportsRead]).allows(Scope::ReportsRead));
        assert!(!key(&[Scope::ReportsRead, Scope::EventsWrite]).allows(Scope::SettingsWrite));
        assert!(!key(&[Scope::SettingsWrite]).allows(Scope::Admin));
        assert!(!serde_json::to_string(&key(&[])).unwrap().contains("hash"));
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        assert_eq!(Scope::parse("reports:write"), None);
    }
}
