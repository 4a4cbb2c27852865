//! The instructions that were asked for are those that are used. Whoever runs tests with `ATHENAEUM_TEST_INSTRUCTIONS`
//! relies on it, so without the feature `testing` it fails there.

use athenaeum_kernels::{Bytes, Format, Instructions, Matrix, Pool, use_at_most};

#[test]
fn what_is_forced_is_used() {
    let forced = match std::env::var("ATHENAEUM_TEST_INSTRUCTIONS").as_deref() {
        Ok("plain") => Instructions::Plain,
        Ok("avx2") => Instructions::Avx2,
        Ok("avx512") => Instructions::Avx512,
        Ok("neon") => Instructions::Neon,
        Ok("neon-dotprod") => Instructions::NeonDotprod,
        Ok("neon-i8mm") => Instructions::NeonI8mm,
        Ok(other) => panic!("there are no instructions called {other}"),
        Err(_) => return,
    };
    assert_eq!(multiplied_with(), forced);
}

/// Asking after something was computed tells what it was computed with.
fn multiplied_with() -> Instructions {
    let matrix = Matrix::new(Format::F32, 1, 1, Bytes::from(2_f32.to_le_bytes().to_vec()));
    let matrix = matrix.expect("four bytes are a number");
    let mut output = [0.0];
    matrix.multiply(&Pool::new(1), &[3.0], &mut output);
    assert_eq!(output, [6.0]);
    use_at_most(Instructions::Plain)
}
