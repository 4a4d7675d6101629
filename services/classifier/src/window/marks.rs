//! What the rules over neighbours find around one hit.

use super::{WINDOW_RULES, WindowRule};
use crate::finding::Finding;

/// So many bits tell a rule's levels apart, and the highest level.
const BITS: usize = 2;
const HIGHEST: u8 = (1 << BITS) - 1;

const _: () = assert!(WINDOW_RULES.len() * BITS <= u32::BITS as usize, "each rule has its bits in a mark");

/// What the rules over neighbours find around one hit: a level for each, 0 where it finds nothing, 3 at most. Equal marks
/// make equal verdicts on the same hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(u32);

impl Marks {
    /// The marks of these levels. One past the highest is the highest.
    pub(super) fn new(see: impl Fn(&WindowRule) -> u8) -> Self {
        let place = |(index, rule): (usize, &WindowRule)| u32::from(see(rule).min(HIGHEST)) << (index * BITS);
        Self(WINDOW_RULES.iter().enumerate().map(place).fold(0, |all, one| all | one))
    }

    /// The findings behind the marks; `doubted` says whether the hit alone shows a sign of a machine.
    pub(crate) fn findings<'a>(self, doubted: bool) -> impl Iterator<Item = Finding<'a>> {
        WINDOW_RULES.iter().enumerate().filter_map(move |(index, rule)| {
            let level = (self.0 >> (index * BITS)) as u8 & HIGHEST;
            let found = Some(level).filter(|level| *level > 0)?;
            (rule.say)(found, doubted).map(|finding| Finding { rule: rule.name, ..finding })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_level_up_to_the_highest() {
        for chosen in WINDOW_RULES {
            for level in 1..=4 {
                let marks = Marks::new(|rule| if rule.name == chosen.name { level } else { 0 });
                let found: Vec<_> = marks.findings(true).collect();
                let said = (chosen.say)(level, true).unwrap();
                assert_eq!(found, [Finding { rule: chosen.name, ..said }]);
            }
        }
        assert_eq!(Marks::new(|_| 0), Marks::default());
        assert_eq!(Marks::new(|_| 3).findings(true).count(), WINDOW_RULES.len());
    }
}
