//! ChatGPT's `conversations.json`: a mapping of nodes, with the metadata that real exports carry.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::talk::{Speaker, Talk, Turn};

const ROOT: &str = "client-created-root";

pub(super) fn write(out: &mut impl Write, talk: &Talk) -> io::Result<()> {
    let mut mapping = serde_json::Map::new();
    let first: Vec<&str> = children(talk, None);
    mapping.insert(ROOT.into(), json!({"id": ROOT, "message": null, "parent": null, "children": first}));
    for (index, turn) in talk.turns.iter().enumerate() {
        let parent = turn.parent.map_or(ROOT, |parent| talk.turns[parent].id.as_str());
        let node = json!({"id": turn.id, "message": message(talk, turn), "parent": parent, "children": children(talk, Some(index))});
        mapping.insert(turn.id.clone(), node);
    }
    let last = talk.turns.iter().rfind(|turn| !turn.off_branch);
    let conversation = json!({
        "title": talk.title,
        "create_time": talk.began,
        "update_time": talk.turns.last().map_or(talk.began, |turn| turn.time),
        "mapping": mapping,
        "moderation_results": [],
        "current_node": last.map(|turn| &turn.id),
        "plugin_ids": null,
        "conversation_id": talk.id,
        "conversation_template_id": null,
        "gizmo_id": null,
        "gizmo_type": null,
        "is_archived": false,
        "is_starred": null,
        "safe_urls": [],
        "blocked_urls": [],
        "default_model_slug": talk.model,
        "conversation_origin": null,
        "voice": null,
        "async_status": null,
        "disabled_tool_ids": [],
        "is_do_not_remember": null,
        "memory_scope": "global_enabled",
        "id": talk.id,
    });
    serde_json::to_writer(out, &conversation).map_err(io::Error::from)
}

fn children(talk: &Talk, parent: Option<usize>) -> Vec<&str> {
    talk.turns.iter().filter(|turn| turn.parent == parent).map(|turn| turn.id.as_str()).collect()
}

fn message(talk: &Talk, turn: &Turn) -> Value {
    let (role, name, recipient, content) = match turn.speaker {
        Speaker::User => ("user", None, "all", json!({"content_type": "text", "parts": [turn.text]})),
        Speaker::Assistant => {
            ("assistant", None, "all", json!({"content_type": "text", "parts": [turn.text]}))
        }
        Speaker::Call => (
            "assistant",
            None,
            "web",
            json!({"content_type": "code", "language": "unknown", "response_format_name": null, "text": turn.text}),
        ),
        Speaker::Tool => {
            ("tool", Some("web"), "all", json!({"content_type": "execution_output", "text": turn.text}))
        }
    };
    json!({
        "id": turn.id,
        "author": {"role": role, "name": name, "metadata": {}},
        "create_time": turn.time,
        "update_time": null,
        "content": content,
        "status": "finished_successfully",
        "end_turn": (turn.speaker == Speaker::Assistant).then_some(true),
        "weight": 1.0,
        "metadata": metadata(talk, turn),
        "recipient": recipient,
        "channel": (turn.speaker == Speaker::Assistant).then_some("final"),
    })
}

fn metadata(talk: &Talk, turn: &Turn) -> Value {
    if turn.speaker == Speaker::User {
        let attachments = turn.attachment.as_ref().map(|name| {
            json!([{"id": format!("file-{}", &turn.id[..8]), "name": name, "mime_type": "application/pdf", "size": 48_213}])
        });
        return json!({
            "attachments": attachments.unwrap_or_else(|| json!([])),
            "selected_sources": [],
            "selected_github_repos": [],
            "serialization_metadata": {"custom_symbol_offsets": []},
            "request_id": turn.id,
            "message_source": null,
            "timestamp_": "absolute",
            "can_save": true,
        });
    }
    json!({
        "finish_details": {"type": "stop", "stop_tokens": [200_002]},
        "is_complete": true,
        "citations": [],
        "content_references": [],
        "gizmo_id": null,
        "message_type": "next",
        "model_slug": talk.model,
        "default_model_slug": talk.model,
        "parent_id": turn.parent.map(|parent| &talk.turns[parent].id),
        "request_id": turn.id,
        "timestamp_": "absolute",
        "can_save": true,
    })
}
