//! Commands that talk to ClickHouse: the schema, accounts, keys and settings.

use crate::cli::{AccountCommand, KeyCommand, SettingsCommand};
use crate::settings::Settings;
use crate::{Failure, output};
use engagement::AccountId;
use std::time::Duration;
use store::{Account, Accounts, Scope};
use stream::ClusterError;

/// How often, and after which pause, topics that were just made are looked for.
const SHOWN_TRIES: u32 = 50;
const SHOWN_PAUSE: Duration = Duration::from_millis(200);
/// Who the audit log says did it.
const BY: &str = "command line";

pub(crate) async fn migrate(settings: &Settings) -> Result<(), Failure> {
    let connection = settings.connection()?;
    let migrated = store::migrate_on(&connection.client(), &connection.cluster).await?;
    if migrated.applied.is_empty() {
        output::line(&format!("the schema is at version {}, nothing to do", migrated.version));
    } else {
        output::line(&format!(
            "the schema is at version {}, applied {:?}",
            migrated.version, migrated.applied
        ));
    }
    topics(settings).await
}

/// Makes missing topics where that is allowed, and checks all of them.
async fn topics(settings: &Settings) -> Result<(), Failure> {
    let Some(cluster) = settings.kafka.cluster()? else { return Ok(()) };
    let specs = settings.kafka.specs(&[]);
    if settings.kafka.create_topics {
        let made = cluster.create_missing(&specs).await?;
        if !made.is_empty() {
            output::line(&format!("made topics {}", made.join(", ")));
        }
    }
    // A topic that was just made takes a moment to show at every broker.
    for _ in 0..SHOWN_TRIES {
        match cluster.open(&specs, &[]).await {
            Err(ClusterError::Missing { .. }) if settings.kafka.create_topics => {}
            checked => {
                checked?;
                output::line("the topics are as they have to be");
                return Ok(());
            }
        }
        tokio::time::sleep(SHOWN_PAUSE).await;
    }
    Err("the topics that were made don't show yet: run it again".into())
}

pub(crate) async fn account(settings: &Settings, command: AccountCommand) -> Result<(), Failure> {
    let accounts = accounts(settings)?;
    match command {
        AccountCommand::Create { account } => {
            let account = accounts.create(&AccountId::new(account)?).await?;
            accounts.audit(account.number, BY, "account.create", "").await?;
            output::line(&format!("account {} has number {}", account.id, account.number.0));
        }
        AccountCommand::List => {
            for account in accounts.list().await? {
                output::line(&format!("{:>6}  {}  {}", account.number.0, account.created_at, account.id));
            }
        }
    }
    Ok(())
}

pub(crate) async fn key(settings: &Settings, command: KeyCommand) -> Result<(), Failure> {
    let accounts = accounts(settings)?;
    match command {
        KeyCommand::Create { account, scopes, label } => {
            let account = find(&accounts, &account).await?;
            let scopes = scopes.iter().map(|name| scope(name)).collect::<Result<Vec<_>, _>>()?;
            let (key, secret) = accounts.create_key(account.number, &label, &scopes).await?;
            accounts.audit(account.number, BY, "key.create", &key.id.to_string()).await?;
            output::line(&secret);
        }
        KeyCommand::List { account } => {
            let account = find(&accounts, &account).await?;
            for key in accounts.keys(account.number).await? {
                let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
                let state = key.revoked_at.map_or("live".to_owned(), |at| format!("revoked {at}"));
                output::line(&format!(
                    "{}  {}  {state}  {}  {}",
                    key.id,
                    key.created_at,
                    scopes.join(","),
                    key.label
                ));
            }
        }
        KeyCommand::Revoke { account, id } => {
            let account = find(&accounts, &account).await?;
            if !accounts.revoke_key(account.number, id).await? {
                return Err(format!("account {} has no live key {id}", account.id).into());
            }
            accounts.audit(account.number, BY, "key.revoke", &id.to_string()).await?;
            output::line("revoked; services stop taking it within ten seconds");
        }
    }
    Ok(())
}

pub(crate) async fn settings(settings: &Settings, command: SettingsCommand) -> Result<(), Failure> {
    let accounts = accounts(settings)?;
    match command {
        SettingsCommand::Get { account } => {
            let account = find(&accounts, &account).await?;
            let (settings, _) = accounts.settings(account.number).await?;
            output::line(&serde_json::to_string_pretty(&settings)?);
        }
        SettingsCommand::Set { account, json } => {
            let account = find(&accounts, &account).await?;
            let (current, _) = accounts.settings(account.number).await?;
            let changed = merged(&current, &json)?;
            accounts.put_settings(account.number, changed.clone()).await?;
            if (changed.evidence_days, changed.retention_days)
                != (current.evidence_days, current.retention_days)
            {
                accounts.apply_retention(account.number, &changed).await?;
            }
            accounts.audit(account.number, BY, "settings.put", &json).await?;
            output::line(&serde_json::to_string_pretty(&changed)?);
        }
    }
    Ok(())
}

/// The current settings with the given fields in their place.
fn merged(current: &store::Settings, json: &str) -> Result<store::Settings, Failure> {
    let change: serde_json::Value =
        serde_json::from_str(json).map_err(|error| format!("the settings are no JSON: {error}"))?;
    let mut document = serde_json::to_value(current)?;
    merge(&mut document, change);
    let changed: store::Settings =
        serde_json::from_value(document).map_err(|error| format!("the settings are wrong: {error}"))?;
    changed.check()?;
    Ok(changed)
}

/// Puts `change` over `document`, object by object (as RFC 7396, but null stays a value: it clears a base URL).
fn merge(document: &mut serde_json::Value, change: serde_json::Value) {
    match (document, change) {
        (serde_json::Value::Object(fields), serde_json::Value::Object(changes)) => {
            for (name, value) in changes {
                merge(fields.entry(name).or_insert(serde_json::Value::Null), value);
            }
        }
        (document, change) => *document = change,
    }
}

fn accounts(settings: &Settings) -> Result<Accounts, Failure> {
    Ok(settings.connection()?.accounts())
}

async fn find(accounts: &Accounts, name: &str) -> Result<Account, Failure> {
    let id = AccountId::new(name)?;
    accounts.find(&id).await?.ok_or_else(|| format!("there is no account {id}").into())
}

fn scope(name: &str) -> Result<Scope, Failure> {
    Scope::parse(name).ok_or_else(|| {
        let known: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("unknown scope {name}: there are {}", known.join(", ")).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fields_given_change() {
        let current = store::Settings::default();
        let changed = merged(&current, r#"{"suppress":{"apple":false}}"#).unwrap();
        assert!(!changed.suppress.apple && changed.suppress.google);
        assert_eq!(changed.evidence_days, current.evidence_days);
        for (json, named) in [
            ("{", "no JSON"),
            (r#"{"supress":{}}"#, "supress"),
            (r#"{"evidence_days":0}"#, "evidence_days"),
            (r#"{"suppress":{"appel":true}}"#, "appel"),
        ] {
            let error = merged(&current, json).unwrap_err().to_string();
            assert!(error.contains(named), "{error} does not name {named}");
        }
    }
}
