//! Whether a server is what the settings say: one of the cluster that they name, with tables that are replicated or not.

use super::MigrateError;
use crate::cluster::Cluster;
use crate::error::call;
use clickhouse::{Client, Row};
use serde::Deserialize;

#[derive(Row, Deserialize)]
struct Shape {
    servers: u64,
    shards: u64,
}

#[derive(Row, Deserialize)]
struct Tables {
    replicated: u64,
    alone: u64,
}

const SHAPE: &str = "SELECT count() AS servers, uniqExact(shard_num) AS shards FROM system.clusters WHERE cluster = {cluster: String}";
const TABLES: &str = "SELECT countIf(startsWith(engine, 'Replicated')) AS replicated, \
    countIf(endsWith(engine, 'MergeTree') AND NOT startsWith(engine, 'Replicated') AND NOT startsWith(engine, 'Shared')) AS alone \
    FROM system.tables WHERE database = currentDatabase()";

/// The server knows the cluster, and its replicas all hold the same: over several shards a report would see one of them.
pub(super) async fn check_cluster(client: &Client, cluster: &Cluster) -> Result<(), MigrateError> {
    let Some(name) = cluster.name.as_ref().filter(|name| !name.contains('{')) else { return Ok(()) };
    // Asked from within `default`, since a server refuses every query in a database that it does not have yet.
    let outside = client.clone().with_database("default");
    let shape: Shape = call(outside.query(SHAPE).param("cluster", name).fetch_one())
        .await
        .map_err(MigrateError::doing("looking at the cluster"))?;
    match shape {
        Shape { servers: 0, .. } => Err(MigrateError::Cluster(format!(
            "clickhouse.cluster: the server knows no cluster `{name}`; `SELECT cluster FROM system.clusters` lists those it knows"
        ))),
        Shape { shards, .. } if shards > 1 => Err(MigrateError::Cluster(format!(
            "clickhouse.cluster: `{name}` has {shards} shards, and reports would see one of them: name a cluster of one shard"
        ))),
        Shape { .. } => Ok(()),
    }
}

/// Tables that are there already are of the kind that new ones would be.
pub(super) async fn check_tables(client: &Client, cluster: &Cluster) -> Result<(), MigrateError> {
    let tables: Tables =
        call(client.query(TABLES).fetch_one()).await.map_err(MigrateError::doing("looking at the tables"))?;
    match (cluster.replicated, tables) {
        (true, Tables { alone: 1.., .. }) => Err(MigrateError::Cluster(
            "clickhouse.replicated: this database's tables were made without it and would stay on one server: use another database"
                .to_owned(),
        )),
        (false, Tables { replicated: 1.., .. }) => Err(MigrateError::Cluster(
            "clickhouse.replicated: this database's tables are replicated, so new ones must be: set it to true".to_owned(),
        )),
        _ => Ok(()),
    }
}
