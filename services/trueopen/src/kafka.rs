//! Kafka between stages that run by themselves: its settings, its topics, and waiting for it.

use crate::Failure;
use serde::de::Deserializer;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stream::{Cluster, KafkaConfig, Topic, TopicSpec};
use tracing::{info, warn};

/// The topics and what they have to be.
const TOPICS: &str = include_str!("../../../schema/kafka/topics.yaml");
/// The longest pause between tries to open topics.
const PAUSE: Duration = Duration::from_secs(5);

/// Kafka, for stages that run by themselves. `up` needs none.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KafkaSettings {
    /// The first brokers to ask, `host:port` parted by commas. Empty: there is no Kafka.
    pub(crate) brokers: String,
    /// The name by which brokers know us, and what consumer groups' names begin with.
    pub(crate) client_id: String,
    /// What stands before each topic's name at the brokers.
    pub(crate) topic_prefix: String,
    /// Whether `trueopen migrate` may make missing topics.
    pub(crate) create_topics: bool,
    /// Instead of the number in schema/kafka/topics.yaml, for topics that are made.
    pub(crate) partitions: Option<u32>,
    /// Instead of the number in schema/kafka/topics.yaml, for topics that are made.
    pub(crate) replication: Option<u32>,
    /// Instead of the number in schema/kafka/topics.yaml, for topics that are made and for the check at every start. With
    /// 1 a hit is lost when one broker's disk is.
    pub(crate) min_insync_replicas: Option<u32>,
    /// Seconds that an append waits for the brokers before it is made again
    /// (`trueopen_stream_append_failures_total{reason="disabled"}`).
    pub(crate) append_seconds: u64,
    /// Properties of librdkafka, such as `"security.protocol" = "SASL_SSL"`. Those that guarantees rest on are refused.
    pub(crate) settings: Properties,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: String::new(),
            client_id: "trueopen".to_owned(),
            topic_prefix: String::new(),
            create_topics: false,
            partitions: None,
            replication: None,
            min_insync_replicas: None,
            append_seconds: 10,
            settings: Properties::default(),
        }
    }
}

/// Properties of librdkafka by name. Secret ones never print. In a variable or a flag `_` may stand for the dot.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Properties(BTreeMap<String, String>);

/// A property, or properties whose names begin alike.
#[derive(Deserialize)]
#[serde(untagged)]
enum Node {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    Table(BTreeMap<String, Node>),
}

impl Node {
    fn flatten(self, name: String, into: &mut BTreeMap<String, String>) {
        let value = match self {
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(value) => value,
            Self::Table(nodes) => {
                for (rest, node) in nodes {
                    node.flatten(format!("{name}.{rest}"), into);
                }
                return;
            }
        };
        into.insert(name.replace('_', "."), value);
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut properties = BTreeMap::new();
        for (name, node) in BTreeMap::<String, Node>::deserialize(deserializer)? {
            node.flatten(name, &mut properties);
        }
        Ok(Self(properties))
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            let value = if stream::is_secret(name) { "********" } else { value };
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl std::fmt::Debug for Properties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    partitions: u32,
    replication: u32,
    min_insync_replicas: u32,
    topics: Vec<FileTopic>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTopic {
    name: String,
    #[serde(rename = "holds")]
    _holds: String,
    #[serde(rename = "key")]
    _key: String,
    same_partitions: Option<String>,
    settings: BTreeMap<String, String>,
    at_least: BTreeMap<String, u64>,
}

impl KafkaSettings {
    /// What the named topics have to be; all of them for no names.
    pub(crate) fn specs(&self, names: &[&str]) -> Vec<TopicSpec> {
        let file: File = serde_saphyr::from_str(TOPICS).expect("schema/kafka/topics.yaml is read by a test");
        let min_insync = self.min_insync_replicas.unwrap_or(file.min_insync_replicas);
        let spec = |topic: FileTopic| {
            let (mut settings, mut at_least) = (topic.settings, topic.at_least);
            settings.insert("min.insync.replicas".to_owned(), min_insync.to_string());
            at_least.insert("min.insync.replicas".to_owned(), u64::from(min_insync));
            TopicSpec {
                name: topic.name,
                partitions: self.partitions.unwrap_or(file.partitions),
                replication: self.replication.unwrap_or(file.replication),
                settings,
                at_least,
                same_partitions: topic.same_partitions,
            }
        };
        let mut specs: Vec<_> = file.topics.into_iter().map(spec).collect();
        if !names.is_empty() {
            let place = |spec: &TopicSpec| names.iter().position(|name| *name == spec.name);
            specs.retain(|spec| place(spec).is_some());
            specs.sort_by_key(place);
        }
        specs
    }

    /// A connection to the brokers, if any are named.
    pub(crate) fn cluster(&self) -> Result<Option<Cluster>, Failure> {
        self.cluster_as(None)
    }

    /// A connection under the name of this one process, if brokers are named.
    fn cluster_as(&self, instance: Option<String>) -> Result<Option<Cluster>, Failure> {
        if self.brokers.trim().is_empty() {
            return Ok(None);
        }
        let cluster = Cluster::new(KafkaConfig {
            client_id: self.client_id.clone(),
            topic_prefix: self.topic_prefix.clone(),
            settings: self.settings.0.clone(),
            append_limit: Duration::from_secs(self.append_seconds),
            instance,
            ..KafkaConfig::new(&self.brokers)
        });
        cluster.map(Some).map_err(|error| format!("the configuration is wrong: kafka: {error}").into())
    }

    /// The longest record that goes to the brokers.
    pub(crate) fn record_limit(&self) -> usize {
        let set = self.settings.0.get("message.max.bytes").and_then(|bytes| bytes.parse().ok());
        set.unwrap_or(1_000_000)
    }

    /// A connection to the brokers, for stages that are nothing without them.
    pub(crate) fn required_cluster(
        &self,
        command: &str,
        instance: Option<String>,
    ) -> Result<Cluster, Failure> {
        let missing = || {
            format!(
                "`trueopen {command}` reads from Kafka: set kafka.brokers (one machine needs only `trueopen up`)"
            )
        };
        self.cluster_as(instance)?.ok_or_else(|| missing().into())
    }
}

/// Whether the topics are open, for readiness. Clones share it.
#[derive(Clone)]
pub(crate) struct Gate {
    cluster: Cluster,
    closed: Arc<Mutex<Option<String>>>,
}

impl Gate {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let closed = Arc::new(Mutex::new(Some("kafka has not answered yet".to_owned())));
        Self { cluster: cluster.clone(), closed }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        match &*self.closed.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(reason) => Err(reason.clone()),
            None => self.cluster.healthy(),
        }
    }

