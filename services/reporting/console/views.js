// One view a dashboard. Each asks the API for what it shows and makes its panels of the answers.

import { overTime } from './charts.js';
import { count, el, figure, moment, seconds, share, words } from './dom.js';
import { barList, bounces, card, complaints, delivery, empty, metered, split, table, tile } from './panels.js';

const actors = (what) => [
  { name: 'People', colour: 'human', adds: true, of: (row) => row[what].human.total },
  { name: 'Machines', colour: 'automated', adds: true, of: (row) => row[what].automated.total },
  { name: 'Nobody can tell', colour: 'unknown', adds: true, of: (row) => row[what].unknown.total },
];
const all = (engagement) => engagement.human.total + engagement.automated.total + engagement.unknown.total;
const nothing = () => [card('Nothing here yet', undefined, '', empty('No mail in this window',
  'Choose a longer window or fewer filters. To see figures without mail of your own, run: trueopen simulate --recipients 2000'))];
const isEmpty = (summary) => summary.sent === 0 && all(summary.opens) === 0 && all(summary.clicks) === 0;

/** The share of readers between surely and at most, with what a raw count would say. */
function band(now, raw) {
  const { open_low: low, open_high: high, open_estimate: estimate } = now.rates;
  if (low === null) return empty('No rate without delivered mail', 'Tell the API what became of your mail to see rates.');
  const most = Math.max(high, raw.rates.open ?? 0, 0.02) * 1.12;
  const at = (value) => `${Math.min(100, (100 * value) / most)}%`;
  const edge = (value) => (value / most < 0.14 ? 'start' : value / most > 0.86 ? 'end' : '');
  const tag = (pointer, where, value, text) => el('span', { class: `tag ${where} ${edge(value)}`, style: { left: at(value) } }, figure(pointer, value, el('b', {}, share(value))), ` ${text}`);
  return el('div', { class: 'band', role: 'group', 'aria-label': 'Readers, of the mail delivered' },
    el('div', { class: 'track' }),
    el('div', { class: 'range', style: { left: at(low), width: at(high - low) } }),
    el('div', { class: 'sure', style: { width: at(low) } }),
    tag('rates.open_low', 'up', low, 'surely read'),
    tag('rates.open_high', 'down', high, 'at most'),
    raw.rates.open > high * 1.05 && [el('div', { class: 'mark raw', style: { left: at(raw.rates.open) } }), tag('raw.rates.open', 'up above', raw.rates.open, 'raw opens')],
    estimate !== null && el('div', { class: 'mark', style: { left: at(estimate) }, title: `estimate ${share(estimate)}` }));
}

function hero(now, raw) {
  const machines = now.opens.automated.total / Math.max(1, all(now.opens));
  return el('section', { class: 'card hero', 'aria-label': 'In short' },
    el('div', {},
      el('h1', {}, now.rates.open_low === null ? 'People opened ' : `Of ${count(now.delivered)} mails delivered, people opened `,
        el('b', {}, figure('opens.human.unique', now.opens.human.unique, count(now.opens.human.unique))), '. Counting every open would say ',
        el('s', {}, figure('raw.opens.unique', raw.opens.unique, count(raw.opens.unique))), '.'),
      el('p', { class: 'why' }, `${share(machines)} of all opens were machines: mail programs that load images ahead of time, and scanners. `,
        now.rates.open_estimate === null ? '' : ['The readers we can see suggest that ', figure('rates.open_estimate', now.rates.open_estimate, share(now.rates.open_estimate)), ' read it.'])),
    band(now, raw));
}

/** Weekdays down, hours across, added up of hourly counts by the browser's clock. */
function hourMap(hourly) {
  const grid = Array.from({ length: 7 }, () => new Array(24).fill(0));
  for (const row of hourly.rows) {
    const people = row.opens.human.total + row.clicks.human.total;
    // `bucket` is local time with its offset: its own words are the local hour.
    const day = (new Date(`${row.bucket.slice(0, 10)}T00:00:00Z`).getUTCDay() + 6) % 7;
    grid[day][Number(row.bucket.slice(11, 13))] += people;
  }
  const most = Math.max(...grid.flat());
  if (most === 0) return empty('No reader in this window', 'People appear here by the hour at which they read.');
  const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Reading by weekday and hour' }, el('div', { class: 'hours' },
    el('span'), Array.from({ length: 24 }, (_, hour) => el('span', { class: 'h' }, hour % 3 === 0 ? String(hour) : '')),
    grid.map((hours, day) => [el('span', { class: 'd' }, days[day]), hours.map((value, hour) =>
      el('div', { class: `cell ${value ? '' : 'none'}`, role: 'img', title: `${days[day]} ${hour}:00 – ${count(value)}`, 'aria-label': `${days[day]} ${hour}:00, ${count(value)}`,
        style: value ? { opacity: String(0.18 + (0.82 * value) / most) } : {} }))])));
}

