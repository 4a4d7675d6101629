//! `trueopen grafana-user`: users of a ClickHouse server that read and never write.

use crate::cli::{GrafanaUserCommand, GrafanaUserCreate};
use crate::settings::Settings;
use crate::{Failure, output};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engagement::AccountId;
use store::readers::{self, Reader, ReaderError};

const PASSWORD_BYTES: usize = 32;

pub(crate) async fn grafana_user(settings: &Settings, command: GrafanaUserCommand) -> Result<(), Failure> {
    if settings.clickhouse.url.is_none() {
        // Asked of no one: the engine of a running `up` would say the same.
        return Err(ReaderError::Denied.into());
    }
    let connection = settings.connection()?;
    let client = connection.client();
    match command {
        GrafanaUserCommand::Create(GrafanaUserCreate { name, account, evidence, password }) => {
            let account = match account {
                Some(account) => {
                    let id = AccountId::new(account)?;
                    let found = connection.accounts().find(&id).await?;
                    Some(found.ok_or_else(|| format!("there is no account {id}"))?.number)
                }
                None => None,
            };
            let made = if password.is_none() { Some(random_password()?) } else { None };
            let password = password.or_else(|| made.clone()).unwrap_or_default();
            Reader { name: name.clone(), account, evidence }
                .create(&client, &connection.cluster, &password)
                .await?;
            let sees =
                account.map_or("all accounts".to_owned(), |number| format!("account number {}", number.0));
            output::line(&format!("user {name} reads {sees}"));
            if let Some(password) = made {
                output::line(&password);
            }
        }
        GrafanaUserCommand::Drop { name } => {
            readers::remove(&client, &connection.cluster, &name).await?;
            output::line(&format!("user {name} is gone"));
        }
    }
    Ok(())
}

fn random_password() -> Result<String, Failure> {
    let mut bytes = [0; PASSWORD_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gave no random bytes for a password")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
