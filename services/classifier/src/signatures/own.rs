//! An operator's own signature files over those that the program ships with.

use super::SignatureFile;
use super::file::{Cause, SignatureError};

/// The shipped files and an operator's own: one that has a shipped file's name stands in its place, the others follow in
/// their order. No two of `own` have the same name.
pub(crate) fn over<'a>(shipped: &[SignatureFile<'a>], own: &[SignatureFile<'a>]) -> Vec<SignatureFile<'a>> {
    let named =
        |files: &[SignatureFile<'a>], name: &str| files.iter().find(|file| file.name == name).copied();
    let mut files: Vec<_> = shipped.iter().map(|file| named(own, file.name).unwrap_or(*file)).collect();
    files.extend(own.iter().filter(|file| named(shipped, file.name).is_none()));
    files
}

/// Lets an operator's file answer for what it shares with a shipped one, wherever the two stand: the operator can mend
/// the own one alone.
pub(crate) fn blame(error: SignatureError, own: &[SignatureFile<'_>]) -> SignatureError {
    let is_own = |name: &str| own.iter().any(|file| file.name == name);
    match error {
        SignatureError {
            file: later,
            line: later_line,
            cause: Cause::Repeated { pattern, file, line, .. },
        } => {
            let swapped = is_own(&file) && !is_own(&later);
            let ((file, line), (other, other_line)) = if swapped {
                ((file, line), (later, later_line))
            } else {
                ((later, later_line), (file, line))
            };
            let shipped = is_own(&file) && !is_own(&other);
            let cause = Cause::Repeated { pattern, file: other, line: other_line, shipped };
            SignatureError { file, line, cause }
        }
        other => other,
    }
}
