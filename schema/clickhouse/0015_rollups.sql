-- Roll-ups: a row a message, from which summaries, breakdowns and time series are answered without reading every event.
--
-- What they promise: each answer is exactly that of the events as they are, whatever was repeated, corrected or came late, and
-- whether or not anything was merged. How:
--   * A message is its facts in a canonical order, its *pattern*, and their times. Equal patterns count alike under any
--     suppression, so a report counts messages by pattern and works each pattern's figures out once. Patterns name sources;
--     classes are looked up when a report asks. Which facts of a pattern a window covers is a *mask*, one bit a fact; a message
--     of more than 64 facts is *wide*, has no row, and is always counted from the events.
--   * A row is replaced by adding rows up: the new row is written with `copies` 1, the one before again with -1. Sums are right
--     in any state of merging, so no report needs FINAL. What is written is the difference between what the events say and
--     what the stored rows add up to: to do it again, or to do it after half of it was done, changes nothing.
--   * A fact that is past its retention leaves when its message's row is made anew, which is within about a minute.
--   * A message is *touched* from the moment that a row of it is inserted until its roll-up is known to be visible. Reports
--     take what is stored of touched messages off again and count them from the events instead.
-- Everything of one answer is read from one snapshot a table (`enable_shared_storage_snapshot_in_query`, on by default), and a
-- touched message stays so for some seconds after its row was written: the snapshots of two tables are not of one instant.
-- Equal blocks are no repeats here: a message is touched again on the same day, a correction is taken back. So no table of these
-- leaves out a block that it had before.

-- Messages of which something was inserted since they were rolled up, and the day of the hit, by which its row of `events` is
-- found; 1970 for what is not a hit. A part is dropped when all of its messages are rolled up.
CREATE TABLE IF NOT EXISTS rollup_touched
(
    account UInt32,
    message_id String CODEC(ZSTD),
    day Date DEFAULT toDate(0)
)
ENGINE = MergeTree
ORDER BY (account, message_id)
-- Parts are not merged by themselves, so that what was read of one is all that was in it when it is dropped.
SETTINGS replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1,
    max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1,
    parts_to_delay_insert = 50000, parts_to_throw_insert = 90000;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_touched_by_events TO rollup_touched AS
SELECT DISTINCT account, message_id, toDate(received_at) AS day FROM events;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_touched_by_deliveries TO rollup_touched AS
SELECT DISTINCT account, message_id FROM deliveries;

-- Messages with more facts than a mask has bits, and the days of their hits.
CREATE TABLE IF NOT EXISTS rollup_wide
(
    account UInt32,
    message_id String CODEC(ZSTD),
    day Date
)
ENGINE = ReplacingMergeTree
ORDER BY (account, message_id, day)
SETTINGS replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- What facts a message may have. The types are those of deliveries and events, but: 'accepted' is a delivery that a later
-- bounce undid, 'unsubscribe' a POST, which alone unsubscribes, and 'visit' its GET or HEAD.
CREATE TABLE IF NOT EXISTS rollup_patterns
(
    pattern UInt64,
    is_tracked Bool,
    types Array(LowCardinality(String)),
    sendings Array(Bool),
    actors Array(LowCardinality(String)),
    sources Array(LowCardinality(String)),
    clients Array(LowCardinality(String)),
    classes Array(LowCardinality(String)),
    reasons Array(LowCardinality(String))
)
ENGINE = ReplacingMergeTree
ORDER BY pattern
SETTINGS replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- On which days rows of a message may lie: written before they are, so that what is stored of a message can be found. More
-- days than there are rows do no harm.
CREATE TABLE IF NOT EXISTS rollup_days
(
    account UInt32,
    message_id String CODEC(ZSTD),
    day Date
)
ENGINE = ReplacingMergeTree
ORDER BY (account, message_id, day)
SETTINGS index_granularity = 1024, replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- One row a message, as sums of `copies`. `day` is where it lies: the day of its sending, else of its first fact.
CREATE TABLE IF NOT EXISTS rollup_messages
(
    account UInt32,
    day Date CODEC(Delta, LZ4),
    message_id String CODEC(ZSTD),
    -- What all that follows is hashed to: the same message with other facts is another row.
    content UInt64 CODEC(LZ4),
    copies Int32 CODEC(LZ4),
    -- When it was sent; the smallest number when nothing says so.
    sent_ms Int64 CODEC(Delta, ZSTD),
    -- The whole seconds before its first fact and after its last.
    first_second UInt32 CODEC(T64, LZ4),
    last_second UInt32 CODEC(T64, LZ4),
    campaign LowCardinality(String),
    recipient_domain LowCardinality(String),
    mx_host LowCardinality(String),
    pattern UInt64 CODEC(LZ4),
    -- When each fact of its pattern was.
    times Array(Int64) CODEC(T64, ZSTD),
    -- When the first of its facts is past its retention.
    kept_until DateTime('UTC') CODEC(Delta, LZ4),
    INDEX first_index first_second TYPE minmax GRANULARITY 1,
    INDEX last_index last_second TYPE minmax GRANULARITY 1,
    INDEX kept_index kept_until TYPE minmax GRANULARITY 1
)
ENGINE = SummingMergeTree(copies)
PARTITION BY toYYYYMM(day)
ORDER BY (account, day, message_id, content)
SETTINGS replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- The rows that the round in hand has worked out; emptied by the next.
CREATE TABLE IF NOT EXISTS rollup_staged
(
    account UInt32,
    day Date,
    message_id String,
    content UInt64,
    sent_ms Int64,
    first_second UInt32,
    last_second UInt32,
    campaign LowCardinality(String),
    recipient_domain LowCardinality(String),
    mx_host LowCardinality(String),
    pattern UInt64,
    times Array(Int64),
    kept_until DateTime('UTC'),
    is_tracked Bool,
    types Array(LowCardinality(String)),
    sendings Array(Bool),
    actors Array(LowCardinality(String)),
    sources Array(LowCardinality(String)),
    clients Array(LowCardinality(String)),
    classes Array(LowCardinality(String)),
    reasons Array(LowCardinality(String))
)
ENGINE = MergeTree
ORDER BY message_id
SETTINGS replicated_deduplication_window = 0;

