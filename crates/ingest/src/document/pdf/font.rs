//! What a font makes of the bytes of a string: characters and how far each moves on.

mod charset;
mod program;

use std::collections::HashMap;

use lopdf::{Dictionary, Document, Object};

use self::charset::Charset;
use super::{
    cmap::CMap,
    encoding::{self, Base},
    glyphs,
    objects::{array, bytes, dictionary, get, name, number, number_of, numbers, stream},
};

/// Most entries of a table of widths.
const WIDTHS_MAX: usize = 100_000;

/// A font, ready to read strings.
#[derive(Debug)]
pub(super) struct Font {
    pub(super) vertical: bool,
    /// What to multiply the size with to get that of the letters; not 1 in fonts made of drawings.
    pub(super) size: f64,
    kind: Kind,
    to_unicode: Option<CMap>,
}

#[derive(Debug)]
enum Kind {
    Simple {
        texts: Vec<Option<String>>,
        widths: Vec<f64>,
    },
    Composite {
        codes: Codes,
        widths: HashMap<u32, f64>,
        width: f64,
        glyphs: HashMap<u32, char>,
        charset: Option<Charset>,
    },
}

/// How a composite font cuts its strings.
#[derive(Debug)]
enum Codes {
    /// Two bytes are the number of a glyph.
    Identity,
    Map(Box<CMap>),
    /// A predefined map of an encoding that is a known one.
    Charset(Charset),
}

/// One letter of a string.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Letter {
    /// Empty where nobody knows.
    pub(super) text: String,
    /// To the next one, as a part of the font's size.
    pub(super) advance: f64,
    /// It is the single byte 32, at which words are spaced.
    pub(super) is_space: bool,
}

impl Font {
    pub(super) fn read(document: &Document, font: &Dictionary) -> Self {
        let to_unicode = stream(document, font, b"ToUnicode")
            .map(|stream| CMap::read(&bytes(document, stream)))
            .filter(CMap::has_text)
            // Codes that are characters already.
            .or_else(|| {
                name(document, font, b"ToUnicode")
                    .is_some_and(|name| name.starts_with(b"Identity"))
                    .then(CMap::identity)
            });
        let subtype = name(document, font, b"Subtype").unwrap_or_default();
        if subtype == b"Type0" {
            return composite(document, font, to_unicode);
        }
        let known = to_unicode.is_some();
        let texts = texts(document, font, subtype, known);
        let (widths, size) = widths(document, font, subtype, &texts);
        Self { vertical: false, size, kind: Kind::Simple { texts, widths }, to_unicode }
    }

    /// A font for strings without one.
    pub(super) fn missing() -> Self {
        let texts: Vec<_> = (0..=255).map(|code| Base::WinAnsi.text(code)).collect();
        let widths = texts.iter().map(|text| usual_width("Helvetica", text.as_deref())).collect();
        Self { vertical: false, size: 1.0, kind: Kind::Simple { texts, widths }, to_unicode: None }
    }

    pub(super) fn letters(&self, string: &[u8], each: &mut dyn FnMut(Letter)) {
        match &self.kind {
            Kind::Simple { texts, widths } => {
                for code in string {
                    let mapped = self.to_unicode.as_ref().and_then(|map| map.text(u32::from(*code)));
                    let text = mapped.or_else(|| texts[usize::from(*code)].clone()).unwrap_or_default();
                    each(Letter { text, advance: widths[usize::from(*code)], is_space: *code == 32 });
                }
            }
            Kind::Composite { codes, widths, width, glyphs, charset } => {
                let mut rest = string;
                while !rest.is_empty() {
                    let (length, code) = codes.next(rest);
                    let taken = &rest[..length];
                    rest = &rest[length..];
                    let cid = codes.cid(code);
                    let mapped = self.to_unicode.as_ref().and_then(|map| map.text(code));
                    let text = mapped
                        .or_else(|| match codes {
                            Codes::Charset(charset) => charset.text(taken),
                            _ => charset.as_ref().and_then(|charset| charset.text_of_cid(cid)),
                        })
                        .or_else(|| glyphs.get(&cid).map(char::to_string))
                        .unwrap_or_default();
                    let usual = if matches!(codes, Codes::Charset(_)) && length == 1 { 0.5 } else { *width };
                    let advance = widths.get(&cid).copied().unwrap_or(usual);
                    each(Letter { text, advance, is_space: length == 1 && code == 32 });
                }
            }
        }
    }
}

