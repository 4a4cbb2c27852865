use athenaeum_core::{
    Attachment, Block, BlockKind, Conversation, Message, Provider, Role, Timestamp, ToolCall,
};
use athenaeum_ingest::to_json_line;
use proptest::{collection::vec, option, prelude::*};

use crate::harness::{read_file, read_folder};

#[test]
fn the_shortest_line_is_enough() {
    let outcome = read_file(
        "notes.jsonl",
        r#"{"athenaeum": 1, "provider": "My-Notes", "messages": [{"role": "user", "text": "Hi"}, {"role": "assistant", "text": "Ho", "created_at": 1715934600}]}"#,
    );
    let conversation = outcome.only();
    assert_eq!(conversation.provider.as_str(), "my-notes");
    assert!(!conversation.external_id.is_empty());
    assert_eq!(conversation.messages[1].parent, Some(0));
    assert_eq!(conversation.messages[1].created_at.unwrap().to_string(), "2024-05-17T08:30:00Z");
    assert!(outcome.problems.is_empty(), "{outcome:?}");
}

#[test]
fn what_a_line_should_not_say() {
    let outcome = read_file(
        "a.jsonl",
        [
            r#"{"athenaeum": 1, "provider": "x", "messages": [{"role": "narrator", "text": "a", "parent": 7, "created_at": "noon", "blocks": [{"kind": "hologram", "text": "z"}], "attachments": [{"path": "../../etc/passwd"}]}]}"#,
            r#"{"athenaeum": 1, "provider": "not a provider!", "messages": []}"#,
            r#"{"athenaeum": 1, "provider": "x", "messages": 3}"#,
        ]
        .join("\n"),
    );
    let message = &outcome.only().messages[0];
    assert_eq!((message.role, message.parent), (Role::Tool, None));
    assert_eq!(message.blocks[1].kind, BlockKind::Unknown);
    assert_eq!(message.attachments[0].path, None);
    assert_eq!(outcome.notices().len(), 3, "{outcome:?}");
    assert_eq!(outcome.losses().len(), 2, "{outcome:?}");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z ]{0,20}", Just("\u{2028}\0\"\\".to_owned())]
}

fn some_text() -> impl Strategy<Value = Option<String>> {
    option::of(text())
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    option::of((-60_000_000_000_000_000i64..250_000_000_000_000_000).prop_map(Timestamp::from_micros))
}

fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let kind = proptest::sample::select(BlockKind::ALL.to_vec());
    vec((kind, text(), some_text()).prop_map(|(kind, text, label)| Block { kind, text, label }), 0..4)
}

fn attachment() -> impl Strategy<Value = Attachment> {
    let path = option::of("[a-z]{1,5}/[a-z]{1,5}\\.png");
    (some_text(), some_text(), some_text(), any::<Option<u64>>(), path)
        .prop_map(|(name, id, media_type, size, path)| Attachment { name, id, media_type, size, path })
}

fn tool_call() -> impl Strategy<Value = ToolCall> {
    (some_text(), text(), text()).prop_map(|(id, name, arguments)| ToolCall { id, name, arguments })
}

fn message() -> impl Strategy<Value = Message> {
    let head = (some_text(), any::<Option<u32>>(), proptest::sample::select(Role::ALL.to_vec()), some_text());
    let body = (blocks(), some_text(), time(), any::<Option<i64>>(), some_text());
    let tail = (vec(tool_call(), 0..3), vec(attachment(), 0..3), any::<bool>(), any::<bool>());
    (head, body, tail).prop_map(|((external_id, parent, role, author), body, tail)| Message {
        external_id,
        parent,
        role,
        author,
        blocks: body.0,
        model: body.1,
        created_at: body.2,
        tokens: body.3,
        finish_reason: body.4,
        tool_calls: tail.0,
        attachments: tail.1,
        hidden: tail.2,
        off_branch: tail.3,
    })
}

fn conversation() -> impl Strategy<Value = Conversation> {
    let provider = proptest::sample::select(Provider::KNOWN.to_vec());
    let head = (provider, "[a-zA-Z0-9-]{1,40}", option::of("[a-zé]{1,20}"), some_text(), time(), time());
    let temperature = option::of(0.0f64..2.0);
    let tail = (some_text(), temperature, any::<Option<i64>>(), some_text(), text());
    (head, tail, vec(message(), 1..6)).prop_map(|(head, tail, mut messages)| {
        for (index, message) in messages.iter_mut().enumerate() {
            message.parent = message.parent.and_then(|parent| parent.checked_rem(index as u32));
        }
        Conversation {
            provider: head.0,
            external_id: head.1,
            title: head.2,
            model: head.3,
            created_at: head.4,
            updated_at: head.5,
            system_prompt: tail.0,
            temperature: tail.1,
            max_tokens: tail.2,
            user_id: tail.3,
            messages,
            raw_json: tail.4,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_line_brings_back_what_was_written(conversations in vec(conversation(), 1..4)) {
        let lines: Vec<String> = conversations.iter().map(to_json_line).collect();
        prop_assert!(lines.iter().all(|line| !line.contains('\n')));
        let outcome = read_folder(&[("export.jsonl", lines.join("\n").as_bytes())]);
        prop_assert_eq!(outcome.problems, vec![]);
        prop_assert_eq!(outcome.conversations, conversations);
    }
}
