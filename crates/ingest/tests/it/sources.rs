use std::ops::ControlFlow;

use athenaeum_ingest::{Item, Options, read};

use crate::harness::{read_file, read_folder, read_folder_entry, zipped};

/// A conversation of our own format with this id.
fn line(id: &str) -> String {
    format!(r#"{{"athenaeum":1,"provider":"x","id":"{id}","messages":[{{"role":"user","text":"hello"}}]}}"#)
}

#[test]
fn a_folder_with_archives_in_archives() {
    let inner = zipped(&[("deep/c.jsonl", line("c").as_bytes())]);
    let outer =
        zipped(&[("b.jsonl", line("b").as_bytes()), ("inner.zip", &inner), ("photo.png", b"\x89PNG")]);
    let first = line("a");
    let files: [(&str, &[u8]); 3] =
        [("x/a.json", first.as_bytes()), ("y.zip", &outer), ("readme.txt", b"Hi")];
    let outcome = read_folder(&files);
    assert_eq!(outcome.files, ["x/a.json", "y.zip/b.jsonl", "y.zip/inner.zip/deep/c.jsonl"]);
    assert_eq!((outcome.summary.files, outcome.summary.companions), (3, 2));
    assert!(outcome.problems.is_empty(), "{outcome:?}");
}

#[test]
fn names_that_lead_out_are_reported_and_read() {
    let archive =
        zipped(&[("../../evil.jsonl", line("a").as_bytes()), ("C:\\b.jsonl", line("b").as_bytes())]);
    let outcome = read_file("export.zip", archive);
    assert_eq!(outcome.files, ["export.zip/b.jsonl", "export.zip/evil.jsonl"]);
    assert_eq!(outcome.notices().len(), 2);
}

#[test]
fn a_bomb_goes_off_in_a_small_room() {
    let mut text = line("a").into_bytes();
    text.push(b'\n');
    text.resize(text.len() + (80 << 20), b' ');
    let outcome = read_file("bomb.zip", zipped(&[("a.jsonl", &text), ("b.jsonl", line("b").as_bytes())]));
    assert_eq!(outcome.conversations.len(), 2, "{:?}", outcome.problems);
    assert!(outcome.losses()[0].contains("which no export does"), "{:?}", outcome.problems);
}

#[test]
fn an_archive_cut_short_gives_what_it_has() {
    let filler = format!("{}\n", line("z")).repeat(2_000);
    let whole = zipped(&[("a.jsonl", line("a").as_bytes()), ("z.jsonl", filler.as_bytes())]);
    let outcome = read_file("export.zip", &whole[..whole.len() - 60]);
    assert_eq!(outcome.conversations[0].external_id, "a");
    assert!(outcome.losses()[0].contains("directory is damaged"), "{:?}", outcome.problems);
}

#[test]
fn nothing_found_is_always_said() {
    let long = "[".repeat(1_000_000);
    let cases: [(&[u8], &str); 9] = [
        (b"", "the file is empty"),
        (b"[]", "an empty list"),
        (b"[{}]", "not a chat export"),
        (b"{\"a\": 1}", "[a]"),
        (b"hello", "a text that is not a chat export"),
        (b"\x00\x01\x02\x03", "neither JSON nor text"),
        (b"{\"title\": \"x\", \"mapp", "ends inside a record"),
        (b"\x1F\x8B\x08\x00", "packed with gzip"),
        (long.as_bytes(), "nested"),
    ];
    for (content, expected) in cases {
        let outcome = read_file("a.json", content);
        let losses = outcome.losses().join("; ");
        assert!(
            losses.contains(expected),
            "{:?}: {losses}",
            String::from_utf8_lossy(&content[..content.len().min(20)])
        );
    }
    assert!(read_folder(&[("a.txt", b"x")]).losses()[0].contains("no conversations were found"));
}

#[test]
fn bad_lines_cost_only_themselves() {
    let text = format!("\u{FEFF}{}\n{{\"athenaeum\": 1, \n{}\n", line("a"), line("b"));
    let outcome = read_file("a.jsonl", text);
    assert_eq!(outcome.conversations.len(), 2);
    let losses = outcome.losses();
    assert!(losses[0].starts_with("a.jsonl, #2: not valid JSON"), "{losses:?}");
}

#[test]
fn wide_text_is_read() {
    let wide: Vec<u8> =
        "\u{FEFF}".encode_utf16().chain(line("é").encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(read_file("a.json", wide).only().external_id, "é");
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_said() {
    let mut bytes = line("a").into_bytes();
    let place = bytes.windows(5).position(|w| w == b"hello").unwrap();
    bytes[place] = 0xFF;
    let outcome = read_file("a.json", bytes);
    assert_eq!(outcome.only().messages[0].content(), "\u{FFFD}ello");
    assert_eq!(outcome.notices(), ["holds bytes that are not UTF-8; they were replaced"]);
}

#[test]
fn a_record_over_the_limit_is_passed_over() {
    let large = line("big").replace("hello", &"x".repeat(300_000));
    let text = format!("[{},{large},{}]", line("a"), line("b"));
    let options = Options { record_bytes_max: 1_000, ..Options::default() };
    let outcome = read_folder_entry("a.json", text.as_bytes(), &options);
    assert_eq!(outcome.conversations.len(), 2);
    assert!(outcome.losses()[0].contains("larger than the limit"), "{:?}", outcome.problems);
}

#[test]
fn the_sink_can_stop_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    std::fs::write(&path, format!("{}\n", line("a")).repeat(100)).unwrap();
    let mut taken = 0;
    let summary = read(&path, &Options::default(), &mut |item| {
        taken += u32::from(matches!(item, Item::Conversation { .. }));
        if taken < 5 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert!(summary.unwrap().cancelled);
    assert_eq!(taken, 5);
}

#[test]
fn what_is_not_there_is_an_error() {
    let error = read("/no/such/export.zip".as_ref(), &Options::default(), &mut |_| ControlFlow::Continue(()));
    assert_eq!(
        error.unwrap_err().to_string(),
        "cannot open /no/such/export.zip; check the path and its permissions"
    );
}
