//! Google Takeout's `MyActivity.json`: one activity for each question and its answer.

use std::io::{self, Write};

use serde_json::json;

use super::{
    claude::rfc3339,
    talk::{Speaker, Talk},
};

pub(super) fn write(out: &mut impl Write, talk: &Talk) -> io::Result<()> {
    let mut first = true;
    for (index, turn) in talk.turns.iter().enumerate().filter(|(_, turn)| turn.speaker == Speaker::User) {
        let answer =
            talk.turns[index..].iter().find(|turn| turn.speaker == Speaker::Assistant && !turn.off_branch);
        let html = answer.map(|turn| format!("<p>{}</p>", escape(&turn.text).replace("\n\n", "</p><p>")));
        let activity = json!({
            "header": "Gemini Apps",
            "title": format!("Prompted {}", turn.text),
            "time": rfc3339(turn.time),
            "products": ["Gemini Apps"],
            "activityControls": ["Gemini Apps Activity"],
            "safeHtmlItem": html.map(|html| vec![json!({"html": html})]).unwrap_or_default(),
        });
        if !first {
            out.write_all(b",\n")?;
        }
        first = false;
        serde_json::to_writer(&mut *out, &activity).map_err(io::Error::from)?;
    }
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
