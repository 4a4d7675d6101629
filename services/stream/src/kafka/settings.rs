//! Settings of the connection: what an operator passes through, and what the guarantees need as it is.

use super::cluster::ClusterError;
use rdkafka::ClientConfig;
use std::collections::BTreeMap;
use std::time::Duration;

/// How a cluster is reached.
#[derive(Clone)]
pub struct KafkaConfig {
    /// The first brokers to ask, `host:port` parted by commas.
    pub brokers: String,
    /// The name by which brokers know this process, and the prefix of its consumer groups' names.
    pub client_id: String,
    /// What stands before each topic's name at the brokers.
    pub topic_prefix: String,
    /// Properties of librdkafka by name, such as `security.protocol`. Those that the guarantees rest on are refused.
    pub settings: BTreeMap<String, String>,
    /// How long an append waits for the brokers. Beyond it the append is refused with
    /// [`AppendError::Disabled`](crate::AppendError::Disabled); the record may arrive all the same. Shows in
    /// `trueopen_stream_append_failures_total{reason="disabled"}`.
    pub append_limit: Duration,
    /// What this process alone is called, over all its lives: what a former life left open under it is ended at the next
    /// start, and two processes of one name shut each other out. Needed by [`Topic::worker`](crate::Topic::worker).
    pub instance: Option<String>,
}

/// After so long without an end brokers abort a transaction themselves, and with it ends what it held up: readers see
/// nothing behind an open one.
const TRANSACTION: Duration = Duration::from_secs(10);

/// Properties that are ours alone: with others nothing here would hold.
const RESERVED: &[&str] = &[
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "client.id",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.protocol",
    "isolation.level",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "request.required.acks",
    "statistics.interval.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// Whether a property's value must not be shown.
pub fn is_secret(name: &str) -> bool {
    ["password", "secret", "key", "token", "oauthbearer.config", "sasl.jaas"]
        .iter()
        .any(|part| name.contains(part))
}

impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.settings.keys().collect();
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("topic_prefix", &self.topic_prefix)
            .field("settings", &names)
            .field("append_limit", &self.append_limit)
            .field("instance", &self.instance)
            .finish()
    }
}

impl KafkaConfig {
    /// The defaults for these brokers.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            client_id: "trueopen".to_owned(),
            topic_prefix: String::new(),
            settings: BTreeMap::new(),
            append_limit: Duration::from_secs(10),
            instance: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), ClusterError> {
        let wrong = |name: &str, reason: &str| ClusterError::Setting {
            name: name.to_owned(),
            reason: reason.to_owned(),
        };
        if self.brokers.trim().is_empty() {
            return Err(wrong("brokers", "no broker is named"));
        }
        match self.settings.keys().find(|name| RESERVED.contains(&name.as_str())) {
            Some(name) => Err(wrong(name, "trueopen's guarantees rest on it, so it can't be set")),
            None => Ok(()),
        }
    }

    /// The longest record that is sent, as librdkafka counts: key and payload.
    pub(super) fn record_limit(&self) -> usize {
        self.settings.get("message.max.bytes").and_then(|bytes| bytes.parse().ok()).unwrap_or(1_000_000)
    }

    fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("statistics.interval.ms", "1000")
            // A broker that comes back is found within a second.
            .set("reconnect.backoff.max.ms", "1000")
            .set("log.connection.close", "false");
        config
    }

    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.writer();
        config
            .set("message.timeout.ms", self.append_limit.as_millis().to_string())
            .set("linger.ms", "5")
            .set("queue.buffering.max.kbytes", "65536");
        self.pass_through(config)
    }

    /// A producer of transactions under a name that no other has.
    pub(super) fn transactor(&self, id: &str) -> ClientConfig {
        let mut config = self.writer();
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", TRANSACTION.as_millis().to_string())
            // A transaction's end sends what waits.
            .set("linger.ms", "1")
            // Nobody asks for them between transactions, so they would pile up.
            .set("statistics.interval.ms", "0");
        let mut config = self.pass_through(config);
        // It may not exceed the transaction's, and adapts to that by itself.
        config.remove("message.timeout.ms");
        config
    }

    fn writer(&self) -> ClientConfig {
        let mut config = self.base();
        config.set("acks", "all").set("enable.idempotence", "true").set("compression.type", "lz4");
        config
    }

    pub(super) fn consumer(&self, group: &str, topic: &str) -> ClientConfig {
        let mut config = self.reader(&self.group(group, topic));
        config.set("enable.auto.commit", "true").set("auto.commit.interval.ms", "500");
        self.pass_through(config)
    }

    /// A consumer whose positions move within transactions alone.
    pub(super) fn worker(&self, group: &str, topic: &str) -> ClientConfig {
        let mut config = self.reader(&self.group(group, topic));
        config.set("enable.auto.commit", "false");
        self.pass_through(config)
    }

    /// A consumer of named partitions, with positions in a group that nobody joins: brokers take a position from who is
    /// no member only then.
    pub(super) fn follower(&self, group: &str, topic: &str) -> ClientConfig {
        let mut config = self.reader(&self.group(&format!("{group}-memory"), topic));
        config.set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        self.pass_through(config)
    }

    /// A client that sees what is not committed, to ask where partitions end.
    pub(super) fn uncommitted(&self) -> ClientConfig {
        let mut config = self.base();
        config.set("isolation.level", "read_uncommitted").set("statistics.interval.ms", "0");
        self.pass_through(config)
    }

    /// A group for each topic: groups with members of unlike subscriptions rebalance all of them for each.
    fn group(&self, group: &str, topic: &str) -> String {
        format!("{}.{group}.{topic}", self.client_id)
    }

    fn reader(&self, group: &str) -> ClientConfig {
        let mut config = self.base();
        config
            .set("group.id", group)
            // What a transaction wrote is there once it is committed, and never if it is not.
            .set("isolation.level", "read_committed")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            // What stays with a member is not taken from it for a moment.
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "2000")
            .set("queued.max.messages.kbytes", "32768")
            .set("fetch.wait.max.ms", "100");
        config
    }

    fn pass_through(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.settings {
            config.set(name, value);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_guarantees_rest_on_cant_be_set() {
        let with = |name: &str| KafkaConfig {
            settings: [(name.to_owned(), "1".to_owned())].into(),
            ..KafkaConfig::new("localhost:9092")
        };
        assert!(with("security.protocol").check().is_ok());
        let error = with("acks").check().unwrap_err().to_string();
        assert!(error.contains("acks"), "{error}");
        assert!(KafkaConfig::new(" ").check().is_err());
    }

    #[test]
    fn secrets_are_known_and_not_in_a_debug_print() {
        for name in
            ["sasl.password", "ssl.key.pem", "ssl.keystore.password", "sasl.oauthbearer.client.secret"]
        {
            assert!(is_secret(name), "{name}");
        }
        assert!(!is_secret("security.protocol") && !is_secret("sasl.username"));
        let mut config = KafkaConfig::new("localhost:9092");
        config.settings.insert("sasl.password".to_owned(), "opensesame".to_owned());
        assert!(!format!("{config:?}").contains("opensesame"));
    }
}