-- The messages that are counted from the events: touched, or wide. Or, for a round of rolling up: those of some parts of
-- rollup_touched, and of these one piece out of so many.
CREATE OR REPLACE VIEW rollup_wanted AS
SELECT message_id
FROM rollup_touched
WHERE account = {account:UInt32}
    AND (empty({parts:Array(String)}) OR has({parts:Array(String)}, _part))
    AND ({pieces:UInt32} < 2 OR sipHash64(message_id) % {pieces:UInt32} = {piece:UInt32})
UNION ALL
SELECT message_id
FROM rollup_wide
WHERE account = {account:UInt32} AND empty({parts:Array(String)});

-- What is stored of them.
CREATE OR REPLACE VIEW rollup_stored AS
SELECT *
FROM rollup_messages
WHERE account = {account:UInt32}
    AND (day, message_id) IN (
        SELECT day, message_id
        FROM rollup_days
        WHERE account = {account:UInt32} AND message_id IN (
            SELECT message_id FROM rollup_wanted(
                account = {account:UInt32}, parts = {parts:Array(String)}, piece = {piece:UInt32}, pieces = {pieces:UInt32})));

-- On which days they have hits: those that are stored, and those inserted since.
CREATE OR REPLACE VIEW rollup_wanted_days AS
SELECT day, message_id
FROM rollup_touched
WHERE account = {account:UInt32}
    AND (empty({parts:Array(String)}) OR has({parts:Array(String)}, _part))
    AND ({pieces:UInt32} < 2 OR sipHash64(message_id) % {pieces:UInt32} = {piece:UInt32})
UNION ALL
SELECT day, message_id
FROM rollup_wide
WHERE account = {account:UInt32}
    AND (empty({parts:Array(String)}) OR message_id IN (SELECT message_id FROM rollup_wanted(account = {account:UInt32}, parts = {parts:Array(String)}, piece = {piece:UInt32}, pieces = {pieces:UInt32})))
UNION ALL
SELECT arrayJoin(arrayDistinct(arrayMap(at -> toDate(fromUnixTimestamp64Milli(at, 'UTC')), times))) AS day, message_id
FROM rollup_stored(account = {account:UInt32}, parts = {parts:Array(String)}, piece = {piece:UInt32}, pieces = {pieces:UInt32});

-- One row a wanted message, with all its facts: what a roll-up's row says, worked out from the events. A hit under its highest
-- revision, a delivery event as it was received last; what is past its retention is gone, whether or not it was merged away.
--
-- A message's campaign and domain are what its delivery events say first, else what its tokens say. See report_messages.
CREATE OR REPLACE VIEW report_message_facts AS
SELECT
    message_id,
    sent_ms,
    toDate(fromUnixTimestamp64Milli(if(sent_ms < 0, first_ms, sent_ms), 'UTC')) AS day,
    toUInt32(intDiv(first_ms, 1000)) AS first_second,
    toUInt32(intDiv(last_ms + 999, 1000)) AS last_second,
    campaign,
    recipient_domain,
    mx_host,
    is_tracked,
    kept_until,
    arrayMap(told -> told.3, sorted) AS types,
    arrayMap(told -> told.4, sorted) AS sendings,
    arrayMap(told -> told.5, sorted) AS actors,
    arrayMap(told -> told.6, sorted) AS sources,
    arrayMap(told -> told.7, sorted) AS clients,
    arrayMap(told -> told.8, sorted) AS classes,
    arrayMap(told -> told.9, sorted) AS reasons,
    arrayMap(told -> told.10, sorted) AS times
