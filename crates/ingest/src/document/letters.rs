//! Bytes in any encoding as text, with the way back to the bytes.

use std::{borrow::Cow, ops::Range};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How much of a text is looked at to guess its encoding.
const SAMPLE_BYTES: usize = 256 << 10;

/// A text and how it came to be.
pub(super) struct Letters<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) encoding: &'static str,
    /// Some bytes stood for no character; there is U+FFFD instead.
    pub(super) replaced: bool,
    way: Way,
}

/// The way back.
enum Way {
    /// The text is the source but for this many bytes in front of it.
    Same(u64),
    /// For each line, where it begins in the text and in the source; and the source's end.
    Lines(Vec<(usize, u64)>, u64),
}

/// Decodes by byte order mark, by what the bytes look like, and last by `declared`, a name as HTML and XML give it.
pub(super) fn decode<'a>(bytes: &'a [u8], declared: Option<&str>) -> Letters<'a> {
    if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        return utf8(rest, 3);
    }
    if let Some(big_endian) = wide32(bytes) {
        return from_utf32(bytes, big_endian);
    }
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return from(&bytes[mark..], mark, encoding);
    }
    if let Some(encoding) = wide16(bytes) {
        return from(bytes, 0, encoding);
    }
    if memchr::memchr(0x1B, bytes).is_none() && std::str::from_utf8(bytes).is_ok() {
        return utf8(bytes, 0);
    }
    let declared = declared.and_then(|name| Encoding::for_label(name.trim().as_bytes()));
    let encoding = match declared.filter(|encoding| *encoding != UTF_8) {
        Some(encoding) => encoding,
        None if mostly_utf8(bytes) => UTF_8,
        None => guess(bytes),
    };
    if encoding == UTF_8 { utf8(bytes, 0) } else { from(bytes, 0, encoding) }
}

impl Letters<'_> {
    /// Returns the source's bytes of a range of the text, and whether that is so to the byte.
    pub(super) fn bytes(&self, range: Range<usize>) -> (Range<u64>, bool) {
        match &self.way {
            Way::Same(shift) => (range.start as u64 + shift..range.end as u64 + shift, true),
            Way::Lines(lines, end) => {
                let first = lines.partition_point(|(text, _)| *text <= range.start).saturating_sub(1);
                let last = lines.partition_point(|(text, _)| *text < range.end);
                let begin = lines.get(first).map_or(0, |(_, byte)| *byte);
                (begin..lines.get(last).map_or(*end, |(_, byte)| *byte), false)
            }
        }
    }
}

fn utf8(bytes: &[u8], mark: u64) -> Letters<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            Letters { text: Cow::Borrowed(text), encoding: "UTF-8", replaced: false, way: Way::Same(mark) }
        }
        Err(_) => from(bytes, mark as usize, UTF_8),
    }
}

/// Decodes line by line, so that the way back is known; in no encoding of the web is a line feed part of another
/// character, but in UTF-16.
fn from(bytes: &[u8], mark: usize, encoding: &'static Encoding) -> Letters<'static> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(bytes.len());
    let mut lines = Vec::new();
    let mut replaced = false;
    let mut at = 0;
    while at < bytes.len() {
        let end = line_end(bytes, at, encoding);
        lines.push((text.len(), (mark + at) as u64));
        let last = end == bytes.len();
        let mut rest = &bytes[at..end];
        loop {
            text.reserve(decoder.max_utf8_buffer_length(rest.len()).unwrap_or(rest.len()));
            let (result, read, odd) = decoder.decode_to_string(rest, &mut text, last);
            replaced |= odd;
            rest = &rest[read..];
            if result == encoding_rs::CoderResult::InputEmpty {
                break;
            }
        }
        at = end;
    }
    let way = Way::Lines(lines, (mark + bytes.len()) as u64);
    Letters { text: Cow::Owned(text), encoding: encoding.name(), replaced, way }
}

fn line_end(bytes: &[u8], from: usize, encoding: &'static Encoding) -> usize {
    let wide: Option<[u8; 2]> = match encoding {
        _ if encoding == UTF_16LE => Some([b'\n', 0]),
        _ if encoding == UTF_16BE => Some([0, b'\n']),
        _ => None,
    };
    match wide {
        None => memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |found| from + found + 1),
        Some(feed) => {
            let found = bytes[from..].chunks_exact(2).position(|pair| pair == feed);
            found.map_or(bytes.len(), |found| from + 2 * found + 2)
        }
    }
}

