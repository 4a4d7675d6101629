//! From a journal of this machine into its topic at Kafka.

use crate::Failure;
use crate::kafka::Gate;
use crate::settings::Settings;
use crate::single::unless_stopped;
use crate::topics::{DEAD_LETTER, FORWARDER};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engagement::{DeadLetter, to_wire};
use runtime::Stages;
use stream::{Cluster, Delivered, ForwardConfig, Forwarder, Record, Topic};

/// The most bytes of an original that a dead letter carries: one that can't go on may be longer than Kafka takes.
const ORIGINAL_BYTES: usize = 256 * 1024;
/// What a dead letter takes beside the original: reason, place and key.
const LETTER_BYTES: usize = 2048;

/// Starts the stage that takes `journal` into the topic `name`.
pub(crate) fn forward(
    stages: &mut Stages,
    settings: &Settings,
    cluster: &Cluster,
    journal: &Topic,
    name: &'static str,
) -> Result<(), Failure> {
    let from = journal.consumer(FORWARDER)?;
    let kafka = settings.kafka.clone();
    let gate = Gate::new(cluster);
    stages.start("forwarder", |shutdown| async move {
        let open = gate.open(&kafka, [name, DEAD_LETTER], &[]);
        let Some([to, dead_letter]) = unless_stopped(open, &shutdown).await? else { return Ok(()) };
        // In base64 three bytes are four.
        let most = (kafka.record_limit().saturating_sub(LETTER_BYTES) / 4 * 3).min(ORIGINAL_BYTES);
        let aside =
            Box::new(move |delivered: &Delivered, reason: &str| set_aside(name, delivered, reason, most));
        let forwarder =
            Forwarder::new(from, to.clone(), dead_letter.clone(), aside, ForwardConfig::default());
        let result = forwarder.run(shutdown.requested()).await;
        for topic in [to, dead_letter] {
            topic.close().await;
        }
        result.map_err(Failure::from)
    });
    Ok(())
}

/// The dead letter of a record of a journal that can't go on, with so many of its bytes at most.
fn set_aside(topic: &str, delivered: &Delivered, reason: &str, most: usize) -> Record {
    let (key, original) = match &delivered.record {
        Ok(record) => (record.key.clone(), record.payload.clone()),
        Err(undecodable) => (Vec::new(), undecodable.bytes.clone()),
    };
    let kept = original.get(..most).unwrap_or(&original);
    let reason = if kept.len() < original.len() {
        format!("{reason} (the first bytes of {})", original.len())
    } else {
        reason.to_owned()
    };
    let letter = DeadLetter {
        v: DeadLetter::VERSION,
        reason,
        topic: topic.to_owned(),
        partition: delivered.partition,
        offset: delivered.offset,
        at: None,
        original_base64: STANDARD.encode(kept),
    };
    Record { key, payload: to_wire(&letter).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cant_go_on_keeps_its_place_and_its_bytes() {
        let of = |length: usize| {
            let record = Record { key: b"k".to_vec(), payload: vec![b'x'; length].into() };
            let delivered = Delivered { partition: 0, offset: 7, record: Ok(record) };
            let aside = set_aside("delivery", &delivered, "too long", ORIGINAL_BYTES);
            assert_eq!(aside.key, b"k");
            engagement::from_wire::<DeadLetter>(&aside.payload).unwrap()
        };
        let whole = of(10);
        assert_eq!((whole.reason.as_str(), whole.offset), ("too long", 7));
        assert_eq!(STANDARD.decode(whole.original_base64).unwrap(), [b'x'; 10]);
        let cut = of(2_000_000);
        assert!(cut.reason.contains("2000000") && cut.original_base64.len() < 500_000);
    }
}
