//! Hits that came when their window was closed: their own verdict says so, and that is the queue.

use super::rows::Stretch;
use crate::Failure;
use clickhouse::{Client, Row};
use serde::Deserialize;
use store::Account;

/// So many messages at most are judged together.
const MOST: usize = 500;
/// So many messages at most are looked at in one round; more come in the next.
const MOST_A_ROUND: u64 = 20_000;
/// Messages whose late hits lie further apart are judged in batches of their own, so that little else is read.
const APART_MS: i64 = 6 * 3_600_000;

/// Messages of one account to judge again.
pub(super) struct Batch {
    pub(super) message_ids: Vec<String>,
    /// All whose verdict their late hits may change.
    pub(super) stretch: Stretch,
}

#[derive(Row, Deserialize)]
struct LateRow {
    message_id: String,
    first: i64,
    last: i64,
}

/// What is to be judged again of an account, oldest first. Hits whose evidence is as good as gone are left.
pub(super) async fn batches(
    client: &Client,
    account: &Account,
    window_ms: i64,
) -> Result<Vec<Batch>, Failure> {
    // The condition of the inner query is written as in the index of 0010_reclassify.sql.
    let query = client
        .query(
            "SELECT message_id, toInt64(min(at)) AS first, toInt64(max(at)) AS last
             FROM
             (
                 SELECT message_id, event_id, toUnixTimestamp64Milli(any(received_at)) AS at,
                     argMax(position(reasons, '\"rule\":\"late\"') > 0, revision) AS late
                 FROM events
                 WHERE account = {account: UInt32}
                     AND (toDate(received_at), message_id, event_id) IN (
                         SELECT toDate(received_at), message_id, event_id FROM events
                         WHERE account = {account: UInt32} AND position(reasons, '\"rule\":\"late\"') > 0
                             AND evidence_until > now('UTC') + toIntervalSecond({window: UInt32})
                             AND retention_until > now('UTC'))
                 GROUP BY message_id, event_id
             )
             WHERE late
             GROUP BY message_id
             ORDER BY first
             LIMIT {most: UInt64}",
        )
        .param("account", account.number.0)
        .param("window", u32::try_from(window_ms / 1000).unwrap_or(u32::MAX))
        .param("most", MOST_A_ROUND);
    let mut batches: Vec<Batch> = Vec::new();
    for row in query.fetch_all::<LateRow>().await? {
        let (from, to) = (row.first - window_ms, row.last + window_ms + 1);
        match batches.last_mut() {
            Some(batch) if batch.message_ids.len() < MOST && to - batch.stretch.from <= APART_MS => {
                batch.message_ids.push(row.message_id);
                batch.stretch.to = batch.stretch.to.max(to);
            }
            _ => batches.push(Batch { message_ids: vec![row.message_id], stretch: Stretch { from, to } }),
        }
    }
    Ok(batches)
}
