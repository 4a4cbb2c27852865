//! SQLite's varints: 7 bits a byte, highest first, the high bit saying that more follow; a ninth byte holds 8 bits.

/// Appends `value`.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value as u8);
        return;
    }
    if value >> 56 != 0 {
        out.extend((0..8).map(|group| (value >> (57 - 7 * group) | 0x80) as u8));
        out.push(value as u8);
        return;
    }
    let groups = (63 - value.leading_zeros()) / 7;
    out.extend((1..=groups).rev().map(|group| (value >> (7 * group) | 0x80) as u8));
    out.push(value as u8 & 0x7f);
}

/// Takes a value from the front of `bytes`; `None` where they end too early.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..9 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if at == 8 {
            return Some(value << 8 | u64::from(byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            break;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[test]
    fn values_are_those_of_sqlite() {
        let check = |value: u64, bytes: &[u8]| {
            let mut out = Vec::new();
            super::put(&mut out, value);
            assert_eq!(out, bytes, "{value:#x}");
        };
        check(0, &[0]);
        check(0x7f, &[0x7f]);
        check(0x80, &[0x81, 0]);
        check(0x3fff, &[0xff, 0x7f]);
        check(0x4000, &[0x81, 0x80, 0]);
        check((1 << 56) - 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        check(1 << 56, &[0x80, 0xc0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]);
        check(u64::MAX, &[0xff; 9]);
    }

    proptest! {
        #[test]
        fn any_value_reads_back(value: u64, shift in 0..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            super::put(&mut out, value);
            let mut bytes = out.as_slice();
            prop_assert_eq!(super::take(&mut bytes), Some(value));
            prop_assert!(bytes.is_empty());
            prop_assert_eq!(super::take(&mut &out[..out.len() - 1]), None);
        }
    }
}
