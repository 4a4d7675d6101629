//! What is read of the past: the stored hits of a stretch of time, message by message, and judged as they come.
//!
//! A stretch is read with one window more on either side, so that a hit at its edge is judged among all its neighbours;
//! only events inside the stretch come out. ClickHouse sorts, and spills to its disk where that is much; here is never
//! more than one message's window.

use super::hit::{COLUMNS, HitRow, stored};
use crate::Failure;
use classifier::stage::LastSaid;
use classifier::{Again, Compared, Delivery, Outcome, Ruleset};
use clickhouse::query::RowCursor;
use clickhouse::{Client, Row};
use engagement::Timestamp;
use serde::Deserialize;
use store::Account;

/// So many outcomes of a message come out together at most.
const MOST_AT_ONCE: usize = 256;
/// So many deliveries of a message are looked at, those that were heard of last.
const MOST_DELIVERIES: usize = 8;
/// What a sort may take of ClickHouse's memory before it goes on on disk.
pub(super) const SORT_BYTES: &str = "268435456";

/// A stretch of time, `[from, to)`, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: i64,
    pub(super) to: i64,
}

/// What became of some hits of one message, inside the stretch.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) message_id: String,
    pub(super) outcomes: Vec<Outcome>,
}

#[derive(Row, Deserialize)]
struct StoredRow {
    stored: bool,
}

#[derive(Row, Deserialize)]
struct First {
    first: Option<i64>,
}

#[derive(Row, Deserialize)]
struct DeliveredRow {
    message_id: String,
    /// When it was delivered, and when we heard of it.
    deliveries: Vec<(i64, i64)>,
}

/// Which messages are read.
pub(super) enum Messages {
    /// All that were hit in the stretch.
    All,
    /// These, by id.
    Of(Vec<String>),
}

impl Messages {
    fn condition(&self) -> &'static str {
        match self {
            Self::All => {
                "message_id IN (
                     SELECT message_id FROM events
                     WHERE account = {account: UInt32} AND retention_until > now('UTC')
                         AND received_at >= fromUnixTimestamp64Milli({from: Int64}, 'UTC')
                         AND received_at < fromUnixTimestamp64Milli({to: Int64}, 'UTC'))"
            }
            Self::Of(_) => "message_id IN {ids: Array(String)}",
        }
    }

    pub(super) fn ids(&self) -> &[String] {
        match self {
            Self::All => &[],
            Self::Of(ids) => ids,
        }
    }
}

/// The hits of a stretch, judged again message by message.
pub(super) struct Judging<'a> {
    ruleset: &'a Ruleset,
    account: &'a Account,
    compared: &'a Compared,
    stretch: Stretch,
    hits: RowCursor<HitRow>,
    deliveries: RowCursor<DeliveredRow>,
    next_hit: Option<HitRow>,
    next_delivery: Option<DeliveredRow>,
    current: Option<(String, Again<'a>)>,
    ready: Vec<Outcome>,
}

impl<'a> Judging<'a> {
    pub(super) async fn begin(
        client: &Client,
        ruleset: &'a Ruleset,
        account: &'a Account,
        stretch: Stretch,
        messages: &Messages,
        compared: &'a Compared,
    ) -> Result<Self, Failure> {
        let window = ruleset.window_ms();
        let condition = messages.condition();
        let ask = |text: &str| {
            client
                .query(text)
                .param("account", account.number.0)
                .param("from", stretch.from)
                .param("to", stretch.to)
                .param("read_from", stretch.from - window)
                .param("read_to", stretch.to + window)
                .param("ids", messages.ids())
                .with_setting("max_bytes_before_external_sort", SORT_BYTES)
                .with_setting("max_bytes_before_external_group_by", SORT_BYTES)
                // Row by row, not all at once at the end. An answer that breaks off is an error before its message ends.
                .with_setting("wait_end_of_query", "0")
        };
        let mut hits = ask(&format!(
            "SELECT {COLUMNS}
             FROM events
             WHERE account = {{account: UInt32}} AND retention_until > now('UTC')
                 AND received_at >= fromUnixTimestamp64Milli({{read_from: Int64}}, 'UTC')
                 AND received_at < fromUnixTimestamp64Milli({{read_to: Int64}}, 'UTC') AND {condition}
             ORDER BY message_id, received_at, event_id, revision"
        ))
        .fetch::<HitRow>()?;
        let mut deliveries = ask(&format!(
            "SELECT message_id,
                 arraySlice(arraySort(heard -> heard.2,
                     groupArray((toUnixTimestamp64Milli(at), toUnixTimestamp64Milli(received_at)))), -{MOST_DELIVERIES})
                     AS deliveries
             FROM deliveries
             WHERE account = {{account: UInt32}} AND type = 'delivered' AND retention_until > now('UTC') AND {condition}
             GROUP BY message_id ORDER BY message_id"
        ))
        .fetch::<DeliveredRow>()?;
        let next_hit = hits.next().await?;
        let next_delivery = deliveries.next().await?;
        let (current, ready) = (None, Vec::new());
        Ok(Self {
            ruleset,
            account,
            compared,
            stretch,
            hits,
            deliveries,
            next_hit,
            next_delivery,
            current,
            ready,
        })
    }

