use athenaeum_kernels::Matrix;

use super::{Decoder, feed_forward::FeedForward};

/// What a token costs at least, whatever stands before it: its weights, the keys and values that it sees aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of weights that are read for one token alone. Of experts, those that work on it.
    pub bytes: u64,
    /// Products of a weight and a number in all layers that are computed as whole numbers: those of packed weights.
    pub integer_products: u64,
}

impl Decoder {
    /// Returns what a token costs, and what may follow it.
    pub fn cost(&self) -> Cost {
        let mut cost = Cost::default();
        for layer in &self.layers {
            let attention = [&layer.queries, &layer.keys, &layer.values, &layer.attention_output];
            attention.into_iter().for_each(|linear| cost.add(&linear.matrix, (1, 1)));
            match &layer.feed_forward {
                FeedForward::Dense(gated) => gated.matrices().for_each(|matrix| cost.add(matrix, (1, 1))),
                FeedForward::Experts(mixture) => {
                    mixture.matrices().for_each(|(matrix, share)| cost.add(matrix, share));
                }
            }
        }
        let output = self.output.as_ref().map_or(&self.embeddings, |output| &output.matrix);
        cost.bytes += output.bytes().len() as u64;
        cost
    }
}

impl Cost {
    /// `used` of `count` that are like it work on a token.
    fn add(&mut self, matrix: &Matrix, (used, count): (usize, usize)) {
        let part = |whole: usize| (whole * used / count.max(1)) as u64;
        self.bytes += part(matrix.bytes().len());
        if matrix.format().block_len() > 1 {
            self.integer_products += part(matrix.rows() * matrix.cols());
        }
    }
}
