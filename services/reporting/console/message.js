// One mail: everything that is known of it, in order, each hit with its verdict and why.

import { Refused, timeline } from './api.js';
import { byId, count, el, figure, moment, seconds, share, words } from './dom.js';
import { reason, source } from './names.js';
import { card, empty, table } from './panels.js';

const SAID = { sent: 'Sent', delivered: 'Delivered', deferred: 'Delayed by the receiving server', bounced: 'Bounced', complained: 'Called spam', unsubscribed: 'Unsubscribed', dropped: 'Never tried', open: 'Opened', click: 'Clicked', unsubscribe: 'Unsubscribe page', trap: 'Followed a link no reader can see' };
const COLOURS = { sent: 'sent', delivered: 'human', deferred: 'warn', bounced: 'bad', complained: 'bad', unsubscribed: 'warn', dropped: 'bad' };
const ACTORS = { human: ['human', 'a person'], automated: ['automated', 'a machine'], unknown: ['unknown', 'nobody can tell'] };
const who = (verdict) => `${(ACTORS[verdict.actor] ?? ACTORS.unknown)[1]}: ${source(verdict.source)}`;

/** The message that another view asked to see. It stays out of the address, which a browser would remember. */
let wanted = '';
export function look(message) {
  wanted = message;
  location.hash = 'message';
}

/** The deciding reason, and the others for who asks. */
function reasons({ reasons: [deciding, ...others] }) {
  const list = (some) => el('ul', { class: 'why' }, some.map((one) => el('li', {}, el('b', {}, words(one.rule ?? '')), one.evidence ? `: ${one.evidence}` : '')));
  return deciding && [list([deciding]), others.length > 0 && el('details', {}, el('summary', {}, others.length === 1 ? '1 more reason' : `${others.length} more reasons`), list(others))];
}

function delivery(event) {
  const details = [event.mx_host && `by ${event.mx_host}`, [event.smtp_code, event.enhanced_code].filter(Boolean).join(' '), event.bounce_class && `class ${event.bounce_class}`, event.bounce_reason && reason(event.bounce_reason)].filter(Boolean);
  return el('li', { class: `c-${COLOURS[event.type] ?? 'unknown'}` },
    el('div', { class: 'what' }, el('b', {}, SAID[event.type] ?? event.type), el('time', { datetime: event.at }, moment(event.at))),
    details.length > 0 && el('div', { class: 'plainline' }, details.join(' · ')),
    event.diagnostic && el('div', { class: 'plainline' }, `“${event.diagnostic}”`));
}

function hit(event) {
  const { verdict } = event;
  const [colour] = ACTORS[verdict.actor] ?? ACTORS.unknown;
  const link = event.type === 'click' && event.link_index !== null && (event.label ? `“${event.label}”` : `link ${event.link_index + 1}${event.link_count ? ` of ${event.link_count}` : ''}`);
  return el('li', { class: `c-${colour}` },
    el('div', { class: 'what' }, el('b', {}, SAID[event.type] ?? event.type, link && ` ${link}`),
      el('span', { class: `badge c-${colour}`, data: { actor: verdict.actor } }, who(verdict)), el('time', { datetime: event.at }, moment(event.at))),
    el('div', { class: 'plainline' }, `${share(verdict.confidence)} sure`, verdict.client && ` · ${verdict.client}`, event.method !== 'GET' && ` · ${event.method}`),
    reasons(verdict),
    event.evidence && el('details', {}, el('summary', {}, 'What the request showed'), el('pre', {}, [`address ${event.evidence.ip}`, `agent ${event.evidence.user_agent}`, JSON.stringify(event.evidence.headers, null, 1)].join('\n'))));
}

/** Every verdict of every hit, as rows. */
const verdicts = (hits) => hits.flatMap((event) => event.revisions.map((verdict, place) => ({ event, verdict, number: verdict.revision ?? place + 1, counts: place === event.revisions.length - 1 })));

