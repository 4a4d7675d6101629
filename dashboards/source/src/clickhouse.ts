// What the panels ask ClickHouse: the API's parameterised views, told the dashboard's window and variables.
//
// Values of variables reach a statement as percent-encoded text alone, which `decodeURLComponent` reads back: whatever a name
// or a URL holds, no part of it becomes part of the statement. The window is `$__from` and `$__to`, to the millisecond.

import * as cog from '@grafana/grafana-foundation-sdk/cog';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';

export const CLICKHOUSE: dashboard.DataSourceRef = {
  type: 'grafana-clickhouse-datasource',
  uid: 'trueopen-clickhouse',
};

/** What stands for no filter. A campaign can't have this name and a filter of its own. */
const ALL = '(all)';

const text = (variable: string) => `decodeURLComponent('\${${variable}:percentencode}')`;
/** What is chosen of a variable that takes several: Grafana writes a list as `{a,b}`. */
const several = (variable: string) => `splitByChar(',', trim(BOTH '{}' FROM ${text(variable)}))`;
const filter = (variable: string) => `if(${text(variable)} = '${ALL}', '', ${text(variable)})`;
const ACCOUNT = `account = toUInt32(${text('account')})`;
const window = (cohort: string) => `${ACCOUNT}, from_ms = \${__from}, to_ms = \${__to}, cohort = ${cohort}`;
const WINDOW = window(text('cohort'));
const FILTERS = ['campaign', 'recipient_domain', 'mailbox_provider'].map((name) => `${name} = ${filter(name)}`).join(', ');
/** The classes in force; `none` is no class and leaves out nothing. */
const SUPPRESS = `suppress = splitByChar(',', ${text('suppress_classes')})`;
const NOTHING_SUPPRESSED = `suppress = ['none']`;

/** A report view over the window; `more` are its further parameters. */
export const hits = (view: string, more = '') => `${view}(${WINDOW}, ${FILTERS}${more && `, ${more}`})`;

/** The figures of all messages, or of each `by`. */
export const figures = (by: '' | 'campaign' | 'recipient_domain' | 'mailbox_provider' = '', raw = false) =>
  hits('report_figures', `${raw ? NOTHING_SUPPRESSED : SUPPRESS}, by = '${by}'`);

/** The opens and clicks of each source or client. */
export const hitFigures = (by: 'source' | 'client') => hits('report_hit_figures', `${SUPPRESS}, by = '${by}'`);

/** The clicks of each link. */
export const linkFigures = () => hits('report_link_figures', SUPPRESS);

/** Where the buckets of a series begin: at the window's start, then at whole intervals (of UTC). */
const STEP = '($__interval_s * 1000)';
const EDGES =
  `arrayConcat([toInt64(\${__from})], ` +
  `range(toInt64((intDiv(\${__from}, ${STEP}) + 1) * ${STEP}), toInt64(\${__to}), toInt64(${STEP})))`;

const overTime = (columns: string, cohort: string, suppress: string) =>
  `SELECT fromUnixTimestamp64Milli(toInt64(group_key)) AS time, ${columns}\n` +
  `FROM report_series(${window(cohort)}, ${FILTERS}, ${suppress}, edges = ${EDGES})\nORDER BY time`;

/** Counts over time, one row a bucket in which there is something. */
export const series = (columns: string) => overTime(columns, text('cohort'), SUPPRESS);

/**
 * Rates over time, of the mail sent in each bucket whenever it was read: what was opened in an hour over what was delivered in
 * it would divide different mails.
 */
export const rates = (columns: string, raw = false) => overTime(columns, "'sent'", raw ? NOTHING_SUPPRESSED : SUPPRESS);

/**
 * Unsubscribes by POST in the window that look like a machine's, of the messages that the filters choose. Whatever *Count* says, they
 * are those that came in the window.
 */
export const suspects = () =>
  `unsubscribe_posts(${ACCOUNT}, from_ms = \${__from}, to_ms = \${__to}, message_id = '', event_id = '')\n` +
  `WHERE suspect AND message_id IN (SELECT message_id FROM report_messages(${window("'event'")}, ${FILTERS}, suppress = []))`;

/** Only the machines that are chosen under *Machine*; `others` are hits that it does not narrow. */
export const ofMachines = (others = '') =>
  `$__conditionalAll(${others && `${others} OR `}has(${several('source')}, source), $source)`;

/** A view of one message. */
export const message = (view: string) => `${view}(${ACCOUNT}, message_id = ${text('message')})`;

/** The rules that fired, the deciding one first. */
export const rule = (reasons: string) =>
  `arrayStringConcat(arrayMap(reason -> JSONExtractString(reason, 'rule'), JSONExtractArrayRaw(${reasons})), ', ')`;

export const zone = () => `zone = ${text('zone')}`;

/** Visits of people by link, by the days of the chosen time zone. */
export const visits = () => hits('report_visits', `suppress = [], tz = ${text('zone')}`);

/** A statement as the plugin's query. */
export class Sql implements cog.Builder<cog.Dataquery> {
  constructor(
    private readonly rawSql: string,
    private readonly kind: 'table' | 'timeseries' = 'table',
    private readonly refId = 'A',
  ) {}

