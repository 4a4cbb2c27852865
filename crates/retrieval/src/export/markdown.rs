use athenaeum_archive::{Conversation, StoredMessage};
use athenaeum_core::{Block, BlockKind};

use super::{
    facts,
    fence::{fenced, left_open},
    one_line, speaker, threads, title,
};

pub(super) fn write(conversation: &Conversation) -> String {
    let mut out = head(conversation);
    let (thread, branches) = threads(conversation);
    for at in thread {
        write_message(at, &conversation.messages[at], "", &mut out);
    }
    if !branches.is_empty() {
        out.push_str("\n# Other branches\n");
    }
    for at in branches {
        let stored = &conversation.messages[at];
        write_message(at, stored, &place(stored), &mut out);
    }
    out
}

pub(super) fn head(conversation: &Conversation) -> String {
    let mut out = format!("# {}\n\n", title(conversation));
    for (label, value) in facts(conversation) {
        out.push_str(&format!("- {label}: {}\n", one_line(&value)));
    }
    if let Some(prompt) = &conversation.system_prompt {
        out.push('\n');
        folded("System prompt", prompt, "", &mut out);
    }
    out
}

pub(super) fn message(at: usize, stored: &StoredMessage) -> String {
    let mut out = String::new();
    let place =
        if stored.message.off_branch { format!(" · other branch{}", place(stored)) } else { String::new() };
    write_message(at, stored, &place, &mut out);
    out
}

/// Tells where a message of another branch belongs.
fn place(stored: &StoredMessage) -> String {
    match stored.message.parent {
        Some(parent) => format!(" (follows {})", u64::from(parent) + 1),
        None => " (another beginning)".to_owned(),
    }
}

fn write_message(at: usize, stored: &StoredMessage, place: &str, out: &mut String) {
    out.push_str(&format!("\n## {} · {}{place}\n", at + 1, speaker(stored)));
    let message = &stored.message;
    for block in &message.blocks {
        out.push('\n');
        write_block(block, out);
    }
    for call in &message.tool_calls {
        // Sources that keep a call as a block too would show it twice.
        let shown = |block: &Block| {
            block.kind == BlockKind::ToolUse
                && block.label.as_ref() == Some(&call.name)
                && block.text == call.arguments
        };
        if !message.blocks.iter().any(shown) {
            out.push('\n');
            folded(&format!("Tool call: {}", call.name), &call.arguments, "json", out);
        }
    }
    if !message.attachments.is_empty() {
        out.push('\n');
    }
    for file in &message.attachments {
        let name = file.name.as_deref().or(file.id.as_deref()).unwrap_or("file");
        out.push_str(&format!("- Attachment: {}", one_line(name)));
        let size = file.size.map(|size| format!("{size} bytes"));
        let about: Vec<String> = file.media_type.iter().cloned().chain(size).collect();
        if !about.is_empty() {
            out.push_str(&format!(" ({})", about.join(", ")));
        }
        out.push('\n');
    }
}

fn write_block(block: &Block, out: &mut String) {
    let label = block.label.as_deref().unwrap_or_default();
    let about = |what: &str| if label.is_empty() { what.to_owned() } else { format!("{what}: {label}") };
    match block.kind {
        BlockKind::Text => write_text(&block.text, out),
        BlockKind::Transcript => {
            out.push_str("*Spoken:*\n\n");
            write_text(&block.text, out);
        }
        BlockKind::Code => fenced(&block.text, label, out),
        BlockKind::Canvas => {
            out.push_str(&format!("**{}**\n\n", one_line(&about("Canvas"))));
            fenced(&block.text, "", out);
        }
        BlockKind::Quote => {
            for line in block.text.lines() {
                out.push_str(&format!("> {line}\n"));
            }
            if !label.is_empty() {
                out.push_str(&format!(">\n> — {}\n", one_line(label)));
            }
        }
        BlockKind::Thinking => folded("Thinking", &block.text, "", out),
        BlockKind::ToolUse => folded(&about("Tool call"), &block.text, "json", out),
        BlockKind::ToolResult => folded(&about("Tool result"), &block.text, "", out),
        BlockKind::Attachment => folded(&about("Attached"), &block.text, "", out),
        _ => folded(&about("Unknown block"), &block.text, "", out),
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(text);
    if !text.ends_with('\n') {
        out.push('\n');
    }
    if let Some(fence) = left_open(text) {
        out.push_str(&fence);
        out.push('\n');
    }
}

/// Hides `text` behind one line that opens it. It is fenced, so that nothing in it can end the fold.
fn folded(summary: &str, text: &str, language: &str, out: &mut String) {
    let summary = one_line(summary).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    out.push_str(&format!("<details><summary>{summary}</summary>\n\n"));
    fenced(text, language, out);
    out.push_str("\n</details>\n");
}
