-- The figures over time, as parameterised views. What each figure means is decided in 0002_reports.sql and metrics.md; a
-- bucket's figures are those of a summary whose window is that bucket, and the tests hold the two together.
--
-- One parameter more than in 0002_reports.sql:
--   edges    where each bucket begins, ascending, in milliseconds since 1970, UTC. The first is from_ms, and the last bucket
--            ends at to_ms. Whoever asks works the edges out, since a day of 23 hours is a matter of calendars.

-- One row a message and bucket in which something of it lies: by event a row for each bucket in which something happened,
-- by sending the one bucket in which the message was sent. The columns are those of report_messages.
CREATE OR REPLACE VIEW report_bucket_messages AS
SELECT
    bucket,
    message_id,
    mailed AND ({cohort:String} = 'sent' OR mailed_bucket = bucket) AS is_sent,
    accepted > 0 AND accepted_at > refused_at AS is_delivered,
    deferred > 0 AS is_deferred,
    dropped > 0 AS is_dropped,
    complained > 0 AS is_complained,
    unsubscribed > 0 AS is_unsubscribed,
    multiIf(refused = 0, '', refusal IN ('hard', 'soft', 'block'), refusal, 'undetermined') AS bounced,
    untracked = 0 AS is_tracked,
    masked_hits > 0 AS is_masked,
    NOT has_delivery AND hits > 0 AS is_without_delivery,
    opens_counted,
    opens_human,
    opens_automated,
    opens_unknown,
    clicks_counted,
    clicks_human,
    clicks_automated,
    clicks_unknown,
    opens_by_source,
    clicks_by_source,
    opens_human > 0 OR clicks_human > 0 AS has_human,
    opens_counted > 0 OR clicks_human > 0 AS has_open,
    clicks_counted > 0 AS has_click,
    NOT has_human AND opens > 0 AND opens_unclear = opens AS has_only_unclear_opens
FROM
(
    -- What is a message's own, whatever the bucket, is brought together over all its slots.
    SELECT
        *,
        sum(slot_deliveries) OVER whole > 0 AS has_delivery,
        sum(slot_hits) OVER whole > 0 AS has_hit,
        sum(slot_untracked) OVER whole AS untracked,
        sum(slot_masked) OVER whole AS masked_hits,
        max(slot_refused_at) OVER whole AS refused_at,
        coalesce(min(slot_sent_at) OVER whole, min(slot_outcome_at) OVER whole) AS told_at,
        isNotNull(told_at) AS mailed,
        ifNull(told_at, fromUnixTimestamp64Milli(0, 'UTC')) AS mailed_at,
        coalesce(told_at, min(slot_token_sent_at) OVER whole, fromUnixTimestamp64Milli(0, 'UTC')) AS message_sent_at,
        minIf(slot_campaign_told, slot_campaign_told.3 != '') OVER whole AS campaign_told,
        minIf(slot_campaign_minted, slot_campaign_minted.3 != '') OVER whole AS campaign_minted,
        minIf(slot_domain_told, slot_domain_told.3 != '') OVER whole AS domain_told,
        minIf(slot_domain_minted, slot_domain_minted.3 != '') OVER whole AS domain_minted,
        if(campaign_told.3 != '', campaign_told.3, campaign_minted.3) AS campaign,
        if(domain_told.3 != '', domain_told.3, domain_minted.3) AS recipient_domain,
        -- Outside the window there is no bucket.
        if(mailed_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND mailed_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC'),
            roundDown(toUnixTimestamp64Milli(mailed_at), {edges:Array(Int64)}), toInt64(-1)) AS mailed_bucket,
        if({cohort:String} != 'sent', slot,
            if((mailed OR has_hit)
                AND message_sent_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                AND message_sent_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC'),
                roundDown(toUnixTimestamp64Milli(message_sent_at), {edges:Array(Int64)}), toInt64(-1))) AS bucket
    FROM
    (
        -- By event a fact's slot is its bucket, or -1 outside the window; by sending all facts of a message share one.
        SELECT
            message_id,
            multiIf(
                {cohort:String} = 'sent', toInt64(0),
                in_scope, roundDown(toUnixTimestamp64Milli(at), {edges:Array(Int64)}),
                toInt64(-1)) AS slot,
            countIf(is_delivery) AS slot_deliveries,
            countIf(NOT is_delivery) AS slot_hits,
            countIf(is_delivery AND NOT tracked) AS slot_untracked,
            countIf(masked) AS slot_masked,
            maxIf(at, type = 'bounced') AS slot_refused_at,
            minOrNullIf(at, type = 'sent') AS slot_sent_at,
            minOrNullIf(at, type IN ('delivered', 'deferred', 'bounced', 'complained')) AS slot_outcome_at,
            minOrNullIf(token_sent_at, NOT is_delivery) AS slot_token_sent_at,
            minIf((at, fact_id, facts.campaign), is_delivery AND facts.campaign != '') AS slot_campaign_told,
            minIf((at, fact_id, facts.campaign), NOT is_delivery AND facts.campaign != '') AS slot_campaign_minted,
            minIf((at, fact_id, facts.recipient_domain), is_delivery AND facts.recipient_domain != '') AS slot_domain_told,
            minIf((at, fact_id, facts.recipient_domain), NOT is_delivery AND facts.recipient_domain != '')
                AS slot_domain_minted,
            countIf(type = 'delivered') AS accepted,
            maxIf(at, type = 'delivered') AS accepted_at,
            countIf(type = 'deferred') AS deferred,
            countIf(type = 'dropped') AS dropped,
            countIf(type = 'complained') AS complained,
            countIf(type = 'unsubscribed' OR (type = 'unsubscribe' AND method = 'POST')) AS unsubscribed,
            countIf(type = 'bounced') AS refused,
            argMaxIf(bounce_class, (at, fact_id), type = 'bounced') AS refusal,
            slot_hits AS hits,
            countIf(type = 'open') AS opens,
            countIf(type = 'open' AND NOT (actor = 'automated' AND has({suppress:Array(String)}, class))) AS opens_counted,
            countIf(type = 'open' AND actor = 'human') AS opens_human,
            countIf(type = 'open' AND actor = 'automated') AS opens_automated,
            countIf(type = 'open' AND actor = 'unknown') AS opens_unknown,
            countIf(type = 'open' AND (masked OR actor = 'unknown')) AS opens_unclear,
            countIf(type = 'click' AND NOT (actor = 'automated' AND has({suppress:Array(String)}, class))) AS clicks_counted,
            countIf(type = 'click' AND actor = 'human') AS clicks_human,
            countIf(type = 'click' AND actor = 'automated') AS clicks_automated,
            countIf(type = 'click' AND actor = 'unknown') AS clicks_unknown,
            sumMapIf(map(source, toUInt64(1)), type = 'open') AS opens_by_source,
            sumMapIf(map(source, toUInt64(1)), type = 'click') AS clicks_by_source
        FROM report_facts(
            account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}) AS facts
        GROUP BY message_id, slot
    )
    WINDOW whole AS (PARTITION BY message_id)
)
WHERE bucket >= 0
    AND ({campaign:String} = '' OR campaign = {campaign:String})
    AND ({recipient_domain:String} = '' OR recipient_domain = {recipient_domain:String});