export async function engagement(reports, context) {
  const [now, raw] = await Promise.all([reports.get('summary'), reports.get('summary', { suppress: 'none' })]);
  if (isEmpty(now)) return nothing();
  const over = { interval: context.interval, tz: context.zone };
  const hours = context.days <= 120 ? reports.get('timeseries', { interval: 'hour', tz: context.zone }) : undefined;
  const [series, sentSeries, rawSeries, sources, clients, hourly] = await Promise.all([
    reports.get('timeseries', over), reports.get('timeseries', { ...over, cohort: 'sent' }), reports.get('timeseries', { ...over, cohort: 'sent', suppress: 'none' }),
    reports.get('breakdown', { by: 'source' }), reports.get('breakdown', { by: 'client' }), hours]);
  const both = { ...sentSeries, rows: sentSeries.rows.map((row, at) => ({ ...row, raw: rawSeries.rows[at].rates })) };
  const machines = sources.rows.filter((row) => row.opens.automated.total + row.clicks.automated.total > 0).slice(0, 10);
  const people = clients.rows.filter((row) => row.opens.human.total + row.clicks.human.total > 0).slice(0, 10);
  return [
    hero(now, raw),
    el('div', { class: 'tiles' },
      tile('Opened by people', 'opens.human.unique', now.opens.human.unique, count(now.opens.human.unique), `${share(now.rates.open_low)} of delivered`),
      tile('Clicked by people', 'clicks.human.unique', now.clicks.human.unique, count(now.clicks.human.unique), 'mails with a human click'),
      tile('Open rate, counted', 'rates.open', now.rates.open, share(now.rates.open), `raw it would be ${share(raw.rates.open)}`),
      tile('Click rate, counted', 'rates.click', now.rates.click, share(now.rates.click), `raw it would be ${share(raw.rates.click)}`),
      tile('Clicks per open', 'rates.click_to_open', now.rates.click_to_open, share(now.rates.click_to_open), 'of the mails opened')),
    card('Opens over time', 'Every load of the pixel, by who made it.', 'w6', overTime(series, actors('opens'), { title: 'Opens over time' })),
    card('Clicks over time', 'Every followed link, by who followed it.', 'w6', overTime(series, actors('clicks'), { title: 'Clicks over time' })),
    card('True against raw open rate', 'Of the mail sent at each time, whenever it was read: what other tools would report, what is counted here, what people surely opened.', 'w6', overTime(both, [
      { name: 'Raw, machines included', colour: 'automated', of: (row) => row.raw.open },
      { name: 'Counted', colour: 'sent', of: (row) => row.rates.open },
      { name: 'People', colour: 'human', of: (row) => row.rates.open_low }], { rates: true, stacked: false, title: 'True against raw open rate' })),
    card('When people read', `Opens and clicks by people, by weekday and hour in ${context.zone.replace('_', ' ')}.`, 'w6', hourly ? hourMap(hourly) : empty('The window is too long', 'Choose one of 120 days or fewer.')),
    card('Which machines opened and clicked', 'The busiest first.', 'w6', machines.length ? barList(machines.map((row) => [words(row.key), `${count(row.opens.automated.total)} opens, ${count(row.clicks.automated.total)} clicks`,
      [['automated', row.opens.automated.total], ['bad', row.clicks.automated.total]]])) : empty('No machine in this window', 'Scanners and prefetching mail programs appear here.')),
    card('What people read with', 'Mail programs and browsers.', 'w6', people.length ? barList(people.map((row) => [row.key || 'unknown', `${count(row.opens.human.total)} opens, ${count(row.clicks.human.total)} clicks`,
      [['human', row.opens.human.total], ['sent', row.clicks.human.total]]])) : empty('No reader in this window', 'Nobody opened or clicked yet.')),
  ];
}

const sideBySide = (name, named = (key) => key) => [
  [name, (row) => named(row.key) || 'unknown', { text: true }],
  ['Sent', (row) => count(row.sent)],
  ['Delivered', (row) => metered(row.rates.delivery), { judge: (row) => row.sent >= 20 && delivery(row.rates.delivery) === 'bad' && 'bad' }],
  ['Bounced', (row) => share(row.rates.bounce), { judge: (row) => row.sent >= 20 && bounces(row.rates.bounce) === 'bad' && 'bad' }],
  ['Delayed', (row) => count(row.deferred)],
  ['Called spam', (row) => share(row.rates.complaint), { judge: (row) => row.delivered >= 300 && complaints(row.rates.complaint) }],
  ['Opened by people', (row) => metered(row.rates.open_low)],
  ['Clicked by people', (row) => count(row.clicks.human.unique)],
  ['Clicked by machines', (row) => count(row.clicks.automated.unique)],
];

