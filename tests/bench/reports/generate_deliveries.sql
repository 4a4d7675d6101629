-- What became of the same messages: a delivery event each, and a deferral or a complaint for a few.
INSERT INTO deliveries
    (account, message_id, event_id, type, at, received_at, recipient_id, campaign, recipient_domain, tracked, mx_host, smtp_code,
     enhanced_code, bounce_class, evidence_until, retention_until, diagnostic)
WITH
    (purpose) -> sipHash64(message, purpose, {seed:UInt64}) / 18446744073709551616. AS chance,
    (purpose, below) -> toUInt64(floor(sipHash64(message, purpose, {seed:UInt64}) / 18446744073709551616. * below)) AS pick
SELECT
    {account:UInt32} AS account,
    message_id,
    lower(hex(sipHash128(message, told.1, {seed:UInt64}))) AS event_id,
    told.1 AS type,
    fromUnixTimestamp64Milli(toInt64(delivered_ms + told.2), 'UTC') AS at,
    at AS received_at,
    lower(hex(sipHash64(message, 'recipient', {seed:UInt64}))) AS recipient_id,
    concat('campaign-', toString(campaign_number)) AS campaign,
    domain AS recipient_domain,
    true AS tracked,
    multiIf(
        where_it_goes < 0.38, concat('alt', toString(1 + pick('mx', 4)), '.gmail-smtp-in.l.google.com'),
        where_it_goes < 0.53, 'outlook-com.olc.protection.outlook.com',
        where_it_goes < 0.63, concat('mta', toString(5 + pick('mx', 3)), '.am0.yahoodns.net'),
        where_it_goes < 0.70, concat('mx0', toString(1 + pick('mx', 2)), '.mail.icloud.com'),
        pick('hosted', 3) < 2, concat(replaceAll(domain, '.', '-'), '.mail.protection.outlook.com'),
        concat('mx.', domain)) AS mx_host,
    multiIf(told.1 = 4, 550, told.1 = 3, 421, told.1 = 2, 250, NULL) AS smtp_code,
    multiIf(told.1 = 4, if(told.3 = 'hard', '5.1.1', '5.7.1'), told.1 = 3, '4.7.0', told.1 = 2, '2.0.0', '') AS enhanced_code,
    told.3 AS bounce_class,
    toDateTime(intDiv(delivered_ms, 86400000) * 86400 + 86400 * {evidence_days:UInt64}, 'UTC') AS evidence_until,
    toDateTime(intDiv(delivered_ms, 86400000) * 86400 + 86400 * 400, 'UTC') AS retention_until,
    multiIf(told.1 = 4, 'The email account that you tried to reach does not exist', told.1 = 3, 'Try again later', '') AS diagnostic
FROM
(
    SELECT message, message_id, campaign_number, domain, where_it_goes, delivered_ms, told
    FROM
    (
        SELECT
            number + {first:UInt64} AS message,
            lower(hex(sipHash64(message, 'message', {seed:UInt64}))) AS message_id,
            intDiv(message * {campaigns:UInt64}, {total:UInt64}) AS campaign_number,
            {until_ms:UInt64} - {days:UInt64} * 86400000
                + intDiv(campaign_number * {days:UInt64} * 24, {campaigns:UInt64}) * 3600000 + pick('sent', 7200000) AS sent_ms,
            sent_ms + 500 + pick('latency', 8000) AS delivered_ms,
            chance('domain') AS where_it_goes,
            multiIf(
                where_it_goes < 0.38, 'gmail.com',
                where_it_goes < 0.53, 'outlook.com',
                where_it_goes < 0.63, 'yahoo.com',
                where_it_goes < 0.70, 'icloud.com',
                concat('company-', toString(toUInt64(pow(chance('company'), 3) * 20000)), '.example')) AS domain,
            arrayConcat(
                if(chance('deferred') < 0.03, [(3, toInt64(-400), '')], []),
                [if(chance('bounced') < 0.02, (4, toInt64(0), ['hard', 'soft', 'block', 'undetermined'][pick('bounce', 4) + 1]), (2, toInt64(0), ''))],
                if(chance('complained') < 0.0008, [(5, toInt64(3600000 + pick('complained at', 86400000)), '')], [])) AS events_told
        FROM numbers({count:UInt64})
    )
    ARRAY JOIN events_told AS told
)
