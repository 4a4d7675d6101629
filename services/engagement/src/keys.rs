//! The key hierarchy of tokens: master → account → sending day, each step by HKDF-SHA-256 (RFC 5869).
//!
//! An account's own minter holds its account key and so never the master; no day key seals more than 2³² tokens, the
//! bound for random nonces in AES-GCM (NIST SP 800-38D, section 8.3).

use crate::AccountNumber;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

/// The bytes of a key at any step.
pub const KEY_BYTES: usize = 32;

const MASTER_SALT: &[u8] = b"trueopen/1/master";
const ACCOUNT_SALT: &[u8] = b"trueopen/1/account";

/// The id of a master key, carried in clear by every token. Retired ones still open old mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub u8);

/// A master key. Debug output never shows the bytes.
#[derive(Clone)]
pub struct MasterKey {
    id: KeyId,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

/// The key of one account under one master key: opens and seals that account's tokens only.
#[derive(Clone)]
pub struct AccountKey {
    pub(crate) id: KeyId,
    pub(crate) account: AccountNumber,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

impl MasterKey {
    /// A master key from its id and bytes.
    #[must_use]
    pub fn new(id: KeyId, bytes: [u8; KEY_BYTES]) -> Self {
        Self { id, bytes: Zeroizing::new(bytes) }
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The bytes, for writing the key file.
    #[must_use]
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// The key of one account.
    #[must_use]
    pub fn account(&self, account: AccountNumber) -> AccountKey {
        let info = account.0.to_be_bytes();
        AccountKey { id: self.id, account, bytes: derive(MASTER_SALT, &self.bytes[..], &[b"account", &info]) }
    }

    /// A value that names this key without telling it: equal for equal keys, useless for opening anything.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let bytes = derive(MASTER_SALT, &self.bytes[..], &[b"fingerprint"]);
        bytes.iter().take(8).map(|b| format!("{b:02x}")).collect()
    }

    /// Another secret derived from this master, for keyed hashes and the like; `purpose` keeps them apart.
    #[must_use]
    pub fn secret(&self, purpose: &str) -> Zeroizing<[u8; KEY_BYTES]> {
        derive(MASTER_SALT, &self.bytes[..], &[b"secret", purpose.as_bytes()])
    }
}

impl AccountKey {
    pub(crate) fn day(&self, day: u16) -> Zeroizing<[u8; KEY_BYTES]> {
        derive(ACCOUNT_SALT, &self.bytes[..], &[b"day", &day.to_be_bytes()])
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountKey")
            .field("id", &self.id)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// All master keys that open tokens, and which of them seals new ones.
#[derive(Debug, Clone)]
pub struct KeyRing {
    keys: Vec<MasterKey>,
    current: usize,
}

/// Why keys can't make a ring.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyRingError {
    /// Two keys carry one id.
    #[error("two master keys carry the id {0}")]
    Repeated(u8),
    /// The current key is not among the keys.
    #[error("the current master key {0} is not among the keys")]
    NoCurrent(u8),
}

impl KeyRing {
    /// A ring of keys, of which `current` seals.
    ///
    /// # Errors
    /// [`KeyRingError`] when an id stands twice or the current one is missing.
    pub fn new(keys: Vec<MasterKey>, current: KeyId) -> Result<Self, KeyRingError> {
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|earlier| earlier.id == key.id) {
                return Err(KeyRingError::Repeated(key.id.0));
            }
        }
        let current =
            keys.iter().position(|key| key.id == current).ok_or(KeyRingError::NoCurrent(current.0))?;
        Ok(Self { keys, current })
    }

    /// The key that seals new tokens.
    #[must_use]
    pub fn current(&self) -> &MasterKey {
        &self.keys[self.current]
    }

    /// The key of an id, current or retired.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// All keys, current and retired.
    #[must_use]
    pub fn all(&self) -> &[MasterKey] {
        &self.keys
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut out = Zeroizing::new([0; KEY_BYTES]);
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Length)
        .and_then(|okm| okm.fill(&mut out[..]))
        .expect("HKDF gives up to 8160 bytes, and 32 are asked for");
    out
}
