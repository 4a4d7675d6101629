//! From an opened token and a request to a durable hit.

use crate::metrics::{JOURNALED, REFUSED, UNCONFIRMED};
use engagement::token::Content;
use engagement::{AccountId, AccountNumber, EventIds, Hit, Request, Timestamp, message_key, to_wire};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};
use stream::{AppendError, Record, Topic};
use tracing::error;
use uuid::Uuid;

/// The ids of this process' hits.
static IDS: LazyLock<EventIds> = LazyLock::new(|| EventIds::new(Uuid::new_v4().as_u64_pair().1));

/// What became of a hit before its reader was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// On disk.
    Durable,
    /// Refused: lost, counted by reason.
    Refused,
    /// Not known in time; counted when it is.
    Unconfirmed,
}

/// Makes the hit of a request that arrived now.
pub(crate) fn hit(
    content: Content,
    number: AccountNumber,
    account: Option<AccountId>,
    request: Request,
) -> Hit {
    let received_at = Timestamp::from_clock(SystemTime::now());
    let link = content.link;
    Hit {
        v: Hit::VERSION,
        event_id: IDS.next(received_at),
        account_number: number,
        account,
        kind: content.kind,
        received_at,
        message_id: content.message_id,
        recipient_id: content.recipient_id,
        campaign: content.campaign,
        recipient_domain: content.recipient_domain.to_lowercase(),
        sent_at: content.sent_at,
        link_index: link.as_ref().map(|link| link.index),
        link_count: link.as_ref().map(|link| link.count),
        label: link.and_then(|link| link.label),
        original: None,
        request,
    }
}

/// Writes a hit and waits for it at most `wait`. The writing goes on, and is counted, even when the wait is over or
/// the reader has gone.
pub(crate) async fn keep(topic: &Topic, hit: &Hit, wait: Duration) -> Outcome {
    let record =
        Record { key: message_key(hit.account_number, &hit.message_id), payload: to_wire(hit).into() };
    let topic = topic.clone();
    let writing = tokio::spawn(async move {
        match topic.append(record).await {
            Ok(()) => {
                JOURNALED.inc();
                Outcome::Durable
            }
            Err(error) => {
                refused(&error);
                Outcome::Refused
            }
        }
    });
    match tokio::time::timeout(wait, writing).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Outcome::Refused,
        Err(_) => {
            UNCONFIRMED.inc();
            Outcome::Unconfirmed
        }
    }
}

fn refused(error: &AppendError) {
    let reason = error.reason();
    let counter = REFUSED.with_label_values(&[reason]);
    // One line at the first and then at each power of two: a full disk must not fill the log as well.
    counter.inc();
    if counter.get().is_power_of_two() {
        error!(reason, lost = counter.get(), "the journal refused a hit, the reader was served");
    }
}
