//! Where ClickHouse is, and the client that every service talks to it with.

use crate::accounts::Accounts;
use crate::cluster::Cluster;
use runtime::Secret;
use serde::{Deserialize, Serialize};

/// How to reach ClickHouse.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Connection {
    /// The HTTP interface, such as `http://127.0.0.1:8123`.
    pub url: String,
    /// The user.
    pub user: String,
    /// The user's password; may be empty.
    pub password: Secret,
    /// The database that holds our tables; a migration makes it.
    pub database: String,
    /// The cluster that the server is one of, if it is.
    #[serde(skip)]
    pub cluster: Cluster,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8123".to_owned(),
            user: "default".to_owned(),
            password: Secret::default(),
            database: "trueopen".to_owned(),
            cluster: Cluster::default(),
        }
    }
}

impl Connection {
    /// A client for this place. It connects when it is first used; clones share its connections.
    ///
    /// Rows are validated against the table's columns. Inserts are written before they are confirmed: since version 26
    /// a server gathers small inserts by itself (`async_insert`), which would confirm them together with strangers'.
    /// Answers are complete before they begin (`wait_end_of_query`), so that a failure is a status and never a cut text.
    #[must_use]
    pub fn client(&self) -> clickhouse::Client {
        let client = clickhouse::Client::default()
            .with_url(&self.url)
            .with_user(&self.user)
            .with_password(self.password.reveal())
            .with_database(&self.database)
            .with_setting("async_insert", "0")
            // Repeats end in the tables' keys. A block that a replicated table takes for one it had would not reach the
            // materialised views, so that roll-ups would not hear of it.
            .with_setting("insert_deduplicate", "0")
            .with_setting("wait_end_of_query", "1")
            .with_product_info("trueopen", env!("CARGO_PKG_VERSION"));
        if self.cluster.replicated {
            // Confirmed means: a majority of the replicas has it on disk, and one of them may be lost.
            return client.with_setting("insert_quorum", "auto");
        }
        client
    }

    /// The accounts in this place.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        Accounts::on(self.client(), self.cluster.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let connection = Connection { password: Secret::new("hunter2"), ..Connection::default() };
        assert!(!format!("{connection:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&connection).unwrap().contains("hunter2"));
        assert!(!format!("{:?}", connection.client()).contains("hunter2"));
        let read: Connection = serde_json::from_str(r#"{"password":"hunter2"}"#).unwrap();
        assert_eq!(read.password.reveal(), "hunter2");
        assert_eq!(read.database, "trueopen");
    }
}
