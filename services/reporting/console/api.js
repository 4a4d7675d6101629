// The reporting API. The key lives in this tab's sessionStorage and travels in a header, never in a URL.

const STORE = 'trueopen.accounts';
const CURRENT = 'trueopen.account';

const stored = () => JSON.parse(sessionStorage.getItem(STORE) ?? '{}');

export const accounts = () => Object.keys(stored());
export const account = () => {
  const chosen = sessionStorage.getItem(CURRENT);
  return chosen && chosen in stored() ? chosen : undefined;
};

export function remember(name, key) {
  sessionStorage.setItem(STORE, JSON.stringify({ ...stored(), [name]: key }));
  sessionStorage.setItem(CURRENT, name);
}

export const choose = (name) => sessionStorage.setItem(CURRENT, name);

export function forget() {
  const { [account()]: _, ...rest } = stored();
  sessionStorage.setItem(STORE, JSON.stringify(rest));
  sessionStorage.removeItem(CURRENT);
}

/** What the API refused, in its own words; status 0 where it can't be reached. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? `the API answered ${status}`);
    this.status = status;
  }
}

async function ask(path, { key, method = 'GET', body, signal } = {}) {
  const headers = { authorization: `Bearer ${key ?? stored()[account()]}`, accept: 'application/json' };
  if (body) headers['content-type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal, cache: 'no-store', credentials: 'omit' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused(0, { detail: 'the server can’t be reached' });
  }
  const plain = response.ok && response.headers.get('content-type')?.startsWith('text/plain');
  const answer = await (plain ? response.text() : response.json()).catch(() => undefined);
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

const own = (path) => `/v1/accounts/${encodeURIComponent(account())}/${path}`;

/** Whether a key is one of the account. */
export const tryKey = (name, key) => ask(`/v1/accounts/${encodeURIComponent(name)}/settings`, { key });

/** The metrics of the process that answers, as text. */
export const metrics = () => ask('/v1/metrics');
export const settings = () => ask(own('settings'));
export const saveSuppression = (suppress) => ask(own('settings'), { method: 'PUT', body: { suppress } });
/** Puts a suspect unsubscribe out of force, or back. */
export const reverse = (event, reversed) => ask(own(`unsubscribes/${encodeURIComponent(event)}/${reversed ? 'reverse' : 'restore'}`), { method: 'POST' });
export const timeline = (message) => ask(own(`messages/${encodeURIComponent(message)}/timeline`));

/** A report of the window and filters; each question is asked once, however many panels need its answer. */
export class Reports {
  #answers = new Map();
  #abort = new AbortController();

  constructor(parameters) {
    this.parameters = parameters;
  }

  get(kind, more = {}) {
    const filled = Object.entries({ ...this.parameters, ...more }).filter(([, value]) => value !== '');
    const path = own(`reports/${kind}?${new URLSearchParams(filled)}`);
    if (!this.#answers.has(path)) this.#answers.set(path, ask(path, { signal: this.#abort.signal }));
    return this.#answers.get(path);
  }

  unsubscribes() {
    const { cohort, suppress, ...narrowed } = this.parameters;
    const filled = Object.entries({ ...narrowed, suspect: 'true' }).filter(([, value]) => value !== '');
    return ask(own(`unsubscribes?${new URLSearchParams(filled)}`), { signal: this.#abort.signal });
  }

  end() {
    this.#abort.abort();
  }
}
