// Charts over time, by uPlot, each with its numbers as a table for those who can't see or point.

import { compact, count, el, share } from './dom.js';
import { empty, legend } from './panels.js';

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
let drawn = new Set();

/** Begins a view; what it returns ends the charts of the one before. */
export function begin() {
  const before = drawn;
  drawn = new Set();
  return () => {
    for (const end of before) end();
  };
}

const label = (row, interval) => {
  const options = interval === 'day' || interval === 'week' ? { day: 'numeric', month: 'short' } : { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' };
  return new Date(row.from).toLocaleString('en-GB', options);
};

function numbers(rows, interval, series, written) {
  const filled = rows.filter((row) => series.some((one) => !one.constant && one.of(row)));
  return el('details', { class: 'numbers' }, el('summary', {}, 'The numbers as a table'),
    el('div', { class: 'scroll tall', tabindex: '0', role: 'region', 'aria-label': 'Numbers' }, el('table', {},
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'From'), series.filter((one) => !one.constant).map((one) => el('th', { scope: 'col' }, one.name)))),
      el('tbody', {}, filled.map((row) => el('tr', {}, el('th', { scope: 'row' }, label(row, interval)), series.filter((one) => !one.constant).map((one) => el('td', {}, written(one.of(row))))))))));
}

/** What stands at the moment under the pointer. */
function pointed(place, rows, interval, series, written) {
  const said = el('div', { class: 'pointed', 'aria-hidden': 'true' });
  place.append(said);
  return (chart) => {
    const { idx, left } = chart.cursor;
    const there = idx !== null && idx !== undefined && left >= 0;
    said.classList.toggle('there', there);
    if (!there) return;
    const parts = series.filter((one) => !one.constant).map((one) => `${one.name} ${written(one.of(rows[idx]))}`);
    said.textContent = `${label(rows[idx], interval)}: ${parts.join(', ')}`;
  };
}

/** The plot itself, kept as wide as its place. */
function plot(rows, interval, series, { stacked, rates, title, least, band }) {
  const place = el('div', { class: 'chart', role: 'img', 'aria-label': `${title}. The numbers follow as a table.` });
  const begins = rows.map((row) => Date.parse(row.from) / 1000);
  const raw = series.map((one) => rows.map((row) => one.of(row)));
  // Stacked bars are drawn from the whole to the first part, each over the last; lines over the bars.
  const bars = [...series.keys()].filter((at) => stacked && !series[at].line);
  const heights = raw.map((values, upto) => (bars.includes(upto) ? rows.map((_, at) => bars.filter((bar) => bar <= upto).reduce((sum, bar) => sum + (raw[bar][at] ?? 0), 0)) : values));
  const order = [...bars.reverse(), ...[...series.keys()].filter((at) => !bars.includes(at))];
  const written = rates ? share : compact;
  const axis = { stroke: colour('soft'), grid: { stroke: colour('line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
  const long = begins.length > 1 && begins[begins.length - 1] - begins[0] > 2.5 * 86_400;
  const day = { day: 'numeric', month: 'short' };
  const tick = (at) => {
    const moment = new Date(at * 1000);
    return moment.toLocaleString('en-GB', long || (moment.getHours() === 0 && moment.getMinutes() === 0) ? day : { hour: '2-digit', minute: '2-digit' });
  };
  // Two ticks of one day say it once.
  const ticks = (_, times) => times.map(tick).map((text, place, all) => (text === all[place - 1] ? '' : text));
  const step = begins.length > 1 ? begins[1] - begins[0] : 3600;
  const tell = pointed(place, rows, interval, series, rates ? share : count);
  const look = (at) => {
    const one = series[at];
    const line = rates || one.line || !stacked;
    const known = rows.filter((row) => one.of(row) !== null).length;
    return {
      label: one.name, stroke: colour(one.colour), fill: line ? undefined : colour(one.colour), width: line ? 2.25 : 0, spanGaps: true, dash: one.constant ? [6, 5] : undefined,
      points: { show: line && !one.constant && known < 40, size: 5 },
      paths: line ? undefined : uPlot.paths.bars({ size: [0.86, 42, 3] }),
    };
  };
  const options = (width) => ({
    width, height: 210, padding: [10, 26, 0, 0], legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    hooks: { setCursor: [tell] },
    bands: band && [{ series: band.map((at) => order.indexOf(at) + 1), fill: `${colour('human')}2b` }],
    scales: { x: { time: true, range: (_, low, high) => (rates ? [low, Math.max(high, low + step)] : [low - step / 2, high + step / 2]) }, y: { range: (_, __, high) => [0, Math.max(least ?? 0, high > 0 ? high * 1.08 : rates ? 0.01 : 1)] } },
    axes: [{ ...axis, grid: { show: false }, size: 30, space: 74, values: ticks }, { ...axis, size: 56, values: (_, levels) => levels.map((value) => (rates || value % 1 === 0 ? written(value) : '')) }],
    series: [{}, ...order.map(look)],
  });
  const build = () => new uPlot(options(Math.max(place.clientWidth, 200)), [begins, ...order.map((at) => heights[at])], place);
  let chart;
  const redraw = () => {
    chart?.destroy();
    chart = build();
  };
  const watch = new ResizeObserver(() => {
    if (!chart) redraw();
    else if (Math.abs(chart.width - place.clientWidth) > 1) chart.setSize({ width: Math.max(place.clientWidth, 200), height: 210 });
  });
  watch.observe(place);
  document.addEventListener('trueopen:theme', redraw);
  drawn.add(() => {
    watch.disconnect();
    document.removeEventListener('trueopen:theme', redraw);
    chart?.destroy();
  });
  return place;
}

/**
 * Bars or lines of `series`, each `{name, colour, of(row)}`; `line`: a line over the bars; `constant`: a mark, not a figure; `adds`:
 * its buckets add up. `band`: the two series between which the truth lies. `least`: how far up the scale reaches at least.
 */
export function overTime(answer, series, { stacked = true, rates = false, ...more }) {
  const known = (row) => series.some((one) => !one.constant && (rates ? one.of(row) !== null : one.of(row)));
  const first = answer.rows.findIndex(known);
  if (first < 0) return empty('Nothing in this window', 'Choose a longer one, or fewer filters.');
  // What came late in a long window would be a sliver at its edge: the empty time before it is said and not drawn.
  const from = Math.max(0, Math.min(first - 1, answer.rows.length - (rates ? 4 : 24)));
  const rows = answer.rows.slice(from);
  const sum = (one) => rows.reduce((total, row) => total + (one.of(row) ?? 0), 0);
  return [
    legend(series.map((one) => [one.name, one.colour, one.adds && !rates ? sum(one) : undefined])),
    plot(rows, answer.interval, series, { stacked, rates, ...more }),
    from > 0 && el('p', { class: 'note' }, `Nothing before ${label(rows[0], answer.interval)} in this window.`),
    numbers(rows, answer.interval, series, rates ? share : count),
  ];
}
