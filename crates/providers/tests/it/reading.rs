//! Whatever comes, cut wherever: an answer ends once, and says the same.

use athenaeum_providers::{Event, Wire, testing::read};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

const WIRES: [(Wire, bool); 5] = [
    (Wire::Vllm, false),
    (Wire::OpenAi, true),
    (Wire::LlamaCpp, true),
    (Wire::Ollama, false),
    (Wire::Ollama, true),
];

/// Reads in pieces of these lengths, again and again.
fn in_pieces(wire: (Wire, bool), bytes: &[u8], lengths: &[usize]) -> Vec<Result<Event, String>> {
    let (mut rest, mut pieces) = (bytes, Vec::new());
    for &length in lengths.iter().cycle() {
        let (piece, more) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    read(wire.0, wire.1, &pieces)
}

fn ends_once(events: &[Result<Event, String>]) -> bool {
    let ends = events.iter().filter(|event| matches!(event, Ok(Event::End(_)) | Err(_)));
    ends.count() == 1 && matches!(events.last(), Some(Ok(Event::End(_)) | Err(_)))
}

/// Bytes that look like what engines send, in any order and with any damage.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let objects = [
        json!({ "choices": [{ "index": 0, "delta": { "content": "Grüße", "reasoning": "hm" }, "text": "x" }] }),
        json!({ "choices": [{ "delta": { "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "f", "arguments": "{" } }] } }] }),
        json!({ "choices": [{ "delta": { "tool_calls": [{ "id": "b", "function": { "arguments": "}" } }, {}, 5] } }] }),
        json!({ "choices": [{ "delta": { "content": 5 }, "finish_reason": "stop" }] }),
        json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }], "usage": { "prompt_tokens": -1, "completion_tokens": 1e300 } }),
        json!({ "content": "x", "stop": true, "stop_type": "limit" }),
        json!({ "message": { "content": "x", "tool_calls": [{ "function": { "name": "f", "arguments": {} } }] }, "done": false }),
        json!({ "response": "x", "message": null, "done": true }),
        json!({ "error": { "message": "no" } }),
        json!([1]),
    ];
    let objects: Vec<Vec<u8>> = objects.iter().map(|object| object.to_string().into_bytes()).collect();
    let joints = [
        "data: ",
        "data:",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        ": ping\n\n",
        "[DONE]",
        "event: x\n",
        "error: ",
        "\u{feff}",
    ];
    let piece = prop_oneof![
        4 => proptest::sample::select(joints.map(|joint| joint.as_bytes().to_vec()).to_vec()),
        3 => proptest::sample::select(objects),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_end_once_and_cuts_do_not_matter(bytes in nearly(), lengths in vec(1..9_usize, 1..6)) {
        for wire in WIRES {
            let whole = read(wire.0, wire.1, &[&bytes]);
            prop_assert!(ends_once(&whole), "{whole:?}");
            prop_assert_eq!(&in_pieces(wire, &bytes, &lengths), &whole);
        }
    }

    #[test]
    fn a_good_answer_says_the_same_however_it_is_cut(
        texts in vec("\\PC{0,12}", 1..8),
        line_end in proptest::sample::select(vec!["\n", "\r\n"]),
        lengths in vec(1..40_usize, 1..6),
    ) {
        for wire in WIRES {
            let bytes = good(wire, &texts, line_end);
            let events = in_pieces(wire, &bytes, &lengths);
            let said: String = events.iter().filter_map(|event| match event {
                Ok(Event::Text(text)) => Some(text.as_str()),
                _ => None,
            }).collect();
            let begin = if wire.0 == Wire::Ollama { "" } else { "…" };
            prop_assert_eq!(said, format!("{begin}{}", texts.concat()));
            prop_assert!(matches!(events.last(), Some(Ok(Event::End(_)))), "{events:?}");
        }
    }
}

/// An answer that says these.
fn good(wire: (Wire, bool), texts: &[String], line_end: &str) -> Vec<u8> {
    let piece = |text: &str| match wire {
        (Wire::LlamaCpp, _) => json!({ "content": text, "stop": false }),
        (Wire::Ollama, true) => json!({ "response": text, "done": false }),
        (Wire::Ollama, false) => json!({ "message": { "content": text }, "done": false }),
        (_, true) => json!({ "choices": [{ "text": text }] }),
        (_, false) => json!({ "choices": [{ "delta": { "content": text } }] }),
    };
    let last = match wire {
        (Wire::LlamaCpp, _) => json!({ "content": "", "stop": true, "stop_type": "eos" }),
        (Wire::Ollama, _) => json!({ "done": true, "done_reason": "stop" }),
        _ => json!({ "choices": [{ "finish_reason": "stop" }] }),
    };
    let pieces = texts.iter().map(|text| piece(text)).chain([last]);
    let framed = |piece: Value| match wire.0 {
        Wire::Ollama => format!("{piece}{line_end}"),
        _ => format!(": keep-alive{line_end}{line_end}data: {piece}{line_end}{line_end}"),
    };
    // A mark of the byte order may stand before the first field of the first event.
    let begin = match wire.0 {
        Wire::Ollama => String::new(),
        _ => format!("\u{feff}data: {}{line_end}{line_end}", piece("…")),
    };
    format!("{begin}{}", pieces.map(framed).collect::<String>()).into_bytes()
}

#[test]
fn a_piece_without_end_is_not_held() {
    for wire in WIRES {
        let endless = vec![b'x'; 64 << 10];
        let pieces: Vec<&[u8]> =
            std::iter::once(&b"data: "[..]).chain((0..80).map(|_| &endless[..])).collect();
        let events = read(wire.0, wire.1, &pieces);
        assert!(matches!(&events[..], [Err(fault)] if fault.contains("longer than")), "{events:?}");
        let lines = b"data: x\n".repeat(4 << 20 >> 1);
        let events = read(wire.0, wire.1, &[&lines]);
        assert!(ends_once(&events) && events[0].is_err(), "{events:?}");
    }
}

#[test]
fn calls_without_end_are_not_gathered() {
    let call = json!({ "choices": [{ "delta": { "tool_calls": [{ "function": { "name": "f", "arguments": "{}" } }] } }] });
    let check = |calls: usize, fits: bool| {
        let stream = format!("data: {call}\n\n").repeat(calls)
            + "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n";
        let events = read(Wire::OpenAi, false, &[stream.as_bytes()]);
        assert_eq!(events.last().unwrap().is_ok(), fits, "{:?}", events.last());
        assert_eq!(events.len(), 2 * calls.min(1024) + 1);
    };
    check(1024, true);
    check(1025, false);
}
