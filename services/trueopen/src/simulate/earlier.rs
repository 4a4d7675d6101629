//! Mailings of the weeks before the run: what became of them, and who came when. A pure function of the seed, as the campaign
//! of now is; times are told from the midnight (UTC) that begins the day of the run.

use super::cast::{APPLE, LINKS};
use super::fate;
use super::plan::{Hit, Mail, Mailbox, Target, mailbox, visits};
use super::random::Random;

/// How many days before the run each was sent. What comes of one lies within five days, so that nothing lies where a window
/// of a week or of thirty days begins, and two windows asked a moment apart are the same.
pub(super) const DAYS_AGO: [i64; 3] = [23, 13, 5];
/// At most so many mails each: they are there to be looked at, the load is the campaign of now.
const MOST: u64 = 5000;
/// The draws of [`Random`] that the first mailing uses; the campaign of now has those before.
const PART: u64 = 8;

const SECOND: i64 = 1000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// A mail of an earlier mailing.
pub(super) struct Earlier {
    /// Without hits: nobody can come to the tracker in the past.
    pub(super) mail: Mail,
    /// In the order of their times.
    pub(super) visits: Vec<Visit>,
    /// Whether a person came to a link on a second day.
    pub(super) returned: bool,
}

/// An open or a click as a mail provider's tracker saw it.
pub(super) struct Visit {
    pub(super) hit: Hit,
    /// From the midnight, in milliseconds: negative.
    pub(super) at: i64,
}

/// How many mails each mailing has: one to every recipient of the campaign of now.
pub(super) fn mails(recipients: u64) -> u64 {
    recipients.min(MOST)
}

/// The name of a mailing, from 0.
pub(super) fn campaign(seed: u64, mailing: usize) -> String {
    format!("simulated-{seed}-mailing-{}", mailing + 1)
}

/// The mail of one recipient in an earlier mailing.
pub(super) fn earlier(seed: u64, mailing: usize, number: u64) -> Earlier {
    let Mailbox { provider, domain, mx_host } = mailbox(seed, number);
    let mut random = Random::of(seed, number, PART + mailing as u64);
    let sent = -DAYS_AGO[mailing] * DAY + 9 * HOUR + SECOND * below(&mut random, 7200);
    let mut deliveries = fate::way(&mut random);
    let mut came = Vec::new();
    let mut returned = false;
    if let Some(after) = fate::accepted_after(&deliveries) {
        let accepted = sent + after * SECOND;
        let mut machine = accepted + SECOND + below(&mut random, 40 * SECOND);
        let read = waking(&mut random, accepted);
        let mut person = read;
        for hit in visits(&mut random, provider) {
            if hit.target == Target::Unsubscribe {
                if hit.method == "POST" {
                    deliveries.push(fate::told("unsubscribed", "unsubscribed", (person - sent) / SECOND));
                }
                continue;
            }
            let at = match hit.visitor {
                // It loads in its own time.
                APPLE => accepted + below(&mut random, 20 * 60 * SECOND),
                visitor if visitor.by_itself => machine,
                _ => person,
            };
            machine += 150;
            // A provider tells of opens and clicks, and knows neither methods nor our trap.
            if hit.method == "GET" && hit.target != Target::Trap {
                came.push(Visit { hit, at });
            }
            if hit.visitor.by_itself {
                continue;
            }
            person += 20 * SECOND + below(&mut random, 70 * SECOND);
            if matches!(hit.target, Target::Link(_)) && random.chance(400) {
                let later = DAY * (1 + below(&mut random, 2)) + below(&mut random, 4 * HOUR);
                let at = by_day(&mut random, read + later);
                returned = true;
                came.push(Visit { hit, at });
                // Who returns looks around.
                let link = usize::try_from(random.below(LINKS.len() as u64)).unwrap_or(0);
                came.push(Visit { hit: Hit { target: Target::Link(link), ..hit }, at: at + 40 * SECOND });
            }
        }
    }
    came.sort_by_key(|visit| visit.at);
    let mail = Mail {
        message_id: format!("sim-{seed}-{}-{number}", mailing + 1),
        campaign: campaign(seed, mailing),
        recipient_id: format!("r-{number}"),
        domain,
        mx_host,
        age_seconds: -sent / SECOND,
        deliveries,
        hits: Vec::new(),
    };
    Earlier { mail, visits: came, returned }
}

