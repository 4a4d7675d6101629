-- Visits, as in 0011_export.sql; links without a label are told apart by their place in the mail, so that who follows another
-- one on another day does not return. Places are those of links without a label alone; a click of a mail provider's own
-- tracker has none.
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
        links.link_label AS label,
        if(links.link_label = '', links.link_place, NULL) AS place,
        facts.message_id AS message_id,
        count() AS clicks,
        uniqExact(toDate(facts.at, {tz:String})) AS days
    FROM report_facts(
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}) AS facts
    INNER JOIN
    (
        SELECT toString(events.event_id) AS link_of, any(toString(events.label)) AS link_label, any(events.link_index) AS link_place
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
    GROUP BY label, place, message_id
)
GROUP BY label, place;
