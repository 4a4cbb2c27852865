use std::{cell::Cell, ops::Range};

use athenaeum_kernels::{Pool, Softmaxes, add_product, attention_scores, soon, unpack_numbers};

use super::{Config, Row};
use crate::cache::{Cache, PAGE, Page};

/// What one layer's attention looks at.
pub(super) struct View<'a> {
    pub(super) cache: &'a Cache,
    pub(super) layer: usize,
    pub(super) rows: &'a [Row],
    /// By row, the position up to which it sees: the one behind its own, or a later one.
    pub(super) sees_until: &'a [u32],
    pub(super) sequences: &'a [&'a [Page]],
}

/// Fewer rows than this are divided by heads.
const ROWS: usize = 8;

/// Queries, of all rows and heads together, that look at a page at once where there are many: it is unpacked once for all of them.
const QUERIES: usize = 64;

/// Lets every row look at the tokens before it and at itself, and rows of a picture perhaps at all of that.
///
/// Soft-max is kept up page by page (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).
/// Pages stand at fixed positions, so the order of additions is the same however a prompt was cut into batches.
pub(super) fn attend(config: &Config, view: &View<'_>, queries: &[f32], out: &mut [f32], pool: &Pool) {
    let shared = config.heads / config.kv_heads * config.head_size;
    let width = config.query_width();
    let inputs = Inputs { config, view, queries };
    if view.rows.len() < ROWS {
        // One piece of work: the heads of one row that share keys and values.
        pool.for_chunks_mut(out, shared, |index, out| {
            let (row, kv_head) = (index / config.kv_heads, index % config.kv_heads);
            inputs.attend_together(row..row + 1, kv_head, out, shared);
        });
        return;
    }
    let at_once = rows_at_once(view.rows.len(), config.heads / config.kv_heads, pool.threads());
    pool.for_chunks_mut(out, at_once * width, |index, mut out| {
        let mut first = index * at_once;
        while !out.is_empty() {
            let sequence = view.rows[first].sequence;
            let more = &view.rows[first..first + out.len() / width];
            let count = more.iter().take_while(|row| row.sequence == sequence).count();
            let (these, others) = out.split_at_mut(count * width);
            for kv_head in 0..config.kv_heads {
                inputs.attend_together(first..first + count, kv_head, &mut these[kv_head * shared..], width);
            }
            (out, first) = (others, first + count);
        }
    });
}

/// Returns how many rows of a batch a thread works on at once, if so many `heads` share keys and values: enough for a page to be
/// unpacked seldom, and no more than leave every thread its part.
fn rows_at_once(rows: usize, heads: usize, threads: usize) -> usize {
    let most = (QUERIES / heads).max(ROWS);
    rows.div_ceil(rows.div_ceil(most).next_multiple_of(threads.max(1)))
}

struct Inputs<'a> {
    config: &'a Config,
    view: &'a View<'a>,
    /// Of all rows and heads.
    queries: &'a [f32],
}

thread_local! {
    /// Where a thread keeps its numbers, from one piece of work to the next.
    static WORK: Cell<Work> = const { Cell::new(Work::EMPTY) };
}

/// What is kept of the heads of some rows that share keys and values: by row, then by head.
#[derive(Default)]
struct Work {
    queries: Vec<f32>,
    /// Of one page: by token, then by number.
    keys: Vec<f32>,
    values: Vec<f32>,
    /// By row and head, then by token of the page.
    scores: Vec<f32>,
    /// Values by what they count so far, not yet divided by their sum.
    sums: Vec<f32>,
    softmax: Softmaxes,
}

impl Inputs<'_> {
    /// Computes the heads that share keys and values, of some rows of one sequence. `out` begins with those of the first
    /// row; those of the next lie `stride` numbers further.
    fn attend_together(&self, rows: Range<usize>, kv_head: usize, out: &mut [f32], stride: usize) {
        let Self { config, view, .. } = *self;
        let (size, heads) = (config.head_size, config.heads / config.kv_heads);
        let (shared, count) = (heads * size, rows.len());
        let mut work = WORK.take();
        work.begin(count * heads, size);
        for (queries, row) in work.queries.chunks_exact_mut(shared).zip(rows.clone()) {
            let at = row * config.query_width() + kv_head * shared;
            queries.copy_from_slice(&self.queries[at..at + shared]);
        }
        let seen = |row: usize| self.seen(row);
        let first = rows.clone().map(|row| seen(row).start).min().unwrap_or_default();
        let end = rows.clone().map(|row| seen(row).end).max().unwrap_or_default();
        let pages = first / PAGE..end.div_ceil(PAGE);
        for page in pages.clone() {
            // Of the last page there may be little.
            let tokens = (end - page * PAGE).min(PAGE);
            let (keys, values) = self.kept(&rows, page, kv_head, tokens);
            soon(values);
            unpack_numbers(view.cache.format(), keys, &mut work.keys[..tokens * size]);
            let scores = &mut work.scores[..count * heads * tokens];
            attention_scores(&work.queries, &work.keys[..tokens * size], size, scores);
            // What this thread is likely to look at next.
            if page + 1 < pages.end {
                soon(self.kept(&rows, page + 1, kv_head, PAGE).0);
            } else if kv_head + 1 < config.kv_heads {
                soon(self.kept(&rows, pages.start, kv_head + 1, tokens).0);
            }
            unpack_numbers(view.cache.format(), values, &mut work.values[..tokens * size]);
            let whole = page * PAGE..(page + 1) * PAGE;
            if rows.clone().all(|row| seen(row).start <= whole.start && whole.end <= seen(row).end) {
                work.add_page(config, 0..count * heads);
                continue;
            }
            for (index, row) in rows.clone().enumerate() {
                let seen = seen(row);
                let slots =
                    seen.start.saturating_sub(page * PAGE)..seen.end.saturating_sub(page * PAGE).min(PAGE);
                if !slots.is_empty() {
                    work.add(config, index * heads..(index + 1) * heads, slots, tokens);
                }
            }
        }
        for (sums, total) in work.sums.chunks_exact_mut(size).zip(work.softmax.sums()) {
            sums.iter_mut().for_each(|number| *number /= total);
        }
        for (out, sums) in out.chunks_mut(stride).zip(work.sums.chunks_exact(shared)) {
            out[..shared].copy_from_slice(sums);
        }
        WORK.set(work);
    }

    /// Returns the keys and values of the first tokens of a page.
    fn kept(&self, rows: &Range<usize>, page: usize, kv_head: usize, tokens: usize) -> (&[u8], &[u8]) {
        let view = self.view;
        let number = view.sequences[view.rows[rows.start].sequence][page];
        let (keys, values) = view.cache.rows(view.layer, number, kv_head);
        let bytes = keys.len() / PAGE * tokens;
        (&keys[..bytes], &values[..bytes])
    }

    /// Returns the positions that a row looks at.
    fn seen(&self, row: usize) -> Range<usize> {
        // A window reaches back as far as ever; forward it leaves open what a picture's rows see of one another
        // (transformers' `modeling_gemma3.py`).
        let own = self.view.rows[row].position as usize + 1;
        let start = self.config.window_of(self.view.layer).map_or(0, |window| own.saturating_sub(window));
        start..self.view.sees_until[row] as usize
    }
}

