//! Numbers as bytes: little-endian base-128 varints, and blocks of 128 numbers packed to a common width.

/// Numbers in a packed block.
pub(super) const BLOCK: usize = 128;

/// Four numbers advance together, so that the compiler turns the loops below into vector instructions.
const LANES: usize = 4;

/// Appends `value` in groups of 7 bits, lowest first; the high bit says that more follow.
#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A cursor over foreign bytes. Every read is checked; `None` means that the bytes ended or made no number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    pub(super) fn varint(&mut self) -> Option<u64> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7;
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            // The tenth byte may only carry the 64th bit.
            if shift == 63 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }

    #[inline]
    pub(super) fn varint32(&mut self) -> Option<u32> {
        self.varint()?.try_into().ok()
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Reads a length (varint) and as many bytes, which must be UTF-8.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.varint()?).ok()?;
        std::str::from_utf8(self.take(len)?).ok()
    }
}

/// Appends a length (varint) and the text.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Returns how many bytes the first `count` varints of `bytes` take; `None` if there are fewer.
pub(super) fn skip_varints(bytes: &[u8], mut count: u64) -> Option<usize> {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    // With eight or more to go, a word can bring the count to zero only by holding eight one-byte numbers, so the
    // loops always end behind a whole number.
    while count >= 8 {
        let word = u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?);
        count -= 8 - u64::from((word & HIGH).count_ones());
        at += 8;
    }
    while count > 0 {
        count -= u64::from(*bytes.get(at)? < 0x80);
        at += 1;
    }
    Some(at)
}

/// Returns the bits that the largest of `values` needs, 0 to 32.
#[inline]
pub(super) fn width(values: &[u32; BLOCK]) -> u8 {
    let all = values.iter().fold(0, |all, &value| all | value);
    (32 - all.leading_zeros()) as u8
}

/// Bytes of a block packed to `width` bits.
#[inline]
pub(super) fn packed_len(width: u8) -> usize {
    usize::from(width) * (BLOCK / 8)
}

/// Appends `values` packed to `width` bits each: number `4j + l` stands in lane `l`, bits `j * width` on; the
/// lanes' 32-bit words are interleaved.
pub(super) fn pack(values: &[u32; BLOCK], width: u8, out: &mut Vec<u8>) {
    let mut words = [[0_u32; LANES]; 32];
    PACK[usize::from(width.min(32))](values, &mut words);
    for word in &words[..usize::from(width.min(32))] {
        for lane in word {
            out.extend_from_slice(&lane.to_le_bytes());
        }
    }
}

/// Reads what [`pack`] wrote. `None` if `bytes` is too short or `width` above 32.
#[inline]
pub(super) fn unpack(bytes: &[u8], width: u8, values: &mut [u32; BLOCK]) -> Option<()> {
    let unpack = UNPACK.get(usize::from(width))?;
    let bytes = bytes.get(..packed_len(width))?;
    unpack(bytes, values);
    Some(())
}

fn pack_width<const W: usize>(values: &[u32; BLOCK], words: &mut [[u32; LANES]; 32]) {
    if W == 0 {
        return;
    }
    for j in 0..BLOCK / LANES {
        let (word, shift) = (j * W / 32, j * W % 32);
        for lane in 0..LANES {
            words[word][lane] |= values[j * LANES + lane] << shift;
        }
        if shift + W > 32 {
            for lane in 0..LANES {
                words[word + 1][lane] |= values[j * LANES + lane] >> (32 - shift);
            }
        }
    }
}

fn unpack_width<const W: usize>(bytes: &[u8], values: &mut [u32; BLOCK]) {
    if W == 0 {
        *values = [0; BLOCK];
        return;
    }
    let mut words = [[0_u32; LANES]; 33];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4 * LANES)).take(W) {
        for (lane, bytes) in word.iter_mut().zip(bytes.chunks_exact(4)) {
            *lane = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
    }
    let mask = if W == 32 { u32::MAX } else { (1 << (W % 32)) - 1 };
    for j in 0..BLOCK / LANES {
        let (word, shift) = (j * W / 32, j * W % 32);
        for lane in 0..LANES {
            let mut value = words[word][lane] >> shift;
            if shift + W > 32 {
                value |= words[word + 1][lane] << ((32 - shift) % 32);
            }
            values[j * LANES + lane] = value & mask;
        }
    }
}

type Pack = fn(&[u32; BLOCK], &mut [[u32; LANES]; 32]);
type Unpack = fn(&[u8], &mut [u32; BLOCK]);

macro_rules! by_width {
    ($function:ident) => {
        [
            $function::<0>,
            $function::<1>,
            $function::<2>,
            $function::<3>,
            $function::<4>,
            $function::<5>,
            $function::<6>,
            $function::<7>,
            $function::<8>,
            $function::<9>,
            $function::<10>,
            $function::<11>,
            $function::<12>,
            $function::<13>,
            $function::<14>,
            $function::<15>,
            $function::<16>,
            $function::<17>,
            $function::<18>,
            $function::<19>,
            $function::<20>,
            $function::<21>,
            $function::<22>,
            $function::<23>,
            $function::<24>,
            $function::<25>,
            $function::<26>,
            $function::<27>,
            $function::<28>,
            $function::<29>,
            $function::<30>,
            $function::<31>,
            $function::<32>,
        ]
    };
}

#[rustfmt::skip]
const PACK: [Pack; 33] = by_width!(pack_width);
#[rustfmt::skip]
const UNPACK: [Unpack; 33] = by_width!(unpack_width);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packed_blocks_come_back(seed: Vec<u32>, bits in 0_u32..=32) {
            let mut values = [0; BLOCK];
            for (i, value) in values.iter_mut().enumerate() {
                let any = seed.get(i % seed.len().max(1)).copied().unwrap_or(7).rotate_left(i as u32);
                *value = if bits == 0 { 0 } else { any >> (32 - bits) };
            }
            let mut bytes = Vec::new();
            let width = width(&values);
            pack(&values, width, &mut bytes);
            prop_assert_eq!(bytes.len(), packed_len(width));
            let mut back = [1; BLOCK];
            prop_assert_eq!(unpack(&bytes, width, &mut back), Some(()));
            prop_assert_eq!(back, values);
            prop_assert!(width == 0 || unpack(&bytes[1..], width, &mut back).is_none());
        }

        #[test]
        fn varints_come_back(values: Vec<u64>, small: Vec<u8>) {
            let values: Vec<u64> = values.into_iter().chain(small.into_iter().map(u64::from)).collect();
            let mut bytes = Vec::new();
            let mut ends = vec![0];
            for &value in &values {
                put_varint(&mut bytes, value);
                ends.push(bytes.len());
            }
            let mut cursor = Bytes(&bytes);
            for &value in &values {
                prop_assert_eq!(cursor.varint(), Some(value));
            }
            prop_assert_eq!(cursor.varint(), None);
            for (count, &end) in ends.iter().enumerate() {
                prop_assert_eq!(skip_varints(&bytes, count as u64), Some(end));
            }
            prop_assert_eq!(skip_varints(&bytes, values.len() as u64 + 1), None);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, count in 0_u64..40) {
            let mut cursor = Bytes(&bytes);
            while cursor.varint().is_some() {}
            let _ = Bytes(&bytes).text();
            let _ = skip_varints(&bytes, count);
        }
    }
}
