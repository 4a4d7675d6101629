// Who looks at the mail that is no reader: who, when after delivery, at which domains, and what had to be judged again.

import { hits, narrowing, ofMachines, rule, source, suspects } from './clickhouse';
import { COLOURS, begin, chart, number, rows } from './panels';

const chosen = (view: string) => `${view}\nWHERE ${ofMachines()}`;
/** What is not reversed has 1970 there. */
const IN_FORCE = 'toUnixTimestamp64Milli(reversed_at) = 0';
const MACHINES = chosen(hits('report_machines'));
const span = (name: string) =>
  `multiIf(${name} < 60, concat(toString(${name}), ' s'), ${name} < 3600, concat(toString(intDiv(${name}, 60)), ' min'), ` +
  `${name} < 86400, concat(toString(intDiv(${name}, 3600)), ' h'), concat(toString(intDiv(${name}, 86400)), ' d'))`;
/** As `report_after_delivery`, which knows no single machines: its hits, of those that are chosen, and of whoever is none. */
const AFTER_DELIVERY =
  `SELECT ${span('from_seconds')} AS "From", countIf(class = 'scanners') AS Scanners, countIf(class = 'apple') AS Apple, countIf(class = 'google') AS Google, ` +
  `countIf(class = 'other') AS "Other machines", countIf(actor = 'unknown') AS "Nobody can tell", countIf(actor = 'human') AS People\n` +
  `FROM (SELECT roundDown(seconds_after, [0, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 604800]) AS from_seconds, class, actor, source FROM ${hits('report_hits')})\n` +
  `WHERE ${ofMachines("actor != 'automated'")}\nGROUP BY from_seconds ORDER BY from_seconds`;

export const scanners = () =>
  begin('scanners', 'Machines that look at mail: gateways, prefetching providers, scripts.', 'now-30d')
    .variables([...narrowing(), source()])
    .withPanel(number({ title: 'Hits by machines', says: 'Requests of every kind that machines made.', defined: ['machine hits'], unit: 'hits', width: 6 }, `SELECT sum(hits) AS hits FROM ${MACHINES}`, COLOURS.automated))
    .withPanel(number({ title: 'Recipient domains with scanners', says: 'Domains whose mail a gateway looked at.', defined: ['machine hits', 'source'], unit: 'short', width: 6 }, `SELECT uniqExactIf(recipient_domain, class = 'scanners') AS domains FROM ${MACHINES}`, COLOURS.automated))
    .withPanel(number({ title: 'Links no reader can see, followed', says: 'Hits on trap links: only a machine finds one.', defined: ['machine hits'], unit: 'hits', width: 6 }, `SELECT sum(traps) AS traps FROM ${MACHINES}`, COLOURS.bounced))
    .withPanel(number({ title: 'Unsubscribes asked by machines', says: 'Those in force. Look at them below: some are genuine, sent by a mailbox provider for its user.', defined: ['suspect unsubscribe'], unit: 'mails', width: 6 }, `SELECT count() AS unsubscribes FROM ${suspects()} AND ${IN_FORCE}`, COLOURS.complained))
    .withPanel(
      rows(
        { title: 'Who looks', says: 'Each machine with its hits, the mails and domains it looked at, and within how long after delivery half of its hits came.', defined: ['source', 'machine hits', 'time after delivery'], unit: 'hits', width: 12 },
        `SELECT source AS Machine, class AS Class, hits AS Hits, opens AS Opens, clicks AS Clicks, messages AS Mails, recipient_domains AS Domains, ` +
          `seconds_after_median AS "After delivery"\nFROM ${chosen(hits('report_machine_groups', "by = 'source'"))}\nORDER BY hits DESC, source LIMIT 100`,
        { 'After delivery': 's' },
      ),
    )
    .withPanel(
      chart(
        { title: 'When hits come after delivery', says: 'Each bar begins at its label and ends where the next begins. Scanners come within seconds, people within hours, whom a choice of machines leaves in.', defined: ['time after delivery', 'actor'], unit: 'hits', height: 9 },
        AFTER_DELIVERY,
        { Scanners: COLOURS.bounced, Apple: COLOURS.automated, Google: COLOURS.deferred, 'Other machines': COLOURS.complained, 'Nobody can tell': COLOURS.unknown, People: COLOURS.human },
      ),
    )
    .withPanel(
      rows(
        { title: 'Whose mail is looked at', says: 'Machine and recipient domain, the most hits first.', defined: ['machine hits', 'time after delivery'], unit: 'hits', width: 12 },
        `SELECT recipient_domain AS "Recipient domain", source AS Machine, hits AS Hits, messages AS Mails, seconds_after_median AS "After delivery"\nFROM ${MACHINES}\nORDER BY hits DESC, recipient_domain, source LIMIT 500`,
        { 'After delivery': 's' },
      ),
    )
    .withPanel(
      rows(
        { title: 'Judged again', says: 'Hits whose verdict was revised: what was said first, what is said now. Many keep who and source and gain reasons.', defined: ['correction'], unit: 'hits', width: 12 },
        `SELECT first_actor AS "Said first", first_source AS "First source", actor AS "Said now", source AS "Source now", hits AS Hits\nFROM ${hits('report_corrections')}\n` +
          `ORDER BY first_actor != actor DESC, hits DESC, first_source, source LIMIT 200`,
      ),
    )
    .withPanel(
      rows(
        { title: 'Unsubscribes to look at', says: 'Asked by what looks like a machine. Each is in force until you reverse it through the API.', defined: ['suspect unsubscribe'], unit: 'short' },
        `SELECT received_at AS Time, message_id AS Message, campaign AS Campaign, if(${IN_FORCE}, 'in force', 'reversed') AS Standing, ` +
          `${rule('reasons')} AS Reasons\nFROM ${suspects()}\nORDER BY received_at DESC, message_id LIMIT 500`,
        { Time: 'dateTimeAsIso' },
      ),
    );
