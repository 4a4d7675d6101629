//! Migrations: the files of `schema/clickhouse`, carried by the program, brought into a database in order and once.
//!
//! Forward only and safe to repeat. Each file is noted with its checksum when all its statements are done; a file that
//! was cut off half-way is run again from its start, so its statements bear repeating (`IF NOT EXISTS`, `OR REPLACE`).
//! A database that a newer program migrated, or whose files were other ones, is refused and left alone.

mod include;
mod providers;
mod shape;
mod sources;
mod split;
mod superseded;

use crate::cluster::Cluster;
use crate::error::{DatabaseError, UNKNOWN_DATABASE, UNKNOWN_TABLE, call, within};
use crate::keys::hex;
use crate::lock::{Lock, LockError};
use aws_lc_rs::digest;
use clickhouse::{Client, Row};
use include::IncludeError;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use std::time::Duration;

/// The files, by name: `NNNN_what.sql`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// How long one statement may take; a change of a large table takes its time.
const STATEMENT_LIMIT: Duration = Duration::from_secs(60 * 60);
/// How long another process' migration is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(60 * 60);

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The versions that were applied now, in order; empty when the database was up to date.
    pub applied: Vec<u32>,
    /// The version that the database has.
    pub version: u32,
}

/// Why a database can't be brought up to date, or used as it is.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer program was here.
    #[error(
        "the database has schema version {found}, this program knows {known}: run the newer program, or its successor"
    )]
    Newer {
        /// The highest version in the database.
        found: u32,
        /// The highest version that this program has.
        known: u32,
    },
    /// A file is not the one that was applied.
    #[error(
        "migration {version} ({name}) was applied with other content than this program has: the database and the program do not belong together"
    )]
    Changed {
        /// The file's version.
        version: u32,
        /// The file's name.
        name: String,
    },
    /// The database waits for `trueopen migrate`. Only [`check`] says this.
    #[error("the database lacks schema version {missing}: run `trueopen migrate`")]
    Behind {
        /// The first version that is missing.
        missing: u32,
    },
    /// A statement failed.
    #[error("{file}, statement {number}: {cause}: {}", shortened(.cause.text()))]
    Statement {
        /// The file.
        file: String,
        /// Which statement, from 1.
        number: usize,
        /// What ClickHouse said.
        cause: DatabaseError,
    },
    /// A file of this program is not well formed.
    #[error("{file}: {what}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The cluster is not as the settings say, or the tables are not.
    #[error("{0}")]
    Cluster(String),
    /// Another process migrates and does not end.
    #[error(transparent)]
    Lock(LockError),
    /// ClickHouse can't be reached or refused something around the files.
    #[error("{doing}: {cause}{}", after_colon(.cause.text()))]
    Database {
        /// What was tried.
        doing: &'static str,
        /// What ClickHouse said.
        cause: DatabaseError,
    },
}

