//! All settings of the program, and where each comes from.

use crate::cli::Common;
use crate::kafka::KafkaSettings;
use crate::signatures::SignatureSettings;
use classifier::Ruleset;
use engagement::keys::KeyRing;
use runtime::Secret;
use runtime::config::ConfigError;
use runtime::telemetry::TelemetryConfig;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Every setting. `trueopen config` prints them as TOML, which can be read back.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Where keys, journal and embedded database lie.
    pub(crate) data_dir: PathBuf,
    /// The file of the master keys; `master.key` in the data directory if not set.
    pub(crate) master_key_file: Option<PathBuf>,
    /// The base of tracking URLs for accounts that have none of their own, as readers reach it from outside;
    /// the tracker's own address if not set, which is good for a first try alone.
    pub(crate) tracking_base_url: Option<String>,
    /// Seconds that each stage has to stop; then the process ends with an error.
    pub(crate) stop_seconds: u64,
    pub(crate) log: TelemetryConfig,
    pub(crate) admin: AdminSettings,
    pub(crate) journal: JournalSettings,
    pub(crate) engine: EngineSettings,
    pub(crate) clickhouse: ClickHouseSettings,
    pub(crate) kafka: KafkaSettings,
    pub(crate) tracker: tracker::Config,
    pub(crate) classifier: ClassifierSettings,
    pub(crate) signatures: SignatureSettings,
    pub(crate) loader: loader::Config,
    pub(crate) report: ReportSettings,
}

/// The admin port.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdminSettings {
    /// Where `/livez`, `/readyz` and `/metrics` are served; if not set, 127.0.0.1 and 9100 for `up` and `track`, 9101 for
    /// `classify`, 9102 for `load`, 9103 for `report`.
    pub(crate) listen: Option<SocketAddr>,
}

/// The journals behind the topics.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JournalSettings {
    /// The size at which a segment is closed and the next begun.
    pub(crate) segment_bytes: u64,
    /// The most bytes a topic's journal may take; beyond it hits are refused and counted
    /// (`trueopen_tracker_refused_hits_total{reason="full"}`), readers are served, readiness is false.
    pub(crate) max_bytes: u64,
    /// Hours that a segment is kept after everything in it was dealt with; more than the classifier's window.
    pub(crate) keep_hours: u64,
    /// Days that dead letters are kept.
    pub(crate) dead_letter_days: u64,
}

/// The classifier.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClassifierSettings {
    /// Hits at most that are judged and appended together; more would take longer to repeat after a stop.
    pub(crate) batch_records: usize,
    /// Messages at most whose verdicts can still be corrected; about half a kilobyte each. Beyond it those that were hit
    /// longest ago are closed early (`trueopen_classifier_crowded_out_messages_total`), and of as many more
    /// the deliveries wait for a first hit (`trueopen_classifier_crowded_out_deliveries_total`).
    pub(crate) live_messages: usize,
    /// Hits at most that are held to be compared with those of other messages; about 200 bytes each. Beyond it the client
    /// networks and domains that were touched longest ago are let go (`trueopen_classifier_neighbours_crowded_out_total`).
    pub(crate) live_neighbours: usize,
    /// What was learned of recipient domains and is in force, as `trueopen learn --apply` wrote it; `learned.toml` in the
    /// data directory if not set. A file with an error stops the start with its line; no file, nothing learned.
    pub(crate) learned_file: Option<PathBuf>,
}

/// The reporting API.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReportSettings {
    /// Where it listens. Keys travel in clear, so put TLS in front before it leaves this machine.
    pub(crate) listen: SocketAddr,
    /// Its bounds.
    pub(crate) api: reporting::Config,
}

/// The embedded ClickHouse engine.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EngineSettings {
    /// Where its HTTP interface listens; loopback only.
    pub(crate) listen: SocketAddr,
    /// The engine's library; if not set, where `services/embedded/fetch.sh` puts it.
    pub(crate) library: Option<PathBuf>,
}

