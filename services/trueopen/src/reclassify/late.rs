//! Hits that came when their window was closed: their own verdict says so, and that is the queue.

use super::rows::Stretch;
use crate::Failure;
use clickhouse::{Client, Row};
use engagement::AccountNumber;
use serde::Deserialize;
use std::time::{Duration, Instant};

/// How often hits that came late are looked for while there are any.
const OFTEN: Duration = Duration::from_secs(5);
/// The longest pause where there are none, or ClickHouse is away.
const SELDOM: Duration = Duration::from_secs(60);
/// So many messages at most are judged together.
const MOST: usize = 500;
/// So many messages at most are looked at in one round, of one account and of all; more come in the next.
const MOST_OF_ONE: u64 = 20_000;
const MOST_OF_ALL: u64 = 100_000;
/// Messages whose late hits lie further apart are judged in batches of their own, so that little else is read.
const APART_MS: i64 = 6 * 3_600_000;

/// When to look: often while there is something, and more and more seldom while there is nothing.
#[derive(Debug)]
pub(super) struct Rounds {
    next: Instant,
    pause: Duration,
}

impl Rounds {
    /// The first one is due at once.
    pub(super) fn from(now: Instant) -> Self {
        Self { next: now, pause: OFTEN }
    }

    pub(super) fn are_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Notes a round, and whether it found anything.
    pub(super) fn went(&mut self, now: Instant, found: bool) {
        self.next = now + if found { OFTEN } else { self.pause };
        self.pause = if found { OFTEN } else { (self.pause * 2).min(SELDOM) };
    }
}

/// Messages of one account to judge again.
pub(super) struct Batch {
    pub(super) account: AccountNumber,
    pub(super) message_ids: Vec<String>,
    /// All whose verdict their late hits may change.
    pub(super) stretch: Stretch,
}

#[derive(Row, Deserialize)]
struct LateRow {
    account: u32,
    message_id: String,
    first: i64,
    last: i64,
}

/// What is to be judged again of all accounts, in one query, the oldest of each first. Hits whose evidence is as good as
/// gone are left.
pub(super) async fn batches(client: &Client, window_ms: i64) -> Result<Vec<Batch>, Failure> {
    // The condition of the inner query is written as in the index of 0010_reclassify.sql.
    let query = client
        .query(
            "SELECT account, message_id, toInt64(min(at)) AS first, toInt64(max(at)) AS last
             FROM
             (
                 SELECT account, message_id, event_id, toUnixTimestamp64Milli(any(received_at)) AS at,
                     argMax(position(reasons, '\"rule\":\"late\"') > 0, revision) AS late
                 FROM events
                 WHERE (account, toDate(received_at), message_id, event_id) IN (
                     SELECT account, toDate(received_at), message_id, event_id FROM events
                     WHERE position(reasons, '\"rule\":\"late\"') > 0
                         AND evidence_until > now('UTC') + toIntervalSecond({window: UInt32})
                         AND retention_until > now('UTC'))
                 GROUP BY account, message_id, event_id
             )
             WHERE late
             GROUP BY account, message_id
             ORDER BY account, first
             LIMIT {of_one: UInt64} BY account
             LIMIT {of_all: UInt64}",
        )
        .param("window", u32::try_from(window_ms / 1000).unwrap_or(u32::MAX))
        .param("of_one", MOST_OF_ONE)
        .param("of_all", MOST_OF_ALL);
    let mut batches: Vec<Batch> = Vec::new();
    for row in query.fetch_all::<LateRow>().await? {
        let account = AccountNumber(row.account);
        let (from, to) = (row.first - window_ms, row.last + window_ms + 1);
        match batches.last_mut() {
            Some(batch)
                if batch.account == account
                    && batch.message_ids.len() < MOST
                    && to - batch.stretch.from <= APART_MS =>
            {
                batch.message_ids.push(row.message_id);
                batch.stretch.to = batch.stretch.to.max(to);
            }
            _ => {
                let stretch = Stretch { from, to };
                batches.push(Batch { account, message_ids: vec![row.message_id], stretch });
            }
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_that_find_nothing_come_more_and_more_seldom() {
        let start = Instant::now();
        let mut rounds = Rounds::from(start);
        assert!(rounds.are_due(start));
        let pause = |rounds: &mut Rounds, found| {
            let now = rounds.next;
            rounds.went(now, found);
            assert!(!rounds.are_due(now) && rounds.are_due(rounds.next));
            (rounds.next - now).as_secs()
        };
        let quiet: Vec<u64> = (0..6).map(|_| pause(&mut rounds, false)).collect();
        assert_eq!(quiet, [5, 10, 20, 40, 60, 60]);
        assert_eq!(
            [pause(&mut rounds, true), pause(&mut rounds, true), pause(&mut rounds, false)],
            [5, 5, 5]
        );
        assert_eq!(pause(&mut rounds, false), 10);
    }
}
