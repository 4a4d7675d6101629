// How the system itself fares, from the metrics of the process that answers: under `up` of every stage. What was counted since
// the process began, and what happens while the page is open.

import { Refused, metrics } from './api.js';
import { count, el, figure, seconds } from './dom.js';
import { card, empty } from './panels.js';

const EVERY = 5000;
const KEPT = 240;
const COLOURS = ['human', 'sent', 'automated', 'block', 'unknown', 'warn', 'bad'];

/** A reading: its moment, and by name the labels and values. */
function read(text) {
  const found = new Map();
  for (const line of text.split('\n')) {
    const [, name, labels, value] = line.match(/^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/) ?? [];
    if (!name) continue;
    if (!found.has(name)) found.set(name, []);
    const pairs = [...(labels ?? '').matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, said]) => [key, said]);
    found.get(name).push({ ...Object.fromEntries(pairs), value: Number(value) });
  }
  return { at: Date.now(), found };
}

const rows = (reading, name) => reading.found.get(`trueopen_${name}`) ?? [];
const total = (reading, name) => rows(reading, name).reduce((sum, row) => sum + row.value, 0);
const largest = (reading, name) => Math.max(0, ...rows(reading, name).map((row) => row.value));

/** Sums by labels. */
function by(reading, name, labels) {
  const sums = new Map();
  for (const row of rows(reading, name)) {
    const key = labels.map((label) => row[label]).join(' → ');
    sums.set(key, (sums.get(key) ?? 0) + row.value);
  }
  return sums;
}

/** What one panel draws: values by the name of their line. */
const level = (name, labels, prefix = '') => (now) => new Map([...by(now, name, labels)].map(([key, value]) => [`${prefix}${key}`, value]));
const rate = (name, labels, prefix = '', only = () => true) => (now, before) => {
  const past = before && by({ found: new Map([...before.found].map(([key, list]) => [key, list.filter(only)])) }, name, labels);
  const present = by({ found: new Map([...now.found].map(([key, list]) => [key, list.filter(only)])) }, name, labels);
  return new Map([...present].map(([key, value]) => [`${prefix}${key}`, before ? Math.max(0, value - (past.get(key) ?? 0)) / ((now.at - before.at) / 1000) : null]));
};

/** The quantile of what a histogram took between two readings, by label. */
const quantile = (portion, name, title, label) => (now, before) => {
  const found = new Map();
  const groups = new Map();
  for (const row of rows(now, `${name}_bucket`)) {
    const key = label ? row[label] : '';
    const past = before ? rows(before, `${name}_bucket`).find((one) => one.le === row.le && (!label || one[label] === key))?.value ?? 0 : row.value;
    groups.set(key, [...(groups.get(key) ?? []), [row.le === '+Inf' ? Infinity : Number(row.le), row.value - past]]);
  }
  for (const [key, buckets] of groups) {
    buckets.sort(([left], [right]) => left - right);
    const all = buckets[buckets.length - 1][1];
    const at = buckets.findIndex(([, upto]) => upto >= portion * all);
    const [low, under] = at > 0 ? buckets[at - 1] : [0, 0];
    const [high, upto] = buckets[at];
    found.set(title || key, all === 0 ? null : high === Infinity ? low : low + (high - low) * ((portion * all - under) / Math.max(1, upto - under)));
  }
  return found;
};
const several = (...asked) => (now, before) => new Map(asked.flatMap((one) => [...one(now, before)]));
const one = (title, of) => (now) => new Map([[title, of(now)]]);

const bytes = (value) => (value >= 1e9 ? `${(value / 1e9).toFixed(1)} GB` : value >= 1e6 ? `${(value / 1e6).toFixed(1)} MB` : `${count(Math.round(value / 1e3))} kB`);
const perSecond = (value) => `${value >= 10 ? count(Math.round(value)) : value.toFixed(1)} a second`;
const number = (value) => count(Math.round(value));
const brief = (value) => (value < 1 ? `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms` : seconds(value));

