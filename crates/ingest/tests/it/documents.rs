//! Documents of every format, made here, from bytes to text and places.

mod hostile;
mod make;
mod office;
mod pdf;

use athenaeum_ingest::document::{Error, Options, Reading, read_bytes};

/// Reads what must be readable.
fn read(name: &str, bytes: &[u8]) -> Reading {
    match read_bytes(name, bytes, &quiet()) {
        Ok(reading) => reading,
        Err(error) => panic!("{name}: {error}"),
    }
}

fn fails(name: &str, bytes: &[u8]) -> Error {
    match read_bytes(name, bytes, &quiet()) {
        Ok(reading) => panic!("{name} was read: {}", reading.text),
        Err(error) => error,
    }
}

/// Without programs that may or may not be installed.
fn quiet() -> Options {
    Options { ocr: None, ..Options::default() }
}

/// What a test says of a place: part, row, headings, line.
fn place(reading: &Reading, word: &str) -> String {
    let at = reading.text.find(word).unwrap_or_else(|| panic!("'{word}' is not in '{}'", reading.text));
    let place = reading.places.at(at);
    let mut said = Vec::new();
    said.extend(place.part.page.map(|page| format!("page {page}")));
    said.extend(place.part.slide.map(|slide| format!("slide {slide}")));
    said.extend(place.part.sheet.map(|sheet| format!("sheet {sheet}")));
    said.extend(place.part.entry.map(|entry| format!("entry {entry}")));
    said.extend(place.row.map(|row| format!("row {row}")));
    said.extend(place.line.map(|line| format!("line {line}")));
    said.extend((!place.headings.is_empty()).then(|| place.headings.join(" › ")));
    said.join(", ")
}
