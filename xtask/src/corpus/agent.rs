//! A Claude Code session log: one JSON object a line.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use serde_json::{Value, json};

use super::{
    claude::rfc3339,
    talk::{Speaker, Talk},
};

pub(super) fn write(path: &Path, talk: &Talk) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for turn in &talk.turns {
        let (kind, message) = match turn.speaker {
            Speaker::User => ("user", json!({"role": "user", "content": turn.text})),
            Speaker::Assistant => {
                ("assistant", reply(talk, &turn.id, &json!({"type": "text", "text": turn.text})))
            }
            Speaker::Call => {
                let call = json!({"type": "tool_use", "id": format!("toolu_{}", &turn.id[..8]), "name": "Bash", "input": {"command": turn.text}});
                ("assistant", reply(talk, &turn.id, &call))
            }
            Speaker::Tool => {
                let call = turn.parent.map_or("", |parent| &talk.turns[parent].id[..8]);
                let result = json!([{"type": "tool_result", "tool_use_id": format!("toolu_{call}"), "content": turn.text}]);
                ("user", json!({"role": "user", "content": result}))
            }
        };
        let line = json!({
            "parentUuid": turn.parent.map(|parent| &talk.turns[parent].id),
            "isSidechain": false,
            "userType": "external",
            "cwd": "/home/reader/project",
            "sessionId": talk.id,
            "version": "2.0.14",
            "gitBranch": "main",
            "type": kind,
            "message": message,
            "uuid": turn.id,
            "timestamp": rfc3339(turn.time),
        });
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

fn reply(talk: &Talk, id: &str, block: &Value) -> Value {
    json!({
        "id": format!("msg_{}", &id[..8]),
        "type": "message",
        "role": "assistant",
        "model": talk.model,
        "content": [block],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 812, "output_tokens": 120},
    })
}
