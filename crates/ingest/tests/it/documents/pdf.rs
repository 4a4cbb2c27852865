use std::time::{Duration, Instant};

use athenaeum_ingest::document::{self, Kind, Options, Part, child::Child, read_bytes};

use super::{
    fails,
    make::{pdf, pdf_of, stream},
    place, quiet, read,
};

#[test]
fn lines_become_paragraphs() {
    let page = "BT /F 12 Tf 72 700 Td 14 TL (A heading that is long enough to fill its line of the page and to be bro-) Tj T*\
                (ken there, with the rest of the word be\\223low\\224.) Tj 0 -40 Td [(An)-30(other)-400(one) 120 (.)] TJ ET";
    let reading = read("a.pdf", &pdf(&[page, "BT /F 12 Tf 1 0 0 1 72 700 Tm (Second page) Tj ET"], "", &[]));
    assert_eq!(
        reading.text,
        "A heading that is long enough to fill its line of the page and to be broken there, with the rest of the word \
         be“low”.\n\nAnother one.\n\nSecond page\n"
    );
    assert_eq!(place(&reading, "Second"), "page 2");
    assert_eq!((reading.language.as_deref(), &*reading.metadata["pages"]), (Some("en"), "2"));
}

#[test]
fn columns_are_read_one_after_the_other() {
    let mut page = "BT /F 20 Tf 72 750 Td (A title over both of the columns of text) Tj ET ".to_owned();
    for (x, word) in [(72, "left"), (330, "right")] {
        for line in 0..8 {
            let y = 700 - 14 * line;
            page += &format!(
                "BT /F 10 Tf {x} {y} Td (the {word} column has line number {line} of it here) Tj ET "
            );
        }
    }
    let text = read("a.pdf", &pdf(&[&page], "", &[])).text;
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("'{words}' is not in '{text}'"));
    assert!(place("A title") < place("left column has line number 0"));
    assert!(place("left column has line number 7") < place("right column has line number 0"));
}

#[test]
fn rows_of_a_table_stay_together() {
    let mut page = String::new();
    for (row, (item, price)) in
        [("Flour", "1.20"), ("Water", "0.00"), ("Salt", "0.40"), ("Time", "9.99")].iter().enumerate()
    {
        let y = 700 - 14 * row;
        page += &format!("BT /F 10 Tf 72 {y} Td ({item}) Tj 200 0 Td ({price}) Tj ET ");
    }
    assert_eq!(read("a.pdf", &pdf(&[&page], "", &[])).text, "Flour 1.20\nWater 0.00\nSalt 0.40\nTime 9.99\n");
}

#[test]
fn fonts_say_what_their_codes_mean() {
    let map = "1 begincodespacerange <0000> <FFFF> endcodespacerange 1 beginbfrange <0001> <0003> <05D0> endbfrange \
               1 beginbfchar <0004> <00660069> endbfchar";
    let more = [
        b"<< /Type /Font /Subtype /Type0 /Encoding /Identity-H /DescendantFonts [5 0 R] /ToUnicode 6 0 R >>"
            .to_vec(),
        b"<< /Type /Font /Subtype /CIDFontType2 /DW 500 >>".to_vec(),
        stream("", map.as_bytes()),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /X /FirstChar 65 /Widths [500 500 500 500] \
          /Encoding << /Differences [65 /eacute /f_f_i /uni4E2D /alpha] >> >>"
            .to_vec(),
        b"<< /Type /Font /Subtype /Type0 /Encoding /90ms-RKSJ-H /DescendantFonts [5 0 R] >>".to_vec(),
    ];
    let fonts = "/C 4 0 R /D 7 0 R /J 8 0 R";
    let page = "BT /C 12 Tf 72 700 Td <0001000200030004> Tj ET BT /D 12 Tf 72 600 Td (ABCD) Tj ET \
                BT /J 12 Tf 72 500 Td <88C090E0> Tj ET";
    // Hebrew stands on the page from left to right and is read from the right.
    assert_eq!(
        read("a.pdf", &pdf(&[page], fonts, &more)).text,
        "figba\n\néffi中α\n\n安説\n".replace("figba", "fiגבא")
    );
}

#[test]
fn widths_of_glyphs_beyond_all_numbers_are_none() {
    let more = [
        b"<< /Type /Font /Subtype /Type0 /Encoding /Identity-H /DescendantFonts [5 0 R] /ToUnicode 6 0 R >>"
            .to_vec(),
        b"<< /Type /Font /Subtype /CIDFontType2 /W [99999999999999999999 [500 500] 4294967295 [1 2]] >>"
            .to_vec(),
        stream(
            "",
            b"1 begincodespacerange <0000> <FFFF> endcodespacerange 1 beginbfchar <0001> <0041> endbfchar",
        ),
    ];
    let page = "BT /C 12 Tf 72 700 Td <0001> Tj ET";
    assert_eq!(read("a.pdf", &pdf(&[page], "/C 4 0 R", &more)).text, "A\n");
}

