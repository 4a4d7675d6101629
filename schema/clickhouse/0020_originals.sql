-- What a mail provider told of an open or a click: its document, redacted, and evidence as that of a delivery event. An event's first
-- revision has it and no other, and our own hits have none; so whoever shows an event takes it from whichever row has it.

ALTER TABLE events ADD COLUMN IF NOT EXISTS original String DEFAULT '' CODEC(ZSTD(5)) TTL evidence_until;

-- As in 0006_networks.sql, with this column, the same on each revision of an event. Nothing else here may read it: readers without a
-- grant on evidence ask this view for the rest.
CREATE OR REPLACE VIEW message_hits AS
SELECT
    event_id,
    revision,
    revision = max(revision) OVER (PARTITION BY event_id) AS current,
    toString(kind) AS kind,
    received_at,
    toString(campaign) AS campaign,
    -- As in report_facts: what delivery events say is plain already.
    trim(TRAILING '.' FROM lowerUTF8(toString(recipient_domain))) AS recipient_domain,
    recipient_id,
    sent_at,
    link_index,
    link_count,
    toString(label) AS label,
    toString(method) AS method,
    toString(actor) AS actor,
    toString(source) AS source,
    toString(client) AS client,
    asn,
    toString(country) AS country,
    toString(device) AS device,
    toString(mail_app) AS mail_app,
    confidence,
    reasons,
    toString(ruleset) AS ruleset,
    evidence_until,
    evidence_until > now('UTC') AS evidence_kept,
    if(evidence_until > now('UTC'), ip, '') AS ip,
    if(evidence_until > now('UTC'), user_agent, '') AS user_agent,
    if(evidence_until > now('UTC'), headers, '') AS headers,
    if(evidence_until > now('UTC'), trailing, '') AS trailing,
    if(evidence_until > now('UTC'), max(stored.original) OVER (PARTITION BY event_id), '') AS original
FROM
(
    SELECT *
    FROM events
    WHERE account = {account:UInt32} AND message_id = {message_id:String} AND retention_until > now('UTC')
    ORDER BY event_id, revision
    LIMIT 1 BY event_id, revision
) AS stored;
