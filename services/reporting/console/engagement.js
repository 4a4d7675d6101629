// Which opens and clicks were people.

import { overTime } from './charts.js';
import { count, el, figure, share } from './dom.js';
import { source } from './names.js';
import { barList, empty, legend, panel, tile, tiles } from './panels.js';

export const actors = (what) => [
  { name: 'People', colour: 'human', adds: true, of: (row) => row[what].human.total },
  { name: 'Machines', colour: 'automated', adds: true, of: (row) => row[what].automated.total },
  { name: 'Nobody can tell', colour: 'unknown', adds: true, of: (row) => row[what].unknown.total },
];
export const all = (engagement) => engagement.human.total + engagement.automated.total + engagement.unknown.total;

/** The share of readers between surely and at most, with what a raw count would say. */
export function band([now, raw]) {
  const { open_low: low, open_high: high, open_estimate: estimate } = now.rates;
  if (low === null) return empty('No rate without delivered mail', 'Tell the API what became of your mail to see rates.');
  const most = Math.max(high, raw.rates.open ?? 0, 0.02) * 1.06;
  const at = (value) => `${Math.min(100, (100 * value) / most)}%`;
  const mark = (kind, value) => el('div', { class: `mark ${kind}`, style: { left: at(value) } });
  const row = (kind, pointer, value, text) => el('li', {}, el('i', { class: kind, 'aria-hidden': 'true' }), el('b', {}, figure(pointer, value, share(value))), ` ${text}`);
  return [
    el('div', { class: 'band', 'aria-hidden': 'true' },
      el('div', { class: 'range', style: { left: at(low), width: at(high - low) } }), el('div', { class: 'sure', style: { width: at(low) } }),
      estimate !== null && mark('estimate', estimate), mark('raw', raw.rates.open)),
    el('ul', { class: 'band-legend' },
      row('sure', 'rates.open_low', low, 'surely read: a person opened or clicked'),
      row('estimate', 'rates.open_estimate', estimate, estimate === null ? 'estimate: it needs 100 readers whom we can see' : 'estimate, if hidden readers are like those we can see'),
      row('range', 'rates.open_high', high, 'read at most: hidden and doubtful opens added'),
      row('raw', 'raw.rates.open', raw.rates.open, 'is what counting every open would say')),
  ];
}

export const reallyRead = (now, raw, width) =>
  panel('How many really read it', 'Of the mails delivered. The truth lies between surely and at most.', width, Promise.all([now, raw]), band);

function inShort([now, raw]) {
  const machines = now.opens.automated.total / Math.max(1, all(now.opens));
  return el('div', {},
    el('p', { class: 'headline' }, now.rates.open_low === null ? 'People opened ' : `Of ${count(now.delivered)} mails delivered, people opened `,
      el('b', {}, figure('opens.human.unique', now.opens.human.unique, count(now.opens.human.unique))), '. Counting every open would say ',
      el('em', {}, figure('raw.opens.unique', raw.opens.unique, count(raw.opens.unique))), '.'),
    el('p', { class: 'why' }, `${share(machines)} of all opens were machines: mail programs that load images ahead of time, and scanners.`));
}

/** Weekdays down, hours across, by the browser's clock. */
function hourMap({ rows }) {
  const grid = Array.from({ length: 7 }, () => new Array(24).fill(0));
  for (const row of rows) grid[row.weekday - 1][row.hour] += row.human;
  const most = Math.max(...grid.flat());
  if (most === 0) return empty('No reader in this window', 'People appear here by the hour at which they read.');
  // By the root: the hour of one large mailing must not make all others look alike.
  const depth = (value) => String(0.15 + 0.85 * Math.sqrt(value / most));
  const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
  const hours = [...Array(24).keys()];
  return [
    el('table', { class: 'hours' },
      el('thead', {}, el('tr', {}, el('td', {}), hours.map((hour) => el('th', { scope: 'col' }, el('span', { class: hour % 3 === 0 ? undefined : 'quiet' }, String(hour)))))),
      el('tbody', {}, grid.map((line, day) => el('tr', {}, el('th', { scope: 'row' }, days[day]), line.map((value, hour) =>
        el('td', { class: value ? undefined : 'none', title: `${days[day]} ${hour}:00 to ${hour + 1}:00: ${count(value)}` },
          el('i', { style: value ? { opacity: depth(value) } : {} }), el('span', { class: 'quiet' }, count(value)))))))),
    el('p', { class: 'scale', 'aria-hidden': 'true' }, 'none', el('i', { class: 'none' }), el('i', { style: { opacity: '0.15' } }), el('i', { style: { opacity: '0.55' } }), el('i', {}), `${count(most)} in the busiest hour`),
  ];
}

const rated = (reports, context) => {
  const asked = { interval: context.rates, tz: context.zone, cohort: 'sent' };
  return Promise.all([reports.get('timeseries', asked), reports.get('timeseries', { ...asked, suppress: 'none' })])
    .then(([counted, raw]) => ({ ...counted, rows: counted.rows.map((row, at) => ({ ...row, raw: raw.rows[at]?.rates ?? {} })) }));
};

