// Who looks at the mail that is no reader: who, when after delivery, at which domains, and what had to be judged again.

import { Refused, reverse } from './api.js';
import { count, counted, el, moment, seconds, share, spanName, spans, words } from './dom.js';
import { look } from './message.js';
import { source } from './names.js';
import { barList, empty, legend, panel, table, tile, tiles } from './panels.js';

const WHO = [['scanners', 'Scanners', 'bad'], ['apple', 'Apple', 'automated'], ['google', 'Google', 'warn'], ['other', 'Other machines', 'block'], ['unknown', 'Nobody can tell', 'unknown'], ['human', 'People', 'human']];
const ACTORS = { human: 'a person', automated: 'a machine', unknown: 'nobody can tell' };
const said = (actor, id) => `${ACTORS[actor] ?? actor}: ${source(id)}`;
const none = () => empty('No machine in this window', 'Scanners and mail programs that load ahead appear here.');

/** Hits by the time that had passed since delivery. */
function afterDelivery({ rows }) {
  if (rows.length === 0) return empty('No hit in this window', 'Opens and clicks appear here by how soon they came.');
  const at = (from) => rows.find((row) => row.from_seconds === from) ?? {};
  const told = (row) => WHO.filter(([id]) => row[id]).map(([id, name]) => `${name} ${count(row[id])}`).join(', ') || 'none';
  return [
    legend(WHO.map(([id, name, colour]) => [name, colour, rows.reduce((sum, row) => sum + row[id], 0)])),
    barList(spans(rows).map((from) => [spanName(from), told(at(from)), WHO.map(([id, , colour]) => [colour, at(from)[id] ?? 0])]), 'histogram'),
  ];
}

function corrections({ rows }) {
  if (rows.length === 0) return empty('Nothing was judged again', 'A verdict that later events revise appears here.');
  const sum = (some) => some.reduce((total, row) => total + row.hits, 0);
  const changed = rows.filter((row) => row.first_actor !== row.actor);
  return [
    el('p', { class: 'why' }, `${counted(sum(changed), 'hit')} changed who is said to have made them; ${count(sum(rows) - sum(changed))} kept who and gained reasons or a better name.`),
    table('Judged again', [
      ['Said first', (row) => said(row.first_actor, row.first_source), { text: true }], ['Said now', (row) => said(row.actor, row.source), { text: true }], ['Hits', (row) => count(row.hits)]], rows),
  ];
}

/** Puts an unsubscribe out of force, or back. */
function standing(row) {
  let reversed = row.reversed_at !== null;
  const text = el('span', {});
  const button = el('button', { type: 'button', class: 'link' });
  const show = () => {
    text.textContent = reversed ? 'reversed ' : 'in force ';
    button.textContent = reversed ? 'Put back' : 'Reverse';
    button.setAttribute('aria-label', `${reversed ? 'Put back' : 'Reverse'} the unsubscribe of message ${row.message_id}`);
  };
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      await reverse(row.event_id, !reversed);
      reversed = !reversed;
      show();
    } catch (error) {
      text.textContent = error instanceof Refused && error.status === 403 ? 'This key may not: it needs settings:write. ' : `Not changed: ${error.message} `;
    }
    button.disabled = false;
  });
  show();
  return [text, button];
}

const suspects = ({ unsubscribes, truncated }) => (unsubscribes.length === 0 ? empty('Nothing to look at', 'No machine asked to unsubscribe anybody.') : [
  table('Suspect unsubscribes', [
    ['Time', (row) => moment(row.at), { text: true }], ['Message', (row) => el('button', { type: 'button', class: 'link', on: { click: () => look(row.message_id) } }, row.message_id), { text: true }],
    ['Campaign', (row) => row.campaign, { text: true }], ['Why', (row) => row.reasons.map((reason) => words(reason.rule ?? '')).join(', '), { text: true }], ['Standing', standing, { text: true }]], unsubscribes),
  truncated && el('p', { class: 'why' }, 'There are more: the API lists them all.')]);

export function scanners(reports) {
  const all = reports.get('machines').then(({ rows }) => rows[0] ?? { hits: 0, messages: 0, traps: 0, scanned_domains: 0, recipient_domains: 0 });
  const asked = reports.unsubscribes();
  const open = (list) => list.filter((row) => row.reversed_at === null).length;
  return [
    tiles(
      tile('Hits by machines', 'Requests of every kind that machines made: opens, clicks, and looks at the unsubscribe page.', all, (row) => ['machines.hits', row.hits, count(row.hits), `in ${counted(row.messages, 'mail')}`]),
      tile('Recipient domains with scanners', 'Domains whose mail a security gateway looked at before the reader.', all, (row) => ['machines.scanned_domains', row.scanned_domains, count(row.scanned_domains), 'domains']),
      tile('Links no reader can see, followed', 'Hits on trap links: only a machine finds one. Trap links are a setting of the account.', all, (row) => ['machines.traps', row.traps, count(row.traps), 'hits']),
      tile('Unsubscribes asked by machines', 'Those in force. Look at them below: some are genuine, sent by a mailbox provider for its user.', asked, ({ unsubscribes, truncated }) => ['suspects', open(unsubscribes), `${count(open(unsubscribes))}${truncated ? ' or more' : ''}`, 'to look at'])),
    panel('Who looks', 'Each machine with its hits, and how soon after delivery half of them came.', 'w6', reports.get('machines', { by: 'source' }), ({ rows }) => (rows.length === 0 ? none() : [
      legend([['Opens', 'automated'], ['Clicks', 'bad'], ['Other hits', 'unknown']]),
      barList(rows.map((row) => [source(row.source), `${counted(row.hits, 'hit')}, half within ${seconds(row.seconds_after_median)}`, [['automated', row.opens], ['bad', row.clicks], ['unknown', row.hits - row.opens - row.clicks]]]), 'long')])),
    panel('When hits come after delivery', 'Scanners come within seconds, people within hours. Counted from delivery, from sending where delivery is not known.', 'w6', reports.get('after-delivery'), afterDelivery),
    panel('Whose mail is looked at', 'Machine and recipient domain, the most hits first.', 'w6', reports.get('machines', { by: 'both' }), ({ rows }) => (rows.length === 0 ? none() : table('Whose mail is looked at', [
      ['Recipient domain', (row) => row.recipient_domain || 'unknown', { text: true }], ['Machine', (row) => source(row.source), { text: true }], ['Hits', (row) => count(row.hits)], ['Mails', (row) => count(row.messages)], ['Half within', (row) => seconds(row.seconds_after_median)]], rows))),
    panel('Judged again', 'A hit is judged at once, and again when more is known: a burst shows only after its first click.', 'w6', reports.get('corrections'), corrections),
    panel('Unsubscribes to look at', 'Asked by what looks like a machine. Each is in force until you reverse it; some are genuine, sent by a mailbox provider for its user.', '', asked, suspects),
  ];
}
