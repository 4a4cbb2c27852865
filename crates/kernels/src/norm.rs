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
