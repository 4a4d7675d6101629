-- Why messages bounced, and who runs their mailboxes. The report views of 0002_reports.sql, 0003_timeseries.sql and
-- 0004_links.sql anew, with two things more to ask:
--   mailbox_provider   a parameter of each: one provider, or '' for all
--   by                 'mailbox_provider' and 'bounce_reason' too

-- Why a refusal, as it was judged when it was taken: an id of schema/bounce-reasons.json, '' where nothing was refused.
-- Both columns have a default, so that a loader of before, still running, can write rows without them.
ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS bounce_reason LowCardinality(String) DEFAULT '';
-- What the event was made of: a line of a log, a provider's document. Redacted, and evidence.
ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS original String DEFAULT '' CODEC(ZSTD) TTL evidence_until;

-- schema/mailbox-providers.json as a table, written anew by every migration run like `sources`: a provider is looked up when
-- a report asks, so that a corrected entry corrects all history. An entry that was taken out has the provider ''.
CREATE TABLE IF NOT EXISTS mailbox_providers
(
    kind Enum8('mx' = 1, 'domain' = 2),
    name String,
    version UInt64,
    provider LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (kind, name)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Providers as they are now.
CREATE OR REPLACE VIEW report_providers AS
SELECT toString(kind) AS kind, name, toString(argMax(mailbox_providers.provider, version)) AS provider
FROM mailbox_providers
GROUP BY kind, name
HAVING provider != '';

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
    method,
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

-- One row a message of the report, with what each figure needs of it. Every other report view adds up these rows.
--
-- A message's campaign and domain are what its delivery events say first, else what its tokens say, so that a row without
-- one still counts where its message belongs. Delivery events come first because every message has them and only engaged
-- ones have hits: the other way round, a sender whose two names differ would see open rates above one beside rates of zero.
-- Times of a type that did not happen are 1970 here, before every time there can be (from 2000).
CREATE OR REPLACE VIEW report_messages AS
WITH
    (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'mx') AS by_host,
    (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'domain') AS by_domain
SELECT
    message_id,
    campaign,
    recipient_domain,
    -- By the receiving server, the longest known ending of its name first; else by the table of consumer domains; else the
    -- recipient domain is its own provider.
    splitByChar('.', mx_host) AS mx_labels,
    coalesce(
        nullIf(arrayFirst(found -> found != '', arrayMap(
            labels -> if(length(mx_labels) < labels, '',
                transform(arrayStringConcat(arraySlice(mx_labels, -labels), '.'), by_host.1, by_host.2, '')),
            [5, 4, 3, 2])), ''),
        nullIf(transform(recipient_domain, by_domain.1, by_domain.2, ''), ''),
        nullIf(recipient_domain, ''),
        'unknown') AS mailbox_provider,
    -- A sent event, else the earliest outcome, is when a message was sent. Dropped or unsubscribed alone is no sending.
    mailed AND ({cohort:String} = 'sent'
        OR (mailed_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND mailed_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC'))) AS is_sent,
    -- Accepted in scope, and never refused at or after the last such time, in scope or not.
    accepted > 0 AND accepted_at > refused_at AS is_delivered,
    deferred > 0 AS is_deferred,
    dropped > 0 AS is_dropped,
    complained > 0 AS is_complained,
    -- A POST takes effect whoever sent it, so suppression has no say here. GET and HEAD change nothing.
    unsubscribed > 0 AS is_unsubscribed,
    -- The class of the last refusal in scope, '' for none. One of an unheard-of class is undetermined.
    multiIf(refused = 0, '', refusal IN ('hard', 'soft', 'block'), refusal, 'undetermined') AS bounced,
    -- Why the last refusal in scope, '' for none. One that was stored without a reason is undetermined.
    multiIf(refused = 0, '', refusal_reason = '', 'undetermined', refusal_reason) AS bounce_reason,
    -- A property of the message, whenever it was said.
    untracked = 0 AS is_tracked,
    -- A property of the message too: one hidden behind a prefetch stays hidden, also in a window without the prefetch.
    masked_hits > 0 AS is_masked,
    -- Engagement, of any kind and by anyone, of which no delivery event was ever heard.
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
    -- A human click implies an open, at the click's time: in uniques only, never in a total.
    opens_human > 0 OR clicks_human > 0 AS has_human,
    opens_counted > 0 OR clicks_human > 0 AS has_open,
    clicks_counted > 0 AS has_click,
    -- No human, and every open there is is masked or unknown.
    NOT has_human AND opens > 0 AND opens_unclear = opens AS has_only_unclear_opens
FROM
(
    SELECT
        message_id,
        countIf(is_delivery) > 0 AS has_delivery,
        countIf(type IN ('sent', 'delivered', 'deferred', 'bounced', 'complained')) > 0 AS mailed,
        if(countIf(type = 'sent') > 0,
            minIf(at, type = 'sent'),
            minIf(at, type IN ('delivered', 'deferred', 'bounced', 'complained'))) AS mailed_at,
        -- Without any of these, the token says when it was sent.
        if(mailed, mailed_at, minIf(token_sent_at, NOT is_delivery)) AS message_sent_at,
        countIf(NOT is_delivery) > 0 AS has_hit,
        if(countIf(is_delivery AND facts.campaign != '') > 0,
            argMinIf(facts.campaign, (at, fact_id), is_delivery AND facts.campaign != ''),
            argMinIf(facts.campaign, (at, fact_id), facts.campaign != '')) AS campaign,
        if(countIf(is_delivery AND facts.recipient_domain != '') > 0,
            argMinIf(facts.recipient_domain, (at, fact_id), is_delivery AND facts.recipient_domain != ''),
            argMinIf(facts.recipient_domain, (at, fact_id), facts.recipient_domain != '')) AS recipient_domain,
        countIf(in_scope) AS facts_in_scope,
        countIf(type = 'delivered' AND in_scope) AS accepted,
        maxIf(at, type = 'delivered' AND in_scope) AS accepted_at,
        maxIf(at, type = 'bounced') AS refused_at,
        countIf(type = 'deferred' AND in_scope) AS deferred,
        countIf(type = 'dropped' AND in_scope) AS dropped,
        countIf(type = 'complained' AND in_scope) AS complained,
        countIf((type = 'unsubscribed' OR (type = 'unsubscribe' AND method = 'POST')) AND in_scope) AS unsubscribed,
        countIf(type = 'bounced' AND in_scope) AS refused,
        argMaxIf(bounce_class, (at, fact_id), type = 'bounced' AND in_scope) AS refusal,
        argMaxIf(facts.bounce_reason, (at, fact_id), type = 'bounced' AND in_scope) AS refusal_reason,
        argMinIf(facts.mx_host, (at, fact_id), facts.mx_host != '') AS mx_host,
        countIf(is_delivery AND NOT tracked) AS untracked,
        countIf(masked) AS masked_hits,
        countIf(NOT is_delivery AND in_scope) AS hits,
        -- Suppression, asked of the data: an automated hit of a class in force is left out of what is counted.
        countIf(type = 'open' AND in_scope) AS opens,
        countIf(type = 'open' AND in_scope AND NOT (actor = 'automated' AND has({suppress:Array(String)}, class))) AS opens_counted,
        countIf(type = 'open' AND in_scope AND actor = 'human') AS opens_human,
        countIf(type = 'open' AND in_scope AND actor = 'automated') AS opens_automated,
        countIf(type = 'open' AND in_scope AND actor = 'unknown') AS opens_unknown,
        countIf(type = 'open' AND in_scope AND (masked OR actor = 'unknown')) AS opens_unclear,
        countIf(type = 'click' AND in_scope AND NOT (actor = 'automated' AND has({suppress:Array(String)}, class))) AS clicks_counted,
        countIf(type = 'click' AND in_scope AND actor = 'human') AS clicks_human,
        countIf(type = 'click' AND in_scope AND actor = 'automated') AS clicks_automated,
        countIf(type = 'click' AND in_scope AND actor = 'unknown') AS clicks_unknown,
        sumMapIf(map(source, toUInt64(1)), type = 'open' AND in_scope) AS opens_by_source,
        sumMapIf(map(source, toUInt64(1)), type = 'click' AND in_scope) AS clicks_by_source
    FROM report_facts(
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}) AS facts
    GROUP BY message_id
)
WHERE ({campaign:String} = '' OR campaign = {campaign:String})
    AND ({recipient_domain:String} = '' OR recipient_domain = {recipient_domain:String})
    AND ({mailbox_provider:String} = '' OR mailbox_provider = {mailbox_provider:String})
    AND (
        ({cohort:String} != 'sent' AND facts_in_scope > 0)
        OR ({cohort:String} = 'sent' AND (mailed OR has_hit)
            AND message_sent_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND message_sent_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')));

-- The figures, one row a group: by 'recipient_domain', 'mailbox_provider', 'campaign' or 'bounce_reason' (of the messages
-- that bounced alone), or by '' for the one row of a summary. Without any
-- message there is no row, and every figure is zero. A rate without a denominator is null, not zero.
--
-- A message sent without tracking is left out of the denominators of open and click rates, as metrics.md says, and of
-- nothing else: were it engaged with all the same, it would stand in the numerators.
CREATE OR REPLACE VIEW report_figures AS
SELECT
    multiIf(
        {by:String} = 'recipient_domain', recipient_domain,
        {by:String} = 'mailbox_provider', mailbox_provider,
        {by:String} = 'bounce_reason', bounce_reason,
        {by:String} = 'campaign', campaign,
        '') AS group_key,
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
FROM report_messages(
    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
    mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}) AS report
WHERE {by:String} != 'bounce_reason' OR bounce_reason != ''
GROUP BY group_key;

-- The figures of engagement, one row a 'source' or a 'client' of hits: the same figures over the hits of that group alone.
-- A message has no source, so what is counted of sending and delivery has no place here.
CREATE OR REPLACE VIEW report_hit_figures AS
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
        if({by:String} = 'client', client, source) AS group_key,
        message_id,
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
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String})
    WHERE in_scope AND type IN ('open', 'click')
        AND message_id IN (
            SELECT message_id FROM report_messages(
                account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
                campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
                mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}))
    GROUP BY group_key, message_id
)
GROUP BY group_key;

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
                mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)}))
    GROUP BY link_index, link_label, message_id
)
GROUP BY link_index, link_label;

