/// By which measure a vector gets the length 1. A vector without a direction stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// By none: it stays as it is.
    None,
    /// Its largest number, whatever the sign, becomes 32760, so that all fit into 16 bits.
    Largest,
    /// The sum of its numbers without their signs.
    Taxicab,
    /// The root of the sum of their squares.
    Euclidean,
    /// The n-th root of the sum of their n-th powers.
    Power(u32),
}

impl Norm {
    /// Returns the norm that llama.cpp means by a number (`embd_normalize`, `common_embd_normalize` in its
    /// `common/common.cpp`): -1 none, 0 the largest, 1 taxicab, 2 Euclidean, more the power. `None` below -1.
    pub fn numbered(number: i32) -> Option<Self> {
        match number {
            -1 => Some(Self::None),
            0 => Some(Self::Largest),
            1 => Some(Self::Taxicab),
            2 => Some(Self::Euclidean),
            power => u32::try_from(power).ok().map(Self::Power),
        }
    }

    pub(crate) fn apply(self, vector: &mut [f32]) {
        let numbers = || vector.iter().map(|number| f64::from(*number).abs());
        let length = match self {
            Self::None => return,
            Self::Largest => numbers().fold(0.0, f64::max) / 32760.0,
            Self::Taxicab => numbers().sum(),
            Self::Euclidean => numbers().map(|number| number * number).sum::<f64>().sqrt(),
            Self::Power(power) => {
                let power = f64::from(power);
                numbers().map(|number| number.powf(power)).sum::<f64>().powf(1.0 / power)
            }
        };
        if length > 0.0 && length.is_finite() {
            vector.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_get_the_length_by_each_measure() {
        for (number, expected) in [
            (-1, [3.0, -4.0]),
            (0, [24570.0, -32760.0]),
            (1, [3.0 / 7.0, -4.0 / 7.0]),
            (2, [0.6, -0.8]),
            (3, [3.0 / 91_f32.cbrt(), -4.0 / 91_f32.cbrt()]),
        ] {
            let mut vector = [3.0, -4.0];
            Norm::numbered(number).unwrap().apply(&mut vector);
            let near = vector.iter().zip(expected).all(|(a, b)| (a - b).abs() <= b.abs() * 1e-6);
            assert!(near, "{number}: {vector:?}");
            let mut none = [0.0; 3];
            Norm::numbered(number).unwrap().apply(&mut none);
            assert_eq!(none, [0.0; 3], "{number}");
        }
        assert_eq!(Norm::numbered(-2), None);
    }
}
