//! One stage by itself. Joined by Kafka they make a system of many machines; until then `track` fills its journal and
//! `report` reads the ClickHouse that the settings name.

use crate::data_dir::DataDir;
use crate::settings::Settings;
use crate::topics::{CLASSIFIER, DELIVERY, LOADER, RAW};
use crate::up::{ADMIN_PORT, admin_address};
use crate::{Failure, master_key};
use reporting::Reporting;
use runtime::{Admin, Readiness, Stages, lifecycle, telemetry};
use std::sync::Arc;
use std::time::Duration;
use store::{Accounts, Directory};
use stream::Topic;
use tracing::{info, warn};
use tracker::Tracker;

/// The admin port of `report`.
const REPORT_ADMIN_PORT: u16 = 9103;
const REFRESH_EVERY: Duration = Duration::from_secs(5);

/// Runs the tracker alone. It needs its keys and its journal; accounts come from the copy on disk, kept fresh from
/// ClickHouse where one is named.
pub(crate) async fn track(settings: Settings) -> Result<(), Failure> {
    telemetry::init(&settings.log)?;
    let stop = lifecycle::stop_signal()?;
    let _held = DataDir::take(&settings.data_dir)?;
    let ring = master_key::load_or_create(&settings.master_key_file(), &settings.data_dir)?;
    let raw = Topic::open(settings.topic(RAW, &[CLASSIFIER]))?;
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
    if settings.clickhouse.url.is_some() {
        let accounts = Accounts::new(settings.connection()?.client());
        keep_fresh(&mut stages, directory, accounts);
    }
    stages.start("admin", |shutdown| admin.run(shutdown.requested()));
    let result = stages.run(stop, settings.stop_deadline()).await;
    raw.close().await;
    Ok(result?)
}

/// Runs the reporting API alone.
pub(crate) async fn report(settings: Settings) -> Result<(), Failure> {
    telemetry::init(&settings.log)?;
    let stop = lifecycle::stop_signal()?;
    let connection = settings.connection()?;
    let _held = DataDir::take(&settings.data_dir)?;
    let ring = Arc::new(settings.ring()?);
    let delivery = Topic::open(settings.topic(DELIVERY, &[LOADER]))?;
    let accounts = Accounts::new(connection.client());
    let directory = Directory::load(&settings.directory_copy());
    if let Err(error) = directory.refresh(&accounts).await {
        warn!(%error, "accounts could not be refreshed, the last good copy stays in force");
    }
    let readiness = Readiness::new();
    let topic = delivery.clone();
    readiness.add("journal", move || topic.healthy());
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
            default_base_url: settings.base_url(settings.tracker.listen),
        },
    )?;
    let admin = Admin::build(admin_address(&settings, REPORT_ADMIN_PORT), readiness).await?;
    info!(report = %reporting.address()?, admin = %admin.address()?, "reporting API serving");
    let mut stages = Stages::new();
    stages.start("reporting", |shutdown| reporting.run(shutdown.requested()));
    keep_fresh(&mut stages, directory, accounts);
    stages.start("admin", |shutdown| admin.run(shutdown.requested()));
    let result = stages.run(stop, settings.stop_deadline()).await;
    delivery.close().await;
    Ok(result?)
}

fn keep_fresh(stages: &mut Stages, directory: Directory, accounts: Accounts) {
    stages.start("accounts", |shutdown| async move {
        directory.keep_fresh(accounts, REFRESH_EVERY, shutdown.requested()).await;
        Ok::<(), std::convert::Infallible>(())
    });
}
