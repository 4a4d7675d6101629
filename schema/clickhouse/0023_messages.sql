-- Links, countries, visits, machines, hours, refusals and times from what is rolled up already: these reports read every event of every
-- message that had one in the window, and kept all of them in memory; over millions of messages they ended at a limit. They are of
-- messages now, as the figures are: a message's facts and times from its roll-up, and of a message that waits from the events. What
-- a roll-up does not know (links, countries, first verdicts, codes) is read of the hits or refusals in question alone.
--
-- Each of these views has its parts' text in place of their names (0022), so it is planned once for its columns and once for its rows.
-- What is CREATE TEMPORARY here is such a part, and no view of the database.

-- All facts of these messages, one row each: what a roll-up's row says, worked out from the events.
--
-- A message's campaign and domain are what its delivery events say first, else what its tokens say. Delivery events come first because
-- every message has them and only engaged ones have hits: the other way round, a sender whose two names differ would see open rates
-- above one beside rates of zero.
CREATE TEMPORARY VIEW report_gathered AS
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
    sorted.3 AS types,
    sorted.4 AS sendings,
    sorted.5 AS actors,
    sorted.6 AS sources,
    sorted.7 AS clients,
    sorted.8 AS classes,
    sorted.9 AS reasons,
    sorted.10 AS times
FROM
(
    SELECT
        message_id,
        ifNull(if(sending_ms > 0, sending_ms, token_sent_at), toInt64(-9223372036854775808)) AS sent_ms,
        first_ms,
        last_ms,
        if(campaign_told != '', campaign_told, campaign_minted) AS campaign,
        if(domain_told != '', domain_told, domain_minted) AS recipient_domain,
        mx_host,
        is_tracked,
        kept_until,
        -- Bounces last and by time, since the last one in scope decides; the rest in an order that is the same for equal facts.
        arraySort(arrayMap(
            told -> (
                told.4 = 'bounced',
                if(told.4 = 'bounced', told.2, ''),
                if(told.4 = 'delivered' AND told.1 <= refused_at, 'accepted', told.4),
                told.3 = sending AND sending != '',
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
            groupArray((at_ms, place, sent_place, type, actor, source, client, class, reason)) AS told_facts,
            min(at_ms) AS first_ms,
            max(at_ms) AS last_ms,
            min(retained_until) AS kept_until,
            countIf(is_delivery AND NOT tracked) = 0 AS is_tracked,
            maxIf(at_ms, type = 'bounced') AS refused_at,
            -- A sent event, else the earliest outcome, is when a message was sent.
            minIf(sent_place, sent_place != '') AS sending,
            argMinIf(at_ms, sent_place, sent_place != '') AS sending_ms,
            -- Without any of these, the token says when it was sent.
            minOrNullIf(token_ms, NOT is_delivery) AS token_sent_at,
            argMinIf(told_campaign, place, is_delivery AND told_campaign != '') AS campaign_told,
            argMinIf(told_campaign, place, NOT is_delivery AND told_campaign != '') AS campaign_minted,
            argMinIf(told_domain, place, is_delivery AND told_domain != '') AS domain_told,
            argMinIf(told_domain, place, NOT is_delivery AND told_domain != '') AS domain_minted,
            argMinIf(told_host, place, told_host != '') AS mx_host
        FROM {{report_told}}
        GROUP BY message_id
    )
);

-- One row a wanted message of a round of rolling up.
CREATE OR REPLACE VIEW report_message_facts AS
SELECT *
FROM {{report_gathered
    days = (SELECT day, message_id FROM rollup_wanted_days(
        account = {account:UInt32}, parts = {parts:Array(String)}, piece = {piece:UInt32}, pieces = {pieces:UInt32})),
    messages = (SELECT message_id FROM rollup_wanted(
        account = {account:UInt32}, parts = {parts:Array(String)}, piece = {piece:UInt32}, pieces = {pieces:UInt32}))}};

-- The messages that are counted from the events: touched, or wide.
CREATE TEMPORARY VIEW report_waiting AS
SELECT message_id FROM rollup_touched WHERE account = {account:UInt32}
UNION ALL
SELECT message_id FROM rollup_wide WHERE account = {account:UInt32};

-- What is stored of them all the same.
CREATE TEMPORARY VIEW report_waiting_rollups AS
SELECT content, message_id, times
FROM rollup_messages
WHERE account = {account:UInt32} AND (day, message_id) IN (
    SELECT day, message_id FROM rollup_days WHERE account = {account:UInt32} AND message_id IN {{report_waiting}});

-- What stored rows are not simply one row a message: rows that wait to be merged away, and rows of messages that are counted from the events.
-- `content` tells rows of one message apart, not messages: an equal row of another one may be among them.
CREATE TEMPORARY VIEW report_unsettled AS
SELECT content
FROM rollup_messages
WHERE account = {account:UInt32} AND copies < 0
UNION ALL
SELECT content
FROM {{report_waiting_rollups}};

-- Stored rows of which something may be in scope, whatever they add up to; `with` is what must hold of a pattern.
CREATE TEMPORARY VIEW report_rollups AS
SELECT day, message_id, content, copies, sent_ms, first_second, last_second, campaign, recipient_domain, receiver_hash, pattern, times
FROM rollup_messages
WHERE account = {account:UInt32}
    AND if({cohort:String} = 'sent',
        sent_ms >= {from_ms:Int64} AND sent_ms < {to_ms:Int64}
            AND day >= toDate(fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')) AND day <= toDate(fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')),
        last_second * toInt64(1000) >= {from_ms:Int64} AND first_second * toInt64(1000) < {to_ms:Int64})
    AND if({campaign:String} = '', true, campaign_hash = sipHash64({campaign:String}))
    AND if({recipient_domain:String} = '', true, domain_hash = sipHash64({recipient_domain:String}))
    AND pattern IN (SELECT pattern FROM rollup_patterns WHERE {with:Bool});

-- The messages of a report that their roll-ups answer for, one row each. A mailbox provider is known where `by` or the filter asks for it,
-- else ''.
CREATE TEMPORARY VIEW report_stored AS
WITH
    {by:String} = 'mailbox_provider' OR {mailbox_provider:String} != '' AS needs_provider,
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
        'unknown') AS provider_of
