//! Views that a later file of the same run defines anew or takes away: to make them is work for nothing. A run that is cut off
//! leaves such a view missing until it is run again, which is when the file that defines it comes.

use super::include;
use crate::tokens::tokens;
use std::collections::HashSet;

/// Which of these statements, in their order, have to be run: all but the definitions of views that are replaced or dropped
/// further on, where nothing that is run until then names them.
pub(super) fn needed(statements: &[&str]) -> Vec<bool> {
    let mut replaced = HashSet::new();
    let mut named = HashSet::new();
    let mut needed = vec![true; statements.len()];
    for (statement, needed) in statements.iter().zip(&mut needed).rev() {
        let dropped = dropped(statement);
        let view = include::view(statement).map(|(name, _)| name);
        if let Some(name) = view
            && replaced.contains(name)
            && !named.contains(name)
        {
            *needed = false;
            continue;
        }
        if dropped.is_none() {
            named.extend(tokens(statement).iter().map(|token| token.text(statement)));
        }
        if let Some(name) = view.or(dropped) {
            replaced.insert(name);
            named.remove(name);
        }
    }
    needed
}

/// The name of `DROP VIEW IF EXISTS name`.
fn dropped(statement: &str) -> Option<&str> {
    let tokens = tokens(statement);
    let words: Vec<_> = tokens.iter().map(|token| token.text(statement)).collect();
    match words[..] {
        ["DROP", "VIEW", "IF", "EXISTS", name] => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_that_is_replaced_or_dropped_is_made_only_where_something_needs_it() {
        for (statements, expected) in [
            (
                vec!["CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW v AS SELECT 2"],
                vec![false, true],
            ),
            (vec!["CREATE OR REPLACE VIEW v AS SELECT 1", "DROP VIEW IF EXISTS v"], vec![false, true]),
            (
                vec!["CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW w AS SELECT 2"],
                vec![true, true],
            ),
            // What reads it in between.
            (
                vec![
                    "CREATE OR REPLACE VIEW v AS SELECT 1",
                    "INSERT INTO t SELECT * FROM v",
                    "CREATE OR REPLACE VIEW v AS SELECT 2",
                ],
                vec![true, true, true],
            ),
            // Read by a view that is replaced itself, then by one that stays.
            (
                vec![
                    "CREATE OR REPLACE VIEW v AS SELECT 1",
                    "CREATE OR REPLACE VIEW w AS SELECT * FROM v",
                    "CREATE OR REPLACE VIEW v AS SELECT 2",
                    "CREATE OR REPLACE VIEW w AS SELECT 3",
                ],
                vec![false, false, true, true],
            ),
            (
                vec![
                    "CREATE OR REPLACE VIEW v AS SELECT 1",
                    "CREATE OR REPLACE VIEW w AS SELECT * FROM v",
                    "CREATE OR REPLACE VIEW v AS SELECT 2",
                ],
                vec![true, true, true],
            ),
            // Anew before it is dropped for good.
            (
                vec![
                    "CREATE OR REPLACE VIEW v AS SELECT 1",
                    "INSERT INTO t SELECT * FROM v",
                    "DROP VIEW IF EXISTS v",
                ],
                vec![true, true, true],
            ),
        ] {
            assert_eq!(needed(&statements), expected, "{statements:?}");
        }
    }
}