    /// Opens topics, trying again for as long as it takes and saying each reason once.
    pub(crate) async fn open<const N: usize>(
        &self,
        settings: &KafkaSettings,
        names: [&str; N],
        groups: &[&str],
    ) -> Result<[Topic; N], Failure> {
        let specs = settings.specs(&names);
        let mut pause = Duration::from_millis(250);
        let mut said = String::new();
        loop {
            match self.cluster.open(&specs, groups).await {
                Ok(topics) => {
                    *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    info!(topics = names.join(", "), "kafka topics open");
                    return topics
                        .try_into()
                        .map_err(|_| "a topic is not in schema/kafka/topics.yaml".into());
                }
                Err(error) if !error.is_transient() => return Err(error.into()),
                Err(error) => {
                    let reason = error.to_string();
                    if reason != said {
                        warn!(%reason, "waiting for kafka");
                        said.clone_from(&reason);
                    }
                    *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::{CLASSIFIED, DEAD_LETTER, DELIVERY, NEIGHBOURS, RAW, SIGNALS};

    #[test]
    fn every_topic_of_ours_is_described() {
        let settings = KafkaSettings { min_insync_replicas: Some(1), ..KafkaSettings::default() };
        let names = [DELIVERY, RAW, CLASSIFIED, NEIGHBOURS, SIGNALS, DEAD_LETTER];
        let specs = settings.specs(&names);
        assert_eq!(specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), names);
        assert_eq!(settings.specs(&[]).len(), names.len());
        let alike: Vec<_> = specs.iter().filter(|spec| spec.same_partitions.is_some()).collect();
        assert_eq!(alike.len(), 4);
        for spec in specs {
            assert_eq!((spec.partitions, spec.replication), (12, 3));
            assert_eq!(spec.at_least["min.insync.replicas"], 1);
            assert!(spec.settings["retention.ms"].parse::<u64>().unwrap() >= spec.at_least["retention.ms"]);
        }
    }

    #[test]
    fn properties_are_read_in_each_spelling_and_print_without_secrets() {
        let toml = "brokers = \"b:9092\"\n[settings]\n\"security.protocol\" = \"SASL_SSL\"\nsasl_password = \"open\"\n\
                    sasl.username = \"u\"\n\"message.max.bytes\" = 2000\n";
        let settings: KafkaSettings = toml::from_str(toml).unwrap();
        let of = |name: &str| settings.settings.0[name].as_str();
        assert_eq!((of("security.protocol"), of("sasl.password")), ("SASL_SSL", "open"));
        assert_eq!((of("sasl.username"), of("message.max.bytes")), ("u", "2000"));
        let printed = format!("{settings:?} {}", toml::to_string(&settings).unwrap());
        assert!(!printed.contains("\"open\"") && printed.contains("********"), "{printed}");
    }

    #[test]
    fn a_property_that_guarantees_rest_on_is_named() {
        let with = |name: &str| KafkaSettings {
            brokers: "localhost:1".to_owned(),
            settings: Properties([(name.to_owned(), "1".to_owned())].into()),
            ..KafkaSettings::default()
        };
        for name in ["acks", "no.such.property"] {
            let error = with(name).cluster().err().unwrap().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(KafkaSettings::default().cluster().unwrap().is_none());
        let error = KafkaSettings::default().required_cluster("classify", None).err().unwrap().to_string();
        assert!(error.contains("kafka.brokers"), "{error}");
    }
}
