-- The facts of a message lie together, in a table of their own that is written with the events. Those of a message that waits to be rolled
-- up lay anywhere in tables sorted by random ids, eight thousand rows of a dozen columns for each: among 30 million messages a thousand
-- that waited cost every report and every round of rolling up more than two seconds of CPU.

-- One row a fact: a hit, by its event's id, under its highest revision; or a delivery event as it was received last. No evidence stands
-- here. Granules and blocks are small, for a message is looked up by itself.
CREATE TABLE IF NOT EXISTS rollup_facts
(
    account UInt32,
    message_id String CODEC(ZSTD),
    is_delivery Bool,
    fact_id String CODEC(ZSTD),
    -- Of a hit its revision; of a delivery event when it was received, in milliseconds.
    version UInt64 CODEC(ZSTD),
    retained_until DateTime('UTC') CODEC(Delta, ZSTD),
    -- What it says, in one column, which is looked up in a fifth of the time that a dozen take: type; milliseconds from the time that a
    -- hit's id names (a UUIDv7; 1970 for any other) to the hit, or from a delivery event's receipt to its time; campaign; recipient's
    -- domain; receiving host; when its token says that it was sent, in milliseconds; whether it is tracked; method; actor; source;
    -- client; bounce's class; bounce's reason.
    told Array(String) CODEC(ZSTD(3)),
    received_ms Int64 ALIAS if(is_delivery, toInt64(version), toUnixTimestamp64Milli(UUIDv7ToDateTime(toUUIDOrZero(fact_id))) + toInt64(told[2]))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (account, message_id, is_delivery, fact_id)
TTL retained_until DELETE
SETTINGS index_granularity = 256, min_compress_block_size = 4096, max_compress_block_size = 16384, replicated_deduplication_window = 0,
    fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE TEMPORARY VIEW rollup_facts_of_events AS
SELECT
    account, message_id, false AS is_delivery, toString(event_id) AS fact_id, toUInt64(revision) AS version, retention_until AS retained_until,
    [
        toString(kind), toString(toUnixTimestamp64Milli(received_at) - toUnixTimestamp64Milli(UUIDv7ToDateTime(event_id))),
        toString(campaign), toString(recipient_domain), '', toString(toUnixTimestamp64Milli(sent_at)), '1', toString(method),
        toString(actor), toString(source), toString(client), '', ''
    ] AS told
FROM events;

CREATE TEMPORARY VIEW rollup_facts_of_deliveries AS
SELECT
    account, message_id, true AS is_delivery, event_id AS fact_id, toUInt64(toUnixTimestamp64Milli(received_at)) AS version,
    retention_until AS retained_until,
    [
        toString(type), toString(toUnixTimestamp64Milli(at) - toUnixTimestamp64Milli(received_at)),
        toString(campaign), toString(recipient_domain), toString(mx_host), '', toString(toUInt8(tracked)), '',
        '', '', '', toString(bounce_class), toString(bounce_reason)
    ] AS told
FROM deliveries;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_facts_by_events TO rollup_facts AS
SELECT * FROM {{rollup_facts_of_events}};

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_facts_by_deliveries TO rollup_facts AS
SELECT * FROM {{rollup_facts_of_deliveries}};

-- What there is already: before what touches a message by its facts, which would touch all of them.
INSERT INTO rollup_facts (account, message_id, is_delivery, fact_id, version, retained_until, told)
SELECT * FROM {{rollup_facts_of_events}}
UNION ALL
SELECT * FROM {{rollup_facts_of_deliveries}};

-- A message is touched by its facts and not beside them, so that who sees that it is touched sees them.
CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_touched_by_facts TO rollup_touched AS
SELECT DISTINCT account, message_id FROM rollup_facts;

DROP VIEW IF EXISTS rollup_touched_by_events;

DROP VIEW IF EXISTS rollup_touched_by_deliveries;

-- The day of a message is looked up by itself as well: in small blocks it takes a quarter of the time, and no more room.
ALTER TABLE rollup_days MODIFY SETTING min_compress_block_size = 4096, max_compress_block_size = 8192;

OPTIMIZE TABLE rollup_days FINAL;

-- The facts of these messages, one row each.
CREATE TEMPORARY VIEW report_told AS
WITH
    -- Where a fact stands among its message's: by time, then by its id, as text that sorts so. To compare text is cheap, to compare
    -- tuples is not.
    (fact_ms, id) -> concat(reinterpretAsFixedString(byteSwap(toUInt64(fact_ms + 4611686018427387904))), id) AS place_of
SELECT
    message_id,
    if(of_delivery, toInt64(last_version), toUnixTimestamp64Milli(UUIDv7ToDateTime(toUUIDOrZero(fact_id)))) + toInt64(last[2]) AS at_ms,
    place_of(at_ms, fact_id) AS place,
    multiIf(
        NOT of_delivery, '',
        type = 'sent', concat('0', place),
        type IN ('delivered', 'deferred', 'bounced', 'complained'), concat('1', place),
        '') AS sent_place,
    toUInt8(of_delivery) AS is_delivery,
    -- A POST that the sender has reversed unsubscribes nobody.
    multiIf(
        last[1] != 'unsubscribe', last[1],
        last[8] != 'POST', 'visit',
        toUUIDOrZero(fact_id) IN (SELECT event_id FROM reversed_unsubscribes(account = {account:UInt32})), 'visit',
        'unsubscribe') AS type,
    last[3] AS told_campaign,
    -- What delivery events say is plain already.
    if(of_delivery, last[4], trim(TRAILING '.' FROM lowerUTF8(last[4]))) AS told_domain,
    last[5] AS told_host,
    toInt64OrZero(last[6]) AS token_ms,
    last[7] = '1' AS tracked,
    last[9] AS actor,
    last[10] AS source,
    last[11] AS client,
    last[12] AS class,
    last[13] AS reason,
    kept_until AS retained_until
FROM
(
    SELECT
        message_id, rollup_facts.is_delivery AS of_delivery, fact_id,
        argMax(told, version) AS last, max(version) AS last_version, min(rollup_facts.retained_until) AS kept_until
    FROM rollup_facts
    WHERE account = {account:UInt32} AND rollup_facts.retained_until > now('UTC') AND message_id IN {messages:Array(String)}
    GROUP BY message_id, of_delivery, fact_id
);

DROP VIEW IF EXISTS report_told;

-- One row a wanted message of a round of rolling up.
CREATE OR REPLACE VIEW report_message_facts AS
SELECT *
FROM {{report_gathered messages = (SELECT message_id FROM rollup_wanted(
    account = {account:UInt32}, parts = {parts:Array(String)}, piece = {piece:UInt32}, pieces = {pieces:UInt32}))}};

DROP VIEW IF EXISTS rollup_wanted_days;

-- The messages of a report that are counted from the events, those that wait and those with more facts than a roll-up has, with
-- all their facts, those out of scope too.
CREATE TEMPORARY VIEW report_own AS
WITH
    {by:String} = 'mailbox_provider' OR {mailbox_provider:String} != '' AS needs_provider,
    (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'mx') AS by_host,
    (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'domain') AS by_domain,
    -- As in report_stored.
    splitByChar('.', mx_host) AS labels,
    arrayMap(most -> transform(if(length(labels) < most, '', arrayStringConcat(arraySlice(labels, -most), '.')), by_host.1, by_host.2, ''), [5, 4, 3, 2]) AS hosts
SELECT
    message_id, sent_ms, campaign, recipient_domain, types, actors, sources, classes, reasons, times,
    if(needs_provider, coalesce(
        nullIf(arrayFirst(host -> host != '', hosts), ''),
        nullIf(transform(recipient_domain, by_domain.1, by_domain.2, ''), ''),
        nullIf(recipient_domain, ''),
        'unknown'), '') AS mailbox_provider
FROM
{{report_gathered messages = {{report_waiting}}}}
WHERE if({campaign:String} = '', true, campaign = {campaign:String})
    AND if({recipient_domain:String} = '', true, recipient_domain = {recipient_domain:String})
    AND if({mailbox_provider:String} = '', true, mailbox_provider = {mailbox_provider:String})
    AND if({cohort:String} = 'sent', sent_ms >= {from_ms:Int64} AND sent_ms < {to_ms:Int64}, true);

-- The figures, one row a bucket or a group; a bucket begins at each of `edges`, in milliseconds, the first of which is from_ms. A
-- series is of all its messages: where there are several edges, `by` is ''. By sending, a message lies whole in the bucket in which
-- it was sent. Without any message there is no row, and every figure is zero. A rate without a denominator is null, not zero. A
-- message sent without tracking is left out of the denominators of open and click rates. By 'source' or 'client' the columns of opens
-- and clicks alone mean something: those of that group's hits.
--
-- From the inside: how many messages of each pattern count where, under which mask; what these facts show, once a pattern and
-- mask, and of each source by itself; messages that are counted from the events, as rows of the same form; how many messages of
-- each group show the same; the figures.
CREATE OR REPLACE VIEW report_totals AS
WITH
    {by:String} = 'mailbox_provider' OR {mailbox_provider:String} != '' AS needs_provider,
    length({edges:Array(Int64)}) = 1 AS is_one,
    -- Whether all buckets from the second on are equally long, as hours are, and days between two changes of the clock.
    length(arrayDistinct(arrayPopFront(arrayDifference(arrayPopFront({edges:Array(Int64)}))))) = 1 AS is_even,
    {edges:Array(Int64)}[2] AS second_edge,
    greatest({edges:Array(Int64)}[3] - second_edge, 1) AS step,
    (at) -> if(is_one, {from_ms:Int64}, if(is_even,
        if(at < second_edge, {from_ms:Int64}, second_edge + intDiv(at - second_edge, step) * step),
        roundDown(at, {edges:Array(Int64)}))) AS bucket_of,
    -- A window holds the days between these.
    intDiv({from_ms:Int64} - 1, 86400000) AS from_day,
    intDiv({to_ms:Int64}, 86400000) AS to_day,
    (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'mx') AS by_host,
    (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'domain') AS by_domain,
    -- The receiving host's longest ending that is known, else the recipient's domain.
    (domain, ending_5, ending_4, ending_3, ending_2) -> coalesce(
        nullIf(transform(ending_5, by_host.1, by_host.2, ''), ''),
        nullIf(transform(ending_4, by_host.1, by_host.2, ''), ''),
        nullIf(transform(ending_3, by_host.1, by_host.2, ''), ''),
        nullIf(transform(ending_2, by_host.1, by_host.2, ''), ''),
        nullIf(transform(domain, by_domain.1, by_domain.2, ''), ''),
        nullIf(domain, ''),
        'unknown') AS provider_of,
    -- The sources left out, or where 'other' is left out those that are not, since a source that this database does not list
    -- belongs to it; and the sources that hide the reader.
    (
        SELECT (
            groupArrayIf(toString(id), has({suppress:Array(String)}, if(class = '', 'other', class)) != has({suppress:Array(String)}, 'other')),
            groupArrayIf(toString(id), masked))
        FROM report_sources
    ) AS known,
    -- What the hashes stand for.
    (
        SELECT (groupArray(toUInt64(sipHash64(name))), groupArray(name))
        FROM
        (
            SELECT DISTINCT recipient_domain AS name
            FROM rollup_receivers
            WHERE account = {account:UInt32} AND {by:String} = 'recipient_domain'
            UNION ALL
            SELECT DISTINCT campaign
            FROM rollup_campaigns
            WHERE account = {account:UInt32} AND {by:String} = 'campaign'
            UNION ALL
            SELECT toString(arrayJoin(multiIf(
                {by:String} = 'source', distinct_sources, {by:String} = 'client', distinct_clients, distinct_reasons))) AS name
            FROM rollup_patterns
            WHERE {by:String} IN ('source', 'client', 'bounce_reason')
            GROUP BY name
            UNION ALL
            SELECT DISTINCT provider
            FROM
            (
                SELECT provider_of(recipient_domain, suffix_5, suffix_4, suffix_3, suffix_2) AS provider
                FROM rollup_receivers
                WHERE account = {account:UInt32} AND {by:String} = 'mailbox_provider'
            )
        )
    ) AS group_names,
    (
        SELECT (groupArray(toUInt64(sipHash64(name))), groupArray(name))
        FROM (SELECT toString(arrayJoin(distinct_sources)) AS name FROM rollup_patterns GROUP BY name)
    ) AS source_names
SELECT
    bucket,
    group_key,
    sent,
    delivered,
    deferred,
    dropped,
    bounced_hard,
    bounced_soft,
    bounced_block,
    bounced_undetermined,
    complained,
    unsubscribed,
    messages_without_delivery,
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
    clicks_by_source_unique,
    masked,
    delivered_tracked,
    delivered_unmasked,
    -- Rates.
    delivered / nullIf(sent, 0) AS rate_delivery,
    (bounced_hard + bounced_soft + bounced_block + bounced_undetermined) / nullIf(sent, 0) AS rate_bounce,
    complained / nullIf(delivered, 0) AS rate_complaint,
    opens_unique / nullIf(delivered_tracked, 0) AS rate_open,
    opens_human_unique / nullIf(delivered_tracked, 0) AS rate_open_low,
    read_at_most / nullIf(delivered_tracked, 0) AS rate_open_high,
    -- What the readers we can see say of all. Under 100 of them it says nothing.
    if(delivered_unmasked >= 100, read_unmasked / nullIf(delivered_unmasked, 0), NULL) AS rate_open_estimate,
    clicks_unique / nullIf(delivered_tracked, 0) AS rate_click,
    opened_and_clicked / nullIf(opens_unique, 0) AS rate_click_to_open,
    unsubscribed / nullIf(delivered, 0) AS rate_unsubscribe
FROM
(
    SELECT
        if(is_one, {from_ms:Int64}, toInt64(key)) AS bucket,
        transform(if(is_one, key, toUInt64(0)), group_names.1, group_names.2, anyIf(own_group, own_group != '')) AS group_key,
        toUInt64(sumIf(messages, bitTest(flags, 0))) AS sent,
        toUInt64(sumIf(messages, bitTest(flags, 1))) AS delivered,
        toUInt64(sumIf(messages, bitTest(flags, 2))) AS deferred,
        toUInt64(sumIf(messages, bitTest(flags, 3))) AS dropped,
        toUInt64(sumIf(messages, bitTest(flags, 4))) AS bounced_hard,
        toUInt64(sumIf(messages, bitTest(flags, 5))) AS bounced_soft,
        toUInt64(sumIf(messages, bitTest(flags, 6))) AS bounced_block,
        toUInt64(sumIf(messages, bitTest(flags, 7))) AS bounced_undetermined,
        toUInt64(sumIf(messages, bitTest(flags, 8))) AS complained,
        toUInt64(sumIf(messages, bitTest(flags, 9))) AS unsubscribed,
        toUInt64(sumIf(messages, bitTest(flags, 10))) AS messages_without_delivery,
        toUInt64(sumIf(messages, bitTest(flags, 11))) AS opens_unique,
        toUInt64(sumIf(messages, bitTest(flags, 12))) AS opens_human_unique,
        toUInt64(sumIf(messages, bitTest(flags, 13))) AS opens_automated_unique,
        toUInt64(sumIf(messages, bitTest(flags, 14))) AS opens_unknown_unique,
        toUInt64(sumIf(messages, bitTest(flags, 15))) AS clicks_unique,
        toUInt64(sumIf(messages, bitTest(flags, 16))) AS clicks_human_unique,
        toUInt64(sumIf(messages, bitTest(flags, 17))) AS clicks_automated_unique,
        toUInt64(sumIf(messages, bitTest(flags, 18))) AS clicks_unknown_unique,
        toUInt64(sumIf(messages, bitTest(flags, 19))) AS masked,
        toUInt64(sumIf(messages, bitTest(flags, 20))) AS delivered_tracked,
        toUInt64(sumIf(messages, bitTest(flags, 21))) AS delivered_unmasked,
        toUInt64(sumIf(messages, bitTest(flags, 22))) AS read_at_most,
        toUInt64(sumIf(messages, bitTest(flags, 23))) AS read_unmasked,
        toUInt64(sumIf(messages, bitTest(flags, 24))) AS opened_and_clicked,
        toUInt64(sumIf(summed.sum_1, is_main)) AS opens_total,
        toUInt64(sumIf(summed.sum_2, is_main)) AS opens_human_total,
        toUInt64(sumIf(summed.sum_3, is_main)) AS opens_automated_total,
        toUInt64(sumIf(summed.sum_4, is_main)) AS opens_unknown_total,
        toUInt64(sumIf(summed.sum_5, is_main)) AS clicks_total,
        toUInt64(sumIf(summed.sum_6, is_main)) AS clicks_human_total,
        toUInt64(sumIf(summed.sum_7, is_main)) AS clicks_automated_total,
        toUInt64(sumIf(summed.sum_8, is_main)) AS clicks_unknown_total,
        mapSort(CAST((groupArrayIf(name, has_opens), groupArrayIf(toUInt64(summed.sum_1), has_opens)), 'Map(String, UInt64)')) AS opens_by_source_total,
        mapSort(CAST((groupArrayIf(name, has_opens), groupArrayIf(toUInt64(summed.sum_2), has_opens)), 'Map(String, UInt64)')) AS opens_by_source_unique,
        mapSort(CAST((groupArrayIf(name, has_clicks), groupArrayIf(toUInt64(summed.sum_3), has_clicks)), 'Map(String, UInt64)')) AS clicks_by_source_total,
        mapSort(CAST((groupArrayIf(name, has_clicks), groupArrayIf(toUInt64(summed.sum_4), has_clicks)), 'Map(String, UInt64)')) AS clicks_by_source_unique
    FROM
    (
        -- How many messages show which figures, and the sums of their hits; of a source's part its opens, the messages with one, its
        -- clicks and the messages with one.
        SELECT
            key,
            what < 33554432 AS is_main,
            if(is_main, what, toUInt64(0)) AS flags,
            anyIf(own_group, is_own) AS own_group,
            transform(what, source_names.1, source_names.2, anyIf(own_part, is_own)) AS name,
            sum(weight) AS messages,
            sum(weight * sum_1) AS sum_1,
            sum(weight * sum_2) AS sum_2,
            sum(weight * sum_3) AS sum_3,
            sum(weight * sum_4) AS sum_4,
            sum(weight * sum_5) AS sum_5,
            sum(weight * sum_6) AS sum_6,
            sum(weight * sum_7) AS sum_7,
            sum(weight * sum_8) AS sum_8,
            sum_1 > sum_1 * is_main AS has_opens,
            sum_3 > sum_3 * is_main AS has_clicks
        FROM
        (
            SELECT
                is_own, own_group, own_part, part, keys, weights,
                -- A human click implies an open, at the click's time: in uniques only, never in a total.
                bitOr(opens_counted > 0, clicks_human > 0) AS has_open,
                bitOr(opens_human > 0, clicks_human > 0) AS has_human,
                -- Which figures of messages it adds one to, 25 bits; or the source that it is a part of, whose hash is more. In one number,
                -- since to group by two keys takes half the time that three take.
                if(part != 0, part, toUInt64(
                    bitShiftLeft(toUInt32(n_sending > 0), 0)
                    + bitShiftLeft(toUInt32(n_delivered > 0), 1)
                    + bitShiftLeft(toUInt32(n_deferred > 0), 2)
                    + bitShiftLeft(toUInt32(n_dropped > 0), 3)
                    + bitShiftLeft(toUInt32(is_hard), 4)
                    + bitShiftLeft(toUInt32(is_soft), 5)
                    + bitShiftLeft(toUInt32(is_block), 6)
                    + bitShiftLeft(toUInt32(is_refused > is_hard + is_soft + is_block), 7)
                    + bitShiftLeft(toUInt32(n_complained > 0), 8)
                    + bitShiftLeft(toUInt32(n_unsubscribed > 0), 9)
                    + bitShiftLeft(toUInt32(n_hits * is_untold > 0), 10)
                    + bitShiftLeft(toUInt32(has_open), 11)
                    + bitShiftLeft(toUInt32(has_human), 12)
                    + bitShiftLeft(toUInt32(opens_automated > 0), 13)
                    + bitShiftLeft(toUInt32(opens_unknown > 0), 14)
                    + bitShiftLeft(toUInt32(clicks_counted > 0), 15)
                    + bitShiftLeft(toUInt32(clicks_human > 0), 16)
                    + bitShiftLeft(toUInt32(clicks_automated > 0), 17)
                    + bitShiftLeft(toUInt32(clicks_unknown > 0), 18)
                    + bitShiftLeft(toUInt32(is_masked), 19)
                    + bitShiftLeft(toUInt32(n_delivered * is_tracked > 0), 20)
                    + bitShiftLeft(toUInt32(n_delivered * is_tracked > n_delivered * is_masked), 21)
                    + bitShiftLeft(toUInt32(bitOr(has_human, opens > opens * opens_clear)), 22)
                    + bitShiftLeft(toUInt32(has_human > is_masked), 23)
                    + bitShiftLeft(toUInt32(has_open * clicks_counted > 0), 24))) AS what,
                if(part = 0, opens_counted, opens) AS sum_1,
                if(part = 0, opens_human, opens > 0) AS sum_2,
                if(part = 0, opens_automated, clicks) AS sum_3,
                if(part = 0, opens_unknown, clicks > 0) AS sum_4,
                if(part = 0, clicks_counted, 0) AS sum_5,
                if(part = 0, clicks_human, 0) AS sum_6,
                if(part = 0, clicks_automated, 0) AS sum_7,
                if(part = 0, clicks_unknown, 0) AS sum_8
            FROM
            (
                -- Each slice of each pattern and mask.
                SELECT
                    false AS is_own,
                    '' AS own_group,
                    '' AS own_part,
                    if({by:String} IN ('source', 'client', 'bounce_reason'), arrayResize([slice_group], length(counted_keys), slice_group), counted_keys) AS keys,
                    weights,
                    part,
                    toUInt8(is_tracked) AS is_tracked,
                    is_masked,
                    toUInt8(is_untold) AS is_untold,
                    bitCount(bitAnd(mask, sending)) AS n_sending,
                    bitCount(bitAnd(mask, delivered)) AS n_delivered,
                    bitCount(bitAnd(mask, deferred)) AS n_deferred,
                    bitCount(bitAnd(mask, dropped)) AS n_dropped,
                    bitCount(bitAnd(mask, complained)) AS n_complained,
                    bitCount(bitAnd(mask, unsubscribed)) AS n_unsubscribed,
                    bitCount(bitAnd(mask, hits)) AS n_hits,
                    refusal != 0 AS is_refused,
                    bitAnd(refusal, refused_hard) != 0 AS is_hard,
                    bitAnd(refusal, refused_soft) != 0 AS is_soft,
                    bitAnd(refusal, refused_block) != 0 AS is_block,
                    bitCount(bitAnd(mask, open_bits)) AS opens,
                    bitCount(bitAnd(mask, open_clear)) AS opens_clear,
                    bitCount(bitAnd(mask, open_counted)) AS opens_counted,
                    bitCount(bitAnd(mask, open_human)) AS opens_human,
                    bitCount(bitAnd(mask, open_automated)) AS opens_automated,
                    bitCount(bitAnd(mask, open_unknown)) AS opens_unknown,
                    bitCount(bitAnd(mask, click_bits)) AS clicks,
                    bitCount(bitAnd(mask, click_counted)) AS clicks_counted,
                    bitCount(bitAnd(mask, click_human)) AS clicks_human,
                    bitCount(bitAnd(mask, click_automated)) AS clicks_automated,
                    bitCount(bitAnd(mask, click_unknown)) AS clicks_unknown
                FROM
                (
                    -- The last refusal in scope decides; facts that are refusals stand in the order of their times.
                    SELECT *, roundToExp2(bitAnd(mask, refused)) AS refusal
                    FROM
                    (
                        -- How many messages of each pattern under each mask count where: a bucket if there are several, else a group.
                        SELECT
                            pattern,
                            mask,
                            groupArray(if(is_one AND {by:String} = 'mailbox_provider', provider_hash, key)) AS counted_keys,
                            groupArray(toInt64(weight)) AS weights
                        FROM
                        (
                            SELECT scopes.*, provider_hash
                            FROM
                            (
                                -- Messages of which every day lies in a window that is one bucket: the projections' sums.
                                SELECT
                                    pattern,
                                    bitNot(toUInt64(0)) AS mask,
                                    if({by:String} = 'campaign', campaign_hash, if({by:String} = 'recipient_domain', domain_hash, toUInt64(0))) AS key,
                                    if(needs_provider, rollup_messages.receiver_hash, toUInt64(0)) AS by_receiver,
                                    sum(copies) AS weight
                                FROM rollup_messages
                                WHERE account = {account:UInt32} AND is_one
                                    AND if({campaign:String} = '', true, campaign_hash = sipHash64({campaign:String}))
                                    AND if({recipient_domain:String} = '', true, domain_hash = sipHash64({recipient_domain:String}))
                                    AND if({cohort:String} = 'sent',
                                        is_sent AND toUInt16(day) > from_day AND toUInt16(day) < to_day,
                                        first_day > from_day AND last_day < to_day)
                                GROUP BY pattern, key, by_receiver
                                UNION ALL
                                -- Others that lie in one bucket with all their facts.
                                SELECT
                                    pattern,
                                    bitNot(toUInt64(0)) AS mask,
                                    multiIf(
                                        NOT is_one, toUInt64(bucket_of(if({cohort:String} = 'sent', sent_ms, first_second * toInt64(1000)))),
                                        {by:String} = 'campaign', campaign_hash,
                                        {by:String} = 'recipient_domain', domain_hash,
                                        toUInt64(0)) AS key,
                                    if(needs_provider, rollup_messages.receiver_hash, toUInt64(0)) AS by_receiver,
                                    sum(copies) AS weight
                                FROM rollup_messages
                                WHERE account = {account:UInt32}
                                    AND if({campaign:String} = '', true, campaign_hash = sipHash64({campaign:String}))
                                    AND if({recipient_domain:String} = '', true, domain_hash = sipHash64({recipient_domain:String}))
                                    AND if({cohort:String} = 'sent',
                                        sent_ms >= {from_ms:Int64} AND sent_ms < {to_ms:Int64}
                                            AND day >= toDate(fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC'))
                                            AND day <= toDate(fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC'))
                                            AND if(is_one, toUInt16(day) <= from_day OR toUInt16(day) >= to_day, true),
                                        first_second >= intDiv({from_ms:Int64} + 999, 1000) AND last_second < intDiv({to_ms:Int64} + 999, 1000)
                                            AND if(is_one, first_second < (from_day + 1) * 86400 OR last_second >= to_day * 86400,
                                                bucket_of(first_second * toInt64(1000)) = bucket_of(last_second * toInt64(1000))))
                                GROUP BY pattern, key, by_receiver
                                UNION ALL
                                -- Messages that lie in several, cut by the times of their facts; and off again what is stored of messages
                                -- that are counted from the events.
                                -- Grouped by a hash of where they count, for the same reason.
                                SELECT
                                    pattern,
                                    any(arraySum((other, place) -> if(other = bucket, bitShiftLeft(toUInt64(1), toUInt8(place - 1)), toUInt64(0)),
                                        fact_buckets, arrayEnumerate(fact_buckets)) AS cut_mask) AS mask,
                                    any(if(is_one, cut_key, toUInt64(bucket)) AS counted_key) AS key,
                                    any(cut_receiver) AS by_receiver,
                                    sum(copies) AS weight
                                FROM
                                (
                                    SELECT
                                        pattern,
                                        arrayMap(at -> if(bitAnd(if({cohort:String} = 'sent', sent_ms, at) >= {from_ms:Int64}, if({cohort:String} = 'sent', sent_ms, at) < {to_ms:Int64}),
                                            bucket_of(if({cohort:String} = 'sent', sent_ms, at)), toInt64(-1)), times) AS fact_buckets,
                                        cut_key, cut_receiver, copies
                                    FROM
                                    (
                                        SELECT pattern, sent_ms, times, copies,
                                            if({by:String} = 'campaign', campaign_hash, if({by:String} = 'recipient_domain', domain_hash, toUInt64(0))) AS cut_key,
                                            if(needs_provider, rollup_messages.receiver_hash, toUInt64(0)) AS cut_receiver
                                        FROM rollup_messages
                                        PREWHERE account = {account:UInt32} AND {cohort:String} != 'sent'
                                            AND last_second >= intDiv({from_ms:Int64}, 1000) AND first_second < intDiv({to_ms:Int64} + 999, 1000)
                                            AND (first_second < intDiv({from_ms:Int64} + 999, 1000) OR last_second >= intDiv({to_ms:Int64} + 999, 1000)
                                                OR if(is_one, false, bucket_of(first_second * toInt64(1000)) != bucket_of(last_second * toInt64(1000))))
                                        WHERE if({campaign:String} = '', true, campaign_hash = sipHash64({campaign:String}))
                                            AND if({recipient_domain:String} = '', true, domain_hash = sipHash64({recipient_domain:String}))
                                        UNION ALL
                                        SELECT pattern, sent_ms, times, -copies AS copies,
                                            if({by:String} = 'campaign', campaign_hash, if({by:String} = 'recipient_domain', domain_hash, toUInt64(0))) AS cut_key,
                                            if(needs_provider, rollup_messages.receiver_hash, toUInt64(0)) AS cut_receiver
                                        FROM rollup_messages
                                        WHERE account = {account:UInt32}
                                            AND if({campaign:String} = '', true, campaign_hash = sipHash64({campaign:String}))
                                            AND if({recipient_domain:String} = '', true, domain_hash = sipHash64({recipient_domain:String}))
                                            AND (day, message_id) IN (
                                                SELECT day, message_id
                                                FROM rollup_days
                                                WHERE account = {account:UInt32} AND message_id IN (
                                                    SELECT message_id FROM rollup_touched WHERE account = {account:UInt32}
                                                    UNION ALL
                                                    SELECT message_id FROM rollup_wide WHERE account = {account:UInt32}))
                                    )
                                )
                                ARRAY JOIN arrayDistinct(fact_buckets) AS bucket
                                WHERE bucket >= 0
                                GROUP BY pattern, bitXor(bitXor(intHash64(cut_mask), counted_key), cut_receiver)
                            ) AS scopes
                            ANY LEFT JOIN
                            (
                                SELECT
                                    receiver_hash,
                                    toUInt64(sipHash64(provider_of(recipient_domain, suffix_5, suffix_4, suffix_3, suffix_2))) AS provider_hash
                                FROM rollup_receivers
                                WHERE account = {account:UInt32} AND needs_provider
                            ) AS receivers ON scopes.by_receiver = receivers.receiver_hash
                        )
                        WHERE if({mailbox_provider:String} = '', true, provider_hash = sipHash64({mailbox_provider:String}))
                        GROUP BY pattern, mask
                    ) AS scopes
                    INNER JOIN
                    (
                        SELECT
                            pattern,
                            is_tracked,
                            is_untold,
                            slice.1 AS slice_group,
                            slice.2 AS part,
                            slice.3 AS slice_bits,
                            slice.4 AS last_refusal,
                            hasAny(distinct_sources, known.2) AS is_masked,
                            sending, delivered, deferred, dropped, complained, unsubscribed, hits,
                            refused, refused_hard, refused_soft, refused_block,
                            bitNot(bitAnd(automated, arraySum(
                                (source, plane) -> if(has(known.1, source) != has({suppress:Array(String)}, 'other'), plane, toUInt64(0)),
                                distinct_sources, source_planes))) AS counted,
                            bitNot(bitOr(unknown, arraySum(
                                (source, plane) -> if(has(known.2, source), plane, toUInt64(0)), distinct_sources, source_planes))) AS clear,
                            bitAnd(known_patterns.opens, slice_bits) AS open_bits,
                            bitAnd(open_bits, clear) AS open_clear,
                            bitAnd(open_bits, counted) AS open_counted,
                            bitAnd(open_bits, human) AS open_human,
                            bitAnd(open_bits, automated) AS open_automated,
                            bitAnd(open_bits, unknown) AS open_unknown,
                            bitAnd(known_patterns.clicks, slice_bits) AS click_bits,
                            bitAnd(click_bits, counted) AS click_counted,
                            bitAnd(click_bits, human) AS click_human,
                            bitAnd(click_bits, automated) AS click_automated,
                            bitAnd(click_bits, unknown) AS click_unknown
                        FROM rollup_patterns AS known_patterns FINAL
                        ARRAY JOIN multiIf(
                            {by:String} = 'source', slices_by_source,
                            {by:String} = 'client', slices_by_client,
                            {by:String} = 'bounce_reason', slices_by_reason,
                            slices) AS slice
                    ) AS planes ON scopes.pattern = planes.pattern
                    -- By source or client, what is neither opened nor clicked in scope says nothing.
                    WHERE bitAnd(mask, slice_bits) != 0
                )
                WHERE if({by:String} = 'bounce_reason', refusal = last_refusal, true)
                UNION ALL
                -- Messages that are counted from the events: one row each, bucket and part.
                SELECT
                    true AS is_own,
                    multiIf(
                        {by:String} = 'campaign', any(campaign),
                        {by:String} = 'recipient_domain', any(recipient_domain),
                        {by:String} = 'mailbox_provider', any(provider),
                        {by:String} = 'bounce_reason', argMaxIf(reason, place, is_bounce),
                        any(hit_key)) AS own_group,
                    substring(source_part, 2) AS own_part,
                    [multiIf(NOT is_one, toUInt64(bucket), {by:String} = '', toUInt64(0), toUInt64(sipHash64(own_group)))] AS keys,
                    [toInt64(1)] AS weights,
                    if(source_part = '', toUInt64(0), toUInt64(sipHash64(own_part))) AS part,
                    any(is_tracked) AS is_tracked,
                    any(is_masked) AS is_masked,
                    any(is_untold) AS is_untold,
                    countIf(is_sending) AS n_sending,
                    countIf(type = 'delivered') AS n_delivered,
                    countIf(type = 'deferred') AS n_deferred,
                    countIf(type = 'dropped') AS n_dropped,
                    countIf(type = 'complained') AS n_complained,
                    countIf(type IN ('unsubscribed', 'unsubscribe')) AS n_unsubscribed,
                    countIf(type IN ('open', 'click', 'unsubscribe', 'trap', 'visit')) AS n_hits,
                    countIf(is_bounce) > 0 AS is_refused,
                    argMaxIf(class, place, is_bounce) = 'hard' AS is_hard,
                    argMaxIf(class, place, is_bounce) = 'soft' AS is_soft,
                    argMaxIf(class, place, is_bounce) = 'block' AS is_block,
                    countIf(is_open) AS opens,
                    countIf(bitAnd(is_open, is_clear)) AS opens_clear,
                    countIf(bitAnd(is_open, is_counted)) AS opens_counted,
                    countIf(bitAnd(is_open, actor = 'human')) AS opens_human,
                    countIf(bitAnd(is_open, actor = 'automated')) AS opens_automated,
                    countIf(bitAnd(is_open, actor = 'unknown')) AS opens_unknown,
                    countIf(is_click) AS clicks,
                    countIf(bitAnd(is_click, is_counted)) AS clicks_counted,
                    countIf(bitAnd(is_click, actor = 'human')) AS clicks_human,
                    countIf(bitAnd(is_click, actor = 'automated')) AS clicks_automated,
                    countIf(bitAnd(is_click, actor = 'unknown')) AS clicks_unknown
                FROM
                (
                    SELECT
                        message_id, campaign, recipient_domain, provider, is_tracked, is_masked, is_untold,
                        fact.2 AS place,
                        if(bitAnd(fact.4 = 'delivered', fact.1 <= refused_at), 'accepted', fact.4) AS type,
                        bitAnd(fact.3 = sending, sending != '') AS is_sending,
                        fact.5 AS actor,
                        fact.6 AS source,
                        fact.7 AS client,
                        fact.8 AS class,
                        if(fact.9 = '', 'undetermined', fact.9) AS reason,
                        type = 'open' AS is_open,
                        type = 'click' AS is_click,
                        type = 'bounced' AS is_bounce,
                        bitOr(actor != 'automated', has(known.1, source) = has({suppress:Array(String)}, 'other')) AS is_counted,
                        bitAnd(actor != 'unknown', has(known.2, source) = 0) AS is_clear,
                        if({cohort:String} = 'sent', sent_ms, fact.1) AS counts_at,
                        bucket_of(counts_at) AS bucket,
                        multiIf({by:String} = 'source', source, {by:String} = 'client', client, '') AS hit_key,
                        -- To whose part it adds: that of all facts, and its source's. A refusal adds to all of its message, since its
                        -- reason is their group.
                        arrayJoin(multiIf(
                            is_open + is_click > 0, ['', concat(' ', source)],
                            {by:String} IN ('source', 'client'), [],
                            bitAnd({by:String} = 'bounce_reason', is_bounce),
                                arrayConcat([''], arrayMap(one -> concat(' ', one), all_sources)),
                            [''])) AS source_part
                    FROM
                    (
                        -- As in report_message_facts.
                        SELECT
                            message_id,
                            groupArray((at_ms, place, sent_place, type, actor, source, client, class, reason)) AS facts,
                            countIf(is_delivery > tracked) = 0 AS is_tracked,
                            countIf(has(known.2, source)) > 0 AS is_masked,
                            countIf(is_delivery) = 0 AS is_untold,
                            groupUniqArray(source) AS all_sources,
                            maxIf(at_ms, type = 'bounced') AS refused_at,
                            minIf(sent_place, sent_place != '') AS sending,
                            argMinIf(at_ms, sent_place, sent_place != '') AS sending_ms,
                            ifNull(if(sending_ms > 0, sending_ms, minOrNullIf(token_ms, is_delivery = 0)), toInt64(-9223372036854775808)) AS sent_ms,
                            argMinIf(told_campaign, place, bitAnd(is_delivery, told_campaign != '')) AS campaign_told,
                            if(campaign_told != '', campaign_told, argMinIf(told_campaign, place, is_delivery < (told_campaign != ''))) AS campaign,
                            argMinIf(told_domain, place, bitAnd(is_delivery, told_domain != '')) AS domain_told,
                            if(domain_told != '', domain_told, argMinIf(told_domain, place, is_delivery < (told_domain != ''))) AS recipient_domain,
                            splitByChar('.', argMinIf(told_host, place, told_host != '')) AS labels,
                            arrayMap(most -> if(length(labels) < most, '', arrayStringConcat(arraySlice(labels, -most), '.')), [5, 4, 3, 2]) AS endings,
                            if(needs_provider, provider_of(recipient_domain, endings[1], endings[2], endings[3], endings[4]), '') AS provider
                        FROM
                        {{report_told messages = {{report_waiting}}}}
                        GROUP BY message_id
                    )
                    ARRAY JOIN facts AS fact
                    WHERE if({campaign:String} = '', true, campaign = {campaign:String})
                        AND if({recipient_domain:String} = '', true, recipient_domain = {recipient_domain:String})
                        AND counts_at >= {from_ms:Int64} AND counts_at < {to_ms:Int64}
                        AND if({mailbox_provider:String} = '', true, provider = {mailbox_provider:String})
                )
                GROUP BY message_id, bucket, source_part, hit_key
                HAVING if({by:String} = 'bounce_reason', is_refused, true)
            )
        )
        ARRAY JOIN keys AS key, weights AS weight
        GROUP BY key, what
    ) AS summed
    GROUP BY key
    HAVING sumIf(messages, is_main) > 0
);

-- As they were, of these parts.
CREATE OR REPLACE VIEW report_messages AS {{report_messages}};

CREATE OR REPLACE VIEW report_hits AS {{report_hits}};

CREATE OR REPLACE VIEW report_after_delivery AS {{report_after_delivery}};

CREATE OR REPLACE VIEW report_hours AS {{report_hours}};

CREATE OR REPLACE VIEW report_machine_groups AS {{report_machine_groups}};

CREATE OR REPLACE VIEW report_machines AS {{report_machines}};

CREATE OR REPLACE VIEW report_latency AS {{report_latency}};

CREATE OR REPLACE VIEW report_delivery_spans AS {{report_delivery_spans}};

CREATE OR REPLACE VIEW report_refusals AS {{report_refusals}};

CREATE OR REPLACE VIEW report_corrections AS {{report_corrections}};

CREATE OR REPLACE VIEW report_link_figures AS {{report_link_figures}};

CREATE OR REPLACE VIEW report_visits AS {{report_visits}};

CREATE OR REPLACE VIEW report_country_figures AS {{report_country_figures}};

CREATE OR REPLACE VIEW report_figures AS {{report_figures}};

CREATE OR REPLACE VIEW report_series AS {{report_series}};

CREATE OR REPLACE VIEW report_hit_figures AS {{report_hit_figures}};
