// What is chosen above the figures: the window, what is narrowed to, and which machines are left out.

import * as api from './api.js';
import { byId, el } from './dom.js';
import { provider } from './names.js';

const WINDOWS = [['Last hour', 1 / 24], ['Last 24 hours', 1], ['Last 7 days', 7], ['Last 30 days', 30], ['Last 90 days', 90], ['Last year', 365], ['From … to …', 0]];
const CLASSES = { apple: 'Apple', google: 'Google', scanners: 'Scanners', other: 'Other machines' };
/** The lists by their ids, which are no view's name: the address of a view would scroll to them. */
const NARROWED = { 'one-campaign': 'campaign', 'one-domain': 'recipient_domain', 'one-provider': 'mailbox_provider' };
const DAY = 86_400_000;

/** The account's setting as it is stored. */
let stored = {};

function span() {
  const days = Number(byId('window').value);
  if (days > 0) {
    const to = Date.now();
    return { from: new Date(to - days * DAY).toISOString(), to: new Date(to).toISOString(), days };
  }
  // Local midnight to local midnight, the last day included.
  const from = new Date(`${byId('from').value}T00:00:00`);
  const to = new Date(`${byId('to').value}T00:00:00`);
  to.setDate(to.getDate() + 1);
  if (!(from < to)) return undefined;
  return { from: from.toISOString(), to: to.toISOString(), days: (to - from) / DAY };
}

const narrowed = () => Object.fromEntries(Object.entries(NARROWED).map(([id, name]) => [name, byId(id).value]));
const ticked = () => [...byId('classes').querySelectorAll('input:checked')].map((box) => box.value);

function suppression() {
  const chosen = byId('suppress').value;
  return chosen === 'chosen' ? ticked().join(',') || 'none' : chosen;
}

/** What a choice of the switch means, as the settings have it. */
function asSettings() {
  const chosen = byId('suppress').value;
  const out = chosen === 'all' ? Object.keys(CLASSES) : chosen === 'chosen' ? ticked() : [];
  return Object.fromEntries(Object.keys(CLASSES).map((name) => [name, out.includes(name)]));
}

/** What is asked for: the API's parameters, and how time is divided. Nothing where the days are no window. */
export function chosen() {
  const window = span();
  if (!window) return undefined;
  const { from, to, days } = window;
  // Bars are read one by one; a rate needs enough mail in each step to mean something.
  const interval = days <= 0.2 ? 'minute' : days <= 8 ? 'hour' : days <= 130 ? 'day' : 'week';
  const rates = days <= 0.2 ? 'minute' : days <= 3.1 ? 'hour' : days <= 130 ? 'day' : 'week';
  return { parameters: { from, to, ...narrowed(), cohort: byId('cohort').value, suppress: suppression() }, interval, rates, campaign: byId('one-campaign').value };
}

/** The choices in a few words, for where they are folded away. */
function inWords() {
  const of = (id) => byId(id).selectedOptions[0]?.textContent ?? '';
  const some = Object.keys(NARROWED).filter((id) => byId(id).value).map(of);
  const leftOut = byId('suppress').selectedOptions[0]?.dataset.short ?? '';
  return [of('window'), ...some, leftOut].filter(Boolean).join(' · ');
}

export function refresh() {
  const choice = byId('suppress').value;
  byId('classes').hidden = choice !== 'chosen';
  byId('dates').hidden = byId('window').value !== '0';
  const same = Object.entries(asSettings()).every(([name, out]) => stored[name] === out);
  byId('save').hidden = choice === 'account' || same;
  byId('chosen').textContent = inWords();
}

function nameSetting() {
  const out = Object.keys(CLASSES).filter((name) => stored[name]);
  const said = out.length === 4 ? 'all machines' : out.length === 0 ? 'nothing' : out.map((name) => CLASSES[name]).join(', ');
  const option = byId('suppress').options[0];
  option.textContent = `the account’s setting (${said})`;
  option.dataset.short = `without ${said === 'nothing' ? 'suppression' : said}`;
}

/** Reads the account's setting anew. */
export async function readSetting() {
  stored = (await api.settings()).suppress;
  nameSetting();
  refresh();
}

/** Makes the choice of the switch the account's setting. */
export async function saveSetting() {
  stored = (await api.saveSuppression(asSettings())).suppress;
  byId('suppress').value = 'account';
  nameSetting();
  refresh();
}

/** Fills the lists of names from the window, and keeps the choices. */
export const fill = (asked) => Promise.all(Object.entries(NARROWED).map(async ([id, by]) => {
  const answer = await asked.get('breakdown', { by, campaign: '', recipient_domain: '', mailbox_provider: '' });
  const list = byId(id);
  const before = list.value;
  const names = answer.rows.map((row) => row.key).filter(Boolean).slice(0, 500);
  if (before && !names.includes(before)) names.unshift(before);
  list.replaceChildren(el('option', { value: '' }, 'all'), ...names.map((name) => el('option', { value: name }, by === 'mailbox_provider' ? provider(name) : name)));
  list.value = before;
}));

export function empty() {
  for (const id of Object.keys(NARROWED)) byId(id).replaceChildren(el('option', { value: '' }, 'all'));
}

/** Makes the lists; `changed` hears of a choice, with whether the names of the window may be others. */
export function prepare(changed) {
  byId('window').replaceChildren(...WINDOWS.map(([title, days]) => el('option', { value: days }, title)));
  byId('window').value = '30';
  const switched = [['account', 'the account’s setting', ''], ['none', 'nothing: the raw figures', 'raw figures'], ['all', 'all machines', 'without machines'], ['chosen', 'chosen machines …', 'without chosen machines']];
  byId('suppress').replaceChildren(...switched.map(([value, title, short]) => el('option', { value, data: { short } }, title)));
  byId('classes').replaceChildren(...Object.entries(CLASSES).map(([name, title]) => el('label', {}, el('input', { type: 'checkbox', value: name, checked: true }), title)));
  const today = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
  byId('from').value = today;
  byId('to').value = today;
  for (const id of ['window', 'from', 'to']) byId(id).addEventListener('change', () => changed(true));
  for (const id of [...Object.keys(NARROWED), 'cohort', 'suppress', 'classes']) byId(id).addEventListener('change', () => changed(false));
  byId('filters').addEventListener('submit', (event) => event.preventDefault());
  byId('fold').addEventListener('click', () => {
    const open = byId('filters').classList.toggle('open');
    byId('fold').setAttribute('aria-expanded', String(open));
  });
}
