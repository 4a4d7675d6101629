// How the system itself fares, asked of Prometheus: from the first byte of a hit to the row that a report reads.

import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import { COLOURS, begin, lines, number, steps } from './panels';

const PROMETHEUS: dashboard.DataSourceRef = { type: 'prometheus', uid: 'trueopen-prometheus' };

function ask(expression: string, legend = '', refId = 'A') {
  return new prometheus.DataqueryBuilder().expr(expression).legendFormat(legend).refId(refId).datasource(PROMETHEUS).range();
}

/** What was counted in the window, of a series that began within it too: `increase` alone misses the first count. */
const over = (metric: string) => `(increase(${metric}[$__range]) and ${metric} offset $__range) or ${metric}`;
const rate = (metric: string) => `rate(${metric}[$__rate_interval])`;
const quantile = (share: number, metric: string, by = '') =>
  `histogram_quantile(${share}, sum by (le${by && `, ${by}`}) (${rate(`${metric}_bucket`)}))`;
/** Nothing may have happened: a counter with labels is not there before its first count. */
const orZero = (expression: string) => `(${expression}) or vector(0)`;
const DEAD_LETTERS = ['classifier_dead_lettered', 'loader_dead_lettered', 'stream_forward_set_aside']
  .map((counter) => `(sum(${over(`trueopen_${counter}_records_total`)}) or vector(0))`)
  .join(' + ');
const none = () => steps([null, 'green'], [1, 'red']);

const told = (title: string, says: string, defined: string, unit: 'reqps' | 's' | 'short' | 'bytes' | 'hits', size: { width?: number; height?: number } = {}) => ({
  title,
  says,
  defined: [defined],
  unit,
  datasource: PROMETHEUS,
  ...size,
});