impl Codes {
    /// The length and the value of the first code; at least one byte.
    fn next(&self, string: &[u8]) -> (usize, u32) {
        let value =
            |length: usize| string[..length].iter().fold(0, |code, byte| code << 8 | u32::from(*byte));
        let length = match self {
            Self::Identity => 2,
            Self::Charset(charset) => charset.length(string),
            Self::Map(map) => {
                let fits = |length: usize| {
                    length <= string.len()
                        && map.spaces.iter().any(|(bytes, first, last)| {
                            *bytes == length && within(value(length), *first, *last, length)
                        })
                };
                let shortest = map.spaces.iter().map(|(bytes, ..)| *bytes).min().unwrap_or(2);
                (1..=4).find(|length| fits(*length)).unwrap_or(shortest)
            }
        };
        let length = length.clamp(1, 4).min(string.len());
        (length, value(length))
    }

    fn cid(&self, code: u32) -> u32 {
        match self {
            Self::Map(map) => map.cid(code).unwrap_or(if map.has_cids() { 0 } else { code }),
            _ => code,
        }
    }
}

/// Whether each byte of a code lies between those of the borders (Adobe technical note 5014, 7.2).
fn within(code: u32, first: u32, last: u32, length: usize) -> bool {
    (0..length).all(|place| {
        let byte = |code: u32| code >> (8 * place) & 0xFF;
        (byte(first)..=byte(last)).contains(&byte(code))
    })
}

fn composite(document: &Document, font: &Dictionary, to_unicode: Option<CMap>) -> Font {
    let descendant = array(document, font, b"DescendantFonts")
        .and_then(|fonts| fonts.first())
        .and_then(|font| super::objects::resolve(document, font))
        .and_then(|font| font.as_dict().ok());
    let mut vertical = false;
    let codes = match get(document, font, b"Encoding") {
        Some(Object::Stream(stream)) => {
            let mut map = CMap::read(&bytes(document, stream));
            if map.spaces.is_empty() {
                map.spaces.push((2, 0, 0xFFFF));
            }
            let number = number_of(document, &stream.dict, b"WMode");
            vertical = map.vertical || number == Some(1.0);
            Codes::Map(Box::new(map))
        }
        Some(Object::Name(name)) => {
            vertical = name.ends_with(b"-V") || name == b"V";
            Charset::of_map(name).map_or(Codes::Identity, Codes::Charset)
        }
        _ => Codes::Identity,
    };
    let empty = Dictionary::new();
    let descendant = descendant.unwrap_or(&empty);
    let width = number_of(document, descendant, b"DW").unwrap_or(1000.0) / 1000.0;
    let charset = dictionary(document, descendant, b"CIDSystemInfo")
        .and_then(|info| get(document, info, b"Ordering"))
        .and_then(|ordering| ordering.as_str().ok())
        .and_then(Charset::of_ordering);
    // The letters of the font itself tell what its glyphs are where nothing else does.
    let glyphs = match to_unicode.is_none() && charset.is_none() {
        true => program::characters_of_glyphs(document, descendant),
        false => HashMap::new(),
    };
    let kind = Kind::Composite { codes, widths: cid_widths(document, descendant), width, glyphs, charset };
    Font { vertical, size: 1.0, kind, to_unicode }
}

/// `W` (ISO 32000-2, 9.7.4.3): `c [w1 w2 …]` or `first last w`.
fn cid_widths(document: &Document, font: &Dictionary) -> HashMap<u32, f64> {
    let mut widths = HashMap::new();
    let Some(items) = array(document, font, b"W") else { return widths };
    let mut items = items.iter().filter_map(|item| super::objects::resolve(document, item));
    while let (Some(first), Some(second)) = (items.next(), items.next()) {
        let Some(first) = number(document, first).map(|first| first.max(0.0) as u32) else { continue };
        if let Object::Array(list) = second {
            // Up to the last number there is: a range without an end goes beyond it.
            for (cid, width) in (first..=u32::MAX).zip(list) {
                widths.extend(number(document, width).map(|width| (cid, width / 1000.0)));
            }
        } else if let (Some(last), Some(width)) = (number(document, second), items.next()) {
            let width = number(document, width).unwrap_or(1000.0) / 1000.0;
            let last = (last.max(0.0) as u32).min(first.saturating_add(0xFFFF));
            widths.extend((first..=last).map(|cid| (cid, width)));
        }
        if widths.len() > WIDTHS_MAX {
            break;
        }
    }
    widths
}

