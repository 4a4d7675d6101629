//! Users of a ClickHouse server who read and never write: Grafana's, over everything or over one account.
//!
//! - A reader of one account has a row policy on every table that knows accounts. Views run with the rights of who asks
//!   (`SQL SECURITY INVOKER`, which migrations set and a creation checks), so whatever account number a query names, rows of
//!   others are not there. Who has no such policy goes on seeing everything, by a policy that says so.
//! - Keys, the audit log and, unless asked for, evidence (addresses, agents, headers, SMTP texts, originals) are not granted.
//! - Limits: `readonly = 2` (Grafana's plugin sets a time limit of its own, within ours), time, memory, rows of an answer.
//! - The embedded engine keeps no users: Grafana on it is for the operator.

use crate::cluster::Cluster;
use crate::error::{DatabaseError, call};
use crate::keys::hex;
use aws_lc_rs::digest;
use clickhouse::{Client, Row};
use engagement::AccountNumber;
use serde::Deserialize;
use std::collections::BTreeSet;

/// The longest name.
const NAME_BYTES: usize = 64;
/// What every reader's settings profile is called.
const PROFILE: &str = "trueopen_reader";
/// Its settings: seconds, bytes and rows that one query may take.
const LIMITS: &str = "readonly = 2, max_execution_time = 30 MIN 1 MAX 60, max_memory_usage = 4000000000 MAX 4000000000, \
    max_result_rows = 1000000 MAX 1000000, result_overflow_mode = 'throw' CONST, max_concurrent_queries_for_user = 20 MAX 20";
/// The policy under which whoever is not held to one account goes on seeing all rows.
const OTHERS: &str = "trueopen_others";
/// What a reader's own policies are called, before its name.
const POLICY: &str = "trueopen_reader_";
/// Tables that no reader sees.
const PRIVATE: &[&str] = &["api_keys", "audit", "schema_migrations"];
/// Columns that are evidence.
const EVIDENCE: &[&str] = &["diagnostic", "headers", "ip", "original", "trailing", "user_agent"];
/// ClickHouse's `ACCESS_DENIED`.
const DENIED: u32 = 497;

/// A user who reads.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Its name at the server.
    pub name: String,
    /// The account that it is held to; all if `None`.
    pub account: Option<AccountNumber>,
    /// Whether it sees evidence too.
    pub evidence: bool,
}

/// Why a reader can't be made or taken away.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// Not a name that can stand everywhere.
    #[error("`{0}` is no name for a user: at most {NAME_BYTES} of a-z, 0-9, - and _")]
    Name(String),
    /// Views that run with other rights than the reader's would show every account.
    #[error(
        "the views {0} don't run with the rights of who asks (SQL SECURITY), and a row policy would not hold in them"
    )]
    Views(String),
    /// The database is not migrated.
    #[error("the database has no tables of ours: run `trueopen migrate` first")]
    Empty,
    /// The server lets us make no users, or is none.
    #[error(
        "users and row policies are refused: on a server clickhouse.user needs access management; the embedded engine keeps \
         none, so Grafana on it is for the operator"
    )]
    Denied,
    /// ClickHouse failed.
    #[error(transparent)]
    Database(DatabaseError),
}

impl From<DatabaseError> for ReaderError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Server { code: DENIED, .. } => Self::Denied,
            other => Self::Database(other),
        }
    }
}

/// What a database holds that a reader may or may not see.
#[derive(Debug, Clone, Default)]
struct Shape {
    database: String,
    /// Tables with their columns.
    tables: Vec<(String, Vec<String>)>,
    views: Vec<String>,
    /// Readers that are held to one account already.
    held: BTreeSet<String>,
}

#[derive(Row, Deserialize)]
struct Column {
    table: String,
    name: String,
}

impl Reader {
    /// Makes the user with this password, or makes it anew.
    ///
    /// # Errors
    /// [`ReaderError`].
    pub async fn create(
        &self,
        client: &Client,
        cluster: &Cluster,
        password: &str,
    ) -> Result<(), ReaderError> {
        check_name(&self.name)?;
        let shape = shape(client).await?;
        for statement in self.created(&shape, cluster, password) {
            call(client.query_raw(&statement).execute()).await?;
        }
        Ok(())
    }