#[test]
fn pages_are_those_that_are_there_however_many_are_announced() {
    for announced in ["10000000000", "9223372036854775807"] {
        let between = format!("<< /Type /Pages /Parent 2 0 R /Kids [5 0 R] /Count {announced} >>");
        let objects = [
            b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
            b"<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 1 >>".to_vec(),
            between.clone().into_bytes(),
            between.replace("5 0 R", "").into_bytes(),
            b"<< /Type /Page /Parent 3 0 R /MediaBox [0 0 600 800] /Contents 6 0 R \
              /Resources << /Font << /F 7 0 R >> >> >>"
                .to_vec(),
            stream("", b"BT /F 12 Tf 72 700 Td (one page) Tj ET"),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
        ];
        assert_eq!(read("a.pdf", &pdf_of(&objects, "")).text, "one page\n", "{announced}");
    }
}

#[test]
fn empty_passwords_open_and_others_do_not() {
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R >>".to_vec(),
        b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <00000000000000000000000000000000000000000000000000000000000000ff> \
          /U <00000000000000000000000000000000000000000000000000000000000000ff> >>"
            .to_vec(),
    ];
    let locked = pdf_of(&objects, "/Encrypt 4 0 R /ID [<00> <00>]");
    assert_eq!(fails("a.pdf", &locked).kind(), Kind::Locked);
    // Nor where that stands in the trailer itself, and the table is damaged.
    let encryption = String::from_utf8(objects[3].clone()).unwrap();
    let mut locked = pdf_of(&objects[..3], &format!("/Encrypt {encryption} /ID [<00> <00>]"));
    assert_eq!(fails("a.pdf", &locked).kind(), Kind::Locked);
    let at = locked.windows(4).position(|part| part == b"xref").unwrap();
    locked[at] = b'_';
    assert_eq!(fails("a.pdf", &locked).kind(), Kind::Locked);
}

#[test]
fn scans_are_told_apart() {
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /XObject << /I 5 0 R >> >> >>".to_vec(),
        stream("", b"/I Do"),
        stream(
            "/Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceGray",
            b"x",
        ),
    ];
    assert_eq!(fails("a.pdf", &pdf_of(&objects, "")).kind(), Kind::Pictures);
}

#[test]
fn damaged_files_are_read_by_what_stands_in_them() {
    let whole = pdf(&["BT /F 12 Tf 72 700 Td (still here) Tj ET"], "", &[]);
    let check = |damage: &[(&str, &str)]| {
        let mut bytes = whole.clone();
        for (from, to) in damage {
            let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
            bytes.splice(at..at + from.len(), to.bytes());
        }
        assert_eq!(read("a.pdf", &bytes).text, "still here\n", "{damage:?}");
    };
    check(&[("xref\n0", "xxxx\n0"), ("startxref", "startxxxx")]);
    check(&[("/Kids [", "/Kids \0"), ("trailer", "tr iler")]);
    check(&[("/Type /Page ", "/T\u{1}pe /Page ")]);
    check(&[
        ("/Type /Page ", "/T\u{1}pe /Page "),
        ("/Kids [", "/Kids  "),
        ("<< /Type /Catalog", "E< /Type /Catalog"),
    ]);
    check(&[("/Count 1", "/Cou{t) 1"), ("endobj", "end bj"), ("%PDF-1.7\n1 0 obj", "%PDF-1.7\n1 0_obj")]);

    // What says how it is encrypted is lost, and so is what was encrypted; the pages are there.
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /Contents 5 0 R >>".to_vec(),
        b"E< /Filter /Standard /V 1 /R 2 /P -4 /O <00> /U <00> >>".to_vec(),
        stream("/Filter /FlateDecode", b"\xb1\x19\xfd\xdf\xe5\x01\x10\x85"),
    ];
    let reading = read("a.pdf", &pdf_of(&objects, "/Encrypt 4 0 R /ID [<00> <00>]"));
    assert_eq!((reading.text.trim(), &*reading.metadata["pages"]), ("", "1"));
    assert_eq!(reading.problems[0].reason, "there is no text on its pages");
    assert_eq!(fails("a.pdf", b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj").kind(), Kind::Damaged);
}

#[test]
fn loops_and_depth_end() {
    // A form that draws itself, a page that is its own parent, and brackets without end.
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 2 /Parent 2 0 R >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources 6 0 R >>".to_vec(),
        stream("", b"/X Do BT /F 12 Tf 72 700 Td (still here) Tj ET"),
        stream("/Type /XObject /Subtype /Form /Resources 6 0 R", b"/X Do /X Do"),
        b"<< /XObject << /X 5 0 R >> >>".to_vec(),
    ];
    assert_eq!(read("a.pdf", &pdf_of(&objects, "")).text, "still here\n");
    let brackets = "[".repeat(100_000) + " BT /F 12 Tf 72 700 Td (x) Tj ET";
    let _ = read_bytes("a.pdf", &pdf(&[&brackets], "", &[]), &quiet());
}

