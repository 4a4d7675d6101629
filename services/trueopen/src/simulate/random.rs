//! Chance that is the same each time.

/// A small generator (splitmix64): the same seed makes the same campaign on every machine.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// The chance of one recipient; `part` keeps what is drawn for one purpose apart from what is drawn for another.
    pub(super) fn of(seed: u64, number: u64, part: u64) -> Self {
        let number = number.wrapping_mul(0x9e6c_63d0_876a_68de) ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93);
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Whether something happens that happens so many times in a thousand.
    pub(super) fn chance(&mut self, in_thousand: u64) -> bool {
        self.below(1000) < in_thousand
    }

    /// The last part of an address.
    pub(super) fn host(&mut self) -> u8 {
        u8::try_from(1 + self.below(250)).unwrap_or(1)
    }

    pub(super) fn pick<T: Copy>(&mut self, shares: &[(T, u64)]) -> T {
        let mut left = self.below(shares.iter().map(|(_, share)| share).sum());
        for (item, share) in shares {
            if left < *share {
                return *item;
            }
            left -= share;
        }
        shares[0].0
    }
}