impl Work {
    const EMPTY: Self = Self {
        queries: Vec::new(),
        keys: Vec::new(),
        values: Vec::new(),
        scores: Vec::new(),
        sums: Vec::new(),
        softmax: Softmaxes::EMPTY,
    };

    /// Makes room for so many heads.
    fn begin(&mut self, heads: usize, size: usize) {
        self.queries.resize(heads * size, 0.0);
        self.keys.resize(PAGE * size, 0.0);
        self.values.resize(PAGE * size, 0.0);
        self.scores.resize(heads * PAGE, 0.0);
        self.sums.clear();
        self.sums.resize(heads * size, 0.0);
        self.softmax.begin(heads);
    }

    /// Adds a page that some heads see all of.
    fn add_page(&mut self, config: &Config, heads: Range<usize>) {
        let scores = &mut self.scores[heads.start * PAGE..heads.end * PAGE];
        add_seen(config, heads, scores, &self.values, &mut self.softmax, &mut self.sums);
    }

    /// Adds what some heads of one row see of a page of so many tokens.
    fn add(&mut self, config: &Config, heads: Range<usize>, slots: Range<usize>, tokens: usize) {
        let values = &self.values[slots.start * config.head_size..];
        // What is seen of the page moves to the front, so that the heads' lie side by side.
        let mut weights = [0.0; 16 * PAGE];
        for some in heads.clone().step_by(16) {
            let some = some..heads.end.min(some + 16);
            let weights = &mut weights[..some.len() * slots.len()];
            for (head, weights) in some.clone().zip(weights.chunks_exact_mut(slots.len())) {
                weights.copy_from_slice(&self.scores[head * tokens..][slots.clone()]);
            }
            add_seen(config, some, weights, values, &mut self.softmax, &mut self.sums);
        }
    }
}

/// Adds what some heads see, by the scores of its tokens, to their sums. `values` begin with those of the first token.
fn add_seen(
    config: &Config,
    heads: Range<usize>,
    scores: &mut [f32],
    values: &[f32],
    softmax: &mut Softmaxes,
    sums: &mut [f32],
) {
    let (size, tokens) = (config.head_size, scores.len() / heads.len());
    let scale = capped(config, scores);
    softmax.add(heads.clone(), scores, scale);
    let sums = &mut sums[heads.start * size..heads.end * size];
    shrink(sums, size, softmax.shrinks(heads));
    add_product(scores, tokens, values, size, sums);
}

/// Makes the sums of heads smaller where a larger score has come.
fn shrink(sums: &mut [f32], size: usize, shrinks: &[f32]) {
    for (sums, shrink) in sums.chunks_exact_mut(size).zip(shrinks) {
        if *shrink != 1.0 {
            sums.iter_mut().for_each(|number| *number *= shrink);
        }
    }
}

/// Bounds scores where the model does; returns what they are still to be multiplied with.
fn capped(config: &Config, scores: &mut [f32]) -> f32 {
    let Some(limit) = config.attention_softcap else { return config.attention_scale };
    for score in scores {
        *score = limit * (*score * config.attention_scale / limit).tanh();
    }
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_its_part_of_a_batch() {
        let check = |rows, heads, threads, expected| {
            assert_eq!(rows_at_once(rows, heads, threads), expected, "{rows} rows, {heads} heads");
        };
        check(512, 8, 2, 8);
        check(512, 2, 2, 32);
        check(512, 1, 2, 64);
        check(512, 32, 2, 8);
        check(18, 8, 2, 5);
        check(18, 2, 2, 9);
        check(18, 2, 1, 18);
        check(8, 8, 16, 1);
        check(9, 1, 4, 3);
    }
}
