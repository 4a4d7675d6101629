// Was the mail delivered, where does it bounce and why, and how does each recipient domain treat us.

import { figures, hits, narrowing, rates, series, settingsChanges } from './clickhouse';
import { COLOURS, bars, begin, chart, lines, number, rows, steps } from './panels';

/** Google and Yahoo want complaints under 0.1 % and act on 0.3 %. */
const COMPLAINTS = () => steps([null, 'green'], [0.001, 'orange'], [0.003, 'red']);

const sideBySide = (by: 'mailbox_provider' | 'recipient_domain', title: string, name: string) =>
  rows(
    { title, says: 'Delivery, bounces, delays, complaints and human engagement side by side.', defined: ['delivery rate', 'bounce rate', 'deferred', 'complaint rate', 'open_low', 'human clicks'], unit: 'mails', height: 9 },
    `SELECT if(group_key = '', 'unknown', group_key) AS "${name}", sent AS Sent, rate_delivery AS Delivered, rate_bounce AS Bounced, ` +
      `deferred AS Delayed, rate_complaint AS "Called spam", rate_open_low AS "Opened by people", clicks_human_unique AS "Clicked by people"\n` +
      `FROM ${figures(by)}\nORDER BY sent DESC, group_key LIMIT 200`,
    { Delivered: 'percentunit', Bounced: 'percentunit', 'Called spam': 'percentunit', 'Opened by people': 'percentunit' },
  );
const of = (columns: string) => `SELECT ${columns} FROM ${figures()}`;

export const deliverability = () =>
  begin('deliverability', 'What became of the mail on its way: accepted, delayed, refused, called spam.', 'now-30d')
    .variables(narrowing())
    .annotation(settingsChanges())
    .withPanel(number({ title: 'Mails sent', says: 'Mails handed to a receiving server.', defined: ['sent'], unit: 'mails' }, of('sent')))
    .withPanel(
      number(
        { title: 'Delivered', says: 'Of the mails sent, the share that the receiving servers accepted and kept.', defined: ['delivery rate'], unit: 'percentunit' },
        of('rate_delivery'),
        steps([null, 'red'], [0.9, 'orange'], [0.97, 'green']),
      ),
    )
    .withPanel(
      number(
        { title: 'Bounced', says: 'Of the mails sent, the share that was refused for good.', defined: ['bounce rate'], unit: 'percentunit' },
        of('rate_bounce'),
        steps([null, 'green'], [0.02, 'orange'], [0.05, 'red']),
      ),
    )
    .withPanel(
      number(
        { title: 'Called spam', says: 'Of the mails delivered, the share whose reader complained. Google and Yahoo want under 0.1 % and act on 0.3 %.', defined: ['complaint rate'], unit: 'percentunit' },
        of('rate_complaint'),
        COMPLAINTS(),
      ),
    )
    .withPanel(
      number(
        { title: 'Delayed at first', says: 'Mails that a receiving server put off at least once.', defined: ['deferred'], unit: 'mails' },
        of('deferred'),
        COLOURS.deferred,
      ),
    )
    .withPanel(
      number(
        { title: 'Unsubscribed', says: 'Of the mails delivered, the share whose reader unsubscribed.', defined: ['unsubscribe rate'], unit: 'percentunit' },
        of('rate_unsubscribe'),
      ),
    )
    .withPanel(
      bars(
        { title: 'What became of the mail over time', says: 'Mails of each bar that were sent, delivered, delayed, refused or called spam.', defined: ['sent', 'delivered', 'deferred', 'bounced'], unit: 'mails', width: 16 },
        series(
          'sent AS Sent, delivered AS Delivered, deferred AS Delayed, ' +
            'bounced_hard + bounced_soft + bounced_block + bounced_undetermined AS Bounced, complained AS "Called spam"',
        ),
        { Sent: COLOURS.sent, Delivered: COLOURS.delivered, Delayed: COLOURS.deferred, Bounced: COLOURS.bounced, 'Called spam': COLOURS.complained },
        false,
      ),
    )
    .withPanel(
      lines(
        { title: 'Complaint rate over time', says: 'Of the mail sent at each time. The lines at 0.1 % and 0.3 % are where Google and Yahoo look twice and act.', defined: ['complaint rate'], unit: 'percentunit', width: 8 },
        [rates('rate_complaint AS "Called spam", 0.001 AS "Wanted", 0.003 AS "Acted on"')],
        { 'Called spam': COLOURS.complained, Wanted: 'orange', 'Acted on': 'red' },
      ),
    )
    .withPanel(
      bars(
        { title: 'Bounces over time, by class', says: 'Hard: no such mailbox. Soft: full, too large. Block: reputation, spam, authentication.', defined: ['bounced'], unit: 'mails' },
        series('bounced_hard AS Hard, bounced_block AS Block, bounced_soft AS Soft, bounced_undetermined AS Undetermined'),
        { Hard: COLOURS.bounced, Block: COLOURS.complained, Soft: COLOURS.deferred, Undetermined: COLOURS.unknown },
      ),
    )
    .withPanel(
      rows(
        { title: 'Why mail bounced', says: "Reason and codes of each mail's last refusal, the most frequent first.", defined: ['bounce reason'], unit: 'mails', width: 12, height: 8 },
        `SELECT bounce_class AS Class, replaceAll(bounce_reason, '_', ' ') AS Reason, enhanced_code AS "Enhanced code", if(smtp_code = 0, '', toString(smtp_code)) AS "SMTP code", ` +
          `messages AS Mails, recipient_domains AS Domains\nFROM ${hits('report_refusals')}\nORDER BY messages DESC, Class, Reason, "Enhanced code" LIMIT 100`,
      ),
    )
    .withPanel(sideBySide('mailbox_provider', 'How each mailbox provider treats the mail', 'Mailbox provider'))
    .withPanel(sideBySide('recipient_domain', 'How each recipient domain treats the mail', 'Recipient domain'))
    .withPanel(
      chart(
        { title: 'How long delivery took', says: 'Mails by the time from sending to acceptance.', defined: ['time to delivery'], unit: 'mails' },
        `SELECT multiIf(from_seconds < 60, concat(toString(from_seconds), ' s'), from_seconds < 3600, concat(toString(intDiv(from_seconds, 60)), ' min'), ` +
          `concat(toString(intDiv(from_seconds, 3600)), ' h')) AS "From", messages AS Mails\nFROM ${hits('report_delivery_spans')}\nORDER BY from_seconds`,
        { Mails: COLOURS.delivered },
      ),
    )
    .withPanel(
      rows(
        { title: 'Time to delivery by mailbox provider', says: 'Half of the mails arrived within the median, nine of ten within the 90 % column.', defined: ['time to delivery'], unit: 's', width: 12, height: 8 },
        `SELECT if(group_key = '', 'unknown', group_key) AS "Mailbox provider", messages AS Mails, p50 AS Median, p90 AS "90 %", p99 AS "99 %", slowest AS Slowest\n` +
          `FROM ${hits('report_latency', "by = 'mailbox_provider'")}\nORDER BY messages DESC, group_key LIMIT 200`,
        { Mails: 'mails' },
      ),
    );