const dead = (now) => ['classifier_dead_lettered_records_total', 'loader_dead_lettered_records_total', 'stream_forward_set_aside_records_total'].reduce((sum, name) => sum + total(now, name), 0);
const some = (value) => (value > 0 ? 'bad' : 'good');
const TILES = [
  ['Hits lost', 'Readers were served and their hits not recorded, since the process began. It must stay 0.', (now) => total(now, 'tracker_refused_hits_total'), number, some],
  ['Hits unconfirmed', 'Readers were served before their hit was surely on disk, since the process began.', (now) => total(now, 'tracker_unconfirmed_hits_total'), number, some],
  ['Records set aside', 'Records that could not be read or stored, kept with their reason as dead letters, since the process began.', dead, number, some],
  ['Waiting for a verdict', 'Hits that the classifier has not judged yet.', (now) => total(now, 'classifier_lag_records'), number],
  ['Waiting for the database', 'Verdicts and delivery events that reports do not show yet.', (now) => total(now, 'loader_lag_records'), number],
  ['Age of the copy of keys', 'Since accounts, keys and settings were last read; at 24 hours keys are refused.', (now) => largest(now, 'store_directory_age_seconds'), seconds, (age) => (age > 43_200 ? 'bad' : age > 300 ? 'warn' : 'good')],
];
const LINES = [
  ['Hits', 'Opens, clicks, unsubscribes and traps that arrived, and those that are durable.', several(rate('tracker_received_hits_total', ['kind']), rate('tracker_journaled_hits_total', [], 'durable')), perSecond],
  ['How fast readers are answered', 'From the arrival of a request to its answer.', several(quantile(0.5, 'tracker_answer_seconds', 'half within'), quantile(0.99, 'tracker_answer_seconds', '99 % within')), brief],
  ['Requests that are no hit', 'Tokens that could not be opened, and other requests. A burst of them is a broken template or a stranger.', several(rate('tracker_unopened_requests_total', ['reason'], 'unopened: '), rate('tracker_other_requests_total', ['reason'], 'other: ')), perSecond],
  ['Journal on disk', 'The queues on this disk. They may grow until the configured bound, then hits are lost.', level('journal_segment_bytes', ['journal']), bytes],
  ['Oldest record that waits', 'Age of the oldest record that its next stage has not taken.', level('journal_oldest_unread_age_seconds', ['journal', 'consumer']), seconds],
  ['How long the disk takes', 'Time of one sync, 99 of 100 within; answers wait for it.', quantile(0.99, 'journal_sync_seconds', '', 'journal'), brief],
  ['Waiting for Kafka', 'Records in a journal that Kafka has not confirmed, and appends that failed.', several(level('stream_forward_waiting_records', ['topic']), rate('stream_append_failures_total', ['topic'], 'failures a second: ')), number],
  ['Lag of classifier and loader', 'Records that each stage has before it.', several(one('verdicts', (now) => total(now, 'classifier_lag_records')), level('loader_lag_records', ['topic'], 'database: ')), number],
  ['Verdicts', 'Hits judged, by who made them, and verdicts that were revised.', several(rate('classifier_verdicts_total', ['actor']), rate('classifier_corrections_total', [], 'revised')), perSecond],
  ['Rows stored', 'Records whose rows the database confirmed, and inserts that failed.', several(rate('loader_loaded_records_total', ['topic']), rate('loader_insert_failures_total', ['class'], 'failures: ')), perSecond],
  ['How far roll-ups are behind', 'Since the oldest message whose summary is not made anew was touched. Reports stay exact and get slower.', one('behind', (now) => largest(now, 'loader_rollup_lag_seconds')), seconds],
  ['Messages to roll up', 'Messages whose summary is not made anew yet, which reports count from the events, and rounds that failed.', several(one('waiting', (now) => total(now, 'loader_rollup_waiting_messages')), one('failed rounds since the start', (now) => total(now, 'loader_rollup_failures_total'))), number],
  ['Webhooks of mail providers', 'Requests that were taken, and those that were refused with the reason. What is refused is in no report.', rate('reporting_webhook_requests_total', ['provider', 'outcome']), perSecond],
  ['How fast reports are', 'From a request to its answer, 95 of 100 within.', quantile(0.95, 'reporting_request_seconds', '', 'route'), brief],
  ['Errors of the API', 'Answers that say the server failed or is away.', rate('reporting_requests_total', ['route'], '', (row) => !('status' in row) || row.status === '5xx'), perSecond],
  ['Embedded database', '1 while it answers, and how often it was started again. Without a line the database is a server of its own.', several(level('embedded_up', [], 'up'), level('embedded_restarts_total', [], 'restarts since the start')), number],
];

