//! The audit log: who read or changed what.

use crate::accounts::{Accounts, AccountsError, Millis};
use crate::error::call;
use clickhouse::Row;
use engagement::{AccountNumber, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The most entries that one call lists.
pub const MOST_ENTRIES: u32 = 1000;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// The line's own id.
    pub id: Uuid,
    /// A key's id, or `command line`.
    pub by: String,
    /// What was done, such as `settings.put`.
    pub action: String,
    /// To what; never a recipient or a token.
    pub detail: String,
}

#[derive(Row, Serialize, Deserialize)]
struct AuditRow {
    account: u32,
    at: Millis,
    #[serde(with = "clickhouse::serde::uuid")]
    id: Uuid,
    by: String,
    action: String,
    detail: String,
}

impl Accounts {
    /// Writes a line into an account's log; it is stored when this returns. `detail` never holds a recipient or a token.
    ///
    /// # Errors
    /// [`AccountsError::Database`].
    pub async fn audit(
        &self,
        account: AccountNumber,
        by: &str,
        action: &str,
        detail: &str,
    ) -> Result<(), AccountsError> {
        let row = AuditRow {
            account: account.0,
            at: Millis::now(),
            id: Uuid::now_v7(),
            by: by.to_owned(),
            action: action.to_owned(),
            detail: detail.to_owned(),
        };
        self.insert("audit", &row).await
    }

    /// The latest lines of an account's log, newest first: at most `limit` (and never more than [`MOST_ENTRIES`]),
    /// those before a time if one is given.
    ///
    /// # Errors
    /// [`AccountsError::Database`].
    pub async fn audit_list(
        &self,
        account: AccountNumber,
        limit: u32,
        before: Option<Timestamp>,
    ) -> Result<Vec<AuditEntry>, AccountsError> {
        let rows: Vec<AuditRow> = call(
            self.client()
                .query(
                    "SELECT ?fields FROM audit FINAL
                     WHERE account = {account: UInt32} AND at < fromUnixTimestamp64Milli({before: Int64})
                     ORDER BY at DESC, id DESC LIMIT {limit: UInt32}",
                )
                .param("account", account.0)
                .param("before", before.map_or(4_102_444_800_000, Timestamp::millis))
                .param("limit", limit.min(MOST_ENTRIES))
                .fetch_all(),
        )
        .await?;
        let entry = |row: AuditRow| {
            Ok(AuditEntry {
                at: row.at.timestamp()?,
                id: row.id,
                by: row.by,
                action: row.action,
                detail: row.detail,
            })
        };
        rows.into_iter().map(entry).collect()
    }
}
