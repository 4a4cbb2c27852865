//! Vectors as one byte a dimension.

use athenaeum_core::vector::Metric;

/// Rounds a vector to whole numbers from -127 to 127 times a scale, which is returned: 0 for a vector of zeros. The
/// bytes are added to `out`.
pub(crate) fn pack(vector: &[f32], out: &mut Vec<u8>) -> f32 {
    let greatest = vector.iter().fold(0.0_f32, |greatest, value| greatest.max(value.abs()));
    let scale = greatest / 127.0;
    // Numbers so small that their scale is none are zeros.
    let inverse = if scale > f32::MIN_POSITIVE { 127.0 / greatest } else { 0.0 };
    out.extend(vector.iter().map(|value| (value * inverse).round() as i8 as u8));
    if inverse > 0.0 { scale } else { 0.0 }
}

/// Returns what a row's whole numbers are multiplied by to be what is compared: the scale, or for [`Metric::Cosine`] what
/// makes the row's length 1.
pub(crate) fn factor(metric: Metric, scale: f32, row: &[u8]) -> f32 {
    if metric != Metric::Cosine {
        return scale;
    }
    let square = square(row);
    if square == 0 || scale == 0.0 { 0.0 } else { 1.0 / (square as f32).sqrt() }
}

/// Returns what is added to the product of a row with a query, so that the sum ranks rows: nothing, or for
/// [`Metric::Euclidean`] minus half the square of the row's length. The square of a distance is that of the query's length
/// less twice the sum.
pub(crate) fn bias(metric: Metric, factor: f32, row: &[u8]) -> f32 {
    match metric {
        Metric::Euclidean => -0.5 * factor * factor * square(row) as f32,
        Metric::Cosine | Metric::InnerProduct => 0.0,
    }
}

fn square(row: &[u8]) -> u32 {
    row.iter().map(|byte| u32::from((*byte as i8).unsigned_abs()).pow(2)).sum()
}

/// A query in the forms in which it meets rows.
pub(crate) struct Probe {
    pub(crate) metric: Metric,
    /// Of length 1 for [`Metric::Cosine`].
    pub(crate) exact: Vec<f32>,
    pub(crate) packed: Vec<i8>,
    pub(crate) scale: f32,
    square: f32,
}

impl Probe {
    pub(crate) fn new(metric: Metric, vector: &[f32]) -> Self {
        let mut exact = vector.to_vec();
        if metric == Metric::Cosine {
            // In two steps, so that no square is too great or too small.
            let greatest = exact.iter().fold(0.0_f32, |greatest, value| greatest.max(value.abs()));
            if greatest > 0.0 {
                exact.iter_mut().for_each(|value| *value /= greatest);
                let length = exact.iter().map(|value| value * value).sum::<f32>().sqrt();
                exact.iter_mut().for_each(|value| *value /= length);
            }
        }
        let mut packed = Vec::with_capacity(exact.len());
        let scale = pack(&exact, &mut packed);
        let square = exact.iter().map(|value| value * value).sum();
        Self { metric, exact, packed: packed.into_iter().map(|byte| byte as i8).collect(), scale, square }
    }

    /// The square of its length.
    pub(crate) fn square(&self) -> f32 {
        self.square
    }

    /// Turns a rank, which is the product of query and row plus the row's bias, into the metric's score.
    pub(crate) fn score(&self, rank: f32) -> f32 {
        match self.metric {
            Metric::Cosine => rank.clamp(-1.0, 1.0),
            Metric::InnerProduct => rank,
            Metric::Euclidean => -(self.square - 2.0 * rank).max(0.0).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use athenaeum_kernels::product_f32_i8;
    use proptest::prelude::*;

    use super::*;

    fn check(metric: Metric, a: &[f32], b: &[f32]) {
        let mut row = Vec::new();
        let scale = pack(b, &mut row);
        let factor = factor(metric, scale, &row);
        let probe = Probe::new(metric, a);
        let score = probe.score(product_f32_i8(&probe.exact, &row) * factor + bias(metric, factor, &row));
        let exact = metric.score(a, b);
        let length = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>().sqrt();
        let allowed = match metric {
            Metric::Cosine => 0.02 * (a.len() as f32).sqrt(),
            Metric::InnerProduct => 0.01 * (a.len() as f32).sqrt() * (length(a) * length(b)) + 1e-6,
            Metric::Euclidean => 0.05 * (a.len() as f32).sqrt() * (length(a) + length(b)) + 1e-6,
        };
        assert!((score - exact).abs() <= allowed, "{metric:?}: {score} for {exact}, {a:?} {b:?}");
    }

    proptest! {
        #[test]
        fn packed_scores_are_near_the_exact_ones(
            (a, b) in (1_usize..40).prop_flat_map(|n| {
                (proptest::collection::vec(-3.0_f32..3.0, n), proptest::collection::vec(-3.0_f32..3.0, n))
            })
        ) {
            Metric::ALL.into_iter().for_each(|metric| check(metric, &a, &b));
        }
    }

    #[test]
    fn odd_vectors_give_numbers() {
        for vector in [&[0.0; 4][..], &[1e-45; 4], &[1e30; 4], &[f32::MAX, -f32::MAX, 0.0, 1.0]] {
            for metric in Metric::ALL {
                let mut row = Vec::new();
                let scale = pack(vector, &mut row);
                let factor = factor(metric, scale, &row);
                let probe = Probe::new(metric, vector);
                let rank = product_f32_i8(&probe.exact, &row) * factor + bias(metric, factor, &row);
                assert!(!probe.score(rank).is_nan() || metric != Metric::Cosine, "{metric:?} {vector:?}");
            }
        }
    }
}