/// Where this test program stands in for the program that composes a child: it runs this test alone, with the arguments of
/// a child after its own.
#[test]
fn child_entry() {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(place) = arguments.iter().position(|argument| argument == "--nocapture") else { return };
    if arguments.len() == place + 7 {
        let code = document::child::main(&arguments[place + 1..]);
        assert_eq!(format!("{code:?}"), format!("{:?}", std::process::ExitCode::SUCCESS));
    }
}

fn child() -> Child {
    let program = std::env::current_exe().unwrap();
    Child::new(program, ["documents::pdf::child_entry", "--exact", "--nocapture"])
}

#[test]
fn a_child_reads_the_same() {
    let page = |number: u32| format!("BT /F 12 Tf 72 700 Td (This is page {number}) Tj ET");
    let pages: Vec<String> = (1..=20).map(page).collect();
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    let bytes = pdf(&pages, "", &[]);
    let here = read("a.pdf", &bytes);
    let there = read_bytes("a.pdf", &bytes, &Options { child: Some(child()), ..quiet() }).unwrap();
    assert_eq!(here, there);
    let locked = read_bytes("a.pdf", b"%PDF-1.7 nothing", &Options { child: Some(child()), ..quiet() });
    assert_eq!(locked.unwrap_err().kind(), Kind::Damaged);
}

#[test]
fn a_child_that_takes_too_long_or_too_much_is_ended() {
    // Page two goes on for as long as one may look at it.
    let first = "BT /F 12 Tf 72 700 Td (the first page) Tj ET";
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /Contents 5 0 R /Resources 7 0 R >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /Contents 6 0 R /Resources 7 0 R >>".to_vec(),
        stream("", first.as_bytes()),
        stream("", "/X Do ".repeat(1_000).as_bytes()),
        b"<< /XObject << /X 8 0 R >> >>".to_vec(),
        stream("/Type /XObject /Subtype /Form", "[1 2 3 4 5 6 7 8 9] 0 d ".repeat(100_000).as_bytes()),
    ];
    let bytes = pdf_of(&objects, "");
    let begun = Instant::now();
    let limited = Child { time_limit: Duration::from_millis(1_500), ..child() };
    let reading = read_bytes("a.pdf", &bytes, &Options { child: Some(limited), ..quiet() }).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert_eq!(reading.text.trim(), "the first page");
    assert_eq!(reading.places.at(0).part, Part { page: Some(1), ..Part::default() });
    assert!(reading.problems[0].reason.contains("more than 1.5 s"), "{:?}", reading.problems);

    let small = Child { memory_max: 24 << 20, ..child() };
    let given_up = read_bytes("a.pdf", &bytes, &Options { child: Some(small), ..quiet() });
    assert_eq!(given_up.unwrap_err().kind(), Kind::Limit);
    let missing = Child::new("/nowhere/at/all", ["x"]);
    let given_up = read_bytes("a.pdf", &bytes, &Options { child: Some(missing), ..quiet() });
    assert_eq!(given_up.unwrap_err().kind(), Kind::Limit);
}

/// Notes on PDF itself were taken for damaged ones, and lost.
#[test]
fn a_note_that_speaks_of_pdf_is_a_note() {
    let note = "A file begins with `%PDF-1.7` and a binary mark.\n";
    for name in ["note.md", "note.txt", "writer.rs"] {
        assert!(read(name, note.as_bytes()).text.contains("binary mark"), "{name}");
    }
    assert!(read("note", b"The line `%PDF-x.y` comes first.\n").text.contains("comes first"));
    let after_a_header =
        [b"\r\nPosted by a printer\r\n".as_slice(), &pdf(&["BT /F 12 Tf 72 700 Td (Heron) Tj ET"], "", &[])]
            .concat();
    for name in ["print.pdf", "print"] {
        assert!(read(name, &after_a_header).text.contains("Heron"), "{name}");
    }
}