SELECT message_id, sent_ms, first_second, last_second, campaign, recipient_domain, provider AS mailbox_provider, pattern, times
FROM
(
    SELECT message_id, sent_ms, first_second, last_second, campaign, recipient_domain, receiver_hash, pattern, times
    FROM {{report_rollups}}
    WHERE content NOT IN {{report_unsettled}}
    UNION ALL
    SELECT
        message_id, any(sent_ms), any(first_second), any(last_second), any(campaign), any(recipient_domain), any(receiver_hash),
        any(pattern), any(times)
    FROM {{report_rollups}}
    WHERE content IN {{report_unsettled}}
        AND message_id NOT IN {{report_waiting}}
    GROUP BY day, message_id, content
    HAVING sum(copies) > 0
) AS stored
ANY LEFT JOIN
(
    SELECT receiver_hash, provider_of(recipient_domain, suffix_5, suffix_4, suffix_3, suffix_2) AS provider
    FROM rollup_receivers
    WHERE account = {account:UInt32} AND needs_provider
) AS receivers ON stored.receiver_hash = receivers.receiver_hash
WHERE if({mailbox_provider:String} = '', true, provider = {mailbox_provider:String});

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
{{report_gathered
    days = (
        SELECT day, message_id FROM rollup_touched WHERE account = {account:UInt32}
        UNION ALL
        SELECT day, message_id FROM rollup_wide WHERE account = {account:UInt32}
        UNION ALL
        SELECT arrayJoin(arrayDistinct(arrayMap(at -> toDate(fromUnixTimestamp64Milli(at, 'UTC')), times))) AS fact_day, message_id
        FROM {{report_waiting_rollups}}),
    messages = {{report_waiting}}}}
WHERE if({campaign:String} = '', true, campaign = {campaign:String})
    AND if({recipient_domain:String} = '', true, recipient_domain = {recipient_domain:String})
    AND if({mailbox_provider:String} = '', true, mailbox_provider = {mailbox_provider:String})
    AND if({cohort:String} = 'sent', sent_ms >= {from_ms:Int64} AND sent_ms < {to_ms:Int64}, true);

