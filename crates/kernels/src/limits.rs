//! What the machine can do at most, to hold speeds against.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use crate::{Pool, isa::Isa};

/// Reads 256 MiB, which lie in no cache, with all threads; returns bytes a second, the best of nine times. Takes some tenths
/// of a second.
pub fn read_speed(pool: &Pool) -> f64 {
    // In pieces as large as those that a product of one row hands to a thread.
    const PIECE: usize = 4096;
    let words = vec![1_u64; 32 << 20];
    let sum = AtomicU64::new(0);
    let seconds = best(|| {
        pool.run(words.len() / PIECE, |index| {
            let words = words[PIECE * index..][..PIECE].as_chunks::<16>().0;
            let sums = words.iter().fold([0_u64; 16], |mut sums, words| {
                sums.iter_mut().zip(words).for_each(|(sum, word)| *sum ^= word);
                sums
            });
            sum.fetch_add(sums.iter().sum(), Ordering::Relaxed);
        });
    });
    black_box(sum.into_inner());
    size_of_val(words.as_slice()) as f64 / seconds
}

/// Multiplies bytes that are in registers, and adds up the products, with all threads and the instructions that packed rows are
/// multiplied with; returns operations a second, two for each product, the best of nine times. Takes some hundredths of a
/// second. `None` where there are no such instructions.
pub fn integer_speed(pool: &Pool) -> Option<f64> {
    let (rounds, products): (unsafe fn(u32) -> i32, u32) = match Isa::best() {
        Isa::Plain => return None,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => (x86::avx2, 32),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => (x86::avx512, 64),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => (neon::neon, 16),
        #[cfg(target_arch = "aarch64")]
        Isa::Dotprod => (neon::dotprod, 16),
        #[cfg(target_arch = "aarch64")]
        Isa::I8mm => (neon::i8mm, 32),
    };
    let seconds = best(|| {
        pool.run(pool.threads(), |_| {
            // SAFETY: the instruction set was found on this machine.
            black_box(unsafe { rounds(ROUNDS) });
        });
    });
    let sums = pool.threads() as f64 * f64::from(ROUNDS) * SUMS as f64;
    Some(2.0 * sums * f64::from(products) / seconds)
}

/// Sums that go on beside each other, so that none waits for itself.
const SUMS: usize = 12;

/// Some milliseconds.
const ROUNDS: u32 = 1_000_000;

/// The shortest of nine times, in seconds: other programs only ever add to it.
fn best(mut work: impl FnMut()) -> f64 {
    let mut times = [f64::INFINITY; 9];
    for time in &mut times {
        let start = Instant::now();
        work();
        *time = start.elapsed().as_secs_f64();
    }
    times.into_iter().fold(f64::INFINITY, f64::min)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::SUMS;

    /// 64 products for each sum of each round.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn avx512(rounds: u32) -> i32 {
        let (a, b) = (_mm512_set1_epi8(3), _mm512_set1_epi8(-5));
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
        let all = sums.into_iter().fold(_mm512_setzero_si512(), |all, sum| _mm512_add_epi32(all, sum));
        _mm512_reduce_add_epi32(all)
    }

    /// 32 products for each sum of each round.
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(rounds: u32) -> i32 {
        let (a, ones) = (_mm256_set1_epi8(3), _mm256_set1_epi16(1));
        let mut sums = [_mm256_set1_epi8(-5); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                // What is multiplied is what came before, or one product would do for all rounds.
                let pairs = _mm256_maddubs_epi16(a, *sum);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
        let all = sums.into_iter().fold(_mm256_setzero_si256(), |all, sum| _mm256_add_epi32(all, sum));
        _mm256_extract_epi32::<0>(all)
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;

    use super::SUMS;
    use crate::matrix::{sdot, smmla};

    /// 32 products for each sum of each round.
    #[target_feature(enable = "neon,i8mm")]
    pub(super) fn i8mm(rounds: u32) -> i32 {
        let (a, b) = (vdupq_n_s8(3), vdupq_n_s8(-5));
        let mut sums = [vdupq_n_s32(0); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = smmla(*sum, a, b);
            }
        }
        total(sums)
    }

    /// 16 products for each sum of each round.
    #[target_feature(enable = "neon,dotprod")]
    pub(super) fn dotprod(rounds: u32) -> i32 {
        let (a, b) = (vdupq_n_s8(3), vdupq_n_s8(-5));
        let mut sums = [vdupq_n_s32(0); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = sdot(*sum, a, b);
            }
        }
        total(sums)
    }

    /// 16 products for each sum of each round.
    #[target_feature(enable = "neon")]
    pub(super) fn neon(rounds: u32) -> i32 {
        let a = vdupq_n_s8(3);
        let mut sums = [vdupq_n_s32(-5); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                // What is multiplied is what came before, or one product would do for all rounds.
                let b = vreinterpretq_s8_s32(*sum);
                let products = vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b);
                *sum = vpadalq_s16(*sum, products);
            }
        }
        total(sums)
    }

    #[target_feature(enable = "neon")]
    fn total(sums: [int32x4_t; SUMS]) -> i32 {
        vaddvq_s32(sums.into_iter().fold(vdupq_n_s32(0), |all, sum| vaddq_s32(all, sum)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loop that was optimised away would be faster than any machine. Emulated ones are slow.
    #[test]
    fn they_are_of_this_world() {
        let pool = Pool::new(1);
        let read = read_speed(&pool);
        assert!((1e5..1e12).contains(&read), "{read} bytes/s");
        if let Some(integers) = integer_speed(&pool) {
            assert!((1e6..1e13).contains(&integers), "{integers} operations/s");
        }
    }
}
