//! ClickHouse as a cluster of replicas: which one, and how a statement of ours is written for it.
//!
//! The migration files are written for one server. On a cluster each statement is written anew from its tokens, never by
//! replacing text: definitions get `ON CLUSTER`, and their `…MergeTree` becomes `Replicated…MergeTree` without arguments of
//! its own, so that its place in Keeper is the server's `default_replica_path`. Rows that a statement inserts are replicated
//! by the table. A statement of a kind that is not known here is refused rather than run on one replica alone.

use crate::tokens::{Kind, Token, tokens};
use std::fmt::Write as _;

/// A cluster of replicas that all hold the same; by default there is none, and every statement stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster's name in the servers' `remote_servers`, for `ON CLUSTER`. `None` with `replicated`: each replica is
    /// migrated by itself, or the database is of the engine `Replicated`.
    pub name: Option<String>,
    /// Whether tables are `Replicated…MergeTree`.
    pub replicated: bool,
}

/// What is wrong with the settings of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// `ON CLUSTER` alone would make tables that share nothing.
    #[error(
        "a cluster without replicated tables: each server would hold its own rows, set clickhouse.replicated = true"
    )]
    NotReplicated,
    /// A name that could be more than a name.
    #[error("`{0}` is no name of a cluster: letters, digits and _ - . {{ }} only")]
    Name(String),
}

/// A statement that can't be written for a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` can't be written for a cluster by this program")]
pub struct NotForClusters(String);

impl Cluster {
    /// Whether it can be worked with.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn check(&self) -> Result<(), ClusterError> {
        let Some(name) = &self.name else { return Ok(()) };
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.{}".contains(c);
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(ClusterError::Name(name.clone()));
        }
        if self.replicated { Ok(()) } else { Err(ClusterError::NotReplicated) }
    }

    /// `ON CLUSTER 'name'` with a space before it, or nothing.
    pub(crate) fn clause(&self) -> String {
        self.name.as_ref().map_or_else(String::new, |name| format!(" ON CLUSTER '{name}'"))
    }

    /// The statement as it has to be run here. Comments and layout stay.
    ///
    /// # Errors
    /// [`NotForClusters`].
    pub fn write(&self, statement: &str) -> Result<String, NotForClusters> {
        if !self.replicated {
            return Ok(statement.to_owned());
        }
        let tokens = tokens(statement);
        let words: Vec<String> =
            tokens.iter().take(8).map(|token| token.text(statement).to_uppercase()).collect();
        let refused =
            || NotForClusters(words.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(" "));
        let mut edits: Vec<(usize, String)> = Vec::new();
        match place(&words).ok_or_else(refused)? {
            Place::Nowhere => {}
            Place::AfterName(index) => {
                let end = name_end(&tokens, index, statement).ok_or_else(refused)?;
                edits.push((end, self.clause()));
            }
            Place::AtEnd => edits.push((tokens.last().map_or(0, |token| token.end), self.clause())),
        }
        if words[0] == "CREATE" && words.iter().any(|word| word == "TABLE" || word == "MATERIALIZED") {
            edits.extend(engine(&tokens, statement).map_err(|()| refused())?);
        }
        let mut written = String::with_capacity(statement.len() + 64);
        let mut from = 0;
        for (at, text) in edits {
            let _ = write!(written, "{}{text}", &statement[from..at]);
            from = at;
        }
        written.push_str(&statement[from..]);
        Ok(written)
    }
}

/// Where `ON CLUSTER` belongs.
enum Place {
    Nowhere,
    /// Behind the name whose first token this is.
    AfterName(usize),
    AtEnd,
}

/// By the first words of a statement; `None` for a kind that is not known.
fn place(words: &[String]) -> Option<Place> {
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let mut at = match word(0) {
        "INSERT" => return Some(Place::Nowhere),
        "RENAME" | "EXCHANGE" => return Some(Place::AtEnd),
        "CREATE" if (word(1), word(2)) == ("OR", "REPLACE") => 3,
        "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "OPTIMIZE" => 1,
        _ => return None,
    };
    at += match (word(at), word(at + 1)) {
        ("MATERIALIZED", "VIEW") | ("ROW", "POLICY") | ("SETTINGS", "PROFILE") => 2,
        ("TABLE" | "VIEW" | "DICTIONARY" | "FUNCTION" | "DATABASE" | "USER" | "ROLE" | "QUOTA", _) => 1,
        _ => return None,
    };
    at += match (word(at), word(at + 1), word(at + 2)) {
        ("IF", "NOT", "EXISTS") => 3,
        ("IF", "EXISTS", _) => 2,
        _ => 0,
    };
    Some(Place::AfterName(at))
}

/// The end of a name such as `events` or `db.events`.
fn name_end(tokens: &[Token], first: usize, statement: &str) -> Option<usize> {
    let is_name = |token: &&Token| matches!(token.kind, Kind::Word | Kind::QuotedName);
    let name = tokens.get(first).filter(is_name)?;
    let is_dot = tokens.get(first + 1).is_some_and(|token| token.text(statement) == ".");
    let rest = if is_dot { tokens.get(first + 2).filter(is_name)? } else { name };
    Some(rest.end)
}