-- The messages that a report is about; with `with` of stored patterns, those that have what it asks for.
CREATE TEMPORARY VIEW report_chosen AS
SELECT message_id
FROM {{report_stored by = ''}}
WHERE if({cohort:String} = 'sent', true,
    (first_second * toInt64(1000) >= {from_ms:Int64} AND last_second * toInt64(1000) < {to_ms:Int64})
        OR arrayExists(at -> at >= {from_ms:Int64} AND at < {to_ms:Int64}, times))
UNION ALL
SELECT message_id
FROM {{report_own by = ''}}
WHERE if({cohort:String} = 'sent', true, arrayExists(at -> at >= {from_ms:Int64} AND at < {to_ms:Int64}, times));

CREATE OR REPLACE VIEW report_messages AS
SELECT message_id
FROM {{report_chosen with = true}};

-- One row a hit in scope, as roll-ups know it: with the domain of its message, and the seconds since the message was accepted; since it
-- was sent where no acceptance is known. A hit before its own delivery event is one of clocks that differ: it came at once. `kind` is
-- a pattern's type: 'unsubscribe' for a POST that stands, 'visit' for what else came to that link.
--
-- A pattern's facts are looked up hit by hit: to copy a pattern's arrays to each of its messages takes four times as long.
CREATE TEMPORARY VIEW report_hit_rows AS
WITH (SELECT (groupArray(toString(id)), groupArray(if(class = '', 'other', toString(class)))) FROM report_sources) AS listed
SELECT
    message_id,
    recipient_domain,
    kind,
    at_ms,
    actor,
    source,
    -- An automated hit whose source this database does not list belongs to 'other'. Nothing suppresses a human or an unknown.
    if(actor = 'automated', transform(source, listed.1, listed.2, 'other'), '') AS class,
    greatest(0, at_ms - since_ms) / 1000 AS seconds_after
FROM
(
    SELECT
        stored.message_id AS message_id, stored.recipient_domain AS recipient_domain, stored.at_ms AS at_ms, stored.since_ms AS since_ms,
        facts.type AS kind, facts.actor AS actor, facts.source AS source
    FROM
    (
        SELECT message_id, recipient_domain, pattern, since_ms, at_ms, place
        FROM
        (
            SELECT
                stored.message_id AS message_id, stored.recipient_domain AS recipient_domain, stored.pattern AS pattern, stored.times AS times,
                multiIf(
                    acceptances = 0, sent_ms,
                    bitCount(acceptances) = 1, times[bitCount(acceptances - 1) + 1],
                    arrayMin(arrayFilter((at, place) -> bitTest(acceptances, place - 1), times, arrayEnumerate(times)))) AS since_ms
            FROM {{report_stored by = ''}} AS stored
            INNER JOIN
            (
                SELECT pattern, arraySum((type, place) -> if(type IN ('delivered', 'accepted'), bitShiftLeft(toUInt64(1), toUInt8(place - 1)), toUInt64(0)),
                    types, arrayEnumerate(types)) AS acceptances
                FROM rollup_patterns FINAL
                WHERE {with:Bool}
            ) AS patterns ON stored.pattern = patterns.pattern
        )
        ARRAY JOIN times AS at_ms, arrayEnumerate(times) AS place
        WHERE if({cohort:String} = 'sent', true, at_ms >= {from_ms:Int64} AND at_ms < {to_ms:Int64})
    ) AS stored
    INNER JOIN
    (
        SELECT pattern, place, toString(type) AS type, toString(actor) AS actor, toString(source) AS source
        FROM rollup_patterns FINAL
        ARRAY JOIN types AS type, actors AS actor, sources AS source, arrayEnumerate(types) AS place
        WHERE {with:Bool} AND type IN ('open', 'click', 'trap', 'unsubscribe', 'visit')
    ) AS facts ON stored.pattern = facts.pattern AND stored.place = facts.place
    UNION ALL
    SELECT message_id, recipient_domain, at_ms, since_ms, type AS kind, actor, source
    FROM
    (
        SELECT
            message_id, recipient_domain, times, types, actors, sources,
            arrayFilter((at, type) -> type IN ('delivered', 'accepted'), times, types) AS acceptances,
            if(empty(acceptances), sent_ms, arrayMin(acceptances)) AS since_ms
        FROM {{report_own by = ''}}
    )
    ARRAY JOIN times AS at_ms, types AS type, actors AS actor, sources AS source
    WHERE type IN ('open', 'click', 'trap', 'unsubscribe', 'visit')
        AND if({cohort:String} = 'sent', true, at_ms >= {from_ms:Int64} AND at_ms < {to_ms:Int64})
);