export async function deliverability(reports, context) {
  const now = await reports.get('summary');
  if (isEmpty(now)) return nothing();
  const [series, reasons, providers, domains, latency, times] = await Promise.all([
    reports.get('timeseries', { interval: context.interval, tz: context.zone }), reports.get('breakdown', { by: 'bounce_reason' }),
    reports.get('breakdown', { by: 'mailbox_provider' }), reports.get('breakdown', { by: 'recipient_domain' }),
    reports.get('latency', { by: 'mailbox_provider' }), reports.get('latency')]);
  const bounced = Object.values(now.bounced).reduce((sum, value) => sum + value, 0);
  return [
    el('div', { class: 'tiles' },
      tile('Sent', 'sent', now.sent, count(now.sent), 'mails handed over'),
      tile('Delivered', 'rates.delivery', now.rates.delivery, share(now.rates.delivery), `${count(now.delivered)} mails`, delivery(now.rates.delivery)),
      tile('Bounced', 'rates.bounce', now.rates.bounce, share(now.rates.bounce), `${count(bounced)} mails`, bounces(now.rates.bounce)),
      tile('Called spam', 'rates.complaint', now.rates.complaint, share(now.rates.complaint), 'wanted: under 0.1 %, acted on: 0.3 %', complaints(now.rates.complaint)),
      tile('Delayed at first', 'deferred', now.deferred, count(now.deferred), times.rows[0] ? `half delivered within ${seconds(times.rows[0].p50)}` : 'mails'),
      tile('Unsubscribed', 'rates.unsubscribe', now.rates.unsubscribe, share(now.rates.unsubscribe), `${count(now.unsubscribed)} readers`)),
    card('What became of the mail over time', 'Delivered, refused for good and called spam; a mail that was delayed and then arrived is delivered.', 'w8', overTime(series, [
      { name: 'Delivered', colour: 'human', of: (row) => row.delivered },
      { name: 'Bounced', colour: 'bad', of: (row) => Object.values(row.bounced).reduce((sum, value) => sum + value, 0) },
      { name: 'Called spam', colour: 'block', of: (row) => row.complained }], { title: 'What became of the mail over time' })),
    card('Why mail bounced', 'By class, then by reason.', 'w4', bounced ? [
      split([['Hard', 'bad', now.bounced.hard], ['Block', 'block', now.bounced.block], ['Soft', 'warn', now.bounced.soft], ['Undetermined', 'unknown', now.bounced.undetermined]]),
      barList(reasons.rows.slice(0, 8).map((row) => [words(row.key), count(Object.values(row.bounced).reduce((sum, value) => sum + value, 0)),
        [['bad', row.bounced.hard], ['block', row.bounced.block], ['warn', row.bounced.soft], ['unknown', row.bounced.undetermined]]]))] : empty('Nothing bounced', 'Every mail of this window was accepted or is on its way.')),
    card('How each mailbox provider treats the mail', 'Delivery and human engagement side by side, the largest first.', '', table('Mailbox providers', sideBySide('Mailbox provider', words), providers.rows.slice(0, 100))),
    card('How each recipient domain treats the mail', 'The same by the domain of the address.', '', table('Recipient domains', sideBySide('Recipient domain'), domains.rows.slice(0, 200))),
    card('Time to delivery', 'From sending to acceptance, by mailbox provider.', '', latency.rows.length ? table('Time to delivery', [
      ['Mailbox provider', (row) => words(row.key) || 'unknown', { text: true }], ['Mails', (row) => count(row.messages)], ['Half within', (row) => seconds(row.p50)],
      ['90 % within', (row) => seconds(row.p90)], ['99 % within', (row) => seconds(row.p99)], ['Slowest', (row) => seconds(row.slowest)]], latency.rows.slice(0, 100)) : empty('Not known', 'It needs a sent and a delivered event of the same mail.')),
  ];
}

