//! Where chance comes from.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

/// xoshiro256++ 1.0 (Blackman and Vigna, 2019, <https://prng.di.unimi.it>), its state filled from the seed by
/// SplitMix64 as they advise. Fast, small, and written down: a seed means the same draws in every version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// A stream of its own for each seed; neighbouring seeds have nothing in common.
    pub fn new(seed: u64) -> Self {
        let mut counter = seed;
        Self { state: [(); 4].map(|()| split_mix(&mut counter)) }
    }

    /// Any of 2⁶⁴ numbers, equally likely.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// From `0.0..1.0`, in steps of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A seed for a request that names none, different every time. Say it in the answer, so that it can be repeated.
pub fn fresh_seed() -> u64 {
    // The standard library keys each of these from the operating system's randomness.
    RandomState::new().build_hasher().finish()
}

fn split_mix(counter: &mut u64) -> u64 {
    *counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *counter;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The generators' own values: SplitMix64 from 1234567 (Rosetta Code's list of it), xoshiro256++ from the state
    /// 1, 2, 3, 4 (worked by hand: 41943041 = (5 << 23) + 1).
    #[test]
    fn the_generators_are_what_they_say() {
        let mut counter = 1_234_567;
        assert_eq!(split_mix(&mut counter), 6_457_827_717_110_365_317);
        assert_eq!(split_mix(&mut counter), 3_203_168_211_198_807_973);

        let mut random = Random { state: [1, 2, 3, 4] };
        assert_eq!((random.bits(), random.bits()), (41_943_041, 58_720_359));
    }

    #[test]
    fn units_fill_the_interval() {
        let mut random = Random::new(7);
        let mut tenths = [0u32; 10];
        for _ in 0..100_000 {
            let unit = random.unit();
            assert!((0.0..1.0).contains(&unit));
            tenths[(unit * 10.0) as usize] += 1;
        }
        // χ² with 9 degrees of freedom: 27.9 is the 0.1% point.
        let chi: f64 = tenths.iter().map(|&n| (f64::from(n) - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi < 27.9, "{tenths:?}");
    }

    #[test]
    fn fresh_seeds_differ() {
        assert_ne!(fresh_seed(), fresh_seed());
    }
}
