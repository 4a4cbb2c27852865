//! What each character is to the analyser, and what it is folded to.

use std::sync::LazyLock;

use super::tables::{ACCENTS, FOLDS, LETTERS, MARKS};

/// What a character does to the token before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// Ends it.
    Separator = 0,
    /// Continues it or begins one: letters, digits, private use.
    Letter = 1,
    /// Continues it and leaves no trace: accents, vowel points, variation selectors, soft hyphens.
    Accent = 2,
    /// Continues it and is kept: the vowel signs of Indic and other scripts.
    Mark = 3,
    /// Is a token of its own, with the marks that follow: a letter of a script written without spaces.
    Alone = 4,
}

/// Returns the class of `c` and what it is folded to (lower case, no accent).
#[inline]
pub(super) fn look_up(c: char) -> (Class, char) {
    let (class, folded, _) = look_up_all(c);
    (class, folded)
}

/// As [`look_up`], and how SQLite's FTS5 takes the character.
#[inline]
pub(super) fn look_up_all(c: char) -> (Class, char, InFts5) {
    if c.is_ascii() {
        let class = if c.is_ascii_alphanumeric() { Class::Letter } else { Class::Separator };
        return (class, c.to_ascii_lowercase(), InFts5::SAME);
    }
    let code = u32::from(c);
    let packed = PLANE.get(code as usize).copied().unwrap_or_else(|| pack(code));
    let class = match packed >> 24 {
        0 => Class::Separator,
        1 => Class::Letter,
        2 => Class::Accent,
        3 => Class::Mark,
        _ => Class::Alone,
    };
    (class, char::from_u32(packed & 0x1F_FFFF).unwrap_or(c), InFts5(packed & InFts5::BITS))
}

/// Where FTS5 takes a character otherwise than the analyser does: bits above the folded character.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFts5(u32);

impl InFts5 {
    const SAME: Self = Self(0);
    const IN_WORDS: u32 = 1 << 21;
    const BETWEEN_WORDS: u32 = 1 << 22;
    const BITS: u32 = Self::IN_WORDS | Self::BETWEEN_WORDS;

    /// It makes another word of the one that the character continues.
    pub(super) fn differs_in_words(self) -> bool {
        self.0 & Self::IN_WORDS != 0
    }

    /// It begins a word with the character, which is none here or stands alone.
    pub(super) fn differs_between_words(self) -> bool {
        self.0 & Self::BETWEEN_WORDS != 0
    }

    fn of(code: u32, class: u32, folded: u32) -> u32 {
        let is_letter = within(LETTERS, code);
        let (in_words, between) = match class {
            SEPARATOR | LETTER if folded_width(code).is_none() => (cuts_in_half(folded), false),
            ACCENT => (!within(ACCENTS, code), is_letter),
            _ => (true, is_letter),
        };
        let bit = |on, bit| if on { bit } else { 0 };
        bit(in_words, Self::IN_WORDS) | bit(between, Self::BETWEEN_WORDS)
    }
}

/// FTS5's stemmer takes the last two bytes of such a letter for a doubled consonant.
fn cuts_in_half(letter: u32) -> bool {
    let mut bytes = [0; 4];
    let bytes = char::from_u32(letter).map_or(&[][..], |letter| letter.encode_utf8(&mut bytes).as_bytes());
    matches!(bytes, [_, .., a, b] if a == b)
}

const SEPARATOR: u32 = Class::Separator as u32;
const LETTER: u32 = Class::Letter as u32;
const ACCENT: u32 = Class::Accent as u32;

/// The basic plane, computed at its first use. 256 KiB.
static PLANE: LazyLock<Box<[u32]>> = LazyLock::new(|| (0..0x1_0000).map(pack).collect());

/// Class in the top byte, folded character in the lowest 21 bits, [`InFts5`] between.
fn pack(code: u32) -> u32 {
    let (class, folded) = compute(code);
    class << 24 | InFts5::of(code, class, folded) | folded
}

fn compute(code: u32) -> (u32, u32) {
    if let Some(folded) = folded_width(code) {
        let class = if within(SPACELESS, folded) { Class::Alone } else { Class::Letter };
        return (class as u32, folded);
    }
    let class = if within(DROPPED, code) || within(ACCENTS, code) {
        Class::Accent
    } else if within(MARKS, code) {
        Class::Mark
    } else if within(EMOJI, code) {
        Class::Alone
    } else if !within(LETTERS, code) {
        Class::Separator
    } else if within(SPACELESS, code) {
        Class::Alone
    } else {
        Class::Letter
    };
    (class as u32, folded(code))
}

fn within(ranges: &[(u32, u32)], code: u32) -> bool {
    let after = ranges.partition_point(|&(first, _)| first <= code);
    after > 0 && code <= ranges[after - 1].1
}

/// Each range of [`FOLDS`] is (first, last, step, what to add).
fn folded(code: u32) -> u32 {
    let after = FOLDS.partition_point(|&(first, ..)| first <= code);
    match after.checked_sub(1).map(|index| FOLDS[index]) {
        Some((first, last, step, add)) if code <= last && (code - first).is_multiple_of(step) => {
            code.checked_add_signed(add).unwrap_or(code)
        }
        _ => code,
    }
}