/** Lines of the values over the readings, with what each says now. */
function drawn(history, of, written, title) {
  const values = history.map((now, at) => of(now, history[at - 1]));
  const names = [...new Set(values.flatMap((one) => [...one.keys()]))];
  const known = names.filter((name) => values.some((one) => (one.get(name) ?? null) !== null)).slice(0, COLOURS.length);
  if (known.length === 0) return [empty('Nothing yet', 'No such record passed this process while the page is open.')];
  const most = Math.max(1e-9, ...known.flatMap((name) => values.map((one) => one.get(name) ?? 0)));
  const svg = (tag, more, ...children) => {
    const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(more)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const across = (at) => (values.length < 2 ? 100 : (100 * at) / (values.length - 1));
  const line = (name, at) => svg('polyline', { class: `c-${COLOURS[at]}`, points: values.map((one, place) => [place, one.get(name) ?? null]).filter(([, value]) => value !== null).map(([place, value]) => `${across(place).toFixed(1)},${(39 - (37 * value) / most).toFixed(1)}`).join(' ') });
  const last = values[values.length - 1];
  const told = (name) => ((last.get(name) ?? null) === null ? 'none now' : written(last.get(name)));
  return [
    el('ul', { class: 'legend' }, known.map((name, at) => el('li', {}, el('i', { class: `c-${COLOURS[at]}` }), `${name || title} `, el('b', {}, told(name))))),
    svg('svg', { class: 'spark', viewBox: '0 0 100 40', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, ...known.map(line)),
  ];
}

const refused = (error) => (error.status === 403
  ? empty('This key may not see it', 'How the system fares is the operator’s to see: it needs a key with the scope admin.')
  : empty('No figures', `The API gave no answer: ${error.message}.`));

export function pipeline() {
  const history = [];
  const tiles = TILES.map(([title, says]) => [title, el('div', {}, el('div', { class: 'value' }, '…')), says]);
  const charts = LINES.map(([title]) => [title, el('div', { class: 'body' }, el('div', { class: 'waiting' }, 'Asking …'))]);
  const tileNodes = tiles.map(([title, place, says]) => el('section', { class: 'tile', 'aria-label': title, data: { panel: title } },
    el('header', {}, el('h2', {}, title), el('details', { class: 'help' }, el('summary', { 'aria-label': `What “${title}” means` }, '?'), el('p', {}, says))), place));
  const whole = el('div', { class: 'tiles' }, tileNodes);
  const view = [
    el('p', { class: 'note' }, 'Of the process that answers this page: under “trueopen up” that is everything. Stages that run by themselves, and the past, are in Grafana. What to do when something is red stands in dashboards/RUNBOOK.md.'),
    whole, ...LINES.map(([title, says], at) => card(title, says, 'w6', charts[at][1])),
  ];
  const look = async () => {
    try {
      history.push(read(await metrics()));
      if (history.length > KEPT) history.shift();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (history.length === 0) for (const [, place] of [...tiles, ...charts]) place.replaceChildren(refused(error));
      return error.status !== 403;
    }
    const now = history[history.length - 1];
    TILES.forEach(([title, , of, written, judge], at) => {
      const value = of(now);
      const judged = judge?.(value);
      tileNodes[at].className = `tile ${judged ?? ''}`;
      tiles[at][1].replaceChildren(el('div', { class: 'value' }, figure(title, value, written(value))), el('div', { class: 'more' }, judged && el('span', { class: 'judged' }, { good: 'good', warn: 'watch', bad: 'act' }[judged])));
    });
    LINES.forEach(([title, , of, written], at) => charts[at][1].replaceChildren(...drawn(history, of, written, title)));
    return true;
  };
  // For as long as the page shows it.
  const again = async () => {
    const more = await look();
    setTimeout(() => more && whole.isConnected && again(), history.length < 2 ? 1000 : EVERY);
  };
  again();
  return view;
}
