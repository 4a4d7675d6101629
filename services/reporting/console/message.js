// One mail: everything that is known of it, in order, each hit with its verdict and why.

import { Refused, timeline } from './api.js';
import { byId, el, moment, share, words } from './dom.js';
import { card, empty } from './panels.js';

const SAID = { sent: 'Sent', delivered: 'Delivered', deferred: 'Delayed by the receiving server', bounced: 'Bounced', complained: 'Called spam', unsubscribed: 'Unsubscribed', dropped: 'Never tried', open: 'Opened', click: 'Clicked', unsubscribe: 'Unsubscribe page', trap: 'Followed a link no reader can see' };
const COLOURS = { sent: 'sent', delivered: 'human', deferred: 'warn', bounced: 'bad', complained: 'bad', unsubscribed: 'warn', dropped: 'bad' };
const ACTORS = { human: ['human', 'a person'], automated: ['automated', 'a machine'], unknown: ['unknown', 'nobody can tell'] };

const reasons = (verdict) => el('ul', { class: 'why' }, verdict.reasons.map((reason) =>
  el('li', {}, el('b', {}, words(reason.rule ?? '')), reason.evidence ? `: ${reason.evidence}` : '')));

function delivery(event) {
  const details = [event.mx_host && `by ${event.mx_host}`, [event.smtp_code, event.enhanced_code].filter(Boolean).join(' '), event.bounce_class, event.bounce_reason && words(event.bounce_reason)].filter(Boolean);
  return el('li', { class: `c-${COLOURS[event.type] ?? 'unknown'}` },
    el('div', { class: 'what' }, el('b', {}, SAID[event.type] ?? event.type), el('time', { datetime: event.at }, moment(event.at))),
    details.length > 0 && el('div', { class: 'plainline' }, details.join(' · ')),
    event.diagnostic && el('div', { class: 'plainline' }, `“${event.diagnostic}”`));
}

function hit(event) {
  const { verdict } = event;
  const [colour, said] = ACTORS[verdict.actor] ?? ACTORS.unknown;
  const link = event.type === 'click' && event.link_index !== null && (event.label ? `“${event.label}”` : `link ${event.link_index + 1}${event.link_count ? ` of ${event.link_count}` : ''}`);
  const before = event.revisions.slice(0, -1);
  return el('li', { class: `c-${colour}` },
    el('div', { class: 'what' }, el('b', {}, SAID[event.type] ?? event.type, link && ` ${link}`),
      el('span', { class: `badge c-${colour}`, data: { actor: verdict.actor } }, `${said}: ${words(verdict.source)}`), el('time', { datetime: event.at }, moment(event.at))),
    el('div', { class: 'plainline' }, `${share(verdict.confidence)} sure`, verdict.client && ` · ${verdict.client}`, event.method !== 'GET' && ` · ${event.method}`),
    reasons(verdict),
    before.length > 0 && el('details', {}, el('summary', {}, `Judged ${event.revisions.length} times`), before.map((earlier) => el('div', {}, `first: ${(ACTORS[earlier.actor] ?? ACTORS.unknown)[1]}, ${words(earlier.source)}`, reasons(earlier)))),
    event.evidence && el('details', {}, el('summary', {}, 'What the request showed'), el('pre', {}, [`address ${event.evidence.ip}`, `agent ${event.evidence.user_agent}`, JSON.stringify(event.evidence.headers, null, 1)].join('\n'))));
}

function found(answer) {
  const fact = (name, value) => value && el('div', {}, el('dt', {}, name), el('dd', {}, value));
  return [
    card(`Message ${answer.message_id}`, undefined, '', el('dl', { class: 'facts' }, fact('Campaign', answer.campaign), fact('Recipient', answer.recipient_id), fact('Recipient domain', answer.recipient_domain), fact('Events', String(answer.events.length)))),
    card('What happened, in order', 'Each request with its verdict and every rule that spoke, the deciding one first. Reading this is noted in the audit log.', '',
      el('ol', { class: 'timeline' }, answer.events.map((event) => (event.record === 'hit' ? hit(event) : delivery(event))))),
  ];
}

export async function message() {
  const place = el('div', { id: 'found' });
  place.style.setProperty('display', 'contents');
  const input = el('input', { id: 'message', autocomplete: 'off', spellcheck: 'false', required: true });
  const look = async (event) => {
    event.preventDefault();
    const id = input.value.trim();
    if (!id) return;
    try {
      place.replaceChildren(...found(await timeline(id)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const unknown = error.status === 404;
      place.replaceChildren(card(unknown ? 'Not found' : 'No answer', undefined, '', empty(unknown ? 'Nothing is known of this message' : error.message, unknown ? 'Is it the id that you gave when the mail was instrumented?' : 'Try again in a moment.')));
    }
    for (const shown of place.children) shown.style.setProperty('grid-column', '1 / -1');
  };
  queueMicrotask(() => byId('message')?.focus());
  return [
    card('One mail from sent to read', 'The evidence that it was sent, arrived and was read: every delivery event and every request, with its verdict and why.', '',
      el('form', { class: 'search', on: { submit: look } }, el('div', { class: 'field' }, el('label', { for: 'message' }, 'Message id: the one you sent it under'), input), el('button', { class: 'primary', type: 'submit' }, 'Look up'))),
    place,
  ];
}
