use athenaeum_ingest::document::{Block, Format, Kind};

use super::{
    fails,
    make::{archive, docx},
    place, read,
};

#[test]
fn word() {
    let reading = read(
        "a.docx",
        &docx(
            "<w:p><w:pPr><w:pStyle w:val='T'/></w:pPr><w:r><w:t>Bread</w:t></w:r></w:p>\
             <w:p><w:pPr><w:pStyle w:val='H'/></w:pPr><w:r><w:t>Flour &amp; water</w:t></w:r></w:p>\
             <w:p><w:r><w:t xml:space='preserve'>It </w:t></w:r><w:del><w:r><w:delText>sinks</w:delText></w:r></w:del>\
             <w:ins><w:r><w:t>rises</w:t><w:tab/><w:t>slowly</w:t></w:r></w:ins></w:p>\
             <w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>first</w:t></w:r></w:p>\
             <w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>second</w:t></w:r></w:p>\
             <w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr>\
             <w:tr><w:tc><w:p/></w:tc><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
        ),
    );
    assert_eq!(
        reading.text,
        "Bread\n\nFlour & water\n\nIt rises\tslowly\n\n- first\n- second\n\na | b\n | c\n"
    );
    assert_eq!((reading.format, reading.title.as_deref()), (Format::Docx, Some("On bread")));
    assert_eq!(reading.metadata["author"], "A. Baker");
    assert_eq!(place(&reading, "slowly"), "Bread › Flour & water");
    assert_eq!(reading.places.blocks().len(), 1);
    assert_eq!(reading.places.blocks()[0].1, Block::Table);
}

#[test]
fn a_word_document_that_was_cut_off() {
    let body: String = (0..2_000)
        .map(|n| format!("<w:p><w:r><w:t>paragraph {n} of {}</w:t></w:r></w:p>", n * 7919))
        .collect();
    let whole = docx(&body);
    let reading = read("a.docx", &whole[..whole.len() / 2]);
    assert!(reading.text.starts_with("paragraph 0 of 0\n") && !reading.text.contains("paragraph 1999"));
    assert!(
        reading.problems.iter().any(|problem| problem.reason.contains("ends too early")),
        "{:?}",
        reading.problems
    );
}

#[test]
fn slides() {
    let slide = |title: &str, text: &str| {
        format!(
            "<p:sld><p:sp><p:nvSpPr><p:nvPr><p:ph type='title'/></p:nvPr></p:nvSpPr><a:p><a:r><a:t>{title}</a:t></a:r></a:p></p:sp>\
             <p:sp><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sp>\
             <p:sp><p:ph type='sldNum'/><a:p><a:fld><a:t>7</a:t></a:fld></a:p></p:sp></p:sld>"
        )
    };
    let (first, second) = (slide("Water", "boils"), slide("Bread", "rises"));
    let relations = "<Relationships><Relationship Id='r1' Type='x/slide' Target='slides/slide1.xml'/>\
                     <Relationship Id='r2' Type='x/slide' Target='slides/slide2.xml'/></Relationships>";
    let notes = "<Relationships><Relationship Id='r1' Type='x/notesSlide' Target='../notesSlides/n.xml'/></Relationships>";
    let bytes = archive(&[
        ("ppt/presentation.xml", b"<p:presentation><p:sldIdLst><p:sldId r:id='r2'/><p:sldId r:id='r1'/></p:sldIdLst></p:presentation>"),
        ("ppt/_rels/presentation.xml.rels", relations.as_bytes()),
        ("ppt/slides/slide1.xml", first.as_bytes()),
        ("ppt/slides/slide2.xml", second.as_bytes()),
        ("ppt/slides/_rels/slide1.xml.rels", notes.as_bytes()),
        ("ppt/notesSlides/n.xml", b"<p:notes><p:sp><a:p><a:r><a:t>ask them</a:t></a:r></a:p></p:sp></p:notes>"),
    ]);
    let reading = read("a.pptx", &bytes);
    assert_eq!(reading.text, "Bread\nrises\n\nWater\nboils\n\nNotes:\nask them\n");
    assert_eq!(place(&reading, "rises"), "slide 1, Bread");
    assert_eq!(place(&reading, "ask"), "slide 2, Water");
}

