-- The pages of 0011_export.sql, as they were, with what the engine needs to begin behind a cursor: it compares tuples row by row
-- and reads no index by them, so that each page read everything before it again. The conditions on message_id say nothing new
-- and are ones that the index answers.

-- Hits under their highest revision, in the order of the table, from behind a cursor on: (after_day, after_message, after_event).
CREATE OR REPLACE VIEW export_hits AS
SELECT
    toString(event_id) AS event_id,
    toUInt32(toDate(received_at)) AS day,
    revision,
    toString(kind) AS kind,
    received_at,
    message_id,
    recipient_id,
    toString(campaign) AS campaign,
    trim(TRAILING '.' FROM lowerUTF8(toString(recipient_domain))) AS recipient_domain,
    sent_at,
    link_index,
    link_count,
    toString(label) AS label,
    toString(method) AS method,
    toString(actor) AS actor,
    toString(source) AS source,
    toString(client) AS client,
    confidence,
    reasons,
    toString(ruleset) AS ruleset,
    if(evidence_until > now('UTC'), ip, '') AS ip,
    if(evidence_until > now('UTC'), user_agent, '') AS user_agent
FROM
(
    SELECT *
    FROM events
    WHERE account = {account:UInt32}
        AND retention_until > now('UTC')
        AND received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND toDate(received_at) >= toDate({after_day:UInt32})
        AND (toDate(received_at), message_id, events.event_id)
            > (toDate({after_day:UInt32}), {after_message:String}, toUUID({after_event:String}))
        AND (toDate(received_at) > toDate({after_day:UInt32}) OR message_id >= {after_message:String})
    ORDER BY account, toDate(received_at), message_id, events.event_id, revision DESC
    LIMIT 1 BY events.event_id
);

-- Delivery events as they were received last, of messages in the order of their ids, from behind (after_message, after_event) on.
CREATE OR REPLACE VIEW export_deliveries AS
SELECT
    event_id,
    toString(type) AS type,
    at,
    received_at,
    message_id,
    recipient_id,
    toString(campaign) AS campaign,
    toString(recipient_domain) AS recipient_domain,
    tracked,
    toString(mx_host) AS mx_host,
    smtp_code,
    toString(enhanced_code) AS enhanced_code,
    toString(bounce_class) AS bounce_class,
    toString(bounce_reason) AS bounce_reason,
    if(evidence_until > now('UTC'), diagnostic, '') AS diagnostic
FROM
(
    SELECT *
    FROM deliveries
    WHERE account = {account:UInt32}
        AND retention_until > now('UTC')
        AND (message_id, deliveries.event_id) > ({after_message:String}, {after_event:String})
        AND message_id >= {after_message:String}
    ORDER BY account, message_id, deliveries.event_id, received_at DESC
    LIMIT 1 BY message_id, deliveries.event_id
)
WHERE at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC');
