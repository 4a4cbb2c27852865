use athenaeum_core::{Conversation, Role};
use serde_json::{Value, json};

use crate::harness::{read_file, read_folder};

fn message(uuid: &str, sender: &str, text: &str, extra: &Value) -> Value {
    let mut message = json!({
        "uuid": uuid, "sender": sender, "text": text, "content": [{"type": "text", "text": text}],
        "created_at": "2024-05-17T08:30:00.123456Z", "updated_at": "2024-05-17T08:30:00.123456Z",
        "attachments": [], "files": [],
    });
    for (key, value) in extra.as_object().into_iter().flatten() {
        message[key] = value.clone();
    }
    message
}

fn chat(uuid: &str, messages: &[Value]) -> Value {
    json!({
        "uuid": uuid, "name": "Bread", "created_at": "2024-05-17T08:30:00Z", "updated_at": "2024-05-17T09:00:00Z",
        "account": {"uuid": "acc-1"}, "chat_messages": messages,
    })
}

/// Reads one message and shows its blocks as `kind[label] text`.
fn shown(extra: &Value) -> (Conversation, Vec<String>, Vec<String>) {
    let outcome = read_file(
        "conversations.json",
        json!([chat("c", &[message("m", "assistant", "", extra)])]).to_string(),
    );
    let show = |block: &athenaeum_core::Block| {
        let label = block.label.as_ref().map(|label| format!("[{label}]")).unwrap_or_default();
        format!("{}{label} {}", block.kind.as_str(), block.text)
    };
    let blocks = outcome.only().messages[0].blocks.iter().map(show).collect();
    let notices = outcome.problems.iter().map(|problem| problem.reason.clone()).collect();
    (outcome.only().clone(), blocks, notices)
}

#[test]
fn a_list_is_told_as_it_is() {
    let messages = [
        message("a", "human", "How long?", &json!({})),
        message("b", "assistant", "An hour.", &json!({"model": "claude-x", "stop_reason": "end_turn"})),
        message("c", "narrator", "?", &json!({})),
    ];
    let source = chat("c1", &messages);
    let outcome = read_file("conversations.json", json!([source]).to_string());
    let conversation = outcome.only();
    let told: Vec<_> = conversation.messages.iter().map(|m| (m.role, m.parent, m.content())).collect();
    assert_eq!(
        told,
        [
            (Role::User, None, "How long?".to_owned()),
            (Role::Assistant, Some(0), "An hour.".to_owned()),
            (Role::Tool, Some(1), "?".to_owned()),
        ]
    );
    assert_eq!(conversation.messages[1].model.as_deref(), Some("claude-x"));
    assert_eq!(conversation.messages[1].finish_reason.as_deref(), Some("end_turn"));
    assert_eq!(conversation.messages[0].created_at.unwrap().to_string(), "2024-05-17T08:30:00.123456Z");
    assert_eq!(
        (conversation.user_id.as_deref(), conversation.title.as_deref()),
        (Some("acc-1"), Some("Bread"))
    );
    assert_eq!(serde_json::from_str::<Value>(&conversation.raw_json).unwrap(), source);
    assert_eq!(outcome.notices(), ["the sender 'narrator' is not known; kept as a tool's"]);
}

