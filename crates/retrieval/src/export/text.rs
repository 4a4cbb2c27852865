use athenaeum_archive::{Conversation, StoredMessage};
use athenaeum_core::BlockKind;

use super::{facts, one_line, speaker, threads, title};

pub(super) fn write(conversation: &Conversation) -> String {
    let title = title(conversation);
    let mut out = format!("{title}\n{}\n", "=".repeat(title.chars().count().min(72)));
    for (label, value) in facts(conversation) {
        out.push_str(&format!("{label}: {}\n", one_line(&value)));
    }
    if let Some(prompt) = &conversation.system_prompt {
        out.push_str("System prompt:\n");
        push_lines(prompt, &mut out);
    }
    let (thread, branches) = threads(conversation);
    for at in thread {
        write_message(at, &conversation.messages[at], "", &mut out);
    }
    for at in branches {
        let stored = &conversation.messages[at];
        let place = match stored.message.parent {
            Some(parent) => format!(" [other branch, follows {}]", u64::from(parent) + 1),
            None => " [other branch, another beginning]".to_owned(),
        };
        write_message(at, stored, &place, &mut out);
    }
    out
}

fn write_message(at: usize, stored: &StoredMessage, place: &str, out: &mut String) {
    out.push_str(&format!("\n[{}] {}{place}\n", at + 1, speaker(stored)));
    let message = &stored.message;
    for block in &message.blocks {
        let label = block.label.as_deref().map(|label| format!(" {}", one_line(label))).unwrap_or_default();
        if block.kind != BlockKind::Text {
            out.push_str(&format!("[{}{label}]\n", block.kind.as_str().replace('_', " ")));
        }
        push_lines(&block.text, out);
    }
    for call in &message.tool_calls {
        let shown = message.blocks.iter().any(|block| {
            block.kind == BlockKind::ToolUse
                && block.label.as_ref() == Some(&call.name)
                && block.text == call.arguments
        });
        if !shown {
            out.push_str(&format!("[tool use {}]\n", one_line(&call.name)));
            push_lines(&call.arguments, out);
        }
    }
    for file in &message.attachments {
        let name = file.name.as_deref().or(file.id.as_deref()).unwrap_or("file");
        out.push_str(&format!("[attached {}]\n", one_line(name)));
    }
}

fn push_lines(text: &str, out: &mut String) {
    out.push_str(text);
    if !text.ends_with('\n') {
        out.push('\n');
    }
}
