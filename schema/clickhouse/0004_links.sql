-- Clicks by link, as a parameterised view; parameters and meanings are those of 0002_reports.sql. A link is its place in the
-- mail and its label, never its URL: a personalised URL would say who followed it.

-- One row a link: the clicks on it in scope, of the messages that a report is about.
CREATE OR REPLACE VIEW report_link_figures AS
SELECT
    link_index,
    link_label,
    sum(counted) AS clicks_total,
    countIf(counted > 0) AS clicks_unique,
    sum(human) AS clicks_human_total,
    countIf(human > 0) AS clicks_human_unique,
    sum(automated) AS clicks_automated_total,
    countIf(automated > 0) AS clicks_automated_unique,
    sum(of_unknown) AS clicks_unknown_total,
    countIf(of_unknown > 0) AS clicks_unknown_unique,
    sumMap(by_source) AS clicks_by_source_total,
    sumMap(mapApply((id, hits) -> (id, toUInt64(1)), by_source)) AS clicks_by_source_unique
FROM
(
    SELECT
        links.link_index AS link_index,
        links.link_label AS link_label,
        facts.message_id AS message_id,
        countIf(NOT (actor = 'automated' AND has({suppress:Array(String)}, class))) AS counted,
        countIf(actor = 'human') AS human,
        countIf(actor = 'automated') AS automated,
        countIf(actor = 'unknown') AS of_unknown,
        sumMap(map(source, toUInt64(1))) AS by_source
    FROM report_facts(
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}) AS facts
    INNER JOIN
    (
        -- The link of an event is the same in all its revisions.
        SELECT
            toString(events.event_id) AS link_of,
            any(events.link_index) AS link_index,
            any(toString(events.label)) AS link_label
        FROM events
        WHERE account = {account:UInt32}
            AND kind = 'click'
            AND retention_until > now('UTC')
            AND message_id IN (
                SELECT message_id FROM report_candidates(
                    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}))
        GROUP BY events.event_id
    ) AS links ON facts.fact_id = links.link_of
    WHERE in_scope AND type = 'click'
        AND message_id IN (
            SELECT message_id FROM report_messages(
                account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
                campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
                suppress = {suppress:Array(String)}))
    GROUP BY link_index, link_label, message_id
)
GROUP BY link_index, link_label;