/// The character of each code of a simple font.
fn texts(document: &Document, font: &Dictionary, subtype: &[u8], known: bool) -> Vec<Option<String>> {
    let descriptor = dictionary(document, font, b"FontDescriptor");
    let base_font = name(document, font, b"BaseFont").unwrap_or_default();
    let encoding = get(document, font, b"Encoding");
    let named = match encoding {
        Some(Object::Name(name)) => Base::named(name),
        Some(Object::Dictionary(encoding)) => name(document, encoding, b"BaseEncoding").and_then(Base::named),
        _ => None,
    };
    let symbolic = descriptor
        .and_then(|descriptor| number_of(document, descriptor, b"Flags"))
        .is_some_and(|flags| flags as i64 & 4 != 0);
    let contains = |part: &str| String::from_utf8_lossy(base_font).contains(part);
    let base = match named {
        _ if contains("ZapfDingbats") && descriptor.is_none() => Base::Dingbats,
        _ if contains("Symbol") && (descriptor.is_none() || named.is_none()) => Base::Symbol,
        Some(named) => named,
        None if subtype == b"TrueType" && !symbolic => Base::WinAnsi,
        None => Base::Standard,
    };
    let mut texts: Vec<Option<String>> = (0..=255).map(|code| base.text(code)).collect();
    if named.is_none()
        && !known
        && let Some(own) = descriptor.and_then(|descriptor| program::own_encoding(document, descriptor))
    {
        for (code, text) in own {
            texts[usize::from(code)] = Some(text);
        }
    }
    if let Some(Object::Dictionary(encoding)) = encoding
        && let Some(differences) = array(document, encoding, b"Differences")
    {
        differ(document, differences, &mut texts);
    }
    texts
}

fn differ(document: &Document, differences: &[Object], texts: &mut [Option<String>]) {
    let items = || differences.iter().filter_map(|item| super::objects::resolve(document, item));
    let names = || items().filter_map(|item| item.as_name().ok());
    // Numbers in names are written in hexadecimal if any of them cannot be anything else.
    let hexadecimal =
        names().filter_map(numbered).any(|digits| digits.bytes().any(|byte| byte.is_ascii_alphabetic()));
    let mut code = 0usize;
    for item in items() {
        match item {
            Object::Name(name) => {
                if let Some(text) = texts.get_mut(code) {
                    *text = glyphs::text_of(name).or_else(|| {
                        let radix = if hexadecimal { 16 } else { 10 };
                        let number =
                            u8::from_str_radix(numbered(name)?, radix).ok().filter(|number| *number >= 32)?;
                        Base::WinAnsi.text(number)
                    });
                }
                code += 1;
            }
            other => {
                if let Some(number) = number(document, other).filter(|number| (0.0..256.0).contains(number)) {
                    code = number as usize;
                }
            }
        }
    }
}

/// The digits of a name such as `g65`, `C41`, `char65`.
fn numbered(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    let digits = name
        .strip_prefix("char")
        .or_else(|| name.get(1..).filter(|_| name.starts_with(|c: char| c.is_ascii_alphabetic())))?;
    let plain = (2..=3).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && digits.starts_with(|c: char| c.is_ascii_digit());
    plain.then_some(digits)
}

/// The widths of a simple font as parts of its size, and the factor of its size.
fn widths(
    document: &Document,
    font: &Dictionary,
    subtype: &[u8],
    texts: &[Option<String>],
) -> (Vec<f64>, f64) {
    let matrix = numbers::<6>(document, font, b"FontMatrix").filter(|_| subtype == b"Type3");
    let unit = matrix.map_or(0.001, |matrix| matrix[0].abs());
    let descriptor = dictionary(document, font, b"FontDescriptor");
    let missing = descriptor.and_then(|descriptor| number_of(document, descriptor, b"MissingWidth"));
    let listed = array(document, font, b"Widths");
    let first = number_of(document, font, b"FirstChar").unwrap_or(0.0) as i64;
    let base_font =
        String::from_utf8_lossy(name(document, font, b"BaseFont").unwrap_or_default()).into_owned();
    let widths: Vec<f64> = (0i64..256)
        .zip(texts)
        .map(|(code, text)| match listed {
            Some(listed) => {
                let item = usize::try_from(code - first).ok().and_then(|at| listed.get(at));
                item.and_then(|item| number(document, item)).or(missing).unwrap_or(0.0) * unit
            }
            None => usual_width(&base_font, text.as_deref()),
        })
        .collect();
    let size = match matrix {
        None => 1.0,
        Some(_) => {
            let broad = widths.iter().copied().fold(0.0, f64::max);
            let m =
                texts.iter().position(|text| text.as_deref() == Some("m")).map_or(broad, |code| widths[code]);
            if m > 0.0 { (m / 0.6).clamp(0.001, 1000.0) } else { 1.0 }
        }
    };
    (widths, size)
}

fn usual_width(font: &str, text: Option<&str>) -> f64 {
    let letter = text.and_then(|text| text.chars().next());
    letter.map_or(0.0, |letter| f64::from(encoding::width(font, letter)) / 1000.0)
}
