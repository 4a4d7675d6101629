// The page: who asks, what is chosen, and which view is shown.

import * as api from './api.js';
import { begin } from './charts.js';
import { byId, el } from './dom.js';
import { message } from './message.js';
import { card, empty } from './panels.js';
import { campaign, deliverability, engagement, scanners } from './views.js';

const VIEWS = {
  engagement: ['True engagement', engagement],
  deliverability: ['Deliverability', deliverability],
  campaign: ['Campaign', campaign],
  scanners: ['Scanners and proxies', scanners],
  message: ['Message', message],
};
const WINDOWS = [['Last hour', 1 / 24], ['Last 24 hours', 1], ['Last 7 days', 7], ['Last 30 days', 30], ['Last 90 days', 90], ['Last year', 365], ['From … to …', 0]];
const CLASSES = { apple: 'Apple', google: 'Google', scanners: 'Scanners', other: 'Other machines' };
const DAY = 86_400_000;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

let reports;
/** The account's setting as it is stored. */
let stored = {};
let shown = 0;

const view = () => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : 'engagement');
const say = (text) => {
  byId('status').textContent = text;
  if (text) setTimeout(() => byId('status').textContent === text && say(''), 4000);
};

function theme(name) {
  document.documentElement.dataset.theme = name;
  byId('theme').textContent = name === 'dark' ? '☀' : '☾';
  document.dispatchEvent(new Event('trueopen:theme'));
}

