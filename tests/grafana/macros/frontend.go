package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/dop251/goja"
	"github.com/evanw/esbuild/pkg/api"
)

// An ad-hoc filter as Grafana hands it to the plugin.
type filter struct {
	Key       string `json:"key"`
	Operator  string `json:"operator"`
	Value     string `json:"value"`
	Condition string `json:"condition"`
}

// The plugin's own TypeScript (src/data/adHocFilter.ts of the module), whose folder is named by PLUGIN_SOURCE: what it makes
// of a statement when a dashboard has ad-hoc filters. Of lodash it needs isString alone.
func frontEnd() (func(sql string, filters []filter) (string, error), error) {
	folder := os.Getenv("PLUGIN_SOURCE")
	if folder == "" {
		return nil, errors.New("PLUGIN_SOURCE is not set")
	}
	lodash := api.Plugin{Name: "lodash", Setup: func(build api.PluginBuild) {
		build.OnResolve(api.OnResolveOptions{Filter: "^lodash$"}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: "lodash", Namespace: "lodash"}, nil
		})
		build.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "lodash"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
			text := "export const isString = (value) => typeof value === 'string'"
			return api.OnLoadResult{Contents: &text}, nil
		})
	}}
	built := api.Build(api.BuildOptions{
		Stdin: &api.StdinOptions{
			Contents: "import { AdHocFilter } from './adHocFilter'; globalThis.narrowed = (sql, filters) => new AdHocFilter().apply(sql, filters)",
			Loader:   api.LoaderTS, ResolveDir: folder + "/src/data",
		},
		Bundle: true, Format: api.FormatIIFE, Target: api.ES2016, Plugins: []api.Plugin{lodash},
		TsconfigRaw: "{}", LogLevel: api.LogLevelSilent,
	})
	if len(built.Errors) > 0 {
		return nil, fmt.Errorf("%s", built.Errors[0].Text)
	}
	engine := goja.New()
	engine.SetFieldNameMapper(goja.TagFieldNameMapper("json", true))
	if _, err := engine.RunString(string(built.OutputFiles[0].Contents)); err != nil {
		return nil, err
	}
	var narrowed func(string, []filter) (string, error)
	if err := engine.ExportTo(engine.Get("narrowed"), &narrowed); err != nil {
		return nil, err
	}
	return narrowed, nil
}
