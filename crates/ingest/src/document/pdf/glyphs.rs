//! Names of glyphs as characters, by the rules of Adobe's glyph list specification.

use lopdf::{Dictionary, Document, Object};

/// The characters that a name stands for; `None` where it tells nothing.
pub(super) fn text_of(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let base = name.split_once('.').map_or(name, |(base, _)| base);
    if base.is_empty() {
        return None;
    }
    let text: Option<String> = base.split('_').map(component).collect();
    text.filter(|text| !text.is_empty()).or_else(|| component(base))
}

fn component(name: &str) -> Option<String> {
    if let Some(known) = listed(name) {
        return Some(known);
    }
    if let Some(digits) = name.strip_prefix("uni").filter(|digits| digits.len() >= 4 && digits.len() % 4 == 0)
    {
        let units: Option<Vec<u16>> = (0..digits.len())
            .step_by(4)
            .map(|at| u16::from_str_radix(digits.get(at..at + 4)?, 16).ok())
            .collect();
        if let Some(units) = units {
            return Some(String::from_utf16_lossy(&units));
        }
    }
    let digits = name.strip_prefix('u').filter(|digits| (4..=6).contains(&digits.len()))?;
    let code = u32::from_str_radix(digits, 16).ok()?;
    char::from_u32(code).map(String::from)
}

/// Looks a name up in the list that lopdf carries, which it opens only as the encoding of a font.
fn listed(name: &str) -> Option<String> {
    if let Some((_, text)) = MORE.iter().find(|(known, _)| *known == name) {
        return Some((*text).to_owned());
    }
    let differences = vec![Object::Integer(1), Object::Name(name.as_bytes().to_vec())];
    let mut encoding = Dictionary::new();
    encoding.set("Differences", differences);
    let mut font = Dictionary::new();
    font.set("Type", Object::Name(b"Font".to_vec()));
    font.set("Encoding", encoding);
    let nothing = Document::new();
    let encoding = font.get_font_encoding(&nothing).ok()?;
    let text = encoding.bytes_to_string(&[1]).ok()?;
    // What is not in the list is what the base encoding has there: nothing.
    text.chars().next().filter(|letter| *letter > '\u{1F}').map(|_| text)
}

/// What TeX's fonts call things, and ligatures.
const MORE: &[(&str, &str)] = &[
    ("ff", "ff"),
    ("fi", "fi"),
    ("fl", "fl"),
    ("ffi", "ffi"),
    ("ffl", "ffl"),
    ("longst", "st"),
    ("st", "st"),
    ("visiblespace", " "),
    ("nbspace", "\u{A0}"),
    ("mu1", "µ"),
    ("dotlessj", "ȷ"),
    ("arrowvertex", "|"),
    ("angbracketleft", "⟨"),
    ("angbracketright", "⟩"),
    ("square", "□"),
    ("a110", "→"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_kinds() {
        for (name, expected) in [
            ("Aacute", Some("Á")),
            ("fi", Some("fi")),
            ("f_f_i", Some("ffi")),
            ("a.alt", Some("a")),
            ("uni00410042", Some("AB")),
            ("u1F30D", Some("🌍")),
            ("afii10017", Some("А")),
            ("g23", None),
            (".notdef", None),
            ("space", Some(" ")),
        ] {
            assert_eq!(text_of(name.as_bytes()).as_deref(), expected, "{name}");
        }
    }
}
