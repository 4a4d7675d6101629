// Expands the macros of Grafana's ClickHouse plugin with the plugin's own code, for the dashboards' test.
//
// In and out, one JSON object a line: {"sql", "from_ms", "to_ms", "interval_ms"} becomes {"sql"} or {"error"}; with "filters" it
// is what the plugin's front end makes of the statement under these ad-hoc filters (frontend.go). The macro
// functions are the plugin's (github.com/grafana/clickhouse-datasource/pkg/macros); finding them in a statement is the
// library's that the plugin does it with today (grafana-plugin-sdk-go/data/sqlutil).
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"time"

	"github.com/grafana/clickhouse-datasource/pkg/macros"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data/sqlutil"
	"github.com/grafana/sqlds/v2"
)

type question struct {
	SQL        string `json:"sql"`
	FromMs     int64  `json:"from_ms"`
	ToMs       int64  `json:"to_ms"`
	IntervalMs int64  `json:"interval_ms"`
	// Ad-hoc filters; with them the macros stay as they are.
	Filters []filter `json:"filters"`
}

type answer struct {
	SQL   string `json:"sql,omitempty"`
	Error string `json:"error,omitempty"`
}

// The plugin's functions take an older library's query; the fields they read are the same.
func of(plugin func(*sqlds.Query, []string) (string, error)) sqlutil.MacroFunc {
	return func(query *sqlutil.Query, args []string) (string, error) {
		return plugin(&sqlds.Query{RawSQL: query.RawSQL, TimeRange: query.TimeRange, Interval: query.Interval}, args)
	}
}

func main() {
	known := sqlutil.Macros{
		"fromTime":      of(macros.FromTimeFilter),
		"toTime":        of(macros.ToTimeFilter),
		"timeFilter":    of(macros.TimeFilter),
		"timeFilter_ms": of(macros.TimeFilterMs),
		"timeInterval":  of(macros.TimeInterval),
		"interval_s":    of(macros.IntervalSeconds),
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		var asked question
		if err := json.Unmarshal(in.Bytes(), &asked); err != nil {
			panic(err)
		}
		if len(asked.Filters) > 0 {
			narrowed, err := frontEnd()
			said := answer{}
			if err == nil {
				said.SQL, err = narrowed(asked.SQL, asked.Filters)
			}
			if err != nil {
				said = answer{Error: err.Error()}
			}
			if err := out.Encode(said); err != nil {
				panic(err)
			}
			continue
		}
		sql, err := sqlutil.Interpolate(&sqlutil.Query{
			RawSQL:    asked.SQL,
			Interval:  time.Duration(asked.IntervalMs) * time.Millisecond,
			TimeRange: backend.TimeRange{From: time.UnixMilli(asked.FromMs), To: time.UnixMilli(asked.ToMs)},
		}, known)
		said := answer{SQL: sql}
		if err != nil {
			said = answer{Error: err.Error()}
		}
		if err := out.Encode(said); err != nil {
			panic(err)
		}
	}
}
