//! Secrets of webhooks, sealed under the master key before they are stored: who reads the database or its copy on disk
//! learns none. A retired master key still opens what it sealed.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use engagement::AccountNumber;
use engagement::keys::{KeyId, KeyRing, MasterKey};

/// What keeps this use of the master key apart from others.
const PURPOSE: &str = "webhook secrets";

/// The sealed form: the master key's id, a dot, nonce and ciphertext in base64.
pub(crate) fn seal(ring: &KeyRing, account: AccountNumber, provider: &str, secret: &str) -> Option<String> {
    let master = ring.current();
    let mut bytes = secret.as_bytes().to_vec();
    let nonce = key(master)?.seal_in_place_append_tag(aad(account, provider), &mut bytes).ok()?;
    let sealed = [nonce.as_ref().as_slice(), &bytes].concat();
    Some(format!("{}.{}", master.id().0, STANDARD_NO_PAD.encode(sealed)))
}

/// The secret; `None` where it was sealed for another account or provider, or under a key that is gone.
pub(crate) fn open(ring: &KeyRing, account: AccountNumber, provider: &str, sealed: &str) -> Option<String> {
    let (id, text) = sealed.split_once('.')?;
    let master = ring.find(KeyId(id.parse().ok()?))?;
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    let (nonce, ciphertext) = bytes.split_at_checked(NONCE_LEN)?;
    let mut opened = ciphertext.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let plain = key(master)?.open_in_place(nonce, aad(account, provider), &mut opened).ok()?;
    String::from_utf8(plain.to_vec()).ok()
}

fn key(master: &MasterKey) -> Option<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, &master.secret(PURPOSE)[..]).ok()
}

fn aad(account: AccountNumber, provider: &str) -> Aad<Vec<u8>> {
    Aad::from([&account.0.to_be_bytes()[..], provider.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_for_its_account_and_provider_alone() {
        let master = |id| MasterKey::new(KeyId(id), [id; 32]);
        let ring = KeyRing::new(vec![master(1), master(2)], KeyId(1)).unwrap();
        let sealed = seal(&ring, AccountNumber(1), "mailgun", "key-0123").unwrap();
        assert!(!sealed.contains("0123"));
        assert_eq!(open(&ring, AccountNumber(1), "mailgun", &sealed).as_deref(), Some("key-0123"));
        assert_eq!(open(&ring, AccountNumber(2), "mailgun", &sealed), None);
        assert_eq!(open(&ring, AccountNumber(1), "ses", &sealed), None);
        let rotated = KeyRing::new(vec![master(1), master(2)], KeyId(2)).unwrap();
        assert_eq!(open(&rotated, AccountNumber(1), "mailgun", &sealed).as_deref(), Some("key-0123"));
        let lost = KeyRing::new(vec![master(2)], KeyId(2)).unwrap();
        assert_eq!(open(&lost, AccountNumber(1), "mailgun", &sealed), None);
        assert_eq!(open(&ring, AccountNumber(1), "mailgun", "1.AAAA"), None);
    }
}
