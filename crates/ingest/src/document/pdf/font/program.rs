//! What the programs of embedded fonts tell about their letters.

use std::collections::HashMap;

use lopdf::{Dictionary, Document};
use ttf_parser::{Face, GlyphId, PlatformId, cff};

use super::super::{
    glyphs,
    objects::{bytes, dictionary, stream},
    tokens::{Operand, Token, Tokens},
};

/// The encoding that a simple font carries in itself.
pub(super) fn own_encoding(document: &Document, descriptor: &Dictionary) -> Option<Vec<(u8, String)>> {
    if let Some(program) = stream(document, descriptor, b"FontFile") {
        return type1(&bytes(document, program));
    }
    if let Some(program) = stream(document, descriptor, b"FontFile3") {
        let program = bytes(document, program);
        if let Some(table) = cff::Table::parse(&program) {
            return Some(compact(&table));
        }
        return Face::parse(&program, 0).ok().and_then(|face| face.tables().cff.as_ref().map(compact));
    }
    let program = bytes(document, stream(document, descriptor, b"FontFile2")?);
    Face::parse(&program, 0).ok().map(|face| true_type(&face))
}

/// `dup 65 /A put`, before the encrypted part.
fn type1(program: &[u8]) -> Option<Vec<(u8, String)>> {
    let end = memchr::memmem::find(program, b"eexec").unwrap_or(program.len());
    let start = memchr::memmem::find(&program[..end], b"/Encoding")?;
    let mut found = Vec::new();
    let mut operands: Vec<Operand> = Vec::new();
    for token in Tokens::new(&program[start..end]) {
        match token {
            Token::Operand(operand) => operands.push(operand),
            Token::Operator(b"put") => {
                if let [.., Operand::Number(code), Operand::Name(name)] = operands.as_slice()
                    && (0.0..256.0).contains(code)
                {
                    found.extend(glyphs::text_of(name).map(|text| (*code as u8, text)));
                }
                operands.clear();
            }
            Token::Operator(b"StandardEncoding") => return None,
            Token::Operator(b"readonly" | b"def") if !found.is_empty() => break,
            Token::Operator(_) => {}
        }
    }
    Some(found)
}

fn compact(table: &cff::Table<'_>) -> Vec<(u8, String)> {
    (0..=255)
        .filter_map(|code| {
            let glyph = table.glyph_index(code).filter(|glyph| glyph.0 > 0)?;
            Some((code, glyphs::text_of(table.glyph_name(glyph)?.as_bytes())?))
        })
        .collect()
}

/// Code to glyph by the tables of old, glyph to character by its name or by the table of Unicode.
fn true_type(face: &Face<'_>) -> Vec<(u8, String)> {
    let Some(cmap) = face.tables().cmap else { return Vec::new() };
    let back = unicode_of_glyphs(face);
    let tables: Vec<_> = cmap
        .subtables
        .into_iter()
        .filter(|table| match table.platform_id {
            PlatformId::Macintosh => true,
            PlatformId::Windows => table.encoding_id == 0,
            _ => false,
        })
        .collect();
    (0..=255u8)
        .filter_map(|code| {
            let code32 = u32::from(code);
            let glyph = tables
                .iter()
                .find_map(|table| table.glyph_index(code32).or_else(|| table.glyph_index(0xF000 + code32)))?;
            let named = || face.glyph_name(glyph).and_then(|name| glyphs::text_of(name.as_bytes()));
            Some((code, back.get(&u32::from(glyph.0)).map(char::to_string).or_else(named)?))
        })
        .collect()
}

/// The characters of a composite font's glyphs, by its own tables.
pub(super) fn characters_of_glyphs(document: &Document, font: &Dictionary) -> HashMap<u32, char> {
    let Some(descriptor) = dictionary(document, font, b"FontDescriptor") else { return HashMap::new() };
    let program =
        stream(document, descriptor, b"FontFile2").or_else(|| stream(document, descriptor, b"FontFile3"));
    let Some(program) = program.map(|stream| bytes(document, stream)) else { return HashMap::new() };
    let Ok(face) = Face::parse(&program, 0) else { return HashMap::new() };
    let mut characters = unicode_of_glyphs(&face);
    if characters.is_empty() {
        characters = (1..face.number_of_glyphs())
            .filter_map(|glyph| {
                let text = glyphs::text_of(face.glyph_name(GlyphId(glyph))?.as_bytes())?;
                Some((u32::from(glyph), text.chars().next()?))
            })
            .collect();
    }
    let Some(map) = stream(document, font, b"CIDToGIDMap").map(|stream| bytes(document, stream)) else {
        return characters;
    };
    let glyph = |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], pair[1]]));
    (0..)
        .zip(map.chunks_exact(2))
        .filter_map(|(cid, pair)| Some((cid, *characters.get(&glyph(pair))?)))
        .collect()
}

fn unicode_of_glyphs(face: &Face<'_>) -> HashMap<u32, char> {
    let mut back = HashMap::new();
    let Some(cmap) = face.tables().cmap else { return back };
    for table in cmap.subtables.into_iter().filter(ttf_parser::cmap::Subtable::is_unicode) {
        table.codepoints(|code| {
            let letter = char::from_u32(code).filter(|letter| !('\u{E000}'..='\u{F8FF}').contains(letter));
            if let (Some(letter), Some(glyph)) = (letter, table.glyph_index(code)) {
                back.entry(u32::from(glyph.0)).or_insert(letter);
            }
        });
    }
    back
}
