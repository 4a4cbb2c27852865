use athenaeum_core::{BlockKind, Conversation, Role};
use serde_json::{Value, json};

use crate::harness::{read_file, read_folder, zipped};

/// A node with a message; `extra` is merged into the message.
fn node(id: &str, parent: Option<&str>, role: &str, text: &str, extra: &Value) -> (String, Value) {
    let mut message = json!({
        "id": format!("m-{id}"), "author": {"role": role, "name": null},
        "create_time": 1_700_000_000.25, "content": {"content_type": "text", "parts": [text]},
        "status": "finished_successfully", "weight": 1.0, "recipient": "all", "metadata": {},
    });
    for (key, value) in extra.as_object().into_iter().flatten() {
        message[key] = value.clone();
    }
    (id.to_owned(), json!({"id": id, "message": message, "parent": parent, "children": []}))
}

fn root(id: &str) -> (String, Value) {
    (id.to_owned(), json!({"id": id, "message": null, "parent": null, "children": []}))
}

fn chat(id: &str, current: Value, nodes: Vec<(String, Value)>) -> Value {
    json!({
        "id": id, "conversation_id": id, "title": "Bread", "create_time": 1_700_000_000.123_456,
        "update_time": 1_700_000_100.0, "current_node": current, "default_model_slug": "gpt-4o",
        "mapping": nodes.into_iter().collect::<serde_json::Map<_, _>>(),
    })
}

/// Reads one message whose source has these members.
fn read_message(role: &str, extra: &Value) -> (Conversation, Vec<String>) {
    let nodes = vec![root("r"), node("a", Some("r"), role, "", extra)];
    let outcome = read_file("conversations.json", json!([chat("c", json!("a"), nodes)]).to_string());
    (outcome.only().clone(), outcome.problems.iter().map(|problem| problem.reason.clone()).collect())
}

/// Shows a message's blocks as `kind[label] text`.
fn shown(conversation: &Conversation) -> Vec<String> {
    let blocks = conversation.messages.iter().flat_map(|message| &message.blocks);
    blocks
        .map(|block| {
            let label = block.label.as_ref().map(|label| format!("[{label}]")).unwrap_or_default();
            format!("{}{label} {}", block.kind.as_str(), block.text)
        })
        .collect()
}

#[test]
fn the_current_branch_first_and_the_others_kept() {
    let nodes = vec![
        root("r"),
        node(
            "sys",
            Some("r"),
            "system",
            "",
            &json!({"metadata": {"is_visually_hidden_from_conversation": true}}),
        ),
        node("q1", Some("sys"), "user", "How long?", &json!({})),
        node("a1", Some("q1"), "assistant", "An hour.", &json!({"metadata": {"model_slug": "gpt-4"}})),
        node("a2", Some("q1"), "assistant", "Two hours.", &json!({"metadata": {"model_slug": "o3"}})),
        node("q2", Some("a2"), "user", "Thanks", &json!({})),
    ];
    let source = chat("c1", json!("q2"), nodes);
    let outcome = read_file("x.json", json!([source]).to_string());
    let conversation = outcome.only();
    let told: Vec<_> = conversation
        .messages
        .iter()
        .map(|m| (m.external_id.as_deref().unwrap(), m.parent, m.off_branch, m.model.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("m-q1", None, false, None),
            ("m-a2", Some(0), false, Some("o3")),
            ("m-q2", Some(1), false, None),
            ("m-a1", Some(0), true, Some("gpt-4")),
        ]
    );
    assert_eq!(conversation.external_id, "c1");
    assert_eq!(conversation.model.as_deref(), Some("gpt-4o"));
    assert_eq!(conversation.created_at.unwrap().as_micros(), 1_700_000_000_123_456);
    assert_eq!(serde_json::from_str::<Value>(&conversation.raw_json).unwrap(), source);
    assert!(outcome.problems.is_empty(), "{outcome:?}");
}

