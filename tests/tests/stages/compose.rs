//! The wiring of docker-compose.yml, without a Docker engine: its commands and variables as they stand there, run as plain
//! processes, with names and paths of containers in the words of this machine.

use crate::place::{TURN, engine};
use acceptance::{Api, Broker, Program, Stage, free_port, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const STAGES: [&str; 4] = ["track", "classify", "load", "report"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_compose_files_settings_make_a_place_that_works() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::shared() else { return };
    let engine = engine(dir.path()).await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join("docker-compose.yml")).unwrap();
    let keys = dir.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let [tracker, report] = [free_port(), free_port()];
    let mut text = text
        .replace("${CLICKHOUSE_PASSWORD:?set it in .env}", engine.password())
        .replace("${TRACKING_BASE_URL:-http://localhost:8080}", &format!("http://127.0.0.1:{tracker}"))
        .replace("KAFKA__BROKERS: kafka:9092", &format!("KAFKA__BROKERS: {broker}"))
        .replace("http://clickhouse:8123", &engine.url())
        // The engine knows one user.
        .replace("CLICKHOUSE__USER: trueopen", &format!("CLICKHOUSE__USER: {}", engine.user()))
        .replace("/keys/", &format!("{}/", keys.display()))
        .replace("0.0.0.0:8090", &format!("127.0.0.1:{report}"));
    let mut admin = BTreeMap::new();
    for (stage, port) in STAGES.iter().zip(9100..) {
        let free = free_port();
        text = text.replace(&format!("0.0.0.0:{port}"), &format!("127.0.0.1:{free}"));
        admin.insert(*stage, free);
    }
    let compose: Value = serde_saphyr::from_str(&text).unwrap();
    let service = |name: &str| {
        let service = &compose["services"][name];
        let words = service["command"].as_array().unwrap().iter();
        let command: Vec<String> = words.map(|word| word.as_str().unwrap().to_owned()).collect();
        let variables = service["environment"].as_object().unwrap().iter();
        let mut variables: Vec<_> =
            variables.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        // A volume each.
        let data = dir.path().join(name);
        variables.retain(|(name, _)| name != "TRUEOPEN_DATA_DIR");
        variables.push(("TRUEOPEN_DATA_DIR".to_owned(), data.display().to_string()));
        variables.push(("TRUEOPEN_TRACKER__LISTEN".to_owned(), format!("127.0.0.1:{tracker}")));
        (command, variables)
    };
    let run = |arguments: &[&str]| {
        let (_, variables) = service("migrate");
        let mut program = Program::new(dir.path(), arguments);
        for (name, value) in variables {
            program = program.env(&name, value);
        }
        let output = program.output();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (migrate, _) = service("migrate");
    let told = run(&migrate.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(told.contains("made topics") && told.contains("as they have to be"), "{told}");
    // As its first lines say.
    run(&["account", "create", "demo"]);
    let scopes = ["--scope", "admin", "--scope", "reports:read", "--scope", "events:write"];
    let key = run(&[["key", "create", "--account", "demo"].as_slice(), &scopes].concat());

    let mut stages = Vec::new();
    for name in STAGES {
        let (command, variables) = service(name);
        assert_eq!(command[0], name);
        let mut stage = Stage::start_with(name, &command[1..], dir.path(), &variables, admin[name]);
        stage.ready().await;
        stages.push(stage);
    }
    let api = Api::new(&format!("http://127.0.0.1:{report}"), &key);
    let pixel = api.links("composed", &[]).await["pixel_url"].as_str().unwrap().to_owned();
    assert!(pixel.starts_with(&format!("http://127.0.0.1:{tracker}/")), "{pixel}");
    assert_eq!(reqwest::get(pixel).await.unwrap().status(), 200);
    let opens = || async { api.summary("?suppress=none").await["opens"]["total"].as_u64().unwrap_or(0) };
    wait_until(opens, |opens| *opens == 1).await;
    for stage in stages {
        stage.stop();
    }
    engine.stop().await.unwrap();
}