/// A ClickHouse server, for stages that run by themselves. Not set, the embedded engine of a running `up` is meant.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClickHouseSettings {
    /// Its HTTP URL.
    pub(crate) url: Option<String>,
    pub(crate) user: String,
    pub(crate) password: Secret,
    pub(crate) database: String,
    /// The cluster's name in the servers' `remote_servers`: `trueopen migrate` then makes everything `ON CLUSTER`. One shard of
    /// any number of replicas; needs `replicated`.
    pub(crate) cluster: Option<String>,
    /// Whether tables are `Replicated…MergeTree`, and an insert counts once a majority of the replicas has it. Must stay as
    /// it was when the tables were made.
    pub(crate) replicated: bool,
}

impl ClickHouseSettings {
    pub(crate) fn cluster(&self) -> store::Cluster {
        store::Cluster { name: self.cluster.clone(), replicated: self.replicated }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("trueopen-data"),
            master_key_file: None,
            tracking_base_url: None,
            stop_seconds: 30,
            log: TelemetryConfig::default(),
            admin: AdminSettings::default(),
            journal: JournalSettings::default(),
            engine: EngineSettings::default(),
            clickhouse: ClickHouseSettings::default(),
            kafka: KafkaSettings::default(),
            tracker: tracker::Config::default(),
            classifier: ClassifierSettings::default(),
            signatures: SignatureSettings::default(),
            loader: loader::Config::default(),
            report: ReportSettings::default(),
        }
    }
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, max_bytes: 20 << 30, keep_hours: 24, dead_letter_days: 30 }
    }
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8090),
            api: reporting::Config::default(),
        }
    }
}

impl ClassifierSettings {
    pub(crate) fn stage(&self) -> classifier::stage::Config {
        classifier::stage::Config {
            batch_records: self.batch_records,
            live_messages: self.live_messages,
            group: crate::topics::CLASSIFIER.to_owned(),
            ..classifier::stage::Config::default()
        }
    }

    pub(crate) fn comparer(&self) -> classifier::stage::compare::Config {
        classifier::stage::compare::Config {
            live_hits: self.live_neighbours,
            group: crate::topics::COMPARER.to_owned(),
            ..classifier::stage::compare::Config::default()
        }
    }
}

impl Default for ClassifierSettings {
    fn default() -> Self {
        let stage = classifier::stage::Config::default();
        let comparer = classifier::stage::compare::Config::default();
        Self {
            batch_records: stage.batch_records,
            live_messages: stage.live_messages,
            live_neighbours: comparer.live_hits,
            learned_file: None,
        }
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8123), library: None }
    }
}

impl Default for ClickHouseSettings {
    fn default() -> Self {
        Self {
            url: None,
            user: "default".to_owned(),
            password: Secret::default(),
            database: "default".to_owned(),
            cluster: None,
            replicated: false,
        }
    }
}

/// The settings that a variable gives as a list parted by commas.
const LISTS: &[&str] = &["tracker.trusted_proxies"];

/// A setting that can be read but not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the configuration is wrong: {name}: {reason}")]
    Value { name: &'static str, reason: String },
}

impl Settings {
    /// Reads the settings: file, then variables, then flags.
    pub(crate) fn load(common: &Common) -> Result<Self, SettingsError> {
        let mut flags: Vec<(&str, String)> =
            common.set.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        if let Some(dir) = &common.data_dir {
            flags.push(("data_dir", dir.display().to_string()));
        }
        let settings: Self = runtime::load(common.config.as_deref(), &flags, LISTS)?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let value = |name, reason: &str| Err(SettingsError::Value { name, reason: reason.to_owned() });
        if !self.engine.listen.ip().is_loopback() {
            return value("engine.listen", "the embedded engine is served on loopback only");
        }
        if let Err(error) = self.clickhouse.cluster().check() {
            return value("clickhouse.cluster", &error.to_string());
        }
        if let Some(url) = &self.tracking_base_url {
            let probe =
                store::Settings { tracking_base_url: Some(url.clone()), ..store::Settings::default() };
            if let Err(error) = probe.check() {
                return value("tracking_base_url", &error.to_string());
            }
        }
        Ok(())
    }

