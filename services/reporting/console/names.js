// What ids are called: sources, mailbox providers and reasons of bounces, from the same files that the program knows them by.

import { words } from './dom.js';

const titles = new Map();
const read = async (file, list) => {
  const answer = await fetch(`/console/${file}`);
  if (!answer.ok) return;
  for (const { id, title } of (await answer.json())[list]) titles.set(`${list} ${id}`, title);
};

/** Names that can't be had leave the ids. */
export const ready = Promise.allSettled([read('sources.json', 'sources'), read('mailbox-providers.json', 'providers'), read('bounce-reasons.json', 'reasons')]);

const named = (list) => (id) => titles.get(`${list} ${id}`) ?? (id.includes('.') ? id : words(id));
export const source = named('sources');
export const provider = (id) => (id ? named('providers')(id) : 'unknown');
export const reason = named('reasons');
