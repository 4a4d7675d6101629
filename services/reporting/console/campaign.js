// One campaign: from sent to clicked, and which links.

import { overTime } from './charts.js';
import { count, counted, el, figure, share } from './dom.js';
import { sideBySide } from './deliverability.js';
import { reallyRead, readWith } from './engagement.js';
import { barList, empty, legend, panel, table, tile, tiles } from './panels.js';

const funnel = (now) => barList([
  ['Sent', figure('sent', now.sent, count(now.sent)), [['sent', now.sent]]],
  ['Delivered', figure('delivered', now.delivered, `${count(now.delivered)} · ${share(now.rates.delivery)} of sent`), [['sent', now.delivered]]],
  ['Opened by people', figure('opens.human.unique', now.opens.human.unique, `${count(now.opens.human.unique)} · ${share(now.rates.open_low)} of delivered`), [['human', now.opens.human.unique]]],
  ['Clicked by people', figure('clicks.human.unique', now.clicks.human.unique, `${count(now.clicks.human.unique)} · ${share(now.delivered ? now.clicks.human.unique / now.delivered : null)} of delivered`), [['human', now.clicks.human.unique]]]], 'funnel');

/** People by label, and how many of them returned on another day. */
const returned = ({ rows }) => (rows.length === 0 ? empty('No visit yet', 'A person who follows a link appears here by the label that you gave it.') : [
  legend([['Came on one day', 'sent'], ['Returned on another day', 'human', rows.reduce((sum, row) => sum + row.returning, 0)]]),
  barList(rows.slice(0, 12).map((row) => [row.label || (row.index === null ? 'without a label' : `link ${row.index + 1}`), `${counted(row.messages, 'mail')} in ${counted(row.visits, 'visit')}, ${count(row.returning)} returned`, [['human', row.returning], ['sent', row.messages - row.returning]]]))]);

export function campaign(reports, context) {
  const now = reports.get('summary');
  const raw = reports.get('summary', { suppress: 'none' });
  const rate = (name, of) => (row) => [`rates.${name}`, row.rates[name], share(row.rates[name]), of];
  const named = (row) => (row.key ? el('button', { type: 'button', class: 'link', on: { click: () => context.choose('one-campaign', row.key) } }, row.key) : 'without a name');
  return [
    panel('From sent to clicked', `How many mails of ${context.campaign ? `“${context.campaign}”` : 'all campaigns'} got how far; opens and clicks are those of people.`, 'w6', now, funnel),
    reallyRead(now, raw, 'w6'),
    tiles(
      tile('Delivered', 'Of the mails sent, the share that was accepted.', now, rate('delivery', 'of sent')),
      tile('Open rate', 'Mails with an open that counts, of the mails delivered. What counts is chosen above, under “Leave out”.', now, rate('open', 'of delivered, counted')),
      tile('Click rate', 'Mails with a click that counts, of the mails delivered. What counts is chosen above, under “Leave out”.', now, rate('click', 'of delivered, counted')),
      tile('Unsubscribed', 'Of the mails delivered, the share whose reader unsubscribed.', now, rate('unsubscribe', 'of delivered'))),
    panel('Which links people followed', 'Mails by link, that is by its place in the mail and the label you gave it, never by its URL.', 'w7', reports.get('breakdown', { by: 'link' }), ({ rows }) => (rows.length === 0 ? empty('No click yet', 'Each link that is followed appears here.') : table('Links', [
      ['Link', (row) => row.label || (row.index === null ? 'without a place' : `link ${row.index + 1}`), { text: true }], ['Place', (row) => (row.index === null ? '' : count(row.index + 1))],
      ['By people', (row) => count(row.clicks.human.unique)], ['Counted', (row) => count(row.clicks.unique)], ['Machines’ clicks', (row) => count(row.clicks.automated.total)], ['Unclear', (row) => count(row.clicks.unknown.total)]], rows))),
    readWith(reports, 'w5'),
    panel('Who came back to a link', 'People by the label of the links they followed. One who comes on another day too is weighing something up.', '', reports.get('visits', { tz: context.zone }), returned),
    panel('Opens and clicks by people over time', 'Every open and click that a person made.', '', reports.get('timeseries', { interval: context.interval, tz: context.zone }), (answer) => overTime(answer, [
      { name: 'Opens', colour: 'human', adds: true, of: (row) => row.opens.human.total }, { name: 'Clicks', colour: 'sent', adds: true, of: (row) => row.clicks.human.total }], { title: 'Opens and clicks by people over time' })),
    panel('Recipient domains of the campaign', 'Delivery and human engagement by what stands behind the @ of the address.', '', reports.get('breakdown', { by: 'recipient_domain' }), ({ rows }) => table('Recipient domains', sideBySide('Recipient domain'), rows)),
    panel('All campaigns of the window', 'To compare. Choose one to see it alone.', '', reports.get('breakdown', { by: 'campaign', campaign: '' }), ({ rows }) => table('Campaigns', [
      ['Campaign', named, { text: true }], ...sideBySide('').slice(1)], rows)),
  ];
}
