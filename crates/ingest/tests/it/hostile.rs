//! Whatever the bytes are: no panic, an end, and never silence.

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use crate::harness::{Outcome, read_file};

/// Names that parsers look for, so that random objects come close to real ones.
const KEYS: &[&str] = &[
    "mapping",
    "message",
    "parent",
    "children",
    "current_node",
    "author",
    "role",
    "content",
    "content_type",
    "parts",
    "metadata",
    "attachments",
    "chat_messages",
    "uuid",
    "sender",
    "text",
    "type",
    "thinking",
    "input",
    "name",
    "title",
    "id",
    "create_time",
    "created_at",
    "messages",
    "conversations",
    "recipient",
    "thoughts",
    "files",
    "asset_pointer",
    "summaries",
    "settings",
    "account",
    "provider",
    "athenaeum",
    "blocks",
    "kind",
    "chat",
    "history",
    "timestamp",
    "responses",
    "response",
    "chunkedPrompt",
    "chunks",
    "turns",
    "items",
    "data",
    "user",
    "assistant",
    "value",
    "from",
    "payload",
    "session_meta",
    "sessionId",
    "time",
];

const WORDS: &[&str] = &[
    "user",
    "assistant",
    "system",
    "tool",
    "human",
    "text",
    "code",
    "multimodal_text",
    "thoughts",
    "tool_use",
    "tool_result",
    "all",
    "canmore.create_textdoc",
    "file-service://a",
    "1e999",
    "2024-05-17T08:30:00Z",
    "",
    "\u{0}",
    "🌍",
    "user_editable_context",
    "a",
    "b",
    "c",
    "image_asset_pointer",
    "event_msg",
    "response_item",
];

fn value() -> impl Strategy<Value = Value> {
    let word = proptest::sample::select(WORDS.to_vec()).prop_map(|word| json!(word));
    let number = prop_oneof![
        Just(json!(-1)),
        Just(json!(u64::MAX)),
        Just(json!(i64::MIN)),
        Just(json!(1e308)),
        Just(json!(1_715_934_600.5)),
    ];
    let leaf =
        prop_oneof![3 => word, 1 => number, 1 => Just(Value::Null), 1 => any::<bool>().prop_map(Value::Bool)];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let object = vec((proptest::sample::select(KEYS.to_vec()), inner.clone()), 0..6);
        let object = object.prop_map(|members| {
            Value::Object(
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>(),
            )
        });
        prop_oneof![2 => object, 1 => vec(inner, 0..5).prop_map(Value::Array)]
    })
}

/// What must hold after every read.
fn check(outcome: &Outcome) {
    let summary = &outcome.summary;
    assert_eq!(summary.conversations as usize, outcome.conversations.len());
    assert!(summary.conversations + summary.problems + summary.notices > 0, "silence: {outcome:?}");
    for conversation in &outcome.conversations {
        assert!(!conversation.messages.is_empty() && !conversation.external_id.is_empty());
        for (index, message) in conversation.messages.iter().enumerate() {
            assert!(message.parent.is_none_or(|parent| (parent as usize) < index));
            let outside = |path: &String| path.starts_with('/') || path.split('/').any(|part| part == "..");
            assert!(!message.attachments.iter().filter_map(|a| a.path.as_ref()).any(outside));
        }
    }
}

/// A small export of each kind.
fn exports() -> [String; 3] {
    let node = |id: &str, parent: Value, role: &str| {
        json!({"id": id, "parent": parent, "children": [], "message": {"id": id, "author": {"role": role},
            "create_time": 1.5e9, "content": {"content_type": "text", "parts": ["hello \"world\" \u{e9}"]}}})
    };
    let chatgpt = json!([{"id": "c", "title": "T", "current_node": "b", "mapping": {
        "a": node("a", Value::Null, "user"), "b": node("b", json!("a"), "assistant")}}]);
    let claude = json!([{"uuid": "c", "name": "T", "chat_messages": [
        {"uuid": "a", "sender": "human", "text": "hi", "content": [{"type": "text", "text": "hi"}]}]}]);
    let own = json!({"athenaeum": 1, "provider": "x", "messages": [{"role": "user", "text": "hi"}]});
    [chatgpt.to_string(), claude.to_string(), format!("{own}\n{own}")]
}

/// A line that begins with a form feed and holds nothing else gave an empty record for ever: ten bytes kept an import
/// from ending.
#[test]
fn lines_of_form_feeds_end() {
    for bytes in [
        &b"{,,$]\n\x0C\n\x0C["[..],
        b"{,,~\r\r\x0C\r\r\r\r\n\r{",
        b"\x0C[\n\n0\n\xFE\xFF\xFF\xE4\x0C",
        b"{}\n{}\n\x0C\n\x0B\n,\n\x1E\n",
    ] {
        for name in ["a.json", "a.jsonl"] {
            check(&read_file(name, bytes));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_json(value in value(), array in any::<bool>()) {
        let text = if array { json!([value]).to_string() } else { value.to_string() };
        check(&read_file("conversations.json", text));
    }

    #[test]
    fn any_tree(links in vec((0usize..6, 0usize..6, any::<bool>()), 1..6), current in 0usize..7) {
        let nodes = links.iter().enumerate().map(|(index, (parent, child, real))| {
            let message = real.then(|| json!({"author": {"role": "user"}, "content": {"parts": [index.to_string()]}}));
            let node = json!({"id": index.to_string(), "message": message, "parent": parent.to_string(), "children": [child.to_string()]});
            (index.to_string(), node)
        });
        let chat = json!([{"id": "c", "title": "T", "current_node": current.to_string(), "mapping": nodes.collect::<Map<_, _>>()}]);
        let outcome = read_file("conversations.json", chat.to_string());
        check(&outcome);
        let real = links.iter().filter(|(_, _, real)| *real).count();
        prop_assert_eq!(outcome.summary.messages as usize, real);
    }

    #[test]
    fn a_file_cut_short(which in 0usize..3, at in 0usize..400) {
        let text = &exports()[which];
        let bytes = text.as_bytes();
        check(&read_file("conversations.json", &bytes[..at.min(bytes.len())]));
    }

    #[test]
    fn flipped_bytes(which in 0usize..3, flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = exports()[which].clone().into_bytes();
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        check(&read_file("conversations.json", bytes));
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300), name in proptest::sample::select(vec!["a.json", "b.zip", "c.db", "d.html"])) {
        check(&read_file(name, bytes));
    }

    #[test]
    fn damaged_archives(flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let mut bytes = crate::harness::zipped(&[("conversations.json", exports()[0].as_bytes()), ("b.json", exports()[1].as_bytes())]);
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        check(&read_file("export.zip", &bytes));
        bytes.truncate(cut.index(bytes.len()));
        check(&read_file("export.zip", &bytes));
    }
}
