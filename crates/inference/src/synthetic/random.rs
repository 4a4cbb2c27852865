/// Numbers that follow from a seed by whole-number arithmetic alone (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014: SplitMix64).
pub(super) struct Random(u64);

impl Random {
    /// Seeds by a name (FNV-1a), so that every tensor of every model has numbers of its own.
    pub(super) fn named(name: &str) -> Self {
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, hash))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number of `0..count`.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        self.next() % count
    }

    /// Returns a number of `-limit..=limit`.
    pub(super) fn within(&mut self, limit: i64) -> i64 {
        self.below(2 * limit as u64 + 1) as i64 - limit
    }
}