FROM
(
    SELECT
        message_id,
        ifNull(if(sending.2.1 > 0, sending.2.1, token_sent_at), toInt64(-9223372036854775808)) AS sent_ms,
        first_ms,
        last_ms,
        if(campaign_told.3 != '', campaign_told.3, campaign_minted.3) AS campaign,
        if(domain_told.3 != '', domain_told.3, domain_minted.3) AS recipient_domain,
        mx_told.3 AS mx_host,
        untracked = 0 AS is_tracked,
        kept_until,
        -- Bounces last and by time, since the last one in scope decides; the rest in an order that is the same for equal facts.
        arraySort(arrayMap(
            told -> (
                told.3 = 'bounced',
                if(told.3 = 'bounced', (told.1, told.2), (toInt64(0), '')),
                multiIf(
                    told.3 = 'delivered' AND told.1 <= refused_at, 'accepted',
                    told.3 = 'unsubscribe' AND told.4 != 'POST', 'visit',
                    told.3),
                (told.1, told.2, told.3) = sending.2,
                told.5,
                told.6,
                told.7,
                told.8,
                told.9,
                told.1
            ),
            told_facts)) AS sorted
    FROM
    (
        SELECT
            message_id,
            groupArray((at_ms, fact_id, type, method, actor, source, client, bounce_class, bounce_reason)) AS told_facts,
            min(at_ms) AS first_ms,
            max(at_ms) AS last_ms,
            min(retained_until) AS kept_until,
            countIf(is_delivery AND NOT tracked) AS untracked,
            maxIf(at_ms, type = 'bounced') AS refused_at,
            -- A sent event, else the earliest outcome, is when a message was sent.
            minIf((type != 'sent', (at_ms, fact_id, type)), type IN ('sent', 'delivered', 'deferred', 'bounced', 'complained'))
                AS sending,
            -- Without any of these, the token says when it was sent.
            minOrNullIf(sent_ms, NOT is_delivery) AS token_sent_at,
            minIf((at_ms, fact_id, campaign), is_delivery AND campaign != '') AS campaign_told,
            minIf((at_ms, fact_id, campaign), NOT is_delivery AND campaign != '') AS campaign_minted,
            minIf((at_ms, fact_id, recipient_domain), is_delivery AND recipient_domain != '') AS domain_told,
            minIf((at_ms, fact_id, recipient_domain), NOT is_delivery AND recipient_domain != '') AS domain_minted,
            minIf((at_ms, fact_id, mx_host), mx_host != '') AS mx_told
        FROM
        (
            SELECT
                message_id,
                toString(event_id) AS fact_id,
                false AS is_delivery,
                toString(any(kind)) AS type,
                toUnixTimestamp64Milli(any(received_at)) AS at_ms,
                any(toString(events.campaign)) AS campaign,
                any(trim(TRAILING '.' FROM lowerUTF8(toString(events.recipient_domain)))) AS recipient_domain,
                '' AS mx_host,
                toUnixTimestamp64Milli(any(sent_at)) AS sent_ms,
                true AS tracked,
                -- A POST that the sender has reversed unsubscribes nobody.
                if(any(toString(events.method)) = 'POST'
                        AND event_id IN (SELECT event_id FROM reversed_unsubscribes(account = {account:UInt32})),
                    'REVERSED', any(toString(events.method))) AS method,
                toString(argMax(events.actor, revision)) AS actor,
                toString(argMax(events.source, revision)) AS source,
                toString(argMax(events.client, revision)) AS client,
                '' AS bounce_class,
                '' AS bounce_reason,
                min(retention_until) AS retained_until
            FROM events
            WHERE account = {account:UInt32}
                AND retention_until > now('UTC')
                AND (toDate(received_at), message_id) IN (
                    SELECT day, message_id FROM rollup_wanted_days(
                        account = {account:UInt32}, parts = {parts:Array(String)}, piece = {piece:UInt32}, pieces = {pieces:UInt32}))
            GROUP BY account, toDate(received_at), message_id, event_id
            UNION ALL
            SELECT
                message_id,
                event_id AS fact_id,
                true AS is_delivery,
                stored.1 AS type,
                toUnixTimestamp64Milli(stored.2) AS at_ms,
                stored.3 AS campaign,
                stored.4 AS recipient_domain,
                stored.7 AS mx_host,
                toInt64(0) AS sent_ms,
                stored.5 AS tracked,
                '' AS method,
                '' AS actor,
                '' AS source,
                '' AS client,
                stored.6 AS bounce_class,
                stored.8 AS bounce_reason,
                retained_until
            FROM
            (
                SELECT
                    message_id,
                    event_id,
                    argMax(
                        (
                            toString(deliveries.type),
                            deliveries.at,
                            toString(deliveries.campaign),
                            toString(deliveries.recipient_domain),
                            deliveries.tracked,
                            toString(deliveries.bounce_class),
                            toString(deliveries.mx_host),
                            toString(deliveries.bounce_reason)
                        ),
                        received_at) AS stored,
                    min(retention_until) AS retained_until
                FROM deliveries
                WHERE account = {account:UInt32}
                    AND retention_until > now('UTC')
                    AND message_id IN (
                        SELECT message_id FROM rollup_wanted(
                        account = {account:UInt32}, parts = {parts:Array(String)}, piece = {piece:UInt32}, pieces = {pieces:UInt32}))
                GROUP BY account, message_id, event_id
            )
        )
        GROUP BY message_id
    )
);