#[test]
fn open_documents() {
    let content = "<office:document-content><office:body><office:text><text:h text:outline-level='1'>Bread</text:h>\
        <text:p>It <text:span>rises</text:span><text:s text:c='2'/>slowly<text:note><text:note-citation>1</text:note-citation>\
        <text:note-body><text:p> (a note)</text:p></text:note-body></text:note>.</text:p>\
        <text:list><text:list-item><text:p>flour</text:p></text:list-item></text:list>\
        <table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell><text:p>b</text:p>\
        </table:table-cell></table:table-row></table:table></office:text></office:body></office:document-content>";
    let meta = "<office:meta><dc:title>On bread</dc:title><dc:language>de-AT</dc:language></office:meta>";
    let bytes = archive(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("content.xml", content.as_bytes()),
        ("meta.xml", meta.as_bytes()),
    ]);
    let reading = read("a.odt", &bytes);
    assert_eq!(reading.text, "Bread\n\nIt rises  slowly (a note).\n\n- flour\n\na | b\n");
    assert_eq!((reading.title.as_deref(), reading.language.as_deref()), (Some("On bread"), Some("de-AT")));
    let locked = archive(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("META-INF/manifest.xml", b"<manifest:encryption-data/>"),
        ("content.xml", b"\x01\x02"),
    ]);
    assert_eq!(fails("a.odt", &locked).kind(), Kind::Locked);
}

