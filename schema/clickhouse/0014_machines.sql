-- Who looks at the mail, of all machines, of each, of each domain, or of each pair: `by` is '', 'source',
-- 'recipient_domain' or 'both', and what is not grouped by is empty. Counts and the median are those of the group's own
-- hits; messages are counted once in a group. Parameters and meanings are those of report_hits.
CREATE OR REPLACE VIEW report_machine_groups AS
SELECT
    if({by:String} IN ('source', 'both'), hits.source, '') AS source,
    if({by:String} IN ('recipient_domain', 'both'), hits.recipient_domain, '') AS recipient_domain,
    if({by:String} IN ('source', 'both'), any(hits.class), '') AS class,
    count() AS hits,
    countIf(kind = 'open') AS opens,
    countIf(kind = 'click') AS clicks,
    countIf(kind = 'trap') AS traps,
    uniqExact(message_id) AS messages,
    uniqExact(hits.source) AS sources,
    uniqExact(hits.recipient_domain) AS recipient_domains,
    -- Domains whose mail a gateway looked at.
    uniqExactIf(hits.recipient_domain, hits.class = 'scanners') AS scanned_domains,
    quantileExact(0.5)(seconds_after) AS seconds_after_median
FROM report_hits(
    account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String},
    mailbox_provider = {mailbox_provider:String}) AS hits
WHERE actor = 'automated'
GROUP BY source, recipient_domain;
