// Charts over time, by uPlot, each with its numbers as a table for those who can't see or point.

import { compact, count, el, share } from './dom.js';

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
  const filled = rows.filter((row) => series.some((one) => one.of(row)));
  return el('details', { class: 'numbers' }, el('summary', {}, 'The numbers as a table'),
    el('div', { class: 'scroll tall', tabindex: '0' }, el('table', {},
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'From'), series.map((one) => el('th', { scope: 'col' }, one.name)))),
      el('tbody', {}, filled.map((row) => el('tr', {}, el('td', {}, label(row, interval)), series.map((one) => el('td', {}, written(one.of(row))))))))));
}

/** The plot itself, kept as wide as its place. */
function plot(rows, interval, series, { stacked, rates, title }) {
  const place = el('div', { class: 'chart', role: 'img', 'aria-label': `${title}. The numbers follow as a table.` });
  const begins = rows.map((row) => Date.parse(row.from) / 1000);
  const raw = series.map((one) => rows.map((row) => one.of(row)));
  // Stacked bars are drawn from the whole to the first part, each over the last.
  const heights = stacked ? raw.map((_, upto) => rows.map((__, at) => raw.slice(0, upto + 1).reduce((sum, values) => sum + (values[at] ?? 0), 0))) : raw;
  const order = stacked ? [...series.keys()].reverse() : [...series.keys()];
  const written = rates ? share : compact;
  const axis = { stroke: colour('soft'), grid: { stroke: colour('line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
  const long = begins.length > 1 && begins[begins.length - 1] - begins[0] > 2.5 * 86_400;
  const tick = (at) => new Date(at * 1000).toLocaleString('en-GB', long ? { day: 'numeric', month: 'short' } : { hour: '2-digit', minute: '2-digit' });
  const step = begins.length > 1 ? begins[1] - begins[0] : 3600;
  const options = (width) => ({
    width,
    height: 220,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false } },
    scales: { x: { time: true, range: (_, low, high) => (rates ? [low, high] : [low - step / 2, high + step / 2]) }, y: { range: (_, __, high) => [0, high > 0 ? high * 1.08 : rates ? 0.01 : 1] } },
    axes: [{ ...axis, grid: { show: false }, space: 74, values: (_, ticks) => ticks.map(tick) }, { ...axis, size: 52, values: (_, ticks) => ticks.map(written) }],
    series: [{}, ...order.map((at) => ({
      label: series[at].name,
      stroke: colour(series[at].colour),
      fill: rates ? undefined : colour(series[at].colour),
      width: rates ? 2.25 : 0,
      spanGaps: true,
      points: { show: rates && rows.filter((row) => series[at].of(row) !== null).length < 40, size: 5 },
      paths: rates ? undefined : uPlot.paths.bars({ size: [0.86, 42] }),
    }))],
  });
  const build = () => new uPlot(options(Math.max(place.clientWidth, 240)), [begins, ...order.map((at) => heights[at])], place);
  let chart;
  const redraw = () => {
    chart?.destroy();
    chart = build();
  };
  const watch = new ResizeObserver(() => {
    if (!chart) redraw();
    else if (Math.abs(chart.width - place.clientWidth) > 1) chart.setSize({ width: Math.max(place.clientWidth, 240), height: 220 });
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

/** Bars or lines of `series`, each `{name, colour, of(row)}`. */
export function overTime(answer, series, { stacked = true, rates = false, title }) {
  const rows = answer.rows;
  const any = rows.some((row) => series.some((one) => one.of(row)));
  if (!any) return el('div', { class: 'empty' }, el('b', {}, 'Nothing in this window'), 'Choose a longer one, or fewer filters.');
  const sum = (one) => rows.reduce((total, row) => total + (one.of(row) ?? 0), 0);
  const adds = !rates && series.every((one) => one.adds);
  return [
    el('ul', { class: 'legend' }, series.map((one) => el('li', {}, el('i', { class: `c-${one.colour}` }), one.name, adds && ' ', adds && el('b', {}, count(sum(one)))))),
    plot(rows, answer.interval, series, { stacked, rates, title }),
    numbers(rows, answer.interval, series, rates ? share : count),
  ];
}