-- One row a message and bucket in which something of it lies: by event a row for each bucket in which something happened,
-- by sending the one bucket in which the message was sent. The columns are those of report_messages.
CREATE OR REPLACE VIEW report_bucket_messages AS
WITH
    (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'mx') AS by_host,
    (SELECT (groupArray(name), groupArray(provider)) FROM report_providers WHERE kind = 'domain') AS by_domain
SELECT
    bucket,
    message_id,
    -- As in report_messages.
    splitByChar('.', mx_host) AS mx_labels,
    coalesce(
        nullIf(arrayFirst(found -> found != '', arrayMap(
            labels -> if(length(mx_labels) < labels, '',
                transform(arrayStringConcat(arraySlice(mx_labels, -labels), '.'), by_host.1, by_host.2, '')),
            [5, 4, 3, 2])), ''),
        nullIf(transform(recipient_domain, by_domain.1, by_domain.2, ''), ''),
        nullIf(recipient_domain, ''),
        'unknown') AS mailbox_provider,
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
        (minIf(slot_mx_told, slot_mx_told.3 != '') OVER whole).3 AS mx_host,
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
            minIf((at, fact_id, facts.mx_host), facts.mx_host != '') AS slot_mx_told,
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
    AND ({recipient_domain:String} = '' OR recipient_domain = {recipient_domain:String})
    AND ({mailbox_provider:String} = '' OR mailbox_provider = {mailbox_provider:String});

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
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
    mailbox_provider = {mailbox_provider:String}, suppress = {suppress:Array(String)},
    edges = {edges:Array(Int64)}) AS report
