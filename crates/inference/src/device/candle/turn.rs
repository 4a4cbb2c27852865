use candle_core::{D, Device, Result, Tensor};

use crate::decoder::{self, Angles, Row, architecture::Pairs};

/// The cosines and sines of a batch's positions, each `[row][1][pair]`.
pub(super) struct Turns {
    cos: Tensor,
    sin: Tensor,
    pairs: Pairs,
}

impl Turns {
    /// Computes them on the host, in 64 bits, as the processor's decoder does.
    pub(super) fn new(turns: &decoder::Turns, rows: &[Row], at: &Device) -> Result<Self> {
        let (mut cos, mut sin, mut angles) = (Vec::new(), Vec::new(), Angles::default());
        for row in rows {
            turns.angles(row.position, &mut angles);
            cos.extend_from_slice(&angles.cos);
            sin.extend_from_slice(&angles.sin);
        }
        let shape = (rows.len(), 1, cos.len() / rows.len().max(1));
        Ok(Self {
            cos: Tensor::from_vec(cos, shape, at)?,
            sin: Tensor::from_vec(sin, shape, at)?,
            pairs: turns.pairs(),
        })
    }

    /// Turns heads, `[row][head][head_size]`.
    pub(super) fn turn(&self, heads: &Tensor) -> Result<Tensor> {
        let (rows, count, size) = heads.dims3()?;
        let pairs = self.cos.dim(D::Minus1)?;
        let turned = heads.narrow(2, 0, 2 * pairs)?;
        let turned = match self.pairs {
            Pairs::Halves => {
                let (first, second) = (turned.narrow(2, 0, pairs)?, turned.narrow(2, pairs, pairs)?);
                let [first, second] = self.pair(&first, &second)?;
                Tensor::cat(&[first, second], 2)?
            }
            Pairs::Neighbours => {
                let turned = turned.contiguous()?.reshape((rows, count, pairs, 2))?;
                let [first, second] = [0, 1].map(|of| turned.narrow(3, of, 1)?.squeeze(3));
                let [first, second] = self.pair(&first?, &second?)?;
                Tensor::stack(&[first, second], 3)?.reshape((rows, count, 2 * pairs))?
            }
        };
        if 2 * pairs == size {
            return Ok(turned);
        }
        Tensor::cat(&[turned, heads.narrow(2, 2 * pairs, size - 2 * pairs)?], 2)
    }

    fn pair(&self, first: &Tensor, second: &Tensor) -> Result<[Tensor; 2]> {
        let (first, second) = (first.contiguous()?, second.contiguous()?);
        Ok([
            (first.broadcast_mul(&self.cos)? - second.broadcast_mul(&self.sin)?)?,
            (first.broadcast_mul(&self.sin)? + second.broadcast_mul(&self.cos)?)?,
        ])
    }
}
