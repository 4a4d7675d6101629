-- The hits of the messages from number `first` on, `count` of them out of `total`, made up from `seed`: the same numbers, the
-- same rows. About 3.3 a message, as bulk mail sees them: Apple's prefetch, readers over days, scanners that follow every link,
-- proxies of which nobody knows. A campaign after the other, over `days` days before `until_ms`. Ids of messages and recipients are
-- random, event ids as three trackers make them that begin anew now and then
-- (services/engagement/src/event_id.rs), agents and addresses such as these
-- clients have; what is kept ends when it would (services/store/src/retention.rs).
INSERT INTO events
    (account, event_id, revision, kind, received_at, message_id, recipient_id, campaign, recipient_domain, sent_at, link_index,
     link_count, label, method, actor, source, client, confidence, reasons, ruleset, evidence_until, retention_until, ip,
     user_agent, headers, trailing)
WITH
    (purpose) -> sipHash64(message, purpose, {seed:UInt64}) / 18446744073709551616. AS chance,
    (purpose, below) -> toUInt64(floor(sipHash64(message, purpose, {seed:UInt64}) / 18446744073709551616. * below)) AS pick,
    -- Who can come: source, actor, client, agent, address without its last two bytes ('' for the reader's own), reasons.
    [
        ('apple_mpp', 2, '', 'Mozilla/5.0', '172.224', '[{"rule":"apple_mpp","source":"apple_mpp","confidence":0.95,"evidence":"bare Mozilla/5.0 on the pixel, without Referer, from Apple relay egress"}]'),
        ('google_proxy', 1, 'Gmail', 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)', '66.249', '[{"rule":"google_proxy","source":"google_proxy","confidence":0.8,"evidence":"GoogleImageProxy, a while after delivery"}]'),
        ('yahoo_proxy', 3, 'Yahoo Mail', 'YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html', '74.6', '[{"rule":"webmail_proxy","source":"yahoo_proxy","confidence":0.7,"evidence":"YahooMailProxy"}]'),
        ('chrome', 1, 'Chrome', 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/@.0.0.0 Safari/537.36', '', '[{"rule":"browser","source":"chrome","confidence":0.6,"evidence":"the agent names Chrome; one request alone can''t tell a person from a borrowed agent"}]'),
        ('outlook', 1, 'Outlook', 'Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; .NET4.0C; .NET4.0E; Microsoft Outlook 16.0.@; ms-office; MSOffice 16)', '', '[{"rule":"mail_app","source":"outlook","confidence":0.8,"evidence":"the agent names Outlook"}]'),
        ('safari', 1, 'Safari', 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.@ Mobile/15E148 Safari/604.1', '', '[{"rule":"browser","source":"safari","confidence":0.6,"evidence":"the agent names Safari; one request alone can''t tell a person from a borrowed agent"}]'),
        ('microsoft_safelinks', 2, '', 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/@.0.0.0 Safari/537.36 Edg/@.0.0.0', '40.94', '[{"rule":"microsoft_network","source":"microsoft_safelinks","confidence":0.9,"evidence":"a network that Microsoft names for filtering"}]'),
        ('barracuda', 2, '', 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/@.0.0.0 Safari/537.36', '64.235', '[{"rule":"gateway_network","source":"barracuda","confidence":0.9,"evidence":"a network of Barracuda"}]'),
        ('scanner_burst', 2, '', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/@.0.0.0 Safari/537.36', '52.14', '[{"rule":"burst","source":"scanner_burst","confidence":0.85,"evidence":"5 links within 2 s"},{"rule":"browser","source":"chrome","confidence":0.6,"evidence":"the agent names Chrome; one request alone can''t tell a person from a borrowed agent"}]'),
        ('firefox', 1, 'Firefox', 'Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:@.0) Gecko/20100101 Firefox/@.0', '', '[{"rule":"browser","source":"firefox","confidence":0.6,"evidence":"the agent names Firefox; one request alone can''t tell a person from a borrowed agent"}]'),
        ('webkit_bare', 3, '', 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)', '', '[{"rule":"webkit_bare","source":"webkit_bare","confidence":0.5,"evidence":"a bare WebKit agent"}]'),
        ('google_prefetch', 2, '', 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)', '66.249', '[{"rule":"google_prefetch","source":"google_prefetch","confidence":0.8,"evidence":"GoogleImageProxy within seconds of delivery"}]')
    ] AS clients
SELECT
    {account:UInt32} AS account,
    reinterpret(
        bitOr(
            -- Two hits of a millisecond are told apart by the counter.
            toUInt128(bitOr(bitOr(bitShiftLeft(toUInt64(at_ms), 16), toUInt64(0x7000)),
                toUInt64(row_number() OVER (PARTITION BY at_ms, message % 3 ORDER BY message, place) - 1))),
            bitShiftLeft(toUInt128(bitOr(bitAnd(sipHash64('tracker', message % 3, {first:UInt64}),
                toUInt64(0x3fffffffffffffff)), toUInt64(0x8000000000000000))), 64)),
        'UUID') AS event_id,
    1 AS revision,
    hit.1 AS kind,
    fromUnixTimestamp64Milli(toInt64(at_ms), 'UTC') AS received_at,
    lower(hex(sipHash64(message, 'message', {seed:UInt64}))) AS message_id,
    lower(hex(sipHash64(message, 'recipient', {seed:UInt64}))) AS recipient_id,
    concat('campaign-', toString(campaign_number)) AS campaign,
    domain AS recipient_domain,
    fromUnixTimestamp64Milli(toInt64(sent_ms), 'UTC') AS sent_at,
    if(hit.1 = 2, hit.4, NULL) AS link_index,
    if(hit.1 = 2, 5, NULL) AS link_count,
    if(hit.1 = 2, ['top', 'pricing', 'offer', '', 'imprint'][toUInt8(hit.4) + 1], '') AS label,
    'GET' AS method,
    visitor.2 AS actor,
    visitor.1 AS source,
    visitor.3 AS client,
    JSONExtractFloat(visitor.6, 1, 'confidence') AS confidence,
    visitor.6 AS reasons,
    '2026.11.2-924f5d53ba85' AS ruleset,
    toDateTime(intDiv(at_ms, 86400000) * 86400 + 86400 * {evidence_days:UInt64}, 'UTC') AS evidence_until,
    toDateTime(intDiv(at_ms, 86400000) * 86400 + 86400 * 400, 'UTC') AS retention_until,
    -- A reader's network stays the same; a machine's differs from hit to hit.
    if(visitor.5 = '',
        concat(toString(20 + pick('ip1', 180)), '.', toString(pick('ip2', 256)), '.', toString(pick('ip3', 256)), '.', toString(pick('ip4', 254) + 1)),
        concat(visitor.5, '.', toString(sipHash64(message, place, 'ip') % 256), '.', toString(sipHash64(message, place, 'ip', 2) % 254 + 1))) AS ip,
    replaceAll(visitor.4, '@', toString(138 + pick('version', 5))) AS user_agent,
    multiIf(
        visitor.5 != '', '{"accept":"*/*"}',
        hit.1 = 2, '{"accept":"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8","accept-language":"en-US,en;q=0.9","sec-fetch-dest":"document","sec-fetch-mode":"navigate"}',
        '{"accept":"image/avif,image/webp,image/apng,image/*,*/*;q=0.8","accept-language":"en-US,en;q=0.9","sec-fetch-dest":"image"}') AS headers,
    '' AS trailing
FROM
(
    SELECT
        message,
        campaign_number,
        sent_ms,
        domain,
        place,
        hit,
        clients[hit.3] AS visitor,
        delivered_ms + hit.2 AS at_ms
    FROM
    (
        SELECT
            number + {first:UInt64} AS message,
            -- A campaign is sent within two hours, from a full hour on.
            intDiv(message * {campaigns:UInt64}, {total:UInt64}) AS campaign_number,
            {until_ms:UInt64} - {days:UInt64} * 86400000
                + intDiv(campaign_number * {days:UInt64} * 24, {campaigns:UInt64}) * 3600000 + pick('sent', 7200000) AS sent_ms,
            sent_ms + 500 + pick('latency', 8000) AS delivered_ms,
            multiIf(
                chance('domain') < 0.38, 'gmail.com',
                chance('domain') < 0.53, 'outlook.com',
                chance('domain') < 0.63, 'yahoo.com',
                chance('domain') < 0.70, 'icloud.com',
                -- Companies: many of a few, few of many.
                concat('company-', toString(toUInt64(pow(chance('company'), 3) * 20000)), '.example')) AS domain,
            chance('domain') AS where_it_goes,
            where_it_goes >= 0.70 AS is_company,
            -- The reader's own client for all that they do.
            [4, 4, 5, 6, 6, 10][pick('reader', 6) + 1] AS reader,
            arrayConcat(
                if(where_it_goes > 0.3 AND chance('apple') < 0.62,
                    arrayMap(i -> (1, pick(concat('apple', toString(i)), 3 * 3600000), 1, 0), range(1 + (chance('apple twice') < 0.25))), []),
                if(where_it_goes < 0.38 AND chance('prefetch') < 0.08, [(1, pick('prefetch at', 9000), 12, 0)], []),
                -- Opens: the first within hours, more on later days.
                if(chance('opens') < 0.34,
                    arrayMap(
                        i -> (1, toUInt64(30000 - log(1 - chance(concat('open', toString(i)))) * (if(i = 0, 5, 40)) * 3600000),
                            if(where_it_goes < 0.38, 2, reader), 0),
                        range(1 + least(toUInt64(-log(1 - chance('open often')) * 1.6), 12))), []),
                if(chance('clicks') < 0.09,
                    arrayMap(i -> (2, toUInt64(60000 - log(1 - chance(concat('click', toString(i)))) * 9 * 3600000), reader,
                            pick(concat('link', toString(i)), 5)),
                        range(1 + pick('click often', 3))), []),
                if(chance('unknown') < 0.16, [(1, pick('unknown at', 40 * 3600000), if(where_it_goes < 0.63, 3, 11), 0)], []),
                if(is_company AND chance('scanned') < 0.9,
                    arrayMap(i -> (if(i = 0, 1, 2), pick('scan at', 60000) + i * 300, [7, 7, 8, 9][pick('scanner', 4) + 1], toUInt64(greatest(i, 1) - 1)),
                        range(6)), [])) AS hits
        FROM numbers({count:UInt64})
    )
    ARRAY JOIN hits AS hit, arrayEnumerate(hits) AS place
)
