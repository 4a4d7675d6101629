//! One stage by itself, joined to the others by Kafka and a ClickHouse server.
//!
//! The tracker and the reporting API need neither to take a hit or an event: their journals are on this machine, and a
//! forwarder takes the records on in order. Without `kafka.brokers` the journals just fill, as a buffer.

use crate::data_dir::DataDir;
use crate::forward::forward;
use crate::kafka::Gate;
use crate::settings::Settings;
use crate::topics::{
    CLASSIFIED, CLASSIFIER, COMPARER, DEAD_LETTER, DELIVERY, FORWARDER, LOADER, NEIGHBOURS, RAW, SIGNALS,
};
use crate::up::{ADMIN_PORT, admin_address};
use crate::{Failure, master_key, reclassify, signatures};
use classifier::InForce;
use classifier::stage::compare::{Comparer, Topics as ComparerTopics};
use classifier::stage::{Classifier, Topics as ClassifierTopics};
use loader::Loader;
use reporting::Reporting;
use runtime::{Admin, Readiness, Shutdown, Stages, lifecycle, telemetry};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use store::{Accounts, Directory};
use stream::{Cluster, Topic};
use tracing::{debug, info};
use tracker::Tracker;

/// The admin ports of the stages; that of `track` is `up`'s.
const CLASSIFY_ADMIN_PORT: u16 = 9101;
const LOAD_ADMIN_PORT: u16 = 9102;
const REPORT_ADMIN_PORT: u16 = 9103;
/// How often the copy of accounts and keys is refreshed: a revoked key is dead within ten seconds.
const REFRESH_EVERY: Duration = Duration::from_secs(5);

/// Runs the tracker alone. It needs its keys and its journal; accounts come from the copy on disk, kept fresh from
/// ClickHouse where one is named.
pub(crate) async fn track(settings: Settings) -> Result<(), Failure> {
    telemetry::init(&settings.log)?;
    let stop = lifecycle::stop_signal()?;
    let cluster = settings.kafka.cluster()?;
    let _held = DataDir::take(&settings.data_dir)?;
    let ring = master_key::load_or_create(&settings.master_key_file(), &settings.data_dir)?;
    let raw = Topic::open(settings.topic(RAW, &[reader(cluster.as_ref(), CLASSIFIER)]))?;
    let directory = Directory::load(&settings.directory_copy());
    let readiness = Readiness::new();
    let topic = raw.clone();
    readiness.add("journal", move || topic.healthy());
    let tracker =
        Tracker::build(settings.tracker.clone(), Arc::new(ring), directory.clone(), raw.clone()).await?;
    let admin = Admin::build(admin_address(&settings, ADMIN_PORT), readiness).await?;
    info!(tracker = %tracker.address()?, admin = %admin.address()?, "tracker serving");
    let mut stages = Stages::new();
    stages.start("tracker", |shutdown| tracker.run(shutdown.requested()));
    if let Some(cluster) = &cluster {
        forward(&mut stages, &settings, cluster, &raw, RAW)?;
    }
    if settings.clickhouse.url.is_some() {
        let accounts = settings.connection()?.accounts();
        keep_fresh(&mut stages, directory, accounts);
    }
    stages.start("admin", |shutdown| admin.run(shutdown.requested()));
    let result = stages.run(stop, settings.stop_deadline()).await;
    raw.close().await;
    close(cluster).await;
    Ok(result?)
}