#[test]
fn workbooks() {
    let sheet = "<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><sheetData>\
        <row r='1'><c r='A1' t='inlineStr'><is><t>Flour</t></is></c><c r='B1'><v>500</v></c></row>\
        <row r='7'><c r='A7' t='s'><v>0</v></c></row></sheetData></worksheet>";
    let strings = "<sst xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><si><t>Water &amp; salt</t></si></sst>";
    let relations = "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>\
        <Relationship Id='rId1' Type='http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet' Target='worksheets/sheet1.xml'/>\
        <Relationship Id='rId2' Type='http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings' Target='sharedStrings.xml'/></Relationships>";
    let root = "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>\
        <Relationship Id='rId1' Type='http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument' Target='xl/workbook.xml'/></Relationships>";
    let book = "<workbook xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main' \
        xmlns:r='http://schemas.openxmlformats.org/officeDocument/2006/relationships'><sheets><sheet name='Dough' sheetId='1' r:id='rId1'/></sheets></workbook>";
    let bytes = archive(&[
        ("_rels/.rels", root.as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", relations.as_bytes()),
        ("xl/sharedStrings.xml", strings.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ]);
    let reading = read("a.xlsx", &bytes);
    assert_eq!(reading.text, "Dough\nFlour | 500\nWater & salt\n");
    assert_eq!(place(&reading, "Water"), "sheet Dough, row 7, Dough");
}

#[test]
fn books() {
    let opf = "<package><metadata><dc:title>On bread</dc:title><dc:language>en</dc:language></metadata><manifest>\
        <item id='a' href='a%20b.xhtml'/><item id='b' href='../text/b.xhtml'/><item id='c' href='gone.xhtml'/></manifest>\
        <spine><itemref idref='b'/><itemref idref='a'/><itemref idref='c'/></spine></package>";
    let bytes = archive(&[
        ("mimetype", b"application/epub+zip"),
        (
            "META-INF/container.xml",
            b"<container><rootfiles><rootfile full-path='OEBPS/c.opf'/></rootfiles></container>",
        ),
        ("OEBPS/c.opf", opf.as_bytes()),
        ("OEBPS/a b.xhtml", b"<html><title>x</title><body><h1>Two</h1><p>second</p></body></html>"),
        ("text/b.xhtml", b"<html><body><h1>One</h1><p>first</p></body></html>"),
    ]);
    let reading = read("a.epub", &bytes);
    assert_eq!(reading.text, "One\n\nfirst\n\nTwo\n\nsecond\n");
    assert_eq!(place(&reading, "second"), "entry OEBPS/a b.xhtml, Two");
    assert_eq!(reading.title.as_deref(), Some("On bread"));
    assert_eq!(reading.problems.len(), 1);
}

#[test]
fn mails() {
    let mail = "From: Ann <ann@example.org>\r\nTo: ben@example.org\r\nSubject: =?UTF-8?Q?Caf=C3=A9?=\r\n\
        Date: Sat, 20 Nov 2027 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        <p>Sch=F6ne <b>Gr=FC=DFe</b></p>\r\n--x\r\nContent-Type: text/markdown; name=notes.md\r\n\
        Content-Disposition: attachment; filename=notes.md\r\n\r\n# Bread\r\nrises\r\n--x--\r\n";
    let reading = read("a.eml", mail.as_bytes());
    assert!(reading.text.contains("From: Ann <ann@example.org>\nTo: ben@example.org\n"), "{}", reading.text);
    assert!(reading.text.contains("Schöne Grüße\n"), "{}", reading.text);
    assert_eq!(place(&reading, "rises"), "entry notes.md, line 2, Bread");
    assert_eq!(
        (reading.title.as_deref(), &*reading.metadata["from"]),
        (Some("Café"), "Ann <ann@example.org>")
    );

    let folder = "From ann Sat Nov 20 10:00:00 2027\nFrom: ann@example.org\nSubject: one\n\nfirst\n>From here\n\n\
        From ben Sat Nov 20 11:00:00 2027\nFrom: ben@example.org\nSubject: two\n\nsecond\n";
    let reading = read("inbox", folder.as_bytes());
    assert_eq!((reading.format, &*reading.metadata["mails"]), (Format::Mailbox, "2"));
    assert_eq!(place(&reading, "second"), "entry two, two");
    let bytes = reading.places.at(reading.text.find("second").unwrap()).bytes.unwrap();
    assert!(folder[bytes.start as usize..bytes.end as usize].starts_with("From ben"));
}

#[test]
fn notebooks_and_json() {
    let notebook = r##"{"nbformat": 4, "cells": [{"cell_type": "markdown", "source": ["# Bread\n", "It rises."]},
        {"cell_type": "code", "source": "bake()", "outputs": [{"output_type": "stream", "text": ["done\n"]},
        {"data": {"image/png": "AAAA", "text/plain": "<Loaf>"}}]}]}"##;
    let reading = read("a.ipynb", notebook.as_bytes());
    assert_eq!(reading.text, "# Bread\nIt rises.\n\nbake()\ndone\n<Loaf>\n");
    assert_eq!(place(&reading, "done"), "entry cell 2, Bread");

    let dense = format!("[{}]", vec!["{\"name\":\"a, b\",\"value\":[1,2,3]}"; 100].join(","));
    let reading = read("a.json", dense.as_bytes());
    assert!(reading.text.lines().all(|line| line.len() < 200), "{}", reading.text);
    assert_eq!(reading.text.replace('\n', ""), dense);
}

#[test]
fn what_is_not_read_is_said() {
    for (name, bytes, kind) in [
        ("a.zip", archive(&[("x", b"y")]), Kind::Unknown),
        ("a.bin", vec![0; 100], Kind::Unknown),
        ("a.pdf", b"%PDF-1.7\nnothing".to_vec(), Kind::Damaged),
        ("a.docx", b"PK\x03\x04nothing".to_vec(), Kind::Damaged),
        ("a.png", b"\x89PNG\r\n\x1A\n".to_vec(), Kind::Pictures),
        ("a.eml", Vec::new(), Kind::Damaged),
    ] {
        assert_eq!(fails(name, &bytes).kind(), kind, "{name}");
    }
}
