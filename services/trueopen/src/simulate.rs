//! `trueopen simulate`: a made-up campaign played against a running system, and mailings of the weeks before it, so that a
//! newcomer sees what the dashboards are for.
//!
//! Invariants: nothing but loopback and the configured tracker and API is ever asked, whatever host stands in a link; the
//! plan is a function of the seed alone; requests stay under the rate. A hit on the tracker carries the time at which it is
//! made, so those of the campaign lie in the minutes of the run, while sending and delivery are spread over the two days
//! before; what came of earlier mailings is told as a mail provider tells of it (`webhook`).

mod cast;
mod earlier;
mod fate;
mod plan;
mod play;
mod played;
mod random;
mod target;
mod trap;
mod webhook;

use crate::cli::SimulateArgs;
use crate::settings::Settings;
use crate::{Failure, output};
use play::Player;
use std::time::Instant;

/// Plays the campaign and prints what was done.
pub(crate) async fn simulate(settings: &Settings, args: SimulateArgs) -> Result<(), Failure> {
    let player = Player::new(settings, &args)?;
    if let Some(reason) = player.one_address() {
        output::line(&format!("every hit will come from this machine's address: {reason}"));
    }
    let begun = Instant::now();
    let result = player.play(args.recipients, args.seed).await;
    output::progress("");
    let played = result?;
    output::line(&played.table(args.recipients));
    output::line(&format!(
        "in {:.0} s; figures follow within seconds, at {}",
        begun.elapsed().as_secs_f64(),
        player.report_url(args.seed)
    ));
    output::line(&format!(
        "in the console at {}, and in Grafana, over the last 30 days:",
        player.console_url()
    ));
    output::line(&played.story());
    match played.refused {
        0 => Ok(()),
        refused => Err(format!("{refused} requests got an answer that they should not get").into()),
    }
}
