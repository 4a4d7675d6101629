//! `trueopen up`: every stage in one place. The tracker serves first, from the copies on disk; the rest follows.

mod banner;

use crate::bootstrap::{Welcome, bootstrap};
use crate::data_dir::DataDir;
use crate::deadletter::control::Control;
use crate::settings::{Settings, reachable};
use crate::topics::{LOADER, Topics};
use crate::{Failure, master_key, output, reclassify, signatures, single};
use banner::Banner;
use classifier::InForce;
use classifier::stage::compare::{Comparer, Topics as ComparerTopics};
use classifier::stage::{Classifier, Topics as ClassifierTopics};
use embedded::{Engine, EngineConfig};
use engagement::keys::KeyRing;
use loader::Loader;
use reporting::Reporting;
use runtime::{Admin, Readiness, Stages, lifecycle, telemetry};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{Accounts, Connection, Directory, Secret};
use tracing::{info, warn};
use tracker::Tracker;

/// The admin port of `up` and of `track`.
pub(crate) const ADMIN_PORT: u16 = 9100;

/// Runs everything until a signal.
pub(crate) async fn up(settings: Settings) -> Result<(), Failure> {
    telemetry::init(&settings.log)?;
    let stop = lifecycle::stop_signal()?;
    let held = DataDir::take(&settings.data_dir)?;
    let ruleset = InForce::from(settings.ruleset()?);
    let ring = Arc::new(master_key::load_or_create(&settings.master_key_file(), &settings.data_dir)?);
    let topics = Topics::open(&settings)?;
    let result = run(&settings, ring, &ruleset, &topics, stop).await;
    topics.close().await;
    drop(held);
    if result.is_ok() {
        info!("stopped");
    }
    result
}

async fn run(
    settings: &Settings,
    ring: Arc<KeyRing>,
    ruleset: &InForce,
    topics: &Topics,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    tokio::pin!(stop);
    let readiness = Readiness::new();
    let directory = Directory::load(&settings.directory_copy());

    // Every port first: a port in use is told before anything else has begun.
    let tracker =
        Tracker::build(settings.tracker.clone(), Arc::clone(&ring), directory.clone(), topics.raw.clone())
            .await?;
    let tracker_address = tracker.address()?;
    let admin = Admin::build(admin_address(settings, ADMIN_PORT), readiness.clone()).await?;
    let admin_address = admin.address()?;
    let report_listener = runtime::server::bind("the reporting API", settings.report.listen).await?;

    let raw = topics.raw.clone();
    readiness.add("journal", move || raw.healthy());
    let started = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&started);
    readiness.add("start", move || {
        if seen.load(Ordering::Relaxed) { Ok(()) } else { Err("the database is starting".to_owned()) }
    });

    let mut stages = Stages::new();
    stages.start("tracker", |shutdown| tracker.run(shutdown.requested()));
    info!(address = %tracker_address, "tracker serving");

    let engine = tokio::select! {
        engine = Engine::start(engine_config(settings)?) => Some(engine?),
        () = &mut stop => None,
    };
    let Some(engine) = engine else {
        return Ok(stages.run(async {}, settings.stop_deadline()).await?);
    };
    let connection = connection(&engine);
    let base_url = settings.base_url(tracker_address);
    let prepared = tokio::select! {
        prepared = prepare(settings, &connection, &directory) => Some(prepared),
        () = &mut stop => None,
    };
    let (accounts, welcome) = match prepared {
        Some(Ok(prepared)) => prepared,
        broken => {
            stages.run(async {}, settings.stop_deadline()).await?;
            engine.stop().await?;
            return broken.map_or(Ok(()), |broken| broken.map(|_| ()));
        }
    };

    let reporting = Reporting::build(
        settings.report.api.clone(),
        report_listener,
        reporting::Dependencies {
            client: connection.client(),
            accounts: accounts.clone(),
            directory: directory.clone(),
            keys: Arc::clone(&ring),
            delivery: topics.delivery.clone(),
            hits: topics.raw.clone(),
            fetch: Arc::new(reporting::Internet::default()),
            webhook_tokens: settings.data_dir.join("webhook-tokens"),
            default_base_url: base_url.clone(),
        },
    )?;
    let report_address = reporting.address()?;
    let classifier = Classifier::build(
        settings.classifier.stage(),
        ClassifierTopics {
            raw: topics.raw.clone(),
            classified: topics.classified.clone(),
            delivery: topics.delivery.clone(),
            neighbours: topics.neighbours.clone(),
            signals: topics.signals.clone(),
            dead_letter: topics.dead_letter.clone(),
        },
        ruleset.clone(),
    )?;
    let comparer = Comparer::build(
        settings.classifier.comparer(),
        ComparerTopics {
            neighbours: topics.neighbours.clone(),
            signals: topics.signals.clone(),
            dead_letter: topics.dead_letter.clone(),
        },
        ruleset.clone(),
    )?;
    let unread = topics.classified.consumer(LOADER)?;
    let worker = reclassify::Worker::new(
        connection.client(),
        ruleset.clone(),
        classifier.revisions(),
        Box::new(move || unread.lag()),
    );
    let loader = Loader::build(
        settings.loader.clone(),
        loader::Dependencies {
            client: connection.client(),
            cluster: connection.cluster.clone(),
            directory: directory.clone(),
            classified: topics.classified.clone(),
            delivery: topics.delivery.clone(),
            dead_letter: topics.dead_letter.clone(),
        },
    )?;
    let health = loader.health();
    readiness.add("loader", move || health.check());

    // In the order in which they stop: sources first, the database last.
    stages.start("reporting", |shutdown| reporting.run(shutdown.requested()));
    if let Some(control) = Control::build(&settings.data_dir, topics) {
        stages.start("control", |shutdown| control.run(shutdown));
    }
    stages.start("reclassifier", |shutdown| worker.run(shutdown));
    stages.start("classifier", |shutdown| classifier.run(shutdown.requested()));
    stages.start("neighbours", |shutdown| comparer.run(shutdown.requested()));
    signatures::start(&mut stages, settings, ruleset.clone());
    stages.start("loader", |shutdown| loader.run(shutdown.requested()));
    single::keep_fresh(&mut stages, directory, accounts);
    let engine_url = engine.url();
    stages.start("engine", |shutdown| async move {
        tokio::select! {
            error = engine.failed() => return Err(error),
            () = shutdown.requested() => {}
        }
        engine.stop().await
    });
    stages.start("admin", |shutdown| admin.run(shutdown.requested()));
    started.store(true, Ordering::Relaxed);
    settle(&readiness).await;

    let banner = Banner {
        base_url: &base_url,
        tracker: reachable(tracker_address),
        report: reachable(report_address),
        admin: reachable(admin_address),
        engine_url: &engine_url,
        data_dir: &settings.data_dir,
        welcome: &welcome,
    };
    output::line(&banner.text(&ring)?);
    Ok(stages.run(stop, settings.stop_deadline()).await?)
}

