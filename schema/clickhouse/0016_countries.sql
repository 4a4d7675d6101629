-- Opens and clicks by the country of the client's address, '' where none is known. Parameters and columns are those of
-- report_hit_figures; a country is no fact of the roll-ups, so this reads the events.
CREATE OR REPLACE VIEW report_country_figures AS
SELECT
    group_key,
    sum(opens_counted) AS opens_total,
    countIf(opens_counted > 0 OR clicks_human > 0) AS opens_unique,
    sum(opens_human) AS opens_human_total,
    countIf(opens_human > 0 OR clicks_human > 0) AS opens_human_unique,
    sum(opens_automated) AS opens_automated_total,
    countIf(opens_automated > 0) AS opens_automated_unique,
    sum(opens_unknown) AS opens_unknown_total,
    countIf(opens_unknown > 0) AS opens_unknown_unique,
    sumMap(opens_by_source) AS opens_by_source_total,
    sumMap(mapApply((id, hits) -> (id, toUInt64(1)), opens_by_source)) AS opens_by_source_unique,
    sum(clicks_counted) AS clicks_total,
    countIf(clicks_counted > 0) AS clicks_unique,
    sum(clicks_human) AS clicks_human_total,
    countIf(clicks_human > 0) AS clicks_human_unique,
    sum(clicks_automated) AS clicks_automated_total,
    countIf(clicks_automated > 0) AS clicks_automated_unique,
    sum(clicks_unknown) AS clicks_unknown_total,
    countIf(clicks_unknown > 0) AS clicks_unknown_unique,
    sumMap(clicks_by_source) AS clicks_by_source_total,
    sumMap(mapApply((id, hits) -> (id, toUInt64(1)), clicks_by_source)) AS clicks_by_source_unique
FROM
(
    SELECT
        located.country AS group_key,
        facts.message_id AS message_id,
        countIf(type = 'open' AND NOT (actor = 'automated' AND has({suppress:Array(String)}, class))) AS opens_counted,
        countIf(type = 'open' AND actor = 'human') AS opens_human,
        countIf(type = 'open' AND actor = 'automated') AS opens_automated,
        countIf(type = 'open' AND actor = 'unknown') AS opens_unknown,
        countIf(type = 'click' AND NOT (actor = 'automated' AND has({suppress:Array(String)}, class))) AS clicks_counted,
        countIf(type = 'click' AND actor = 'human') AS clicks_human,
        countIf(type = 'click' AND actor = 'automated') AS clicks_automated,
        countIf(type = 'click' AND actor = 'unknown') AS clicks_unknown,
        sumMapIf(map(source, toUInt64(1)), type = 'open') AS opens_by_source,
        sumMapIf(map(source, toUInt64(1)), type = 'click') AS clicks_by_source
    FROM report_facts(
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}) AS facts
    INNER JOIN
    (
        SELECT toString(event_id) AS fact_id, argMax(toString(events.country), revision) AS country
        FROM events
        WHERE account = {account:UInt32}
            AND retention_until > now('UTC')
            AND message_id IN (
                SELECT message_id FROM report_candidates(
                    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}))
        GROUP BY account, toDate(received_at), message_id, event_id
    ) AS located ON facts.fact_id = located.fact_id
    WHERE facts.in_scope AND facts.type IN ('open', 'click')
        AND facts.message_id IN (
            SELECT message_id FROM report_messages(
                account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
                campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
                mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}))
    GROUP BY group_key, message_id
)
GROUP BY group_key;
