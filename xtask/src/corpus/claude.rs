//! Claude's `conversations.json`: a list of messages with content blocks.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::talk::{Speaker, Talk, Turn};

const ROOT: &str = "00000000-0000-4000-8000-000000000000";

pub(super) fn write(out: &mut impl Write, talk: &Talk) -> io::Result<()> {
    let messages: Vec<Value> = talk.turns.iter().map(|turn| message(talk, turn)).collect();
    let conversation = json!({
        "uuid": talk.id,
        "name": talk.title.as_deref().unwrap_or(""),
        "summary": "",
        "created_at": rfc3339(talk.began),
        "updated_at": rfc3339(talk.turns.last().map_or(talk.began, |turn| turn.time)),
        "account": {"uuid": "7f9c1a52-3b1e-4d0a-9a53-0c8f6f0e2b11"},
        "chat_messages": messages,
    });
    serde_json::to_writer(out, &conversation).map_err(io::Error::from)
}

fn message(talk: &Talk, turn: &Turn) -> Value {
    let time = rfc3339(turn.time);
    let block = match turn.speaker {
        Speaker::User | Speaker::Assistant => json!({"type": "text", "text": turn.text, "citations": []}),
        Speaker::Call => json!({"type": "tool_use", "name": "web_search", "input": {"query": turn.text}}),
        Speaker::Tool => {
            json!({"type": "tool_result", "name": "web_search", "is_error": false, "content": [{"type": "text", "text": turn.text}]})
        }
    };
    let attachments = turn.attachment.as_ref().map(|name| {
        json!([{"file_name": name, "file_size": 5_120, "file_type": "pdf", "extracted_content": turn.text}])
    });
    json!({
        "uuid": turn.id,
        "text": if matches!(turn.speaker, Speaker::User | Speaker::Assistant) { turn.text.as_str() } else { "" },
        "content": [block],
        "sender": if turn.speaker == Speaker::User { "human" } else { "assistant" },
        "created_at": time,
        "updated_at": time,
        "attachments": attachments.unwrap_or_else(|| json!([])),
        "files": [],
        "parent_message_uuid": turn.parent.map_or(ROOT, |parent| talk.turns[parent].id.as_str()),
    })
}

/// Seconds since 1970 as RFC 3339 in UTC, to the microsecond (days to date: Howard Hinnant, "chrono-compatible
/// low-level date algorithms", `civil_from_days`).
pub(super) fn rfc3339(seconds: f64) -> String {
    let micros = (seconds * 1e6) as i64;
    let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (rest / 3_600_000_000, rest / 60_000_000 % 60);
    let (second, fraction) = (rest / 1_000_000 % 60, rest % 1_000_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_out_right() {
        assert_eq!(rfc3339(0.0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(1_709_210_096.5), "2024-02-29T12:34:56.500000Z");
    }
}
