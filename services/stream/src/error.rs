//! What can go wrong with a topic, whatever backs it.

/// Why records were not appended. Records before the one that failed may be durable: repeats must be harmless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The backing is full. It recovers when space returns.
    #[error("topic {topic} is full")]
    Full {
        /// The topic.
        topic: String,
    },
    /// The record is too large. Repeating it is useless: dead-letter it.
    #[error("a record of {bytes} bytes exceeds the limit of {limit} of topic {topic}")]
    TooLarge {
        /// The topic.
        topic: String,
        /// The record's length as stored.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Too much waits to be appended. Repeat later.
    #[error("too many appends to topic {topic} are waiting")]
    Busy {
        /// The topic.
        topic: String,
    },
    /// The backing failed and hasn't recovered. Repeat later.
    #[error("topic {topic} is disabled after a failure of what backs it")]
    Disabled {
        /// The topic.
        topic: String,
    },
    /// The topic was closed. Final for this handle.
    #[error("topic {topic} is closed")]
    Closed {
        /// The topic.
        topic: String,
    },
}

impl AppendError {
    pub(crate) fn of_journal(topic: &str, error: journal::AppendError) -> AppendError {
        let topic = topic.to_owned();
        match error {
            journal::AppendError::Full => AppendError::Full { topic },
            journal::AppendError::TooLarge { bytes, limit } => AppendError::TooLarge { topic, bytes, limit },
            // Never met: `Topic::append_all` hands over chunks far below the limit.
            journal::AppendError::TooMany { records, limit } => {
                AppendError::TooLarge { topic, bytes: records, limit }
            }
            journal::AppendError::Busy => AppendError::Busy { topic },
            journal::AppendError::Disabled => AppendError::Disabled { topic },
            journal::AppendError::Closed => AppendError::Closed { topic },
        }
    }

    /// Whether the same append may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            AppendError::Full { .. } | AppendError::Busy { .. } | AppendError::Disabled { .. } => true,
            AppendError::TooLarge { .. } | AppendError::Closed { .. } => false,
        }
    }

    /// The value of a metric's `reason` label.
    pub fn reason(&self) -> &'static str {
        match self {
            AppendError::Full { .. } => "full",
            AppendError::TooLarge { .. } => "too_large",
            AppendError::Busy { .. } => "busy",
            AppendError::Disabled { .. } => "disabled",
            AppendError::Closed { .. } => "closed",
        }
    }
}

/// Why a topic could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its journal could not be opened.
    #[error("topic {topic}: {error}")]
    Journal {
        /// The topic.
        topic: String,
        /// Why.
        error: journal::OpenError,
    },
}

/// Why a consumer got nothing. It stands where it stood.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The topic is closed, and everything in it was delivered.
    #[error("the topic is closed")]
    Closed,
    /// The backing couldn't be read. The caller may try again.
    #[error("{0}")]
    Backing(String),
}

/// Why a consumer could not be made or its position not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The group is not among `TopicConfig::groups`, so retention would not wait for it.
    #[error("topic {topic} has no consumer group {group}")]
    Unknown {
        /// The topic.
        topic: String,
        /// What was asked for.
        group: String,
    },
    /// The backing gave no place in the group.
    #[error("consumer group {group} of topic {topic} can't be joined: {reason}")]
    Refused {
        /// The topic.
        topic: String,
        /// The group.
        group: String,
        /// Why.
        reason: String,
    },
    /// The partition doesn't exist, or the offset lies beyond what was appended: a defect of the caller.
    #[error("offset {offset} of partition {partition} does not exist in topic {topic}")]
    NoSuchOffset {
        /// The topic.
        topic: String,
        /// The partition given.
        partition: u32,
        /// The offset given.
        offset: u64,
    },
}
