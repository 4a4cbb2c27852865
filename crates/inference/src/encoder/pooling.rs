/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Their average.
    Mean,
    /// The first one.
    First,
    /// The last one.
    Last,
    /// Of each number the largest.
    Max,
    /// Their sum, divided by the root of their count.
    MeanOfRoot,
    /// Their average, in which the n-th counts n times.
    WeightedMean,
}

impl Pooling {
    /// Writes the vector of a text whose tokens' vectors are `hidden`, one after the other, at least one.
    pub fn apply(self, hidden: &[f32], out: &mut [f32]) {
        let width = out.len();
        let count = hidden.len() / width.max(1);
        let weigh = |out: &mut [f32], weight: &dyn Fn(usize) -> f32| {
            out.fill(0.0);
            for (index, row) in hidden.chunks_exact(width).enumerate() {
                let weight = weight(index);
                out.iter_mut().zip(row).for_each(|(sum, number)| *sum += weight * number);
            }
        };
        let divide = |out: &mut [f32], by: f32| out.iter_mut().for_each(|number| *number /= by);
        match self {
            Self::First => out.copy_from_slice(&hidden[..width]),
            Self::Last => out.copy_from_slice(&hidden[hidden.len() - width..]),
            Self::Mean => {
                weigh(out, &|_| 1.0);
                divide(out, count as f32);
            }
            Self::MeanOfRoot => {
                weigh(out, &|_| 1.0);
                divide(out, (count as f32).sqrt());
            }
            Self::WeightedMean => {
                weigh(out, &|index| (index + 1) as f32);
                divide(out, count as f32 * (count + 1) as f32 / 2.0);
            }
            Self::Max => {
                out.fill(f32::NEG_INFINITY);
                for row in hidden.chunks_exact(width) {
                    out.iter_mut().zip(row).for_each(|(most, number)| *most = most.max(*number));
                }
            }
        }
    }
}
