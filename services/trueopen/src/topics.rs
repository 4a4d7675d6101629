//! The topics that join the stages, and who reads them.

use crate::settings::Settings;
use stream::{OpenError, Topic};

pub(crate) const RAW: &str = "engagement.raw";
pub(crate) const CLASSIFIED: &str = "engagement.classified";
pub(crate) const DELIVERY: &str = "delivery";
pub(crate) const NEIGHBOURS: &str = "engagement.neighbours";
pub(crate) const SIGNALS: &str = "engagement.signals";
pub(crate) const DEAD_LETTER: &str = "deadletter";

/// The consumer group of the classifier. It reads back from the classified topic what it said of live messages.
pub(crate) const CLASSIFIER: &str = "classifier";
/// The consumer group of the classifier's second stage, which compares hits of different messages.
pub(crate) const COMPARER: &str = "neighbours";
/// The consumer group of the loader.
pub(crate) const LOADER: &str = "loader";
/// The one reader of a journal that Kafka is fed from.
pub(crate) const FORWARDER: &str = "forwarder";

/// All topics of one place.
#[derive(Clone)]
pub(crate) struct Topics {
    pub(crate) raw: Topic,
    pub(crate) classified: Topic,
    pub(crate) delivery: Topic,
    pub(crate) neighbours: Topic,
    pub(crate) signals: Topic,
    pub(crate) dead_letter: Topic,
}

impl Topics {
    pub(crate) fn open(settings: &Settings) -> Result<Self, OpenError> {
        Ok(Self {
            raw: Topic::open(settings.topic(RAW, &[CLASSIFIER]))?,
            classified: Topic::open(settings.topic(CLASSIFIED, &[LOADER, CLASSIFIER]))?,
            delivery: Topic::open(settings.topic(DELIVERY, &[LOADER, CLASSIFIER]))?,
            neighbours: Topic::open(settings.topic(NEIGHBOURS, &[COMPARER]))?,
            signals: Topic::open(settings.topic(SIGNALS, &[CLASSIFIER]))?,
            dead_letter: Topic::open(settings.topic(DEAD_LETTER, &[]))?,
        })
    }

    /// The topic of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Topic> {
        let all =
            [&self.raw, &self.classified, &self.delivery, &self.neighbours, &self.signals, &self.dead_letter];
        all.into_iter().find(|topic| topic.name() == name)
    }

    pub(crate) async fn close(self) {
        let Self { raw, classified, delivery, neighbours, signals, dead_letter } = self;
        for topic in [raw, classified, delivery, neighbours, signals, dead_letter] {
            topic.close().await;
        }
    }
}