CREATE OR REPLACE VIEW report_hits AS
SELECT *
FROM {{report_hit_rows with = hits != 0}};

-- When hits come after delivery, one row a span of time; `from_seconds` is where it begins, and it ends where the next one
-- of the list does.
CREATE OR REPLACE VIEW report_after_delivery AS
SELECT
    roundDown(seconds_after, [0, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 604800]) AS from_seconds,
    countIf(class = 'scanners') AS scanners,
    countIf(class = 'apple') AS apple,
    countIf(class = 'google') AS google,
    countIf(class = 'other') AS other,
    countIf(actor = 'unknown') AS of_unknown,
    countIf(actor = 'human') AS human
FROM {{report_hit_rows with = hits != 0}}
GROUP BY from_seconds;

-- At which hour of the week opens and clicks come, by the clock of `zone`; days from Monday as 1.
CREATE OR REPLACE VIEW report_hours AS
SELECT
    toDayOfWeek(fromUnixTimestamp64Milli(at_ms, 'UTC'), 0, {zone:String}) AS weekday,
    toHour(fromUnixTimestamp64Milli(at_ms, 'UTC'), {zone:String}) AS hour,
    countIf(actor = 'human') AS human,
    countIf(actor = 'automated') AS automated,
    countIf(actor = 'unknown') AS of_unknown
FROM {{report_hit_rows with = bitOr(opens, clicks) != 0}}
WHERE kind IN ('open', 'click')
GROUP BY weekday, hour;

-- Who looks at the mail, of all machines, of each, of each domain, or of each pair: `by` is '', 'source',
-- 'recipient_domain' or 'both', and what is not grouped by is empty. Counts and the median are those of the group's own
-- hits of every kind; messages are counted once in a group.
CREATE OR REPLACE VIEW report_machine_groups AS
SELECT
    if({by:String} IN ('source', 'both'), toString(looks.source), '') AS source,
    if({by:String} IN ('recipient_domain', 'both'), looks.recipient_domain, '') AS recipient_domain,
    if({by:String} IN ('source', 'both'), any(looks.class), '') AS class,
    count() AS hits,
    countIf(kind = 'open') AS opens,
    countIf(kind = 'click') AS clicks,
    countIf(kind = 'trap') AS traps,
    uniqExact(message_id) AS messages,
    uniqExact(looks.source) AS sources,
    uniqExact(looks.recipient_domain) AS recipient_domains,
    -- Domains whose mail a gateway looked at.
    uniqExactIf(looks.recipient_domain, looks.class = 'scanners') AS scanned_domains,
    quantileExact(0.5)(seconds_after) AS seconds_after_median
FROM {{report_hit_rows with = automated != 0}} AS looks
WHERE actor = 'automated'
GROUP BY source, recipient_domain;

CREATE OR REPLACE VIEW report_machines AS
SELECT source, class, recipient_domain, hits, opens, clicks, traps, messages, seconds_after_median
FROM {{report_machine_groups by = 'both'}};

-- How long each message took from sent to delivered: from the first time that it is said to be sent to the first in scope that it is
-- said to be accepted. A message of which either is not told, or that was accepted before it was sent, is not here: nothing is
-- guessed.
CREATE TEMPORARY VIEW report_delivery_times AS
WITH
    toInt64(9223372036854775807) AS never,
    -- The first of the times at these places.
    (times, places) -> if(bitCount(places) = 1, times[bitCount(places - 1) + 1],
        arrayMin(arrayFilter((at, place) -> bitTest(places, place - 1), times, arrayEnumerate(times)))) AS first_of