/// Full-width Latin letters and digits become ASCII, half-width katakana full-width: input methods mix them.
fn folded_width(code: u32) -> Option<u32> {
    match code {
        0xFF10..=0xFF19 | 0xFF41..=0xFF5A => Some(code - 0xFEE0),
        0xFF21..=0xFF3A => Some(code - 0xFEC0),
        0xFF66..=0xFF9D => HALF_WIDTH_KANA.chars().nth((code - 0xFF66) as usize).map(u32::from),
        _ => None,
    }
}

/// Joins a letter and the mark after it where Unicode also has the two as one: voiced kana.
/// File names on some systems, and texts copied from there, come taken apart.
pub(super) fn compose_kana(base: char, mark: char) -> Option<char> {
    let add = match mark {
        '\u{3099}' | '\u{FF9E}' => 1,
        '\u{309A}' | '\u{FF9F}' => 2,
        _ => return None,
    };
    let hiragana = match u32::from(base) {
        code @ 0x30A1..=0x30F6 => char::from_u32(code - 0x60)?,
        _ => base,
    };
    let voiced = "かきくけこさしすせそたちつてとはひふへほ";
    let fits = if add == 1 { voiced.contains(hiragana) } else { "はひふへほ".contains(hiragana) };
    if fits { char::from_u32(u32::from(base) + add) } else { None }
}

/// Joins Hangul letters to a syllable, as The Unicode Standard, section 3.12, computes it: a leading consonant
/// and a vowel, or such a syllable and a final consonant.
pub(super) fn compose_hangul(before: char, next: char) -> Option<char> {
    const SYLLABLES: u32 = 0xAC00;
    let (before, next) = (u32::from(before), u32::from(next));
    match (before, next) {
        (0x1100..=0x1112, 0x1161..=0x1175) => {
            char::from_u32(SYLLABLES + ((before - 0x1100) * 21 + (next - 0x1161)) * 28)
        }
        (0xAC00..=0xD7A3, 0x11A8..=0x11C2) if (before - SYLLABLES).is_multiple_of(28) => {
            char::from_u32(before + next - 0x11A7)
        }
        _ => None,
    }
}

/// U+FF66 to U+FF9D in full width.
const HALF_WIDTH_KANA: &str = "ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン";

/// Accents beyond FTS5's own few, points of Semitic scripts, variation selectors and the soft hyphen: marks
/// that people leave out when they search.
const DROPPED: &[(u32, u32)] = &[
    (0x00AD, 0x00AD),
    (0x0300, 0x036F),
    (0x0483, 0x0489),
    (0x0591, 0x05BD),
    (0x05BF, 0x05BF),
    (0x05C1, 0x05C2),
    (0x05C4, 0x05C5),
    (0x05C7, 0x05C7),
    (0x0610, 0x061A),
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x06D6, 0x06DC),
    (0x06DF, 0x06E4),
    (0x06E7, 0x06E8),
    (0x06EA, 0x06ED),
    (0x0711, 0x0711),
    (0x0730, 0x074A),
    (0x08D3, 0x08E1),
    (0x08E3, 0x08FF),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F),
    (0x1F3FB, 0x1F3FF), // Skin tones of emoji
    (0xE0100, 0xE01EF),
];

/// FTS5 leaves out the older ones and takes the younger ones, which its tables do not know, for letters of the
/// word that they touch.
const EMOJI: &[(u32, u32)] = &[(0x1F300, 0x1FAFF)];

/// Scripts written without spaces between words, and Hangul, whose words carry their particles with them.
/// Only their letters stand alone; their digits form words.
const SPACELESS: &[(u32, u32)] = &[
    (0x0E01, 0x0E4E),   // Thai
    (0x0E81, 0x0ECE),   // Lao
    (0x0EDC, 0x0EDF),   // Lao
    (0x1000, 0x103F),   // Myanmar
    (0x1050, 0x108F),   // Myanmar
    (0x1100, 0x11FF),   // Hangul letters
    (0x1780, 0x17D3),   // Khmer
    (0x17D7, 0x17DD),   // Khmer
    (0x1950, 0x19CF),   // Tai Le, New Tai Lue
    (0x1A20, 0x1A7F),   // Tai Tham
    (0x1B05, 0x1B4C),   // Balinese
    (0x3005, 0x3007),   // Han
    (0x3021, 0x3029),   // Han
    (0x3031, 0x303C),   // Han and kana
    (0x3041, 0x312F),   // Hiragana, katakana, bopomofo
    (0x3131, 0x31BF),   // Hangul letters, bopomofo
    (0x31F0, 0x31FF),   // Katakana
    (0x3400, 0x4DBF),   // Han
    (0x4E00, 0x9FFF),   // Han
    (0xA000, 0xA48C),   // Yi
    (0xA960, 0xA97F),   // Hangul letters
    (0xA984, 0xA9B2),   // Javanese
    (0xAA60, 0xAA7F),   // Myanmar
    (0xAA80, 0xAADD),   // Tai Viet
    (0xAC00, 0xD7FB),   // Hangul
    (0xF900, 0xFAFF),   // Han
    (0xFFA0, 0xFFDC),   // Hangul letters
    (0x1AFF0, 0x1B16F), // Kana
    (0x20000, 0x3FFFF), // Han
];