export function engagement(reports, context) {
  const now = reports.get('summary');
  const raw = reports.get('summary', { suppress: 'none' });
  const both = Promise.all([now, raw]);
  const series = reports.get('timeseries', { interval: context.interval, tz: context.zone });
  const rates = rated(reports, context);
  const of = 'Of the mail sent at each time, whenever it was read';
  return [
    panel('In short', undefined, 'short w5', both, inShort),
    reallyRead(now, raw, 'w7'),
    tiles(
      tile('Opened by people', 'Mails that a person opened or clicked. A click shows that the mail was open, even where images are off.', now, ({ opens, rates: { open_low } }) => ['opens.human.unique', opens.human.unique, count(opens.human.unique), `mails, ${share(open_low)} of delivered`]),
      tile('Clicked by people', 'Mails in which a person followed a link.', now, ({ clicks }) => ['clicks.human.unique', clicks.human.unique, count(clicks.human.unique), 'mails']),
      tile('Open rate', 'Mails with an open that counts, of the mails delivered. What counts is chosen above, under “Leave out”.', both, ([counted, every]) => ['rates.open', counted.rates.open, share(counted.rates.open), `counted; with machines ${share(every.rates.open)}`]),
      tile('Click rate', 'Mails with a click that counts, of the mails delivered. What counts is chosen above, under “Leave out”.', both, ([counted, every]) => ['rates.click', counted.rates.click, share(counted.rates.click), `counted; with machines ${share(every.rates.click)}`]),
      tile('Clicks per open', 'Of the mails opened, the share that was clicked too.', now, ({ rates: { click_to_open } }) => ['rates.click_to_open', click_to_open, share(click_to_open), 'of the mails opened']),
      tile('Opens made by machines', 'Of all loads of the picture that counts opens, the share that machines made.', now, ({ opens }) => ['automated_share', opens.automated.total / (all(opens) || 1), share(opens.automated.total / (all(opens) || 1)), `${count(opens.automated.total)} of ${count(all(opens))} opens`])),
    panel('Readers over time, from surely to at most', `${of}: the truth lies in the shaded band.`, 'w6', rates, (answer) => overTime(answer, [
      { name: 'Read at most', colour: 'unknown', of: (row) => row.rates.open_high },
      { name: 'Estimate', colour: 'sent', of: (row) => row.rates.open_estimate },
      { name: 'Surely read', colour: 'human', of: (row) => row.rates.open_low }], { rates: true, stacked: false, band: [0, 2], title: 'Readers over time, from surely to at most' })),
    panel('When people read', `Opens and clicks by people, by weekday and hour in the time zone ${context.zone.replaceAll('_', ' ')}.`, 'w6', reports.get('hours', { tz: context.zone }), hourMap),
    panel('Opens over time', 'Every load of the picture that counts opens, by who made it. Nothing is left out here.', 'w6', series, (answer) => overTime(answer, actors('opens'), { title: 'Opens over time' })),
    panel('Clicks over time', 'Every followed link, by who followed it. Nothing is left out here.', 'w6', series, (answer) => overTime(answer, actors('clicks'), { title: 'Clicks over time' })),
    panel('True against raw open rate', `${of}: what counting everything would report, what is counted here, what people surely opened.`, 'w6', rates, (answer) => overTime(answer, [
      { name: 'Raw, machines included', colour: 'automated', of: (row) => row.raw.open ?? null },
      { name: 'Counted', colour: 'sent', of: (row) => row.rates.open },
      { name: 'People', colour: 'human', of: (row) => row.rates.open_low }], { rates: true, stacked: false, title: 'True against raw open rate' })),
    panel('True against raw click rate', `${of}: what counting everything would report, and what is counted here.`, 'w6', rates, (answer) => overTime(answer, [
      { name: 'Raw, machines included', colour: 'automated', of: (row) => row.raw.click ?? null },
      { name: 'Counted', colour: 'sent', of: (row) => row.rates.click }], { rates: true, stacked: false, title: 'True against raw click rate' })),
    panel('Which machines opened and clicked', 'The busiest first.', 'w6', reports.get('breakdown', { by: 'source' }), ({ rows }) => hitBars(
      rows.filter((row) => row.opens.automated.total + row.clicks.automated.total > 0), source, 'automated', ['automated', 'bad'], 'No machine in this window', 'Scanners and mail programs that load ahead appear here.')),
    readWith(reports, 'w6'),
  ];
}

/** What people read with, for the whole window or one campaign. */
export const readWith = (reports, width) => panel('What people read with', 'Opens and clicks by people, by mail program or browser.', width, reports.get('breakdown', { by: 'client' }), ({ rows }) => hitBars(
  rows.filter((row) => row.opens.human.total + row.clicks.human.total > 0), (id) => id || 'unknown', 'human', ['human', 'sent'], 'No reader in this window', 'Nobody opened or clicked yet.'));

function hitBars(rows, name, actor, [opens, clicks], none, says) {
  if (rows.length === 0) return empty(none, says);
  return [legend([['Opens', opens], ['Clicks', clicks]]), barList(rows.slice(0, 15).map((row) => [name(row.key), `${count(row.opens[actor].total)} opens, ${count(row.clicks[actor].total)} clicks`,
    [[opens, row.opens[actor].total], [clicks, row.clicks[actor].total]]]))];
}
