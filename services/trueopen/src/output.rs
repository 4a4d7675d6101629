//! The one place that prints: answers to standard output, errors to standard error.

use std::io::Write as _;

/// Prints a line of an answer. A reader that has gone (`trueopen … | head`) ends the output, not the program.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a line for a person who has to do something.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
