use std::ops::Range;

use candle_core::{D, DType, Device, Result, Tensor};

use super::{limited, scaled};
use crate::{
    cache::{PAGE, Page},
    decoder::{Config, Row},
};

/// What the rows of a batch look at, and where their own keys and values go; the same for all layers.
pub(super) struct Looks {
    runs: Vec<Run>,
    stores: Vec<Store>,
}

/// Rows that follow each other in one sequence.
struct Run {
    rows: Range<usize>,
    all: Look,
    in_window: Option<Look>,
}

/// What a run looks at.
struct Look {
    /// Their numbers, from the first token that is seen.
    pages: Tensor,
    /// Tokens of the first page that are not seen.
    skipped: usize,
    /// Tokens that at least one row sees.
    seen: usize,
    /// `[1][row][1][token]`: 0 where a row sees a token, -∞ where not. Nothing where all see all.
    mask: Option<Tensor>,
}

/// Rows whose keys and values lie one after another in a page.
struct Store {
    rows: Range<usize>,
    slot: usize,
}

impl Looks {
    pub(super) fn new(config: &Config, rows: &[Row], sequences: &[&[Page]], at: &Device) -> Result<Self> {
        let follows =
            |a: &Row, b: &Row| a.sequence == b.sequence && b.position.checked_sub(a.position) == Some(1);
        let (mut runs, mut stores, mut start) = (Vec::new(), Vec::new(), 0);
        for run in rows.chunk_by(follows) {
            let range = start..start + run.len();
            let (pages, first) = (sequences[run[0].sequence], run[0].position as usize);
            let look = |window| Look::new(pages, first..first + run.len(), window, at);
            let in_window = config.window.map(|window| look(Some(window))).transpose()?;
            runs.push(Run { rows: range.clone(), all: look(None)?, in_window });
            let mut position = first;
            while start < range.end {
                let count = (PAGE - position % PAGE).min(range.end - start);
                let slot = pages[position / PAGE].0 as usize * PAGE + position % PAGE;
                stores.push(Store { rows: start..start + count, slot });
                (start, position) = (start + count, position + count);
            }
        }
        Ok(Self { runs, stores })
    }

    /// Keeps keys or values, `[row][head][head_size]`.
    pub(super) fn store(&self, cache: &Tensor, numbers: &Tensor) -> Result<()> {
        let slots = cache.flatten(0, 1)?;
        let numbers = numbers.to_dtype(cache.dtype())?.contiguous()?;
        for Store { rows, slot } in &self.stores {
            slots.slice_set(&numbers.narrow(0, rows.start, rows.len())?, 0, *slot)?;
        }
        Ok(())
    }

    /// Lets every row look at the tokens before it and at itself. Takes `[row][head][head_size]`, returns
    /// `[row][all heads]`.
    pub(super) fn attend(
        &self,
        config: &Config,
        layer: usize,
        [keys, values]: &[Tensor; 2],
        queries: &Tensor,
    ) -> Result<Tensor> {
        let limited = config.window_of(layer).is_some();
        let attended = self.runs.iter().map(|run| {
            let look = run.in_window.as_ref().filter(|_| limited).unwrap_or(&run.all);
            let queries = queries.narrow(0, run.rows.start, run.rows.len())?;
            look.attend(config, &look.gather(keys)?, &look.gather(values)?, &queries)
        });
        Tensor::cat(&attended.collect::<Result<Vec<_>>>()?, 0)
    }
}

impl Look {
    /// For rows at `positions` of a sequence that lies in `pages`.
    fn new(pages: &[Page], positions: Range<usize>, window: Option<usize>, at: &Device) -> Result<Self> {
        let first_of = |position: usize| window.map_or(0, |window| (position + 1).saturating_sub(window));
        let (start, end) = (first_of(positions.start), positions.end);
        let numbers: Vec<u32> =
            pages[start / PAGE..end.div_ceil(PAGE)].iter().map(|&Page(page)| page).collect();
        let (rows, seen) = (positions.len(), end - start);
        let mask = (rows > 1).then(|| {
            let sees = |row, token| (first_of(row)..=row).contains(&token);
            let mask: Vec<f32> = positions
                .flat_map(|row| (start..end).map(move |token| (row, token)))
                .map(|(row, token)| if sees(row, token) { 0.0 } else { f32::NEG_INFINITY })
                .collect();
            Tensor::from_vec(mask, (1, rows, 1, seen), at)
        });
        let count = numbers.len();
        let pages = Tensor::from_vec(numbers, count, at)?;
        Ok(Self { pages, skipped: start % PAGE, seen, mask: mask.transpose()? })
    }

    /// Returns the keys or values of all tokens that are seen, `[head][token][head_size]`.
    fn gather(&self, cache: &Tensor) -> Result<Tensor> {
        let pages = cache.index_select(&self.pages, 0)?.flatten(0, 1)?;
        let seen = pages.narrow(0, self.skipped, self.seen)?;
        seen.transpose(0, 1)?.contiguous()?.to_dtype(DType::F32)
    }

    fn attend(&self, config: &Config, keys: &Tensor, values: &Tensor, queries: &Tensor) -> Result<Tensor> {
        let (rows, size) = (queries.dim(0)?, config.head_size);
        let shared = config.heads / config.kv_heads;
        // Heads that share keys and values are computed as if they were rows.
        let by_head =
            queries.reshape((rows, config.kv_heads, shared, size))?.transpose(0, 1)?.contiguous()?;
        let queries = by_head.reshape((config.kv_heads, rows * shared, size))?;
        let scores = scaled(queries.matmul(&keys.transpose(1, 2)?.contiguous()?)?, config.attention_scale)?;
        let scores = limited(scores, config.attention_softcap)?;
        let scores = match &self.mask {
            Some(mask) => scores
                .reshape((config.kv_heads, rows, shared, self.seen))?
                .broadcast_add(mask)?
                .reshape((config.kv_heads, rows * shared, self.seen))?,
            None => scores,
        };
        let shares = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let shares = shares.broadcast_div(&shares.sum_keepdim(D::Minus1)?)?;
        let attended = shares.matmul(values)?.reshape((config.kv_heads, rows, shared, size))?;
        attended.transpose(0, 1)?.contiguous()?.reshape((rows, config.query_width()))
    }
}
