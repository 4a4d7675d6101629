//! What happened in the mails to one domain's readers.

use super::level::{Readers, SEVERAL, level};
use super::{Told, reach};
use crate::policy::Policy;
use engagement::Kind;
use engagement::neighbour::{Fact, Hashed, Neighbour};

/// The hits of one account on the mails to one domain, in the order of their seconds.
#[derive(Debug, Default)]
pub(super) struct DomainGround {
    followed: Vec<Followed>,
    /// Who loaded images in which minute; of each minute no more than decide.
    loaded: Vec<(i64, u64)>,
}

/// The links of one message that were followed in one second.
#[derive(Debug)]
struct Followed {
    second: i64,
    reader: u64,
    message_id: Box<str>,
    /// A bit for each link, by its index modulo 64.
    links: u64,
    /// Together with the second before or after, these are all links of the mail.
    all: bool,
    told_sweep: u8,
    told_images: bool,
}

impl DomainGround {
    pub(super) fn len(&self) -> usize {
        self.followed.len() + self.loaded.len()
    }

    /// Lets go of what is older, and of the oldest beyond so many; how many those were.
    pub(super) fn forget_before(&mut self, second: i64, most: usize) -> usize {
        let old = self.followed.partition_point(|followed| followed.second < second);
        self.followed.drain(..old);
        let over = self.followed.len().saturating_sub(most);
        self.followed.drain(..over);
        // Of each minute no more are kept than decide, so these are few.
        let old = self.loaded.partition_point(|(minute, _)| *minute < second.div_euclid(60));
        self.loaded.drain(..old);
        over
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let ids: usize = self.followed.iter().map(|followed| followed.message_id.len()).sum();
        ids + self.followed.capacity() * size_of::<Followed>()
            + self.loaded.capacity() * size_of::<(i64, u64)>()
    }

