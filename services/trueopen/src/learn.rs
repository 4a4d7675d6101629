//! `trueopen learn`: what stored events say of recipient domains, as a file that people review and then take into use.
//!
//! Invariants: learning only reads, and writes a proposal beside the file in force; `--apply` takes that very proposal, and
//! nothing that was not reviewed. What a learned file itself made of a verdict is not learned from: a machine that was
//! only found by it does not count as one, and a person who is only doubted because of it still counts as one.

use crate::cli::LearnArgs;
use crate::settings::Settings;
use crate::{Failure, output};
use classifier::DELIVERY_COUNTS_MS;
use classifier::learned::{BINS, Counted, Learned, Readers, bin_edge_ms};
use clickhouse::{Client, Row};
use engagement::Timestamp;
use serde::Deserialize;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How far back events are looked at if nothing else is asked for.
const DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;
/// What the query may take of ClickHouse's memory before it goes on on disk.
const GROUP_BYTES: &str = "268435456";

#[derive(Row, Deserialize)]
struct DomainRow {
    domain: String,
    messages: u64,
    scanned: Vec<(u16, u64)>,
    people: Vec<(u16, u64)>,
    clicks: u64,
    with_image: u64,
}

/// Learns, or takes into use what was learned.
pub(crate) async fn learn(settings: &Settings, args: LearnArgs) -> Result<(), Failure> {
    let file = settings.learned_file();
    if args.apply {
        return apply(&file);
    }
    let time = |name: &str, text: &Option<String>| match text {
        Some(text) => Timestamp::parse(text).map(Some).map_err(|error| format!("{name} is {error}")),
        None => Ok(None),
    };
    let to = time("--to", &args.to)?.unwrap_or_else(|| Timestamp::from_clock(SystemTime::now()));
    let from = time("--from", &args.from)?.unwrap_or_else(|| to.plus_millis(-DAYS * DAY_MS));
    if from >= to {
        return Err("--from is not before --to".into());
    }
    let present = match fs::read_to_string(&file) {
        Ok(text) => Learned::read(&file.display().to_string(), &text)?,
        Err(error) if error.kind() == ErrorKind::NotFound => Learned::default(),
        Err(error) => return Err(format!("{} can't be read: {error}", file.display()).into()),
    };
    let client = settings.connection()?.client();
    store::migrate::check(&client).await?;
    let found = Learned::of(count(&client, from, to).await?);
    let changes = found.changes(&present);
    changes.iter().for_each(|line| output::line(line));
    let proposal = proposal(&file);
    let text = found.text(&from.to_string(), &to.to_string());
    runtime::files::write_private(&proposal, text.as_bytes())
        .map_err(|error| format!("{} can't be written: {error}", proposal.display()))?;
    output::line(&format!(
        "{} domains learned from events from {from} to {to}, {} changes to what is in force",
        found.len(),
        changes.len()
    ));
    if !changes.is_empty() {
        output::line(&format!(
            "review {}, then take it into use with `trueopen learn --apply`",
            proposal.display()
        ));
    }
    Ok(())
}

/// Puts the reviewed proposal in force.
fn apply(file: &Path) -> Result<(), Failure> {
    let proposal = proposal(file);
    let text = fs::read_to_string(&proposal).map_err(|error| {
        format!("{} can't be read ({error}): run `trueopen learn` first", proposal.display())
    })?;
    let learned = Learned::read(&proposal.display().to_string(), &text)?;
    runtime::files::write_private(file, text.as_bytes())
        .and_then(|()| fs::remove_file(&proposal))
        .map_err(|error| format!("{} can't be written: {error}", file.display()))?;
    output::line(&format!(
        "{} domains are in force, within seconds where `up` or `classify` runs on this data directory; `trueopen reclassify` judges earlier events by them",
        learned.len()
    ));
    Ok(())
}

