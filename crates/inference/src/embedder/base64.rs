/// Writes a vector as OpenAI's interface does where `encoding_format` is `base64`: 32-bit floats, little-endian, in the
/// alphabet of RFC 4648 §4, padded.
///
/// ```
/// assert_eq!(athenaeum_inference::embedder::base64(&[1.0, -2.0]), "AACAPwAAAMA=");
/// ```
pub fn base64(vector: &[f32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let symbol = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= three.len() { char::from(symbol) } else { '=' });
        }
    }
    text
}
