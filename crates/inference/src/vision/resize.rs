//! Pictures brought to the size that an encoder takes, number for number as Pillow does it: weights of 22 bits, along
//! the rows and along the columns, rounded to whole numbers in between.

use super::Picture;

/// How pixels of another size are made of those around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Two pixels to either side at most, in proportion to their nearness.
    Linear,
    /// Catmull and Rom's cubic, over two pixels to either side.
    Cubic,
    /// A windowed sinc over three pixels to either side.
    Lanczos,
}

/// How a picture that is no square becomes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Both sides get the size, whatever that does to shapes.
    Squeeze,
    /// It is put in the middle of a square of one colour first.
    Pad,
}

/// Returns the pixels of a square of `size` × `size`, three numbers each, row by row. `ground` is what a padded one has
/// around the picture.
pub(super) fn square(picture: &Picture, size: usize, fit: Fit, filter: Filter, ground: [u8; 3]) -> Vec<u8> {
    let (width, height) = (picture.width(), picture.height());
    if fit == Fit::Squeeze || width == height {
        return resized(picture.pixels(), (width, height), (size, size), filter);
    }
    let side = width.max(height);
    let mut padded: Vec<u8> = ground.iter().copied().cycle().take(3 * side * side).collect();
    let (left, top) = ((side - width) / 2, (side - height) / 2);
    for (row, pixels) in picture.pixels().chunks_exact(3 * width).enumerate() {
        padded[3 * ((top + row) * side + left)..][..3 * width].copy_from_slice(pixels);
    }
    resized(&padded, (side, side), (size, size), filter)
}

fn resized(pixels: &[u8], from: (usize, usize), to: (usize, usize), filter: Filter) -> Vec<u8> {
    let across = |pixels: &[u8]| match from.0 == to.0 {
        true => pixels.to_vec(),
        false => rows(pixels, from.0, to.0, filter),
    };
    let down = |pixels: &[u8], width: usize| match from.1 == to.1 {
        true => pixels.to_vec(),
        false => columns(pixels, (width, from.1), to.1, filter),
    };
    // What shrinks more goes first, as in Pillow 13: colours are rounded and cut off in between.
    let down_first = from.1 > to.1 && from.1 * to.0 > from.0 * to.1;
    if down_first { across(&down(pixels, from.0)) } else { down(&across(pixels), to.0) }
}

/// Makes rows of `width` pixels from those of `from`.
fn rows(pixels: &[u8], from: usize, width: usize, filter: Filter) -> Vec<u8> {
    let shares = shares(from, width, filter);
    let mut out = Vec::with_capacity(pixels.len() / from * width);
    for row in pixels.chunks_exact(3 * from) {
        for Share { first, weights } in &shares {
            let seen = row[3 * first..].as_chunks::<3>().0;
            let mut sums = [HALF; 3];
            for (pixel, weight) in seen.iter().zip(weights) {
                for (sum, number) in sums.iter_mut().zip(pixel) {
                    *sum += i64::from(*number) * weight;
                }
            }
            out.extend(sums.map(byte));
        }
    }
    out
}

/// Makes `height` rows of so many.
fn columns(pixels: &[u8], (width, from): (usize, usize), height: usize, filter: Filter) -> Vec<u8> {
    let row_bytes = 3 * width;
    let mut out = Vec::with_capacity(row_bytes * height);
    let mut sums = vec![HALF; row_bytes];
    for Share { first, weights } in shares(from, height, filter) {
        sums.fill(HALF);
        for (row, weight) in pixels[first * row_bytes..].chunks_exact(row_bytes).zip(&weights) {
            for (sum, number) in sums.iter_mut().zip(row) {
                *sum += i64::from(*number) * weight;
            }
        }
        out.extend(sums.iter().copied().map(byte));
    }
    out
}

/// What a pixel is made of: some that lie side by side, and how much of each.
struct Share {
    first: usize,
    weights: Vec<i64>,
}

/// Bits behind the point: 32, less those of a pixel and two that sums may grow by (Pillow's `Resample.c`).
const BITS: u32 = 32 - 8 - 2;
const HALF: i64 = 1 << (BITS - 1);

fn byte(sum: i64) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

/// Finds what each of `to` pixels is made of, of `from`.
fn shares(from: usize, to: usize, filter: Filter) -> Vec<Share> {
    let scale = from as f64 / to as f64;
    // Where it becomes smaller, all pixels have a say.
    let stretch = scale.max(1.0);
    let reach = filter.reach() * stretch;
    // Multiplied, not divided: the last bit decides about colours that lie half-way.
    let shrink = 1.0 / stretch;
    let share = |index: usize| {
        let center = (index as f64 + 0.5) * scale;
        let first = (center - reach + 0.5).max(0.0) as usize;
        let end = ((center + reach + 0.5) as usize).min(from);
        let weight = |at: usize| filter.weight((at as f64 - center + 0.5) * shrink);
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let whole = |weight: f64| (weight / sum * f64::from(1 << BITS)).round() as i64;
        Share { first, weights: weights.into_iter().map(whole).collect() }
    };
    (0..to).map(share).collect()
}

impl Filter {
    /// How many pixels it sees to either side.
    fn reach(self) -> f64 {
        match self {
            Self::Linear => 1.0,
            Self::Cubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// How much of a pixel goes into one that is `x` pixels away.
    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Self::Linear => (1.0 - x).max(0.0),
            Self::Cubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Cubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5,
            Self::Lanczos if x < 3.0 => sinc(x) * sinc(x / 3.0),
            Self::Cubic | Self::Lanczos => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x == 0.0 { 1.0 } else { x.sin() / x }
}
