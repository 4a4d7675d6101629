//! Ranges of addresses with a value each, laid flat and sorted: one binary search an address.
//!
//! A prefix tree was measured beside it: a node for every bit on the way, several cache misses a look-up and ten times the
//! memory. Here half a million ranges take eight megabytes, and a file of them is read as it lies.

use std::net::IpAddr;

/// The value of what lies in no range.
pub(crate) const NONE: u32 = 0;

/// An address as a number.
pub(crate) trait Number: Copy + Ord {
    /// The next address, if there is one.
    fn next(self) -> Option<Self>;
}

impl Number for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Number for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// Where a value begins; it reaches to the next one's beginning. Beginnings ascend and neighbours differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table<N> {
    pub(crate) starts: Vec<N>,
    pub(crate) values: Vec<u32>,
}

impl<N> Default for Table<N> {
    fn default() -> Self {
        Self { starts: Vec::new(), values: Vec::new() }
    }
}

impl<N: Number> Table<N> {
    /// Lays ranges flat: first and last address, value. Of several around one address the one that begins last, the
    /// narrower one where ranges lie in each other, speaks.
    pub(crate) fn of(mut ranges: Vec<(N, N, u32)>) -> Self {
        ranges.sort_by(|left, right| left.0.cmp(&right.0).then(right.1.cmp(&left.1)));
        let mut table = Self::default();
        // What is open at the place that was reached, the widest first.
        let mut open: Vec<(N, u32)> = Vec::new();
        for (first, last, value) in ranges {
            table.close(&mut open, Some(first));
            table.set(first, value);
            open.push((last, value));
        }
        table.close(&mut open, None);
        table
    }

    /// Closes what ends before an address; with none, everything.
    fn close(&mut self, open: &mut Vec<(N, u32)>, before: Option<N>) {
        while let Some((end, _)) = open.last().copied()
            && before.is_none_or(|before| end < before)
        {
            while open.last().is_some_and(|(other, _)| *other <= end) {
                open.pop();
            }
            if let Some(next) = end.next() {
                self.set(next, open.last().map_or(NONE, |(_, value)| *value));
            }
        }
    }

    /// From this address on the value holds.
    fn set(&mut self, start: N, value: u32) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.values.pop();
        }
        if self.values.last().copied().unwrap_or(NONE) != value {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    /// The value at an address, looked for among these places.
    fn at(&self, address: N, places: std::ops::Range<usize>) -> u32 {
        let place = places.start + self.starts[places].partition_point(|start| *start <= address);
        place.checked_sub(1).map_or(NONE, |place| self.values[place])
    }

    /// Whether beginnings ascend.
    fn is_sound(&self) -> bool {
        self.starts.len() == self.values.len() && self.starts.is_sorted_by(|left, right| left < right)
    }
}

/// Both families, ready to be asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranges {
    v4: Table<u32>,
    v6: Table<u128>,
    /// Of the sixteen leading bits of an IPv4 address, where its ranges begin: it saves most steps of the search.
    leading: Vec<u32>,
}

impl Ranges {
    /// Both tables together; nothing if one is not in order.
    pub(crate) fn of(v4: Table<u32>, v6: Table<u128>) -> Option<Self> {
        if !v4.is_sound() || !v6.is_sound() || u32::try_from(v4.starts.len()).is_err() {
            return None;
        }
        let mut leading = Vec::new();
        if !v4.starts.is_empty() {
            leading.reserve_exact(LEADING + 1);
            let mut place = 0;
            for block in 0..LEADING as u32 {
                place += v4.starts[place..].partition_point(|start| start >> 16 < block);
                leading.push(place as u32);
            }
            leading.push(v4.starts.len() as u32);
        }
        Some(Self { v4, v6, leading })
    }

    /// The value of an address. An IPv4 client of a socket that listens on both families shows as ::ffff:a.b.c.d.
    pub(crate) fn find(&self, ip: IpAddr) -> u32 {
        match ip.to_canonical() {
            IpAddr::V4(ip) if !self.leading.is_empty() => {
                let address = u32::from(ip);
                let block = (address >> 16) as usize;
                let places = self.leading[block] as usize..self.leading[block + 1] as usize;
                self.v4.at(address, places)
            }
            IpAddr::V4(_) => NONE,
            IpAddr::V6(ip) => self.v6.at(u128::from(ip), 0..self.v6.starts.len()),
        }
    }