/// Where what was learned lies until somebody has reviewed it.
fn proposal(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// What events say of each domain that has enough messages and readers, over all accounts.
async fn count(client: &Client, from: Timestamp, to: Timestamp) -> Result<Vec<(String, Counted)>, Failure> {
    let edges: Vec<i64> = (0..=BINS).map(bin_edge_ms).collect();
    let least = classifier::learned::least_messages();
    let query = client
        .query(QUERY)
        .param("from", from.millis())
        .param("to", to.millis())
        .param("edges", &edges)
        .param("counts", DELIVERY_COUNTS_MS)
        .param("window", classifier::learned::window_ms())
        .param("messages", least)
        .param("readers", least.div_ceil(10))
        .param("most", classifier::learned::MOST_DOMAINS as u64)
        .with_setting("max_bytes_before_external_group_by", GROUP_BYTES)
        .with_setting("max_bytes_before_external_sort", GROUP_BYTES);
    let bins = |counts: Vec<(u16, u64)>| {
        let mut bins = vec![0; BINS];
        for (bin, count) in counts {
            if let Some(place) = bins.get_mut(usize::from(bin)) {
                *place = count;
            }
        }
        bins
    };
    let rows = query.fetch_all::<DomainRow>().await?;
    let counted = rows.into_iter().map(|row| {
        let counted = Counted {
            messages: row.messages,
            scanned: bins(row.scanned),
            people: bins(row.people),
            readers: Readers { clicks: row.clicks, with_image: row.with_image },
        };
        (row.domain, counted)
    });
    Ok(counted.collect())
}

/// From events to one row a domain. Inside out: each hit as its highest revision says it, beside delivery events; one row
/// a message, with its first scan, its first click by a person and its image loads; one row a domain. Times are
/// counted from where the rule `scan_time` counts them: the earliest delivery that counts for the hit
/// (`classifier::DELIVERY_COUNTS_MS`), and where none does, the sending.
const QUERY: &str = r#"
WITH {edges: Array(Int64)} AS edges
SELECT
    domain,
    count() AS messages,
    CAST(sumMapIf(map(toUInt16(scan_bin), toUInt64(1)), scan_bin >= 0), 'Array(Tuple(UInt16, UInt64))') AS scanned,
    CAST(sumMapIf(map(toUInt16(click_bin), toUInt64(1)), click_bin >= 0), 'Array(Tuple(UInt16, UInt64))') AS people,
    countIf(has_click) AS clicks,
    countIf(has_click AND arrayExists(at -> at < click_at AND click_at - at <= {window: Int64}, images)) AS with_image
FROM
(
    SELECT
        anyIf(facts.domain, facts.domain != '') AS domain,
        anyIf(facts.reader, facts.reader != '') AS reader,
        countIf(what = 'scan') > 0 AS has_scan,
        countIf(what = 'click') > 0 AS has_click,
        minIf(fact_at, what = 'scan') AS scan_at,
        minIf(fact_at, what = 'click') AS click_at,
        groupArrayIf(fact_at, what = 'image') AS images,
        minIf(fact_sent, is_hit) AS sent,
        groupArrayIf((fact_at, fact_heard), what = 'delivered') AS deliveries,
        arrayFilter(delivery -> abs(scan_at - delivery.1) <= {counts: Int64} AND scan_at - delivery.2 <= {counts: Int64},
            deliveries).1 AS scan_deliveries,
        arrayFilter(delivery -> abs(click_at - delivery.1) <= {counts: Int64} AND click_at - delivery.2 <= {counts: Int64},
            deliveries).1 AS click_deliveries,
        scan_at - if(empty(scan_deliveries), sent, arrayMin(scan_deliveries)) AS scan_after,
        click_at - if(empty(click_deliveries), sent, arrayMin(click_deliveries)) AS click_after,
        -- The last edge ends the last bin; -1 for what lies in none.
        if(has_scan AND scan_after < edges[-1], toInt32(arrayCount(edge -> edge <= scan_after, edges)) - 1, -1) AS scan_bin,
        if(has_click AND click_after < edges[-1], toInt32(arrayCount(edge -> edge <= click_after, edges)) - 1, -1)
            AS click_bin
    FROM
    (
        SELECT
            account,
            message_id,
            true AS is_hit,
            toUnixTimestamp64Milli(any(received_at)) AS fact_at,
            fact_at AS fact_heard,
            toUnixTimestamp64Milli(any(sent_at)) AS fact_sent,
            any(trim(TRAILING '.' FROM lowerUTF8(toString(recipient_domain)))) AS domain,
            any(recipient_id) AS reader,
            toString(any(events.kind)) AS hit_kind,
            argMax(
                (toString(actor), position(reasons, '"rule":"scan_time"') > 0, startsWith(reasons, '[{"rule":"together"')),
                revision) AS verdict,
            multiIf(
                hit_kind IN ('click', 'trap') AND verdict.1 = 'automated' AND NOT (verdict.2 AND verdict.3), 'scan',
                hit_kind = 'click' AND (verdict.1 = 'human' OR (verdict.1 = 'unknown' AND verdict.2)), 'click',
                hit_kind = 'open' AND verdict.1 != 'automated', 'image',
                '') AS what
        FROM events
        WHERE retention_until > now('UTC')
            AND received_at >= fromUnixTimestamp64Milli({from: Int64}, 'UTC')
            AND received_at < fromUnixTimestamp64Milli({to: Int64}, 'UTC')
        GROUP BY account, toDate(received_at), message_id, event_id
        UNION ALL
        SELECT
            account,
            message_id,
            false AS is_hit,
            toUnixTimestamp64Milli(at) AS fact_at,
            toUnixTimestamp64Milli(received_at) AS fact_heard,
            fact_at AS fact_sent,
            toString(recipient_domain) AS domain,
            recipient_id AS reader,
            '' AS hit_kind,
            ('', false, false) AS verdict,
            if(type = 'delivered', 'delivered', '') AS what
        FROM deliveries
        WHERE retention_until > now('UTC')
            AND at >= fromUnixTimestamp64Milli({from: Int64}, 'UTC')
            AND at < fromUnixTimestamp64Milli({to: Int64}, 'UTC')
    ) AS facts
    GROUP BY account, message_id
    HAVING domain != ''
)
GROUP BY domain
-- Without ids of recipients nobody knows how many readers there are, so nothing is learned.
HAVING messages >= {messages: UInt64} AND uniqExactIf(reader, reader != '') >= {readers: UInt64}
ORDER BY messages DESC, domain
LIMIT {most: UInt64}"#;