SELECT campaign, recipient_domain, mailbox_provider, accepted_ms - told_ms AS millis
FROM
(
    SELECT
        campaign, recipient_domain, mailbox_provider,
        first_of(times, sendings) AS told_ms,
        if({cohort:String} = 'sent' OR bitCount(acceptances) = 1, first_of(times, acceptances),
            arrayMin(arrayMap((at, place) -> if(bitTest(acceptances, place - 1) AND at >= {from_ms:Int64} AND at < {to_ms:Int64}, at, never),
                times, arrayEnumerate(times)))) AS accepted_ms
    FROM {{report_stored with = has(types, 'sent') AND hasAny(types, ['delivered', 'accepted'])}} AS stored
    INNER JOIN
    (
        SELECT
            pattern,
            arraySum((type, place) -> if(type = 'sent', bitShiftLeft(toUInt64(1), toUInt8(place - 1)), toUInt64(0)), types, arrayEnumerate(types)) AS sendings,
            arraySum((type, place) -> if(type IN ('delivered', 'accepted'), bitShiftLeft(toUInt64(1), toUInt8(place - 1)), toUInt64(0)), types, arrayEnumerate(types)) AS acceptances
        FROM rollup_patterns FINAL
        WHERE has(types, 'sent') AND hasAny(types, ['delivered', 'accepted'])
    ) AS patterns ON stored.pattern = patterns.pattern
    UNION ALL
    SELECT
        campaign, recipient_domain, mailbox_provider,
        arrayMin(arrayMap((at, type) -> if(type = 'sent', at, never), times, types)) AS told_ms,
        arrayMin(arrayMap((at, type) -> if(type IN ('delivered', 'accepted')
            AND ({cohort:String} = 'sent' OR (at >= {from_ms:Int64} AND at < {to_ms:Int64})), at, never), times, types)) AS accepted_ms
    FROM {{report_own}}
    WHERE hasAny(types, ['sent'])
)
WHERE accepted_ms != never AND accepted_ms >= told_ms
    AND if({cohort:String} = 'sent', true, accepted_ms >= {from_ms:Int64} AND accepted_ms < {to_ms:Int64});

-- How long messages took from sent to delivered, one row a group: by 'mailbox_provider', 'recipient_domain', 'campaign' or ''. To the
-- millisecond; percentiles lie between two messages where they must.
CREATE OR REPLACE VIEW report_latency AS
SELECT
    multiIf(
        {by:String} = 'recipient_domain', recipient_domain,
        {by:String} = 'mailbox_provider', mailbox_provider,
        {by:String} = 'campaign', campaign,
        '') AS group_key,
    count() AS messages,
    quantilesExactInclusive(0.5, 0.9, 0.99)(millis / 1000) AS seconds,
    round(seconds[1], 3) AS p50,
    round(seconds[2], 3) AS p90,
    round(seconds[3], 3) AS p99,
    max(millis) / 1000 AS slowest
FROM {{report_delivery_times}}
GROUP BY group_key;

-- The same messages and times as a histogram, and `from_seconds` is as in report_after_delivery.
CREATE OR REPLACE VIEW report_delivery_spans AS
SELECT
    roundDown(millis / 1000, [0, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 604800]) AS from_seconds,
    count() AS messages
FROM {{report_delivery_times by = ''}}
GROUP BY from_seconds;

-- Why messages were refused for good: class, reason and codes of each one's last refusal in scope. Roll-ups know when that was, which
-- finds its codes.
CREATE OR REPLACE VIEW report_refusals AS
SELECT
    messages.class AS bounce_class,
    messages.reason AS bounce_reason,
    refusals.told.1 AS enhanced_code,
    refusals.told.2 AS smtp_code,
    count() AS messages,
    uniqExact(messages.recipient_domain) AS recipient_domains
