//! What is written at the panels, and in the dashboards around them.

use super::grafana;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The names that schema/metrics.md defines: the first column of its tables.
fn defined() -> BTreeSet<String> {
    let page = std::fs::read_to_string(grafana::folder().join("../schema/metrics.md")).unwrap();
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    cells.flat_map(|names| names.split(", ")).map(str::to_owned).collect()
}

#[test]
fn every_panel_has_a_title_a_unit_and_a_definition_in_metrics_md() {
    let defined = defined();
    assert!(
        defined.contains("open_low") && defined.contains("time to delivery") && defined.contains("hits lost")
    );
    for dashboard in grafana::all() {
        let mut ids = BTreeSet::new();
        for panel in dashboard.panels() {
            let title = panel.title();
            assert!((4..=45).contains(&title.chars().count()), "{title}");
            assert!(!title.contains('_'), "{title}: a marketer does not say that");
            assert!(
                panel.0["fieldConfig"]["defaults"]["unit"].as_str().is_some_and(|unit| !unit.is_empty()),
                "{title}"
            );
            let description = panel.0["description"].as_str().unwrap();
            let (says, definition) = description.split_once(" Definition: metrics.md, ").unwrap();
            assert!(says.len() > 20, "{title}: {says}");
            let names: Vec<_> =
                definition.split('“').skip(1).map(|rest| rest.split('”').next().unwrap()).collect();
            assert!(!names.is_empty(), "{title}");
            for name in names {
                assert!(defined.contains(name), "{title}: metrics.md does not define {name}");
            }
            assert!(ids.insert(panel.0["id"].as_u64().unwrap()), "{title}: its id is another's");
            for target in panel.targets() {
                let uid =
                    if dashboard.name == "pipeline" { "trueopen-prometheus" } else { "trueopen-clickhouse" };
                assert_eq!(target["datasource"]["uid"], uid, "{title}");
            }
        }
    }
}

/// Google and Yahoo want complaints under 0.1 %, and act on 0.3 %.
#[test]
fn complaints_turn_orange_at_one_in_a_thousand_and_red_at_three() {
    let deliverability =
        grafana::all().into_iter().find(|dashboard| dashboard.name == "deliverability").unwrap();
    let panel = deliverability.panel("Called spam");
    let steps = panel.0["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().unwrap();
    let steps: Vec<_> =
        steps.iter().map(|step| (step["value"].as_f64(), step["color"].as_str().unwrap())).collect();
    assert_eq!(steps, [(None, "green"), (Some(0.001), "orange"), (Some(0.003), "red")]);
    let over_time = deliverability.panel("Complaint rate over time");
    assert!(over_time.statements()[0].contains("0.001 AS \"Wanted\", 0.003 AS \"Acted on\""));
}

#[test]
fn every_report_has_the_variables_that_its_statements_name() {
    for dashboard in grafana::all() {
        let variables: Vec<&str> =
            dashboard.variables().iter().map(|variable| variable["name"].as_str().unwrap()).collect();
        for wanted in [
            "account",
            "campaign",
            "recipient_domain",
            "mailbox_provider",
            "suppress",
            "suppress_classes",
            "cohort",
        ] {
            let has = variables.contains(&wanted);
            let wants = !["pipeline", "message"].contains(&dashboard.name.as_str());
            assert!(has || !wants, "{} has no variable {wanted}", dashboard.name);
        }
        for variable in dashboard.variables() {
            match variable["name"].as_str().unwrap() {
                "suppress" => {
                    let (chosen, several) = (&variable["current"]["value"], &variable["multi"]);
                    assert_eq!((chosen, several), (&json!(["account"]), &Value::Bool(true)));
                }
                "suppress_classes" => {
                    assert_eq!(
                        (&variable["hide"], &variable["skipUrlSync"]),
                        (&Value::from(2), &Value::from(true))
                    );
                    // On every refresh, not only when the dashboard is opened.
                    assert_eq!(variable["refresh"], 2);
                }
                _ => {}
            }
        }
        assert_eq!(dashboard.document["uid"], format!("trueopen-{}", dashboard.name));
        let document = dashboard.document.to_string();
        for used in document.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap()) {
            assert!(
                ["__from", "__to"].contains(&used) || variables.contains(&used),
                "{}: {used}",
                dashboard.name
            );
        }
    }
}
