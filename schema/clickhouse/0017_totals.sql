-- The figures as of 0015 in one view instead of three: a view over views is analysed anew by each that stands over it, and over
-- little data that is most of what a report takes. Nothing else changes; report_sums and report_numbers go.

-- The figures, one row a bucket and group. Without any message there is no row, and every figure is zero. A rate without a
-- denominator is null, not zero. A message sent without tracking is left out of the denominators of open and click rates.
--
-- From the inside: the counts of each scope of a set of facts as one list of numbers that add up, with how often each source is
-- in it; these added up, one row a bucket and group in which there is a message of the mailbox provider asked for; the figures.
CREATE OR REPLACE VIEW report_totals AS
SELECT
    bucket,
    group_key,
    toUInt64(sums[19]) AS sent,
    toUInt64(sums[20]) AS delivered,
    toUInt64(sums[21]) AS deferred,
    toUInt64(sums[22]) AS dropped,
    toUInt64(sums[46]) AS bounced_hard,
    toUInt64(sums[47]) AS bounced_soft,
    toUInt64(sums[48]) AS bounced_block,
    toUInt64(sums[49]) AS bounced_undetermined,
    toUInt64(sums[23]) AS complained,
    toUInt64(sums[24]) AS unsubscribed,
    toUInt64(sums[45]) AS messages_without_delivery,
    toUInt64(sums[11]) AS opens_total,
    toUInt64(sums[37]) AS opens_unique,
    toUInt64(sums[12]) AS opens_human_total,
    toUInt64(sums[38]) AS opens_human_unique,
    toUInt64(sums[13]) AS opens_automated_total,
    toUInt64(sums[31]) AS opens_automated_unique,
    toUInt64(sums[14]) AS opens_unknown_total,
    toUInt64(sums[32]) AS opens_unknown_unique,
    opens_by_source_total,
    opens_by_source_unique,
    toUInt64(sums[15]) AS clicks_total,
    toUInt64(sums[33]) AS clicks_unique,
    toUInt64(sums[16]) AS clicks_human_total,
    toUInt64(sums[34]) AS clicks_human_unique,
    toUInt64(sums[17]) AS clicks_automated_total,
    toUInt64(sums[35]) AS clicks_automated_unique,
    toUInt64(sums[18]) AS clicks_unknown_total,
    toUInt64(sums[36]) AS clicks_unknown_unique,
    clicks_by_source_total,
    clicks_by_source_unique,
    toUInt64(sums[42]) AS masked,
    toUInt64(sums[43]) AS delivered_tracked,
    toUInt64(sums[44]) AS delivered_unmasked,
    -- Rates.
    delivered / nullIf(sent, 0) AS rate_delivery,
    (bounced_hard + bounced_soft + bounced_block + bounced_undetermined) / nullIf(sent, 0) AS rate_bounce,
    complained / nullIf(delivered, 0) AS rate_complaint,
    opens_unique / nullIf(delivered_tracked, 0) AS rate_open,
    opens_human_unique / nullIf(delivered_tracked, 0) AS rate_open_low,
    toUInt64(sums[39]) / nullIf(delivered_tracked, 0) AS rate_open_high,
    -- What the readers we can see say of all. Under 100 of them it says nothing.
    if(delivered_unmasked >= 100, toUInt64(sums[40]) / nullIf(delivered_unmasked, 0), NULL) AS rate_open_estimate,
    clicks_unique / nullIf(delivered_tracked, 0) AS rate_click,
    toUInt64(sums[41]) / nullIf(opens_unique, 0) AS rate_click_to_open,
    unsubscribed / nullIf(delivered, 0) AS rate_unsubscribe
