//! `trueopen simulate`: a made-up campaign played against a running system, so that a newcomer sees figures.
//!
//! Invariants: nothing but loopback and the configured tracker and API is ever asked, whatever host stands in a link; the
//! plan is a function of the seed alone; requests stay under the rate. A hit carries the time at which it is made, so all
//! hits lie in the minutes of the run, while sending and delivery are spread over the two days before.

mod cast;
mod plan;
mod play;
mod target;

use crate::cli::SimulateArgs;
use crate::settings::Settings;
use crate::{Failure, output};
use play::{Played, Player};
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
    output::line(&table(&played, args.recipients));
    output::line(&format!(
        "in {:.0} s; figures follow within seconds, at {}",
        begun.elapsed().as_secs_f64(),
        player.report_url(args.seed)
    ));
    match played.refused {
        0 => Ok(()),
        refused => Err(format!("{refused} requests got an answer that they should not get").into()),
    }
}

/// What was done, by kind.
fn table(played: &Played, recipients: u64) -> String {
    let mut lines = vec![format!("{recipients:>9}  mails, to {} domains", played.domains.len())];
    for (title, counts) in [("delivery events", &played.deliveries), ("hits", &played.hits)] {
        let total: u64 = counts.values().sum();
        lines.push(format!("{total:>9}  {title}"));
        lines.extend(counts.iter().map(|(name, count)| format!("{count:>9}    {name}")));
    }
    lines.push(format!("{:>9}  mails that nobody came to", played.silent));
    lines.join("\n")
}