    /// Calls back with every range: first and last address, value.
    pub(crate) fn each(&self, mut say: impl FnMut(IpAddr, IpAddr, u32)) {
        let v4 = |number: u32| IpAddr::from(number.to_be_bytes());
        let v6 = |number: u128| IpAddr::from(number.to_be_bytes());
        for (place, (start, value)) in self.v4.starts.iter().zip(&self.v4.values).enumerate() {
            let end = self.v4.starts.get(place + 1).map_or(u32::MAX, |next| next - 1);
            if *value != NONE {
                say(v4(*start), v4(end), *value);
            }
        }
        for (place, (start, value)) in self.v6.starts.iter().zip(&self.v6.values).enumerate() {
            let end = self.v6.starts.get(place + 1).map_or(u128::MAX, |next| next - 1);
            if *value != NONE {
                say(v6(*start), v6(end), *value);
            }
        }
    }

    /// The IPv4 half.
    pub(crate) fn v4(&self) -> &Table<u32> {
        &self.v4
    }

    /// The IPv6 half.
    pub(crate) fn v6(&self) -> &Table<u128> {
        &self.v6
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.v4.starts.capacity() * 8 + self.v6.starts.capacity() * 20 + self.leading.capacity() * 4
    }
}

/// So many values sixteen bits have.
const LEADING: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(ranges: &[(u32, u32, u32)]) -> Ranges {
        Ranges::of(Table::of(ranges.to_vec()), Table::default()).unwrap()
    }

    #[test]
    fn the_narrower_speaks_and_what_lies_between_is_nothing() {
        let ranges = table(&[(10, 99, 1), (20, 29, 2), (25, 25, 3), (100, 110, 1), (200, u32::MAX, 4)]);
        let at = |address: u32| ranges.find(IpAddr::from(address.to_be_bytes()));
        let found = [9, 10, 19, 20, 25, 26, 30, 99, 100, 110, 111, 199, 200, u32::MAX].map(at);
        assert_eq!(found, [0, 1, 1, 2, 3, 2, 1, 1, 1, 1, 0, 0, 4, 4]);
        let mut said = Vec::new();
        ranges.each(|first, _, value| said.push((first.to_string(), value)));
        assert_eq!(said.len(), 6, "neighbours of one value are one: {said:?}");
        assert_eq!(Ranges::default().find("192.0.2.1".parse().unwrap()), NONE);
    }

    #[test]
    fn both_families_are_apart() {
        let v6 = u128::from("2001:db8::".parse::<std::net::Ipv6Addr>().unwrap());
        let ranges =
            Ranges::of(Table::of(vec![(0x0102_0000, 0x0102_ffff, 7)]), Table::of(vec![(v6, v6 + 255, 9)]))
                .unwrap();
        for (ip, value) in [
            ("1.2.0.0", 7),
            ("1.2.255.255", 7),
            ("1.3.0.0", 0),
            ("::ffff:1.2.3.4", 7),
            ("2001:db8::ff", 9),
            ("2001:db8::100", 0),
        ] {
            assert_eq!(ranges.find(ip.parse().unwrap()), value, "{ip}");
        }
    }

    proptest! {
        #[test]
        fn every_address_has_the_value_of_its_narrowest_range(
            ranges in prop::collection::vec((0_u32..400, 0_u32..60, 1_u32..6), 0..40),
        ) {
            // Ranges as CIDR lists have them: in each other or apart, aligned to their length.
            let ranges: Vec<(u32, u32, u32)> = ranges
                .into_iter()
                .map(|(start, length, value)| {
                    let length = length.next_power_of_two();
                    (start / length * length, start / length * length + length - 1, value)
                })
                .collect();
            let flat = table(&ranges);
            for address in 0..600_u32 {
                let around = ranges.iter().filter(|(first, last, _)| (*first..=*last).contains(&address));
                let narrowest = around.clone().map(|(first, last, _)| last - first).min();
                let found = flat.find(IpAddr::from(address.to_be_bytes()));
                match narrowest {
                    None => prop_assert_eq!(found, NONE),
                    Some(length) => prop_assert!(
                        around.clone().any(|(first, last, value)| last - first == length && *value == found)
                    ),
                }
            }
        }
    }
}
