//! Softmax over what came before, in one pass; candle's own operations take a dozen, each as large as the scores.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Error, Layout, Result, Shape, Tensor};

/// `[rows, heads, positions, positions]`: at each position, the softmax of `scale` × the numbers from where its text
/// begins up to itself; the others become 0.
#[derive(Clone)]
pub(crate) struct CausalSoftmax {
    pub(crate) scale: f32,
    /// `[rows × positions]`: the position at which the text begins that a position is in.
    pub(crate) starts: Arc<[usize]>,
}

struct Backward(CausalSoftmax);

impl CausalSoftmax {
    /// Returns which numbers count in a line of the scores.
    fn seen(&self, line: usize, layout: &Layout) -> std::ops::Range<usize> {
        let (heads, positions) = (layout.dims()[1], layout.dims()[3]);
        let (row, position) = (line / (heads * positions), line % positions);
        self.starts[row * positions + position]..position + 1
    }
}

impl CustomOp1 for CausalSoftmax {
    fn name(&self) -> &'static str {
        "causal-softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (scores, positions) = (numbers(storage, layout)?, layout.dims()[3]);
        let mut shares = vec![0.0; scores.len()];
        for (line, (scores, shares)) in scores.chunks(positions).zip(shares.chunks_mut(positions)).enumerate()
        {
            let seen = self.seen(line, layout);
            let (scores, shares) = (&scores[seen.clone()], &mut shares[seen]);
            let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0;
            for (share, score) in shares.iter_mut().zip(scores) {
                *share = ((score - highest) * self.scale).exp();
                sum += *share;
            }
            shares.iter_mut().for_each(|share| *share /= sum);
        }
        Ok((CpuStorage::F32(shares), layout.shape().clone()))
    }

    fn bwd(&self, _scores: &Tensor, shares: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(shares.apply_op2_no_bwd(&gradient.contiguous()?, &Backward(self.clone()))?))
    }
}

impl CustomOp2 for Backward {
    fn name(&self) -> &'static str {
        "causal-softmax-backward"
    }

    fn cpu_fwd(
        &self,
        shares: &CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let positions = layout.dims()[3];
        let (shares, gradient) = (numbers(shares, layout)?, numbers(gradient, gradient_layout)?);
        let mut back = vec![0.0; shares.len()];
        let lines = shares.chunks(positions).zip(gradient.chunks(positions)).zip(back.chunks_mut(positions));
        for (line, ((shares, gradient), back)) in lines.enumerate() {
            let seen = self.0.seen(line, layout);
            let (shares, gradient, back) = (&shares[seen.clone()], &gradient[seen.clone()], &mut back[seen]);
            let mean: f32 = shares.iter().zip(gradient).map(|(share, gradient)| share * gradient).sum();
            for ((back, share), gradient) in back.iter_mut().zip(shares).zip(gradient) {
                *back = share * (gradient - mean) * self.0.scale;
            }
        }
        Ok((CpuStorage::F32(back), layout.shape().clone()))
    }
}

fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(numbers), Some((start, end))) => Ok(&numbers[start..end]),
        _ => Err(Error::Msg("scores must be contiguous 32-bit numbers".to_owned())),
    }
}