    /// The statements, in their order: until the last one the user sees nothing.
    fn created(&self, shape: &Shape, cluster: &Cluster, password: &str) -> Vec<String> {
        let on = cluster.clause();
        let user = quoted(&self.name);
        let database = quoted(&shape.database);
        let hash = hex(digest::digest(&digest::SHA256, password.as_bytes()).as_ref());
        let mut statements = vec![
            format!("CREATE SETTINGS PROFILE OR REPLACE {PROFILE}{on} SETTINGS {LIMITS}"),
            format!(
                "CREATE USER OR REPLACE {user}{on} IDENTIFIED WITH sha256_hash BY '{hash}' DEFAULT DATABASE {database} \
                 SETTINGS PROFILE '{PROFILE}'"
            ),
        ];
        let mut held = shape.held.clone();
        held.remove(&self.name);
        if self.account.is_some() {
            held.insert(self.name.clone());
        }
        statements.extend(policies(shape, cluster, &self.name, self.account, &held));
        for (table, columns) in shape.tables.iter().filter(|(table, _)| !PRIVATE.contains(&table.as_str())) {
            let seen: Vec<_> = columns
                .iter()
                .filter(|column| self.evidence || !EVIDENCE.contains(&column.as_str()))
                .map(|column| quoted(column))
                .collect();
            statements.push(format!(
                "GRANT{on} SELECT({}) ON {database}.{} TO {user}",
                seen.join(", "),
                quoted(table)
            ));
        }
        for view in &shape.views {
            statements.push(format!("GRANT{on} SELECT ON {database}.{} TO {user}", quoted(view)));
        }
        statements
    }
}

/// Takes a reader away.
///
/// # Errors
/// [`ReaderError`].
pub async fn remove(client: &Client, cluster: &Cluster, name: &str) -> Result<(), ReaderError> {
    check_name(name)?;
    let mut shape = shape(client).await?;
    shape.held.remove(name);
    let held = shape.held.clone();
    let mut statements = vec![format!("DROP USER IF EXISTS {}{}", quoted(name), cluster.clause())];
    statements.extend(policies(&shape, cluster, name, None, &held));
    for statement in statements {
        call(client.query_raw(&statement).execute()).await?;
    }
    Ok(())
}

/// Every statement that making such a reader takes, for tests and for people who look.
///
/// # Errors
/// [`ReaderError`].
pub async fn statements(
    reader: &Reader,
    client: &Client,
    cluster: &Cluster,
    held: &[&str],
) -> Result<Vec<String>, ReaderError> {
    let mut shape = tables(client).await?;
    shape.held = held.iter().map(|name| (*name).to_owned()).collect();
    Ok(reader.created(&shape, cluster, "password"))
}

/// Row policies of one reader and of everybody else, on each table that knows accounts.
fn policies(
    shape: &Shape,
    cluster: &Cluster,
    name: &str,
    account: Option<AccountNumber>,
    held: &BTreeSet<String>,
) -> Vec<String> {
    let on = cluster.clause();
    let mut statements = Vec::new();
    for (table, columns) in &shape.tables {
        let has = |wanted: &str| columns.iter().any(|column| column == wanted);
        let number = match table.as_str() {
            "accounts" => "number",
            _ if has("account") => "account",
            _ => continue,
        };
        let place = format!("{}.{}{on}", quoted(&shape.database), quoted(table));
        let policy = quoted(&format!("{POLICY}{name}"));
        // First who is not held, so that nobody loses sight of anything on the way.
        statements.push(if held.is_empty() {
            format!("DROP ROW POLICY IF EXISTS {OTHERS} ON {place}")
        } else {
            let except: Vec<_> = held.iter().map(|name| quoted(name)).collect();
            format!(
                "CREATE ROW POLICY OR REPLACE {OTHERS} ON {place} FOR SELECT USING 1 TO ALL EXCEPT {}",
                except.join(", ")
            )
        });
        statements.push(match account {
            Some(account) => format!(
                "CREATE ROW POLICY OR REPLACE {policy} ON {place} FOR SELECT USING {number} = {} TO {}",
                account.0,
                quoted(name)
            ),
            None => format!("DROP ROW POLICY IF EXISTS {policy} ON {place}"),
        });
    }
    statements
}

async fn shape(client: &Client) -> Result<Shape, ReaderError> {
    let policies = client.query(
        "SELECT DISTINCT short_name FROM system.row_policies WHERE database = currentDatabase() AND startsWith(short_name, {prefix: String})",
    );
    let policies: Vec<String> = call(policies.param("prefix", POLICY).fetch_all()).await?;
    let mut shape = tables(client).await?;
    shape.held =
        policies.iter().filter_map(|policy| policy.strip_prefix(POLICY)).map(str::to_owned).collect();
    Ok(shape)
}

async fn tables(client: &Client) -> Result<Shape, ReaderError> {
    let columns = client.query(
        "SELECT table, name FROM system.columns WHERE database = currentDatabase()
         AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree'))
         AND default_kind IN ('', 'DEFAULT', 'MATERIALIZED') ORDER BY table, position",
    );
    let mut shape = Shape::default();
    for Column { table, name } in call(columns.fetch_all::<Column>()).await? {
        match shape.tables.last_mut().filter(|(known, _)| *known == table) {
            Some((_, columns)) => columns.push(name),
            None => shape.tables.push((table, vec![name])),
        }
    }
    let views = client.query("SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() AND engine = 'View' ORDER BY name");
    let views: Vec<(String, String)> = call(views.fetch_all()).await?;
    let is_foreign =
        |query: &str| query.contains("SQL SECURITY DEFINER") || query.contains("SQL SECURITY NONE");
    let foreign: Vec<_> =
        views.iter().filter(|(_, query)| is_foreign(query)).map(|(name, _)| name.clone()).collect();
    if !foreign.is_empty() {
        return Err(ReaderError::Views(foreign.join(", ")));
    }
    shape.views = views.into_iter().map(|(name, _)| name).collect();
    shape.database = call(client.query("SELECT currentDatabase()").fetch_one()).await?;
    if shape.tables.is_empty() || shape.views.is_empty() {
        return Err(ReaderError::Empty);
    }
    Ok(shape)
}