export const pipeline = () =>
  begin('pipeline', 'How the system itself fares. What to do when something is red stands in dashboards/RUNBOOK.md.', 'now-6h')
    .refresh('30s')
    .withPanel(number(told('Hits lost', 'Readers were served and their hits not recorded. It must stay 0.', 'hits lost', 'hits'), ask(orZero(`sum(${over('trueopen_tracker_refused_hits_total')})`)), none()))
    .withPanel(number(told('Hits unconfirmed', 'Readers were served before their hit was surely on disk.', 'hits unconfirmed', 'hits'), ask(orZero(`sum(${over('trueopen_tracker_unconfirmed_hits_total')})`)), none()))
    .withPanel(number(told('Records set aside', 'Records that could not be read or stored, kept with their reason as dead letters.', 'dead letters', 'short'), ask(DEAD_LETTERS), none()))
    .withPanel(number(told('Waiting for a verdict', 'Hits that the classifier has not judged yet.', 'classifier lag', 'short'), ask('sum(trueopen_classifier_lag_records)')))
    .withPanel(number(told('Waiting for the database', 'Verdicts and delivery events that reports do not show yet.', 'loader lag', 'short'), ask('sum(trueopen_loader_lag_records)')))
    .withPanel(number(told('Age of the copy of keys', 'Since accounts, keys and settings were last read; at 24 hours keys are refused.', 'age of keys', 's'), ask('max(trueopen_store_directory_age_seconds)'), steps([null, 'green'], [300, 'orange'], [43200, 'red'])))
    .withPanel(lines(told('Hits', 'Opens, clicks, unsubscribes and traps that arrived, and those that are durable.', 'hits received', 'reqps'), [ask(`sum by (kind) (${rate('trueopen_tracker_received_hits_total')})`, '{{kind}}'), ask(`sum(${rate('trueopen_tracker_journaled_hits_total')})`, 'durable', 'B')]))
    .withPanel(lines(told('How fast readers are answered', 'From the arrival of a request to its answer.', 'answer time', 's'), [ask(quantile(0.5, 'trueopen_tracker_answer_seconds'), 'half within'), ask(quantile(0.99, 'trueopen_tracker_answer_seconds'), '99 % within', 'B')]))
    .withPanel(lines(told('Requests that are no hit', 'Tokens that could not be opened, and other requests. A burst of them is a broken template or a stranger.', 'requests without a hit', 'reqps'), [ask(`sum by (reason) (${rate('trueopen_tracker_unopened_requests_total')})`, 'unopened: {{reason}}'), ask(`sum by (reason) (${rate('trueopen_tracker_other_requests_total')})`, 'other: {{reason}}', 'B')]))
    .withPanel(lines(told('Journal on disk', 'Bytes of the queues on this disk. They may grow until the configured bound, then hits are lost.', 'journal size', 'bytes'), [ask('sum by (journal) (trueopen_journal_segment_bytes)', '{{journal}}')]))
    .withPanel(lines(told('Oldest record that waits', 'Age of the oldest record that its next stage has not taken.', 'journal lag', 's'), [ask('max by (journal, consumer) (trueopen_journal_oldest_unread_age_seconds)', '{{journal}} → {{consumer}}')]))
    .withPanel(lines(told('How long the disk takes', 'Time of one sync; answers wait for it.', 'sync time', 's'), [ask(quantile(0.99, 'trueopen_journal_sync_seconds', 'journal'), '{{journal}}')]))
    .withPanel(lines(told('Waiting for Kafka', 'Records in a journal that Kafka has not confirmed, and appends that failed.', 'Kafka lag', 'short'), [ask('sum by (topic) (trueopen_stream_forward_waiting_records)', '{{topic}}'), ask(`sum by (topic) (${rate('trueopen_stream_append_failures_total')})`, 'failures a second: {{topic}}', 'B')]))
    .withPanel(lines(told('Lag of classifier and loader', 'Records that each stage has before it.', 'loader lag', 'short'), [ask('sum(trueopen_classifier_lag_records)', 'verdicts'), ask('sum by (topic) (trueopen_loader_lag_records)', 'database: {{topic}}', 'B')]))
    .withPanel(lines(told('Verdicts', 'Hits judged, by who made them, and verdicts that were revised.', 'verdicts', 'reqps'), [ask(`sum by (actor) (${rate('trueopen_classifier_verdicts_total')})`, '{{actor}}'), ask(`sum(${rate('trueopen_classifier_corrections_total')})`, 'revised', 'B')]))
    .withPanel(lines(told('Rows stored', 'Records whose rows the database confirmed, and inserts that failed.', 'rows stored', 'reqps'), [ask(`sum by (topic) (${rate('trueopen_loader_loaded_records_total')})`, '{{topic}}'), ask(`sum by (class) (${rate('trueopen_loader_insert_failures_total')})`, 'failures: {{class}}', 'B')]))
    .withPanel(lines(told('How far roll-ups are behind', 'Since the oldest message whose summary is not made anew was touched. Reports stay exact and get slower.', 'roll-up lag', 's'), [ask('max by (instance) (trueopen_loader_rollup_lag_seconds)', '{{instance}}')]))
    .withPanel(lines(told('Messages to roll up', 'Messages whose summary is not made anew yet, which reports count from the events, and rounds that failed.', 'roll-up lag', 'short'), [ask('max(trueopen_loader_rollup_waiting_messages)', 'waiting'), ask('sum(increase(trueopen_loader_rollup_failures_total[$__rate_interval]))', 'failed rounds', 'B')], { waiting: COLOURS.sent, 'failed rounds': COLOURS.bounced }))
    .withPanel(lines(told('Webhooks of mail providers', 'Requests that were taken, and those that were refused with the reason. What is refused is in no report.', 'webhook requests', 'reqps'), [ask(`sum by (provider, outcome) (${rate('trueopen_reporting_webhook_requests_total')})`, '{{provider}}: {{outcome}}')]))
    .withPanel(lines(told('How fast reports are', 'From a request to its answer, 95 of 100 within.', 'report time', 's'), [ask(quantile(0.95, 'trueopen_reporting_request_seconds', 'route'), '{{route}}')]))
    .withPanel(lines(told('Errors of the API', 'Answers that say the server failed or is away.', 'API errors', 'reqps'), [ask(`sum by (route) (${rate('trueopen_reporting_requests_total{status="5xx"}')})`, '{{route}}')]))
    .withPanel(lines(told('Embedded database', '1 while it answers, and how often it was started again. Without a line the database is a server of its own.', 'engine', 'short', { width: 24, height: 6 }), [ask('trueopen_embedded_up', 'up'), ask('increase(trueopen_embedded_restarts_total[$__rate_interval])', 'restarts', 'B')], { up: COLOURS.human }));