impl MigrateError {
    fn doing(doing: &'static str) -> impl FnOnce(DatabaseError) -> Self {
        move |cause| Self::Database { doing, cause }
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {}", shortened(text)) }
}

/// The first 500 characters: a server quotes whole statements.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(500).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A file with what its name and content say.
#[derive(Debug)]
struct Migration {
    version: u32,
    name: &'static str,
    text: &'static str,
    checksum: String,
}

impl Migration {
    /// Its statements as they are run on one server, each with its number: views that stand in place of their names are filled in,
    /// and what is there for that alone is left out.
    fn statements(&self) -> Result<Vec<(usize, String)>, MigrateError> {
        let broken = |what: String| MigrateError::File { file: self.name.to_owned(), what };
        let statements = split::statements(self.text).map_err(|error| broken(error.to_string()))?;
        let filled = |text| include::filled(text, &|name| view_in(name, self.name));
        let run = (1..).zip(statements).filter(|(_, text)| !include::is_part(text));
        run.map(|(number, text)| Ok((number, filled(text).map_err(|error| broken(error.to_string()))?)))
            .collect()
    }
}

/// A row of the table `schema_migrations`.
#[derive(Debug, Clone, Row, Serialize, Deserialize)]
struct Applied {
    version: u32,
    name: String,
    checksum: String,
    applied_at: i64,
}

const NOTES_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations
(
    version UInt32,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1";

/// Makes the client's database if there is none, applies every file that it lacks and writes `schema/sources.json` and
/// `schema/mailbox-providers.json` into their tables. Several processes may do this at once: one works, the others wait and find it done.
///
/// # Errors
/// [`MigrateError::Newer`] and [`MigrateError::Changed`] for a database that is not this program's, before anything is
/// changed; otherwise what failed, with ClickHouse's own words.
pub async fn migrate(client: &Client) -> Result<Migrated, MigrateError> {
    migrate_on(client, &Cluster::default()).await
}

/// The same on a cluster: every statement is run on all replicas, as [`Cluster::write`] writes it. The checksums stay those
/// of the files.
///
/// # Errors
/// As [`migrate`], and [`MigrateError::Cluster`] before anything is changed.
pub async fn migrate_on(client: &Client, cluster: &Cluster) -> Result<Migrated, MigrateError> {
    let files = files()?;
    shape::check_cluster(client, cluster).await?;
    make_database(client, cluster).await?;
    shape::check_tables(client, cluster).await?;
    let mut applied = Vec::new();
    if !pending(&files, &notes(client).await?)?.is_empty() {
        let lock =
            Lock::take_on(client, cluster, "migrate", LOCK_WAIT).await.map_err(|error| match error {
                LockError::Database(cause) => {
                    MigrateError::Database { doing: "waiting for other migrations", cause }
                }
                held @ (LockError::Held { .. } | LockError::Lost { .. }) => MigrateError::Lock(held),
            })?;
        let result = apply_pending(client, cluster, &files).await;
        lock.release().await;
        applied = result?;
        // The client remembers the columns of tables; they may be others now.
        client.clear_cached_metadata().await;
    }
    sources::write(client).await.map_err(MigrateError::doing("writing the table sources"))?;
    providers::write(client).await.map_err(MigrateError::doing("writing the table mailbox_providers"))?;
    let version = files.last().map_or(0, |file| file.version);
    Ok(Migrated { applied, version })
}

/// Whether the client's database is exactly what this program works with; its version if so.
///
/// # Errors
/// [`MigrateError::Behind`], [`MigrateError::Newer`] or [`MigrateError::Changed`] when it is not.
pub async fn check(client: &Client) -> Result<u32, MigrateError> {
    let files = files()?;
    match pending(&files, &notes(client).await?)?.first() {
        Some(file) => Err(MigrateError::Behind { missing: file.version }),
        None => Ok(files.last().map_or(0, |file| file.version)),
    }
}

async fn apply_pending(
    client: &Client,
    cluster: &Cluster,
    files: &[Migration],
) -> Result<Vec<u32>, MigrateError> {
    let notes_table = written(cluster, "schema_migrations", NOTES_TABLE)?;
    call(client.query_raw(&notes_table).execute())
        .await
        .map_err(MigrateError::doing("making the table schema_migrations"))?;
    // Again, now that nobody else works on it.
    let notes = notes(client).await?;
    let pending = pending(files, &notes)?;
    let statements = pending.iter().map(|file| file.statements()).collect::<Result<Vec<_>, _>>()?;
    let all: Vec<&str> = statements.iter().flatten().map(|(_, text)| text.as_str()).collect();
    let mut needed = superseded::needed(&all).into_iter();
    let mut applied = Vec::new();
    for (file, statements) in pending.into_iter().zip(&statements) {
        let needed = statements.iter().zip(needed.by_ref()).filter_map(|(one, needed)| needed.then_some(one));
        apply(client, cluster, file, needed).await?;
        applied.push(file.version);
    }
    Ok(applied)
}

async fn apply(
    client: &Client,
    cluster: &Cluster,
    file: &Migration,
    statements: impl Iterator<Item = &(usize, String)>,
) -> Result<(), MigrateError> {
    for (number, statement) in statements {
        // A change of rows is done before the next statement, and before the file counts as applied.
        let statement = written(cluster, file.name, statement)?;
        let query = client.query_raw(&statement).with_setting("mutations_sync", "1");
        // Views run with the rights of who asks, whatever a server's default is: row policies hold in them.
        let query = query.with_setting("default_normal_view_sql_security", "INVOKER");
        let query = match cluster.name {
            Some(_) => {
                query.with_setting("distributed_ddl_task_timeout", STATEMENT_LIMIT.as_secs().to_string())
            }
            None => query,
        };
        within(STATEMENT_LIMIT, query.execute()).await.map_err(|cause| MigrateError::Statement {
            file: file.name.to_owned(),
            number: *number,
            cause,
        })?;
    }
    let note = Applied {
        version: file.version,
        name: file.name.to_owned(),
        checksum: file.checksum.clone(),
        applied_at: crate::accounts::Millis::now().0,
    };
    let insert = async {
        let mut insert = client.insert::<Applied>("schema_migrations").await?;
        insert.write(&note).await?;
        insert.end().await
    };
    call(insert).await.map_err(MigrateError::doing("noting a migration as applied"))
}

/// The statements of all files as they are run on a cluster, each with its file's name; for tests and for people who look.
///
/// # Errors
/// [`MigrateError::File`].
pub fn statements_on(cluster: &Cluster) -> Result<Vec<(&'static str, String, String)>, MigrateError> {
    let mut all = vec![(
        "schema_migrations",
        NOTES_TABLE.to_owned(),
        written(cluster, "schema_migrations", NOTES_TABLE)?,
    )];
    for file in files()? {
        for (_, statement) in file.statements()? {
            let on_cluster = written(cluster, file.name, &statement)?;
            all.push((file.name, statement, on_cluster));
        }
    }
    Ok(all)
}

/// The query of a view as the last file defines it, with its parameters as they stand there.
///
/// To ask it takes three quarters of what it takes to ask the view itself, which ClickHouse analyses once more for its columns.
///
/// # Panics
/// For a view that there is not: which there are is known to who writes the program.
#[must_use]
pub fn view(name: &str) -> &'static str {
    static TEXTS: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
        let last = FILES.last().map_or("", |(last, _)| last);
        let names: HashSet<&str> = VIEWS.iter().map(|(_, name, _)| *name).collect();
        names.into_iter().filter_map(|name| Some((name, view_in(name, last).ok()?))).collect()
    });
    TEXTS.get(name).unwrap_or_else(|| panic!("there is no view `{name}`"))
}