export async function campaign(reports, context) {
  const now = await reports.get('summary');
  if (isEmpty(now)) return nothing();
  const [links, campaigns, series] = await Promise.all([
    reports.get('breakdown', { by: 'link' }), reports.get('breakdown', { by: 'campaign', campaign: '' }), reports.get('timeseries', { interval: context.interval, tz: context.zone })]);
  const named = context.campaign || 'all campaigns';
  return [
    card(`From sent to clicked: ${named}`, 'How many mails got how far; opens and clicks are those of people.', 'w6', barList([
      ['Sent', figure('sent', now.sent, count(now.sent)), [['sent', now.sent]]],
      ['Delivered', figure('delivered', now.delivered, `${count(now.delivered)} · ${share(now.rates.delivery)}`), [['sent', now.delivered]]],
      ['Opened by people', figure('opens.human.unique', now.opens.human.unique, `${count(now.opens.human.unique)} · ${share(now.rates.open_low)}`), [['human', now.opens.human.unique]]],
      ['Clicked by people', figure('clicks.human.unique', now.clicks.human.unique, count(now.clicks.human.unique)), [['human', now.clicks.human.unique]]]], 'funnel')),
    card('Which links people followed', 'By the place in the mail and the label you gave; never by URL.', 'w6', links.rows.length ? table('Links', [
      ['Link', (row) => row.label || (row.index === null ? 'without a place' : `link ${row.index + 1}`), { text: true }], ['Place', (row) => (row.index === null ? '' : count(row.index + 1))],
      ['Mails, by people', (row) => count(row.clicks.human.unique)], ['Mails, counted', (row) => count(row.clicks.unique)], ['Clicks by machines', (row) => count(row.clicks.automated.total)]], links.rows.slice(0, 200)) : empty('No click yet', 'Each link that is followed appears here.')),
    card('Opens and clicks by people over time', undefined, '', overTime(series, [
      { name: 'Opens', colour: 'human', adds: true, of: (row) => row.opens.human.total }, { name: 'Clicks', colour: 'sent', adds: true, of: (row) => row.clicks.human.total }], { title: 'Opens and clicks by people over time' })),
    card('All campaigns of the window', 'Choose one to see it alone.', '', table('Campaigns', [
      ['Campaign', (row) => (row.key ? el('button', { type: 'button', class: 'link', on: { click: () => context.choose('campaign', row.key) } }, row.key) : 'without a name'), { text: true }],
      ...sideBySide('').slice(1)], campaigns.rows.slice(0, 200))),
  ];
}

export async function scanners(reports) {
  const now = await reports.get('summary');
  if (isEmpty(now)) return nothing();
  const [sources, domains, suspects] = await Promise.all([reports.get('breakdown', { by: 'source' }), reports.get('breakdown', { by: 'recipient_domain' }), reports.unsubscribes()]);
  const machines = sources.rows.filter((row) => row.opens.automated.total + row.clicks.automated.total > 0);
  const scanned = domains.rows.filter((row) => row.clicks.automated.unique > 0).sort((left, right) => right.clicks.automated.unique - left.clicks.automated.unique);
  const listed = suspects.unsubscribes;
  return [
    el('div', { class: 'tiles' },
      tile('Opens by machines', 'opens.automated.total', now.opens.automated.total, count(now.opens.automated.total), `${share(now.opens.automated.total / Math.max(1, all(now.opens)))} of all opens`),
      tile('Clicks by machines', 'clicks.automated.total', now.clicks.automated.total, count(now.clicks.automated.total), `${share(now.clicks.automated.total / Math.max(1, all(now.clicks)))} of all clicks`),
      tile('Domains with scanned links', 'scanned', scanned.length, count(scanned.length), 'where a machine clicked'),
      tile('Unsubscribes to look at', 'suspects', listed.length, count(listed.length), 'asked by what looks like a machine')),
    card('Who looks', 'Opens and clicks of each machine.', 'w6', machines.length ? barList(machines.map((row) => [words(row.key), `${count(row.opens.automated.total)} opens, ${count(row.clicks.automated.total)} clicks`,
      [['automated', row.opens.automated.total], ['bad', row.clicks.automated.total]]])) : empty('No machine in this window', 'Scanners and prefetching mail programs appear here.')),
    card('Whose mail is scanned', 'Domains by the mails whose links a machine followed.', 'w6', scanned.length ? table('Scanned domains', [
      ['Recipient domain', (row) => row.key || 'unknown', { text: true }], ['Delivered', (row) => count(row.delivered)], ['Clicked by machines', (row) => count(row.clicks.automated.unique)], ['Clicked by people', (row) => count(row.clicks.human.unique)]], scanned.slice(0, 100)) : empty('No scanned links', 'Domains whose gateway follows links appear here.')),
    card('Unsubscribes to look at', 'They are in force until you reverse them through the API; some are genuine, sent by a mailbox provider for its user.', '', listed.length ? table('Suspect unsubscribes', [
      ['Time', (row) => moment(row.at ?? row.received_at), { text: true }], ['Message', (row) => row.message_id, { text: true }], ['Campaign', (row) => row.campaign ?? '', { text: true }], ['Standing', (row) => (row.reversed_at ? 'reversed' : 'in force'), { text: true }]], listed) : empty('Nothing to look at', 'No machine asked to unsubscribe anybody.')),
  ];
}
