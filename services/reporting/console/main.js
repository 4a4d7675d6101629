// The page: who asks, and which view is shown.

import * as api from './api.js';
import { campaign } from './campaign.js';
import * as charts from './charts.js';
import { definitions } from './definitions.js';
import { deliverability } from './deliverability.js';
import { byId, el } from './dom.js';
import { all, engagement } from './engagement.js';
import * as filters from './filters.js';
import { message } from './message.js';
import * as names from './names.js';
import * as panels from './panels.js';
import { pipeline } from './pipeline.js';
import { scanners } from './scanners.js';

/** Title, what makes the panels, and whether they are of the window. */
const VIEWS = {
  engagement: ['True engagement', engagement, true],
  deliverability: ['Deliverability', deliverability, true],
  campaign: ['Campaign', campaign, true],
  scanners: ['Scanners and proxies', scanners, true],
  message: ['Message', message, false],
  pipeline: ['Pipeline', pipeline, false],
  definitions: ['What the figures mean', definitions, false],
};
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

let reports;
let shown = 0;

const view = () => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : 'engagement');
const say = (text) => {
  byId('status').textContent = text;
  if (text) setTimeout(() => byId('status').textContent === text && say(''), 6000);
};

function theme(name) {
  document.documentElement.dataset.theme = name;
  byId('theme').textContent = name === 'dark' ? '☀' : '☾';
  document.dispatchEvent(new Event('trueopen:theme'));
}

const nothing = () => panels.card('Nothing here yet', undefined, '', panels.empty('No mail in this window',
  'Choose a longer window or fewer filters. To see figures without mail of your own, run: trueopen simulate --recipients 2000'));
const isEmpty = (summary) => summary.sent === 0 && all(summary.opens) === 0 && all(summary.clicks) === 0;

/** What went wrong, once, above the panels; the others stay as they are. */
function trouble(error) {
  if (byId('trouble')) return;
  const known = error instanceof api.Refused;
  byId('content').prepend(el('p', { id: 'trouble', class: 'notice bad', role: 'alert' },
    known ? `The API gave no figures: ${error.message}. ` : 'This page made a mistake; the figures below may not be all. ',
    known && (error.status === 503 || error.status === 0) && 'What arrives meanwhile is kept, and is counted when it is back. ',
    el('button', { type: 'button', class: 'link', on: { click: () => show({ refill: true }) } }, 'Try again')));
}

async function show({ refill = false } = {}) {
  const turn = ++shown;
  const name = view();
  const [title, make, windowed] = VIEWS[name];
  const main = byId('content');
  document.title = `${title} · trueopen`;
  for (const tab of byId('tabs').children) {
    if (tab.hash === `#${name}`) tab.setAttribute('aria-current', 'page');
    else tab.removeAttribute('aria-current');
  }
  byId('filters').hidden = !windowed;
  filters.refresh();
  const asked = filters.chosen();
  if (windowed && !asked) {
    main.replaceChildren(panels.card('Which days?', undefined, '', panels.empty('The first day comes after the last', 'Choose the two days again.')));
    return;
  }
  main.classList.add('busy');
  const current = () => turn === shown;
  const failed = (error) => {
    if (!current()) return;
    if (error instanceof api.Refused && error.status === 401) leave('The key is no longer known. Sign in again.');
    else trouble(error);
  };
  reports?.end();
  const mine = new api.Reports(asked?.parameters ?? {});
  reports = mine;
  await names.ready;
  if (!current()) return;
  panels.begin(failed);
  const endBefore = charts.begin();
  const choose = (id, value) => {
    byId(id).value = value;
    show();
  };
  main.replaceChildren(el('h1', { class: 'quiet' }, title), ...make(mine, { ...asked, zone, choose }));
  endBefore();
  if (windowed) {
    if (refill) await filters.readSetting().then(() => filters.fill(mine)).catch(ignoreEnded(failed));
    const summary = await mine.get('summary').catch(() => undefined);
    if (current() && summary && isEmpty(summary)) main.replaceChildren(el('h1', { class: 'quiet' }, title), nothing());
  }
  await panels.settled();
  if (!current()) return;
  main.classList.remove('busy');
  main.dataset.shown = `${name} ${turn}`;
}

const ignoreEnded = (failed) => (error) => error.name !== 'AbortError' && failed(error);

async function save() {
  try {
    await filters.saveSetting();
    say('Saved. Every report and dashboard of the account follows now, over all history.');
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
  shown++;
  reports?.end();
  document.querySelector('.top').hidden = true;
  byId('foot').hidden = true;
  document.title = 'Sign in · trueopen';
  charts.begin()();
  const account = el('input', { id: 'sign-account', autocomplete: 'username', required: true, value: 'demo', spellcheck: 'false' });
  const key = el('input', { id: 'sign-key', type: 'password', autocomplete: 'off', required: true, spellcheck: 'false' });
  const error = el('p', { class: 'error', role: 'alert' }, why);
  const refusals = { 401: 'This key is not known.', 403: 'This key may not read reports: it needs reports:read.', 404: 'There is no such account for this key.' };
  const send = async (event) => {
    event.preventDefault();
    error.textContent = '';
    try {
      await api.tryKey(account.value.trim(), key.value.trim());
      api.remember(account.value.trim(), key.value.trim());
      start();
    } catch (refused) {
      error.textContent = refusals[refused.status] ?? `No answer: ${refused.message}.`;
    }
  };
  byId('content').classList.remove('busy');
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
  byId('foot').hidden = false;
  const list = byId('account');
  list.replaceChildren(...api.accounts().map((name) => el('option', { value: name }, name)), el('option', { value: '' }, 'another account …'));
  list.value = api.account();
  filters.empty();
  show({ refill: true });
}

function prepare() {
  byId('tabs').replaceChildren(...Object.entries(VIEWS).filter(([name]) => name !== 'definitions').map(([name, [title]]) => el('a', { href: `#${name}` }, title)));
  filters.prepare((others) => show({ refill: others }));
  theme(matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
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
