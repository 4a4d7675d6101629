//! Commands that need no server: they read files and keys at most.

use crate::cli::{ExplainArgs, InstrumentArgs, LinkArgs, MasterKeyCommand, MessageArgs};
use crate::settings::Settings;
use crate::{Failure, master_key as keys, output};
use classifier::Facts;
use engagement::token::Link;
use engagement::{Kind, Timestamp};
use reporting::instrument::Options;
use reporting::mint::{Mail, Minter};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::path::Path;
use std::time::SystemTime;
use store::{AccountEntry, Directory};

pub(crate) fn config(settings: &Settings) -> Result<(), Failure> {
    output::line(toml::to_string(settings)?.trim_end());
    Ok(())
}

pub(crate) fn explain(settings: &Settings, args: &ExplainArgs) -> Result<(), Failure> {
    let kind = match args.kind.as_str() {
        "open" => Kind::Open,
        "click" => Kind::Click,
        "unsubscribe" => Kind::Unsubscribe,
        "trap" => Kind::Trap,
        other => return Err(format!("--kind is open, click, unsubscribe or trap, not {other}").into()),
    };
    let now = Timestamp::from_clock(SystemTime::now());
    let headers: BTreeMap<String, String> = args.headers.iter().cloned().collect();
    let method = args.method.to_ascii_uppercase();
    let facts = Facts {
        delivered_at: args.after_delivery.map(|millis| now.plus_millis(-millis)),
        method: &method,
        ip: args.ip,
        ua: &args.ua,
        headers: &headers,
        trailing: args.trailing.as_deref(),
        ..Facts::of(kind, now)
    };
    let judgement = settings.ruleset()?.judge(&facts);
    if args.json {
        output::line(&serde_json::to_string_pretty(&judgement.verdict)?);
    } else {
        output::line(classifier::explain(&facts, &judgement).trim_end());
    }
    Ok(())
}

pub(crate) fn classify_file(settings: &Settings, path: &Path) -> Result<(), Failure> {
    let stdout = std::io::BufWriter::new(std::io::stdout().lock());
    let ruleset = settings.ruleset()?;
    let summary = if path == Path::new("-") {
        classifier::classify_file(std::io::stdin().lock(), stdout, &ruleset)
    } else {
        let file = File::open(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
        classifier::classify_file(BufReader::new(file), stdout, &ruleset)
    }
    .map_err(|error| format!("{}: {error}", path.display()))?;
    for (number, reason) in &summary.bad {
        output::error(&format!("line {number}: {reason}"));
    }
    if summary.bad.is_empty() {
        return Ok(());
    }
    Err(format!("{} lines were judged, {} could not be read", summary.ok, summary.bad.len()).into())
}

pub(crate) fn master_key(settings: &Settings, command: &MasterKeyCommand) -> Result<(), Failure> {
    let path = settings.master_key_file();
    match command {
        MasterKeyCommand::List => {
            let ring = settings.ring()?;
            for key in ring.all() {
                let state = if key.id() == ring.current().id() {
                    "seals new tokens"
                } else {
                    "retired, opens old mail"
                };
                output::line(&format!("{:>3}  {}  {state}", key.id().0, key.fingerprint()));
            }
        }
        MasterKeyCommand::Rotate => {
            let id = keys::rotate(&path)?;
            output::line(&format!(
                "key {id} seals new tokens once trueopen is started again; keep a copy of {}",
                path.display()
            ));
        }
    }
    Ok(())
}

pub(crate) fn link(settings: &Settings, args: &LinkArgs) -> Result<(), Failure> {
    with_minter(settings, &args.message, |_, minter, mail| {
        let mail = minter.mail(mail)?;
        let url = match &args.to {
            Some(destination) => mail.click(Link::new(destination, 0, 1, args.label.clone())?)?,
            None => mail.pixel()?,
        };
        output::line(&url);
        Ok(())
    })
}

pub(crate) fn instrument(settings: &Settings, args: &InstrumentArgs) -> Result<(), Failure> {
    let mut html = String::new();
    std::io::stdin().read_to_string(&mut html).map_err(|error| format!("standard input: {error}"))?;
    with_minter(settings, &args.message, |entry, minter, mail| {
        let options = Options { most_links: usize::from(u16::MAX), trap: entry.settings.trap_links };
        let tracked = reporting::instrument::instrument(minter, &minter.mail(mail)?, &html, options)?;
        // Not a line: what was no line before must not become one.
        std::io::stdout().write_all(tracked.html.as_bytes())?;
        Ok(())
    })
}

/// Makes the minter of the account that is meant and the mail, and hands both on.
fn with_minter(
    settings: &Settings,
    args: &MessageArgs,
    act: impl FnOnce(&AccountEntry, &Minter<'_>, &Mail) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let ring = settings.ring()?;
    let entry = account(settings, &args.account)?;
    let sent_at = match &args.sent_at {
        Some(text) => Timestamp::parse(text).map_err(|error| format!("--sent-at is {error}"))?,
        None => Timestamp::from_clock(SystemTime::now()),
    };
    let mail = Mail {
        message_id: args.message.clone(),
        campaign: args.campaign.clone(),
        recipient_id: args.recipient.clone(),
        recipient_domain: args.recipient_domain.clone(),
        sent_at,
    };
    let base = settings.base_url(settings.tracker.listen);
    let own = entry.settings.tracking_base_url.as_deref();
    let minter = Minter::new(&ring, entry.account.number, own, &base)?;
    act(&entry, &minter, &mail)
}

/// The account from the copy that the services keep on disk, so that minting needs no server.
fn account(settings: &Settings, name: &str) -> Result<AccountEntry, Failure> {
    let copy = settings.directory_copy();
    Directory::load(&copy).by_id(name).ok_or_else(|| {
        format!("there is no account {name} in {}: is this the right --data-dir?", copy.display()).into()
    })
}
