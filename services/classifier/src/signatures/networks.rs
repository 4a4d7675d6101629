//! Every range in one flat structure, IPv4 beside IPv6, and the autonomous systems beside them.

use crate::data::ranges::{Number, Ranges, Table};
use ipnetwork::IpNetwork;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Collects ranges until all files are read.
#[derive(Debug, Default)]
pub(super) struct Builder {
    v4: Vec<(u32, u32, u16)>,
    v6: Vec<(u128, u128, u16)>,
    systems: BTreeMap<u32, Vec<u16>>,
}

/// Which signatures speak about an address.
#[derive(Debug)]
pub(super) struct Networks {
    /// The value of a range is the place of its set.
    ranges: Ranges,
    /// Signatures that speak together; the first set is empty.
    sets: Vec<Box<[u16]>>,
    /// In the order of their numbers.
    systems: Vec<(u32, Box<[u16]>)>,
}

impl Builder {
    /// Adds a range for a signature.
    pub(super) fn add_range(&mut self, range: IpNetwork, signature: u16) {
        self.add(range.network(), range.broadcast(), signature);
    }

    /// Adds all of a data set's ranges for a signature.
    pub(super) fn add_all(&mut self, ranges: &Ranges, signature: u16) {
        ranges.each(|first, last, _| self.add(first, last, signature));
    }

    /// Adds an autonomous system for a signature.
    pub(super) fn add_system(&mut self, asn: u32, signature: u16) {
        self.systems.entry(asn).or_default().push(signature);
    }

    fn add(&mut self, first: IpAddr, last: IpAddr, signature: u16) {
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => self.v4.push((first.into(), last.into(), signature)),
            (IpAddr::V6(first), IpAddr::V6(last)) => self.v6.push((first.into(), last.into(), signature)),
            _ => unreachable!("both ends of a range are of one family"),
        }
    }

    /// Lays everything flat.
    pub(super) fn build(self) -> Networks {
        let mut sets = Sets::default();
        let (v4, v6) = (flat(self.v4, &mut sets), flat(self.v6, &mut sets));
        let ranges = Ranges::of(v4, v6).expect("what was laid flat ascends");
        let systems = self.systems.into_iter().map(|(asn, signatures)| (asn, signatures.into())).collect();
        Networks { ranges, sets: sets.all, systems }
    }
}

impl Networks {
    /// Calls back with the signature of every range around the address, wide ones too, and of its autonomous system.
    pub(super) fn find(&self, ip: Option<IpAddr>, asn: Option<u32>, mut found: impl FnMut(u16)) {
        if let Some(ip) = ip {
            self.sets[self.ranges.find(ip) as usize].iter().copied().for_each(&mut found);
        }
        if let Some(asn) = asn
            && let Ok(place) = self.systems.binary_search_by_key(&asn, |(asn, _)| *asn)
        {
            self.systems[place].1.iter().copied().for_each(&mut found);
        }
    }
}

/// Sets of signatures, each kept once.
struct Sets {
    all: Vec<Box<[u16]>>,
    known: HashMap<Box<[u16]>, u32>,
}

impl Default for Sets {
    fn default() -> Self {
        let nothing: Box<[u16]> = Box::default();
        Self { all: vec![nothing.clone()], known: [(nothing, 0)].into() }
    }
}

impl Sets {
    fn place(&mut self, set: Box<[u16]>) -> u32 {
        if let Some(place) = self.known.get(&set) {
            return *place;
        }
        let place = self.all.len() as u32;
        self.all.push(set.clone());
        self.known.insert(set, place);
        place
    }
}

/// Lays ranges flat that may lie across each other: at every place the set of all around it.
fn flat<N: Number>(ranges: Vec<(N, N, u16)>, sets: &mut Sets) -> Table<N> {
    let mut changes: Vec<(N, bool, u16)> = Vec::with_capacity(ranges.len() * 2);
    for (first, last, signature) in ranges {
        changes.push((first, true, signature));
        if let Some(behind) = last.next() {
            changes.push((behind, false, signature));
        }
    }
    changes.sort_unstable();
    let mut table = Table::default();
    let mut around: BTreeMap<u16, usize> = BTreeMap::new();
    for at_once in changes.chunk_by(|left, right| left.0 == right.0) {
        for (_, begins, signature) in at_once {
            let count = around.entry(*signature).or_default();
            // An end may be sorted before a beginning at the same place: the count is whole again behind both.
            *count = if *begins { count.wrapping_add(1) } else { count.wrapping_sub(1) };
        }
        around.retain(|_, count| *count != 0);
        let value = sets.place(around.keys().copied().collect());
        if table.values.last().copied().unwrap_or_default() != value {
            table.starts.push(at_once[0].0);
            table.values.push(value);
        }
    }
    table
}