    pub(super) fn take(
        &mut self,
        record: &Neighbour,
        second: i64,
        policy: &Policy,
        tell: impl FnMut(Told<'_>),
    ) {
        let Hashed(reader) = record.reader;
        match record.kind {
            Kind::Open => self.load(second.div_euclid(60), reader, policy, tell),
            Kind::Click => self.follow(record, second, policy, tell),
            Kind::Unsubscribe | Kind::Trap => {}
        }
    }

    /// A reader loaded images.
    fn load(&mut self, minute: i64, reader: u64, policy: &Policy, mut tell: impl FnMut(Told<'_>)) {
        let cell = self.minutes(minute, minute);
        let known = &self.loaded[cell.clone()];
        let enough = usize::try_from(policy.images_readers()).unwrap_or(usize::MAX);
        if known.len() >= enough || known.contains(&(minute, reader)) {
            return;
        }
        self.loaded.insert(cell.end, (minute, reader));
        let reach = policy.images_reach_minutes();
        let touched = self.range((minute - reach) * 60, (minute + reach) * 60 + 59);
        let mut known = None;
        for at in touched {
            let minute = self.followed[at].second.div_euclid(60);
            if known.is_none_or(|(known, _)| known != minute) {
                known = Some((minute, self.images(minute, policy)));
            }
            if known.is_some_and(|(_, images)| images) {
                self.followed[at].tell_images(&mut tell);
            }
        }
    }

    /// Whether enough readers loaded images around a minute.
    fn images(&self, minute: i64, policy: &Policy) -> bool {
        let reach = policy.images_reach_minutes();
        let mut readers = Readers::up_to(policy.images_readers());
        self.loaded[self.minutes(minute - reach, minute + reach)]
            .iter()
            .any(|(_, reader)| readers.add(*reader))
    }

    /// A link was followed.
    fn follow(&mut self, record: &Neighbour, second: i64, policy: &Policy, mut tell: impl FnMut(Told<'_>)) {
        let link = record.link_index.map_or(0, |link| 1_u64 << (link % 64));
        let cell = self.range(second, second);
        let same = |followed: &Followed| *followed.message_id == *record.message_id;
        let at = match self.followed[cell.clone()].iter().position(same) {
            Some(at) => {
                let at = cell.start + at;
                if self.followed[at].links & link == link {
                    return;
                }
                self.followed[at].links |= link;
                at
            }
            None => {
                let Hashed(reader) = record.reader;
                let followed = Followed {
                    second,
                    reader,
                    message_id: record.message_id.as_str().into(),
                    links: link,
                    all: false,
                    told_sweep: 0,
                    told_images: false,
                };
                self.followed.insert(cell.end, followed);
                cell.end
            }
        };
        if self.images(second.div_euclid(60), policy) {
            self.followed[at].tell_images(&mut tell);
        }
        let Some(count) = record.link_count.filter(|count| *count > 0) else { return };
        // Of very many links a burst's worth is as good as all.
        let most = u32::try_from(policy.burst_many_links()).unwrap_or(u32::MAX);
        self.sweep(record, second, u32::from(count).min(most), policy, &mut tell);
    }

    /// Notes whether all links of a message were followed around a second, and tells whom that concerns.
    fn sweep(
        &mut self,
        record: &Neighbour,
        second: i64,
        count: u32,
        policy: &Policy,
        tell: &mut impl FnMut(Told<'_>),
    ) {
        let places: Vec<usize> = self
            .range(second - 1, second + 1)
            .filter(|at| *self.followed[*at].message_id == *record.message_id)
            .collect();
        let mut changed = false;
        for pair in places.iter().zip(&places).chain(places.iter().zip(places.iter().skip(1))) {
            let (first, next) = (&self.followed[*pair.0], &self.followed[*pair.1]);
            if next.second - first.second > 1 || (first.links | next.links).count_ones() < count {
                continue;
            }
            for at in [*pair.0, *pair.1] {
                changed |= !self.followed[at].all;
                self.followed[at].all = true;
            }
        }
        if !changed {
            return;
        }
        let reach = reach(policy);
        for second in second - 1 - reach..=second + 1 + reach {
            self.raise(second, policy, tell);
        }
    }

    /// Tells those of a second who are not told of its level yet.
    fn raise(&mut self, second: i64, policy: &Policy, tell: &mut impl FnMut(Told<'_>)) {
        let cell = self.range(second, second);
        if cell.is_empty() {
            return;
        }
        let near = self.range(second - reach(policy), second + reach(policy));
        let mut readers = Readers::up_to(policy.fanout_many_readers());
        let mut swept = self.followed[near].iter().filter(|followed| followed.all);
        swept.any(|followed| readers.add(followed.reader));
        let level = level(readers.count(), policy);
        if level < SEVERAL {
            return;
        }
        for followed in self.followed[cell].iter_mut().filter(|followed| followed.all) {
            if followed.told_sweep < level {
                followed.told_sweep = level;
                tell(followed.told(Fact::Sweep, level));
            }
        }
    }

    fn range(&self, from: i64, to: i64) -> std::ops::Range<usize> {
        let start = self.followed.partition_point(|followed| followed.second < from);
        let end = start + self.followed[start..].partition_point(|followed| followed.second <= to);
        start..end
    }

    fn minutes(&self, from: i64, to: i64) -> std::ops::Range<usize> {
        let start = self.loaded.partition_point(|(minute, _)| *minute < from);
        let end = start + self.loaded[start..].partition_point(|(minute, _)| *minute <= to);
        start..end
    }
}

impl Followed {
    fn told(&self, fact: Fact, level: u8) -> Told<'_> {
        Told { message_id: &self.message_id, fact, second: self.second, address: None, level }
    }

    fn tell_images(&mut self, tell: &mut impl FnMut(Told<'_>)) {
        if !self.told_images {
            self.told_images = true;
            tell(self.told(Fact::Images, 1));
        }
    }
}