/// What a definition's engine needs before its name; an error for an engine that keeps rows on one server.
fn engine(tokens: &[Token], statement: &str) -> Result<Option<(usize, String)>, ()> {
    let mut depth = 0_i32;
    for (index, token) in tokens.iter().enumerate() {
        match token.text(statement) {
            "(" => depth += 1,
            ")" => depth -= 1,
            word if depth == 0 && token.kind == Kind::Word && word.eq_ignore_ascii_case("ENGINE") => {
                let is_equals = tokens.get(index + 1).is_some_and(|token| token.text(statement) == "=");
                let name = tokens.get(index + 1 + usize::from(is_equals)).ok_or(())?;
                return match name.text(statement) {
                    "Null" => Ok(None),
                    text if text.starts_with("Replicated") => Ok(None),
                    text if text.ends_with("MergeTree") => Ok(Some((name.start, "Replicated".to_owned()))),
                    _ => Err(()),
                };
            }
            _ => {}
        }
    }
    // A copy of another table's structure names no engine of its own, and a materialized view may write TO a table.
    let has = |wanted: &str| tokens.iter().any(|token| token.text(statement).eq_ignore_ascii_case(wanted));
    if has("TO") && has("MATERIALIZED") { Ok(None) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Cluster {
        Cluster { name: Some("main".to_owned()), replicated: true }
    }

    #[test]
    fn each_kind_of_statement_is_written_for_a_cluster() {
        for (statement, expected) in [
            (
                "-- why\nCREATE TABLE IF NOT EXISTS t (a UInt8, engine String DEFAULT 'ENGINE = MergeTree') ENGINE = ReplacingMergeTree(a) ORDER BY a",
                "-- why\nCREATE TABLE IF NOT EXISTS t ON CLUSTER 'main' (a UInt8, engine String DEFAULT 'ENGINE = MergeTree') ENGINE = ReplicatedReplacingMergeTree(a) ORDER BY a",
            ),
            (
                "create table d.`t x` (a UInt8) engine MergeTree order by a",
                "create table d.`t x` ON CLUSTER 'main' (a UInt8) engine ReplicatedMergeTree order by a",
            ),
            (
                "CREATE OR REPLACE VIEW v AS SELECT 1 AS t",
                "CREATE OR REPLACE VIEW v ON CLUSTER 'main' AS SELECT 1 AS t",
            ),
            (
                "CREATE /* VIEW */ VIEW v AS SELECT 'CREATE TABLE x'",
                "CREATE /* VIEW */ VIEW v ON CLUSTER 'main' AS SELECT 'CREATE TABLE x'",
            ),
            (
                "CREATE MATERIALIZED VIEW IF NOT EXISTS m TO t AS SELECT a FROM s",
                "CREATE MATERIALIZED VIEW IF NOT EXISTS m ON CLUSTER 'main' TO t AS SELECT a FROM s",
            ),
            (
                "CREATE MATERIALIZED VIEW m ENGINE = SummingMergeTree ORDER BY a AS SELECT a FROM s",
                "CREATE MATERIALIZED VIEW m ON CLUSTER 'main' ENGINE = ReplicatedSummingMergeTree ORDER BY a AS SELECT a FROM s",
            ),
            (
                "ALTER TABLE t ADD COLUMN IF NOT EXISTS b UInt8",
                "ALTER TABLE t ON CLUSTER 'main' ADD COLUMN IF NOT EXISTS b UInt8",
            ),
            ("DROP VIEW IF EXISTS v", "DROP VIEW IF EXISTS v ON CLUSTER 'main'"),
            ("RENAME TABLE a TO b -- done", "RENAME TABLE a TO b ON CLUSTER 'main' -- done"),
            ("INSERT INTO t SELECT 1", "INSERT INTO t SELECT 1"),
            (
                "CREATE TABLE n (a UInt8) ENGINE = Null",
                "CREATE TABLE n ON CLUSTER 'main' (a UInt8) ENGINE = Null",
            ),
            ("CREATE USER u IDENTIFIED BY 'x'", "CREATE USER u ON CLUSTER 'main' IDENTIFIED BY 'x'"),
        ] {
            assert_eq!(cluster().write(statement).as_deref(), Ok(expected));
            assert_eq!(Cluster::default().write(statement).as_deref(), Ok(statement));
        }
        let alone = Cluster { name: None, replicated: true };
        assert_eq!(
            alone.write("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a").unwrap(),
            "CREATE TABLE t (a UInt8) ENGINE = ReplicatedMergeTree ORDER BY a"
        );
    }

    #[test]
    fn what_would_stay_on_one_replica_is_refused() {
        for statement in [
            "CREATE TABLE t (a UInt8) ENGINE = Memory",
            "CREATE TABLE t AS s",
            "SYSTEM FLUSH LOGS",
            "DELETE FROM t WHERE 1",
            "CREATE TEMPORARY TABLE t (a UInt8)",
        ] {
            assert!(cluster().write(statement).is_err(), "{statement}");
        }
    }

    #[test]
    fn a_cluster_that_shares_nothing_is_refused() {
        assert_eq!(cluster().check(), Ok(()));
        assert_eq!(Cluster::default().check(), Ok(()));
        assert_eq!(Cluster { replicated: false, ..cluster() }.check(), Err(ClusterError::NotReplicated));
        for name in ["", "a b", "a'"] {
            let named = Cluster { name: Some(name.to_owned()), replicated: true };
            assert!(matches!(named.check(), Err(ClusterError::Name(_))), "{name}");
        }
    }
}
