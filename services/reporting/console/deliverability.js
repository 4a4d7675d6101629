// Was the mail delivered, where does it bounce and why, and how does each provider and domain treat it.

import { overTime } from './charts.js';
import { count, counted, seconds, share, spanName, spans } from './dom.js';
import { provider, reason } from './names.js';
import { barList, bounces, complaints, delivery, empty, metered, panel, split, table, tile, tiles } from './panels.js';

const bounced = (row) => Object.values(row.bounced).reduce((sum, value) => sum + value, 0);

/** Delivery and engagement side by side. Judged only where there is enough mail to judge by. */
export const sideBySide = (name, named = (key) => key || 'unknown') => [
  [name, (row) => named(row.key), { text: true }],
  ['Sent', (row) => count(row.sent)],
  ['Delivered', (row) => metered(row.rates.delivery), { judge: (row) => row.sent >= 100 && delivery(row.rates.delivery) === 'bad' && 'bad' }],
  ['Bounced', (row) => share(row.rates.bounce), { judge: (row) => row.sent >= 100 && bounces(row.rates.bounce) === 'bad' && 'bad' }],
  ['Delayed', (row) => count(row.deferred)],
  ['Called spam', (row) => share(row.rates.complaint), { judge: (row) => complaints(row.rates.complaint, row.complained) }],
  ['Opened by people', (row) => metered(row.rates.open_low)],
  ['Clicked by people', (row) => count(row.clicks.human.unique)],
  ['Clicked by machines', (row) => count(row.clicks.automated.unique)],
];

function why([now, { rows }]) {
  if (rows.length === 0) return empty('Nothing bounced', 'Every mail of this window was accepted or is on its way.');
  return [
    split([['Hard', 'bad', now.bounced.hard], ['Block', 'block', now.bounced.block], ['Soft', 'warn', now.bounced.soft], ['Undetermined', 'unknown', now.bounced.undetermined]]),
    table('Why mail bounced', [
      ['Reason', (row) => reason(row.bounce_reason), { text: true }], ['Class', (row) => row.bounce_class, { text: true }],
      ['Codes', (row) => [row.smtp_code || '', row.enhanced_code].filter(Boolean).join(' ') || 'none told', { text: true }],
      ['Mails', (row) => count(row.messages)], ['Domains', (row) => count(row.recipient_domains)]], rows),
  ];
}

