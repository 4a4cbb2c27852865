use crate::{
    isa::for_each_isa,
    vector::{LANES, sum},
};

for_each_isa! {
    /// Divides `x` by the root of its mean square and multiplies by `weight`, into `out`.
    ///
    /// # Panics
    /// Where the three differ in length.
    pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
        assert!(
            x.len() == weight.len() && x.len() == out.len(),
            "a norm's input, weight and output are of one length"
        );
        let scale = 1.0 / (total(x, |x| x * x) / x.len() as f32 + eps).sqrt();
        for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
            *out = x * scale * weight;
        }
    }
}

for_each_isa! {
    /// The same in place of `x`.
    ///
    /// # Panics
    /// Where the two differ in length.
    pub fn rms_norm_in_place(x: &mut [f32], weight: &[f32], eps: f32) {
        assert!(x.len() == weight.len(), "a norm's input and weight are of one length");
        let scale = 1.0 / (total(x, |x| x * x) / x.len() as f32 + eps).sqrt();
        for (x, weight) in x.iter_mut().zip(weight) {
            *x = *x * scale * weight;
        }
    }
}

for_each_isa! {
    /// Takes the mean of `x` away, divides by the root of its variance, multiplies by `weight` and adds `bias`, into `out`.
    ///
    /// # Panics
    /// Where they differ in length.
    pub fn layer_norm(x: &[f32], weight: &[f32], bias: Option<&[f32]>, eps: f32, out: &mut [f32]) {
        assert!(
            x.len() == weight.len() && x.len() == out.len(),
            "a norm's input, weight and output are of one length"
        );
        assert!(bias.is_none_or(|bias| bias.len() == x.len()), "a norm's bias is as long as its input");
        let mean = total(x, |x| x) / x.len() as f32;
        let variance = total(x, |x| (x - mean) * (x - mean)) / x.len() as f32;
        let scale = 1.0 / (variance + eps).sqrt();
        for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
            *out = (x - mean) * scale * weight;
        }
        for (out, bias) in out.iter_mut().zip(bias.into_iter().flatten()) {
            *out += bias;
        }
    }
}

for_each_isa! {
    /// Adds `other` to `x` and normalises the sum as [`layer_norm`] does, in place of `x`.
    ///
    /// # Panics
    /// Where they differ in length.
    pub fn add_layer_norm(x: &mut [f32], other: &[f32], weight: &[f32], bias: Option<&[f32]>, eps: f32) {
        assert!(
            x.len() == weight.len() && x.len() == other.len(),
            "a norm's inputs and weight are of one length"
        );
        assert!(bias.is_none_or(|bias| bias.len() == x.len()), "a norm's bias is as long as its input");
        for (x, other) in x.iter_mut().zip(other) {
            *x += other;
        }
        let mean = total(x, |x| x) / x.len() as f32;
        let variance = total(x, |x| (x - mean) * (x - mean)) / x.len() as f32;
        let scale = 1.0 / (variance + eps).sqrt();
        for (x, weight) in x.iter_mut().zip(weight) {
            *x = (*x - mean) * scale * weight;
        }
        for (x, bias) in x.iter_mut().zip(bias.into_iter().flatten()) {
            *x += bias;
        }
    }
}

for_each_isa! {
    /// Adds `other` to every row of `rows` that is as long.
    ///
    /// # Panics
    /// Where `rows` are not whole ones.
    pub fn add_to_rows(rows: &mut [f32], other: &[f32]) {
        assert!(!other.is_empty() && rows.len().is_multiple_of(other.len()), "rows of {} numbers", other.len());
        for row in rows.chunks_exact_mut(other.len()) {
            for (number, other) in row.iter_mut().zip(other) {
                *number += other;
            }
        }
    }
}

#[inline(always)]
pub(crate) fn total(x: &[f32], value: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for x in whole {
        for (lane, x) in lanes.iter_mut().zip(x) {
            *lane += value(*x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += value(*x);
    }
    sum(&lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_in_place_is_normalised_as_any_other() {
        let number = |index: usize, seed: usize| ((index * 37 + seed) % 101) as f32 / 50.0 - 1.0;
        let row = |seed| (0..40).map(|index| number(index, seed)).collect::<Vec<f32>>();
        let (mut x, other, weight, bias) = (row(1), row(7), row(30), row(55));
        let sum: Vec<f32> = x.iter().zip(&other).map(|(x, other)| x + other).collect();
        for bias in [None, Some(bias.as_slice())] {
            let mut expected = vec![0.0; 40];
            layer_norm(&sum, &weight, bias, 1e-5, &mut expected);
            x = row(1);
            add_layer_norm(&mut x, &other, &weight, bias, 1e-5);
            assert_eq!(x, expected);
        }
        let mut rows = [row(1), row(2)].concat();
        add_to_rows(&mut rows, &other);
        assert_eq!((rows[..40].to_vec(), rows[40]), (sum, row(2)[0] + other[0]));
    }
}
