//! The one place that prints: answers to standard output, errors to standard error.

use std::io::{IsTerminal as _, Write as _};

/// Prints a line of an answer. A reader that has gone (`trueopen … | head`) ends the output, not the program.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a line for a person who has to do something.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Shows how far something is, on one line of standard error that the next call overwrites; nothing where no person looks.
pub(crate) fn progress(text: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{text}");
        let _ = stderr.flush();
    }
}
