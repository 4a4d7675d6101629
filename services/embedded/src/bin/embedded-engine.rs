//! The child alone, for this crate's tests: what `trueopen`'s hidden subcommand does.

use std::process::ExitCode;

fn main() -> ExitCode {
    match embedded::serve_child() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A person who runs this by hand has no parent to tell.
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{error}\n"));
            ExitCode::FAILURE
        }
    }
}
