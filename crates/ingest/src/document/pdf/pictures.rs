//! The picture that a scanned page is, in a form that other programs read.

use lopdf::{Document, Object, ObjectId, Stream};

use super::objects::{bytes, get, name, number_of};

/// Larger pictures are no pages.
const BYTES_MAX: usize = 64 << 20;

/// The largest picture of a page as JPEG, JPEG 2000 or PNM; `None` where it is in none of the usual forms.
pub(super) fn largest(document: &Document, drawn: &[ObjectId]) -> Option<Vec<u8>> {
    let pictures = drawn.iter().filter_map(|id| document.get_object(*id).ok()?.as_stream().ok());
    let area = |picture: &&Stream| {
        let side = |key: &[u8]| number_of(document, &picture.dict, key).unwrap_or(0.0).clamp(0.0, 1e6) as u64;
        side(b"Width") * side(b"Height")
    };
    file(document, pictures.max_by_key(area)?).filter(|file| file.len() <= BYTES_MAX)
}

fn file(document: &Document, picture: &Stream) -> Option<Vec<u8>> {
    let filter = match get(document, &picture.dict, b"Filter") {
        Some(Object::Name(name)) => Some(name.as_slice()),
        Some(Object::Array(filters)) if filters.len() == 1 => filters[0].as_name().ok(),
        None => None,
        _ => return None,
    };
    match filter {
        Some(b"DCTDecode" | b"JPXDecode") => Some(picture.content.clone()),
        None | Some(b"FlateDecode" | b"LZWDecode" | b"RunLengthDecode") => raw(document, picture),
        _ => None,
    }
}

/// Grey, coloured and black-and-white pictures as PNM.
fn raw(document: &Document, picture: &Stream) -> Option<Vec<u8>> {
    let side =
        |key: &[u8]| number_of(document, &picture.dict, key).filter(|side| (1.0..=30_000.0).contains(side));
    let (width, height) = (side(b"Width")? as usize, side(b"Height")? as usize);
    let bits = number_of(document, &picture.dict, b"BitsPerComponent").unwrap_or(1.0) as u32;
    let colours = match name(document, &picture.dict, b"ColorSpace") {
        Some(b"DeviceRGB" | b"CalRGB") => 3,
        Some(b"DeviceGray" | b"CalGray") | None => 1,
        _ => return None,
    };
    let mut data = bytes(document, picture);
    let (mark, depth, length) = match (bits, colours) {
        (1, 1) => {
            // PBM has black as one.
            data.iter_mut().for_each(|byte| *byte = !*byte);
            ("P4", "", width.div_ceil(8) * height)
        }
        (8, 1) => ("P5", "255\n", width * height),
        (8, 3) => ("P6", "255\n", width * height * 3),
        _ => return None,
    };
    if length > BYTES_MAX {
        return None;
    }
    data.resize(length, 0);
    let mut file = format!("{mark}\n{width} {height}\n{depth}").into_bytes();
    file.extend(data);
    Some(file)
}
