//! What each kind of panel needs of an answer.

use super::grafana::Panel;
use serde_json::Value;

fn is_number(kind: &str) -> bool {
    let kind = kind.trim_start_matches("Nullable(");
    ["UInt", "Int", "Float"].iter().any(|start| kind.starts_with(start))
}

fn is_time(kind: &str) -> bool {
    kind.trim_start_matches("Nullable(").starts_with("DateTime")
}

/// That an answer has rows of the shape that the panel needs, and the columns that the panel's looks name.
pub(super) fn check(panel: &Panel, answer: &Value) {
    let title = panel.title();
    let columns: Vec<(&str, &str)> = answer["meta"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (column["name"].as_str().unwrap(), column["type"].as_str().unwrap()))
        .collect();
    let rows = answer["data"].as_array().unwrap();
    assert!(!rows.is_empty(), "{title} shows nothing");
    let kind = panel.0["type"].as_str().unwrap();
    match kind {
        "stat" | "bargauge" => {
            assert_eq!(rows.len(), 1, "{title}");
            assert!(columns.iter().all(|(_, kind)| is_number(kind)), "{title}: {columns:?}");
        }
        "timeseries" => {
            assert!(columns[0].0 == "time" && is_time(columns[0].1), "{title}: {columns:?}");
            assert!(
                columns.len() > 1 && columns[1..].iter().all(|(_, kind)| is_number(kind)),
                "{title}: {columns:?}"
            );
            let times: Vec<_> = rows.iter().map(|row| row[0].as_str().unwrap()).collect();
            assert!(
                times.is_sorted() && times.windows(2).all(|pair| pair[0] != pair[1]),
                "{title}: {times:?}"
            );
            assert_eq!(panel.targets()[0]["queryType"], "timeseries", "{title}");
        }
        "barchart" => {
            assert_eq!(columns[0].1, "String", "{title}: {columns:?}");
            assert!(
                columns.len() > 1 && columns[1..].iter().all(|(_, kind)| is_number(kind)),
                "{title}: {columns:?}"
            );
        }
        "table" => {
            let plain =
                |kind: &str| is_number(kind) || is_time(kind) || kind.contains("String") || kind == "Bool";
            assert!(columns.iter().all(|(_, kind)| plain(kind)), "{title}: {columns:?}");
        }
        other => panic!("{title}: nothing is known of panels of the kind {other}"),
    }
    if panel.targets().len() == 1 {
        for looks in panel.0["fieldConfig"]["overrides"].as_array().unwrap() {
            if looks["matcher"]["id"] == "byName" {
                let named = looks["matcher"]["options"].as_str().unwrap();
                assert!(
                    columns.iter().any(|(name, _)| *name == named),
                    "{title} has no column {named}: {columns:?}"
                );
            }
        }
    }
}
