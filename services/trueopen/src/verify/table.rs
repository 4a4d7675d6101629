//! What a report says, as names and numbers, and how two of them differ.

use std::collections::{BTreeMap, BTreeSet};

/// The figures of a group by their names in the views; of a source as `opens_by_source_total.apple_mpp`. A rate that has
/// no denominator is not there.
pub(super) type Figures = BTreeMap<String, f64>;
/// The figures of each group; of one row of all, under the empty name.
pub(super) type Table = BTreeMap<String, Figures>;

/// Puts a figure down. A count of zero is left out: most of the figures of most groups are, and a missing one is the same.
pub(super) fn put(figures: &mut Figures, name: String, figure: f64) {
    if figure != 0.0 || is_rate(&name) {
        figures.insert(name, figure);
    }
}

fn is_rate(figure: &str) -> bool {
    figure.starts_with("rate_")
}

/// A figure that differs.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) group: String,
    pub(super) figure: String,
    /// By the events.
    pub(super) said: Option<f64>,
    /// By the report.
    pub(super) answered: Option<f64>,
}

/// The figures that differ. A count that is missing is zero; a rate that is missing is none, and none is not zero.
pub(super) fn differences(said: &Table, answered: &Table) -> Vec<Difference> {
    let none = Figures::new();
    let groups: BTreeSet<&String> = said.keys().chain(answered.keys()).collect();
    let mut found = Vec::new();
    for group in groups {
        let (said, answered) = (said.get(group).unwrap_or(&none), answered.get(group).unwrap_or(&none));
        let figures: BTreeSet<&String> = said.keys().chain(answered.keys()).collect();
        for figure in figures {
            let read = |figures: &Figures| {
                let missing = if is_rate(figure) { None } else { Some(0.0) };
                figures.get(figure).copied().or(missing)
            };
            let (said, answered) = (read(said), read(answered));
            let is_same = match (said, answered) {
                (Some(said), Some(answered)) => (said - answered).abs() <= tolerance(figure),
                (said, answered) => said == answered,
            };
            if !is_same {
                found.push(Difference { group: group.clone(), figure: figure.clone(), said, answered });
            }
        }
    }
    found
}

/// How far two numbers may lie apart and be the same: the views round percentiles to the millisecond, and a rate is one
/// division on either side.
fn tolerance(figure: &str) -> f64 {
    match figure {
        "p50" | "p90" | "p99" => 0.000_500_1,
        _ => 1e-9,
    }
}

/// A figure for people.
pub(super) fn shown(figure: Option<f64>) -> String {
    figure.map_or("null".to_owned(), |figure| figure.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(figures: &[(&str, f64)]) -> Table {
        let figures = figures.iter().map(|(name, figure)| ((*name).to_owned(), *figure)).collect();
        Table::from([("gmail".to_owned(), figures)])
    }

    #[test]
    fn a_missing_count_is_zero_and_a_missing_rate_is_none() {
        let of = |said: &[(&str, f64)], answered: &[(&str, f64)]| {
            let found = differences(&table(said), &table(answered));
            found.into_iter().map(|one| one.figure).collect::<Vec<_>>()
        };
        assert!(of(&[("sent", 0.0)], &[]).is_empty());
        assert_eq!(of(&[("sent", 1.0)], &[("sent", 2.0)]), ["sent"]);
        assert_eq!(of(&[], &[("rate_open", 0.0)]), ["rate_open"]);
        assert!(of(&[("p50", 1.0005), ("rate_open", 0.5)], &[("p50", 1.001), ("rate_open", 0.5)]).is_empty());
        assert_eq!(of(&[("p50", 1.0)], &[("p50", 1.001)]), ["p50"]);
        assert_eq!(
            differences(&Table::new(), &table(&[("sent", 1.0)])).len(),
            1,
            "a group that is not there"
        );
    }
}
