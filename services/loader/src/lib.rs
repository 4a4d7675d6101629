//! The loader: classified hits and delivery events from their topics into ClickHouse, nothing lost and nothing doubled.
//!
//! - A position moves only behind rows that ClickHouse confirmed and dead letters that are durable, so a stop, a crash or
//!   an outage at any point costs repeats, never events.
//! - Repeats are harmless: the same record becomes the same row under the same settings, and the tables' keys name it.
//! - What fails by itself passes by itself: the same rows again, for as long as it takes. What only a person resolves is
//!   said once and tried again slowly. A row that is refused for what it holds is dead-lettered alone.
//! - Consumed = loaded + dead-lettered + in hand, on the counters, for each topic.
//!
//! Each topic has a lane of its own: collect a batch, insert it, set aside what was refused, move the position. Beside the
//! lanes, [`Rollup`] brings the rows that reports read up to date.

mod batch;
mod config;
mod dead;
mod failure;
mod health;
mod lane;
mod metrics;
mod retention;
mod rollup;
mod rows;
mod sink;
mod table;

pub use config::{Config, ConfigError};
pub use health::Health;
pub use rollup::{Rollup, Round};

use clickhouse::Client;
use lane::Lane;
use rows::{Deliveries, Events};
use runtime::Trigger;
use store::{Cluster, Directory};
use stream::{GroupError, Topic};

/// What the loader works with.
pub struct Dependencies {
    /// ClickHouse, with the tables of this program.
    pub client: Client,
    /// The cluster that it is one of, if it is.
    pub cluster: Cluster,
    /// Accounts and their settings: how long rows and evidence are kept.
    pub directory: Directory,
    /// Hits with their verdicts.
    pub classified: Topic,
    /// Delivery events.
    pub delivery: Topic,
    /// What could not be loaded.
    pub dead_letter: Topic,
}

/// Why the loader was not built, or ended without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// A setting is out of its bounds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A position could not be taken or moved.
    #[error("the loader's position: {0}")]
    Position(#[from] GroupError),
    /// The dead-letter topic was closed before the loader.
    #[error("topic {topic} was closed")]
    Closed {
        /// The topic.
        topic: String,
    },
    /// The dead-letter topic refuses even an empty dead letter, so nothing could be set aside there.
    #[error("topic {topic} takes no records longer than {limit} bytes, too few for a dead letter")]
    TooSmall {
        /// The topic.
        topic: String,
        /// Its limit in bytes.
        limit: usize,
    },
}

/// The loader, ready to run.
pub struct Loader {
    events: Lane<Events>,
    deliveries: Lane<Deliveries>,
    rollup: Rollup,
    health: Health,
}

impl Loader {
    /// Takes the group's place in both topics. ClickHouse is not asked yet.
    ///
    /// # Errors
    /// [`LoaderError::Config`] for a setting, [`LoaderError::Position`] when a topic has no such consumer group.
    pub fn build(config: Config, dependencies: Dependencies) -> Result<Self, LoaderError> {
        config.check()?;
        let Dependencies { client, cluster, directory, classified, delivery, dead_letter } = dependencies;
        let rollup = Rollup::new(client.clone(), cluster, config.clone());
        let health = Health::new();
        let place = lane::Place { config, client, directory, dead_letter, health: health.clone() };
        Ok(Self {
            events: Lane::build(&place, &classified)?,
            deliveries: Lane::build(&place, &delivery)?,
            rollup,
            health,
        })
    }

    /// Whether ClickHouse takes rows, for readiness.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Loads until `shutdown` ends or both topics are closed and empty. After the shutdown what is in hand is loaded
    /// within `stop_seconds`; what is not by then is left for the next start.
    ///
    /// # Errors
    /// [`LoaderError`]: only what trying again can't mend.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), LoaderError> {
        let (trigger, asked) = Trigger::new();
        let (rollup_trigger, rollup_asked) = Trigger::new();
        let lanes = async {
            let ended = tokio::try_join!(self.events.run(asked.clone()), self.deliveries.run(asked.clone()));
            rollup_trigger.ask();
            ended
        };
        let work = async { tokio::join!(lanes, self.rollup.run(rollup_asked)).0 };
        tokio::pin!(work);
        tokio::select! {
            ended = &mut work => return ended.map(drop),
            () = shutdown => trigger.ask(),
        }
        work.await.map(drop)
    }
}
