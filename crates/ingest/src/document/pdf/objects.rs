//! Looking things up in a document whose references may lead anywhere.

use lopdf::{Dictionary, Document, Object, Stream};

/// What a page's or a font's stream may inflate to.
pub(super) const STREAM_BYTES_MAX: usize = 128 << 20;

/// Follows references.
pub(super) fn resolve<'a>(document: &'a Document, object: &'a Object) -> Option<&'a Object> {
    document.dereference(object).ok().map(|(_, object)| object)
}

pub(super) fn get<'a>(document: &'a Document, dictionary: &'a Dictionary, key: &[u8]) -> Option<&'a Object> {
    resolve(document, dictionary.get(key).ok()?)
}

pub(super) fn dictionary<'a>(
    document: &'a Document,
    from: &'a Dictionary,
    key: &[u8],
) -> Option<&'a Dictionary> {
    match get(document, from, key)? {
        Object::Dictionary(dictionary) => Some(dictionary),
        Object::Stream(stream) => Some(&stream.dict),
        _ => None,
    }
}

pub(super) fn stream<'a>(document: &'a Document, from: &'a Dictionary, key: &[u8]) -> Option<&'a Stream> {
    get(document, from, key)?.as_stream().ok()
}

pub(super) fn name<'a>(document: &'a Document, from: &'a Dictionary, key: &[u8]) -> Option<&'a [u8]> {
    get(document, from, key)?.as_name().ok()
}

pub(super) fn array<'a>(document: &'a Document, from: &'a Dictionary, key: &[u8]) -> Option<&'a Vec<Object>> {
    get(document, from, key)?.as_array().ok()
}

pub(super) fn number(document: &Document, object: &Object) -> Option<f64> {
    match resolve(document, object)? {
        Object::Integer(number) => Some(*number as f64),
        Object::Real(number) => Some(f64::from(*number)),
        _ => None,
    }
}

pub(super) fn number_of(document: &Document, from: &Dictionary, key: &[u8]) -> Option<f64> {
    number(document, from.get(key).ok()?)
}

/// Numbers of an array; nothing where one is none.
pub(super) fn numbers<const N: usize>(
    document: &Document,
    from: &Dictionary,
    key: &[u8],
) -> Option<[f64; N]> {
    let items = array(document, from, key)?;
    let numbers: Option<Vec<f64>> = items.iter().take(N).map(|item| number(document, item)).collect();
    numbers?.try_into().ok()
}

/// A stream's bytes; as far as they can be had.
pub(super) fn bytes(document: &Document, stream: &Stream) -> Vec<u8> {
    let keys: [&[u8]; 2] = [b"Filter", b"DecodeParms"];
    let indirect = |object: &Object| match object {
        Object::Array(items) => items.iter().any(|item| item.as_reference().is_ok()),
        object => object.as_reference().is_ok(),
    };
    if !keys.iter().any(|key| stream.dict.get(key).is_ok_and(indirect)) {
        return stream.decompressed_content_with_limit(STREAM_BYTES_MAX).unwrap_or_default();
    }
    // lopdf takes these only where they stand in the stream itself.
    let mut direct = stream.clone();
    for key in keys {
        let Some(found) = get(document, &stream.dict, key) else { continue };
        let found = match found {
            Object::Array(items) => Object::Array(
                items.iter().map(|item| resolve(document, item).unwrap_or(item).clone()).collect(),
            ),
            found => found.clone(),
        };
        direct.dict.set(key.to_vec(), found);
    }
    direct.decompressed_content_with_limit(STREAM_BYTES_MAX).unwrap_or_default()
}

/// A text string of the document (ISO 32000-2, 7.9.2.2).
pub(super) fn text(document: &Document, from: &Dictionary, key: &[u8]) -> Option<String> {
    text_of(get(document, from, key)?.as_str().ok()?)
}

pub(super) fn text_of(bytes: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    Some(match bytes {
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        bytes => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().filter_map(|byte| super::encoding::Base::WinAnsi.text(*byte)).collect(),
        },
    })
}