fn from_utf32(bytes: &[u8], big_endian: bool) -> Letters<'static> {
    let mut text = String::with_capacity(bytes.len() / 2);
    let mut lines = vec![(0, 4)];
    let mut replaced = !bytes.len().is_multiple_of(4);
    for (place, unit) in bytes[4..].chunks_exact(4).enumerate() {
        let code = match big_endian {
            true => u32::from_be_bytes([unit[0], unit[1], unit[2], unit[3]]),
            false => u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]]),
        };
        let found = char::from_u32(code);
        replaced |= found.is_none();
        text.push(found.unwrap_or(char::REPLACEMENT_CHARACTER));
        if code == u32::from(b'\n') {
            lines.push((text.len(), 4 * (place as u64 + 2)));
        }
    }
    let encoding = if big_endian { "UTF-32BE" } else { "UTF-32LE" };
    Letters { text: Cow::Owned(text), encoding, replaced, way: Way::Lines(lines, bytes.len() as u64) }
}

fn wide32(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0, 0, 0xFE, 0xFF, ..] => Some(true),
        // The same could be UTF-16 that begins with NUL, which no text does.
        [0xFF, 0xFE, 0, 0, ..] => Some(false),
        _ => None,
    }
}

/// UTF-16 without a mark: every other byte of Latin text is zero.
fn wide16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(4096) & !1];
    if sample.len() < 4 {
        return None;
    }
    let zeros = |odd: usize| sample.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let half = sample.len() / 2;
    match () {
        () if odd * 10 > half * 4 && even * 50 < half => Some(UTF_16LE),
        () if even * 10 > half * 4 && odd * 50 < half => Some(UTF_16BE),
        () => None,
    }
}

/// Whether bytes that are not UTF-8 throughout are it for the most part.
fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0usize, 0usize);
    for chunk in bytes[..bytes.len().min(SAMPLE_BYTES)].utf8_chunks() {
        good += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good > 4 * bad
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample, true);
    detector.guess(None, Utf8Detection::Allow)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Encodes `text`, has it guessed, and looks whether each line leads back to its own bytes.
    fn check(encoding: &'static Encoding, text: &str) {
        let (bytes, _, lost) = encoding.encode(text);
        assert!(!lost);
        let letters = decode(&bytes, None);
        assert_eq!((letters.text.as_ref(), letters.replaced), (text, false), "{}", encoding.name());
        let second = text.find('\n').map_or(0, |found| found + 1);
        let (range, _) = letters.bytes(second..text.len());
        let (again, _) =
            encoding.decode_without_bom_handling(&bytes[range.start as usize..range.end as usize]);
        assert_eq!(again, text[second..]);
    }

    #[test]
    fn encodings_are_guessed_and_lead_back() {
        check(UTF_8, "Grüße\naus Köln 🌍");
        check(
            encoding_rs::WINDOWS_1252,
            "Die Straße führt über die Brücke, schöne Grüße aus Köln.\nÄrger gibt es für alle.",
        );
        check(
            encoding_rs::WINDOWS_1251,
            "Съешь же ещё этих мягких французских булок.\nДа выпей чаю, дорогой друг.",
        );
        check(encoding_rs::SHIFT_JIS, "吾輩は猫である。名前はまだ無い。\nどこで生れたかとんと見当がつかぬ。");
        check(encoding_rs::GBK, "道可道，非常道。名可名，非常名。\n无名天地之始；有名万物之母。");
        check(encoding_rs::EUC_KR, "나랏말싸미 듕귁에 달아 문자와로 서르\n사맛디 아니할쎄");
        check(encoding_rs::ISO_2022_JP, "吾輩は猫である。\n名前はまだ無い。");
    }

    #[test]
    fn wide_encodings() {
        let text = "Grüße\naus Köln 🌍";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let four: Vec<u8> = text.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect();
        for (mark, bytes) in [
            (&b""[..], &little),
            (b"", &big),
            (b"\xFF\xFE", &little),
            (b"\xFE\xFF", &big),
            (b"\0\0\xFE\xFF", &four),
        ] {
            let bytes = [mark, &bytes[..]].concat();
            let letters = decode(&bytes, None);
            assert_eq!((letters.text.as_ref(), letters.replaced), (text, false), "{}", letters.encoding);
            let (second, _) = letters.bytes(9..10);
            assert!(second.start > mark.len() as u64 && second.end == bytes.len() as u64);
        }
    }

    #[test]
    fn a_few_broken_bytes_cost_only_themselves() {
        let bytes = [
            "schöne Grüße aus Köln, Zürich und Österreich für Jörg".as_bytes(),
            b"\xFF, \xC3(",
            "übrigens".as_bytes(),
        ]
        .concat();
        let letters = decode(&bytes, None);
        assert!(
            letters.replaced
                && letters.text.starts_with("schöne Grüße")
                && letters.text.ends_with("übrigens")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_text(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let letters = decode(&bytes, None);
            let (range, _) = letters.bytes(0..letters.text.len());
            prop_assert!(range.end <= bytes.len() as u64);
        }
    }
}
