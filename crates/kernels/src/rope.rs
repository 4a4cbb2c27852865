/// Rotates pairs of neighbours (numbers 2 i and 2 i + 1) by angles given as cosines and sines: the order of GGUF's Llama
/// files. Numbers behind the last angle's stay as they are.
///
/// # Panics
/// Where `cos` and `sin` differ in length, or have more than half as many elements as `head`.
pub fn rotate_pairs(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    assert!(cos.len() == sin.len() && 2 * cos.len() <= head.len(), "an angle for each pair at most");
    for ((pair, cos), sin) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
        let [a, b] = *pair;
        *pair = [a * cos - b * sin, a * sin + b * cos];
    }
}

/// Rotates pairs of numbers i and i + `cos.len()` by angles given as cosines and sines: the order of NeoX, of Hugging
/// Face's files and of most GGUF files. Numbers behind twice as many as there are angles stay as they are.
///
/// # Panics
/// Where `cos` and `sin` differ in length, or have more than half as many elements as `head`.
pub fn rotate_halves(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    assert!(cos.len() == sin.len() && 2 * cos.len() <= head.len(), "an angle for each pair at most");
    let (first, second) = head.split_at_mut(cos.len());
    for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
        (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
    }
}