GROUP BY bucket;

-- Every delivery event of one message, each as it was received last.
CREATE OR REPLACE VIEW message_deliveries AS
SELECT
    event_id,
    toString(type) AS type,
    at,
    received_at,
    recipient_id,
    toString(campaign) AS campaign,
    toString(recipient_domain) AS recipient_domain,
    tracked,
    toString(mx_host) AS mx_host,
    smtp_code,
    toString(enhanced_code) AS enhanced_code,
    toString(bounce_class) AS bounce_class,
    toString(bounce_reason) AS bounce_reason,
    if(evidence_until > now('UTC'), diagnostic, '') AS diagnostic,
    if(evidence_until > now('UTC'), original, '') AS original
FROM
(
    SELECT *
    FROM deliveries
    WHERE account = {account:UInt32} AND message_id = {message_id:String} AND retention_until > now('UTC')
    ORDER BY received_at DESC
    LIMIT 1 BY event_id
);

-- How long messages took from sent to delivered, one row a group: by 'mailbox_provider', 'recipient_domain', 'campaign' or ''.
-- From the first time that a message is said to be sent to the first in scope that it is said to be accepted, to the
-- millisecond; percentiles lie between two messages where they must. A message of which either is not told, or that was
-- accepted before it was sent, is not here: nothing is guessed.
CREATE OR REPLACE VIEW report_latency AS
SELECT
    multiIf(
        {by:String} = 'recipient_domain', report.recipient_domain,
        {by:String} = 'mailbox_provider', report.mailbox_provider,
        {by:String} = 'campaign', report.campaign,
        '') AS group_key,
    count() AS messages,
    quantilesExactInclusive(0.5, 0.9, 0.99)(millis / 1000) AS seconds,
    round(seconds[1], 3) AS p50,
    round(seconds[2], 3) AS p90,
    round(seconds[3], 3) AS p99,
    max(millis) / 1000 AS slowest
FROM
(
    SELECT
        message_id,
        minIf(at, type = 'sent') AS told_sent_at,
        minIf(at, type = 'delivered' AND in_scope) AS told_accepted_at,
        toUnixTimestamp64Milli(told_accepted_at) - toUnixTimestamp64Milli(told_sent_at) AS millis
    FROM report_facts(
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String})
    WHERE is_delivery
    GROUP BY message_id
    HAVING countIf(type = 'sent') > 0 AND countIf(type = 'delivered' AND in_scope) > 0 AND millis >= 0
) AS times
INNER JOIN report_messages(
    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
    mailbox_provider = {mailbox_provider:String}, suppress = []) AS report ON times.message_id = report.message_id
GROUP BY group_key;
