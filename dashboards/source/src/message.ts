// One mail: everything that is known of it, in order, each hit with its verdict and why. What identifies a reader's device
// (address, agent, headers) is left to the API, whose readers are noted in the audit log.

import { account, message, messageId, rule } from './clickhouse';
import { COLOURS, begin, number, rows } from './panels';

const HITS = `${message('message_hits')}`;
const NOW = `WHERE current`;
const DELIVERIES = message('message_deliveries');

export const ofMessage = () =>
  begin('message', 'Everything that is known of one mail. Give its id above.', 'now-30d')
    .variables([account(), messageId()])
    .withPanel(
      number(
        { title: 'Seconds from sending to delivery', says: 'From the sent event to the first acceptance.', defined: ['time to delivery'], unit: 's', width: 6 },
        `SELECT if(countIf(type = 'sent') > 0 AND countIf(type = 'delivered') > 0, greatest(0, dateDiff('millisecond', minIf(at, type = 'sent'), minIf(at, type = 'delivered'))) / 1000, NULL) AS seconds FROM ${DELIVERIES}`,
        COLOURS.delivered,
      ),
    )
    .withPanel(
      number(
        { title: 'Opens by people', says: 'Loads of the pixel that a person made.', defined: ['actor'], unit: 'hits', width: 6 },
        `SELECT countIf(kind = 'open' AND actor = 'human') AS opens FROM ${HITS} ${NOW}`,
        COLOURS.human,
      ),
    )
    .withPanel(
      number(
        { title: 'Clicks by people', says: 'Followed links, by a person.', defined: ['actor'], unit: 'hits', width: 6 },
        `SELECT countIf(kind = 'click' AND actor = 'human') AS clicks FROM ${HITS} ${NOW}`,
        COLOURS.human,
      ),
    )
    .withPanel(
      number(
        { title: 'Hits by machines', says: 'Requests of every kind that a machine made.', defined: ['actor'], unit: 'hits', width: 6 },
        `SELECT countIf(actor = 'automated') AS hits FROM ${HITS} ${NOW}`,
        COLOURS.automated,
      ),
    )
    .withPanel(
      rows(
        { title: 'What happened to this mail', says: 'Delivery events and hits in order; a hit with the verdict in force and every rule that fired, the deciding one first.', defined: ['timeline'], unit: 'short', height: 14 },
        `SELECT * FROM\n(\n` +
          `  SELECT received_at AS Time, kind AS What, actor AS "Who", source AS "By", toNullable(confidence) AS Confidence, ${rule('reasons')} AS Reasons, ` +
          `ifNull(concat('link ', toString(link_index), ' ', label), '') AS Detail, toNullable(revision) AS Revision\n  FROM ${HITS} ${NOW}\n  UNION ALL\n` +
          `  SELECT at AS Time, type AS What, '' AS "Who", mx_host AS "By", NULL AS Confidence, '' AS Reasons, ` +
          `trim(concat(bounce_class, ' ', bounce_reason, ' ', if(isNull(smtp_code), '', toString(smtp_code)), ' ', enhanced_code)) AS Detail, NULL AS Revision\n  FROM ${DELIVERIES}\n)\nORDER BY Time, What LIMIT 1000`,
        { Time: 'dateTimeAsIso', Confidence: 'percentunit' },
      ),
    )
    .withPanel(
      rows(
        { title: 'Every verdict there ever was', says: 'A hit is judged at once and again when more is known; the highest revision counts.', defined: ['correction'], unit: 'short' },
        `SELECT received_at AS Time, kind AS What, revision AS Revision, actor AS "Who", source AS "By", confidence AS Confidence, ${rule('reasons')} AS Reasons, ruleset AS Ruleset, current AS "Counts"\n` +
          `FROM ${message('message_hits')}\nORDER BY received_at, event_id, revision LIMIT 1000`,
        { Time: 'dateTimeAsIso', Confidence: 'percentunit', Counts: 'bool' },
      ),
    );
