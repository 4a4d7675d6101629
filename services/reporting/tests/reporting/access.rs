//! Who may do what, and what everybody else is told.

use crate::world::{DEMO, World, problem};
use engagement::AccountNumber;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::Scope;

/// Every request of the API about an account, with the scopes of which one is needed.
fn requests(account: &str) -> Vec<(Method, String, Option<String>, Vec<Scope>)> {
    let path = |rest: &str| format!("/v1/accounts/{account}{rest}");
    let line = r#"{"type":"sent","message_id":"m","at":"2026-03-10T09:00:00Z"}"#;
    let mail = json!({"message_id": "m", "links": []}).to_string();
    let html = json!({"message_id": "m", "html": "x"}).to_string();
    let key = "00000000-0000-7000-8000-000000000000";
    let new_key = json!({"scopes": ["reports:read"]}).to_string();
    let reading = vec![Scope::ReportsRead];
    let writing = vec![Scope::EventsWrite];
    vec![
        (Method::GET, path("/reports/summary"), None, reading.clone()),
        (Method::GET, path("/reports/breakdown?by=source"), None, reading.clone()),
        (Method::GET, path("/reports/machines"), None, reading.clone()),
        (Method::GET, path("/reports/corrections"), None, reading.clone()),
        (Method::GET, path("/messages/m/timeline"), None, reading),
        (Method::POST, path("/events"), Some(line.to_owned()), writing.clone()),
        (Method::POST, path("/links"), Some(mail), writing.clone()),
        (Method::POST, path("/instrument"), Some(html), writing),
        (Method::GET, path("/settings"), None, vec![Scope::SettingsWrite, Scope::ReportsRead]),
        (Method::PUT, path("/settings"), Some("{}".to_owned()), vec![Scope::SettingsWrite]),
        (Method::GET, path("/keys"), None, vec![Scope::Admin]),
        (Method::POST, path("/keys"), Some(new_key), vec![Scope::Admin]),
        (Method::DELETE, path(&format!("/keys/{key}")), None, vec![Scope::Admin]),
        (Method::GET, path("/audit"), None, vec![Scope::Admin]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_needs_its_scope() {
    let world = World::new().await;
    for scope in Scope::ALL {
        let key = world.key(&[scope]).await;
        for (method, path, body, needed) in requests("demo") {
            let response = world.send(method.clone(), &path, Some(&key), body).await;
            if scope == Scope::Admin || needed.contains(&scope) {
                // What is asked for may not be there; who asks is not the reason.
                let status = response.status();
                let fine = status.is_success() || status == StatusCode::NOT_FOUND;
                assert!(fine, "{method} {path} with {scope:?}: {status}");
            } else if needed == [Scope::Admin] && method == Method::POST {
                let (status, document) = problem(response).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} with {scope:?}");
                assert!(document["detail"].as_str().unwrap().contains("admin"));
            } else {
                assert!(
                    response.headers()["www-authenticate"].to_str().unwrap().contains("insufficient_scope")
                );
                let (status, document) = problem(response).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} with {scope:?}");
                assert!(document["detail"].as_str().unwrap().contains(needed[0].as_str()), "{document}");
            }
        }
    }
    let reader = world.key(&[Scope::ReportsRead]).await;
    let (status, _) = problem(world.send(Method::GET, "/v1/metrics", Some(&reader), None).await).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let shown = world.get("/v1/metrics").await.text().await.unwrap();
    assert!(shown.contains("trueopen_reporting_requests_total{"), "{shown}");
    let body = json!({"id": "new"}).to_string();
    let (status, _) =
        problem(world.send(Method::POST, "/v1/accounts", Some(&reader), Some(body)).await).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_known_key_nothing_is_told() {
    let world = World::new().await;
    let (revoked, secret) = world.accounts.create_key(DEMO, "old", &[Scope::Admin]).await.unwrap();
    world.accounts.revoke_key(DEMO, revoked.id).await.unwrap();
    world.directory.refresh(&world.accounts).await.unwrap();
    let mut all = requests("demo");
    all.push((Method::GET, "/v1/accounts".to_owned(), None, vec![]));
    all.push((Method::GET, "/v1/metrics".to_owned(), None, vec![]));
    for (method, path, body, _) in all {
        for key in [None, Some("to_wrong"), Some(""), Some("' OR 1=1 --"), Some(secret.as_str())] {
            let response = world.send(method.clone(), &path, key, body.clone()).await;
            assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
            assert_eq!(problem(response).await.0, StatusCode::UNAUTHORIZED, "{method} {path} {key:?}");
        }
    }
    let basic = reqwest::Client::new().get(format!("{}/v1/accounts", world.url));
    let basic = basic.header("authorization", format!("Basic {}", world.admin)).send().await.unwrap();
    assert_eq!(problem(basic).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_looks_like_none() {
    let world = World::new().await;
    let reader = world.key(&[Scope::ReportsRead, Scope::EventsWrite, Scope::SettingsWrite]).await;
    for key in [&reader, &world.admin] {
        for ((method, theirs, body, _), (_, nobodys, ..)) in
            requests("other").into_iter().zip(requests("no-such-account"))
        {
            if theirs.contains("/keys") && *key == world.admin {
                continue; // The operator makes, lists and revokes keys of any account.
            }
            let theirs = problem(world.send(method.clone(), &theirs, Some(key), body.clone()).await).await;
            let nobodys = problem(world.send(method.clone(), &nobodys, Some(key), body).await).await;
            assert_eq!(theirs.0, StatusCode::NOT_FOUND, "{method}");
            assert_eq!(theirs, nobodys, "{method}");
        }
    }
    let own = world.send(Method::GET, "/v1/accounts", Some(&reader), None).await;
    let own: Value = own.json().await.unwrap();
    assert_eq!(own["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(own["accounts"][0]["id"], "demo");
    let all = world.json("/v1/accounts").await;
    assert_eq!(all["accounts"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_keys_live_and_die_at_once() {
    let world = World::new().await;
    let (status, made) = world.give(Method::POST, "/v1/accounts", json!({"id": "clinic"})).await;
    assert_eq!((status, &made["id"]), (StatusCode::CREATED, &json!("clinic")));
    let (status, again) = world.give(Method::POST, "/v1/accounts", json!({"id": "clinic"})).await;
    assert_eq!((status, &again["status"]), (StatusCode::CONFLICT, &json!(409)));
    for (body, pointer) in
        [(json!({"id": "No Such"}), "/id"), (json!({"id": "'; DROP TABLE accounts --"}), "/id")]
    {
        let (status, problem) = world.give(Method::POST, "/v1/accounts", body).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!(pointer)));
    }
    // Its first key comes from an administrator and works with the next request.
    let wanted = json!({"label": "first", "scopes": ["reports:read", "admin"]});
    let (status, key) = world.give(Method::POST, "/v1/accounts/clinic/keys", wanted).await;
    assert_eq!(status, StatusCode::CREATED);
    let secret = key["key"].as_str().unwrap().to_owned();
    let list = world.send(Method::GET, "/v1/accounts/clinic/keys", Some(&secret), None).await;
    let list: Value = list.json().await.unwrap();
    assert_eq!(list["keys"][0]["scopes"], json!(["reports:read", "admin"]));
    assert!(!list.to_string().contains(&secret) && list["keys"][0].get("hash").is_none());
    let id = key["id"].as_str().unwrap();
    let delete = format!("/v1/accounts/clinic/keys/{id}");
    let through_own = format!("/v1/accounts/demo/keys/{id}");
    let (status, _) = problem(world.send(Method::DELETE, &through_own, Some(&world.admin), None).await).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // The operator's other keys revoke it, again and again; it itself is dead at once.
    let (_, second) =
        world.give(Method::POST, "/v1/accounts/clinic/keys", json!({"scopes": ["admin"]})).await;
    let second = second["key"].as_str().unwrap();
    for _ in 0..2 {
        let response = world.send(Method::DELETE, &delete, Some(second), None).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }
    let dead = world.send(Method::GET, "/v1/accounts/clinic/keys", Some(&secret), None).await;
    assert_eq!(dead.status(), StatusCode::UNAUTHORIZED);

    for (body, named) in [
        (json!({"scopes": ["reports:write"]}), "/scopes/0"),
        (json!({"scopes": []}), "/scopes"),
        (json!({"scopes": ["admin"], "label": "x".repeat(201)}), "/label"),
    ] {
        let (status, problem) = world.give(Method::POST, "/v1/accounts/demo/keys", body).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!(named)));
    }
    let (status, missing) = world.give(Method::POST, "/v1/accounts/demo/keys", json!({"label": "x"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(missing["detail"].as_str().unwrap().contains("scopes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_and_by_whom_is_written_down() {
    let world = World::new().await;
    world.give(Method::POST, "/v1/accounts", json!({"id": "clinic"})).await;
    let (_, key) =
        world.give(Method::POST, "/v1/accounts/demo/keys", json!({"scopes": ["reports:read"]})).await;
    let id = key["id"].as_str().unwrap();
    world.send(Method::DELETE, &format!("/v1/accounts/demo/keys/{id}"), Some(&world.admin), None).await;
    let changed = json!({"suppress": {"apple": false}, "evidence_days": 7});
    assert_eq!(
        world.give(Method::PUT, "/v1/accounts/demo/settings", changed.clone()).await.0,
        StatusCode::OK
    );
    // The same once more is no change.
    assert_eq!(world.give(Method::PUT, "/v1/accounts/demo/settings", changed).await.0, StatusCode::OK);
    let log = world.json("/v1/accounts/demo/audit").await;
    let entries = log["entries"].as_array().unwrap();
    let actions: Vec<_> = entries.iter().rev().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["key.create", "key.revoke", "settings.put"]);
    let keys = world.json("/v1/accounts/demo/keys").await;
    let admin = keys["keys"].as_array().unwrap().iter().find(|key| key["label"] == "admin").unwrap();
    assert!(entries.iter().all(|entry| entry["by"] == admin["id"]), "{log}");
    assert!(entries[0]["detail"].as_str().unwrap().contains("evidence_days 30 -> 7"), "{log}");
    let limited = world.json("/v1/accounts/demo/audit?limit=1").await;
    assert_eq!(limited["entries"].as_array().unwrap().len(), 1);
    let before = entries[1]["at"].as_str().unwrap();
    let earlier = world.json(&format!("/v1/accounts/demo/audit?before={before}")).await;
    assert!(
        earlier["entries"].as_array().unwrap().iter().all(|entry| entry["at"].as_str().unwrap() < before)
    );
    for bad in ["limit=0", "limit=1001", "limit=x", "before=soon", "after=1"] {
        let (status, document) = problem(world.get(&format!("/v1/accounts/demo/audit?{bad}")).await).await;
        let named = bad.split('=').next().unwrap();
        assert_eq!((status, &document["errors"][0]["parameter"]), (StatusCode::BAD_REQUEST, &json!(named)));
    }
    // What was done to the new account is in its own log.
    let clinic = world.accounts.audit_list(AccountNumber(3), 10, None).await.unwrap();
    assert_eq!(clinic.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["account.create"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_changed_in_part_or_in_whole() {
    let world = World::new().await;
    let path = "/v1/accounts/demo/settings";
    let default = json!({"suppress": {"apple": true, "google": true, "scanners": true, "other": true},
        "evidence_days": 30, "retention_days": 400, "tracking_base_url": null, "trap_links": false});
    assert_eq!(world.json(path).await, default);
    let mut changed = default.clone();
    changed["suppress"]["google"] = json!(false);
    changed["tracking_base_url"] = json!("https://track.clinic.example");
    changed["retention_days"] = json!(100);
    let part = json!({"suppress": {"google": false}, "tracking_base_url": "https://track.clinic.example",
        "retention_days": 100});
    assert_eq!(world.give(Method::PUT, path, part).await, (StatusCode::OK, changed.clone()));
    assert_eq!(world.json(path).await, changed);
    // The next mail's URLs follow.
    let (_, urls) = world.give(Method::POST, "/v1/accounts/demo/links", json!({"message_id": "m"})).await;
    assert!(urls["pixel_url"].as_str().unwrap().starts_with("https://track.clinic.example/o/"), "{urls}");
    assert_eq!(world.give(Method::PUT, path, default.clone()).await, (StatusCode::OK, default.clone()));
    // Stored rows follow changed days, and a repeat asks again.
    let orders = async || {
        let query = "SELECT count() FROM system.mutations WHERE database = currentDatabase()";
        world.connection.client().query(query).fetch_one::<u64>().await.unwrap()
    };
    let asked = orders().await;
    assert!(asked >= 2, "{asked}");
    assert_eq!(world.give(Method::PUT, path, json!({"trap_links": false})).await.0, StatusCode::OK);
    assert_eq!(orders().await, asked);
    assert_eq!(world.give(Method::PUT, path, json!({"retention_days": 400})).await.0, StatusCode::OK);
    assert!(orders().await > asked);
    for (bad, pointer) in [
        (json!({"colour": 1}), "/colour"),
        (json!({"suppress": {"apple": 1}}), "/suppress"),
        (json!({"evidence_days": 500}), "/retention_days"),
        (json!({"tracking_base_url": "https://t.example/?x"}), "/tracking_base_url"),
    ] {
        let (status, problem) = world.give(Method::PUT, path, bad).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!(pointer)));
    }
    // A host belongs to one account.
    let own = json!({"tracking_base_url": "https://track.clinic.example"}).to_string();
    let path_of_other = "/v1/accounts/other/settings";
    let taken = world.send(Method::PUT, path_of_other, Some(&world.other_admin), Some(own.clone())).await;
    assert_eq!(taken.status(), StatusCode::OK);
    let (status, _) = problem(world.send(Method::PUT, path, Some(&world.admin), Some(own)).await).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(world.json(path).await, default);
}
