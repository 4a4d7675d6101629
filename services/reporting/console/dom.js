// Elements without HTML text: what names and ids say can never become markup.

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'class') node.className = value;
    else if (name === 'on') for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (name === 'style') for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
    else if (name === 'data') for (const [key, text] of Object.entries(value)) node.dataset[key] = String(text);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...shown(children));
  return node;
}

/** Children without those that are not there. */
export const shown = (children) => [children].flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false);

export const byId = (id) => document.getElementById(id);

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
export const count = (value) => (value === null || value === undefined ? '–' : whole.format(value));
export const compact = (value) => short.format(value);
/** A count with its noun: `1 mail`, `2 mails`. */
export const counted = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** A share as per cent: small ones keep two decimals, since 0.1 % and 0.3 % of complaints are worlds apart. */
export function share(value) {
  if (value === null || value === undefined) return '–';
  const percent = value * 100;
  const digits = percent === 0 || percent >= 10 ? (percent % 1 === 0 ? 0 : 1) : percent < 1 ? 2 : 1;
  return `${percent.toFixed(digits)} %`;
}

export function seconds(value) {
  if (value === null || value === undefined) return '–';
  if (value < 60) return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min${value < 600 && Math.floor(value % 60) ? ` ${Math.floor(value % 60)} s` : ''}`;
  return value < 172_800 ? `${(value / 3600).toFixed(1)} h` : `${(value / 86_400).toFixed(1)} days`;
}

/** Where the spans of histograms begin, as schema/clickhouse/0009_dashboards.sql has them. */
const SPANS = [0, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400, 604_800];
export const spans = (rows) => {
  const held = rows.map((row) => SPANS.indexOf(row.from_seconds)).filter((at) => at >= 0);
  return SPANS.slice(Math.min(...held), Math.max(...held) + 1);
};
export function spanName(from) {
  const to = SPANS[SPANS.indexOf(from) + 1];
  const [size, unit] = from < 60 ? [1, 's'] : from < 3600 ? [60, 'min'] : from < 86_400 ? [3600, 'h'] : [86_400, 'days'];
  return to === undefined ? `${from / size} ${unit} and later` : `${from / size} to ${to / size} ${unit}`;
}

export const moment = (text) =>
  new Date(text).toLocaleString('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** A number as the page shows it, with the value itself beside it for whoever checks. */
export const figure = (name, value, text) => el('span', { data: { figure: name, value: value ?? 'null' } }, text);

export const words = (id) => id.replaceAll('_', ' ');
