-- Events one by one, and visits by label. Parameters and meanings are those of 0002_reports.sql.

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
    ORDER BY account, message_id, deliveries.event_id, received_at DESC
    LIMIT 1 BY message_id, deliveries.event_id
)
WHERE at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC');

-- Visits of people by the label of the links that they followed: a visit is a message on a day of the time zone `tz`. A message
-- returns to a label when it comes on two days or more. Only what was judged human counts here: a scanner pays no visit.
CREATE OR REPLACE VIEW report_visits AS
SELECT
    label,
    sum(clicks) AS clicks,
    sum(days) AS visits,
    count() AS messages,
    countIf(days >= 2) AS returning
FROM
(
    SELECT
        links.link_label AS label,
        facts.message_id AS message_id,
        count() AS clicks,
        uniqExact(toDate(facts.at, {tz:String})) AS days
    FROM report_facts(
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}) AS facts
    INNER JOIN
    (
        SELECT toString(events.event_id) AS link_of, any(toString(events.label)) AS link_label
        FROM events
        WHERE account = {account:UInt32}
            AND kind = 'click'
            AND retention_until > now('UTC')
            AND message_id IN (
                SELECT message_id FROM report_candidates(
                    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}))
        GROUP BY events.event_id
    ) AS links ON facts.fact_id = links.link_of
    WHERE in_scope AND type = 'click' AND actor = 'human'
        AND message_id IN (
            SELECT message_id FROM report_messages(
                account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
                campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
                mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}))
    GROUP BY label, message_id
)
GROUP BY label;
