// The shapes of panels that all views share. A panel is there at once and is filled when its answer comes, so a slow question
// keeps nobody from the others; its title is that of the same panel in Grafana.

import { Refused } from './api.js';
import { count, el, figure, share, shown } from './dom.js';

let waiting = [];
let onFailure = () => {};

/** Begins a view: what it asks is waited for by `settled`, what fails is told to `failed`. */
export function begin(failed) {
  waiting = [];
  onFailure = failed;
}

/** Until every panel of the view is filled. */
export const settled = () => Promise.allSettled(waiting);

function fillWhenAnswered(place, asked, fill) {
  place.setAttribute('aria-busy', 'true');
  const failed = onFailure;
  const filling = Promise.resolve(asked).then((answer) => {
    place.replaceChildren(...shown(fill(answer)));
  }).catch((error) => {
    if (error.name === 'AbortError') return;
    place.replaceChildren(empty('No figures', 'The question had no answer.'));
    failed(error);
    if (!(error instanceof Refused)) throw error;
  }).finally(() => place.removeAttribute('aria-busy'));
  waiting.push(filling);
}

const help = (title, says) => el('details', { class: 'help' }, el('summary', { 'aria-label': `What “${title}” means` }, '?'), el('p', {}, says));

/** A card that is filled when what is `asked` is answered. */
export function panel(title, says, width, asked, fill) {
  const place = el('div', { class: 'body' }, el('div', { class: 'waiting' }, 'Asking …'));
  fillWhenAnswered(place, asked, fill);
  return card(title, says, width, place);
}

export function card(title, says, width, ...content) {
  return el('section', { class: `card ${width ?? ''}`, 'aria-label': title, data: { panel: title } },
    el('header', {}, el('h2', {}, title), says && el('p', {}, says)), content);
}

/** One figure. `fill` gives its name in the API's answer, the value, how it is shown, what stands below and a judgement. */
export function tile(title, says, asked, fill) {
  const place = el('div', { class: 'told' }, el('div', { class: 'value' }, '…'));
  const node = el('section', { class: 'tile', 'aria-label': title, data: { panel: title } }, el('header', {}, el('h2', {}, title), help(title, says)), place);
  fillWhenAnswered(place, asked, (answer) => {
    const [name, value, text, more, judged] = fill(answer);
    const worded = { good: 'good', warn: 'watch', bad: 'act' }[judged];
    if (judged) node.classList.add(judged);
    return [el('div', { class: 'value' }, figure(name, value, text)), el('div', { class: 'more' }, worded && el('span', { class: 'judged' }, `${worded}${more ? ' · ' : ''}`), more)];
  });
  return node;
}

export const tiles = (...list) => el('div', { class: 'tiles' }, list);

export const empty = (title, says) => el('div', { class: 'empty' }, el('b', {}, title), says);

const key = (name, colour, ...value) => el('li', {}, el('i', { class: `c-${colour}` }), name, value.length > 0 && [' ', el('b', {}, value)]);

/** What the colours mean. */
export const legend = (parts) => el('ul', { class: 'legend' }, parts.map(([name, colour, value]) => (value === undefined ? key(name, colour) : key(name, colour, count(value)))));

/** A bar of parts `[name, colour, value]` with its legend. */
export function split(parts) {
  const all = parts.reduce((sum, [, , value]) => sum + value, 0);
  return [
    el('div', { class: 'stack split', 'aria-hidden': 'true' },
      parts.filter(([, , value]) => value > 0).map(([, colour, value]) => el('i', { class: `c-${colour}`, style: { width: `${(100 * value) / all}%` } }))),
    legend(parts),
  ];
}

/** Rows of `[name, said, parts]`, each a bar of parts `[colour, value]` against the longest. */
export function barList(rows, kind = '') {
  const most = Math.max(1, ...rows.map(([, , parts]) => parts.reduce((sum, [, value]) => sum + value, 0)));
  return el('ul', { class: `list ${kind}` }, rows.map(([name, said, parts]) =>
    el('li', {},
      el('div', { class: 'row' }, el('span', {}, name), el('span', {}, said)),
      el('div', { class: 'stack', 'aria-hidden': 'true' },
        parts.filter(([, value]) => value > 0).map(([colour, value]) => el('i', { class: `c-${colour}`, style: { width: `${(100 * value) / most}%` } }))))));
}

/** A table; `columns` are `[title, cell(row), {text, judge(row)}]`. The first rows, and the others when asked for; on a phone each
 * row is a block of its own. */
export function table(label, columns, rows, first = matchMedia('(max-width: 640px)').matches ? 5 : 10) {
  const line = (row) => el('tr', {}, columns.map(([title, cell, more], place) =>
    el(place === 0 ? 'th' : 'td', { scope: place === 0 && 'row', class: [more?.text && 't', more?.judge?.(row)].filter(Boolean).join(' ') || undefined, data: { label: title } }, cell(row))));
  const body = el('tbody', {}, rows.slice(0, first).map(line));
  const more = rows.length > first && el('button', { type: 'button', class: 'more-rows', on: { click: () => {
    body.append(...rows.slice(first).map(line));
    more.remove();
  } } }, `Show all ${count(rows.length)}`);
  return [
    el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Table: ${label}` }, el('table', { class: 'rows' },
      el('thead', {}, el('tr', {}, columns.map(([title, , told]) => el('th', { scope: 'col', class: told?.text && 't' }, title)))), body)),
    more,
  ];
}

/** A share with a thin bar below it. */
export const metered = (value) => [share(value), el('span', { class: 'meter', 'aria-hidden': 'true', style: { width: `${Math.min(100, 100 * (value ?? 0))}%` } })];

/** Google and Yahoo want complaints under 0.1 %, and act on 0.3 %. A complaint or two among few mails judge nobody. */
export const complaints = (rate, complained) => (rate === null || (rate >= 0.001 && complained < 3) ? undefined : rate >= 0.003 ? 'bad' : rate >= 0.001 ? 'warn' : 'good');
export const bounces = (rate) => (rate === null ? undefined : rate >= 0.05 ? 'bad' : rate >= 0.02 ? 'warn' : 'good');
export const delivery = (rate) => (rate === null ? undefined : rate < 0.9 ? 'bad' : rate < 0.97 ? 'warn' : 'good');