/// Runs the classifier alone: from Kafka to Kafka.
pub(crate) async fn classify(settings: Settings) -> Result<(), Failure> {
    telemetry::init(&settings.log)?;
    let stop = lifecycle::stop_signal()?;
    let held = DataDir::take(&settings.data_dir)?;
    let cluster = settings.kafka.required_cluster("classify", Some(held.instance()?))?;
    let ruleset = InForce::from(settings.ruleset()?);
    let refreshed = ruleset.clone();
    let (gate, readiness) = gate(&cluster);
    let admin = Admin::build(admin_address(&settings, CLASSIFY_ADMIN_PORT), readiness).await?;
    info!(admin = %admin.address()?, "classifier starting");
    let client = match &settings.clickhouse.url {
        Some(_) => Some(settings.connection()?.client()),
        None => None,
    };
    let mut stages = Stages::new();
    let (stage, second) = (settings.classifier.stage(), settings.classifier.comparer());
    let kafka = settings.kafka.clone();
    signatures::start(&mut stages, &settings, refreshed);
    stages.start("classifier", |shutdown| async move {
        let names = [RAW, CLASSIFIED, DELIVERY, NEIGHBOURS, SIGNALS, DEAD_LETTER];
        let open = gate.open(&kafka, names, &[CLASSIFIER, COMPARER]);
        let Some(topics) = unless_stopped(open, &shutdown).await? else {
            return Ok(());
        };
        let [raw, classified, delivery, neighbours, signals, dead_letter] = topics.clone();
        let compared = ComparerTopics {
            neighbours: neighbours.clone(),
            signals: signals.clone(),
            dead_letter: dead_letter.clone(),
        };
        let judged = ClassifierTopics { raw, classified, delivery, neighbours, signals, dead_letter };
        let classifier = Classifier::build(stage, judged, ruleset.clone())?;
        // Without a database there is nothing to judge again. What the topic gave up was stored long before: its
        // retention ends days behind the loader's lag that an operator would let be.
        let worker = client.map(|client| {
            let (ruleset, revisions) = (ruleset.clone(), classifier.revisions());
            reclassify::Worker::new(client, ruleset, revisions, Box::new(|| 0))
        });
        let comparer = Comparer::build(second, compared, ruleset)?;
        let again = async {
            if let Some(worker) = worker {
                let Ok(()) = worker.run(shutdown.clone()).await;
            }
            std::future::pending::<std::convert::Infallible>().await
        };
        let stages = async {
            tokio::try_join!(
                classifier.run(shutdown.clone().requested()),
                comparer.run(shutdown.clone().requested())
            )
        };
        let result = tokio::select! {
            result = stages => result,
            never = again => match never {},
        };
        for topic in topics {
            topic.close().await;
        }
        result.map(|_| ()).map_err(Failure::from)
    });
    stages.start("admin", |shutdown| admin.run(shutdown.requested()));
    let result = stages.run(stop, settings.stop_deadline()).await;
    close(Some(cluster)).await;
    Ok(result?)
}

/// Runs the loader alone: from Kafka into ClickHouse.
pub(crate) async fn load(settings: Settings) -> Result<(), Failure> {
    telemetry::init(&settings.log)?;
    let stop = lifecycle::stop_signal()?;
    let cluster = settings.kafka.required_cluster("load", None)?;
    let connection = settings.connection()?;
    let _held = DataDir::take(&settings.data_dir)?;
    let accounts = connection.accounts();
    let directory = Directory::load(&settings.directory_copy());
    refresh(&directory, &accounts).await;
    let (gate, readiness) = gate(&cluster);
    let admin = Admin::build(admin_address(&settings, LOAD_ADMIN_PORT), readiness.clone()).await?;
    info!(admin = %admin.address()?, "loader starting");
    let mut stages = Stages::new();
    let (config, kafka, client) = (settings.loader.clone(), settings.kafka.clone(), connection.client());
    let replicas = connection.cluster.clone();
    let copy = directory.clone();
    stages.start("loader", |shutdown| async move {
        let groups = [config.group.as_str()];
        let open = gate.open(&kafka, [CLASSIFIED, DELIVERY, DEAD_LETTER], &groups);
        let Some([classified, delivery, dead_letter]) = unless_stopped(open, &shutdown).await? else {
            return Ok(());
        };
        let dependencies = loader::Dependencies {
            client,
            cluster: replicas,
            directory: copy,
            classified: classified.clone(),
            delivery: delivery.clone(),
            dead_letter: dead_letter.clone(),
        };
        let loader = Loader::build(config, dependencies)?;
        let health = loader.health();
        readiness.add("clickhouse", move || health.check());
        let result = loader.run(shutdown.requested()).await;
        for topic in [classified, delivery, dead_letter] {
            topic.close().await;
        }
        result.map_err(Failure::from)
    });
    keep_fresh(&mut stages, directory, accounts);
    stages.start("admin", |shutdown| admin.run(shutdown.requested()));
    let result = stages.run(stop, settings.stop_deadline()).await;
    close(Some(cluster)).await;
    Ok(result?)
}