fn check_name(name: &str) -> Result<(), ReaderError> {
    let is_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(is_name) {
        Ok(())
    } else {
        Err(ReaderError::Name(name.to_owned()))
    }
}

/// A name in backticks.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(held: &[&str]) -> Shape {
        let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Shape {
            database: "trueopen".to_owned(),
            tables: vec![
                ("accounts".to_owned(), columns(&["number", "id"])),
                ("api_keys".to_owned(), columns(&["id", "account", "hash"])),
                ("events".to_owned(), columns(&["account", "event_id", "ip"])),
                ("sources".to_owned(), columns(&["id", "class"])),
            ],
            views: vec!["report_figures".to_owned()],
            held: held.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_reader_of_one_account_sees_its_rows_and_others_see_what_they_saw() {
        let cluster = Cluster { name: Some("main".to_owned()), replicated: true };
        let reader = Reader { name: "acme".to_owned(), account: Some(AccountNumber(7)), evidence: false };
        let hash = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
        assert_eq!(
            reader.created(&shape(&["other"]), &cluster, "password"),
            [
                format!("CREATE SETTINGS PROFILE OR REPLACE trueopen_reader ON CLUSTER 'main' SETTINGS {LIMITS}"),
                format!("CREATE USER OR REPLACE `acme` ON CLUSTER 'main' IDENTIFIED WITH sha256_hash BY '{hash}' DEFAULT DATABASE `trueopen` SETTINGS PROFILE 'trueopen_reader'"),
                "CREATE ROW POLICY OR REPLACE trueopen_others ON `trueopen`.`accounts` ON CLUSTER 'main' FOR SELECT USING 1 TO ALL EXCEPT `acme`, `other`".to_owned(),
                "CREATE ROW POLICY OR REPLACE `trueopen_reader_acme` ON `trueopen`.`accounts` ON CLUSTER 'main' FOR SELECT USING number = 7 TO `acme`".to_owned(),
                "CREATE ROW POLICY OR REPLACE trueopen_others ON `trueopen`.`api_keys` ON CLUSTER 'main' FOR SELECT USING 1 TO ALL EXCEPT `acme`, `other`".to_owned(),
                "CREATE ROW POLICY OR REPLACE `trueopen_reader_acme` ON `trueopen`.`api_keys` ON CLUSTER 'main' FOR SELECT USING account = 7 TO `acme`".to_owned(),
                "CREATE ROW POLICY OR REPLACE trueopen_others ON `trueopen`.`events` ON CLUSTER 'main' FOR SELECT USING 1 TO ALL EXCEPT `acme`, `other`".to_owned(),
                "CREATE ROW POLICY OR REPLACE `trueopen_reader_acme` ON `trueopen`.`events` ON CLUSTER 'main' FOR SELECT USING account = 7 TO `acme`".to_owned(),
                "GRANT ON CLUSTER 'main' SELECT(`number`, `id`) ON `trueopen`.`accounts` TO `acme`".to_owned(),
                "GRANT ON CLUSTER 'main' SELECT(`account`, `event_id`) ON `trueopen`.`events` TO `acme`".to_owned(),
                "GRANT ON CLUSTER 'main' SELECT(`id`, `class`) ON `trueopen`.`sources` TO `acme`".to_owned(),
                "GRANT ON CLUSTER 'main' SELECT ON `trueopen`.`report_figures` TO `acme`".to_owned(),
            ]
        );
        // The operator's: no policy holds it, and one that it had before is gone.
        let operator = Reader { name: "grafana".to_owned(), account: None, evidence: true };
        let made = operator.created(&shape(&["grafana"]), &Cluster::default(), "password").join("\n");
        assert!(!made.contains("CREATE ROW POLICY") && !made.contains("ON CLUSTER"), "{made}");
        assert!(
            made.contains("DROP ROW POLICY IF EXISTS `trueopen_reader_grafana` ON `trueopen`.`events`"),
            "{made}"
        );
        assert!(
            made.contains("SELECT(`account`, `event_id`, `ip`)") && !made.contains("api_keys` TO"),
            "{made}"
        );
    }

    #[test]
    fn names_are_names_and_nothing_else() {
        assert!(check_name("grafana-acme_1").is_ok());
        for name in ["", "a b", "a'", "a`", "ALL", &"x".repeat(65)] {
            assert!(matches!(check_name(name), Err(ReaderError::Name(_))), "{name}");
        }
        assert_eq!(quoted("a`b\\"), "`a\\`b\\\\`");
    }
}
