// The kinds of panels, each with the look that all dashboards share. Every panel has a title in plain words, a unit and the
// name of its definition in schema/metrics.md; a test holds the three.

import * as barchart from '@grafana/grafana-foundation-sdk/barchart';
import * as bargauge from '@grafana/grafana-foundation-sdk/bargauge';
import * as cog from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import { CLICKHOUSE, Sql } from './clickhouse';

export type Unit = 'short' | 'percentunit' | 's' | 'hits' | 'mails' | 'bytes' | 'reqps' | 'bool' | 'dateTimeAsIso';
type Query = cog.Builder<cog.Dataquery>;

export interface Told {
  title: string;
  /** One sentence for whoever hovers over the panel. */
  says: string;
  /** Names of definitions in schema/metrics.md. */
  defined: string[];
  unit: Unit;
  width?: number;
  height?: number;
  datasource?: dashboard.DataSourceRef;
}

/** One colour a meaning, on every dashboard. */
export const COLOURS = {
  human: '#2a9d6e',
  automated: '#d98324',
  unknown: '#8d99ae',
  sent: '#5b7db1',
  delivered: '#2a9d6e',
  deferred: '#e0b43b',
  bounced: '#d1495b',
  complained: '#8f2d56',
} as const;

const UNITS: Record<Unit, string> = {
  short: 'short',
  percentunit: 'percentunit',
  s: 's',
  hits: 'short',
  mails: 'short',
  bytes: 'bytes',
  reqps: 'reqps',
  bool: 'bool_yes_no',
  dateTimeAsIso: 'dateTimeAsIso',
};

const description = (told: Told) => {
  const names = told.defined.map((name) => `“${name}”`).join(', ');
  return `${told.says} Definition: metrics.md, ${names}.`;
};

/** What every kind of panel's builder has. */
interface Common<T> {
  title(text: string): T;
  description(text: string): T;
  datasource(reference: dashboard.DataSourceRef): T;
  unit(unit: string): T;
  noValue(text: string): T;
  span(width: number): T;
  height(height: number): T;
}

function begun<T extends Common<T>>(panel: T, told: Told, width: number, height: number): T {
  return panel
    .title(told.title)
    .description(description(told))
    .datasource(told.datasource ?? CLICKHOUSE)
    .unit(UNITS[told.unit])
    .noValue('–')
    .span(told.width ?? width)
    .height(told.height ?? height);
}

export const steps = (...list: [number | null, string][]) =>
  new dashboard.ThresholdsConfigBuilder()
    .mode(dashboard.ThresholdsMode.Absolute)
    .steps(list.map(([value, color]) => ({ value, color })));

const fixed = (color: string) =>
  new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Fixed).fixedColor(color);

export const coloured = (color: string): dashboard.DynamicConfigValue[] => [
  { id: 'color', value: { mode: 'fixed', fixedColor: color } },
];

const last = () => new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false);

/** One number, or one a column. */
export function number(told: Told, query: Query | string, colour: string | ReturnType<typeof steps> = COLOURS.sent) {
  const panel = begun(new stat.PanelBuilder(), told, 4, 4)
    .withTarget(typeof query === 'string' ? new Sql(query) : query)
    .reduceOptions(last())
    .colorMode(common.BigValueColorMode.Value)
    .graphMode(common.BigValueGraphMode.None)
    .textMode(common.BigValueTextMode.Auto);
  if (told.unit === 'percentunit') panel.decimals(2);
  return typeof colour === 'string'
    ? panel.colorScheme(fixed(colour))
    : panel
        .colorScheme(new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Thresholds))
        .thresholds(colour);
}

const legend = () =>
  new common.VizLegendOptionsBuilder()
    .displayMode(common.LegendDisplayMode.List)
    .placement(common.LegendPlacement.Bottom)
    .showLegend(true)
    .calcs([]);

const allSeries = () =>
  new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending);

