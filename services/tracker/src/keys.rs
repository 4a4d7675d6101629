//! Day keys, kept: deriving one costs two HKDF steps and an AES key schedule, and most hits share a few.

use engagement::AccountNumber;
use engagement::keys::{KeyId, KeyRing};
use engagement::token::{self, Content, DayKey, OpenError, Parsed};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The most keys that are kept; beyond it all are forgotten and derived anew, so that junk prefixes cost time at
/// most, never memory.
const MOST_KEYS: usize = 4096;

type Name = (KeyId, AccountNumber, u16);

/// Opens tokens, keeping the day keys it derived.
pub(crate) struct Opener {
    ring: Arc<KeyRing>,
    kept: RwLock<HashMap<Name, Arc<DayKey>>>,
}

impl Opener {
    pub(crate) fn new(ring: Arc<KeyRing>) -> Self {
        Self { ring, kept: RwLock::default() }
    }

    /// Opens a parsed token that was asked for on `host`.
    pub(crate) fn open(&self, host: &str, parsed: &Parsed) -> Result<Content, OpenError> {
        let prefix = parsed.prefix;
        let name = (prefix.key, prefix.account, prefix.day);
        if let Some(key) = self.kept.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned() {
            return token::open(&key, host, parsed);
        }
        let master = self.ring.find(prefix.key).ok_or(OpenError::UnknownKey(prefix.key.0))?;
        let key = Arc::new(DayKey::derive(&master.account(prefix.account), prefix.day));
        let content = token::open(&key, host, parsed)?;
        // Only a key that opened something is worth keeping.
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEYS {
            kept.clear();
        }
        kept.insert(name, key);
        Ok(content)
    }
}
