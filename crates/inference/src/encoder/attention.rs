use std::{cell::Cell, ops::Range};

use athenaeum_kernels::Pool;

/// How a row is cut into heads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Divides `width`.
    pub(crate) count: usize,
    /// Numbers of all together.
    pub(crate) width: usize,
}

/// What one layer's attention looks at.
pub(crate) struct View<'a> {
    /// Where each row's text begins and ends, by row.
    pub(crate) texts: &'a [Range<usize>],
    pub(crate) queries: &'a [f32],
    /// By number of the width, then by row: what all tokens of a text are scored with lies together.
    pub(crate) keys: &'a [f32],
    pub(crate) values: &'a [f32],
    /// How far a token sees to either side.
    pub(crate) window: Option<usize>,
    pub(crate) distances: Option<&'a Distances>,
}

/// What is added to a score for how far two tokens stand apart.
#[derive(Debug)]
pub(crate) struct Distances {
    /// By head, then by distance from `1 - tokens_max` on.
    numbers: Vec<f32>,
    tokens_max: usize,
}

thread_local! {
    /// Where a thread keeps its numbers, from one piece of work to the next.
    static WORK: Cell<Work> = const { Cell::new(Work { queries: Vec::new(), scores: Vec::new(), sums: Vec::new() }) };
}

/// Of some rows in one head.
#[derive(Debug, Default)]
struct Work {
    queries: Vec<f32>,
    scores: Vec<f32>,
    sums: Vec<f32>,
}

/// Rows that are computed together where they see the same; as many as the kernel takes at once.
const ROWS: usize = 4;

/// Lays keys `[row][number]` as `[number][row]`.
pub(crate) fn transpose(pool: &Pool, keys: &[f32], width: usize, out: &mut [f32]) {
    let rows = keys.len() / width;
    // As many numbers as lie in one line of the cache.
    const LINE: usize = 16;
    pool.for_chunks_mut(out, LINE * rows, |index, out| {
        let first = index * LINE;
        let count = out.len() / rows;
        for (row, keys) in keys.chunks_exact(width).enumerate() {
            for (number, key) in keys[first..first + count].iter().enumerate() {
                out[number * rows + row] = *key;
            }
        }
    });
}

/// Lets every row look at all rows of its text, as far as its window reaches.
pub(crate) fn attend(heads: Heads, view: &View<'_>, out: &mut [f32], pool: &Pool) {
    let width = heads.width;
    pool.for_chunks_mut(out, ROWS * width, |index, mut out| {
        let mut work = WORK.take();
        let mut row = index * ROWS;
        while !out.is_empty() {
            let seen = view.seen(row);
            let alike =
                (row + 1..row + out.len() / width).take_while(|row| view.seen(*row) == seen).count() + 1;
            let (these, others) = out.split_at_mut(alike * width);
            for head in 0..heads.count {
                one_head(heads, view, (row, head), &seen, &mut work, these);
            }
            (out, row) = (others, row + alike);
        }
        WORK.set(work);
    });
}

/// Computes one head of some rows that see the same.
fn one_head(
    heads: Heads,
    view: &View<'_>,
    (first, head): (usize, usize),
    seen: &Range<usize>,
    work: &mut Work,
    out: &mut [f32],
) {
    let (width, size, rows) = (heads.width, heads.width / heads.count, view.texts.len());
    let count = out.len() / width;
    let scale = (size as f32).sqrt().recip();
    let of_head = head * size..(head + 1) * size;
    work.queries.clear();
    for query in view.queries[first * width..].chunks_exact(width).take(count) {
        work.queries.extend(query[of_head.clone()].iter().map(|number| number * scale));
    }
    work.scores.resize(count * seen.len(), 0.0);
    let keys = &view.keys[of_head.start * rows + seen.start..];
    athenaeum_kernels::product(&work.queries, size, keys, rows, &mut work.scores);
    if let Some(distances) = view.distances {
        for (row, scores) in work.scores.chunks_exact_mut(seen.len()).enumerate() {
            let numbers = distances.of(head, first + row, seen);
            scores.iter_mut().zip(numbers).for_each(|(score, number)| *score += number);
        }
    }
    athenaeum_kernels::softmax_rows(&mut work.scores, seen.len());
    work.sums.resize(count * size, 0.0);
    let values = &view.values[seen.start * width + of_head.start..];
    athenaeum_kernels::product(&work.scores, seen.len(), values, width, &mut work.sums);
    for (out, sums) in out.chunks_exact_mut(width).zip(work.sums.chunks_exact(size)) {
        out[of_head.clone()].copy_from_slice(sums);
    }
}

impl View<'_> {
    /// Returns the rows that a row looks at.
    fn seen(&self, row: usize) -> Range<usize> {
        let text = self.texts[row].clone();
        match self.window {
            Some(window) => row.saturating_sub(window).max(text.start)..text.end.min(row + window + 1),
            None => text,
        }
    }
}

// === impl Distances ===

impl Distances {
    /// Far tokens count less, by a slope of each head's own: powers of 2^(-8/n) for n heads, and where n is no power of
    /// two, those of the next smaller one and then every second one of the next larger one.
    pub(super) fn slopes(heads: usize, tokens_max: usize) -> Self {
        let power = if heads.is_power_of_two() { heads } else { heads.next_power_of_two() / 2 };
        let slope = |head: usize| {
            let exponent =
                if head < power { (head + 1) as f64 } else { (2 * (head - power) + 1) as f64 / 2.0 };
            (-8.0 / power as f64 * exponent).exp2() as f32
        };
        Self::new(heads, tokens_max, |head, distance| -slope(head) * distance.unsigned_abs() as f32)
    }

    /// Distances fall into ranges, whose numbers are learned: `[range][head]`.
    pub(super) fn ranges(learned: &[f32], heads: usize, tokens_max: usize) -> Self {
        let ranges = learned.len() / heads;
        Self::new(heads, tokens_max, |head, distance| learned[range(distance, ranges) * heads + head])
    }

    fn new(heads: usize, tokens_max: usize, number: impl Fn(usize, isize) -> f32) -> Self {
        let far = isize::try_from(tokens_max).unwrap_or(isize::MAX) - 1;
        let numbers = (0..heads).flat_map(|head| (-far..=far).map(move |distance| (head, distance)));
        Self { numbers: numbers.map(|(head, distance)| number(head, distance)).collect(), tokens_max }
    }

    fn of(&self, head: usize, row: usize, seen: &Range<usize>) -> &[f32] {
        let all = 2 * self.tokens_max - 1;
        // The number of distance 0 lies at tokens_max - 1.
        let first = self.tokens_max - 1 + seen.start - row;
        &self.numbers[head * all + first..][..seen.len()]
    }
}

/// Returns the range of a distance: half of them for tokens before, half for tokens behind; of each half, the first half
/// are single distances, and the others grow up to 128. Raffel et al. (2019), as in transformers' `modeling_mpnet.py`.
fn range(distance: isize, ranges: usize) -> usize {
    let half = ranges / 2;
    let (behind, apart) = (distance > 0, distance.unsigned_abs());
    let exact = half / 2;
    let within = if apart < exact {
        apart
    } else {
        let grown = (apart as f32 / exact as f32).ln() / (128.0 / exact as f32).ln() * (half - exact) as f32;
        (exact + grown as usize).min(half - 1)
    };
    if behind { half + within } else { within }
}