function found(answer) {
  const fact = (name, value) => value && el('div', {}, el('dt', {}, name), el('dd', {}, value));
  const hits = answer.events.filter((event) => event.record === 'hit');
  const first = (type) => answer.events.filter((event) => event.record !== 'hit' && event.type === type).map((event) => Date.parse(event.at)).sort((left, right) => left - right)[0];
  const [sent, delivered] = [first('sent'), first('delivered')];
  const took = sent === undefined || delivered === undefined ? null : Math.max(0, delivered - sent) / 1000;
  const made = (type, actor) => hits.filter((event) => (!type || event.type === type) && event.verdict.actor === actor).length;
  const tile = (title, name, value, text, more) => el('section', { class: 'tile', 'aria-label': title, data: { panel: title } }, el('header', {}, el('h2', {}, title)), el('div', { class: 'value' }, figure(name, value, text)), el('div', { class: 'more' }, more));
  return [
    card(`Message ${answer.message_id}`, undefined, '', el('dl', { class: 'facts' }, fact('Campaign', answer.campaign), fact('Recipient', answer.recipient_id), fact('Recipient domain', answer.recipient_domain), fact('Events', String(answer.events.length)))),
    el('div', { class: 'tiles' },
      tile('Seconds from sending to delivery', 'took', took, seconds(took), took === null ? 'not both were told' : 'from sent to accepted'),
      tile('Opens by people', 'opens', made('open', 'human'), count(made('open', 'human')), 'loads of the picture that counts opens'),
      tile('Clicks by people', 'clicks', made('click', 'human'), count(made('click', 'human')), 'followed links'),
      tile('Hits by machines', 'machines', made('', 'automated'), count(made('', 'automated')), 'requests of every kind')),
    card('What happened to this mail', 'In order. Each request with its verdict and every rule that spoke, the deciding one first. Reading this is noted in the audit log.', '',
      el('ol', { class: 'timeline' }, answer.events.map((event) => (event.record === 'hit' ? hit(event) : delivery(event))))),
    card('Every verdict there ever was', 'A hit is judged at once and again when more is known; the last verdict counts.', '', hits.length === 0 ? empty('No hit yet', 'Nobody, and no machine, came to this mail.') : table('Verdicts', [
      ['Time', ({ event }) => moment(event.at), { text: true }], ['What', ({ event }) => SAID[event.type] ?? event.type, { text: true }], ['Revision', ({ number }) => String(number)],
      ['Verdict', ({ verdict }) => who(verdict), { text: true }], ['Sure', ({ verdict }) => share(verdict.confidence)], ['Reasons', ({ verdict }) => verdict.reasons.map((one) => words(one.rule ?? '')).join(', '), { text: true }],
      ['Counts', ({ counts }) => (counts ? 'yes' : 'no'), { text: true }]], verdicts(hits), 20)),
  ];
}

export function message() {
  const place = el('div', { id: 'found', 'aria-live': 'polite' });
  const input = el('input', { id: 'message', autocomplete: 'off', spellcheck: 'false', required: true, value: wanted });
  const find = async (event) => {
    event?.preventDefault();
    const id = input.value.trim();
    if (!id) return;
    place.setAttribute('aria-busy', 'true');
    try {
      place.replaceChildren(...found(await timeline(id)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const unknown = error.status === 404;
      place.replaceChildren(card(unknown ? 'Not found' : 'No answer', undefined, '', empty(unknown ? 'Nothing is known of this message' : `The API gave no answer: ${error.message}`, unknown ? 'Is it the id that you gave when the mail was instrumented?' : 'Try again in a moment.')));
    } finally {
      place.removeAttribute('aria-busy');
    }
  };
  if (wanted) find();
  wanted = '';
  queueMicrotask(() => byId('message')?.focus());
  return [
    card('One mail from sent to read', 'The evidence that it was sent, arrived and was read: every delivery event and every request, with its verdict and why.', '',
      el('form', { class: 'search', on: { submit: find } }, el('div', { class: 'field' }, el('label', { for: 'message' }, 'Message id: the one you sent it under'), input), el('button', { class: 'primary', type: 'submit' }, 'Look up'))),
    place,
  ];
}