/// Runs the reporting API alone.
pub(crate) async fn report(settings: Settings) -> Result<(), Failure> {
    telemetry::init(&settings.log)?;
    let stop = lifecycle::stop_signal()?;
    let cluster = settings.kafka.cluster()?;
    let connection = settings.connection()?;
    let _held = DataDir::take(&settings.data_dir)?;
    let ring = Arc::new(settings.ring()?);
    let delivery = Topic::open(settings.topic(DELIVERY, &[reader(cluster.as_ref(), LOADER)]))?;
    let hits = Topic::open(settings.topic(RAW, &[reader(cluster.as_ref(), CLASSIFIER)]))?;
    let accounts = connection.accounts();
    let directory = Directory::load(&settings.directory_copy());
    refresh(&directory, &accounts).await;
    let readiness = Readiness::new();
    let topics = [delivery.clone(), hits.clone()];
    readiness.add("journal", move || topics.iter().try_for_each(Topic::healthy));
    let copy = directory.clone();
    readiness.add("accounts", move || copy.usable());
    let listener = runtime::server::bind("the reporting API", settings.report.listen).await?;
    let reporting = Reporting::build(
        settings.report.api.clone(),
        listener,
        reporting::Dependencies {
            client: connection.client(),
            accounts: accounts.clone(),
            directory: directory.clone(),
            keys: ring,
            delivery: delivery.clone(),
            hits: hits.clone(),
            fetch: Arc::new(reporting::Internet::default()),
            webhook_tokens: settings.data_dir.join("webhook-tokens"),
            default_base_url: settings.base_url(settings.tracker.listen),
        },
    )?;
    let admin = Admin::build(admin_address(&settings, REPORT_ADMIN_PORT), readiness).await?;
    info!(report = %reporting.address()?, admin = %admin.address()?, "reporting API serving");
    let mut stages = Stages::new();
    stages.start("reporting", |shutdown| reporting.run(shutdown.requested()));
    if let Some(cluster) = &cluster {
        forward(&mut stages, &settings, cluster, &delivery, DELIVERY)?;
        forward(&mut stages, &settings, cluster, &hits, RAW)?;
    }
    keep_fresh(&mut stages, directory, accounts);
    stages.start("admin", |shutdown| admin.run(shutdown.requested()));
    let result = stages.run(stop, settings.stop_deadline()).await;
    delivery.close().await;
    hits.close().await;
    close(cluster).await;
    Ok(result?)
}

/// Who reads a journal: the forwarder where there is a Kafka, else whoever would in one place.
fn reader(cluster: Option<&Cluster>, otherwise: &'static str) -> &'static str {
    if cluster.is_some() { FORWARDER } else { otherwise }
}

/// A stage that is nothing without Kafka is ready once its topics are open and brokers answer.
fn gate(cluster: &Cluster) -> (Gate, Readiness) {
    let gate = Gate::new(cluster);
    let readiness = Readiness::new();
    let check = gate.clone();
    readiness.add("kafka", move || check.check());
    (gate, readiness)
}

/// What comes of some work, or nothing when a stop is asked for first.
pub(crate) async fn unless_stopped<T>(
    work: impl Future<Output = Result<T, Failure>>,
    shutdown: &Shutdown,
) -> Result<Option<T>, Failure> {
    tokio::select! {
        biased;
        () = shutdown.clone().requested() => Ok(None),
        done = work => done.map(Some),
    }
}

async fn close(cluster: Option<Cluster>) {
    if let Some(cluster) = cluster {
        cluster.close().await;
    }
}

/// The copy as it is now, before anything needs it. The stage that keeps it fresh says what is wrong, once.
async fn refresh(directory: &Directory, accounts: &Accounts) {
    if let Err(error) = directory.refresh(accounts).await {
        debug!(%error, "accounts could not be refreshed at the start");
    }
}

/// Starts the stage that keeps the copy of accounts and keys fresh.
pub(crate) fn keep_fresh(stages: &mut Stages, directory: Directory, accounts: Accounts) {
    stages.start("accounts", |shutdown| async move {
        directory.keep_fresh(accounts, REFRESH_EVERY, shutdown.requested()).await;
        Ok::<(), std::convert::Infallible>(())
    });
}