-- The figures, one row a bucket in which there is something; group_key is its edge. Uniques are of the bucket and never
-- added up. The columns are those of report_figures.
CREATE OR REPLACE VIEW report_series AS
SELECT
    toString(bucket) AS group_key,
    countIf(is_sent) AS sent,
    countIf(is_delivered) AS delivered,
    countIf(is_deferred) AS deferred,
    countIf(is_dropped) AS dropped,
    countIf(bounced = 'hard') AS bounced_hard,
    countIf(bounced = 'soft') AS bounced_soft,
    countIf(bounced = 'block') AS bounced_block,
    countIf(bounced = 'undetermined') AS bounced_undetermined,
    countIf(is_complained) AS complained,
    countIf(is_unsubscribed) AS unsubscribed,
    countIf(is_without_delivery) AS messages_without_delivery,
    sum(opens_counted) AS opens_total,
    countIf(has_open) AS opens_unique,
    sum(report.opens_human) AS opens_human_total,
    countIf(has_human) AS opens_human_unique,
    sum(report.opens_automated) AS opens_automated_total,
    countIf(report.opens_automated > 0) AS opens_automated_unique,
    sum(report.opens_unknown) AS opens_unknown_total,
    countIf(report.opens_unknown > 0) AS opens_unknown_unique,
    sumMap(report.opens_by_source) AS opens_by_source_total,
    sumMap(mapApply((id, hits) -> (id, toUInt64(1)), report.opens_by_source)) AS opens_by_source_unique,
    sum(clicks_counted) AS clicks_total,
    countIf(has_click) AS clicks_unique,
    sum(report.clicks_human) AS clicks_human_total,
    countIf(report.clicks_human > 0) AS clicks_human_unique,
    sum(report.clicks_automated) AS clicks_automated_total,
    countIf(report.clicks_automated > 0) AS clicks_automated_unique,
    sum(report.clicks_unknown) AS clicks_unknown_total,
    countIf(report.clicks_unknown > 0) AS clicks_unknown_unique,
    sumMap(report.clicks_by_source) AS clicks_by_source_total,
    sumMap(mapApply((id, hits) -> (id, toUInt64(1)), report.clicks_by_source)) AS clicks_by_source_unique,
    countIf(is_masked) AS masked,
    -- Denominators: tracked and delivered, and of these the ones whose reader can be seen.
    countIf(is_delivered AND is_tracked) AS delivered_tracked,
    countIf(is_delivered AND is_tracked AND NOT is_masked) AS delivered_unmasked,
    delivered / nullIf(sent, 0) AS rate_delivery,
    countIf(bounced != '') / nullIf(sent, 0) AS rate_bounce,
    complained / nullIf(delivered, 0) AS rate_complaint,
    opens_unique / nullIf(delivered_tracked, 0) AS rate_open,
    opens_human_unique / nullIf(delivered_tracked, 0) AS rate_open_low,
    countIf(has_human OR has_only_unclear_opens) / nullIf(delivered_tracked, 0) AS rate_open_high,
    -- What the readers we can see say of all. Under 100 of them it says nothing.
    if(delivered_unmasked >= 100, countIf(has_human AND NOT is_masked) / nullIf(delivered_unmasked, 0), NULL)
        AS rate_open_estimate,
    clicks_unique / nullIf(delivered_tracked, 0) AS rate_click,
    countIf(has_click AND has_open) / nullIf(opens_unique, 0) AS rate_click_to_open,
    unsubscribed / nullIf(delivered, 0) AS rate_unsubscribe
FROM report_bucket_messages(
    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String}, suppress = {suppress:Array(String)},
    edges = {edges:Array(Int64)}) AS report
GROUP BY bucket;