#[test]
fn a_current_node_that_is_missing_or_wrong() {
    let nodes = |newest: f64| {
        vec![
            node("q", None, "user", "Q", &json!({})),
            node("a", Some("q"), "assistant", "old", &json!({"create_time": 1_700_000_001.0})),
            node("b", Some("q"), "assistant", "new", &json!({"create_time": newest})),
        ]
    };
    let outcome = read_file("x.json", json!([chat("c", json!(null), nodes(1_700_000_002.0))]).to_string());
    assert_eq!(outcome.only().messages[1].content(), "new");
    assert!(outcome.problems.is_empty());
    let outcome = read_file("x.json", json!([chat("c", json!("gone"), nodes(1_600_000_000.0))]).to_string());
    assert_eq!(outcome.only().messages[1].content(), "old");
    assert_eq!(outcome.notices().len(), 1);
}

#[test]
fn circles_and_orphans_are_kept() {
    let nodes = vec![
        node("a", Some("b"), "user", "A", &json!({})),
        node("b", Some("a"), "assistant", "B", &json!({})),
        node("c", Some("gone"), "user", "C", &json!({})),
        node("d", Some("d"), "user", "D", &json!({})),
    ];
    let outcome = read_file("x.json", json!([chat("c", json!("b"), nodes)]).to_string());
    assert_eq!(outcome.only().messages.len(), 4);
    assert_eq!(outcome.notices().len(), 2, "{:?}", outcome.notices());
}

#[test]
fn nodes_without_parents_follow_their_childrens_lists() {
    let mut nodes =
        vec![node("a", None, "user", "A", &json!({})), node("b", None, "assistant", "B", &json!({}))];
    nodes[0].1["children"] = json!(["b"]);
    let outcome = read_file("x.json", json!([chat("c", json!("b"), nodes)]).to_string());
    assert_eq!(outcome.only().messages[1].parent, Some(0));
}

#[test]
fn nodes_without_any_link_are_told_in_the_order_of_the_file() {
    let mut nodes = vec![
        node("a", None, "", "A", &json!({"author": "user"})),
        node("b", None, "assistant", "B", &json!({})),
    ];
    nodes[0].1.as_object_mut().unwrap().remove("parent");
    let outcome = read_file("x.json", json!([chat("c", json!(null), nodes)]).to_string());
    let told: Vec<_> = outcome.only().messages.iter().map(|m| (m.role, m.parent, m.off_branch)).collect();
    assert_eq!(told, [(Role::User, None, false), (Role::Assistant, Some(0), false)]);
}

#[test]
fn kinds_of_content() {
    let cases = [
        (
            "assistant",
            json!({"content_type": "code", "language": "python", "text": "1+1"}),
            "code[python] 1+1",
        ),
        ("assistant", json!({"content_type": "code", "language": "unknown", "text": "1+1"}), "code 1+1"),
        (
            "assistant",
            json!({"content_type": "thoughts", "thoughts": [{"summary": "S", "content": "T", "chunks": ["T"]}]}),
            "thinking[S] T",
        ),
        ("assistant", json!({"content_type": "thoughts", "thoughts": [{"summary": "S"}]}), "thinking S"),
        (
            "assistant",
            json!({"content_type": "reasoning_recap", "content": "Thought for 9s"}),
            "thinking Thought for 9s",
        ),
        (
            "assistant",
            json!({"content_type": "text", "parts": ["a \u{E200}cite\u{E202}x\u{E201} 【1†s】"]}),
            "text a \u{E200}cite\u{E202}x\u{E201} 【1†s】",
        ),
        ("tool", json!({"content_type": "execution_output", "text": "2"}), "tool_result 2"),
        ("tool", json!({"content_type": "text", "parts": ["done"]}), "tool_result done"),
        (
            "tool",
            json!({"content_type": "tether_browsing_display", "result": "R", "summary": null}),
            "tool_result R",
        ),
        (
            "tool",
            json!({"content_type": "tether_quote", "url": "u", "title": "T", "text": "Q"}),
            "quote[T] Q",
        ),
        ("tool", json!({"content_type": "sonic_webpage", "url": "u", "text": "Q"}), "quote[u] Q"),
        ("tool", json!({"content_type": "system_error", "name": "E", "text": "no"}), "tool_result[E] no"),
        (
            "user",
            json!({"content_type": "multimodal_text", "parts": [{"content_type": "audio_transcription", "text": "hi"}]}),
            "transcript hi",
        ),
        ("user", json!({"parts": ["no type"]}), "text no type"),
        ("user", json!({"content_type": "text", "text": "no parts"}), "text no parts"),
    ];
    for (role, content, expected) in cases {
        let (conversation, problems) = read_message(role, &json!({"content": content}));
        assert_eq!((shown(&conversation), problems), (vec![expected.to_owned()], vec![]), "{content}");
    }
}

