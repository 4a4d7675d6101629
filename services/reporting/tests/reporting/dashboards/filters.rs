//! The variables above the panels: what several choices mean, and that each reaches the panels it is for.

use super::{WINDOW, answer, load, reports, seeded};
use reqwest::Method;
use serde_json::{Value, json};

/// What several choices of the switch come to: a class goes before *Nothing*, and both before the account's own setting.
#[tokio::test(flavor = "multi_thread")]
async fn several_classes_are_left_out_at_once() {
    let world = seeded().await;
    let put = json!({"suppress": {"google": false, "other": false}});
    let put = world.give(Method::PUT, "/v1/accounts/demo/settings", put).await;
    assert!(put.0.is_success(), "{put:?}");
    for dashboard in reports().filter(|dashboard| dashboard.name != "message") {
        for (chosen, means) in [
            ("account", "apple,scanners"),
            ("", "apple,scanners"),
            ("of nobody", "apple,scanners"),
            ("none", "none"),
            ("account,none", "none"),
            ("other", "other"),
            ("scanners,google", "google,scanners"),
            ("account,google", "google"),
            ("none,other,apple", "apple,other"),
            ("apple,all", "apple,google,scanners,other"),
        ] {
            let variables = load(&world, &dashboard, &[("suppress", chosen)]).await;
            assert_eq!(variables.value("suppress_classes"), means, "{}: {chosen}", dashboard.name);
        }
    }
}

/// Panels that a filter must reach: unsubscribes by domain and provider, the time after delivery by machine.
#[tokio::test(flavor = "multi_thread")]
async fn every_filter_of_scanners_reaches_its_panels() {
    let world = seeded().await;
    let scanners = reports().find(|dashboard| dashboard.name == "scanners").unwrap();
    let shown = async |title: &str, chosen: &[(&str, &str)]| {
        let variables = load(&world, &scanners, chosen).await;
        let answer = answer(&world, &variables, scanners.panel(title).statements()[0]).await;
        answer["data"].as_array().unwrap().clone()
    };
    let providers =
        world.json(&format!("/v1/accounts/demo/reports/breakdown?{WINDOW}&by=mailbox_provider")).await;
    let provider = providers["rows"][0]["key"].as_str().unwrap();
    assert_ne!(provider, "", "{providers}");
    for (chosen, count) in [
        (&[][..], 1),
        (&[("recipient_domain", "a.example")], 1),
        (&[("recipient_domain", "b.example")], 0),
        (&[("mailbox_provider", provider)], 1),
        (&[("mailbox_provider", "gmail")], 0),
        (&[("campaign", "c1"), ("cohort", "sent")], 1),
        (&[("campaign", "c2")], 0),
    ] {
        assert_eq!(shown("Unsubscribes asked by machines", chosen).await[0][0], count, "{chosen:?}");
        let rows = shown("Unsubscribes to look at", chosen).await;
        assert_eq!(rows.len(), count, "{chosen:?}");
        // The API's list narrows alike.
        let filters = chosen.iter().filter(|(name, _)| *name != "cohort");
        let query: String = filters.map(|(name, value)| format!("&{name}={value}")).collect();
        let path = format!("/v1/accounts/demo/unsubscribes?{WINDOW}&suspect=true{query}");
        assert_eq!(world.json(&path).await["unsubscribes"].as_array().unwrap().len(), count, "{path}");
    }
    // What is reversed is told apart, and counts no more.
    let standing = async || shown("Unsubscribes to look at", &[]).await[0][3].clone();
    assert_eq!(standing().await, "in force");
    let listed = world.json(&format!("/v1/accounts/demo/unsubscribes?{WINDOW}&suspect=true")).await;
    let event = listed["unsubscribes"][0]["event_id"].as_str().unwrap();
    let path = format!("/v1/accounts/demo/unsubscribes/{event}/reverse");
    let reversed = world.give(Method::POST, &path, Value::Null).await;
    assert!(reversed.0.is_success(), "{reversed:?}");
    assert_eq!(standing().await, "reversed");
    assert_eq!(shown("Unsubscribes asked by machines", &[]).await[0][0], 0);
    // From, scanners, Apple, Google, others, nobody can tell, people.
    let sum =
        |rows: &[Value], column: usize| -> u64 { rows.iter().map(|row| row[column].as_u64().unwrap()).sum() };
    let all = shown("When hits come after delivery", &[]).await;
    let said = world.json(&format!("/v1/accounts/demo/reports/after-delivery?{WINDOW}")).await;
    let said = said["rows"].as_array().unwrap();
    assert_eq!(all.len(), said.len());
    for (row, said) in all.iter().zip(said) {
        for (column, name) in ["scanners", "apple", "google", "other", "unknown", "human"].iter().enumerate()
        {
            assert_eq!(row[column + 1], said[*name], "{row}: {name}");
        }
    }
    let one = shown("When hits come after delivery", &[("source", "apple_mpp")]).await;
    assert_eq!(sum(&one, 2), sum(&all, 2));
    assert!(sum(&one, 1) == 0 && sum(&one, 3) == 0 && sum(&all, 1) > 0 && sum(&all, 3) > 0, "{one:?}");
    assert!(sum(&one, 6) == sum(&all, 6) && sum(&one, 5) == sum(&all, 5) && sum(&all, 6) > 0, "{one:?}");
    let two = shown("When hits come after delivery", &[("source", "apple_mpp,google_prefetch")]).await;
    assert_eq!((sum(&two, 2), sum(&two, 3)), (sum(&all, 2), sum(&all, 3)));
}