/// When a person reads a mail that was accepted then: most soon, some the next day, and hardly anybody at night.
fn waking(random: &mut Random, accepted: i64) -> i64 {
    let delay = match random.below(100) {
        0..45 => below(random, 2 * HOUR),
        45..75 => 2 * HOUR + below(random, 8 * HOUR),
        _ => 10 * HOUR + below(random, 20 * HOUR),
    };
    by_day(random, accepted + MINUTE + delay)
}

/// A minute after acceptance at the soonest: what comes sooner is a machine.
const MINUTE: i64 = 60 * SECOND;

/// The time itself if it lies between seven and ten in the evening (UTC), else a time of the morning after.
fn by_day(random: &mut Random, at: i64) -> i64 {
    let hour = at.rem_euclid(DAY);
    let morning = 7 * HOUR + below(random, 2 * HOUR);
    match hour / HOUR {
        0..7 => at - hour + morning,
        22.. => at - hour + DAY + morning,
        _ => at,
    }
}

fn below(random: &mut Random, end: i64) -> i64 {
    i64::try_from(random.below(end.unsigned_abs().max(1))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn all(seed: u64, mails: u64) -> Vec<(usize, Earlier)> {
        let of = |mailing| (0..mails).map(move |number| (mailing, earlier(seed, mailing, number)));
        (0..DAYS_AGO.len()).flat_map(of).collect()
    }

    #[test]
    fn everything_is_past_and_no_window_of_whole_weeks_begins_in_it() {
        for (mailing, Earlier { mail, visits, .. }) in all(1, 3000) {
            let sent = -mail.age_seconds * SECOND;
            let last = mail.deliveries.iter().map(|told| told.after_seconds).max().unwrap() * SECOND + sent;
            let end = visits.iter().map(|visit| visit.at).max().unwrap_or(sent).max(last);
            assert!(visits.is_sorted_by_key(|visit| visit.at));
            assert!(visits.iter().all(|visit| visit.at > sent), "{mail:?}");
            assert!(end < 0 && sent > -30 * DAY && end - sent < 5 * DAY, "{mail:?} {end}");
            assert!(!(sent < -6 * DAY && end > -7 * DAY), "{mailing}: {mail:?} {end}");
        }
    }

    #[test]
    fn few_mails_are_enough_for_readers_who_return_and_hours_that_differ() {
        for seed in [1, 3, 7] {
            let mails = all(seed, 50);
            let returned = mails.iter().filter(|(_, one)| one.returned).count();
            assert!((1..30).contains(&returned), "seed {seed}: {returned} returned");
            let people =
                mails.iter().flat_map(|(_, one)| &one.visits).filter(|visit| !visit.hit.visitor.by_itself);
            let hours: BTreeSet<i64> = people.map(|visit| visit.at.rem_euclid(7 * DAY) / HOUR).collect();
            assert!(hours.len() > 12, "seed {seed}: {hours:?}");
        }
    }

    #[test]
    fn a_recipient_has_the_same_mailbox_in_each_mailing_and_another_story() {
        let one = |mailing| earlier(5, mailing, 4);
        assert_eq!(one(0).mail.domain, super::super::plan::mail(5, 4).domain);
        assert_eq!((one(0).mail.domain, one(0).visits.len()), (one(2).mail.domain, one(0).visits.len()));
        let stories = |mailing| all(5, 200).into_iter().filter(move |(of, _)| *of == mailing);
        let visits = |mailing| stories(mailing).map(|(_, one)| one.visits.len()).collect::<Vec<_>>();
        assert_ne!(visits(0), visits(1));
    }
}
