//! The encodings that fonts can name (ISO 32000-2, Annex D), and the widths of the fonts that need not be embedded.

/// A character by its code in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Standard,
    WinAnsi,
    MacRoman,
    Symbol,
    Dingbats,
}

impl Base {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"StandardEncoding" => Some(Self::Standard),
            b"WinAnsiEncoding" | b"PDFDocEncoding" => Some(Self::WinAnsi),
            b"MacRomanEncoding" => Some(Self::MacRoman),
            _ => None,
        }
    }

    pub(super) fn text(self, code: u8) -> Option<String> {
        let letter = match self {
            Self::Standard => standard(code),
            Self::WinAnsi => {
                by_table(encoding_rs::WINDOWS_1252, code).or_else(|| (code > 126).then_some('•'))
            }
            Self::MacRoman => by_table(encoding_rs::MACINTOSH, code),
            Self::Symbol => of_rows(code, SYMBOL),
            Self::Dingbats => dingbat(code),
        };
        letter.map(|letter| match letter {
            'ﬁ' => "fi".to_owned(),
            'ﬂ' => "fl".to_owned(),
            letter => letter.to_string(),
        })
    }
}

fn by_table(encoding: &'static encoding_rs::Encoding, code: u8) -> Option<char> {
    let bytes = [code];
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes)?;
    text.chars().next().filter(|letter| !letter.is_control())
}

fn standard(code: u8) -> Option<char> {
    match code {
        0x27 => Some('’'),
        0x60 => Some('‘'),
        0x20..0x7F => Some(code as char),
        0xA1..=0xFB => STANDARD.chars().nth(usize::from(code) - 0xA1).filter(|letter| *letter != ' '),
        _ => None,
    }
}

/// From 0xA1 on; a space stands for nothing.
const STANDARD: &str =
    "¡¢£⁄¥ƒ§¤'“«‹›ﬁﬂ –†‡· ¶•‚„”»…‰ ¿ `´ˆ˜¯˘˙¨ ˚¸ ˝˛ˇ—                Æ ª    ŁØŒº     æ   ı  łøœß";

fn of_rows(code: u8, rows: [&str; 2]) -> Option<char> {
    let (row, first) = match code {
        0x20..=0x7E => (rows[0], 0x20),
        0xA0..=0xFE => (rows[1], 0xA0),
        _ => return None,
    };
    row.chars().nth(usize::from(code - first)).filter(|letter| *letter != '\u{FFFD}')
}

/// From 0x20 and from 0xA0 on.
const SYMBOL: [&str; 2] = [
    " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼",
    "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…│─↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\u{FFFD}〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭",
];

/// The Dingbats block was made from this font, with a few letters that stood elsewhere already.
fn dingbat(code: u8) -> Option<char> {
    let elsewhere = match code {
        0x20 => ' ',
        0x25 => '☎',
        0x2A => '☛',
        0x2B => '☞',
        0x48 => '★',
        0x6C => '●',
        0x6E => '■',
        0x73 => '▲',
        0x74 => '▼',
        0x75 => '◆',
        0x77 => '◗',
        0xA8 => '♣',
        0xA9 => '♦',
        0xAA => '♥',
        0xAB => '♠',
        0xAC..=0xB5 => char::from_u32(0x2460 + u32::from(code - 0xAC))?,
        0xD5 => '→',
        0xD6 => '↔',
        0xD7 => '↕',
        0x21..=0x7E | 0xA1..=0xFE => char::from_u32(0x2700 + u32::from(code) - 0x20)?,
        _ => return None,
    };
    Some(elsewhere)
}

/// The width of a character in thousandths of the font's size, in the font of the fourteen that `name` is or resembles.
pub(super) fn width(name: &str, letter: char) -> f32 {
    let name = name.to_ascii_lowercase();
    let bold = name.contains("bold") || name.contains("black") || name.contains("demi");
    let italic = name.contains("italic") || name.contains("oblique");
    if name.contains("courier") || name.contains("mono") {
        return 600.0;
    }
    let serif = ["times", "serif", "roman", "garamond", "georgia", "palatino", "book"]
        .iter()
        .any(|part| name.contains(part))
        && !name.contains("sans");
    let widths = match (serif, bold, italic) {
        (false, false, _) => &HELVETICA,
        (false, true, _) => &HELVETICA_BOLD,
        (true, false, false) => &TIMES,
        (true, true, false) => &TIMES_BOLD,
        (true, false, true) => &TIMES_ITALIC,
        (true, true, true) => &TIMES_BOLD_ITALIC,
    };
    let plain = match letter {
        '’' | '‘' | '‚' => '\'',
        '–' | '“' | '”' | '„' => 'n',
        '—' | '…' => return 1000.0,
        '•' | '·' => return 350.0,
        '\u{A0}' => ' ',
        letter if (letter as u32) < 0x7F => letter,
        // Accents change no widths.
        letter => {
            let mut bytes = [0; 4];
            let decomposed = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd();
            decomposed.normalize(letter.encode_utf8(&mut bytes)).chars().next().unwrap_or('n')
        }
    };
    let at = (plain as usize).wrapping_sub(0x20);
    widths.get(at).copied().map_or(556.0, f32::from)
}

