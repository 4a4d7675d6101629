// The shapes of panels that all views share.

import { count, el, figure, share } from './dom.js';

export function card(title, says, width, ...content) {
  return el('section', { class: `card ${width ?? ''}`, 'aria-label': title }, el('header', {}, el('h2', {}, title), says && el('p', {}, says)), content);
}

export function tile(name, pointer, value, shown, more, judged) {
  const worded = { good: 'good', warn: 'watch', bad: 'act' }[judged];
  return el('div', { class: `tile ${judged ?? ''}` },
    el('div', { class: 'name' }, name),
    el('div', { class: 'value' }, figure(pointer, value, shown)),
    el('div', { class: 'more' }, worded && el('span', { class: 'judged' }, `${worded} · `), more));
}

export const empty = (title, says) => el('div', { class: 'empty' }, el('b', {}, title), says);

/** A bar of parts `[name, colour, value]` with its legend. */
export function split(parts) {
  const all = parts.reduce((sum, [, , value]) => sum + value, 0);
  return [
    el('div', { class: 'stack split', role: 'img', 'aria-label': parts.map(([name, , value]) => `${name} ${count(value)}`).join(', ') },
      parts.filter(([, , value]) => value > 0).map(([, colour, value]) => el('i', { class: `c-${colour}`, style: { width: `${(100 * value) / all}%` } }))),
    el('ul', { class: 'legend split-legend' }, parts.map(([name, colour, value]) => el('li', {}, el('i', { class: `c-${colour}` }), `${name} `, el('b', {}, count(value))))),
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

/** A table; `columns` are `[title, cell(row), {text, class(row)}]`. */
export function table(label, columns, rows, tall = true) {
  return el('div', { class: `scroll ${tall ? 'tall' : ''}`, tabindex: '0', role: 'region', 'aria-label': label }, el('table', {},
    el('thead', {}, el('tr', {}, columns.map(([title, , more]) => el('th', { scope: 'col', class: more?.text && 't' }, title)))),
    el('tbody', {}, rows.map((row) => el('tr', {}, columns.map(([, cell, more]) => el('td', { class: [more?.text && 't', more?.judge?.(row)].filter(Boolean).join(' ') || undefined }, cell(row))))))));
}

/** A share with a thin bar below it. */
export const metered = (value) => [share(value), el('span', { class: 'meter', style: { width: `${Math.min(100, 100 * (value ?? 0))}%` } })];

/** Google and Yahoo want complaints under 0.1 %, and act on 0.3 %. */
export const complaints = (rate) => (rate === null ? undefined : rate >= 0.003 ? 'bad' : rate >= 0.001 ? 'warn' : 'good');
export const bounces = (rate) => (rate === null ? undefined : rate >= 0.05 ? 'bad' : rate >= 0.02 ? 'warn' : 'good');
export const delivery = (rate) => (rate === null ? undefined : rate < 0.9 ? 'bad' : rate < 0.97 ? 'warn' : 'good');
