//! Whatever the bytes are: no panic, an end, text within its limits, and places that lead into the source.

use std::{io::Write, time::Instant};

use athenaeum_ingest::document::{Format, Options, read_bytes};
use proptest::{collection::vec, prelude::*};

use super::{
    make::{archive, docx, pdf},
    quiet, read,
};

fn survives(format: Format, bytes: &[u8]) {
    let options = Options { format: Some(format), text_bytes_max: 1 << 20, ..quiet() };
    let Ok(reading) = read_bytes("x", bytes, &options) else { return };
    assert!(reading.text.len() <= 1 << 20 && !reading.text.contains('\0'));
    for at in (0..reading.text.len()).step_by(7) {
        if let Some(range) = reading.places.at(at).bytes {
            assert!(
                range.start < range.end && range.end <= bytes.len() as u64,
                "{format:?} {range:?} of {}",
                bytes.len()
            );
        }
    }
}

fn samples() -> Vec<(Format, Vec<u8>)> {
    let content =
        "BT /F 12 Tf 72 700 Td [(An)-30(other)-400(one)] TJ 0 -14 Td <00410042> Tj ET q 1 0 0 1 5 5 cm Q";
    vec![
        (Format::Pdf, pdf(&[content], "", &[])),
        (
            Format::Docx,
            docx("<w:p><w:r><w:t>It rises</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>"),
        ),
        (
            Format::Odt,
            archive(&[("content.xml", b"<office:body><text:h>a</text:h><text:p>b</text:p></office:body>")]),
        ),
        (
            Format::Rtf,
            b"{\\rtf1\\ansi{\\fonttbl{\\f0 A;}}\\u8212? \\'e9 {\\b x}\\par \\trowd a\\cell\\row}".to_vec(),
        ),
        (
            Format::Mail,
            b"From: a@b\nSubject: x\nContent-Type: multipart/mixed; boundary=y\n\n--y\n\ntext\n--y--\n"
                .to_vec(),
        ),
        (Format::Mailbox, b"From a\nFrom: a@b\n\ntext\n\nFrom b\nSubject: c\n\nmore\n".to_vec()),
        (
            Format::Html,
            b"<html><title>a</title><main><h1>b</h1><p>c<table><tr><td>d</td></tr></table></main>".to_vec(),
        ),
        (Format::Markdown, b"---\ntitle: a\n---\n# b\n```\nc\n```\nd\n===\n".to_vec()),
        (Format::Csv, b"a,b\n\"c\nd\",e\n".to_vec()),
        (
            Format::Notebook,
            br#"{"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "x"}]}"#.to_vec(),
        ),
        (Format::Text, "Grüße\nvon hier".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        (Format::Json, br#"{"a": [1, 2, {"b": "c\"d"}]}"#.to_vec()),
    ]
}

#[test]
fn the_samples_are_read() {
    for (format, bytes) in samples() {
        let reading = read_bytes("x", &bytes, &Options { format: Some(format), ..quiet() }).unwrap();
        assert!(!reading.text.trim().is_empty(), "{format:?}");
        survives(format, &bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..400)) {
        for format in Format::ALL {
            survives(*format, &bytes);
        }
        let _ = read_bytes("x", &bytes, &quiet());
    }

    #[test]
    fn flipped_and_cut(flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut: prop::sample::Index) {
        for (format, bytes) in samples() {
            let mut damaged = bytes.clone();
            for (place, byte) in &flips {
                let place = place.index(damaged.len());
                damaged[place] = *byte;
            }
            survives(format, &damaged);
            survives(format, &bytes[..cut.index(bytes.len())]);
        }
    }

    #[test]
    fn any_content_of_a_page(content in "(BT |ET |/F 12 Tf |[0-9-]{1,3} [0-9]{1,3} Td |\\([a-z]{0,3}\\) Tj |q |Q |BI ID |EI |/X <</ActualText (a)>> BDC |EMC |\\[|\\]|<<|>>){0,40}") {
        survives(Format::Pdf, &pdf(&[&content], "", &[]));
    }
}

/// A few kilobytes that unpack to gigabytes cost neither time nor room.
#[test]
fn bombs_go_off_in_a_small_room() {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("word/document.xml", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(b"<w:p><w:t>before it").unwrap();
    let block = vec![b' '; 1 << 20];
    for _ in 0..100 {
        writer.write_all(&block).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    assert!(bytes.len() < 1 << 20);
    let begun = Instant::now();
    let reading = read("a.docx", &bytes);
    assert!(reading.text.starts_with("before it"));
    assert!(
        reading.problems.iter().any(|problem| problem.reason.contains("unpacks to more than")),
        "{:?}",
        reading.problems
    );
    assert!(begun.elapsed().as_secs() < 60);
}

/// Entities that stand for ten others each, nine times over (the "billion laughs"), are not expanded.
#[test]
fn entities_stay_as_they_are() {
    let mut declared = "<!ENTITY a0 \"ha\">".to_owned();
    for level in 1..10 {
        declared += &format!("<!ENTITY a{level} \"{}\">", format!("&a{};", level - 1).repeat(10));
    }
    let document = format!("<!DOCTYPE x [{declared}]><w:p><w:r><w:t>so: &a9;</w:t></w:r></w:p>");
    let reading = read("a.docx", &archive(&[("word/document.xml", document.as_bytes())]));
    assert_eq!(reading.text, "so: &a9;\n");
}

#[test]
fn depth_costs_nothing() {
    let deep = 200_000;
    let xml = format!("{}<w:p><w:t>x</w:t></w:p>", "<w:tbl><w:tr><w:tc>".repeat(deep));
    survives(Format::Docx, &docx(&xml));
    survives(Format::Html, "<div><ul><li>".repeat(deep).as_bytes());
    survives(Format::Rtf, format!("{{\\rtf1 {}", "{".repeat(deep)).as_bytes());
    survives(Format::Notebook, "[".repeat(deep).as_bytes());
    survives(Format::Xml, "<a>".repeat(deep).as_bytes());
}

/// An entry's name leads nowhere: nothing is written, and only what a document's own parts name is read.
#[test]
fn names_of_entries_lead_nowhere() {
    let opf = "<package><manifest><item id='a' href='../../../../etc/passwd'/><item id='b' href='/etc/passwd'/></manifest>\
               <spine><itemref idref='a'/><itemref idref='b'/></spine></package>";
    let bytes = archive(&[
        ("META-INF/container.xml", b"<rootfile full-path='a/c.opf'/>"),
        ("a/c.opf", opf.as_bytes()),
        ("../../etc/passwd", b"<p>not this</p>"),
        ("etc/passwd", b"<p>an entry of the archive</p>"),
    ]);
    let reading = read("a.epub", &bytes);
    assert!(reading.text.contains("an entry of the archive") && !reading.text.contains("root:"));
}