function chosenWindow() {
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

const ticked = () => [...byId('classes').querySelectorAll('input:checked')].map((box) => box.value);

function suppression() {
  const chosen = byId('suppress').value;
  if (chosen !== 'chosen') return chosen;
  return ticked().join(',') || 'none';
}

/** What a choice of the switch means, as the settings have it. */
function asSettings() {
  const chosen = byId('suppress').value;
  const out = chosen === 'all' ? Object.keys(CLASSES) : chosen === 'chosen' ? ticked() : [];
  return Object.fromEntries(Object.keys(CLASSES).map((name) => [name, out.includes(name)]));
}

function showSwitch() {
  const chosen = byId('suppress').value;
  byId('classes').hidden = chosen !== 'chosen';
  const same = Object.entries(asSettings()).every(([name, out]) => stored[name] === out);
  byId('save').hidden = chosen === 'account' || same;
}

function nameSetting() {
  const out = Object.keys(CLASSES).filter((name) => stored[name]);
  const said = out.length === 4 ? 'all machines' : out.length === 0 ? 'nothing' : out.map((name) => CLASSES[name]).join(', ');
  byId('suppress').options[0].textContent = `the account’s setting (${said})`;
}

/** Fills a list of names from a breakdown of the window, and keeps the choice. */
async function fill(id, by, asked) {
  const answer = await asked.get('breakdown', { by, campaign: '', recipient_domain: '' });
  const list = byId(id);
  const before = list.value;
  const names = answer.rows.map((row) => row.key).filter(Boolean).slice(0, 500);
  if (before && !names.includes(before)) names.unshift(before);
  list.replaceChildren(el('option', { value: '' }, 'all'), ...names.map((name) => el('option', { value: name }, name)));
  list.value = before;
}

async function show({ refill = false } = {}) {
  const turn = ++shown;
  const name = view();
  document.title = `${VIEWS[name][0]} · trueopen`;
  for (const tab of byId('tabs').children) tab.toggleAttribute('aria-current', tab.hash === `#${name}`);
  byId('filters').hidden = name === 'message';
  showSwitch();
  const main = byId('content');
  const span = chosenWindow();
  if (!span) {
    main.replaceChildren(card('Which days?', undefined, '', empty('The first day comes after the last', 'Choose the two days again.')));
    return;
  }
  main.classList.add('busy');
  const endBefore = begin();
  reports?.end();
  const mine = new api.Reports({ from: span.from, to: span.to, campaign: byId('campaign').value, recipient_domain: byId('domain').value, cohort: byId('cohort').value, suppress: suppression() });
  reports = mine;
  const interval = span.days <= 1.1 ? (span.days < 0.2 ? 'minute' : 'hour') : span.days <= 3.1 ? 'hour' : span.days <= 130 ? 'day' : 'week';
  const context = { ...span, interval, zone, campaign: byId('campaign').value, choose: (id, value) => {
    byId(id).value = value;
    show();
  } };
  try {
    if (refill && name !== 'message') {
      stored = (await api.settings()).suppress;
      nameSetting();
      showSwitch();
      await Promise.all([fill('campaign', 'campaign', mine), fill('domain', 'recipient_domain', mine)]);
    }
    const panels = await VIEWS[name][1](mine, context);
    if (turn !== shown) return;
    main.replaceChildren(el('h1', { class: 'quiet' }, VIEWS[name][0]), ...panels.flat());
  } catch (error) {
    if (turn !== shown || error.name === 'AbortError') return;
    if (error instanceof api.Refused && error.status === 401) return leave('The key is no longer known. Sign in again.');
    main.replaceChildren(el('p', { class: 'notice bad', role: 'alert' }, `The API gave no figures: ${error.message}. `, el('button', { type: 'button', class: 'link', on: { click: () => show({ refill: true }) } }, 'Try again')));
    if (!(error instanceof api.Refused)) throw error;
  } finally {
    endBefore();
    if (turn === shown) {
      main.classList.remove('busy');
      main.dataset.shown = `${name} ${turn}`;
    }
  }
}

async function save() {
  try {
    stored = (await api.saveSuppression(asSettings())).suppress;
    byId('suppress').value = 'account';
    nameSetting();
    say('Saved. Every report of the account follows now, over all history.');
    await show();
  } catch (error) {
    say(error.status === 403 ? 'This key may not change settings: it needs settings:write.' : `Not saved: ${error.message}`);
  }
}

function leave(why) {
  api.forget();
  start(why);
}

function signIn(why = '') {
  document.querySelector('.top').hidden = true;
  document.title = 'Sign in · trueopen';
  begin()();
  const account = el('input', { id: 'sign-account', autocomplete: 'username', required: true, value: 'demo', spellcheck: 'false' });
  const key = el('input', { id: 'sign-key', type: 'password', autocomplete: 'off', required: true, spellcheck: 'false' });
  const error = el('p', { class: 'error', role: 'alert' }, why);
  const send = async (event) => {
    event.preventDefault();
    error.textContent = '';
    try {
      await api.tryKey(account.value.trim(), key.value.trim());
      api.remember(account.value.trim(), key.value.trim());
      start();
    } catch (refused) {
      error.textContent = refused.status === 401 ? 'This key is not known.' : refused.status === 404 ? 'There is no such account for this key.' : refused.status === 403 ? 'This key may not read reports: it needs reports:read.' : `No answer: ${refused.message}`;
    }
  };
  byId('content').replaceChildren(el('form', { class: 'card sign', on: { submit: send } },
    el('h1', {}, el('img', { src: '/console/icon.svg', alt: '', width: 30, height: 30 }), 'trueopen'),
    el('p', {}, 'Which of your mails real people opened and clicked.'),
    el('label', { for: 'sign-account' }, 'Account'), account,
    el('label', { for: 'sign-key' }, 'API key'), key, error,
    el('button', { class: 'primary', type: 'submit' }, 'Show the figures'),
    el('small', {}, 'The key stays in this tab until you close it. A key with the scope reports:read is enough; “trueopen key create” makes one.')));
  key.focus();
}

function start(why) {
  if (!api.account()) return signIn(why);
  document.querySelector('.top').hidden = false;
  const list = byId('account');
  list.replaceChildren(...api.accounts().map((name) => el('option', { value: name }, name)), el('option', { value: '' }, 'another account …'));
  list.value = api.account();
  for (const id of ['campaign', 'domain']) byId(id).replaceChildren(el('option', { value: '' }, 'all'));
  show({ refill: true });
}

function prepare() {
  byId('tabs').replaceChildren(...Object.entries(VIEWS).map(([name, [title]]) => el('a', { href: `#${name}` }, title)));
  byId('window').replaceChildren(...WINDOWS.map(([title, days]) => el('option', { value: days }, title)));
  byId('window').value = '30';
  byId('suppress').replaceChildren(...[['account', 'the account’s setting'], ['none', 'nothing: the raw figures'], ['all', 'all machines'], ['chosen', 'chosen machines …']].map(([value, title]) => el('option', { value }, title)));
  byId('classes').replaceChildren(...Object.entries(CLASSES).map(([name, title]) => el('label', {}, el('input', { type: 'checkbox', value: name, checked: true }), title)));
  const today = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
  byId('from').value = today;
  byId('to').value = today;
  theme(matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');

  byId('window').addEventListener('change', () => {
    byId('dates').hidden = byId('window').value !== '0';
    show({ refill: true });
  });
  for (const id of ['from', 'to']) byId(id).addEventListener('change', () => show({ refill: true }));
  for (const id of ['campaign', 'domain', 'cohort', 'suppress', 'classes']) byId(id).addEventListener('change', () => show());
  byId('filters').addEventListener('submit', (event) => event.preventDefault());
  byId('save').addEventListener('click', save);
  byId('leave').addEventListener('click', () => leave());
  byId('theme').addEventListener('click', () => theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'));
  byId('account').addEventListener('change', (event) => {
    if (!event.target.value) return signIn();
    api.choose(event.target.value);
    start();
  });
  document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault();
    byId('content').focus();
  });
  addEventListener('hashchange', () => api.account() && show());
}

prepare();
start();