/// Of U+0020 to U+007E.
const HELVETICA: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// Of U+0020 to U+007E.
const HELVETICA_BOLD: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667, 611, 778, 722, 278,
    556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584,
    556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556,
    333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];

/// Of U+0020 to U+007E.
const TIMES: [u16; 95] = [
    250, 333, 408, 500, 500, 833, 778, 180, 333, 333, 500, 564, 250, 333, 250, 278, 500, 500, 500, 500, 500,
    500, 500, 500, 500, 500, 278, 278, 564, 564, 564, 444, 921, 722, 667, 667, 722, 611, 556, 722, 722, 333,
    389, 722, 611, 889, 722, 722, 556, 722, 667, 556, 611, 722, 722, 944, 722, 722, 611, 333, 278, 333, 469,
    500, 333, 444, 500, 444, 500, 444, 333, 500, 500, 278, 278, 500, 278, 778, 500, 500, 500, 500, 333, 389,
    278, 500, 500, 722, 500, 500, 444, 480, 200, 480, 541,
];

/// Of U+0020 to U+007E.
const TIMES_BOLD: [u16; 95] = [
    250, 333, 555, 500, 500, 1000, 833, 278, 333, 333, 500, 570, 250, 333, 250, 278, 500, 500, 500, 500, 500,
    500, 500, 500, 500, 500, 333, 333, 570, 570, 570, 500, 930, 722, 667, 722, 722, 667, 611, 778, 778, 389,
    500, 778, 667, 944, 722, 778, 611, 778, 722, 556, 667, 722, 722, 1000, 722, 722, 667, 333, 278, 333, 581,
    500, 333, 500, 556, 444, 556, 444, 333, 500, 556, 278, 333, 556, 278, 833, 556, 500, 556, 556, 444, 389,
    333, 556, 500, 722, 500, 500, 444, 394, 220, 394, 520,
];

/// Of U+0020 to U+007E.
const TIMES_ITALIC: [u16; 95] = [
    250, 333, 420, 500, 500, 833, 778, 214, 333, 333, 500, 675, 250, 333, 250, 278, 500, 500, 500, 500, 500,
    500, 500, 500, 500, 500, 333, 333, 675, 675, 675, 500, 920, 611, 611, 667, 722, 611, 611, 722, 722, 333,
    444, 667, 556, 833, 667, 722, 611, 722, 611, 500, 556, 722, 611, 833, 611, 556, 556, 389, 278, 389, 422,
    500, 333, 500, 500, 444, 500, 444, 278, 500, 500, 278, 278, 444, 278, 722, 500, 500, 500, 500, 389, 389,
    278, 500, 444, 667, 444, 444, 389, 400, 275, 400, 541,
];

/// Of U+0020 to U+007E.
const TIMES_BOLD_ITALIC: [u16; 95] = [
    250, 389, 555, 500, 500, 833, 778, 278, 333, 333, 500, 570, 250, 333, 250, 278, 500, 500, 500, 500, 500,
    500, 500, 500, 500, 500, 333, 333, 570, 570, 570, 500, 832, 667, 667, 667, 722, 667, 667, 722, 778, 389,
    500, 667, 611, 889, 722, 722, 611, 722, 667, 556, 611, 722, 667, 889, 667, 611, 611, 333, 278, 333, 570,
    500, 333, 500, 500, 444, 500, 444, 333, 500, 556, 278, 278, 500, 278, 778, 556, 500, 500, 500, 389, 389,
    278, 556, 444, 667, 500, 444, 389, 348, 220, 348, 570,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_all_encodings() {
        for (base, code, expected) in [
            (Base::Standard, 0x27, "’"),
            (Base::Standard, 0xAE, "fi"),
            (Base::Standard, 0xD0, "—"),
            (Base::Standard, 0xE1, "Æ"),
            (Base::Standard, 0xE8, "Ł"),
            (Base::Standard, 0xF1, "æ"),
            (Base::Standard, 0xF5, "ı"),
            (Base::Standard, 0xFB, "ß"),
            (Base::WinAnsi, 0x80, "€"),
            (Base::WinAnsi, 0x81, "•"),
            (Base::MacRoman, 0x8A, "ä"),
            (Base::Symbol, 0x61, "α"),
            (Base::Symbol, 0x7E, "∼"),
            (Base::Symbol, 0xE5, "∑"),
            (Base::Symbol, 0xF2, "∫"),
            (Base::Symbol, 0xFE, "⎭"),
            (Base::Dingbats, 0x33, "✓"),
        ] {
            assert_eq!(base.text(code).as_deref(), Some(expected), "{base:?} {code:x}");
        }
        assert_eq!(Base::Standard.text(0xFC), None);
    }

    #[test]
    fn widths_of_the_fourteen() {
        assert_eq!(
            (width("Helvetica", 'A'), width("Times-Bold", 'é'), width("Courier", 'i')),
            (667.0, 444.0, 600.0)
        );
    }
}
