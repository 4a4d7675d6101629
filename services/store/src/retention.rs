//! How long rows and their evidence are kept: the same rule for the loader, which writes it into new rows, and for
//! stored rows when an account changes its mind.
//!
//! Both are counted from `received_at`, when we took the event: evidence lies with us from then on, and a sender who
//! hands in a delivery of last year does not want it gone at once. The end is the midnight (UTC) before the days are over, or
//! of less than a week's days the full hour: never later than was promised, and alike for so many rows that it takes next to
//! nothing on disk.

use crate::accounts::{Accounts, AccountsError};
use crate::error::{DatabaseError, call};
use crate::settings::Settings;
use engagement::{AccountNumber, Timestamp};

const SECONDS_A_DAY: i64 = 86_400;

/// At multiples of how many seconds so many days end.
const fn step(days: u16) -> i64 {
    if days < 7 { 3600 } else { SECONDS_A_DAY }
}

/// The second since 1970 until which something of an event that was received then is kept. A `DateTime` ends in 2106;
/// what would lie beyond is kept until then.
#[must_use]
pub fn until(received_at: Timestamp, days: u16) -> u32 {
    let seconds = received_at.millis().div_euclid(1000) + i64::from(days) * SECONDS_A_DAY;
    u32::try_from(seconds - seconds.rem_euclid(step(days))).unwrap_or(u32::MAX)
}

/// The tables whose rows carry `evidence_until` and `retention_until`.
const TABLES: [&str; 2] = ["events", "deliveries"];

impl Accounts {
    /// Makes stored rows of an account follow its settings' `evidence_days` and `retention_days`.
    ///
    /// Returns when ClickHouse has taken the order; it rewrites what differs in the background, and its column TTLs then
    /// empty evidence that is past its time. Safe to repeat: rows that fit already are left alone. Evidence that is gone
    /// does not come back when the days grow.
    ///
    /// # Errors
    /// [`AccountsError::Database`].
    pub async fn apply_retention(
        &self,
        account: AccountNumber,
        settings: &Settings,
    ) -> Result<(), AccountsError> {
        let mutations = TABLES.map(mutation).into_iter().chain([mutation_of_facts()]);
        for mutation in mutations {
            let taken: Result<(), DatabaseError> = call(
                self.client()
                    .query_raw(&mutation)
                    .param("account", account.0)
                    .param("evidence_seconds", i64::from(settings.evidence_days) * SECONDS_A_DAY)
                    .param("evidence_step", step(settings.evidence_days))
                    .param("retention_seconds", i64::from(settings.retention_days) * SECONDS_A_DAY)
                    .param("retention_step", step(settings.retention_days))
                    .with_setting("mutations_sync", "0")
                    .execute(),
            )
            .await;
            taken?;
        }
        // Roll-ups know until when each fact is kept, and so wait for the rows to be rewritten.
        let touch = self.client().query_raw(TOUCH).param("account", account.0);
        let touched: Result<(), DatabaseError> = call(touch.execute()).await;
        Ok(touched?)
    }
}

/// Reports count these messages from the events until their roll-up is made anew.
const TOUCH: &str = "INSERT INTO rollup_touched (account, message_id)
    SELECT DISTINCT account, message_id FROM rollup_messages WHERE account = {account: UInt32}";

/// [`until`] in ClickHouse's words, of rows that were received at so many milliseconds; `what` is named in its parameters.
fn end(received_ms: &str, what: &str) -> String {
    let end = format!("intDiv({received_ms}, 1000) + {{{what}_seconds: Int64}}");
    format!("toDateTime(least({end} - ({end}) % {{{what}_step: Int64}}, 4294967295), 'UTC')")
}

fn mutation(table: &str) -> String {
    let received_ms = "toUnixTimestamp64Milli(received_at)";
    let (evidence, retention) = (end(received_ms, "evidence"), end(received_ms, "retention"));
    format!(
        "ALTER TABLE {table} UPDATE evidence_until = {evidence}, retention_until = {retention}
         WHERE account = {{account: UInt32}} AND (evidence_until != {evidence} OR retention_until != {retention})"
    )
}

/// The same of what roll-ups are made of, which has no evidence.
fn mutation_of_facts() -> String {
    let retention = end("received_ms", "retention");
    format!(
        "ALTER TABLE rollup_facts UPDATE retained_until = {retention}
         WHERE account = {{account: UInt32}} AND retained_until != {retention}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_receipt_and_end_with_the_type() {
        let received = Timestamp::parse("2026-01-31T10:00:00.999Z").unwrap();
        let midnight = Timestamp::parse("2026-01-31T00:00:00Z").unwrap().millis() / 1000;
        assert_eq!(i64::from(until(received, 30)), midnight + 30 * SECONDS_A_DAY);
        assert_eq!(i64::from(until(received, 2)), midnight + 10 * 3600 + 2 * SECONDS_A_DAY);
        let on_time = Timestamp::from_millis(midnight * 1000).unwrap();
        assert_eq!(i64::from(until(on_time, 7)), midnight + 7 * SECONDS_A_DAY);
        let last = Timestamp::parse("2099-12-31T23:59:59Z").unwrap();
        assert_eq!(until(last, 3650), u32::MAX);
    }
}