function overTime(told: Told, queries: (Query | string)[]) {
  const panel = begun(new timeseries.PanelBuilder(), told, 12, 8).legend(legend()).tooltip(allSeries()).min(0);
  queries.forEach((query, place) =>
    panel.withTarget(
      typeof query === 'string' ? new Sql(query, 'timeseries', String.fromCharCode(65 + place)) : query,
    ),
  );
  return panel;
}

/** Counts over time as bars, one upon the other. */
export function bars(told: Told, query: string, colours: Record<string, string>, stacked = true) {
  const panel = overTime(told, [query])
    .drawStyle(common.GraphDrawStyle.Bars)
    .fillOpacity(75)
    .lineWidth(0)
    .maxDataPoints(60)
    .interval('1m');
  if (stacked) panel.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group('A'));
  for (const [name, colour] of Object.entries(colours)) panel.overrideByName(name, coloured(colour));
  return panel;
}

/** Rates or levels over time as lines. */
export function lines(told: Told, queries: (Query | string)[], colours: Record<string, string> = {}) {
  const panel = overTime(told, queries)
    .drawStyle(common.GraphDrawStyle.Line)
    .lineWidth(2)
    .fillOpacity(6)
    .showPoints(common.VisibilityMode.Auto)
    .spanNulls(true)
    .interval('1m');
  if (queries.some((query) => typeof query === 'string')) panel.maxDataPoints(60);
  for (const [name, colour] of Object.entries(colours)) panel.overrideByName(name, coloured(colour));
  return panel;
}

/** Rows and columns. `units` are those of columns that differ from the panel's. */
export function rows(told: Told, query: string, units: Record<string, Unit> = {}) {
  const panel = begun(new table.PanelBuilder(), told, 24, 9)
    .withTarget(new Sql(query))
    .cellHeight(common.TableCellHeight.Sm)
    .filterable(true);
  for (const [name, unit] of Object.entries(units)) {
    panel.overrideByName(name, [
      { id: 'unit', value: UNITS[unit] },
      ...(unit === 'percentunit' ? [{ id: 'decimals', value: 2 }] : []),
    ]);
  }
  return panel;
}

/** One bar a row of a table; the first column names it. */
export function chart(told: Told, query: string, colours: Record<string, string> = {}) {
  const panel = begun(new barchart.PanelBuilder(), told, 12, 8)
    .withTarget(new Sql(query))
    .orientation(common.VizOrientation.Auto)
    .stacking(common.StackingMode.Normal)
    .showValue(common.VisibilityMode.Never)
    .fillOpacity(80)
    .legend(legend())
    .tooltip(allSeries());
  for (const [name, colour] of Object.entries(colours)) panel.overrideByName(name, coloured(colour));
  return panel;
}

/** Columns of one row as bars below each other, such as a funnel. */
export function gauges(told: Told, query: string, colours: Record<string, string> = {}) {
  const panel = begun(new bargauge.PanelBuilder(), told, 12, 8)
    .withTarget(new Sql(query))
    .reduceOptions(last())
    .orientation(common.VizOrientation.Horizontal)
    .displayMode(common.BarGaugeDisplayMode.Basic)
    .valueMode(common.BarGaugeValueMode.Text)
    .showUnfilled(true)
    .min(0);
  for (const [name, colour] of Object.entries(colours)) panel.overrideByName(name, coloured(colour));
  return panel;
}

export const DASHBOARDS = {
  deliverability: 'Deliverability',
  engagement: 'True engagement',
  campaign: 'Campaign',
  message: 'Message',
  scanners: 'Scanners and proxies',
  pipeline: 'Pipeline',
} as const;

/** A dashboard with the links to its siblings. */
export function begin(name: keyof typeof DASHBOARDS, says: string, from: string) {
  return new dashboard.DashboardBuilder(DASHBOARDS[name])
    .uid(`trueopen-${name}`)
    .description(says)
    .tags(['trueopen'])
    .readonly()
    .timezone('browser')
    .time({ from, to: 'now' })
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .link(
      new dashboard.DashboardLinkBuilder('trueopen')
        .type(dashboard.DashboardLinkType.Dashboards)
        .tags(['trueopen'])
        .asDropdown(false)
        .includeVars(true)
        .keepTime(true),
    );
}
