//! Brings `schema/sources.json` into the table `sources`, which reports join.

use crate::accounts::Millis;
use crate::error::{DatabaseError, call};
use clickhouse::{Client, Row};
use engagement::sources;
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
struct SourceRow {
    id: String,
    version: u64,
    actor: String,
    class: String,
    masked: bool,
    title: String,
}

/// Writes every source that the table lacks or has otherwise, with a version above all before.
pub(super) async fn write(client: &Client) -> Result<(), DatabaseError> {
    let query = client.query("SELECT ?fields FROM sources FINAL");
    let stored: Vec<SourceRow> = call(query.fetch_all()).await?;
    let above = stored.iter().map(|row| row.version + 1).max().unwrap_or(0);
    let version = above.max(u64::try_from(Millis::now().0).unwrap_or(0));
    let changed: Vec<SourceRow> = sources::all()
        .iter()
        .map(|source| SourceRow {
            id: source.id.clone(),
            version,
            actor: source.actor.as_str().to_owned(),
            class: source.class.map_or("", sources::Class::as_str).to_owned(),
            masked: source.masked,
            title: source.title.clone(),
        })
        .filter(|row| !stored.iter().any(|old| SourceRow { version, ..old.clone() } == *row))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let insert = async {
        let mut insert = client.insert::<SourceRow>("sources").await?;
        for row in &changed {
            insert.write(row).await?;
        }
        insert.end().await
    };
    call(insert).await
}
