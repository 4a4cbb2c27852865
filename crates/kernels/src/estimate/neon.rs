use super::{Estimates, Path, some};
use crate::hamming::neon::differ;

pub(super) fn neon() -> Option<Path> {
    Some(Path { name: "neon", above: above_neon })
}

#[target_feature(enable = "neon")]
fn above_neon(estimates: &Estimates<'_>, floor: f32, found: &mut Vec<(f32, u32)>) {
    some(estimates, floor, found, |a, b| differ(a, b));
}