/// Waits until everything is ready, so that what the banner shows works when it is shown; not for ever, since a reader
/// of the banner is helped by `/readyz` when something is not.
async fn settle(readiness: &Readiness) {
    for _ in 0..200 {
        if readiness.failing().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    for (check, reason) in readiness.failing() {
        warn!(check, %reason, "not ready yet");
    }
}

/// Schema, first start, and the directory as it is now.
async fn prepare(
    settings: &Settings,
    connection: &Connection,
    directory: &Directory,
) -> Result<(Accounts, Welcome), Failure> {
    let migrated = store::migrate(&connection.client()).await?;
    if !migrated.applied.is_empty() {
        info!(version = migrated.version, applied = migrated.applied.len(), "schema brought up to date");
    }
    let accounts = Accounts::new(connection.client());
    let welcome = bootstrap(settings, &accounts).await?;
    if let Err(error) = directory.refresh(&accounts).await {
        warn!(%error, "accounts could not be refreshed, the last good copy stays in force");
    }
    Ok((accounts, welcome))
}

fn connection(engine: &Engine) -> Connection {
    Connection {
        url: engine.url(),
        user: engine.user().to_owned(),
        password: Secret::new(engine.password()),
        database: "default".to_owned(),
        cluster: store::Cluster::default(),
    }
}

fn engine_config(settings: &Settings) -> Result<EngineConfig, Failure> {
    let library = settings.engine.library.clone().or_else(cached_library).ok_or(
        "the ClickHouse engine's library is not named: set engine.library, or HOME for its usual place",
    )?;
    let program = std::env::current_exe().map_err(|error| format!("this program's own path: {error}"))?;
    Ok(EngineConfig::new(library, settings.engine_dir(), settings.engine.listen, program, ["engine"]))
}

/// Where `services/embedded/fetch.sh` puts the library.
fn cached_library() -> Option<PathBuf> {
    Some(crate::settings::cache_folder()?.join("chdb-26.7.3-stable.1/libchdb.so"))
}

/// The admin address in force: the setting, or loopback at the command's own port.
pub(crate) fn admin_address(settings: &Settings, port: u16) -> SocketAddr {
    settings.admin.listen.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
}
