//! What the stages of one test share.

use acceptance::{Api, Program, Stage, engine_library, free_port, program};
use embedded::{Engine, EngineConfig};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Held by one test at a time: each has a broker, an engine and four processes, and a small machine has two cores.
pub(crate) static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// What all stages are told.
#[derive(Clone)]
pub(crate) struct Place {
    dir: PathBuf,
    variables: Vec<(String, String)>,
}

impl Place {
    pub(crate) fn new(dir: &Path, broker: &str, engine: &Engine) -> Self {
        let url = engine.url();
        let password = engine.password();
        let pairs = [
            ("TRUEOPEN_KAFKA__BROKERS", broker),
            ("TRUEOPEN_KAFKA__CREATE_TOPICS", "true"),
            ("TRUEOPEN_KAFKA__PARTITIONS", "3"),
            ("TRUEOPEN_KAFKA__REPLICATION", "1"),
            ("TRUEOPEN_KAFKA__MIN_INSYNC_REPLICAS", "1"),
            ("TRUEOPEN_KAFKA__APPEND_SECONDS", "3"),
            ("TRUEOPEN_KAFKA__SETTINGS__SESSION_TIMEOUT_MS", "6000"),
            ("TRUEOPEN_CLICKHOUSE__URL", url.as_str()),
            ("TRUEOPEN_CLICKHOUSE__PASSWORD", password),
        ];
        let mut variables: Vec<_> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for name in ["TRUEOPEN_TRACKER__LISTEN", "TRUEOPEN_REPORT__LISTEN"] {
            variables.push((name.to_owned(), format!("127.0.0.1:{}", free_port())));
        }
        // One key for all: what one stage seals another opens.
        let config = dir.join("trueopen.toml");
        std::fs::write(&config, format!("master_key_file = {:?}\n", dir.join("master.key"))).unwrap();
        variables.push(("TRUEOPEN_CONFIG".to_owned(), config.display().to_string()));
        Self { dir: dir.to_owned(), variables }
    }

    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut variables = self.variables.clone();
        variables.push((name.to_owned(), value.to_owned()));
        Self { dir: self.dir.clone(), variables }
    }

    pub(crate) fn start(&self, stage: &'static str) -> Stage {
        Stage::start(stage, &self.dir, &self.variables)
    }

    /// Another of the same stage, with data and log in a folder of its own.
    pub(crate) fn start_in(&self, stage: &'static str, folder: &str) -> Stage {
        let dir = self.dir.join(folder);
        std::fs::create_dir_all(&dir).unwrap();
        Stage::start(stage, &dir, &self.variables)
    }

    /// Starts tracker, classifier, loader and reporting API and waits until all are ready.
    pub(crate) async fn start_all(&self) -> [Stage; 4] {
        // The tracker first: it makes the master key.
        let mut track = self.start("track");
        track.ready().await;
        let [mut classify, mut load, mut report] =
            ["classify", "load", "report"].map(|stage| self.start(stage));
        for stage in [&mut classify, &mut load, &mut report] {
            stage.ready().await;
        }
        [track, classify, load, report]
    }

    pub(crate) fn variable(&self, name: &str) -> &str {
        &self.variables.iter().find(|(known, _)| known == name).unwrap().1
    }

    /// Makes the account `demo`; the reporting API with a key of it.
    pub(crate) fn demo(&self) -> Api {
        self.command(&["account", "create", "demo"]);
        let mut key = vec!["key", "create", "--account", "demo"];
        for scope in ["reports:read", "events:write", "settings:write"] {
            key.extend(["--scope", scope]);
        }
        let key = self.command(&key);
        Api::new(&format!("http://{}", self.variable("TRUEOPEN_REPORT__LISTEN")), &key)
    }

    /// Runs a command to its end, whatever comes of it.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        let mut program = Program::new(&self.dir.join("commands"), arguments);
        for (name, value) in &self.variables {
            program = program.env(name, value);
        }
        program.output()
    }

    /// Starts a stage beside another of its kind, in a place of its own.
    pub(crate) fn start_beside(&self, stage: &'static str, name: &str) -> Stage {
        let dir = self.dir.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Stage::start(stage, &dir, &self.variables)
    }

    /// Runs a command to its end; what it printed.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let (done, said) = self.tried(arguments);
        assert!(done, "{arguments:?}: {said}");
        said
    }

    /// Runs a command to its end: whether it succeeded, and what it printed or else said.
    pub(crate) fn tried(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.output(arguments);
        let done = output.status.success();
        let said = if done { output.stdout } else { [output.stdout, output.stderr].concat() };
        (done, String::from_utf8(said).unwrap().trim().to_owned())
    }
}

/// A ClickHouse engine whose data lies in a folder.
pub(crate) async fn engine(dir: &Path) -> Engine {
    engine_at(dir, format!("127.0.0.1:{}", free_port()).parse().unwrap()).await
}

/// The same at an address, such as that of one that was here before.
pub(crate) async fn engine_at(dir: &Path, listen: SocketAddr) -> Engine {
    let config = EngineConfig::new(
        engine_library().to_owned(),
        dir.join("clickhouse"),
        listen,
        program().to_owned(),
        ["engine"],
    );
    Engine::start(config).await.unwrap()
}
