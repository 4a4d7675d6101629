-- What stays of a client when its address and agent are dropped: its network, and what the agent said of device and mail
-- app. An `asn` of 0 is not known; rows that were written before this have none of it,
-- and an older loader may go on writing such rows.

ALTER TABLE events
    ADD COLUMN IF NOT EXISTS asn UInt32 DEFAULT 0 AFTER client,
    ADD COLUMN IF NOT EXISTS country LowCardinality(String) DEFAULT '' AFTER asn,
    ADD COLUMN IF NOT EXISTS device LowCardinality(String) DEFAULT '' AFTER country,
    ADD COLUMN IF NOT EXISTS mail_app LowCardinality(String) DEFAULT '' AFTER device;

-- As in 0002_reports.sql, with these columns.
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
    if(evidence_until > now('UTC'), trailing, '') AS trailing
FROM
(
    SELECT *
    FROM events
    WHERE account = {account:UInt32} AND message_id = {message_id:String} AND retention_until > now('UTC')
    ORDER BY event_id, revision
    LIMIT 1 BY event_id, revision
);
