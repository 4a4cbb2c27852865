//! Open WebUI's exported chats: a history of messages by id, and the current branch as a list.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::talk::{Speaker, Talk, Turn};

pub(super) fn write(out: &mut impl Write, talk: &Talk) -> io::Result<()> {
    let messages: serde_json::Map<String, Value> = talk
        .turns
        .iter()
        .enumerate()
        .map(|(index, turn)| (turn.id.clone(), message(talk, index, turn)))
        .collect();
    let branch: Vec<Value> = talk
        .turns
        .iter()
        .enumerate()
        .filter(|(_, turn)| !turn.off_branch)
        .map(|(index, turn)| message(talk, index, turn))
        .collect();
    let last = talk.turns.iter().rfind(|turn| !turn.off_branch);
    let title = talk.title.as_deref().unwrap_or("New Chat");
    let chat = json!({
        "id": talk.id,
        "user_id": "5c0a1f9e-6d0b-4a52-8f44-1b6f0a9d7c33",
        "title": title,
        "chat": {
            "id": "",
            "title": title,
            "models": [talk.model],
            "params": {},
            "history": {"messages": messages, "currentId": last.map(|turn| &turn.id)},
            "messages": branch,
            "tags": [],
            "timestamp": (talk.began * 1e3) as i64,
            "files": [],
        },
        "updated_at": talk.turns.last().map_or(talk.began, |turn| turn.time) as i64,
        "created_at": talk.began as i64,
        "share_id": null,
        "archived": false,
        "pinned": false,
        "meta": {"tags": []},
        "folder_id": null,
    });
    serde_json::to_writer(out, &chat).map_err(io::Error::from)
}

fn message(talk: &Talk, index: usize, turn: &Turn) -> Value {
    let children: Vec<&str> = talk
        .turns
        .iter()
        .filter(|child| child.parent == Some(index))
        .map(|child| child.id.as_str())
        .collect();
    let user = turn.speaker == Speaker::User;
    json!({
        "id": turn.id,
        "parentId": turn.parent.map(|parent| &talk.turns[parent].id),
        "childrenIds": children,
        "role": if user { "user" } else { "assistant" },
        "content": turn.text,
        "model": (!user).then_some(talk.model),
        "modelName": (!user).then_some(talk.model),
        "modelIdx": 0,
        "timestamp": turn.time as i64,
        "done": true,
    })
}
