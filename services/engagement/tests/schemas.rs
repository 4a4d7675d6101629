//! The JSON Schema of each wire record is checked in and says what the code writes.
//! `UPDATE_SCHEMAS=1 cargo test -p engagement --test schemas` writes them anew.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use engagement::delivery::Submitted;
use engagement::{Classified, DeadLetter, DeliveryEvent, Hit, Neighbour, Replayed, Signal};
use schemars::{JsonSchema, schema_for};
use std::path::Path;

fn check<T: JsonSchema>(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/events").join(name);
    let generated = serde_json::to_string_pretty(&schema_for!(T)).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        kept, generated,
        "schema/events/{name} is not what the code writes; UPDATE_SCHEMAS=1 writes it anew"
    );
}

#[test]
fn schemas_say_what_the_code_writes() {
    check::<Hit>("engagement.raw.json");
    check::<Classified>("engagement.classified.json");
    check::<DeliveryEvent>("delivery.json");
    check::<Submitted>("delivery-submitted.json");
    check::<DeadLetter>("deadletter.json");
    check::<Replayed>("deadletter-replayed.json");
    check::<Neighbour>("engagement.neighbours.json");
    check::<Signal>("engagement.signals.json");
}
