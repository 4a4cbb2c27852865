//! GPT-2's alphabet: a printable character for each byte, so that any bytes can be written as text.

/// Returns the byte that a character of the alphabet stands for.
pub(super) fn byte(character: char) -> Option<u8> {
    let number = match u32::from(character) {
        number @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => number,
        number @ 0x100..=0x120 => number - 0x100,
        0x121 => 0x7F,
        number @ 0x122..=0x142 => number - 0x122 + 0x80,
        0x143 => 0xAD,
        _ => return None,
    };
    u8::try_from(number).ok()
}

/// Returns the character that stands for a byte.
pub(super) fn character(byte: u8) -> char {
    let number = match u32::from(byte) {
        number @ 0..=0x20 => number + 0x100,
        0x7F => 0x121,
        number @ 0x80..=0xA0 => number - 0x80 + 0x122,
        0xAD => 0x143,
        number => number,
    };
    char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_a_character_of_its_own() {
        let mut all: Vec<char> = (0..=255).map(character).collect();
        assert!((0..=255).all(|number| byte(character(number)) == Some(number)));
        assert_eq!((character(b' '), character(b'\n'), character(b'a')), ('Ġ', 'Ċ', 'a'));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 256);
        assert_eq!((byte(' '), byte('\u{AD}'), byte('\u{144}')), (None, None, None));
    }
}
