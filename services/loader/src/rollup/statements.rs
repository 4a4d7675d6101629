//! What a round says to ClickHouse, for each account and piece in this order.

/// One statement with its parameters `account`, `parts`, `piece` and `pieces`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) statement: &'static str,
}

/// Patterns, names and days come before the rows that need them: a row without its pattern would not be counted, one without
/// the names of its campaign and receiver would stand in no group, and one whose day is not known would not be found again.
pub(super) const STEPS: [Step; 8] = [
    Step { statement: EMPTY },
    Step { statement: STAGE },
    Step { statement: PATTERNS },
    Step { statement: CAMPAIGNS },
    Step { statement: RECEIVERS },
    Step { statement: WIDE },
    Step { statement: DAYS },
    Step { statement: REPLACE },
];

const EMPTY: &str = "TRUNCATE TABLE rollup_staged";

const STAGE: &str = "
INSERT INTO rollup_staged
    (account, day, message_id, content, sent_ms, first_second, last_second, campaign, recipient_domain, mx_host, pattern,
     times, kept_until, is_tracked, types, sendings, actors, sources, clients, classes, reasons)
SELECT
    {account: UInt32},
    day,
    message_id,
    sipHash64(sent_ms, campaign, recipient_domain, mx_host, pattern, times, kept_until),
    sent_ms,
    first_second,
    last_second,
    campaign,
    recipient_domain,
    mx_host,
    sipHash64(is_tracked, types, sendings, actors, sources, clients, classes, reasons) AS pattern,
    times,
    kept_until,
    is_tracked,
    types,
    sendings,
    actors,
    sources,
    clients,
    classes,
    reasons
FROM report_message_facts(
    account = {account: UInt32}, parts = {parts: Array(String)}, piece = {piece: UInt32}, pieces = {pieces: UInt32})";

const PATTERNS: &str = "
INSERT INTO rollup_patterns (pattern, is_tracked, types, sendings, actors, sources, clients, classes, reasons)
SELECT pattern, any(is_tracked), any(types), any(sendings), any(actors), any(sources), any(clients), any(classes), any(reasons)
FROM rollup_staged
WHERE length(times) <= 64 AND pattern NOT IN (SELECT pattern FROM rollup_patterns)
GROUP BY pattern";

const CAMPAIGNS: &str = "
INSERT INTO rollup_campaigns (account, campaign)
SELECT DISTINCT {account: UInt32}, toString(campaign)
FROM rollup_staged
WHERE toString(campaign) NOT IN (SELECT campaign FROM rollup_campaigns WHERE account = {account: UInt32})";

const RECEIVERS: &str = "
INSERT INTO rollup_receivers (account, recipient_domain, mx_host)
SELECT DISTINCT {account: UInt32}, toString(recipient_domain), toString(mx_host)
FROM rollup_staged
WHERE (toString(recipient_domain), toString(mx_host)) NOT IN (
    SELECT recipient_domain, mx_host FROM rollup_receivers WHERE account = {account: UInt32})";

/// A mask has 64 bits: who has more facts gets no row, and is counted from the events from now on.
const WIDE: &str = "
INSERT INTO rollup_wide (account, message_id, day)
SELECT account, message_id, arrayJoin(arrayDistinct(arrayMap(at -> toDate(fromUnixTimestamp64Milli(at, 'UTC')), times)))
FROM rollup_staged
WHERE length(times) > 64";

const DAYS: &str = "
INSERT INTO rollup_days (account, message_id, day)
SELECT account, message_id, day
FROM rollup_staged
WHERE length(times) <= 64
    AND (message_id, day) NOT IN (
        SELECT message_id, day
        FROM rollup_days
        WHERE account = {account: UInt32} AND message_id IN (SELECT message_id FROM rollup_staged))";

/// The new rows, less what is stored of the same messages. Where the two are the same row they cancel, and where a row was
/// stored twice or half, what is written makes it one.
const REPLACE: &str = "
INSERT INTO rollup_messages
    (account, day, message_id, content, copies, sent_ms, first_second, last_second, campaign, recipient_domain, mx_host,
     pattern, times, kept_until)
