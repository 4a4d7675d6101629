//! A Kafka cluster: what it has to hold before a stage may start, and the making of topics where that is allowed.

use super::context::{Producing, Reach};
use super::ends::Ends;
use super::producer::Producer;
use super::scan::KafkaScan;
use super::settings::KafkaConfig;
use super::topic::KafkaTopic;
use crate::scan::Scan;
use crate::topic::Topic;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long brokers may take to answer a question about topics.
const ANSWER: Duration = Duration::from_secs(5);
/// What a broker adds to a record of the producer's longest before it compares the length with the topic's limit.
const OVERHEAD: u64 = 512;

/// What a topic has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name, without the prefix.
    pub name: String,
    /// Partitions when it is made.
    pub partitions: u32,
    /// Copies of each partition when it is made.
    pub replication: u32,
    /// Kafka's settings of the topic when it is made.
    pub settings: BTreeMap<String, String>,
    /// Settings that must be at least so large for as long as it is used; -1 at the broker means without limit.
    pub at_least: BTreeMap<String, u64>,
    /// Topics with the same group must have equally many partitions: their records are keyed alike.
    pub same_partitions: Option<String>,
}

/// Why a cluster can't be worked with. One line for an operator.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A setting is unknown, unusable or not to be set.
    #[error("kafka setting {name}: {reason}")]
    Setting {
        /// librdkafka's name of it.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// No broker answered.
    #[error("no kafka broker answers: {reason}")]
    Unreachable {
        /// What was heard last.
        reason: String,
    },
    /// Topics are not there.
    #[error("kafka has no topic {}: make it with `trueopen migrate` and kafka.create_topics = true, or by hand as in schema/kafka/topics.yaml", topics.join(", "))]
    Missing {
        /// Their names at the brokers.
        topics: Vec<String>,
    },
    /// Topics that are keyed alike have unlike counts of partitions.
    #[error("kafka topics that are keyed alike must have equally many partitions: {counts}")]
    Partitions {
        /// Names and counts.
        counts: String,
    },
    /// A topic's setting is too low for what is promised.
    #[error("kafka topic {topic} has {setting} = {found}, at least {wanted} is needed")]
    TooLow {
        /// The topic's name at the brokers.
        topic: String,
        /// The setting.
        setting: String,
        /// What the brokers say.
        found: String,
        /// What is needed.
        wanted: u64,
    },
    /// The brokers refused.
    #[error("kafka refused {doing}: {reason}")]
    Refused {
        /// What was tried.
        doing: String,
        /// What they said.
        reason: String,
    },
}

impl ClusterError {
    pub(super) fn of_config(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(_, reason, name, _) => Self::Setting { name, reason },
            other => Self::Setting { name: "of the client".to_owned(), reason: other.to_string() },
        }
    }

    /// Whether it may pass by itself; a setting never does.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Setting { .. })
    }
}

/// A connection to a cluster. Clones share it.
#[derive(Clone)]
pub struct Cluster {
    config: KafkaConfig,
    reach: Arc<Reach>,
    producer: Arc<Producer>,
    ends: Arc<Ends>,
}

impl Cluster {
    /// Checks the settings and begins to connect. No broker needs to be there yet.
    ///
    /// # Errors
    /// [`ClusterError::Setting`].
    pub fn new(config: KafkaConfig) -> Result<Self, ClusterError> {
        config.check()?;
        let reach = Arc::new(Reach::default());
        let producer = Arc::new(Producer::new(config.clone(), Arc::clone(&reach))?);
        let ends = Arc::new(Ends::new(config.clone()));
        Ok(Self { config, reach, producer, ends })
    }

    /// Whether a broker answers, for readiness.
    ///
    /// # Errors
    /// What was heard last, for an operator.
    pub fn healthy(&self) -> Result<(), String> {
        self.reach.check()
    }

    /// Opens topics that are there and are as they have to be. `groups` may be named to [`Topic::consumer`].
    ///
    /// # Errors
    /// [`ClusterError`]: try again later unless it is a setting.
    pub async fn open(&self, specs: &[TopicSpec], groups: &[&str]) -> Result<Vec<Topic>, ClusterError> {
        let counts = self.partitions().await?;
        let missing: Vec<_> =
            specs.iter().map(|spec| self.full_name(spec)).filter(|name| !counts.contains_key(name)).collect();
        if !missing.is_empty() {
            return Err(ClusterError::Missing { topics: missing });
        }
        self.check_partitions(specs, &counts)?;
        self.check_settings(specs).await?;
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        let topics = specs.iter().map(|spec| {
            let full_name = self.full_name(spec);
            let partitions = counts[&full_name];
            let config = self.config.clone();
            let (producer, reach) = (Arc::clone(&self.producer), Arc::clone(&self.reach));
            let ends = Arc::clone(&self.ends);
            let topic = KafkaTopic::new(full_name, partitions, groups.clone(), config, producer, reach, ends);
            Topic::over_kafka(spec.name.clone(), topic)
        });
        Ok(topics.collect())
    }

