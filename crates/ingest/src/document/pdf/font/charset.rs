//! The predefined CMaps, as far as their codes are those of an encoding that browsers know, or count through one.

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_16BE};

/// How to read codes of two bytes and less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Charset {
    Wide,
    Mixed(&'static Encoding),
    /// Two bytes of seven bits, those of an EUC encoding without their highest bit.
    Seven(&'static Encoding),
    /// The glyphs of Adobe-Japan1.
    Japan,
    Korea,
    China,
    Taiwan,
}

impl Charset {
    /// By the name of a predefined CMap (ISO 32000-2, table 116).
    pub(super) fn of_map(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let stem = name.trim_end_matches("-H").trim_end_matches("-V");
        Some(match stem {
            "H" | "V" => Self::Seven(EUC_JP),
            "GB" => Self::Seven(GBK),
            "KSC" => Self::Seven(EUC_KR),
            "EUC" => Self::Mixed(EUC_JP),
            _ if stem.contains("UCS2") || stem.contains("UTF16") => Self::Wide,
            _ if stem.contains("RKSJ") => Self::Mixed(SHIFT_JIS),
            _ if stem.starts_with("GB") => Self::Mixed(GBK),
            _ if stem.contains("B5") || stem.starts_with("HK") => Self::Mixed(BIG5),
            _ if stem.starts_with("KSC") => Self::Mixed(EUC_KR),
            _ => return None,
        })
    }

    /// By the collection that the numbers of glyphs are from.
    pub(super) fn of_ordering(ordering: &[u8]) -> Option<Self> {
        match ordering {
            b"Japan1" => Some(Self::Japan),
            b"Korea1" => Some(Self::Korea),
            b"GB1" => Some(Self::China),
            b"CNS1" => Some(Self::Taiwan),
            _ => None,
        }
    }

    /// How many bytes the first code has.
    pub(super) fn length(self, string: &[u8]) -> usize {
        let first = string.first().copied().unwrap_or_default();
        match self {
            Self::Mixed(encoding) if encoding == SHIFT_JIS => {
                if matches!(first, 0x81..=0x9F | 0xE0..=0xFC) {
                    2
                } else {
                    1
                }
            }
            Self::Mixed(_) => 1 + usize::from(first > 0x80),
            Self::Wide if matches!(first, 0xD8..=0xDB) => 4,
            _ => 2,
        }
    }

    pub(super) fn text(self, code: &[u8]) -> Option<String> {
        let (encoding, bytes) = match self {
            Self::Wide => (UTF_16BE, code.to_vec()),
            Self::Mixed(encoding) => (encoding, code.to_vec()),
            Self::Seven(encoding) => (encoding, code.iter().map(|byte| byte | 0x80).collect()),
            _ => return None,
        };
        let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes)?;
        Some(text.into_owned())
    }

    /// The collections begin with Latin letters, and go on in the order of the national standards' rows of 94. What they
    /// added later is in no order and is not known here.
    pub(super) fn text_of_cid(self, cid: u32) -> Option<String> {
        let (encoding, half, runs): (_, _, &[Run]) = match self {
            Self::Japan => (EUC_JP, 231, JAPAN),
            Self::Korea => (EUC_KR, 8094, KOREA),
            Self::China => (GBK, 1, CHINA),
            Self::Taiwan => (BIG5, 13648, &[]),
            _ => return None,
        };
        for start in [1, half] {
            if let Some(ascii) = cid.checked_sub(start).filter(|place| *place < 95) {
                return char::from_u32(0x20 + ascii).map(String::from);
            }
        }
        let (first, row, cell, _) =
            runs.iter().find(|(first, .., count)| (*first..first + count).contains(&cid))?;
        let place = (row - 1) * 94 + (cell - 1) + cid - first;
        let bytes = [0xA1 + u8::try_from(place / 94).ok()?, 0xA1 + (place % 94) as u8];
        let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes)?;
        Some(text.into_owned())
    }
}

/// The first glyph, the row and cell of the standard that it stands at, and how many go on in that order.
type Run = (u32, u32, u32, u32);

const JAPAN: &[Run] = &[
    (633, 1, 1, 108),
    (780, 3, 16, 10),
    (790, 3, 33, 26),
    (816, 3, 65, 26),
    (842, 4, 1, 83),
    (925, 5, 1, 86),
    (1011, 6, 1, 24),
    (1035, 6, 33, 24),
    (1059, 7, 1, 33),
    (1092, 7, 49, 33),
    (1125, 16, 1, 2965),
    (4090, 48, 1, 3388),
];
/// Signs, and Hangul; the Chinese letters are in the order of the standard but for those that it has twice.
const KOREA: &[Run] =
    &[(114, 1, 14, 62), (264, 3, 1, 145), (679, 8, 17, 255), (934, 11, 1, 86), (1086, 16, 1, 2350)];
const CHINA: &[Run] = &[
    (106, 1, 11, 84),
    (262, 3, 1, 177),
    (439, 5, 1, 86),
    (525, 6, 1, 24),
    (549, 6, 33, 24),
    (602, 7, 1, 33),
    (635, 7, 49, 33),
    (940, 16, 1, 3755),
    (4695, 56, 1, 3008),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_glyphs() {
        let map = |name: &[u8], code: &[u8]| Charset::of_map(name).and_then(|charset| charset.text(code));
        assert_eq!(map(b"90ms-RKSJ-H", b"\x88\x9F").as_deref(), Some("亜"));
        assert_eq!(map(b"H", b"\x30\x21").as_deref(), Some("亜"));
        assert_eq!(map(b"UniGB-UCS2-V", b"\x4E\x2D").as_deref(), Some("中"));
        assert_eq!(map(b"Identity-H", b"\x4E\x2D"), None);
        for (cid, text) in [(34, "A"), (843, "あ"), (1125, "亜"), (4089, "腕"), (4090, "弌"), (264, "A")]
        {
            assert_eq!(Charset::Japan.text_of_cid(cid).as_deref(), Some(text), "{cid}");
        }
        assert_eq!(Charset::Korea.text_of_cid(1086).as_deref(), Some("가"));
        assert_eq!(Charset::China.text_of_cid(940).as_deref(), Some("啊"));
    }
}