export function deliverability(reports, context) {
  const now = reports.get('summary');
  const series = reports.get('timeseries', { interval: context.interval, tz: context.zone });
  const rates = reports.get('timeseries', { interval: context.rates, tz: context.zone, cohort: 'sent' });
  return [
    tiles(
      tile('Mails sent', 'Mails handed to a receiving server.', now, ({ sent }) => ['sent', sent, count(sent), 'mails']),
      tile('Delivered', 'Of the mails sent, the share that the receiving servers accepted and kept. Good from 97 %, act under 90 %.', now, (row) => ['rates.delivery', row.rates.delivery, share(row.rates.delivery), counted(row.delivered, 'mail'), delivery(row.rates.delivery)]),
      tile('Bounced', 'Of the mails sent, the share that was refused for good. Good under 2 %, act from 5 %.', now, (row) => ['rates.bounce', row.rates.bounce, share(row.rates.bounce), counted(bounced(row), 'mail'), bounces(row.rates.bounce)]),
      tile('Called spam', 'Of the mails delivered, the share whose reader complained. Google and Yahoo want under 0.1 % and act on 0.3 %.', now, (row) => ['rates.complaint', row.rates.complaint, share(row.rates.complaint), `${counted(row.complained, 'complaint')}; wanted: under 0.1 %`, complaints(row.rates.complaint, row.complained)]),
      tile('Delayed at first', 'Mails that a receiving server put off at least once. Most arrive later.', now, ({ deferred, sent }) => ['deferred', deferred, count(deferred), `mails, ${share(sent ? deferred / sent : null)} of sent`]),
      tile('Unsubscribed', 'Of the mails delivered, the share whose reader unsubscribed.', now, (row) => ['rates.unsubscribe', row.rates.unsubscribe, share(row.rates.unsubscribe), counted(row.unsubscribed, 'reader')])),
    panel('What became of the mail over time', 'Bars: delivered and bounced. Lines: sent, delayed at first, called spam. A mail that was delayed and then arrived is delivered.', 'w8', series, (answer) => overTime(answer, [
      { name: 'Delivered', colour: 'human', adds: true, of: (row) => row.delivered },
      { name: 'Bounced', colour: 'bad', adds: true, of: bounced },
      { name: 'Sent', colour: 'sent', adds: true, line: true, of: (row) => row.sent },
      { name: 'Delayed', colour: 'warn', line: true, of: (row) => row.deferred },
      { name: 'Called spam', colour: 'block', line: true, of: (row) => row.complained }], { title: 'What became of the mail over time' })),
    panel('Complaint rate over time', 'Of the mail sent at each time. Google and Yahoo want it under 0.1 % and act on 0.3 %.', 'w4', rates, (answer) => overTime(answer, [
      { name: 'Called spam', colour: 'block', of: (row) => row.rates.complaint },
      { name: 'Wanted: under 0.1 %', colour: 'warn', constant: true, of: () => 0.001 },
      { name: 'Acted on: 0.3 %', colour: 'bad', constant: true, of: () => 0.003 }], { rates: true, stacked: false, least: 0.0035, title: 'Complaint rate over time' })),
    panel('Why mail bounced', 'Hard: no such mailbox. Block: reputation, spam, authentication. Soft: full, too large. By each mail’s last refusal.', 'w7', Promise.all([now, reports.get('refusals')]), why),
    panel('Bounces over time, by class', 'When mail was refused for good.', 'w5', series, (answer) => overTime(answer, [
      { name: 'Hard', colour: 'bad', adds: true, of: (row) => row.bounced.hard }, { name: 'Block', colour: 'block', adds: true, of: (row) => row.bounced.block },
      { name: 'Soft', colour: 'warn', adds: true, of: (row) => row.bounced.soft }, { name: 'Undetermined', colour: 'unknown', adds: true, of: (row) => row.bounced.undetermined }], { title: 'Bounces over time, by class' })),
    panel('How each mailbox provider treats the mail', 'Who runs the mailboxes: delivery and human engagement side by side, the largest first.', '', reports.get('breakdown', { by: 'mailbox_provider' }), ({ rows }) => table('Mailbox providers', sideBySide('Mailbox provider', provider), rows)),
    panel('How each recipient domain treats the mail', 'The same by what stands behind the @ of the address.', '', reports.get('breakdown', { by: 'recipient_domain' }), ({ rows }) => table('Recipient domains', sideBySide('Recipient domain'), rows)),
    panel('How long delivery took', 'Mails by the time from sending to acceptance.', 'w5', reports.get('delivery-times'), ({ rows }) => (rows.length === 0 ? untold()
      : barList(spans(rows).map((from) => [spanName(from), counted(rows.find((row) => row.from_seconds === from)?.messages ?? 0, 'mail'), [['human', rows.find((row) => row.from_seconds === from)?.messages ?? 0]]])))),
    panel('Time to delivery by mailbox provider', 'Half of the mails arrived within the first time, nine of ten within the second.', 'w7', reports.get('latency', { by: 'mailbox_provider' }), ({ rows }) => (rows.length === 0 ? untold() : table('Time to delivery', [
      ['Mailbox provider', (row) => provider(row.key), { text: true }], ['Mails', (row) => count(row.messages)], ['Half within', (row) => seconds(row.p50)],
      ['90 % within', (row) => seconds(row.p90)], ['99 % within', (row) => seconds(row.p99)], ['Slowest', (row) => seconds(row.slowest)]], rows))),
  ];
}

const untold = () => empty('Not known', 'It needs a sent and a delivered event of the same mail.');
