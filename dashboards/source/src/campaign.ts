// One campaign: from sent to clicked, and which links.

import { figures, hitFigures, linkFigures, narrowing, series, timeZone, visits } from './clickhouse';
import { COLOURS, bars, begin, chart, gauges, number, rows } from './panels';

export const ofCampaign = () =>
  begin('campaign', 'One campaign from sent to clicked. Choose it above.', 'now-30d')
    .variables([...narrowing(), timeZone()])
    .withPanel(
      gauges(
        { title: 'From sent to clicked', says: 'How many mails got how far; opens and clicks are those of people.', defined: ['sent', 'delivered', 'human opens', 'human clicks'], unit: 'mails' },
        `SELECT sent AS Sent, delivered AS Delivered, opens_human_unique AS "Opened by people", clicks_human_unique AS "Clicked by people" FROM ${figures()}`,
        { Sent: COLOURS.sent, Delivered: COLOURS.delivered, 'Opened by people': COLOURS.human, 'Clicked by people': COLOURS.human },
      ),
    )
    .withPanel(
      gauges(
        { title: 'How many really read it', says: 'Surely read, the estimate from the readers we can see, and at most read, of the mails delivered.', defined: ['open_low', 'open_estimate', 'open_high'], unit: 'percentunit' },
        `SELECT rate_open_low AS "Surely read", rate_open_estimate AS "Estimate", rate_open_high AS "At most read" FROM ${figures()}`,
        { 'Surely read': COLOURS.human, Estimate: COLOURS.sent, 'At most read': COLOURS.unknown },
      ).max(1),
    )
    .withPanel(number({ title: 'Delivered', says: 'Of the mails sent, the share that was accepted.', defined: ['delivery rate'], unit: 'percentunit', width: 6 }, `SELECT rate_delivery FROM ${figures()}`, COLOURS.delivered))
    .withPanel(number({ title: 'Open rate', says: 'Mails with an open that counts, of the mails delivered.', defined: ['open rate', 'suppression'], unit: 'percentunit', width: 6 }, `SELECT rate_open FROM ${figures()}`))
    .withPanel(number({ title: 'Click rate', says: 'Mails with a click that counts, of the mails delivered.', defined: ['click rate', 'suppression'], unit: 'percentunit', width: 6 }, `SELECT rate_click FROM ${figures()}`))
    .withPanel(number({ title: 'Unsubscribed', says: 'Of the mails delivered, the share whose reader unsubscribed.', defined: ['unsubscribe rate'], unit: 'percentunit', width: 6 }, `SELECT rate_unsubscribe FROM ${figures()}`, COLOURS.deferred))
    .withPanel(
      rows(
        { title: 'Which links people followed', says: 'Clicks on each link of the mail, by its place and the label you gave it.', defined: ['link', 'click rate'], unit: 'mails', width: 14 },
        `SELECT ifNull(toString(link_index), '') AS Place, link_label AS Label, clicks_human_unique AS "Mails, by people", clicks_unique AS "Mails, counted", ` +
          `clicks_automated_total AS "Clicks by machines", clicks_unknown_total AS "Clicks nobody can tell"\nFROM ${linkFigures()}\nORDER BY link_index, link_label LIMIT 500`,
      ),
    )
    .withPanel(
      chart(
        { title: 'What people read with', says: 'Opens and clicks by people, by the mail program or browser they used.', defined: ['client', 'actor'], unit: 'hits', width: 10, height: 9 },
        `SELECT if(group_key = '', 'unknown', group_key) AS Client, opens_human_total AS Opens, clicks_human_total AS Clicks\nFROM ${hitFigures('client')}\n` +
          `WHERE opens_human_total + clicks_human_total > 0 ORDER BY Opens + Clicks DESC, Client LIMIT 10`,
        { Opens: COLOURS.human, Clicks: COLOURS.sent },
      ),
    )
    .withPanel(
      rows(
        { title: 'Who came back to a link', says: 'People by the label of the links they followed, and how many of them came on another day too, by the days of the chosen time zone.', defined: ['visit', 'returning'], unit: 'mails', width: 24, height: 7 },
        `SELECT if(label = '', if(isNull(\`index\`), 'without a label', concat('link ', toString(assumeNotNull(\`index\`) + 1))), label) AS Label, messages AS Mails, returning AS "On another day too", ` +
          `visits AS Visits, clicks AS Clicks\nFROM ${visits()}\nORDER BY visits DESC, Label LIMIT 200`,
        { Visits: 'short', Clicks: 'hits' },
      ),
    )
    .withPanel(
      bars(
        { title: 'Opens and clicks by people over time', says: 'Every open and click that a person made.', defined: ['actor', 'opens.total'], unit: 'hits' },
        series('opens_human_total AS Opens, clicks_human_total AS Clicks'),
        { Opens: COLOURS.human, Clicks: COLOURS.sent },
      ),
    )
    .withPanel(
      rows(
        { title: 'Recipient domains of the campaign', says: 'Delivery and human engagement by recipient domain.', defined: ['delivery rate', 'open_low', 'human clicks'], unit: 'mails', width: 12, height: 8 },
        `SELECT if(group_key = '', 'unknown', group_key) AS "Recipient domain", sent AS Sent, rate_delivery AS Delivered, rate_open_low AS "Opened by people", clicks_human_unique AS "Clicked by people"\n` +
          `FROM ${figures('recipient_domain')}\nORDER BY sent DESC, group_key LIMIT 200`,
        { Delivered: 'percentunit', 'Opened by people': 'percentunit' },
      ),
    )
    .withPanel(
      rows(
        { title: 'All campaigns of the window', says: 'To compare: every campaign, or the chosen one.', defined: ['sent', 'delivery rate', 'open_low', 'click rate', 'unsubscribe rate'], unit: 'mails' },
        `SELECT if(group_key = '', 'without a name', group_key) AS Campaign, sent AS Sent, rate_delivery AS Delivered, rate_open_low AS "Opened by people", rate_click AS Clicked, rate_unsubscribe AS Unsubscribed\n` +
          `FROM ${figures('campaign')}\nORDER BY sent DESC, group_key LIMIT 200`,
        { Delivered: 'percentunit', 'Opened by people': 'percentunit', Clicked: 'percentunit', Unsubscribed: 'percentunit' },
      ),
    );
