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
  node.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
export const count = (value) => (value === null || value === undefined ? '–' : whole.format(value));
export const compact = (value) => short.format(value);

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
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${(value / 3600).toFixed(1)} h`;
}

export const moment = (text) =>
  new Date(text).toLocaleString('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** A number as the page shows it, with the value itself beside it for whoever checks. */
export const figure = (name, value, shown) => el('span', { data: { figure: name, value: value ?? 'null' } }, shown);

export const words = (id) => id.replaceAll('_', ' ');