FROM
(
    SELECT
        message_id,
        recipient_domain,
        -- Bounces stand by time.
        arrayLastIndex(
            (at, type) -> type = 'bounced' AND ({cohort:String} = 'sent' OR (at >= {from_ms:Int64} AND at < {to_ms:Int64})),
            times, types) AS last,
        times[last] AS refused_ms,
        -- One of an unheard-of class is undetermined, and one that was stored without a reason.
        if(classes[last] IN ('hard', 'soft', 'block'), toString(classes[last]), 'undetermined') AS class,
        if(reasons[last] = '', 'undetermined', toString(reasons[last])) AS reason
    FROM
    (
        SELECT message_id, recipient_domain, times, types, classes, reasons
        FROM {{report_stored with = refused != 0, by = ''}} AS stored
        INNER JOIN
        (
            SELECT pattern, types, classes, reasons
            FROM rollup_patterns FINAL
            WHERE refused != 0
        ) AS patterns ON stored.pattern = patterns.pattern
        UNION ALL
        SELECT message_id, recipient_domain, times, types, classes, reasons
        FROM {{report_own by = ''}}
    )
    WHERE last > 0
) AS messages
INNER JOIN
(
    -- An event under what was received of it last, of several at once the last by id.
    SELECT message_id, at_ms, argMax(codes, event_id) AS told
    FROM
    (
        SELECT
            message_id,
            toUnixTimestamp64Milli(deliveries.at) AS at_ms,
            event_id,
            argMax((toString(deliveries.enhanced_code), ifNull(deliveries.smtp_code, 0)), received_at) AS codes
        FROM deliveries
        WHERE account = {account:UInt32}
            AND retention_until > now('UTC')
            AND type = 'bounced'
            AND if({cohort:String} = 'sent', true, at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC'))
        GROUP BY message_id, at_ms, event_id
    )
    GROUP BY message_id, at_ms
) AS refusals ON messages.message_id = refusals.message_id AND messages.refused_ms = refusals.at_ms
GROUP BY bounce_class, bounce_reason, enhanced_code, smtp_code;

-- Hits that were judged again, by what was said first and what is said now. First verdicts have revision 1.
CREATE OR REPLACE VIEW report_corrections AS
SELECT
    first_said.1 AS first_actor,
    first_said.2 AS first_source,
    last_said.1 AS actor,
    last_said.2 AS source,
    count() AS hits
FROM
(
    SELECT
        message_id,
        argMin((toString(events.actor), toString(events.source)), revision) AS first_said,
        argMax((toString(events.actor), toString(events.source)), revision) AS last_said
    FROM events
    WHERE account = {account:UInt32}
        AND retention_until > now('UTC')
        AND if({cohort:String} = 'sent', true, received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC'))
        AND (toDate(received_at), message_id) IN (
            SELECT toDate(received_at), message_id
            FROM events
            WHERE account = {account:UInt32} AND revision > 1
                AND if({cohort:String} = 'sent', true, received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                    AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')))
    GROUP BY account, toDate(received_at), message_id, event_id
    HAVING max(revision) > min(revision)
)
WHERE if({cohort:String} = 'event' AND {campaign:String} = '' AND {recipient_domain:String} = '' AND {mailbox_provider:String} = '', true,
    message_id IN (SELECT message_id FROM {{report_chosen with = hits != 0}}))
GROUP BY first_actor, first_source, actor, source;

-- One row a hit in scope of these kinds with what roll-ups do not know of it, under its highest revision. Few hits have another than their
-- first: the others need no grouping, since FINAL takes away what is stored twice. A link is the same in all revisions. Without a
-- filter, by event, every hit in the window is of a message that the report is about.
CREATE TEMPORARY VIEW report_hit_details AS
WITH (SELECT (groupArray(toString(id)), groupArray(if(class = '', 'other', toString(class)))) FROM report_sources) AS listed
SELECT
    message_id,
    kind,
    at,
    actor,
    source,
    country,
    link_index,
    link_label,
    if(actor = 'automated', transform(source, listed.1, listed.2, 'other'), '') AS class
FROM
(
    SELECT
        message_id,
        toString(events.kind) AS kind,
        received_at AS at,
        toString(events.actor) AS actor,
        toString(events.source) AS source,
        toString(events.country) AS country,
        events.link_index AS link_index,
        toString(events.label) AS link_label
    FROM events FINAL
    WHERE account = {account:UInt32}
        AND retention_until > now('UTC')
        AND events.kind IN {kinds:Array(String)}
        AND if({cohort:String} = 'sent', true, received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC'))
        AND event_id NOT IN (SELECT event_id FROM events WHERE account = {account:UInt32} AND revision > 1)
    UNION ALL
    SELECT
        any(events.message_id) AS message_id,
        any(toString(events.kind)) AS kind,
        any(received_at) AS at,
        argMax(toString(events.actor), revision) AS actor,
        argMax(toString(events.source), revision) AS source,
        argMax(toString(events.country), revision) AS country,
        any(events.link_index) AS link_index,
        any(toString(events.label)) AS link_label
    FROM events
    WHERE account = {account:UInt32}
        AND retention_until > now('UTC')
        AND events.kind IN {kinds:Array(String)}
        AND if({cohort:String} = 'sent', true, received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC'))
        AND event_id IN (SELECT event_id FROM events WHERE account = {account:UInt32} AND revision > 1)
    GROUP BY event_id
)
WHERE if({cohort:String} = 'event' AND {campaign:String} = '' AND {recipient_domain:String} = '' AND {mailbox_provider:String} = '', true,
    message_id IN {{report_chosen}});

-- One row a link: the clicks on it in scope, of the messages that a report is about. Who has clicked is known of each source's part, as
-- the set of its messages, and these sets are brought together.
CREATE OR REPLACE VIEW report_link_figures AS
SELECT
    link_index,
    link_label,
    sum(counted) AS clicks_total,
    uniqExactIfMerge(who_counted) AS clicks_unique,
    sum(human) AS clicks_human_total,
    uniqExactIfMerge(who_human) AS clicks_human_unique,
    sum(automated) AS clicks_automated_total,
    uniqExactIfMerge(who_automated) AS clicks_automated_unique,
    sum(of_unknown) AS clicks_unknown_total,
    uniqExactIfMerge(who_unknown) AS clicks_unknown_unique,
    mapSort(mapFromArrays(groupArray(source), groupArray(hits))) AS clicks_by_source_total,
    mapSort(mapFromArrays(groupArray(source), groupArray(messages))) AS clicks_by_source_unique
FROM
(
    WITH
        -- What uniqExact makes of a text, made once.
        reinterpretAsUInt128(sipHash128(message_id)) AS reader,
        NOT has({suppress:Array(String)}, class) AS is_counted
    SELECT
        link_index,
        link_label,
        source,
        count() AS hits,
        uniqExact(reader) AS messages,
        countIf(is_counted) AS counted,
        countIf(actor = 'human') AS human,
        countIf(actor = 'automated') AS automated,
        countIf(actor = 'unknown') AS of_unknown,
        uniqExactIfState(reader, is_counted) AS who_counted,
        uniqExactIfState(reader, actor = 'human') AS who_human,
        uniqExactIfState(reader, actor = 'automated') AS who_automated,
        uniqExactIfState(reader, actor = 'unknown') AS who_unknown
    FROM {{report_hit_details kinds = ['click'], with = clicks != 0}}
    GROUP BY link_index, link_label, source
)
GROUP BY link_index, link_label;

-- Visits of people: the same message returning to a link on different days. Links without a label are told apart by their place in
-- the mail, so that who follows another one on another day does not return. Places are those of links without a label alone; a click of
-- a mail provider's own tracker has none.
CREATE OR REPLACE VIEW report_visits AS
SELECT
    label,
    place AS `index`,
    sum(clicks) AS clicks,
    sum(days) AS visits,
    count() AS messages,
    countIf(days >= 2) AS returning
FROM
(
    SELECT
        link_label AS label,
        if(link_label = '', link_index, NULL) AS place,
        message_id,
        count() AS clicks,
        uniqExact(toDate(at, {tz:String})) AS days
    FROM {{report_hit_details kinds = ['click'], with = bitAnd(clicks, human) != 0}}
    WHERE actor = 'human'
    GROUP BY label, place, message_id
)
GROUP BY label, place;

-- Opens and clicks by the country of the client's address, '' where none is known. Columns are those of report_hit_figures.
CREATE OR REPLACE VIEW report_country_figures AS
SELECT
    country AS group_key,
    sum(opens_counted) AS opens_total,
    uniqExactIfMerge(who_opened) AS opens_unique,
    sum(opens_human) AS opens_human_total,
    uniqExactIfMerge(who_opened_human) AS opens_human_unique,
    sum(opens_automated) AS opens_automated_total,
    uniqExactIfMerge(who_opened_automated) AS opens_automated_unique,
    sum(opens_unknown) AS opens_unknown_total,
    uniqExactIfMerge(who_opened_unknown) AS opens_unknown_unique,
    mapSort(mapFromArrays(groupArrayIf(source, opens > 0), groupArrayIf(opens, opens > 0))) AS opens_by_source_total,
    mapSort(mapFromArrays(groupArrayIf(source, opens > 0), groupArrayIf(messages_opened, opens > 0))) AS opens_by_source_unique,
    sum(clicks_counted) AS clicks_total,
    uniqExactIfMerge(who_clicked) AS clicks_unique,
    sum(clicks_human) AS clicks_human_total,
    uniqExactIfMerge(who_clicked_human) AS clicks_human_unique,
    sum(clicks_automated) AS clicks_automated_total,
    uniqExactIfMerge(who_clicked_automated) AS clicks_automated_unique,
    sum(clicks_unknown) AS clicks_unknown_total,
    uniqExactIfMerge(who_clicked_unknown) AS clicks_unknown_unique,
    mapSort(mapFromArrays(groupArrayIf(source, clicks > 0), groupArrayIf(clicks, clicks > 0))) AS clicks_by_source_total,
    mapSort(mapFromArrays(groupArrayIf(source, clicks > 0), groupArrayIf(messages_clicked, clicks > 0))) AS clicks_by_source_unique
FROM
(
    WITH
        reinterpretAsUInt128(sipHash128(message_id)) AS reader,
        kind = 'open' AS is_open,
        kind = 'click' AS is_click,
        NOT has({suppress:Array(String)}, class) AS is_counted,
        is_click AND actor = 'human' AS is_human_click
    SELECT
        country,
        source,
        countIf(is_open) AS opens,
        uniqExactIf(reader, is_open) AS messages_opened,
        countIf(is_open AND is_counted) AS opens_counted,
        countIf(is_open AND actor = 'human') AS opens_human,
        countIf(is_open AND actor = 'automated') AS opens_automated,
        countIf(is_open AND actor = 'unknown') AS opens_unknown,
        countIf(is_click) AS clicks,
        uniqExactIf(reader, is_click) AS messages_clicked,
        countIf(is_click AND is_counted) AS clicks_counted,
        countIf(is_human_click) AS clicks_human,
        countIf(is_click AND actor = 'automated') AS clicks_automated,
        countIf(is_click AND actor = 'unknown') AS clicks_unknown,
        -- A human click implies an open, at the click's time: in uniques only, never in a total.
        uniqExactIfState(reader, (is_open AND is_counted) OR is_human_click) AS who_opened,
        uniqExactIfState(reader, (is_open AND actor = 'human') OR is_human_click) AS who_opened_human,
        uniqExactIfState(reader, is_open AND actor = 'automated') AS who_opened_automated,
        uniqExactIfState(reader, is_open AND actor = 'unknown') AS who_opened_unknown,
        uniqExactIfState(reader, is_click AND is_counted) AS who_clicked,
        uniqExactIfState(reader, is_human_click) AS who_clicked_human,
        uniqExactIfState(reader, is_click AND actor = 'automated') AS who_clicked_automated,
        uniqExactIfState(reader, is_click AND actor = 'unknown') AS who_clicked_unknown
    FROM {{report_hit_details kinds = ['open', 'click'], with = bitOr(opens, clicks) != 0}}
    GROUP BY country, source
)
GROUP BY country;

DROP VIEW IF EXISTS report_bucket_messages;
DROP VIEW IF EXISTS report_facts;
DROP VIEW IF EXISTS report_candidates;