/// Every definition of a view: its file, its name and its query, in order.
static VIEWS: LazyLock<Vec<(&str, &str, &str)>> = LazyLock::new(|| {
    let statements = FILES.iter().flat_map(|(file, text)| {
        split::statements(text).unwrap_or_default().into_iter().map(|text| (*file, text))
    });
    statements
        .filter_map(|(file, text)| include::view(text).map(|(name, query)| (file, name, query)))
        .collect()
});

/// The query of a view as the files up to this one define it, filled in.
fn view_in(name: &str, file: &str) -> Result<String, IncludeError> {
    defined(name, file, VIEWS.len())
}

/// The same of the first so many of [`VIEWS`]. In its own text a view's name stands for what it was before.
fn defined(name: &str, file: &str, before: usize) -> Result<String, IncludeError> {
    let known = VIEWS[..before].iter().rposition(|(defined, known, _)| *known == name && *defined <= file);
    let index = known.ok_or_else(|| IncludeError::Unknown(name.to_owned()))?;
    include::filled_query(VIEWS[index].2, &|inner| {
        if inner == name { defined(name, file, index) } else { view_in(inner, file) }
    })
}

fn written(cluster: &Cluster, file: &str, statement: &str) -> Result<String, MigrateError> {
    let what = |error: crate::cluster::NotForClusters| error.to_string();
    cluster.write(statement).map_err(|error| MigrateError::File { file: file.to_owned(), what: what(error) })
}

async fn make_database(client: &Client, cluster: &Cluster) -> Result<(), MigrateError> {
    let Some(name) = client.database().filter(|name| *name != "default") else { return Ok(()) };
    // Asked from within `default`, since a server refuses every query in a database that it does not have.
    let outside = client.clone().with_database("default");
    let statement = format!("CREATE DATABASE IF NOT EXISTS ?{}", cluster.clause());
    let query = outside.query(&statement).bind(clickhouse::sql::Identifier(name));
    call(query.execute()).await.map_err(MigrateError::doing("making the database"))
}

