// What each figure means: schema/metrics.md as it is written, its tables and lists as tables and lists.

import { el } from './dom.js';
import { panel } from './panels.js';

/** Text with its code, emphasis and links to files as words. */
const text = (line) => line.split(/(`[^`]+`|\*[^*]+\*)/).map((part) => (part.startsWith('`') ? el('code', {}, part.slice(1, -1)) : part.startsWith('*') && part.length > 2 ? el('em', {}, part.slice(1, -1)) : part));
const cells = (line) => line.slice(1, -1).split(' |').map((cell) => cell.trim());

function rows(lines) {
  const [head, , ...body] = lines;
  const names = cells(head);
  return el('div', { class: 'scroll' }, el('table', { class: 'rows words' },
    el('thead', {}, el('tr', {}, names.map((name) => el('th', { scope: 'col', class: 't' }, name)))),
    el('tbody', {}, body.map((line) => el('tr', {}, cells(line).map((cell, place) => el(place === 0 ? 'th' : 'td', { class: 't', scope: place === 0 && 'row', data: { label: names[place] ?? '' } }, text(cell))))))));
}

function page(source) {
  const kind = (line) => (line.startsWith('|') ? 'table' : line.startsWith('- ') || line.startsWith('  ') ? 'list' : line.startsWith('#') ? 'head' : line.trim() ? 'text' : 'gap');
  const blocks = [];
  for (const line of source.split('\n')) {
    const last = blocks[blocks.length - 1];
    if (last?.kind === kind(line) && last.kind !== 'head') last.lines.push(line);
    else blocks.push({ kind: kind(line), lines: [line] });
  }
  return blocks.map(({ kind: of, lines }) => {
    if (of === 'table') return rows(lines);
    if (of === 'head') return lines[0].startsWith('## ') && el('h2', {}, lines[0].slice(3));
    if (of === 'list') return el('ul', { class: 'plain' }, lines.join('\n').split(/^- /m).filter(Boolean).map((item) => el('li', {}, text(item.replaceAll(/\s+/g, ' ')))));
    return of === 'text' && el('p', {}, text(lines.join(' ')));
  });
}

export const definitions = () => [panel('What each figure means', undefined, 'definitions', fetch('/console/metrics.md').then((answer) => answer.text()), page)];
