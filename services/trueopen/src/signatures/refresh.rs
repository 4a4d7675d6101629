//! Keeping data sets and signature files fresh while stages run: data sets are fetched on a schedule where that is wanted,
//! and all are taken into use when they change.

use super::{Bounds, Folder, SignatureSettings, age_ms, fetch, install, own, today};
use crate::Failure;
use crate::metrics;
use crate::settings::Settings;
use classifier::InForce;
use classifier::data::{CATALOGUE, Data, DataSet, Entry, Name};
use engagement::Timestamp;
use runtime::Stages;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tracing::{info, warn};

/// What becomes of a data set that is fetched, as a metric's label.
const INSTALLED: &str = "installed";
const REFUSED: &str = "refused";
/// How often files are looked at for changes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Length and time of change of each file that the ruleset is made of.
type Mark = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

impl SignatureSettings {
    /// Where a data set is fetched from: the place in the settings, or its owner's.
    pub(crate) fn urls(&self, name: Name) -> Vec<String> {
        let own = self.urls.get(&name).cloned();
        own.unwrap_or_else(|| name.entry().urls.iter().map(|url| (*url).to_owned()).collect())
    }
}

/// Starts the stage that keeps the ruleset fresh.
pub(crate) fn start(stages: &mut Stages, settings: &Settings, rules: InForce) {
    for entry in published(settings) {
        for outcome in [INSTALLED, REFUSED] {
            metrics::DATA_SET_UPDATES.with_label_values(&[entry.name.as_str(), outcome]);
        }
    }
    let settings = settings.clone();
    stages.start("signatures", |shutdown| async move {
        run(settings, rules, shutdown.requested()).await;
        Ok::<(), std::convert::Infallible>(())
    });
}

/// Fetches a data set and puts it in place of the last good one, which stays if it is refused.
pub(crate) async fn update(settings: &Settings, name: Name, folder: &Folder) -> Result<DataSet, Failure> {
    let urls = settings.signatures.urls(name);
    let set = fetch::fetch(name, &urls, &today(), Bounds::default()).await?;
    install(folder, &set)?;
    Ok(set)
}

/// Takes changed files into use, and fetches what owners publish as often as the settings say, until a stop is asked for.
/// It never fails: whatever can't be had leaves what is there.
async fn run(settings: Settings, rules: InForce, shutdown: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = shutdown => {}
        () = look(&settings, &rules) => {}
        () = schedule(&settings) => {}
    }
}

/// Looks for changed files, for ever.
async fn look(settings: &Settings, rules: &InForce) {
    // What changed between the making of the ruleset and the first look would go unseen: that one counts as a change.
    let mut known = None;
    loop {
        let now = Some(mark(settings));
        if now != known {
            known = now;
            take(settings, rules).await;
        }
        show_ages(rules.current().data());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Fetches on the schedule, for ever.
async fn schedule(settings: &Settings) {
    let hours = settings.signatures.update_hours;
    if hours == 0 {
        return std::future::pending().await;
    }
    loop {
        fetch_all(settings).await;
        tokio::time::sleep(Duration::from_secs(hours.saturating_mul(3600))).await;
    }
}

async fn fetch_all(settings: &Settings) {
    let folder = Folder::of(settings);
    for entry in published(settings) {
        let outcome = match update(settings, entry.name, &folder).await {
            Ok(set) => {
                info!(data_set = %entry.name, rows = set.about().rows, date = set.about().date, "data set fetched");
                INSTALLED
            }
            Err(error) => {
                warn!(data_set = %entry.name, %error, "data set refused, the last good one stays");
                REFUSED
            }
        };
        metrics::DATA_SET_UPDATES.with_label_values(&[entry.name.as_str(), outcome]).inc();
    }
}

/// The data sets that there is a place to fetch from.
fn published(settings: &Settings) -> impl Iterator<Item = &'static Entry> {
    CATALOGUE.iter().filter(|entry| !settings.signatures.urls(entry.name).is_empty())
}

/// How old each data set in force is; one whose day nobody knows has no age.
fn show_ages(data: &Data) {
    let now = Timestamp::from_clock(SystemTime::now());
    for set in data.all() {
        let about = set.about();
        if let Some(age) = age_ms(&about.date, now) {
            metrics::DATA_SET_AGE.with_label_values(&[about.name.as_str()]).set((age / 1000).max(0));
        }
    }
}

/// Makes the ruleset anew off the event loop; one that can't be made leaves the one in force.
async fn take(settings: &Settings, rules: &InForce) {
    let own = settings.clone();
    let made = tokio::task::spawn_blocking(move || own.ruleset()).await;
    match made {
        Ok(Ok(ruleset)) if ruleset.version() != rules.current().version() => {
            info!(
                ruleset = ruleset.version(),
                before = rules.current().version(),
                "another ruleset is in force"
            );
            rules.replace(ruleset);
            metrics::RULESET_REFUSED.set(0);
        }
        Ok(Ok(_)) => metrics::RULESET_REFUSED.set(0),
        Ok(Err(error)) => refused(&error),
        Err(error) => refused(&error),
    }
}

fn refused(error: &dyn std::fmt::Display) {
    metrics::RULESET_REFUSED.set(1);
    warn!(%error, "the ruleset could not be made anew, the one in force stays");
}

fn mark(settings: &Settings) -> Mark {
    let mut paths = Folder::of(settings).files();
    paths.push(settings.learned_file());
    // A folder that can't be read is without files here; making the ruleset says so.
    paths.extend(own::paths(settings).unwrap_or_default());
    paths.extend(settings.signatures.asn.clone());
    paths.extend(settings.signatures.country.clone());
    let look = |path: PathBuf| {
        let about = std::fs::metadata(&path).ok()?;
        Some((path, (about.len(), about.modified().ok())))
    };
    paths.into_iter().filter_map(look).collect()
}