-- How many messages have which facts in which bucket, one row a pattern; `scopes` are (mask, groups), and groups (bucket,
-- what is grouped by, recipient domain and receiving host where a provider is asked for, messages). A bucket begins at each of `edges`, in
-- milliseconds; the first is from_ms. By sending, a message lies whole in the bucket in which it was sent. Every figure is a
-- sum of messages, so one that is to be taken off may stand here by itself, with less than no messages.
--
-- From the top: messages that lie in one bucket with all their facts; messages that lie in several, cut by the times of these;
-- and off again what is stored of messages that are counted from the events.
CREATE OR REPLACE VIEW report_scopes AS
SELECT pattern, groupArray((mask, groups)) AS scopes
FROM
(
    SELECT pattern, mask, groupArray((bucket, group_key, group_domain, group_host, weight)) AS groups
    FROM
    (
        SELECT pattern, bitNot(toUInt64(0)) AS mask, bucket, group_key, group_domain, group_host, sum(copies) AS weight
        FROM
        (
            SELECT
                pattern,
                if(length({edges:Array(Int64)}) = 1, {from_ms:Int64},
                    roundDown(if({cohort:String} = 'sent', sent_ms, first_second * toInt64(1000)), {edges:Array(Int64)})) AS bucket,
                if({by:String} = 'campaign', campaign, if({by:String} = 'recipient_domain', recipient_domain, '')) AS group_key,
                if({by:String} = 'mailbox_provider' OR {mailbox_provider:String} != '', recipient_domain, '') AS group_domain,
                if({by:String} = 'mailbox_provider' OR {mailbox_provider:String} != '', mx_host, '') AS group_host,
                copies
            FROM rollup_messages
            WHERE account = {account:UInt32}
                AND ({campaign:String} = '' OR campaign = {campaign:String})
                AND ({recipient_domain:String} = '' OR recipient_domain = {recipient_domain:String})
                AND if({cohort:String} = 'sent',
                    sent_ms >= {from_ms:Int64} AND sent_ms < {to_ms:Int64}
                        AND day >= toDate(fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC'))
                        AND day <= toDate(fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')),
                    first_second >= intDiv({from_ms:Int64} + 999, 1000) AND last_second < intDiv({to_ms:Int64} + 999, 1000)
                        AND (length({edges:Array(Int64)}) = 1
                            OR roundDown(first_second * toInt64(1000), {edges:Array(Int64)})
                                = roundDown(last_second * toInt64(1000), {edges:Array(Int64)})))
        )
        GROUP BY pattern, bucket, group_key, group_domain, group_host
        UNION ALL
        SELECT pattern, arraySum((other, place) -> if(other = bucket, bitShiftLeft(toUInt64(1), toUInt8(place - 1)), toUInt64(0)), buckets, arrayEnumerate(buckets)) AS mask, bucket, group_key, group_domain, group_host, sum(copies) AS weight
        FROM
        (
            SELECT
                pattern,
                arrayMap(at -> if(at < {from_ms:Int64} OR at >= {to_ms:Int64}, toInt64(-1),
                    if(length({edges:Array(Int64)}) = 1, {from_ms:Int64}, roundDown(at, {edges:Array(Int64)}))), times) AS buckets,
                if({by:String} = 'campaign', campaign, if({by:String} = 'recipient_domain', recipient_domain, '')) AS group_key,
                if({by:String} = 'mailbox_provider' OR {mailbox_provider:String} != '', recipient_domain, '') AS group_domain,
                if({by:String} = 'mailbox_provider' OR {mailbox_provider:String} != '', mx_host, '') AS group_host,
                copies
            FROM rollup_messages
            WHERE account = {account:UInt32}
                AND ({campaign:String} = '' OR campaign = {campaign:String})
                AND ({recipient_domain:String} = '' OR recipient_domain = {recipient_domain:String})
                AND {cohort:String} != 'sent'
                AND last_second >= intDiv({from_ms:Int64}, 1000) AND first_second < intDiv({to_ms:Int64} + 999, 1000)
                AND NOT (first_second >= intDiv({from_ms:Int64} + 999, 1000) AND last_second < intDiv({to_ms:Int64} + 999, 1000)
                    AND (length({edges:Array(Int64)}) = 1
                        OR roundDown(first_second * toInt64(1000), {edges:Array(Int64)})
                            = roundDown(last_second * toInt64(1000), {edges:Array(Int64)})))
        )
        ARRAY JOIN arrayDistinct(buckets) AS bucket
        WHERE bucket >= 0
        GROUP BY pattern, mask, bucket, group_key, group_domain, group_host
        UNION ALL
        SELECT pattern, arraySum((other, place) -> if(other = bucket, bitShiftLeft(toUInt64(1), toUInt8(place - 1)), toUInt64(0)), buckets, arrayEnumerate(buckets)) AS mask, bucket, group_key, group_domain, group_host, -sum(copies) AS weight
        FROM
        (
            SELECT
                pattern,
                if({cohort:String} = 'sent',
                    arrayMap(at -> if(sent_ms >= {from_ms:Int64} AND sent_ms < {to_ms:Int64}, roundDown(sent_ms, {edges:Array(Int64)}), toInt64(-1)), times),
                    arrayMap(at -> if(at < {from_ms:Int64} OR at >= {to_ms:Int64}, toInt64(-1),
                    if(length({edges:Array(Int64)}) = 1, {from_ms:Int64}, roundDown(at, {edges:Array(Int64)}))), times)) AS buckets,
                if({by:String} = 'campaign', campaign, if({by:String} = 'recipient_domain', recipient_domain, '')) AS group_key,
                if({by:String} = 'mailbox_provider' OR {mailbox_provider:String} != '', recipient_domain, '') AS group_domain,
                if({by:String} = 'mailbox_provider' OR {mailbox_provider:String} != '', mx_host, '') AS group_host,
                copies
            FROM rollup_stored(account = {account:UInt32}, parts = [], piece = 0, pieces = 0)
            WHERE ({campaign:String} = '' OR campaign = {campaign:String})
                AND ({recipient_domain:String} = '' OR recipient_domain = {recipient_domain:String})
        )
        ARRAY JOIN arrayDistinct(buckets) AS bucket
        WHERE bucket >= 0
        GROUP BY pattern, mask, bucket, group_key, group_domain, group_host
    )
    WHERE weight != 0
    GROUP BY pattern, mask
)
GROUP BY pattern;

-- The facts of every pattern and, one row a message and bucket, of messages that are counted from the events. Of these the
-- facts are those of the bucket alone, each with the bit 1, and `scopes` has one element without a mask.
CREATE OR REPLACE VIEW report_fact_sets AS
SELECT
    false AS is_own,
    is_tracked,
    NOT hasAny(types, ['sent', 'delivered', 'accepted', 'deferred', 'bounced', 'complained', 'unsubscribed', 'dropped']) AS is_untold,
    sources AS whole_sources,
    arrayMap(place -> bitShiftLeft(toUInt64(1), toUInt8(place - 1)), arrayEnumerate(types)) AS bits,
    types, sendings, actors, sources, clients, classes, reasons,
    scopes
FROM rollup_patterns AS known FINAL
INNER JOIN report_scopes(account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
            campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
            mailbox_provider = {mailbox_provider:String}, by = {by:String}, edges = {edges:Array(Int64)}) AS found ON known.pattern = found.pattern
UNION ALL
SELECT
    true AS is_own,
    is_tracked,
    NOT hasAny(types, ['sent', 'delivered', 'accepted', 'deferred', 'bounced', 'complained', 'unsubscribed', 'dropped']) AS is_untold,
    sources AS whole_sources,
    arrayMap(other -> toUInt64(other = bucket), buckets) AS bits,
    types, sendings, actors, sources, clients, classes, reasons,
    [(toUInt64(0), [(bucket, group_key, group_domain, group_host, toInt64(1))])] AS scopes
FROM
(
    SELECT
        *,
        if({cohort:String} = 'sent',
            arrayMap(at -> if(sent_ms >= {from_ms:Int64} AND sent_ms < {to_ms:Int64}, roundDown(sent_ms, {edges:Array(Int64)}), toInt64(-1)), times),
            arrayMap(at -> if(at < {from_ms:Int64} OR at >= {to_ms:Int64}, toInt64(-1),
                if(length({edges:Array(Int64)}) = 1, {from_ms:Int64}, roundDown(at, {edges:Array(Int64)}))), times)) AS buckets,
        if({by:String} = 'campaign', campaign, if({by:String} = 'recipient_domain', recipient_domain, '')) AS group_key,
            if({by:String} = 'mailbox_provider' OR {mailbox_provider:String} != '', recipient_domain, '') AS group_domain,
            if({by:String} = 'mailbox_provider' OR {mailbox_provider:String} != '', mx_host, '') AS group_host
    FROM report_message_facts(account = {account:UInt32}, parts = [], piece = 0, pieces = 0)
    WHERE ({campaign:String} = '' OR campaign = {campaign:String})
            AND ({recipient_domain:String} = '' OR recipient_domain = {recipient_domain:String})
)
ARRAY JOIN arrayDistinct(buckets) AS bucket
WHERE bucket >= 0;

-- How many facts of each kind there are in each scope, one row a set of facts and scope.
-- What a fact is, it says by bits; for each of these the facts that have it are a sum of their own bits, once a set, of which
-- each scope's mask leaves some.
CREATE OR REPLACE VIEW report_counted AS
SELECT
    key,
    scope.2 AS groups,
    is_tracked,
    is_masked,
    is_untold,
    -- In the order of `said` below: 1 sending, 2 delivered, 3 deferred, 4 dropped, 5 complained, 6 unsubscribed, 7 hit, 8 open,
    -- 9 open that is clear, 10 click; opens: 11 counted, 12 human, 13 automated, 14 unknown; clicks: 15 counted, 16 human,
    -- 17 automated, 18 unknown.
    arrayMap(having -> if(is_own, having, bitCount(bitAnd(having, scope.1))), kinds) AS counts,
    -- The last refusal in scope, as its class and reason; facts that are refusals stand in the order of their times.
    arrayLast((told, bit) -> bitAnd(bit, if(is_own, 1, scope.1)) != 0, refusals, refusal_bits) AS refusal,
    arrayFilter((source, bit) -> bitAnd(bit, if(is_own, 1, scope.1)) != 0, open_sources_all, open_bits) AS open_sources,
    arrayFilter((source, bit) -> bitAnd(bit, if(is_own, 1, scope.1)) != 0, click_sources_all, click_bits) AS click_sources
FROM
(
    SELECT
        is_own, is_tracked, is_masked, is_untold, scopes, key,
        arrayMap(kind -> arraySum((flags, bit) -> if(bitTest(flags, kind), bit, toUInt64(0)), said, own_bits), range(18)) AS kinds,
        arrayFilter((told, type) -> type = 'bounced',
            arrayMap((class, reason) -> (
                    if(class IN ('hard', 'soft', 'block'), toString(class), 'undetermined'), if(reason = '', 'undetermined', toString(reason))),
                classes, reasons), types) AS refusals,
        arrayFilter((bit, type) -> type = 'bounced', own_bits, types) AS refusal_bits,
        arrayFilter((source, type, bit) -> type = 'open' AND bit != 0, sources, types, own_bits) AS open_sources_all,
        arrayFilter((bit, type) -> type = 'open' AND bit != 0, own_bits, types) AS open_bits,
        arrayFilter((source, type, bit) -> type = 'click' AND bit != 0, sources, types, own_bits) AS click_sources_all,
        arrayFilter((bit, type) -> type = 'click' AND bit != 0, own_bits, types) AS click_bits
    FROM
    (
        SELECT
            is_own, is_tracked, hasAny(whole_sources, masking) AS is_masked, is_untold, scopes, types, sources, classes, reasons, key,
            -- By source or client: the opens and clicks of each alone.
            if({by:String} NOT IN ('source', 'client'), bits,
                arrayMap((bit, type, source, client) -> if(type IN ('open', 'click')
                    AND if({by:String} = 'client', client, source) = key, bit, toUInt64(0)), bits, types, sources, clients)) AS own_bits,
            arrayMap((type, is_sending, actor, is_left_out, is_unclear) ->
                    bitShiftLeft(toUInt32(is_sending), 0)
                    + bitShiftLeft(toUInt32(type = 'delivered'), 1)
                    + bitShiftLeft(toUInt32(type = 'deferred'), 2)
                    + bitShiftLeft(toUInt32(type = 'dropped'), 3)
                    + bitShiftLeft(toUInt32(type = 'complained'), 4)
                    + bitShiftLeft(toUInt32(type IN ('unsubscribed', 'unsubscribe')), 5)
                    + bitShiftLeft(toUInt32(type IN ('open', 'click', 'unsubscribe', 'trap', 'visit')), 6)
                    + if(type != 'open', 0,
                        bitShiftLeft(toUInt32(1), 7)
                        + bitShiftLeft(toUInt32(NOT is_unclear), 8)
                        + bitShiftLeft(toUInt32(NOT is_left_out), 10)
                        + bitShiftLeft(toUInt32(actor = 'human'), 11)
                        + bitShiftLeft(toUInt32(actor = 'automated'), 12)
                        + bitShiftLeft(toUInt32(actor = 'unknown'), 13))
                    + if(type != 'click', 0,
                        bitShiftLeft(toUInt32(1), 9)
                        + bitShiftLeft(toUInt32(NOT is_left_out), 14)
                        + bitShiftLeft(toUInt32(actor = 'human'), 15)
                        + bitShiftLeft(toUInt32(actor = 'automated'), 16)
                        + bitShiftLeft(toUInt32(actor = 'unknown'), 17)),
                types, sendings, actors,
                arrayMap((actor, source) -> actor = 'automated' AND if(has(listed, source), has(suppressed, source), is_other_suppressed), actors, sources),
                arrayMap((actor, source) -> actor = 'unknown' OR has(masking, source), actors, sources)) AS said
        FROM
        (
            SELECT
                *,
                -- A source that this database does not list belongs to the class 'other'.
                (SELECT groupArray(id) FROM report_sources) AS listed,
                (SELECT groupArrayIf(id, masked) FROM report_sources) AS masking,
                (SELECT groupArrayIf(id, has({suppress:Array(String)}, if(class = '', 'other', class))) FROM report_sources) AS suppressed,
                has({suppress:Array(String)}, 'other') AS is_other_suppressed
            FROM report_fact_sets(account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
            campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
            mailbox_provider = {mailbox_provider:String}, by = {by:String}, edges = {edges:Array(Int64)})
        )
        ARRAY JOIN if({by:String} = 'source', arrayDistinct(sources), if({by:String} = 'client', arrayDistinct(clients), [''])) AS key
    )
)
ARRAY JOIN scopes AS scope;

-- The same as one list of numbers that add up, with how often each source is in it.
CREATE OR REPLACE VIEW report_numbers AS
SELECT
    groups,
    key,
    refusal,
    counts[8] + counts[10] AS opens_and_clicks,
    -- A human click implies an open, at the click's time: in uniques only, never in a total.
    counts[11] > 0 OR counts[16] > 0 AS has_open,
    counts[12] > 0 OR counts[16] > 0 AS has_human,
    -- No human, and every open there is is masked or unknown.
    counts[8] > 0 AND counts[9] = 0 AND NOT has_human AS has_only_unclear_opens,
    -- 1 to 18: facts of each kind. 19 to 36: messages that have one. Then: 37 with an open, 38 with a human open or click, 39
    -- read at most, 40 human and not masked, 41 with an open and a click, 42 masked, 43 delivered and tracked, 44 and not
    -- masked, 45 without delivery; refused: 46 hard, 47 soft, 48 block, 49 undetermined.
    arrayConcat(
        arrayMap(facts -> toInt64(facts), counts),
        arrayMap(facts -> toInt64(facts > 0), counts),
        [
            toInt64(has_open),
            has_human,
            has_human OR has_only_unclear_opens,
            has_human AND NOT is_masked,
            has_open AND counts[15] > 0,
            is_masked,
            counts[2] > 0 AND is_tracked,
            counts[2] > 0 AND is_tracked AND NOT is_masked,
            counts[7] > 0 AND is_untold,
            refusal.1 = 'hard',
            refusal.1 = 'soft',
            refusal.1 = 'block',
            refusal.1 = 'undetermined'
        ]) AS numbers,
    arrayDistinct(open_sources) AS open_keys,
    arrayMap(source -> toInt64(countEqual(open_sources, source)), open_keys) AS open_hits,
    arrayDistinct(click_sources) AS click_keys,
    arrayMap(source -> toInt64(countEqual(click_sources, source)), click_keys) AS click_hits
FROM report_counted(account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
            campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
            mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}, by = {by:String}, edges = {edges:Array(Int64)});

-- Those numbers added up, one row a bucket and group in which there is a message of the mailbox provider asked for.
CREATE OR REPLACE VIEW report_sums AS
SELECT
    bucket,
    group_key,
    sumForEach(arrayMap(number -> number * weight, numbers)) AS sums,
    sumMap(open_keys, arrayMap(hits -> hits * weight, open_hits), arrayMap(hits -> weight, open_hits)) AS opened,
    sumMap(click_keys, arrayMap(hits -> hits * weight, click_hits), arrayMap(hits -> weight, click_hits)) AS clicked,
    CAST(mapFromArrays(opened.1, opened.2), 'Map(String, UInt64)') AS opens_by_source_total,
    CAST(mapFromArrays(opened.1, opened.3), 'Map(String, UInt64)') AS opens_by_source_unique,
    CAST(mapFromArrays(clicked.1, clicked.2), 'Map(String, UInt64)') AS clicks_by_source_total,
    CAST(mapFromArrays(clicked.1, clicked.3), 'Map(String, UInt64)') AS clicks_by_source_unique
FROM
(
    WITH
        (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'mx') AS by_host,
        (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'domain') AS by_domain
    SELECT
        belongs.1 AS bucket,
        belongs.5 AS weight,
        numbers,
        open_keys,
        open_hits,
        click_keys,
        click_hits,
        refusal,
        -- As in report_messages.
        splitByChar('.', toString(belongs.4)) AS mx_labels,
        if({by:String} != 'mailbox_provider' AND {mailbox_provider:String} = '', '', coalesce(
            nullIf(arrayFirst(found -> found != '', arrayMap(
                labels -> if(length(mx_labels) < labels, '',
                    transform(arrayStringConcat(arraySlice(mx_labels, -labels), '.'), by_host.1, by_host.2, '')),
                [5, 4, 3, 2])), ''),
            nullIf(transform(toString(belongs.3), by_domain.1, by_domain.2, ''), ''),
            nullIf(toString(belongs.3), ''),
            'unknown')) AS provider,
        multiIf(
            {by:String} = 'bounce_reason', refusal.2,
            {by:String} = 'mailbox_provider', provider,
            {by:String} IN ('source', 'client'), key,
            toString(belongs.2)) AS group_key
    FROM report_numbers(account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
            campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
            mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}, by = {by:String}, edges = {edges:Array(Int64)})
    ARRAY JOIN groups AS belongs
    -- By source or client, what is neither opened nor clicked in scope says nothing.
    WHERE {by:String} NOT IN ('source', 'client') OR opens_and_clicks > 0
)
WHERE ({mailbox_provider:String} = '' OR provider = {mailbox_provider:String})
    AND ({by:String} != 'bounce_reason' OR refusal.2 != '')
