//! What the stored hits of an account show of each other around a stretch: read in the order of their times, before the
//! messages are read one by one.
//!
//! So much is found at once at most; where a stretch holds more it is made shorter. For a few messages alone, only what has
//! their domains or their clients' networks is read.

use super::hit::{COLUMNS, HitRow, hit};
use super::rows::{Messages, SORT_BYTES, Stretch};
use crate::Failure;
use classifier::{Compared, Comparing, Facts, Ruleset, neighbours};
use clickhouse::Client;
use engagement::Timestamp;
use engagement::neighbour::Ground;
use std::collections::BTreeSet;
use store::Account;

/// So many facts at once at most, of 48 bytes each.
const MOST_FOUND: usize = 1_000_000;
/// A stretch is made no shorter: then what is read on either side of it is all that counts.
const SHORTEST_MS: i64 = 60_000;
/// With more domains or addresses than these the messages' neighbours are read with everybody else's: a parameter of a query
/// has a bound (`http_max_field_value_size`, 128 KiB).
const MOST_GROUNDS: usize = 1000;

/// What the hits around a stretch show of each other, and how much of the stretch that is for.
pub(super) async fn compare(
    client: &Client,
    ruleset: &Ruleset,
    account: &Account,
    stretch: Stretch,
    messages: &Messages,
) -> Result<(Stretch, Compared), Failure> {
    let around = match messages {
        Messages::All => None,
        Messages::Of(_) => {
            let found = grounds(client, ruleset, account, stretch, messages).await?;
            Some(found).filter(|found| found.domains.len().max(found.addresses.len()) <= MOST_GROUNDS)
        }
    };
    let mut stretch = stretch;
    loop {
        let length = stretch.to - stretch.from;
        let may_be_cut = matches!(messages, Messages::All) && length > SHORTEST_MS;
        match read(client, ruleset, account, stretch, around.as_ref(), may_be_cut).await? {
            Some(compared) => return Ok((stretch, compared)),
            None => stretch.to = stretch.from + (length / 2).max(SHORTEST_MS),
        }
    }
}

/// Where the hits of some messages have neighbours.
#[derive(Debug, Default)]
struct Grounds {
    domains: BTreeSet<String>,
    addresses: BTreeSet<String>,
}

/// Where the hits of these messages have neighbours.
async fn grounds(
    client: &Client,
    ruleset: &Ruleset,
    account: &Account,
    stretch: Stretch,
    messages: &Messages,
) -> Result<Grounds, Failure> {
    let window = ruleset.window_ms();
    let mut rows = client
        .query(&format!(
            "SELECT {COLUMNS} FROM events
             WHERE account = {{account: UInt32}} AND retention_until > now('UTC') AND has_evidence
                 AND received_at >= fromUnixTimestamp64Milli({{from: Int64}}, 'UTC')
                 AND received_at < fromUnixTimestamp64Milli({{to: Int64}}, 'UTC')
                 AND message_id IN {{ids: Array(String)}}"
        ))
        .param("account", account.number.0)
        .param("from", stretch.from - window)
        .param("to", stretch.to + window)
        .param("ids", messages.ids())
        .fetch::<HitRow>()?;
    let mut found = Grounds::default();
    while let Some(row) = rows.next().await? {
        let hit = hit(row, account)?;
        let seen = ruleset.see(&Facts::from(&hit));
        let records =
            neighbours(hit.account_number, &hit.message_id, &hit.recipient_id, &hit.recipient_domain, &seen);
        for record in records {
            match record.ground {
                Ground::Domain => {
                    let domain = hit.recipient_domain.trim_end_matches('.').to_lowercase();
                    found.domains.insert(domain);
                }
                Ground::Client => found.addresses.extend(hit.request.ip.map(|ip| ip.to_string())),
            }
        }
    }
    Ok(found)
}

/// Compares the hits around a stretch, all or those of some grounds; `None` when too much is found and the stretch may be cut.
async fn read(
    client: &Client,
    ruleset: &Ruleset,
    account: &Account,
    stretch: Stretch,
    around: Option<&Grounds>,
    may_be_cut: bool,
) -> Result<Option<Compared>, Failure> {
    // Hits whose evidence is gone are read wherever they are: nobody knows any more where they had neighbours.
    let condition = match around {
        None => "",
        Some(_) => {
            "AND (NOT has_evidence OR trim(TRAILING '.' FROM lowerUTF8(toString(recipient_domain))) IN {domains: Array(String)}
                 OR cutIPv6(toIPv6OrDefault(ip), 10, 1) IN (
                     SELECT cutIPv6(toIPv6(arrayJoin({addresses: Array(String)})), 10, 1)))"
        }
    };
    let margin = ruleset.window_ms() + ruleset.reach_ms();
    let none = Grounds::default();
    let grounds = around.unwrap_or(&none);
    let mut rows = client
        .query(&format!(
            "SELECT {COLUMNS} FROM events
             WHERE account = {{account: UInt32}} AND retention_until > now('UTC')
                 AND received_at >= fromUnixTimestamp64Milli({{from: Int64}}, 'UTC')
                 AND received_at < fromUnixTimestamp64Milli({{to: Int64}}, 'UTC') {condition}
             ORDER BY received_at, event_id"
        ))
        .param("account", account.number.0)
        .param("from", stretch.from - margin)
        .param("to", stretch.to + margin)
        .param("domains", grounds.domains.iter().collect::<Vec<_>>())
        .param("addresses", grounds.addresses.iter().collect::<Vec<_>>())
        .with_setting("max_bytes_before_external_sort", SORT_BYTES)
        .with_setting("wait_end_of_query", "0")
        .fetch::<HitRow>()?;
    let mut comparing = Comparing::new(ruleset, MOST_FOUND);
    let mut last = String::new();
    while let Some(row) = rows.next().await? {
        // The revisions of an event tell of one and the same hit.
        if row.event_id == last {
            continue;
        }
        last.clone_from(&row.event_id);
        if !row.has_evidence {
            comparing.expired(Timestamp::from_millis(row.received_at)?);
        } else if comparing.hit(&hit(row, account)?).is_err() {
            if may_be_cut {
                return Ok(None);
            }
            comparing.allow_more();
        }
    }
    Ok(Some(comparing.end()))
}
