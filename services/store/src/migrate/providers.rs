//! Brings `schema/mailbox-providers.json` into the table `mailbox_providers`, which reports ask.

use crate::accounts::Millis;
use crate::error::{DatabaseError, call};
use clickhouse::{Client, Row};
use engagement::providers;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Row, Serialize, Deserialize)]
struct ProviderRow {
    kind: i8,
    name: String,
    version: u64,
    provider: String,
}

/// The numbers of the column's enum.
const MX: i8 = 1;
const DOMAIN: i8 = 2;

/// Writes every entry that the table lacks or has otherwise, and withdraws those that are listed no more, with a version
/// above all before.
pub(super) async fn write(client: &Client) -> Result<(), DatabaseError> {
    let query = client.query("SELECT ?fields FROM mailbox_providers FINAL");
    let stored: Vec<ProviderRow> = call(query.fetch_all()).await?;
    let above = stored.iter().map(|row| row.version + 1).max().unwrap_or(0);
    let version = above.max(u64::try_from(Millis::now().0).unwrap_or(0));
    // What is stored and not listed becomes nobody's.
    let mut wanted: BTreeMap<(i8, &str), &str> =
        stored.iter().map(|row| ((row.kind, row.name.as_str()), "")).collect();
    for provider in providers::all() {
        wanted.extend(provider.mx.iter().map(|name| ((MX, name.as_str()), provider.id.as_str())));
        wanted.extend(provider.domains.iter().map(|name| ((DOMAIN, name.as_str()), provider.id.as_str())));
    }
    let has = |kind, name: &str, provider: &str| {
        stored.iter().any(|row| row.kind == kind && row.name == name && row.provider == provider)
    };
    let changed: Vec<ProviderRow> = wanted
        .into_iter()
        .filter(|((kind, name), provider)| !has(*kind, name, provider))
        .map(|((kind, name), provider)| ProviderRow {
            kind,
            name: name.to_owned(),
            version,
            provider: provider.to_owned(),
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let insert = async {
        let mut insert = client.insert::<ProviderRow>("mailbox_providers").await?;
        for row in &changed {
            insert.write(row).await?;
        }
        insert.end().await
    };
    call(insert).await
}
