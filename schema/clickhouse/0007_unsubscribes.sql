-- Unsubscribing by POST: which were suspect, and which the sender has reversed. A POST takes effect whoever sent it; one
-- in a scanner's burst is flagged for the sender to look at.

-- Every reversal and every taking back of one; the highest version of an event is in force. No message stands here.
CREATE TABLE IF NOT EXISTS unsubscribe_reversals
(
    account UInt32,
    event_id UUID,
    version UInt64,
    at DateTime64(3, 'UTC'),
    by String,
    reversed Bool
)
ENGINE = ReplacingMergeTree
ORDER BY (account, event_id, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- The events of an account that are reversed, and since when.
CREATE OR REPLACE VIEW reversed_unsubscribes AS
SELECT event_id, argMax(unsubscribe_reversals.at, version) AS reversed_at
FROM unsubscribe_reversals
WHERE account = {account:UInt32}
GROUP BY event_id
HAVING argMax(unsubscribe_reversals.reversed, version);

-- Every POST that unsubscribes, under its highest revision; of one message or event, or '' for all. Suspect is what a
-- machine sent by its verdict, and what the rule over its neighbours flags.
CREATE OR REPLACE VIEW unsubscribe_posts AS
SELECT
    posts.event_id AS event_id,
    message_id,
    recipient_id,
    campaign,
    received_at,
    reasons,
    actor = 'automated'
        OR arrayExists(reason -> JSONExtractString(reason, 'rule') = 'suspect_unsubscribe', JSONExtractArrayRaw(reasons)) AS suspect,
    reversed.reversed_at AS reversed_at
FROM
(
    SELECT
        event_id,
        any(events.message_id) AS message_id,
        any(events.recipient_id) AS recipient_id,
        any(toString(events.campaign)) AS campaign,
        any(events.received_at) AS received_at,
        argMax((toString(events.actor), events.reasons), revision) AS verdict,
        verdict.1 AS actor,
        verdict.2 AS reasons
    FROM events
    WHERE account = {account:UInt32}
        AND retention_until > now('UTC')
        AND events.kind = 'unsubscribe'
        AND events.method = 'POST'
        AND events.received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND events.received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND ({message_id:String} = '' OR events.message_id = {message_id:String})
        AND ({event_id:String} = '' OR toString(events.event_id) = {event_id:String})
    GROUP BY event_id
) AS posts
LEFT JOIN reversed_unsubscribes(account = {account:UInt32}) AS reversed ON posts.event_id = reversed.event_id;

-- All that is known of those messages, one row a fact, however often it was stored: a hit under its highest revision, a
-- delivery event as it was received last. What is past its retention is gone, whether or not it was merged away yet.
-- An automated hit whose source this database does not list belongs to the class 'other'. Who acted is what the verdict
-- says: nothing suppresses a human or an unknown, whatever its source.
CREATE OR REPLACE VIEW report_facts AS
SELECT
    message_id,
    fact_id,
    false AS is_delivery,
    kind AS type,
    at,
    campaign,
    recipient_domain,
    token_sent_at,
    true AS tracked,
    -- A POST that the sender has reversed unsubscribes nobody.
    if(method = 'POST' AND event_id IN (SELECT event_id FROM reversed_unsubscribes(account = {account:UInt32})),
        'REVERSED', method) AS method,
    actor,
    source,
    client,
    if(actor = 'automated', if(ifNull(listed.class, '') = '', 'other', ifNull(listed.class, '')), '') AS class,
    ifNull(listed.masked, false) AS masked,
    '' AS bounce_class,
    '' AS bounce_reason,
    '' AS mx_host,
    {cohort:String} = 'sent'
        OR (at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')) AS in_scope
FROM
(
    SELECT
        message_id,
        event_id,
        toString(event_id) AS fact_id,
        toString(any(events.kind)) AS kind,
        any(received_at) AS at,
        any(toString(events.campaign)) AS campaign,
        any(trim(TRAILING '.' FROM lowerUTF8(toString(events.recipient_domain)))) AS recipient_domain,
        any(sent_at) AS token_sent_at,
        any(toString(events.method)) AS method,
        argMax((toString(events.actor), toString(events.source), toString(events.client)), revision) AS verdict,
        verdict.1 AS actor,
        verdict.2 AS source,
        verdict.3 AS client
    FROM events
    WHERE account = {account:UInt32}
        AND retention_until > now('UTC')
        AND message_id IN (
            SELECT message_id FROM report_candidates(
                account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}))
    -- In the order of the sorting key. The first two say nothing that event_id does not.
    GROUP BY account, toDate(received_at), message_id, event_id
) AS hits
LEFT JOIN report_sources AS listed ON hits.source = listed.id
UNION ALL
SELECT
    message_id,
    event_id AS fact_id,
    true AS is_delivery,
    stored.1 AS type,
    stored.2 AS at,
    stored.3 AS campaign,
    stored.4 AS recipient_domain,
    stored.2 AS token_sent_at,
    stored.5 AS tracked,
    '' AS method,
    '' AS actor,
    '' AS source,
    '' AS client,
    '' AS class,
    false AS masked,
    stored.6 AS bounce_class,
    stored.7 AS bounce_reason,
    stored.8 AS mx_host,
    {cohort:String} = 'sent'
        OR (at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')) AS in_scope
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
                toString(deliveries.bounce_reason),
                toString(deliveries.mx_host)
            ),
            received_at) AS stored
    FROM deliveries
    WHERE account = {account:UInt32}
        AND retention_until > now('UTC')
        AND message_id IN (
            SELECT message_id FROM report_candidates(
                account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}))
    GROUP BY account, message_id, event_id
);