#[test]
fn parents_make_branches() {
    let none = "00000000-0000-4000-8000-000000000000";
    let messages = [
        message("q", "human", "Q", &json!({"parent_message_uuid": none})),
        message("old", "assistant", "old", &json!({"parent_message_uuid": "q"})),
        message(
            "new",
            "assistant",
            "new",
            &json!({"parent_message_uuid": "q", "created_at": "2024-05-17T09:00:00Z"}),
        ),
        message(
            "lost",
            "human",
            "lost",
            &json!({"parent_message_uuid": "gone", "created_at": "2024-01-01T00:00:00Z"}),
        ),
    ];
    let order = |source: &Value| {
        let outcome = read_file("x.json", source.to_string());
        let told = outcome.only().messages.iter();
        told.map(|m| format!("{}{}", m.content(), if m.off_branch { "'" } else { "" }))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut source = chat("c", &messages);
    assert_eq!(order(&source), "Q new old' lost'");
    source["current_leaf_message_uuid"] = json!("old");
    assert_eq!(order(&source), "Q old new' lost'");
}

#[test]
fn kinds_of_blocks() {
    let cases = [
        (
            json!([{"type": "thinking", "thinking": "T", "summaries": [{"summary": "S"}]}]),
            vec!["thinking[S] T"],
        ),
        (json!([{"type": "thinking", "thinking": "", "summaries": [{"summary": "S"}]}]), vec!["thinking S"]),
        (
            json!([{"type": "tool_use", "name": "web_search", "input": {"q": 1}}]),
            vec![r#"tool_use[web_search] {"q":1}"#],
        ),
        (
            json!([{"type": "tool_use", "name": "artifacts", "input": {"title": "Plan", "command": "create", "content": "# Plan"}}]),
            vec!["canvas[Plan] # Plan"],
        ),
        (
            json!([{"type": "tool_result", "name": "web_search", "content": [
                {"type": "text", "text": "A"}, {"type": "knowledge", "title": "W", "url": "u", "text": "B"}]}]),
            vec!["tool_result[web_search] A", "quote[W] B"],
        ),
        (
            json!([{"type": "tool_result", "name": "repl", "content": "plain"}]),
            vec!["tool_result[repl] plain"],
        ),
        (json!([{"type": "voice_note", "title": "V", "text": "spoken"}]), vec!["transcript[V] spoken"]),
        (json!("a string"), vec!["text a string"]),
        (json!([{"type": "text", "text": 12345}]), vec!["text 12345"]),
        (json!(null), vec![]),
    ];
    for (content, expected) in cases {
        let (_, blocks, notices) = shown(&json!({"content": content}));
        assert_eq!(
            (blocks, notices),
            (expected.iter().map(ToString::to_string).collect(), vec![]),
            "{content}"
        );
    }
}

#[test]
fn unknown_blocks_are_kept_and_said() {
    let block = json!({"type": "token_budget", "left": 7});
    let (_, blocks, notices) = shown(&json!({"content": [{"type": "text", "text": "a"}, block]}));
    assert_eq!(blocks, ["text a".to_owned(), format!("unknown[token_budget] {block}")]);
    assert_eq!(notices, ["a block of the unknown type 'token_budget' was kept as it is"]);
}

#[test]
fn flattened_text_counts_only_where_it_says_more() {
    let placeholder = "```\nThis block is not supported on your current device yet.\n```";
    let tool = json!({"type": "tool_use", "name": "t", "input": {}});
    let text = |text: &str| json!({"type": "text", "text": text});
    let cases = [
        (json!([text("A"), tool, text("B")]), format!("A\n{placeholder}\n\nB"), 3),
        (json!([text("A"), text("B")]), "AB".to_owned(), 2),
        (json!([text("A")]), "Not the same".to_owned(), 2),
        (json!([]), "only here".to_owned(), 1),
        (json!([{"type": "text", "text": null}]), "only here".to_owned(), 1),
    ];
    for (content, text, expected) in cases {
        let (_, blocks, _) = shown(&json!({"content": content, "text": text}));
        assert_eq!(blocks.len(), expected, "{content} {text:?}: {blocks:?}");
    }
}

#[test]
fn attached_text_is_searchable_and_files_come_once() {
    let extra = json!({
        "text": "see",
        "content": [{"type": "text", "text": "see"}],
        "attachments": [{"file_name": "a.txt", "file_size": 5, "file_type": "txt", "extracted_content": "inside"}],
        "files": [{"file_uuid": "f1", "file_name": "b.png"}],
        "files_v2": [{"file_uuid": "f1", "file_name": "b.png"}, {"file_uuid": "f2", "file_name": "c.png"}],
    });
    let (conversation, blocks, _) = shown(&extra);
    assert_eq!(blocks, ["text see", "attachment[a.txt] inside"]);
    let names: Vec<_> =
        conversation.messages[0].attachments.iter().map(|a| a.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["a.txt", "b.png", "c.png"]);
}

#[test]
fn an_export_with_all_that_belongs_to_it() {
    let chats = json!([chat("1", &[message("a", "human", "hi", &json!({}))]), chat("2", &[]), {"uuid": "3", "name": "x"}]);
    let projects = json!([{"uuid": "p", "name": "P", "description": "", "prompt_template": "", "docs": [{"uuid": "d", "filename": "a.md", "content": "text"}]}]);
    let outcome = read_folder(&[
        ("conversations.json", chats.to_string().as_bytes()),
        ("projects.json", projects.to_string().as_bytes()),
        ("users.json", br#"[{"uuid": "acc-1", "full_name": "X", "email_address": "x@example.com"}]"#),
    ]);
    let summary = &outcome.summary;
    assert_eq!(
        (summary.conversations, summary.empty, summary.problems, summary.notices),
        (1, 1, 1, 1),
        "{outcome:?}"
    );
    assert_eq!(summary.companions, 1);
}

#[test]
fn a_member_that_stands_twice_is_no_loss() {
    let text = chat("c", &[message("a", "human", "hi", &json!({}))]).to_string();
    let twice = text.replacen("\"uuid\":\"c\"", "\"uuid\":\"b\",\"uuid\":\"c\"", 1);
    assert_ne!(text, twice);
    let outcome = read_file("x.json", &twice);
    assert_eq!((outcome.only().external_id.as_str(), &outcome.only().raw_json), ("c", &twice));
    assert_eq!(outcome.notices().len(), 1);
}

#[test]
fn a_session_of_claude_design() {
    let session = json!({
        "uuid": "s1", "project": {"uuid": "p", "name": "P"},
        "messages": [{"uuid": "m", "role": "user", "content": {"role": "user", "content": "Draw.", "authorAccountUuid": "x",
            "authorName": "Ada", "timestamp": "2026-08-01T10:00:01.000Z"}}],
    });
    let outcome = read_file("s.json", session.to_string());
    let message = &outcome.only().messages[0];
    assert_eq!((message.content().as_str(), message.author.as_deref()), ("Draw.", Some("Ada")));
    assert!(message.created_at.is_some());
}
