use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { record_bytes_max: 1 << 20, depth_max: 32 };

/// Gives a source out in pieces of `size` bytes.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.0.len().min(self.1).min(out.len());
        out[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn split(text: &[u8], limits: Limits, piece: usize) -> (Layout, Vec<String>) {
    let probe = |_: &Layout, _: &Value, value: &Value| value.get("id").is_some();
    let mut splitter = Splitter::new(Pieces(text, piece), limits, &probe);
    let mut pieces = Vec::new();
    while let Some(piece) = splitter.next(&probe) {
        pieces.push(match piece {
            Piece::Record { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            Piece::Fault { fault, offset } => format!("! {offset}: {fault}"),
        });
    }
    (splitter.layout().clone(), pieces)
}

fn check(text: &str, layout: &Layout, expected: &[&str]) {
    for piece in [1, 7, 1 << 20] {
        let (found, pieces) = split(text.as_bytes(), LIMITS, piece);
        assert_eq!((&found, pieces), (layout, expected.iter().map(ToString::to_string).collect()), "{text}");
    }
}

fn container(key: &str) -> Layout {
    Layout::Container(key.to_owned())
}

#[test]
fn layouts() {
    check(r#"[{"id":1}, {"id":2}]"#, &Layout::Array, &[r#"{"id":1}"#, r#"{"id":2}"#]);
    check(r#" {"id":1, "x":[{"a":"]"}]} "#, &Layout::Single, &[r#"{"id":1, "x":[{"a":"]"}]}"#]);
    check(
        r#"{"v":1,"chats":[{"id":1},{"id":2}],"z":{}}"#,
        &container("chats"),
        &[r#"{"id":1}"#, r#"{"id":2}"#],
    );
    check(r#"{"data":{"n":0,"list":[{"id":1}]},"z":[]}"#, &container("data.list"), &[r#"{"id":1}"#]);
    check(
        "{\"id\":1}\n{\"id\":2}\r\n\n{\"id\":3}",
        &Layout::Lines,
        &[r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#],
    );
    check("{\"id\":1}{\"id\":2}", &Layout::Lines, &[r#"{"id":1}"#, r#"{"id":2}"#]);
    check("{\n\"id\":1\n}\n{\n\"id\":2}", &Layout::Lines, &["{\n\"id\":1\n}", "{\n\"id\":2}"]);
    check("[{\"id\":1}]\n[{\"id\":2}]", &Layout::Array, &[r#"{"id":1}"#, r#"{"id":2}"#]);
    check(r#"{"a":[{"id":1}],"n":[1],"b":[{"id":2}]}"#, &container("a"), &[r#"{"id":1}"#, r#"{"id":2}"#]);
    check("", &Layout::Single, &[]);
    check("[]", &Layout::Array, &[]);
}

#[test]
fn damage_costs_only_itself() {
    let unclosed = "! 10: the list of records is not closed; the download may be incomplete";
    check(r#"[{"id":1}, "#, &Layout::Array, &[r#"{"id":1}"#, &unclosed.replace("10", "11")]);
    check(r#"[{"id":1},"#, &Layout::Array, &[r#"{"id":1}"#, unclosed]);
    let inside = "! 10: the file ends inside a record; the download may be incomplete";
    check(r#"[{"id":1},{"id"#, &Layout::Array, &[r#"{"id":1}"#, inside]);
    check(r#"[{"id":1},,{"id":2},]"#, &Layout::Array, &[r#"{"id":1}"#, r#"{"id":2}"#]);
    check("{\"id\":1}\n{\"id\n{\"id\":3}\n", &Layout::Lines, &[r#"{"id":1}"#, "{\"id", r#"{"id":3}"#]);
    let deep = format!("[{}{},{{\"id\":2}}]", "[".repeat(1_000), "]".repeat(1_000));
    check(&deep, &Layout::Array, &["! 1: brackets are nested 1000 deep", r#"{"id":2}"#]);
}

#[test]
fn a_missing_bracket_or_quote_costs_one_record() {
    let damaged = |bytes: usize| format!("! 10: {bytes} bytes are damaged: a bracket or a quote is missing");
    check(
        r#"[{"id":1},{"id":{"a":2},{"id":3},{"id":4}]"#,
        &Layout::Array,
        &[r#"{"id":1}"#, &damaged(14), r#"{"id":3}"#, r#"{"id":4}"#],
    );
    check(r#"[{"id":1},{"id":"2},{"id":3}]"#, &Layout::Array, &[r#"{"id":1}"#, &damaged(10), r#"{"id":3}"#]);
}

#[test]
fn what_is_too_large_is_not_held() {
    let text = format!(r#"[{{"id":1}},{{"id":"{}"}},{{"id":3}}]"#, "x".repeat(3 << 20));
    let (_, pieces) = split(text.as_bytes(), LIMITS, 4_096);
    assert_eq!(pieces.len(), 3);
    assert!(pieces[1].contains("larger than the limit"), "{}", pieces[1]);
    assert_eq!(pieces[2], r#"{"id":3}"#);
}

proptest! {
    #[test]
    fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        split(&bytes, LIMITS, 3);
    }

    #[test]
    fn brackets_and_quotes_come_to_an_end(text in r#"[\[\]{}",:\\a1\n ]{0,80}"#) {
        split(text.as_bytes(), Limits { record_bytes_max: 10, depth_max: 4 }, 3);
    }

    #[test]
    fn records_come_out_as_they_went_in(
        texts in proptest::collection::vec(any::<String>(), 1..8),
        piece in 1usize..50,
    ) {
        let records: Vec<String> = texts.iter().map(|text| serde_json::json!({"id": text}).to_string()).collect();
        let (_, array) = split(format!("[{}]", records.join(", ")).as_bytes(), LIMITS, piece);
        prop_assert_eq!(&array, &records);
        let (_, lines) = split(records.join("\n").as_bytes(), LIMITS, piece);
        prop_assert_eq!(&lines, &records);
    }
}