GROUP BY bucket, group_key
HAVING sum(weight) > 0;

-- The figures, one row a bucket and group. Without any message there is no row, and every figure is zero. A rate without a
-- denominator is null, not zero. A message sent without tracking is left out of the denominators of open and click rates.
CREATE OR REPLACE VIEW report_totals AS
SELECT
    bucket,
    group_key,
    toUInt64(sums[19]) AS sent,
    toUInt64(sums[20]) AS delivered,
    toUInt64(sums[21]) AS deferred,
    toUInt64(sums[22]) AS dropped,
    toUInt64(sums[46]) AS bounced_hard,
    toUInt64(sums[47]) AS bounced_soft,
    toUInt64(sums[48]) AS bounced_block,
    toUInt64(sums[49]) AS bounced_undetermined,
    toUInt64(sums[23]) AS complained,
    toUInt64(sums[24]) AS unsubscribed,
    toUInt64(sums[45]) AS messages_without_delivery,
    toUInt64(sums[11]) AS opens_total,
    toUInt64(sums[37]) AS opens_unique,
    toUInt64(sums[12]) AS opens_human_total,
    toUInt64(sums[38]) AS opens_human_unique,
    toUInt64(sums[13]) AS opens_automated_total,
    toUInt64(sums[31]) AS opens_automated_unique,
    toUInt64(sums[14]) AS opens_unknown_total,
    toUInt64(sums[32]) AS opens_unknown_unique,
    opens_by_source_total,
    opens_by_source_unique,
    toUInt64(sums[15]) AS clicks_total,
    toUInt64(sums[33]) AS clicks_unique,
    toUInt64(sums[16]) AS clicks_human_total,
    toUInt64(sums[34]) AS clicks_human_unique,
    toUInt64(sums[17]) AS clicks_automated_total,
    toUInt64(sums[35]) AS clicks_automated_unique,
    toUInt64(sums[18]) AS clicks_unknown_total,
    toUInt64(sums[36]) AS clicks_unknown_unique,
    clicks_by_source_total,
    clicks_by_source_unique,
    toUInt64(sums[42]) AS masked,
    toUInt64(sums[43]) AS delivered_tracked,
    toUInt64(sums[44]) AS delivered_unmasked,
    -- Rates.
    delivered / nullIf(sent, 0) AS rate_delivery,
    (bounced_hard + bounced_soft + bounced_block + bounced_undetermined) / nullIf(sent, 0) AS rate_bounce,
    complained / nullIf(delivered, 0) AS rate_complaint,
    opens_unique / nullIf(delivered_tracked, 0) AS rate_open,
    opens_human_unique / nullIf(delivered_tracked, 0) AS rate_open_low,
    toUInt64(sums[39]) / nullIf(delivered_tracked, 0) AS rate_open_high,
    -- What the readers we can see say of all. Under 100 of them it says nothing.
    if(delivered_unmasked >= 100, toUInt64(sums[40]) / nullIf(delivered_unmasked, 0), NULL) AS rate_open_estimate,
    clicks_unique / nullIf(delivered_tracked, 0) AS rate_click,
    toUInt64(sums[41]) / nullIf(opens_unique, 0) AS rate_click_to_open,
    unsubscribed / nullIf(delivered, 0) AS rate_unsubscribe
