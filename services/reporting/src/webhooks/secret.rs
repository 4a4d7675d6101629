//! Secrets of webhooks, sealed under the master key before they are stored: who reads the database or its copy on disk
//! learns none. A retired master key still opens what it sealed.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use engagement::AccountNumber;
use engagement::keys::{KeyId, KeyRing, MasterKey};

/// What keeps this use of the master key apart from others.
const PURPOSE: &str = "webhook secrets";

/// Behind the sealed secret where the account wants the provider's opens and clicks. It is sealed with it: who adds it or
/// takes it away in the database has a secret that does not open.
const ENGAGEMENT: &str = ".opens_and_clicks";

/// Whether a sealed form says that the account wants the provider's opens and clicks.
pub(crate) fn wants_engagement(sealed: &str) -> bool {
    sealed.ends_with(ENGAGEMENT)
}

/// The sealed form: the master key's id, a dot, nonce and ciphertext in base64; then what else it says.
pub(crate) fn seal(
    ring: &KeyRing,
    account: AccountNumber,
    provider: &str,
    secret: &str,
    engagement: bool,
) -> Option<String> {
    let also = if engagement { ENGAGEMENT } else { "" };
    let master = ring.current();
    let mut bytes = secret.as_bytes().to_vec();
    let nonce = key(master)?.seal_in_place_append_tag(aad(account, provider, also), &mut bytes).ok()?;
    let sealed = [nonce.as_ref().as_slice(), &bytes].concat();
    Some(format!("{}.{}{also}", master.id().0, STANDARD_NO_PAD.encode(sealed)))
}

/// The secret; `None` where it was sealed for another account or provider, or under a key that is gone.
pub(crate) fn open(ring: &KeyRing, account: AccountNumber, provider: &str, sealed: &str) -> Option<String> {
    let (sealed, also) = match sealed.strip_suffix(ENGAGEMENT) {
        Some(sealed) => (sealed, ENGAGEMENT),
        None => (sealed, ""),
    };
    let (id, text) = sealed.split_once('.')?;
    let master = ring.find(KeyId(id.parse().ok()?))?;
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    let (nonce, ciphertext) = bytes.split_at_checked(NONCE_LEN)?;
    let mut opened = ciphertext.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let plain = key(master)?.open_in_place(nonce, aad(account, provider, also), &mut opened).ok()?;
    String::from_utf8(plain.to_vec()).ok()
}

fn key(master: &MasterKey) -> Option<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, &master.secret(PURPOSE)[..]).ok()
}

fn aad(account: AccountNumber, provider: &str, also: &str) -> Aad<Vec<u8>> {
    Aad::from([&account.0.to_be_bytes()[..], provider.as_bytes(), also.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_for_its_account_and_provider_alone() {
        let master = |id| MasterKey::new(KeyId(id), [id; 32]);
        let ring = KeyRing::new(vec![master(1), master(2)], KeyId(1)).unwrap();
        let sealed = seal(&ring, AccountNumber(1), "mailgun", "key-0123", false).unwrap();
        assert!(!sealed.contains("0123"));
        assert_eq!(open(&ring, AccountNumber(1), "mailgun", &sealed).as_deref(), Some("key-0123"));
        assert_eq!(open(&ring, AccountNumber(2), "mailgun", &sealed), None);
        assert_eq!(open(&ring, AccountNumber(1), "ses", &sealed), None);
        let rotated = KeyRing::new(vec![master(1), master(2)], KeyId(2)).unwrap();
        assert_eq!(open(&rotated, AccountNumber(1), "mailgun", &sealed).as_deref(), Some("key-0123"));
        let lost = KeyRing::new(vec![master(2)], KeyId(2)).unwrap();
        assert_eq!(open(&lost, AccountNumber(1), "mailgun", &sealed), None);
        assert_eq!(open(&ring, AccountNumber(1), "mailgun", "1.AAAA"), None);
        let with = seal(&ring, AccountNumber(1), "mailgun", "key-0123", true).unwrap();
        assert!(wants_engagement(&with) && !wants_engagement(&sealed));
        assert_eq!(open(&ring, AccountNumber(1), "mailgun", &with).as_deref(), Some("key-0123"));
        for changed in [format!("{sealed}{ENGAGEMENT}"), with.replace(ENGAGEMENT, "")] {
            assert_eq!(open(&ring, AccountNumber(1), "mailgun", &changed), None);
        }
    }
}