#[test]
fn unknown_kinds_are_kept_and_said() {
    let content = json!({"content_type": "hologram", "rays": [1, 2]});
    let (conversation, problems) = read_message("assistant", &json!({"content": content}));
    assert_eq!(shown(&conversation), [format!("unknown[hologram] {content}")]);
    assert_eq!(problems, ["content of the unknown type 'hologram' was kept as it is"]);

    let part = json!({"content_type": "smell", "of": "roses"});
    let content = json!({"content_type": "multimodal_text", "parts": ["a", part]});
    let (conversation, problems) = read_message("user", &json!({"content": content}));
    assert_eq!(shown(&conversation), ["text a".to_owned(), format!("unknown[smell] {part}")]);
    assert_eq!(problems.len(), 1);

    let content = json!({"content_type": "thoughts", "insights": ["odd"]});
    let (conversation, _) = read_message("assistant", &json!({"content": content}));
    assert_eq!(conversation.messages[0].blocks[0].kind, BlockKind::Unknown);

    let (conversation, problems) =
        read_message("assistant", &json!({"author": {"role": "oracle"}, "content": {"parts": ["x"]}}));
    assert_eq!((conversation.messages[0].role, problems.len()), (Role::Tool, 1));
}

#[test]
fn calls_and_canvases() {
    let (conversation, _) = read_message(
        "assistant",
        &json!({"recipient": "web.search", "content": {"content_type": "code", "text": "{\"q\":1}"}}),
    );
    let call = &conversation.messages[0].tool_calls[0];
    assert_eq!((call.name.as_str(), call.arguments.as_str()), ("web.search", "{\"q\":1}"));
    assert_eq!(shown(&conversation), ["tool_use[web.search] {\"q\":1}"]);

    let arguments = json!({"name": "Plan", "type": "document", "content": "# Plan"}).to_string();
    let (conversation, _) = read_message(
        "assistant",
        &json!({"recipient": "canmore.create_textdoc", "content": {"content_type": "code", "text": arguments}}),
    );
    assert_eq!(shown(&conversation), ["canvas[Plan] # Plan"]);
    assert_eq!(conversation.messages[0].tool_calls[0].arguments, arguments);

    let (conversation, _) = read_message(
        "assistant",
        &json!({"recipient": "canmore.update_textdoc", "content": {"content_type": "code", "text": "{broken"}}),
    );
    assert_eq!(shown(&conversation), ["tool_use[canmore.update_textdoc] {broken"]);
}

#[test]
fn instructions_are_hidden_and_the_system_prompt() {
    let content =
        json!({"content_type": "user_editable_context", "user_profile": "P", "user_instructions": "I"});
    let metadata =
        json!({"user_context_message_data": {"about_user_message": "me", "about_model_message": "you"}});
    let (conversation, _) = read_message("user", &json!({"content": content, "metadata": metadata}));
    assert!(conversation.messages[0].hidden);
    assert_eq!(conversation.system_prompt.as_deref(), Some("me\n\nyou"));
}

