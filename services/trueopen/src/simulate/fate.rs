//! How a mail fares on its way: accepted, put off, refused, never sent.

use super::random::Random;

/// One delivery event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    /// What the closing table calls it.
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    /// How long after sending, in seconds.
    pub(super) after_seconds: i64,
    pub(super) smtp_code: Option<u16>,
    pub(super) enhanced_code: Option<&'static str>,
    pub(super) diagnostic: Option<&'static str>,
}

/// How a mail fares, with its share in a thousand.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Delivered,
    Late,
    Bounced(usize),
    Dropped,
    Silent,
}

const FATES: [(Fate, u64); 9] = [
    (Fate::Delivered, 905),
    (Fate::Late, 40),
    (Fate::Bounced(0), 18),
    (Fate::Bounced(1), 9),
    (Fate::Bounced(2), 11),
    (Fate::Bounced(3), 3),
    (Fate::Bounced(4), 5),
    (Fate::Dropped, 5),
    (Fate::Silent, 4),
];

/// Refusals for good as servers word them.
pub(super) const REFUSALS: [(&str, Option<u16>, Option<&str>, &str); 5] = [
    (
        "bounced: no such user",
        Some(550),
        Some("5.1.1"),
        "550 5.1.1 The email account that you tried to reach does not exist",
    ),
    (
        "bounced: mailbox full",
        Some(552),
        Some("5.2.2"),
        "552 5.2.2 The recipient's inbox is out of storage space",
    ),
    (
        "bounced: blocked",
        Some(550),
        Some("5.7.1"),
        "550 5.7.1 Service unavailable, client host blocked using a blocklist",
    ),
    ("bounced: no reason", None, None, "delivery was given up"),
    ("bounced: no such domain", Some(550), Some("5.1.2"), "550 5.1.2 Bad destination system address"),
];

/// What is told of a mail on its way, in order.
pub(super) fn way(random: &mut Random) -> Vec<Delivery> {
    let fate = random.pick(&FATES);
    let mut deliveries = vec![told("sent", "sent", 0)];
    match fate {
        Fate::Silent => {}
        Fate::Dropped => deliveries = vec![told("dropped", "dropped", 0)],
        Fate::Bounced(which) => {
            let (name, smtp_code, enhanced_code, text) = REFUSALS[which];
            let refused =
                Delivery { smtp_code, enhanced_code, diagnostic: Some(text), ..told(name, "bounced", 3) };
            deliveries.push(refused);
        }
        Fate::Delivered | Fate::Late => {
            let mut after = 2 + i64::try_from(random.below(8)).unwrap_or(0);
            if matches!(fate, Fate::Late) {
                deliveries.push(Delivery {
                    smtp_code: Some(451),
                    enhanced_code: Some("4.7.1"),
                    diagnostic: Some("451 4.7.1 Greylisted, try again later"),
                    ..told("deferred", "deferred", after)
                });
                after += 900;
            }
            deliveries.push(told("delivered", "delivered", after));
            if random.chance(1) {
                deliveries.push(told("complained", "complained", after + 60));
            }
        }
    }
    deliveries
}

/// A mail that is accepted at once.
pub(super) fn accepted() -> Vec<Delivery> {
    vec![told("sent", "sent", 0), told("delivered", "delivered", 3)]
}

/// How long after sending the mail was accepted, in seconds, if it was.
pub(super) fn accepted_after(deliveries: &[Delivery]) -> Option<i64> {
    deliveries.iter().find(|told| told.kind == "delivered").map(|told| told.after_seconds)
}

pub(super) fn told(name: &'static str, kind: &'static str, after_seconds: i64) -> Delivery {
    Delivery { name, kind, after_seconds, smtp_code: None, enhanced_code: None, diagnostic: None }
}
