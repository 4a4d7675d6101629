//! Chance from a seed: the same story every time.

/// A number of a name (FNV-1a): the same for ever.
pub(crate) fn hash(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A sequence of numbers (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of a name.
    pub(crate) fn of(name: &str) -> Self {
        Self(hash(name))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from one to another, both among them.
    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.next() % u64::try_from(to - from + 1).unwrap()).unwrap()
    }

    /// One of several.
    pub(crate) fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[usize::try_from(self.between(0, of.len() as i64 - 1)).unwrap()]
    }

    /// Whether it is so, in so many of a hundred times.
    pub(crate) fn happens(&mut self, percent: i64) -> bool {
        self.between(1, 100) <= percent
    }

    /// An address in one of these ranges of 256: `192.0.2`.
    pub(crate) fn ip(&mut self, networks: &[&str]) -> String {
        let network = self.one(networks);
        format!("{network}.{}", self.between(1, 254))
    }

    /// Milliseconds after the sending at which a scanner comes: the shares of craft-campaign #546.
    pub(crate) fn scan_after(&mut self) -> i64 {
        match self.between(1, 1000) {
            1..=5 => self.between(1_000, 10_000),
            6..=27 => self.between(10_000, 20_000),
            28..=691 => self.between(20_000, 60_000),
            692..=974 => self.between(60_000, 300_000),
            975..=993 => self.between(300_000, 1_800_000),
            _ => self.between(3_600_000, 86_400_000),
        }
    }
}