  build(): cog.Dataquery {
    const query = {
      refId: this.refId,
      datasource: CLICKHOUSE,
      editorType: 'sql',
      queryType: this.kind,
      format: this.kind === 'timeseries' ? 0 : 1,
      rawSql: this.rawSql,
      _implementsDataqueryVariant: () => {},
    };
    return query;
  }
}

const query = (refId: string, rawSql: string) => ({
  refId,
  editorType: 'sql',
  queryType: 'table',
  format: 1,
  rawSql,
});

const ask = (name: string, label: string, description: string, rawSql: string) =>
  new dashboard.QueryVariableBuilder(name)
    .label(label)
    .description(description)
    .datasource(CLICKHOUSE)
    .query(query(name, rawSql))
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged);

const options = (name: string, label: string, description: string, pairs: [string, string][]) =>
  new dashboard.CustomVariableBuilder(name)
    .label(label)
    .description(description)
    .values(pairs.map(([title, value]) => `${title} : ${value}`).join(','))
    .options(pairs.map(([title, value], place) => ({ text: title, value, selected: place === 0 })))
    .current({ text: pairs[0]![0], value: pairs[0]![1] });

const everything = { text: 'All', value: '$__all' };

const ofFigures = (by: 'campaign' | 'recipient_domain' | 'mailbox_provider') =>
  `SELECT group_key AS id, group_key AS name FROM report_figures(${WINDOW}, campaign = '', recipient_domain = '', mailbox_provider = '', ` +
  `${NOTHING_SUPPRESSED}, by = '${by}') WHERE group_key != '' ORDER BY sent DESC, group_key LIMIT 1000`;

export const account = () =>
  ask('account', 'Account', 'Whose mail', 'SELECT toString(number) AS id, any(accounts.id) AS name FROM accounts GROUP BY number ORDER BY name');

/** One of the names that the window has, or all. */
const named = (by: 'campaign' | 'recipient_domain' | 'mailbox_provider', label: string, says: string) =>
  ask(by, label, says, ofFigures(by)).includeAll(true).allValue(ALL).current(everything);

/** What every report can be narrowed to. */
export const narrowing = () => [
  account(),
  named('campaign', 'Campaign', 'One campaign of the window, or all'),
  named('recipient_domain', 'Recipient domain', 'One domain of recipients, or all'),
  named('mailbox_provider', 'Mailbox provider', 'Who runs the mailboxes, or all'),
  cohort(),
  ...suppression(),
];

export const cohort = () =>
  options('cohort', 'Count', 'What happened in the window, or all that ever happened to the mail sent in it', [
    ['What happened in the window', 'event'],
    ['The mail sent in the window', 'sent'],
  ]);

const CHOSEN = several('suppress');
/** What several choices come to: all machines, else the classes that are named, else nothing, else the account's own setting. */
const ASKED =
  `multiIf(has(${CHOSEN}, 'all'), 'all', hasAny(${CHOSEN}, ['apple', 'google', 'scanners', 'other']), arrayStringConcat(${CHOSEN}, ','), ` +
  `has(${CHOSEN}, 'none'), 'none', 'account')`;

/** The switch, and hidden behind it the classes that it means now: the account's own setting is read on every refresh. */
export const suppression = () => [
  options('suppress', 'Leave out', "Which machines the counted figures leave out: one class or several, which go before the account's own setting", [
    ["The account's own setting", 'account'],
    ['Nothing', 'none'],
    ['All machines', 'all'],
    ['Apple', 'apple'],
    ['Google', 'google'],
    ['Scanners', 'scanners'],
    ['Other machines', 'other'],
  ])
    .multi(true)
    .current({ text: ["The account's own setting"], value: ['account'] }),
  ask(
    'suppress_classes',
    'Classes left out',
    "The switch as classes; the account's own setting comes from ClickHouse",
    `SELECT listed FROM report_suppression(${ACCOUNT}, asked = ${ASKED})`,
  ).hide(dashboard.VariableHide.HideVariable),
];

export const source = () =>
  ask(
    'source',
    'Machine',
    'Which machines',
    `SELECT DISTINCT source AS id, source AS name FROM ${hits('report_machines')} ORDER BY name`,
  )
    .multi(true)
    .includeAll(true)
    .current({ text: ['All'], value: ['$__all'] });

export const timeZone = () =>
  new dashboard.TextBoxVariableBuilder('zone')
    .label('Time zone')
    .description('By whose clock hours and weekdays are, such as Europe/Berlin')
    .defaultValue('UTC')
    .current({ text: 'UTC', value: 'UTC' });

export const messageId = () =>
  new dashboard.TextBoxVariableBuilder('message')
    .label('Message')
    .description('The id under which you sent the mail')
    .defaultValue('')
    .current({ text: '', value: '' });

/** Marks where the account changed what it leaves out. */
export const settingsChanges = () => {
  const sql =
    `SELECT changed_at AS time, concat('Now left out: ', if(empty(suppress), 'nothing', arrayStringConcat(suppress, ', '))) AS text\n` +
    `FROM settings FINAL\nWHERE account = toUInt32(${text('account')}) AND $__timeFilter(changed_at)\nORDER BY time`;
  const annotation = {
    name: 'Suppression changed',
    datasource: CLICKHOUSE,
    enable: true,
    iconColor: 'purple',
    target: { ...query('Anno', sql), limit: 100, matchAny: false, tags: [], type: 'table' },
  };
  return { build: (): dashboard.AnnotationQuery => annotation };
};
