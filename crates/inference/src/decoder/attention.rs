use athenaeum_kernels::Pool;

use super::{Config, Row};
use crate::cache::{Cache, PAGE, Page};

/// What one layer's attention looks at.
pub(super) struct View<'a> {
    pub(super) cache: &'a Cache,
    pub(super) layer: usize,
    pub(super) rows: &'a [Row],
    pub(super) sequences: &'a [&'a [Page]],
}

/// Lets every row look at the tokens before it and at itself.
///
/// Soft-max is kept up page by page (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).
/// Pages stand at fixed positions, so the order of additions is the same however a prompt was cut into batches.
pub(super) fn attend(config: &Config, view: &View<'_>, queries: &[f32], out: &mut [f32], pool: &Pool) {
    let shared = config.heads / config.kv_heads;
    let chunk = shared * config.head_size;
    // One piece of work: the heads of one row that share keys and values.
    pool.for_chunks_mut(out, chunk, |index, out| {
        let (row, kv_head) = (index / config.kv_heads, index % config.kv_heads);
        let queries = &queries[index * chunk..(index + 1) * chunk];
        let heads = queries.chunks_exact(config.head_size).zip(out.chunks_exact_mut(config.head_size));
        heads.for_each(|(query, out)| one_head(config, view, (row, kv_head), query, out));
    });
}

fn one_head(
    config: &Config,
    view: &View<'_>,
    (row, kv_head): (usize, usize),
    query: &[f32],
    out: &mut [f32],
) {
    let Row { position, sequence, .. } = view.rows[row];
    let end = position as usize + 1;
    let start = config.window_of(view.layer).map_or(0, |window| end.saturating_sub(window));
    let (format, row_bytes) = (view.cache.format(), view.cache.row_bytes());
    let (mut largest, mut sum) = (f32::NEG_INFINITY, 0.0);
    out.fill(0.0);
    for page in start / PAGE..end.div_ceil(PAGE) {
        let slots = start.saturating_sub(page * PAGE)..(end - page * PAGE).min(PAGE);
        let (keys, values) = view.cache.rows(view.layer, view.sequences[sequence][page], kv_head);
        let mut scores = [0.0; PAGE];
        let bytes = slots.start * row_bytes..slots.end * row_bytes;
        let seen = &mut scores[slots];
        athenaeum_kernels::dots(format, &keys[bytes.clone()], query, seen);
        for score in &mut *seen {
            *score *= config.attention_scale;
            if let Some(limit) = config.attention_softcap {
                *score = limit * (*score / limit).tanh();
            }
        }
        let larger = seen.iter().copied().fold(largest, f32::max);
        let shrink = (largest - larger).exp();
        if shrink != 1.0 {
            sum *= shrink;
            out.iter_mut().for_each(|number| *number *= shrink);
        }
        largest = larger;
        for score in &mut *seen {
            *score = (*score - largest).exp();
            sum += *score;
        }
        athenaeum_kernels::add_scaled_rows(format, &values[bytes], seen, out);
    }
    out.iter_mut().for_each(|number| *number /= sum);
}
