-- What the dashboards ask beyond the reports, as parameterised views, so that the API can ask the same. Parameters and
-- meanings are those of 0002_reports.sql and 0005_delivery.sql; what is counted of hits here leaves out nothing, since these views show who came.

-- Which classes are left out: `asked` is 'account' for the account's own setting, 'none', 'all', or classes with commas. An
-- account that never changed its settings has the default, which suppresses every class.
CREATE OR REPLACE VIEW report_suppression AS
SELECT
    multiIf(
        {asked:String} = 'none', CAST([], 'Array(String)'),
        {asked:String} = 'all', known,
        {asked:String} = 'account', stored,
        arrayFilter(class -> has(splitByChar(',', {asked:String}), class), known)) AS classes,
    -- As a dashboard carries it: `none` is no class, and leaves out nothing.
    if(empty(classes), 'none', arrayStringConcat(classes, ',')) AS listed
FROM
(
    SELECT
        ['apple', 'google', 'scanners', 'other'] AS known,
        if(count() = 0, known, arrayMap(class -> toString(class), argMax(suppress, version))) AS stored
    FROM settings
    WHERE account = {account:UInt32}
);

-- One row a hit in scope of the messages that a report is about, of every kind, under its highest revision, with the
-- campaign and domain of its message, and the seconds since the message was accepted; since sending where no acceptance is
-- known. A hit before its own delivery event is one of clocks that differ: it came at once.
CREATE OR REPLACE VIEW report_hits AS
SELECT
    hits.message_id AS message_id,
    hits.event_id AS event_id,
    hits.kind AS kind,
    hits.at AS at,
    hits.method AS method,
    hits.actor AS actor,
    hits.source AS source,
    hits.client AS client,
    hits.class AS class,
    messages.campaign AS campaign,
    messages.recipient_domain AS recipient_domain,
    hits.is_since_delivery AS is_since_delivery,
    greatest(0, dateDiff('millisecond', hits.since, hits.at)) / 1000 AS seconds_after
FROM
(
    SELECT
        message_id,
        fact_id AS event_id,
        type AS kind,
        at,
        method,
        actor,
        source,
        client,
        class,
        is_delivery,
        in_scope,
        minOrNullIf(at, type = 'delivered') OVER message AS accepted_at,
        minOrNullIf(at, type = 'sent') OVER message AS told_at,
        isNotNull(accepted_at) AS is_since_delivery,
        coalesce(accepted_at, told_at, token_sent_at) AS since
    FROM report_facts(
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String})
    WINDOW message AS (PARTITION BY message_id)
) AS hits
INNER JOIN
(
    SELECT message_id, campaign, recipient_domain
    FROM report_messages(
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
        campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
        mailbox_provider = {mailbox_provider:String}, suppress = [])
) AS messages ON hits.message_id = messages.message_id
WHERE NOT hits.is_delivery AND hits.in_scope;

-- When hits come after delivery, one row a span of time; `from_seconds` is where it begins, and it ends where the next one
-- of the list does.
CREATE OR REPLACE VIEW report_after_delivery AS
SELECT
    roundDown(seconds_after, [0, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 604800]) AS from_seconds,
    countIf(class = 'scanners') AS scanners,
    countIf(class = 'apple') AS apple,
    countIf(class = 'google') AS google,
    countIf(class = 'other') AS other,
    countIf(actor = 'unknown') AS of_unknown,
    countIf(actor = 'human') AS human
FROM report_hits(
    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
    mailbox_provider = {mailbox_provider:String})
GROUP BY from_seconds;

-- At which hour of the week opens and clicks come, by the clock of `zone`; days from Monday as 1.
CREATE OR REPLACE VIEW report_hours AS
SELECT
    toDayOfWeek(at, 0, {zone:String}) AS weekday,
    toHour(at, {zone:String}) AS hour,
    countIf(actor = 'human') AS human,
    countIf(actor = 'automated') AS automated,
    countIf(actor = 'unknown') AS of_unknown
FROM report_hits(
    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
    mailbox_provider = {mailbox_provider:String})
WHERE kind IN ('open', 'click')
GROUP BY weekday, hour;