SELECT
    {account: UInt32},
    day,
    message_id,
    content,
    toInt32(sum(change)) AS copies,
    any(sent_ms),
    any(first_second),
    any(last_second),
    any(campaign),
    any(recipient_domain),
    any(mx_host),
    any(pattern),
    any(times),
    any(kept_until)
FROM
(
    SELECT day, message_id, content, toInt64(1) AS change, sent_ms, first_second, last_second, campaign, recipient_domain,
        mx_host, pattern, times, kept_until
    FROM rollup_staged
    WHERE length(times) <= 64
    UNION ALL
    SELECT day, message_id, content, -toInt64(copies) AS change, sent_ms, first_second, last_second, campaign, recipient_domain,
        mx_host, pattern, times, kept_until
    FROM rollup_stored(
        account = {account: UInt32}, parts = {parts: Array(String)}, piece = {piece: UInt32}, pieces = {pieces: UInt32})
)
GROUP BY day, message_id, content
HAVING copies != 0";

/// Rows of which a fact is past its retention: they are made anew without it.
pub(super) const TOUCH_EXPIRED: &str = "
INSERT INTO rollup_touched (account, message_id)
SELECT account, message_id
FROM rollup_messages
WHERE kept_until <= now('UTC')
GROUP BY account, message_id, content
HAVING sum(copies) != 0";

/// What stands beside the rows of messages and is not needed any more: ids of messages and names past their retention.
pub(super) const FORGETTABLE: [Forgettable; 4] = [
    Forgettable {
        table: "rollup_days",
        // Of ids with the same hash one keeps the other for a while.
        condition: "{past} AND (account, day, sipHash64(message_id)) NOT IN (
            SELECT account, day, sipHash64(message_id) AS hash FROM rollup_messages WHERE {past}
            GROUP BY account, day, hash HAVING sum(copies) != 0)",
    },
    // A message is counted from the events of these days, and of these no hit is left; see `touch_wide`.
    Forgettable { table: "rollup_wide", condition: "{past}" },
    Forgettable {
        table: "rollup_campaigns",
        condition: "(account, sipHash64(campaign)) NOT IN (
            SELECT account, campaign_hash FROM rollup_messages GROUP BY account, campaign_hash HAVING sum(copies) != 0)",
    },
    Forgettable {
        table: "rollup_receivers",
        condition: "(account, receiver_hash) NOT IN (
            SELECT account, receiver_hash FROM rollup_messages GROUP BY account, receiver_hash HAVING sum(copies) != 0)",
    },
];

/// A day of which no hit is kept; an account that never set its days has `days_kept` of them.
const PAST: &str = "day < toDate(now('UTC')) - transform(account,
    (SELECT groupArray(account) FROM (SELECT account FROM settings GROUP BY account ORDER BY account)),
    (SELECT groupArray(days) FROM (SELECT argMax(retention_days, version) AS days FROM settings GROUP BY account ORDER BY account)),
    {days_kept: UInt16})";

/// Rows of a table that nothing needs any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forgettable {
    table: &'static str,
    /// What such a row meets; `{past}` stands for [`PAST`].
    condition: &'static str,
}

impl Forgettable {
    /// Counts them.
    pub(super) fn count(self) -> String {
        format!("SELECT count() FROM {} WHERE {}", self.table, self.rows())
    }

    /// Takes them away.
    pub(super) fn delete(self) -> String {
        format!("ALTER TABLE {} DELETE WHERE {}", self.table, self.rows())
    }

    fn rows(self) -> String {
        self.condition.replace("{past}", PAST)
    }
}

/// Wide messages of which a day is about to be forgotten: the next round looks whether they still are wide.
pub(super) fn touch_wide() -> String {
    format!(
        "INSERT INTO rollup_touched (account, message_id)
         SELECT DISTINCT account, message_id FROM rollup_wide WHERE {PAST}"
    )
}