    pub(crate) fn master_key_file(&self) -> PathBuf {
        self.master_key_file.clone().unwrap_or_else(|| self.data_dir.join("master.key"))
    }

    /// Where what was learned of recipient domains lies, if anything was.
    pub(crate) fn learned_file(&self) -> PathBuf {
        self.classifier.learned_file.clone().unwrap_or_else(|| self.data_dir.join("learned.toml"))
    }

    /// What judges: the rules and signatures that the program ships with, the operator's own signatures, and what was
    /// learned.
    pub(crate) fn ruleset(&self) -> Result<Ruleset, SettingsError> {
        let known = crate::signatures::own::ruleset(self)?;
        let file = self.learned_file();
        let wrong = |reason: String| SettingsError::Value { name: "classifier.learned_file", reason };
        match std::fs::read_to_string(&file) {
            Ok(text) => known
                .with_learned(&file.display().to_string(), &text)
                .map_err(|error| wrong(error.to_string())),
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && self.classifier.learned_file.is_none() =>
            {
                Ok(known)
            }
            Err(error) => Err(wrong(format!("{} can't be read: {error}", file.display()))),
        }
    }

    /// The master keys, for commands that make none.
    pub(crate) fn ring(&self) -> Result<KeyRing, crate::master_key::MasterKeyError> {
        crate::master_key::load(&self.master_key_file())
    }

    /// The base of tracking URLs for accounts without one; `address` is where the tracker listens.
    pub(crate) fn base_url(&self, address: SocketAddr) -> String {
        match &self.tracking_base_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", reachable(address)),
        }
    }

    pub(crate) fn engine_dir(&self) -> PathBuf {
        self.data_dir.join("clickhouse")
    }

    pub(crate) fn directory_copy(&self) -> PathBuf {
        self.data_dir.join("accounts.json")
    }

    pub(crate) fn stop_deadline(&self) -> Duration {
        Duration::from_secs(self.stop_seconds)
    }

    /// How the journal of a topic is opened.
    pub(crate) fn topic(&self, name: &str, groups: &[&str]) -> stream::TopicConfig {
        let mut journal = stream::JournalConfig::new(name, self.data_dir.join("journal").join(name));
        journal.segment_bytes = self.journal.segment_bytes;
        journal.max_bytes = self.journal.max_bytes;
        let hours = if name == crate::topics::DEAD_LETTER {
            self.journal.dead_letter_days.saturating_mul(24)
        } else {
            self.journal.keep_hours
        };
        journal.keep = Duration::from_secs(hours.saturating_mul(3600));
        stream::TopicConfig {
            name: name.to_owned(),
            journal,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        }
    }

    /// The database that commands and single stages talk to.
    pub(crate) fn connection(&self) -> Result<store::Connection, SettingsError> {
        let settings = &self.clickhouse;
        let (url, password) = match &settings.url {
            Some(url) => (url.clone(), settings.password.reveal().to_owned()),
            None => (format!("http://{}", self.engine.listen), embedded_password(&self.engine_dir())?),
        };
        Ok(store::Connection {
            url,
            user: settings.user.clone(),
            password: store::Secret::new(password),
            database: settings.database.clone(),
            cluster: self.clickhouse.cluster(),
        })
    }
}

fn embedded_password(dir: &Path) -> Result<String, SettingsError> {
    let path = dir.join("engine.password");
    let text = std::fs::read_to_string(&path).map_err(|error| SettingsError::Value {
        name: "clickhouse.url",
        reason: format!(
            "not set, and the embedded engine's password {} can't be read ({error}): name the data directory of a \
             running `trueopen up` with --data-dir, or a server",
            path.display()
        ),
    })?;
    Ok(text.trim().to_owned())
}

/// The folder outside any checkout where the `fetch` scripts put what they fetch.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("TRUEOPEN_CACHE_DIR")
        .or_else(|| folder("XDG_CACHE_HOME").map(|path| path.join("trueopen")))
        .or_else(|| folder("HOME").map(|path| path.join(".cache/trueopen")))
}

/// An address that a client on this machine can use: a wildcard becomes loopback.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