FROM (
    SELECT
        bucket,
        group_key,
        sumForEach(arrayMap(number -> number * weight, numbers)) AS sums,
        sumMap(open_keys, arrayMap(hits -> hits * weight, open_hits), arrayMap(hits -> weight, open_hits)) AS opened,
        sumMap(click_keys, arrayMap(hits -> hits * weight, click_hits), arrayMap(hits -> weight, click_hits)) AS clicked,
        CAST(mapFromArrays(opened.1, opened.2), 'Map(String, UInt64)') AS opens_by_source_total,
        CAST(mapFromArrays(opened.1, opened.3), 'Map(String, UInt64)') AS opens_by_source_unique,
        CAST(mapFromArrays(clicked.1, clicked.2), 'Map(String, UInt64)') AS clicks_by_source_total,
        CAST(mapFromArrays(clicked.1, clicked.3), 'Map(String, UInt64)') AS clicks_by_source_unique
    FROM
    (
        WITH
            (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'mx') AS by_host,
            (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'domain') AS by_domain
        SELECT
            belongs.1 AS bucket,
            belongs.5 AS weight,
            numbers,
            open_keys,
            open_hits,
            click_keys,
            click_hits,
            refusal,
            -- As in report_messages.
            splitByChar('.', toString(belongs.4)) AS mx_labels,
            if({by:String} != 'mailbox_provider' AND {mailbox_provider:String} = '', '', coalesce(
                nullIf(arrayFirst(found -> found != '', arrayMap(
                    labels -> if(length(mx_labels) < labels, '',
                        transform(arrayStringConcat(arraySlice(mx_labels, -labels), '.'), by_host.1, by_host.2, '')),
                    [5, 4, 3, 2])), ''),
                nullIf(transform(toString(belongs.3), by_domain.1, by_domain.2, ''), ''),
                nullIf(toString(belongs.3), ''),
                'unknown')) AS provider,
            multiIf(
                {by:String} = 'bounce_reason', refusal.2,
                {by:String} = 'mailbox_provider', provider,
                {by:String} IN ('source', 'client'), key,
                toString(belongs.2)) AS group_key
        FROM (
            SELECT
                groups,
                key,
                refusal,
                counts[8] + counts[10] AS opens_and_clicks,
                -- A human click implies an open, at the click's time: in uniques only, never in a total.
                counts[11] > 0 OR counts[16] > 0 AS has_open,
                counts[12] > 0 OR counts[16] > 0 AS has_human,
                -- No human, and every open there is is masked or unknown.
                counts[8] > 0 AND counts[9] = 0 AND NOT has_human AS has_only_unclear_opens,
                -- 1 to 18: facts of each kind. 19 to 36: messages that have one. Then: 37 with an open, 38 with a human open or click, 39
                -- read at most, 40 human and not masked, 41 with an open and a click, 42 masked, 43 delivered and tracked, 44 and not
                -- masked, 45 without delivery; refused: 46 hard, 47 soft, 48 block, 49 undetermined.
                arrayConcat(
                    arrayMap(facts -> toInt64(facts), counts),
                    arrayMap(facts -> toInt64(facts > 0), counts),
                    [
                        toInt64(has_open),
                        has_human,
                        has_human OR has_only_unclear_opens,
                        has_human AND NOT is_masked,
                        has_open AND counts[15] > 0,
                        is_masked,
                        counts[2] > 0 AND is_tracked,
                        counts[2] > 0 AND is_tracked AND NOT is_masked,
                        counts[7] > 0 AND is_untold,
                        refusal.1 = 'hard',
                        refusal.1 = 'soft',
                        refusal.1 = 'block',
                        refusal.1 = 'undetermined'
                    ]) AS numbers,
                arrayDistinct(open_sources) AS open_keys,
                arrayMap(source -> toInt64(countEqual(open_sources, source)), open_keys) AS open_hits,
                arrayDistinct(click_sources) AS click_keys,
                arrayMap(source -> toInt64(countEqual(click_sources, source)), click_keys) AS click_hits
            FROM report_counted(account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
                        campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
                        mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}, by = {by:String}, edges = {edges:Array(Int64)})
        )
        ARRAY JOIN groups AS belongs
        -- By source or client, what is neither opened nor clicked in scope says nothing.
        WHERE {by:String} NOT IN ('source', 'client') OR opens_and_clicks > 0
    )
    WHERE ({mailbox_provider:String} = '' OR provider = {mailbox_provider:String})
        AND ({by:String} != 'bounce_reason' OR refusal.2 != '')
    GROUP BY bucket, group_key
    HAVING sum(weight) > 0
);

DROP VIEW IF EXISTS report_sums;
DROP VIEW IF EXISTS report_numbers;
