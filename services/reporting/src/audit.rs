//! What is written into the audit log, and how a message is named there without being named.

use crate::auth::Caller;
use crate::problem::Problem;
use crate::state::App;
use aws_lc_rs::hmac;
use engagement::AccountNumber;
use engagement::keys::KeyRing;
use tracing::error;

/// An account was made.
pub(crate) const ACCOUNT_CREATE: &str = "account.create";
/// A key was made.
pub(crate) const KEY_CREATE: &str = "key.create";
/// A key was revoked.
pub(crate) const KEY_REVOKE: &str = "key.revoke";
/// Settings were changed.
pub(crate) const SETTINGS_PUT: &str = "settings.put";
/// Events were exported.
pub(crate) const EVENTS_READ: &str = "events.read";
/// What proves a webhook was set.
pub(crate) const WEBHOOK_PUT: &str = "webhook.put";
/// A webhook was taken back.
pub(crate) const WEBHOOK_DELETE: &str = "webhook.delete";
/// A message's timeline was read.
pub(crate) const TIMELINE_READ: &str = "timeline.read";
/// The list of unsubscribes was read.
pub(crate) const UNSUBSCRIBES_READ: &str = "unsubscribes.read";
/// A suspect unsubscribe was reversed.
pub(crate) const UNSUBSCRIBE_REVERSE: &str = "unsubscribe.reverse";
/// A reversed unsubscribe was put in force again.
pub(crate) const UNSUBSCRIBE_RESTORE: &str = "unsubscribe.restore";

/// Hashes message ids under a key of the master key's: reads of one message can be told from reads of another, and
/// whoever knows a message id and may mint can find its reads, but no id can be read off the log.
pub(crate) struct AuditHash(hmac::Key);

impl AuditHash {
    pub(crate) fn new(ring: &KeyRing) -> Self {
        let secret = ring.current().secret("audit");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret[..]))
    }

    /// 16 bytes in hex, the same for the same message of the same account.
    pub(crate) fn message(&self, account: AccountNumber, message_id: &str) -> String {
        let tag = hmac::sign(&self.0, &engagement::message_key(account, message_id));
        tag.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Notes that something was read, before it is shown: what can't be noted is not shown.
pub(crate) async fn read(
    app: &App,
    caller: &Caller,
    account: AccountNumber,
    action: &str,
    detail: &str,
) -> Result<(), Problem> {
    Ok(app.accounts.audit(account, &caller.key.id.to_string(), action, detail).await?)
}

/// Notes a change that is in force. A line that can't be written is a person's business, and the caller is told.
pub(crate) async fn changed(
    app: &App,
    caller: &Caller,
    account: AccountNumber,
    action: &str,
    detail: &str,
) -> Result<(), Problem> {
    let key = caller.key.id.to_string();
    app.accounts.audit(account, &key, action, detail).await.map_err(|cause| {
        error!(account = account.0, key, action, error = %cause, "a change is missing in the audit log");
        Problem::unavailable("the change is in force, but it could not be written into the audit log")
    })
}
