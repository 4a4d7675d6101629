//! What Grafana does before the plugin's back end gets a statement, after their documentation: variables in their formats
//! (grafana.com/docs, "Variable syntax": `percentencode` of an array is `{a,b}` encoded; a custom value for All takes part in
//! it), and `$__conditionalAll(condition, $variable)`, which is the condition, or `1=1` where the variable is All or empty.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboards")
}

pub(super) struct Dashboard {
    pub(super) name: String,
    pub(super) document: Value,
}

pub(super) struct Panel(pub(super) Value);

/// Every dashboard that is checked in.
pub(super) fn all() -> Vec<Dashboard> {
    let names = ["campaign", "deliverability", "engagement", "message", "pipeline", "scanners"];
    let folder = folder().join("grafana");
    let mut found: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, names.map(|name| format!("{name}.json")));
    let read = |name: &str| {
        serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap()
    };
    names.map(|name| Dashboard { name: name.to_owned(), document: read(name) }).into()
}

impl Dashboard {
    pub(super) fn panels(&self) -> impl Iterator<Item = Panel> {
        self.document["panels"].as_array().unwrap().iter().map(|panel| Panel(panel.clone()))
    }

    pub(super) fn variables(&self) -> &[Value] {
        self.document["templating"]["list"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The statements that mark moments, without Grafana's own.
    pub(super) fn annotations(&self) -> Vec<&str> {
        let list = self.document["annotations"]["list"].as_array().map_or(&[][..], Vec::as_slice);
        list.iter().filter_map(|annotation| annotation["target"]["rawSql"].as_str()).collect()
    }
}

impl Panel {
    pub(super) fn title(&self) -> &str {
        self.0["title"].as_str().unwrap()
    }

    pub(super) fn targets(&self) -> &[Value] {
        self.0["targets"].as_array().unwrap()
    }

    pub(super) fn statements(&self) -> Vec<&str> {
        self.targets().iter().map(|target| target["rawSql"].as_str().unwrap()).collect()
    }
}

/// What is chosen at the top of a dashboard, and its window.
pub(super) struct Variables {
    values: BTreeMap<String, String>,
    /// The variables at All, with the value that stands for it.
    all: BTreeMap<String, Option<String>>,
    /// Those that take several values; theirs are joined by commas here, as Grafana joins them.
    several: BTreeSet<String>,
}

impl Variables {
    pub(super) fn new(from: i64, to: i64) -> Self {
        let window = [("__from", from), ("__to", to)];
        Self {
            values: window.map(|(name, at)| (name.to_owned(), at.to_string())).into(),
            all: BTreeMap::new(),
            several: BTreeSet::new(),
        }
    }

    pub(super) fn value(&self, name: &str) -> &str {
        &self.values[name]
    }

    pub(super) fn choose(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// Takes what the dashboard stores as chosen.
    pub(super) fn keep(&mut self, variable: &Value) {
        let name = variable["name"].as_str().unwrap().to_owned();
        let current = &variable["current"]["value"];
        let one = |value: &Value| value.as_str().map(str::to_owned);
        let list = |value: &Value| value.as_array()?.iter().map(one).collect::<Option<Vec<_>>>();
        let several = variable["multi"] == true;
        let value = if several { list(current).map(|list| list.join(",")) } else { one(current) };
        let value = value.unwrap_or_else(|| panic!("{name} has no default of its kind"));
        if several {
            self.several.insert(name.clone());
        }
        if value == "$__all" {
            self.all.insert(name, variable["allValue"].as_str().map(str::to_owned));
        } else {
            self.values.insert(name, value);
        }
    }

    pub(super) fn interpolate(&self, statement: &str) -> String {
        let mut text = self.conditional_alls(statement);
        while let Some(start) = text.find("${") {
            let end = start + text[start..].find('}').unwrap();
            let (name, format) =
                text[start + 2..end].split_once(':').unwrap_or((&text[start + 2..end], "raw"));
            let value = match (self.values.get(name), self.all.get(name)) {
                (Some(value), _) | (None, Some(Some(value))) => value,
                // All of several, without a value of its own, is every option there is; nothing asks for that here.
                other => panic!("{name} is {other:?} in {statement}"),
            };
            let written = match format {
                "raw" => value.clone(),
                "percentencode" if self.several.contains(name) => percent_encoded(&format!("{{{value}}}")),
                "percentencode" => percent_encoded(value),
                other => panic!("the format {other} is not known here"),
            };
            text.replace_range(start..=end, &written);
        }
        text
    }

    fn conditional_alls(&self, statement: &str) -> String {
        const MACRO: &str = "$__conditionalAll(";
        let mut text = statement.to_owned();
        while let Some(start) = text.rfind(MACRO) {
            let inside = start + MACRO.len();
            let (mut depth, mut end) = (1, inside);
            for (at, letter) in text[inside..].char_indices() {
                depth += i32::from(letter == '(') - i32::from(letter == ')');
                if depth == 0 {
                    end = inside + at;
                    break;
                }
            }
            let (condition, variable) = text[inside..end].rsplit_once(',').unwrap();
            let name = variable.trim().trim_start_matches('$');
            let chosen = self.values.get(name).is_some_and(|value| !value.is_empty());
            assert!(chosen || self.all.contains_key(name), "{name} is no variable");
            let written = if chosen { condition.to_owned() } else { "1=1".to_owned() };
            text.replace_range(start..=end, &written);
        }
        text
    }
}

/// As JavaScript's `encodeURIComponent`, and `!'()*` too.
fn percent_encoded(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
