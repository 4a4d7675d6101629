//! Real refusals from public documents, `tests/bounces/corpus.tsv`, against what their sources say they mean. The shares that
//! are right are printed (`cargo test -p engagement --test bounces -- --nocapture`) and must not fall. The words in
//! `data/bounces.json` were written before this corpus was: at first sight 182 of 198 classes and 163 reasons were right. What
//! was changed then is general (a provider's own codes, 4xx without an enhanced code); what is still wrong stays wrong here
//! rather than get words of its own.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use engagement::bounce::{self, Said};
use std::collections::BTreeMap;

/// Percent of classes and of reasons that must be right.
const CLASSES: usize = 94;
const REASONS: usize = 86;

struct Row<'a> {
    source: &'a str,
    class: &'a str,
    reason: &'a str,
    text: &'a str,
}

fn corpus() -> Vec<Row<'static>> {
    let lines =
        include_str!("../../../tests/bounces/corpus.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut cells = line.split('\t');
            let mut cell = || cells.next().unwrap_or_else(|| panic!("too few columns: {line}"));
            let row = Row { source: cell(), class: cell(), reason: cell(), text: cell() };
            assert!(bounce::reasons().iter().any(|reason| reason.id == row.reason), "{line}");
            row
        })
        .collect()
}

#[test]
fn most_real_texts_mean_what_their_sources_say() {
    let rows = corpus();
    let mut by_source: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let (mut classes, mut reasons) = (0, 0);
    for row in &rows {
        let refusal = bounce::classify(&Said { diagnostic: Some(row.text), ..Said::default() });
        let right = [refusal.class.as_str() == row.class, refusal.reason == row.reason];
        classes += usize::from(right[0]);
        reasons += usize::from(right[1]);
        let counts = by_source.entry(row.source).or_default();
        counts[0] += 1;
        counts[1] += usize::from(right[0]);
        counts[2] += usize::from(right[1]);
        if right != [true, true] {
            println!(
                "{}: expected {} {}, got {} {}: {}",
                row.source,
                row.class,
                row.reason,
                refusal.class.as_str(),
                refusal.reason,
                row.text
            );
        }
    }
    for (source, [all, classes, reasons]) in by_source {
        println!("{source}: {classes} of {all} classes right, {reasons} reasons");
    }
    let all = rows.len();
    println!("all: {classes} of {all} classes right, {reasons} reasons");
    assert!(all >= 150, "the corpus has only {all} texts");
    assert!(classes * 100 >= CLASSES * all, "{classes} of {all} classes right");
    assert!(reasons * 100 >= REASONS * all, "{reasons} of {all} reasons right");
}