/// What the database says was applied; nothing when it was never migrated.
async fn notes(client: &Client) -> Result<Vec<Applied>, MigrateError> {
    let query = client.query("SELECT ?fields FROM schema_migrations FINAL ORDER BY version");
    match call(query.fetch_all()).await {
        Err(DatabaseError::Server { code: UNKNOWN_TABLE | UNKNOWN_DATABASE, .. }) => Ok(Vec::new()),
        other => other.map_err(MigrateError::doing("reading the table schema_migrations")),
    }
}

/// The files that are not applied yet, after checking that those that are belong to this program.
fn pending<'a>(files: &'a [Migration], notes: &[Applied]) -> Result<Vec<&'a Migration>, MigrateError> {
    let known = files.last().map_or(0, |file| file.version);
    for note in notes {
        let Some(file) = files.iter().find(|file| file.version == note.version) else {
            return Err(if note.version > known {
                let found = notes.iter().map(|note| note.version).max().unwrap_or(known);
                MigrateError::Newer { found, known }
            } else {
                MigrateError::Changed { version: note.version, name: note.name.clone() }
            });
        };
        if file.checksum != note.checksum {
            return Err(MigrateError::Changed { version: note.version, name: note.name.clone() });
        }
    }
    Ok(files.iter().filter(|file| notes.iter().all(|note| note.version != file.version)).collect())
}

/// The program's files by version.
fn files() -> Result<Vec<Migration>, MigrateError> {
    let mut files: Vec<Migration> = Vec::with_capacity(FILES.len());
    for (name, text) in FILES {
        let broken = |what: &str| MigrateError::File { file: (*name).to_owned(), what: what.to_owned() };
        let digits = name.split('_').next().filter(|digits| digits.len() == 4);
        let version = digits
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| broken("is not named NNNN_what.sql"))?;
        if files.iter().any(|file| file.version == version) {
            return Err(broken("has the version of another file"));
        }
        let checksum = hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        files.push(Migration { version, name, text, checksum });
    }
    files.sort_unstable_by_key(|file| file.version);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_well_formed() {
        let files = files().unwrap();
        assert_eq!(files[0].name, "0001_tables.sql");
        for file in files {
            assert!(!file.statements().unwrap().is_empty(), "{} has no statement", file.name);
        }
    }

    #[test]
    fn a_view_that_is_made_anew_of_its_own_text_has_the_parts_of_then() {
        let text = |file| view_in("report_hits", file).unwrap();
        let (before, after) = (text("0023_messages.sql"), text("0024_facts.sql"));
        for (text, has, lacks) in
            [(before, "FROM deliveries", "rollup_facts"), (after, "FROM rollup_facts", "FROM deliveries")]
        {
            assert!(text.contains(has) && !text.contains(lacks) && !text.contains("{{"), "{text}");
        }
    }

    #[test]
    fn only_a_database_of_this_program_is_taken() {
        let file = |version, checksum: &str| Migration {
            version,
            name: "x",
            text: "",
            checksum: checksum.to_owned(),
        };
        let note = |version, checksum: &str| Applied {
            version,
            name: "x".to_owned(),
            checksum: checksum.to_owned(),
            applied_at: 0,
        };
        let files = [file(1, "a"), file(2, "b"), file(4, "d")];
        let versions = |notes: &[Applied]| {
            pending(&files, notes).map(|files| files.iter().map(|file| file.version).collect::<Vec<_>>())
        };
        assert_eq!(versions(&[]).unwrap(), [1, 2, 4]);
        assert_eq!(versions(&[note(1, "a"), note(4, "d")]).unwrap(), [2]);
        assert_eq!(versions(&[note(1, "a"), note(2, "b"), note(4, "d")]).unwrap(), [0_u32; 0]);
        assert!(matches!(versions(&[note(1, "x")]), Err(MigrateError::Changed { version: 1, .. })));
        assert!(matches!(versions(&[note(3, "c")]), Err(MigrateError::Changed { version: 3, .. })));
        let newer = versions(&[note(1, "a"), note(5, "e"), note(6, "f")]);
        assert!(matches!(newer, Err(MigrateError::Newer { found: 6, known: 4 })));
    }
}
