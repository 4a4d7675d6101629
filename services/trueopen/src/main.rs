//! The program: the command line, and `up`, which runs every stage in one place.

mod bootstrap;
mod cli;
mod commands;
mod data_dir;
mod deadletter;
mod forward;
mod import;
mod kafka;
mod learn;
mod master_key;
mod metrics;
mod output;
mod reclassify;
mod settings;
mod signatures;
mod simulate;
mod single;
mod topics;
mod up;
mod verify;

use clap::Parser as _;
use cli::{Cli, Command};
use settings::Settings;
use std::process::ExitCode;

/// A million messages' windows are many small pieces that come and go: with this the classifier's step takes two thirds of the
/// time that the system's allocator leaves it (`tests/bench/RESULTS.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a command failed: one line for a person.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The engine's process takes its settings from its parent and must start no other threads first.
    if matches!(cli.command, Command::Engine) {
        return finish(embedded::serve_child().map_err(Into::into));
    }
    finish(run(cli))
}

fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&format!("trueopen: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let settings = Settings::load(&cli.common)?;
    match cli.command {
        Command::Config => return commands::config(&settings),
        Command::Explain(args) => return commands::explain(&settings, &args),
        Command::ClassifyFile { file } => return commands::classify_file(&settings, &file),
        Command::MasterKey(command) => return commands::master_key(&settings, &command),
        Command::Link(args) => return commands::link(&settings, &args),
        Command::Instrument(args) => return commands::instrument(&settings, &args),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Up => up::up(settings).await,
            Command::Track => single::track(settings).await,
            Command::Classify => single::classify(settings).await,
            Command::Load => single::load(settings).await,
            Command::Report => single::report(settings).await,
            Command::Migrate => commands::migrate(&settings).await,
            Command::Account(command) => commands::account(&settings, command).await,
            Command::Key(command) => commands::key(&settings, command).await,
            Command::Import(args) => import::import(&settings, args).await,
            Command::Simulate(args) => simulate::simulate(&settings, args).await,
            Command::Signatures(command) => commands::signatures(&settings, command).await,
            Command::Verify { account, report } => verify::verify(&settings, account, &report).await,
            Command::Deadletter(command) => deadletter::deadletter(&settings, command).await,
            Command::GrafanaUser(command) => commands::grafana_user(&settings, command).await,
            Command::Learn(args) => learn::learn(&settings, args).await,
            Command::Reclassify(args) => reclassify::reclassify(&settings, args).await,
            Command::Settings(command) => commands::settings(&settings, command).await,
            _ => Ok(()),
        }
    })
}
