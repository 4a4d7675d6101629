//! A lock that ClickHouse keeps: one process at a time migrates, makes accounts or changes settings.
//!
//! ClickHouse has no transaction over two statements, but it makes a table of a given name only once. The lock is
//! therefore a table: who makes it holds it, dropping it lets go. Its comment is rewritten while the lock is held, and
//! that keeps its time of change young; a lock whose holder died is taken over once it has not changed for
//! [`STALE`]. A taker makes the table of the next generation (again only one can) and drops the dead one. All ages are
//! the server's clock, compared with itself.

use crate::cluster::Cluster;
use crate::error::{DatabaseError, TABLE_EXISTS, call};
use clickhouse::{Client, Row};
use serde::Deserialize;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// After how long without a sign of life a lock is taken over.
pub const STALE: Duration = Duration::from_secs(15);
/// How often a holder shows that it lives.
const BEAT: Duration = Duration::from_secs(3);
/// How often one who waits looks.
const LOOK: Duration = Duration::from_millis(100);

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// ClickHouse failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Another process held it all the time.
    #[error("another process holds the lock `{name}` for longer than {waited:?}")]
    Held {
        /// The lock.
        name: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// It was held, but showed no sign of life for too long: another process has taken it over.
    #[error("the lock `{name}` was taken over by another process, after no sign of life for {STALE:?}")]
    Lost {
        /// The lock.
        name: &'static str,
    },
}

#[derive(Row, Deserialize)]
struct Found {
    name: String,
    age_seconds: i64,
}

/// A lock that is held until [`Lock::release`]; dropped without it (the process dies), it goes stale.
#[derive(Debug)]
pub struct Lock {
    client: Client,
    cluster: Cluster,
    name: &'static str,
    table: String,
    beat: tokio::task::JoinHandle<()>,
}

impl Lock {
    /// Takes the lock of this name, waiting at most so long. Locks live in the client's database.
    ///
    /// # Errors
    /// [`LockError::Held`] when the time is over.
    pub async fn take(client: &Client, name: &'static str, wait: Duration) -> Result<Self, LockError> {
        Self::take_on(client, &Cluster::default(), name, wait).await
    }

    /// The same over all replicas of a cluster, whichever of them the client talks to: definitions that are made `ON
    /// CLUSTER` run everywhere in one order, so of two tables of one name only the first is made.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub async fn take_on(
        client: &Client,
        cluster: &Cluster,
        name: &'static str,
        wait: Duration,
    ) -> Result<Self, LockError> {
        let started = Instant::now();
        loop {
            if let Some(table) = try_take(client, cluster, name).await? {
                let beat = tokio::spawn(beat(client.clone(), cluster.clone(), table.clone()));
                return Ok(Self { client: client.clone(), cluster: cluster.clone(), name, table, beat });
            }
            if started.elapsed() >= wait {
                return Err(LockError::Held { name, waited: wait });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Makes sure that it is still ours: a process that stood still for long, as with its machine, may have lost it.
    ///
    /// # Errors
    /// [`LockError::Lost`] when it is another's by now.
    pub async fn check(&self) -> Result<(), LockError> {
        let query = self
            .client
            .query("SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = {name: String}")
            .param("name", &self.table);
        match call(query.fetch_one::<u64>()).await? {
            0 => Err(LockError::Lost { name: self.name }),
            _ => Ok(()),
        }
    }

    /// Lets go.
    pub async fn release(self) {
        self.beat.abort();
        if let Err(error) = drop_table(&self.client, &self.cluster, &self.table).await {
            // Nothing is lost: the lock goes stale by itself.
            tracing::warn!(lock = %self.table, %error, "a lock was not released, it ends in 15 seconds");
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.beat.abort();
    }
}

/// One attempt: the table that now is ours, or `None` while another holds the lock.
async fn try_take(client: &Client, cluster: &Cluster, name: &str) -> Result<Option<String>, DatabaseError> {
    let held = find(client, name).await?;
    let generation = match held.last() {
        None => 0,
        Some((_, age)) if *age < i64::try_from(STALE.as_secs()).unwrap_or(i64::MAX) => return Ok(None),
        Some((generation, _)) => generation + 1,
    };
    let table = table_name(name, generation);
    let made = call(
        client
            .query_raw(&format!(
                "CREATE TABLE {table}{} (nothing UInt8) ENGINE = Null COMMENT '{}'",
                cluster.clause(),
                Uuid::new_v4()
            ))
            .execute(),
    )
    .await;
    match made {
        Err(DatabaseError::Server { code: TABLE_EXISTS, .. }) => return Ok(None),
        other => other?,
    }
    for (old, _) in held {
        drop_table(client, cluster, &table_name(name, old)).await?;
    }
    // Whoever was slow between looking and making may have made an old generation anew: the newest one counts.
    let newest = find(client, name).await?.last().map(|(generation, _)| *generation);
    if newest != Some(generation) {
        drop_table(client, cluster, &table).await?;
        return Ok(None);
    }
    Ok(Some(table))
}

/// The generations of a lock that there are, oldest first, with their ages in seconds.
async fn find(client: &Client, name: &str) -> Result<Vec<(u64, i64)>, DatabaseError> {
    let prefix = format!("lock_{name}_");
    let rows: Vec<Found> = call(
        client
            .query(
                "SELECT name, toInt64(now()) - toInt64(metadata_modification_time) AS age_seconds
                 FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {prefix: String})",
            )
            .param("prefix", &prefix)
            .fetch_all(),
    )
    .await?;
    let mut found: Vec<(u64, i64)> = rows
        .into_iter()
        .filter_map(|row| Some((row.name.strip_prefix(&prefix)?.parse().ok()?, row.age_seconds)))
        .collect();
    found.sort_unstable();
    Ok(found)
}

fn table_name(name: &str, generation: u64) -> String {
    format!("lock_{name}_{generation}")
}

async fn drop_table(client: &Client, cluster: &Cluster, table: &str) -> Result<(), DatabaseError> {
    let statement = format!("DROP TABLE IF EXISTS {table}{} SYNC", cluster.clause());
    call(client.query_raw(&statement).execute()).await
}

async fn beat(client: Client, cluster: Cluster, table: String) {
    loop {
        tokio::time::sleep(BEAT).await;
        let statement =
            format!("ALTER TABLE {table}{} MODIFY COMMENT '{}'", cluster.clause(), Uuid::new_v4());
        if let Err(error) = call(client.query_raw(&statement).execute()).await {
            tracing::warn!(lock = %table, %error, "a held lock could not be kept young");
        }
    }
}