    /// The next outcomes, all of one message; `None` when there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Judged>, Failure> {
        loop {
            let next = self.next_event().await?;
            let ended = match (&self.current, &next) {
                (Some((message_id, _)), Some(row)) => *message_id != row.message_id,
                (Some(_), None) => true,
                (None, _) => false,
            };
            let mut judged = None;
            if ended && let Some((message_id, again)) = self.current.take() {
                again.end(|outcome| self.ready.push(outcome));
                judged = self.inside(message_id);
            }
            match next {
                Some(row) => self.take(row).await?,
                None if judged.is_none() => return Ok(None),
                None => {}
            }
            if judged.is_none() && self.ready.len() >= MOST_AT_ONCE {
                judged = self.current.as_ref().map(|(id, _)| id.clone()).and_then(|id| self.inside(id));
            }
            if judged.is_some() {
                return Ok(judged);
            }
        }
    }

    /// The outcomes that are ready and inside the stretch.
    fn inside(&mut self, message_id: String) -> Option<Judged> {
        let Stretch { from, to } = self.stretch;
        let mut outcomes = std::mem::take(&mut self.ready);
        outcomes.retain(|outcome| (from..to).contains(&outcome.received_at().millis()));
        (!outcomes.is_empty()).then_some(Judged { message_id, outcomes })
    }

    /// The next event as its highest revision says it, however often it is stored.
    async fn next_event(&mut self) -> Result<Option<HitRow>, Failure> {
        let Some(mut event) = self.next_hit.take() else { return Ok(None) };
        while let Some(row) = self.hits.next().await? {
            if row.event_id != event.event_id {
                self.next_hit = Some(row);
                break;
            }
            event = row;
        }
        Ok(Some(event))
    }

    async fn take(&mut self, row: HitRow) -> Result<(), Failure> {
        if self.current.is_none() {
            let deliveries = self.deliveries(&row.message_id).await?;
            self.current =
                Some((row.message_id.clone(), Again::new(self.ruleset, &deliveries, self.compared)));
        }
        let Some((_, again)) = &mut self.current else { return Ok(()) };
        let ready = &mut self.ready;
        if row.has_evidence {
            again.hit(stored(row, self.account)?, |outcome| ready.push(outcome));
        } else {
            again.expired(Timestamp::from_millis(row.received_at)?, |outcome| ready.push(outcome));
        }
        Ok(())
    }

    async fn deliveries(&mut self, message_id: &str) -> Result<Vec<Delivery>, Failure> {
        while self.next_delivery.as_ref().is_some_and(|row| row.message_id.as_str() < message_id) {
            self.next_delivery = self.deliveries.next().await?;
        }
        let Some(row) = self.next_delivery.as_ref().filter(|row| row.message_id == message_id) else {
            return Ok(Vec::new());
        };
        let delivery = |(at, heard): &(i64, i64)| {
            Ok(Delivery { at: Timestamp::from_millis(*at)?, heard: Timestamp::from_millis(*heard)? })
        };
        row.deliveries.iter().map(delivery).collect()
    }
}

/// When the first hit of an account at or after `from` and before `to` arrived.
pub(super) async fn first(
    client: &Client,
    account: &Account,
    stretch: Stretch,
) -> Result<Option<i64>, Failure> {
    let query = client
        .query(
            "SELECT toInt64(minOrNull(toUnixTimestamp64Milli(received_at))) AS first FROM events
             WHERE account = {account: UInt32} AND retention_until > now('UTC')
                 AND received_at >= fromUnixTimestamp64Milli({from: Int64}, 'UTC')
                 AND received_at < fromUnixTimestamp64Milli({to: Int64}, 'UTC')",
        )
        .param("account", account.number.0)
        .param("from", stretch.from)
        .param("to", stretch.to);
    Ok(query.fetch_one::<First>().await?.first)
}

/// When the newest hit of any account arrived.
pub(super) async fn newest(client: &Client) -> Result<Option<i64>, Failure> {
    let query =
        client.query("SELECT toInt64(maxOrNull(toUnixTimestamp64Milli(received_at))) AS first FROM events");
    Ok(query.fetch_one::<First>().await?.first)
}

/// Whether a verdict is stored.
pub(super) async fn is_stored(client: &Client, last: &LastSaid) -> Result<bool, Failure> {
    let query = client
        .query(
            "SELECT count() > 0 AS stored FROM events
             WHERE account = {account: UInt32} AND received_at = fromUnixTimestamp64Milli({at: Int64}, 'UTC')
                 AND message_id = {message: String} AND event_id = {event: UUID} AND revision = {revision: UInt16}",
        )
        .param("account", last.account_number.0)
        .param("at", last.received_at.millis())
        .param("message", &last.message_id)
        .param("event", last.event_id.to_string())
        .param("revision", last.revision);
    Ok(query.fetch_one::<StoredRow>().await?.stored)
}