    /// Makes the topics that are not there; the names of those it made.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn create_missing(&self, specs: &[TopicSpec]) -> Result<Vec<String>, ClusterError> {
        let there = self.partitions().await?;
        let names: Vec<_> = specs.iter().map(|spec| self.full_name(spec)).collect();
        let missing: Vec<_> =
            specs.iter().zip(&names).filter(|(_, name)| !there.contains_key(*name)).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let new: Vec<_> = missing
            .iter()
            .map(|(spec, name)| {
                let replication = TopicReplication::Fixed(number(spec.replication));
                let topic = NewTopic::new(name, number(spec.partitions), replication);
                spec.settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
            })
            .collect();
        let doing = || "to make topics".to_owned();
        let answers = self
            .admin()?
            .create_topics(&new, &options())
            .await
            .map_err(|error| self.failed(doing(), &error))?;
        let mut made = Vec::new();
        for answer in answers {
            match answer {
                Ok(name) => made.push(name),
                // Somebody else was quicker.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(ClusterError::Refused {
                        doing: format!("to make topic {name}"),
                        reason: code.to_string(),
                    });
                }
            }
        }
        Ok(made)
    }

    /// Reads all that a topic holds now, from its oldest record on, as no member of any group: nothing moves by it.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn scan(&self, spec: &TopicSpec) -> Result<Scan, ClusterError> {
        let name = self.full_name(spec);
        let Some(partitions) = self.partitions().await?.get(&name).copied() else {
            return Err(ClusterError::Missing { topics: vec![name] });
        };
        KafkaScan::begin(&self.config, &name, partitions).map(Scan::over_kafka)
    }

    /// Sends what waits and lets go of the brokers.
    pub async fn close(self) {
        // A failure is a panic of that task, which has spoken for itself.
        let _ = tokio::task::spawn_blocking(move || self.producer.flush()).await;
    }

    fn full_name(&self, spec: &TopicSpec) -> String {
        format!("{}{}", self.config.topic_prefix, spec.name)
    }

    /// Every topic that this client may see, with its count of partitions.
    async fn partitions(&self) -> Result<BTreeMap<String, u32>, ClusterError> {
        let live = self.producer.live();
        let asked = tokio::task::spawn_blocking(move || live.client().fetch_metadata(None, ANSWER)).await;
        let unreachable = |reason: String| ClusterError::Unreachable { reason };
        let metadata = asked
            .map_err(|error| unreachable(error.to_string()))?
            .map_err(|error| unreachable(self.reach.last_trouble().unwrap_or_else(|| error.to_string())))?;
        self.reach.up();
        let count =
            |topic: &rdkafka::metadata::MetadataTopic| u32::try_from(topic.partitions().len()).unwrap_or(0);
        Ok(metadata.topics().iter().map(|topic| (topic.name().to_owned(), count(topic))).collect())
    }

    fn check_partitions(
        &self,
        specs: &[TopicSpec],
        counts: &BTreeMap<String, u32>,
    ) -> Result<(), ClusterError> {
        let mut groups: BTreeMap<&str, Vec<(String, u32)>> = BTreeMap::new();
        for spec in specs {
            let Some(group) = &spec.same_partitions else { continue };
            let name = self.full_name(spec);
            let count = counts[&name];
            groups.entry(group).or_default().push((name, count));
        }
        for topics in groups.into_values() {
            if topics.iter().any(|(_, count)| *count != topics[0].1) {
                let counts: Vec<_> =
                    topics.iter().map(|(name, count)| format!("{name} has {count}")).collect();
                return Err(ClusterError::Partitions { counts: counts.join(", ") });
            }
        }
        Ok(())
    }

    async fn check_settings(&self, specs: &[TopicSpec]) -> Result<(), ClusterError> {
        let names: Vec<_> = specs.iter().map(|spec| self.full_name(spec)).collect();
        let asked: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let doing = || "to describe topics".to_owned();
        let answers = self
            .admin()?
            .describe_configs(&asked, &options())
            .await
            .map_err(|error| self.failed(doing(), &error))?;
        let longest = u64::try_from(self.config.record_limit()).unwrap_or(u64::MAX).saturating_add(OVERHEAD);
        for ((spec, name), answer) in specs.iter().zip(&names).zip(answers) {
            let answer = match answer {
                Ok(answer) => answer,
                // Who may not look can't check; the appends themselves still fail where the brokers refuse them.
                Err(
                    RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed,
                ) => {
                    tracing::warn!(topic = %name, "the topic's settings can't be read, so they go unchecked");
                    continue;
                }
                Err(code) => return Err(ClusterError::Refused { doing: doing(), reason: code.to_string() }),
            };
            let needs = spec.at_least.iter().map(|(setting, wanted)| (setting.as_str(), *wanted));
            for (setting, wanted) in needs.chain([("max.message.bytes", longest)]) {
                let found = answer.get(setting).and_then(|entry| entry.value.clone()).unwrap_or_default();
                let enough = found == "-1" || found.parse::<u64>().is_ok_and(|found| found >= wanted);
                if !enough {
                    let (topic, setting) = (name.clone(), setting.to_owned());
                    return Err(ClusterError::TooLow { topic, setting, found, wanted });
                }
            }
        }
        Ok(())
    }

    fn admin(&self) -> Result<AdminClient<Producing>, ClusterError> {
        let mut config = self.config.producer();
        config.set_log_level(RDKafkaLogLevel::Warning);
        AdminClient::from_config_and_context(&config, Producing(Arc::clone(&self.reach)))
            .map_err(ClusterError::of_config)
    }

    fn failed(&self, doing: String, error: &KafkaError) -> ClusterError {
        let reason = self.reach.last_trouble().unwrap_or_else(|| error.to_string());
        ClusterError::Refused { doing, reason }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER))
}
