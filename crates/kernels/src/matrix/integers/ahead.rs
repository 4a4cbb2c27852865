//! Asking memory for weights before they are needed.
//!
//! A row of a generated token's products is read once and never again soon, so its speed is the memory's. Processors read ahead by
//! themselves, but not across pages of 4 KiB; what is asked for here is. Asked for 8 KiB ahead, one thread reads 30 to 34
//! GB/s of weights, where 1 KiB gave 23, and a loop that only adds up words 27 (`examples/speed.rs`; more than 8 KiB gains
//! nothing).

const AHEAD: usize = 8 << 10;

/// Asks for as many bytes as are being used up at `packed`.
#[inline(always)]
pub(super) fn ask_for_more(packed: *const u8, bytes: usize) {
    for line in (0..bytes).step_by(64) {
        to_first_cache(packed.wrapping_add(AHEAD + line));
    }
}

/// Asks for the weights of the next tile little by little, while the rows of this one meet the inputs: all at once, they
/// would keep everything else waiting.
pub(super) struct NextTile<'a> {
    left: &'a [u8],
    /// Bytes for each time.
    share: usize,
}

impl<'a> NextTile<'a> {
    /// The weights are wanted after so many times of [`NextTile::ask`].
    pub(super) fn new(packed: &'a [u8], times: usize) -> Self {
        Self { left: packed, share: packed.len().div_ceil(times.max(1)).next_multiple_of(64) }
    }

    #[inline(always)]
    pub(super) fn ask(&mut self) {
        let (now, later) = self.left.split_at(self.share.min(self.left.len()));
        for line in now.iter().step_by(64) {
            to_second_cache(line);
        }
        self.left = later;
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn to_first_cache(line: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint; no address makes it fail.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn to_second_cache(line: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
    // SAFETY: a hint; no address makes it fail.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(line.cast()) };
}

// What the library calls `_prefetch` is not stable in Rust 1.95 (issue 117217).

#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) fn to_first_cache(line: *const u8) {
    // SAFETY: a hint; no address makes it fail.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{line}]", line = in(reg) line, options(readonly, nostack, preserves_flags));
    }
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn to_second_cache(line: *const u8) {
    // SAFETY: a hint; no address makes it fail.
    unsafe {
        std::arch::asm!("prfm pldl2keep, [{line}]", line = in(reg) line, options(readonly, nostack, preserves_flags));
    }
}