FROM report_sums(
    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
    mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}, by = {by:String},
    edges = {edges:Array(Int64)});

-- The figures, one row a group: by 'recipient_domain', 'mailbox_provider', 'campaign' or 'bounce_reason' (of the messages that
-- bounced alone), or by '' for the one row of a summary.
CREATE OR REPLACE VIEW report_figures AS
SELECT * EXCEPT bucket
FROM report_totals(
    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
    mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}, by = {by:String},
    edges = [{from_ms:Int64}]);

-- The figures over time, one row a bucket in which there is something; group_key is its edge.
CREATE OR REPLACE VIEW report_series AS
SELECT toString(bucket) AS group_key, * EXCEPT (bucket, group_key)
FROM report_totals(
    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
    mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}, by = '',
    edges = {edges:Array(Int64)});

-- The figures of engagement, one row a 'source' or a 'client' of hits: the same figures over the hits of that group alone.
CREATE OR REPLACE VIEW report_hit_figures AS
SELECT
    group_key,
    opens_total,
    opens_unique,
    opens_human_total,
    opens_human_unique,
    opens_automated_total,
    opens_automated_unique,
    opens_unknown_total,
    opens_unknown_unique,
    opens_by_source_total,
    opens_by_source_unique,
    clicks_total,
    clicks_unique,
    clicks_human_total,
    clicks_human_unique,
    clicks_automated_total,
    clicks_automated_unique,
    clicks_unknown_total,
    clicks_unknown_unique,
    clicks_by_source_total,
    clicks_by_source_unique
FROM report_totals(
    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
    mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}, by = {by:String},
    edges = [{from_ms:Int64}]);

-- What was there before is rolled up like what is new.
INSERT INTO rollup_touched SELECT DISTINCT account, message_id, toDate(received_at) FROM events;
INSERT INTO rollup_touched (account, message_id) SELECT DISTINCT account, message_id FROM deliveries;