#[test]
fn files_are_found_in_the_export() {
    let parts = json!([
        {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-AB1", "size_bytes": 7},
        {"content_type": "real_time_user_audio_video_asset_pointer", "frames_asset_pointers": [],
         "audio_asset_pointer": {"content_type": "audio_asset_pointer", "asset_pointer": "sediment://file_77#x", "format": "wav"}},
    ]);
    let metadata = json!({"attachments": [{"id": "file-AB1", "name": "cat.png", "mime_type": "image/png"}]});
    let extra = json!({"content": {"content_type": "multimodal_text", "parts": parts}, "metadata": metadata});
    let nodes = vec![node("a", None, "user", "", &extra)];
    let chats = json!([chat("c", json!("a"), nodes)]).to_string();
    let names = json!({"file_77.dat": "voice.wav"}).to_string();
    let archive = zipped(&[
        ("conversations-000.json", chats.as_bytes()),
        ("conversation_asset_file_names.json", names.as_bytes()),
        ("file-AB1-cat.png", b"\x89PNG"),
        ("audio/file_77.dat", b"RIFF"),
        ("user.json", br#"{"id": "user-1", "email": "x@example.com"}"#),
        ("export_manifest.json", br#"{"logical_files": {"conversations.json": {"files": ["conversations-000.json", "conversations-001.json"], "sharded": true}}}"#),
    ]);
    let outcome = read_file("export.zip", archive);
    let conversation = outcome.only();
    let files: Vec<_> = conversation.messages[0]
        .attachments
        .iter()
        .map(|a| (a.name.as_deref(), a.id.as_deref(), a.media_type.as_deref(), a.path.as_deref()))
        .collect();
    assert_eq!(
        files,
        [
            (Some("cat.png"), Some("file-service://file-AB1"), Some("image/png"), Some("file-AB1-cat.png")),
            (Some("voice.wav"), Some("sediment://file_77#x"), Some("audio/wav"), Some("audio/file_77.dat")),
        ]
    );
    assert_eq!(conversation.user_id.as_deref(), Some("user-1"));
    assert_eq!(
        outcome.losses(),
        [
            "export.zip/export_manifest.json, conversations-001.json: the manifest names this file, but it is not in the export; download it again"
        ]
    );
}

#[test]
fn a_bad_conversation_costs_only_itself() {
    let good = |id: &str| chat(id, json!("a"), vec![node("a", None, "user", "hi", &json!({}))]).to_string();
    let odd = json!({"id": 5, "title": ["x"], "create_time": "2024-05-17T08:30:00Z", "mapping": {"a": {"message": {"content": {"parts": "x"}, "author": "me"}}, "b": 3}});
    let text = format!(
        "[{}, {{\"mapping\": 5}}, {{\"mapping\": {{\"a\": nonsense}}}}, {odd}, {}]",
        good("1"),
        good("2")
    );
    let outcome = read_file("conversations.json", text);
    let ids: Vec<_> = outcome.conversations.iter().map(|c| c.external_id.as_str()).collect();
    assert_eq!(ids, ["1", "5", "2"]);
    assert_eq!(outcome.losses().len(), 2, "{:?}", outcome.losses());
}

#[test]
fn every_place_a_conversation_may_stand_in() {
    let one = chat("1", json!("a"), vec![node("a", None, "user", "hi", &json!({}))]);
    for text in [
        one.to_string(),
        json!([one]).to_string(),
        json!({"conversations": [one]}).to_string(),
        json!({"version": 2, "data": {"conversations": [one]}}).to_string(),
        serde_json::to_string_pretty(&one).unwrap(),
        format!("{one}\n"),
    ] {
        let outcome = read_file("anything.txt", &text);
        assert_eq!((outcome.conversations.len(), outcome.problems.len()), (1, 0), "{text}");
    }
}

#[test]
fn empty_conversations_are_counted_not_kept() {
    let outcome = read_folder(&[(
        "conversations.json",
        json!([chat("1", json!(null), vec![])]).to_string().as_bytes(),
    )]);
    assert_eq!((outcome.summary.empty, outcome.summary.conversations), (1, 0));
    assert!(outcome.losses()[0].contains("all 1 conversations are empty"), "{outcome:?}");
}
