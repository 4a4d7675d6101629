// Which opens and clicks were people.

import { figures, hitFigures, hits, narrowing, rates, series, settingsChanges, timeZone, zone } from './clickhouse';
import { COLOURS, bars, begin, chart, gauges, lines, number, rows } from './panels';

const of = (columns: string) => `SELECT ${columns} FROM ${figures()}`;
const ACTORS = { People: COLOURS.human, Machines: COLOURS.automated, 'Nobody can tell': COLOURS.unknown };
const actors = (what: 'opens' | 'clicks') =>
  series(`${what}_human_total AS People, ${what}_automated_total AS Machines, ${what}_unknown_total AS "Nobody can tell"`);

/** Weekdays down, hours across. */
const hourMap = () => {
  const hours = Array.from({ length: 24 }, (_, hour) => `sumIf(human, hour = ${hour}) AS "${String(hour).padStart(2, '0')}"`);
  return (
    `SELECT ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'][weekday] AS Day, ${hours.join(', ')}\n` +
    `FROM ${hits('report_hours', zone())}\nGROUP BY weekday ORDER BY weekday`
  );
};

export const engagement = () =>
  begin('engagement', 'Opens and clicks by people, apart from those by machines.', 'now-30d')
    .variables([...narrowing(), timeZone()])
    .annotation(settingsChanges())
    .withPanel(
      number(
        { title: 'Opened by people', says: 'Mails with an open or click that a person made.', defined: ['human opens', 'open_low'], unit: 'mails' },
        of('opens_human_unique'),
        COLOURS.human,
      ),
    )
    .withPanel(
      number(
        { title: 'Clicked by people', says: 'Mails with a click that a person made.', defined: ['human clicks'], unit: 'mails' },
        of('clicks_human_unique'),
        COLOURS.human,
      ),
    )
    .withPanel(
      number(
        { title: 'Open rate', says: 'Mails with an open that counts, of the mails delivered. What counts is chosen under “Leave out”.', defined: ['open rate', 'suppression'], unit: 'percentunit' },
        of('rate_open'),
      ),
    )
    .withPanel(
      number(
        { title: 'Click rate', says: 'Mails with a click that counts, of the mails delivered. What counts is chosen under “Leave out”.', defined: ['click rate', 'suppression'], unit: 'percentunit' },
        of('rate_click'),
      ),
    )
    .withPanel(
      number(
        { title: 'Clicks per open', says: 'Of the mails opened, the share that was clicked too.', defined: ['click_to_open'], unit: 'percentunit' },
        of('rate_click_to_open'),
      ),
    )
    .withPanel(
      number(
        { title: 'Opens made by machines', says: 'Of all opens, the share that machines made.', defined: ['automated share'], unit: 'percentunit' },
        of('opens_automated_total / nullIf(opens_human_total + opens_automated_total + opens_unknown_total, 0) AS automated_share'),
        COLOURS.automated,
      ),
    )
    .withPanel(
      gauges(
        { title: 'How many really read it', says: 'Surely read, the estimate from the readers we can see, and at most read, of the mails delivered. The estimate needs 100 such readers.', defined: ['open_low', 'open_estimate', 'open_high'], unit: 'percentunit', width: 8 },
        of('rate_open_low AS "Surely read", rate_open_estimate AS "Estimate", rate_open_high AS "At most read"'),
        { 'Surely read': COLOURS.human, Estimate: COLOURS.sent, 'At most read': COLOURS.unknown },
      ).max(1),
    )
    .withPanel(
      lines(
        { title: 'Readers over time, from surely to at most', says: 'Of the mail sent at each time, whenever it was read. The true figure lies in the shaded band.', defined: ['open_low', 'open_estimate', 'open_high'], unit: 'percentunit', width: 16 },
        [rates('rate_open_low AS "Surely read", rate_open_estimate AS "Estimate", rate_open_high AS "At most read"')],
        { 'Surely read': COLOURS.human, Estimate: COLOURS.sent, 'At most read': COLOURS.unknown },
      ).overrideByName('At most read', [{ id: 'custom.fillBelowTo', value: 'Surely read' }]),
    )
    .withPanel(bars({ title: 'Opens over time', says: 'Every load of the pixel, by who made it. Nothing is left out here.', defined: ['opens.total', 'actor'], unit: 'hits' }, actors('opens'), ACTORS))
    .withPanel(bars({ title: 'Clicks over time', says: 'Every followed link, by who followed it. Nothing is left out here.', defined: ['click rate', 'actor'], unit: 'hits' }, actors('clicks'), ACTORS))
    .withPanel(
      lines(
        { title: 'True against raw open rate', says: 'Of the mail sent at each time, whenever it was read: what other tools would report, what remains under “Leave out”, and what people surely opened.', defined: ['open rate', 'open_low', 'suppression'], unit: 'percentunit' },
        [rates('rate_open AS "Counted", rate_open_low AS "People"'), rates('rate_open AS "Raw, machines included"', true)],
        { People: COLOURS.human, Counted: COLOURS.sent, 'Raw, machines included': COLOURS.automated },
      ),
    )
    .withPanel(
      lines(
        { title: 'True against raw click rate', says: 'Of the mail sent at each time, whenever it was read: what other tools would report, and what remains under “Leave out”.', defined: ['click rate', 'suppression'], unit: 'percentunit' },
        [rates('rate_click AS "Counted"'), rates('rate_click AS "Raw, machines included"', true)],
        { Counted: COLOURS.sent, 'Raw, machines included': COLOURS.automated },
      ),
    )
    .withPanel(
      chart(
        { title: 'Which machines opened and clicked', says: 'Opens and clicks by each machine, the busiest first.', defined: ['source', 'actor'], unit: 'hits' },
        `SELECT group_key AS Machine, opens_automated_total AS Opens, clicks_automated_total AS Clicks\nFROM ${hitFigures('source')}\n` +
          `WHERE opens_automated_total + clicks_automated_total > 0 ORDER BY Opens + Clicks DESC, Machine LIMIT 15`,
        { Opens: COLOURS.automated, Clicks: COLOURS.bounced },
      ),
    )
    .withPanel(
      chart(
        { title: 'What people read with', says: 'Opens and clicks by people, by the mail program or browser they used.', defined: ['client', 'actor'], unit: 'hits' },
        `SELECT if(group_key = '', 'unknown', group_key) AS Client, opens_human_total AS Opens, clicks_human_total AS Clicks\nFROM ${hitFigures('client')}\n` +
          `WHERE opens_human_total + clicks_human_total > 0 ORDER BY Opens + Clicks DESC, Client LIMIT 15`,
        { Opens: COLOURS.human, Clicks: COLOURS.sent },
      ),
    )
    .withPanel(
      rows(
        { title: 'When people read', says: 'Opens and clicks by people, by weekday and hour of the chosen time zone.', defined: ['hour of the week'], unit: 'hits' },
        hourMap(),
      ).overrideByRegexp('^[0-9]{2}$', [
        { id: 'custom.cellOptions', value: { type: 'color-background', mode: 'basic' } },
        { id: 'color', value: { mode: 'continuous-greens' } },
        { id: 'custom.width', value: 46 },
      ]),
    );