-- Which machines look at the mail of which domains, one row a source and domain; hits of every kind.
CREATE OR REPLACE VIEW report_machines AS
SELECT
    source,
    any(hits.class) AS class,
    recipient_domain,
    count() AS hits,
    countIf(kind = 'open') AS opens,
    countIf(kind = 'click') AS clicks,
    countIf(kind = 'trap') AS traps,
    uniqExact(message_id) AS messages,
    quantileExact(0.5)(seconds_after) AS seconds_after_median
FROM report_hits(
    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
    mailbox_provider = {mailbox_provider:String}) AS hits
WHERE actor = 'automated'
GROUP BY source, recipient_domain;

-- Hits that were judged again, by what was said first and what is said now.
CREATE OR REPLACE VIEW report_corrections AS
SELECT
    first_said.1 AS first_actor,
    first_said.2 AS first_source,
    last_said.1 AS actor,
    last_said.2 AS source,
    count() AS hits
FROM
(
    SELECT
        message_id,
        any(received_at) AS at,
        argMin((toString(events.actor), toString(events.source)), revision) AS first_said,
        argMax((toString(events.actor), toString(events.source)), revision) AS last_said
    FROM events
    WHERE account = {account:UInt32}
        AND retention_until > now('UTC')
        AND message_id IN (
            SELECT message_id FROM report_candidates(
                account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}))
    GROUP BY account, toDate(received_at), message_id, event_id
    HAVING max(revision) > min(revision)
)
WHERE ({cohort:String} = 'sent'
        OR (at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')))
    AND message_id IN (
        SELECT message_id FROM report_messages(
            account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
            campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
            mailbox_provider = {mailbox_provider:String}, suppress = []))
GROUP BY first_actor, first_source, actor, source;

-- How long delivery took, as a histogram; the messages and times are those of report_latency, and `from_seconds` is as in
-- report_after_delivery.
CREATE OR REPLACE VIEW report_delivery_spans AS
SELECT
    roundDown(millis / 1000, [0, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 604800]) AS from_seconds,
    count() AS messages
FROM
(
    SELECT
        message_id,
        dateDiff('millisecond', minIf(at, type = 'sent'), minIf(at, type = 'delivered' AND in_scope)) AS millis
    FROM report_facts(
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String})
    WHERE is_delivery
    GROUP BY message_id
    HAVING countIf(type = 'sent') > 0 AND countIf(type = 'delivered' AND in_scope) > 0 AND millis >= 0
)
WHERE message_id IN (
    SELECT message_id FROM report_messages(
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
        campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
        mailbox_provider = {mailbox_provider:String}, suppress = []))
GROUP BY from_seconds;

-- Why messages were refused for good: class, reason and codes of each one's last refusal in scope.
CREATE OR REPLACE VIEW report_refusals AS
SELECT
    messages.bounced AS bounce_class,
    messages.bounce_reason AS bounce_reason,
    refusals.told.1 AS enhanced_code,
    refusals.told.2 AS smtp_code,
    count() AS messages,
    uniqExact(messages.recipient_domain) AS recipient_domains
FROM
(
    SELECT message_id, bounced, report.bounce_reason AS bounce_reason, recipient_domain
    FROM report_messages(
        account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
        campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
        mailbox_provider = {mailbox_provider:String}, suppress = []) AS report
    WHERE bounced != ''
) AS messages
INNER JOIN
(
    SELECT message_id, argMax((stored.3, stored.4), (stored.2, event_id)) AS told
    FROM
    (
        SELECT
            message_id,
            event_id,
            argMax(
                (
                    toString(deliveries.type),
                    deliveries.at,
                    toString(deliveries.enhanced_code),
                    ifNull(deliveries.smtp_code, 0)
                ),
                received_at) AS stored
        FROM deliveries
        WHERE account = {account:UInt32}
            AND retention_until > now('UTC')
            AND message_id IN (
                SELECT message_id FROM report_candidates(
                    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String}))
        GROUP BY account, message_id, event_id
    )
    WHERE stored.1 = 'bounced'
        AND ({cohort:String} = 'sent'
            OR (stored.2 >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                AND stored.2 < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')))
    GROUP BY message_id
) AS refusals ON messages.message_id = refusals.message_id
GROUP BY bounce_class, bounce_reason, enhanced_code, smtp_code;
