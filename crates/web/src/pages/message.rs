//! One message as HTML.

use askama::Template;
use athenaeum_archive::StoredMessage;
use athenaeum_core::{Attachment, Block, BlockKind, Message, MessageId, Role};

use super::marks_of;
use crate::{
    Desk,
    branches::Fork,
    error::Error,
    html::{bytes, counted, escape, shortened},
    markdown::{self, Style},
    marks::Marks,
    when::Clock,
};

/// What a message is shown with.
pub(crate) struct Setting<'s> {
    /// Address of the conversation in the branch that is shown.
    pub(crate) here: &'s str,
    pub(crate) provider: &'s str,
    /// The conversation's model: not repeated at each message.
    pub(crate) model: Option<&'s str>,
    pub(crate) marks: &'s Marks,
    pub(crate) clock: &'s Clock,
}

#[derive(Template)]
#[template(path = "parts/message.html")]
struct View<'s> {
    position: u32,
    /// From 1, for people.
    number: u32,
    class: &'static str,
    speaker: String,
    model: String,
    /// `14:05`; the day stands above the first message of each day.
    when: String,
    moment: String,
    datetime: String,
    permalink: String,
    hidden: bool,
    provider: &'s str,
    fork: Option<ForkView>,
    /// HTML.
    body: String,
}

struct ForkView {
    number: usize,
    count: usize,
    previous: Option<String>,
    next: Option<String>,
}

/// Appends the message that stands at `position`.
pub(crate) fn render_into(
    out: &mut String,
    stored: &StoredMessage,
    position: u32,
    fork: Option<Fork>,
    setting: &Setting<'_>,
) -> Result<(), Error> {
    let message = &stored.message;
    let link = |position: u32| format!("{}?branch={position}#m{position}", setting.here);
    let view = View {
        position,
        number: position.saturating_add(1),
        class: match message.role {
            _ if message.hidden => "hidden-one aside",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System => "system aside",
            Role::Tool => "tool aside",
        },
        speaker: speaker(message),
        model: message
            .model
            .as_deref()
            .filter(|model| message.role == Role::Assistant && Some(*model) != setting.model)
            .map(|model| shortened(model, 40))
            .unwrap_or_default(),
        when: message.created_at.map(|time| setting.clock.time_of_day(time)).unwrap_or_default(),
        moment: message.created_at.map(|time| setting.clock.minute(time)).unwrap_or_default(),
        datetime: message.created_at.map(|time| time.to_string()).unwrap_or_default(),
        permalink: format!("/messages/{}", stored.id),
        hidden: message.hidden,
        provider: setting.provider,
        fork: fork.map(|fork| ForkView {
            number: fork.number,
            count: fork.count,
            previous: fork.previous.map(link),
            next: fork.next.map(link),
        }),
        body: body(message, setting.marks),
    };
    view.render_into(out)?;
    out.push('\n');
    Ok(())
}

/// Reads one message and returns its body as HTML.
/// The words of `query` are marked in it.
pub(crate) async fn standalone(desk: &Desk, id: MessageId, query: &str) -> Result<String, Error> {
    let scope = athenaeum_tenancy::local();
    let (conversation, position) = desk.archive.locate(&scope, id).await?;
    let only = position..position.saturating_add(1);
    let messages = desk.archive.messages(&scope, conversation, only).await?;
    let stored = messages.first().ok_or(Error::NotFound)?;
    // Made after the last wait: marks keep a cell, which may not be shared between threads.
    Ok(body(&stored.message, &marks_of(query)))
}

/// Returns the body of a message that is not in the archive.
pub(crate) fn body_of(message: &Message) -> String {
    body(message, &Marks::default())
}

fn speaker(message: &Message) -> String {
    match (&message.author, message.role) {
        (Some(author), Role::Tool) if !author.is_empty() => format!("Tool {}", shortened(author, 40)),
        (Some(author), Role::Assistant) if !author.is_empty() => shortened(author, 40),
        (_, Role::User) => "You".into(),
        (_, Role::Assistant) => "Model".into(),
        (_, Role::System) => "System".into(),
        (_, Role::Tool) => "Tool".into(),
    }
}

/// Returns everything that was said in a message, as HTML.
fn body(message: &Message, marks: &Marks) -> String {
    let mut out = String::new();
    let fold_text = matches!(message.role, Role::Tool | Role::System) || message.hidden;
    for block in &message.blocks {
        block_into(&mut out, block, message, fold_text, marks);
    }
    for call in &message.tool_calls {
        // Most sources tell a call as a block as well; it is shown once.
        let told = message.blocks.iter().any(|block| {
            block.kind == BlockKind::ToolUse && block.label.as_deref() == Some(call.name.as_str())
        });
        if !told {
            let block = Block::new(BlockKind::ToolUse, call.arguments.clone()).labelled(call.name.clone());
            block_into(&mut out, &block, message, false, marks);
        }
    }
    attachments_into(&mut out, &message.attachments, marks);
    if out.is_empty() {
        out.push_str("<p class=\"quiet\">(empty)</p>\n");
    }
    out
}

fn block_into(out: &mut String, block: &Block, message: &Message, fold_text: bool, marks: &Marks) {
    let label = block.label.as_deref().unwrap_or_default();
    let style = Style { marks, hard_breaks: message.role == Role::User };
    let named = |what: &str| {
        if label.is_empty() { what.to_owned() } else { format!("{what} {}", shortened(label, 60)) }
    };
    let code =
        |out: &mut String, language: Option<&str>| markdown::code_block(out, &block.text, language, marks);
    let text = |out: &mut String| markdown::render_into(out, &block.text, style);
    match block.kind {
        BlockKind::Text | BlockKind::Transcript if fold_text && block.text.len() > 400 => {
            fold_into(out, "Text", &block.text, false, text);
        }
        BlockKind::Text => text(out),
        BlockKind::Transcript => {
            out.push_str("<p class=\"alert\">Spoken</p>");
            text(out);
        }
        BlockKind::Code => code(out, block.label.as_deref()),
        BlockKind::Thinking => fold_into(out, &named("Thought"), &block.text, false, text),
        BlockKind::ToolUse => {
            fold_into(out, &named("Called"), &block.text, false, |out| code(out, json_or(&block.text)));
        }
        BlockKind::ToolResult => {
            fold_into(out, &named("Result of"), &block.text, false, |out| code(out, json_or(&block.text)));
        }
        BlockKind::Attachment => fold_into(out, &named("File"), &block.text, false, |out| {
            let extension = label.rsplit_once('.').map(|(_, extension)| extension);
            code(out, extension.filter(|extension| crate::highlight::find(extension).is_some()));
        }),
        BlockKind::Canvas => fold_into(out, &named("Document"), &block.text, true, text),
        BlockKind::Quote => {
            out.push_str("<blockquote>");
            text(out);
            if !label.is_empty() {
                out.push_str("<p class=\"quiet\">");
                markdown::linked(out, label, marks);
                out.push_str("</p>");
            }
            out.push_str("</blockquote>\n");
        }
        _ => fold_into(out, &named("Kept as it came:"), &block.text, false, |out| {
            code(out, json_or(&block.text));
        }),
    }
}

/// Appends what is folded away behind its name, its size and its beginning; open where it should be.
fn fold_into(out: &mut String, name: &str, text: &str, open: bool, inside: impl FnOnce(&mut String)) {
    let words = text.split_whitespace().take(100_000).count() as u64;
    let size = if words < 100_000 { counted(words, "word", "words") } else { bytes(text.len() as u64) };
    out.push_str(if open { "<details class=\"fold\" open>" } else { "<details class=\"fold\">" });
    out.push_str(&format!(
        "<summary><strong>{}</strong><span>{size}</span><span class=\"peek\">{}</span></summary><div class=\"inside\">\n",
        escape(name),
        escape(&shortened(text.get(..text.floor_char_boundary(600)).unwrap_or_default(), 110)),
    ));
    inside(out);
    out.push_str("</div></details>\n");
}

fn json_or(text: &str) -> Option<&'static str> {
    text.trim_start().starts_with(['{', '[']).then_some("json")
}

fn attachments_into(out: &mut String, attachments: &[Attachment], marks: &Marks) {
    if attachments.is_empty() {
        return;
    }
    out.push_str("<ul class=\"attachments\" aria-label=\"Attachments\">");
    for attachment in attachments {
        let name = attachment.name.as_deref().or(attachment.path.as_deref()).or(attachment.id.as_deref());
        out.push_str("<li>");
        marks.write(out, &shortened(name.unwrap_or("File without a name"), 120));
        let details: Vec<String> =
            attachment.media_type.clone().into_iter().chain(attachment.size.map(bytes)).collect();
        if !details.is_empty() {
            out.push_str(&format!(" <span class=\"quiet\">{}</span>", escape(&details.join(", "))));
        }
        out.push_str("</li>");
    }
    out.push_str("</ul>\n");
}

#[cfg(test)]
mod tests {
    use athenaeum_core::ToolCall;

    use super::*;

    fn check(message: &Message, expected: &[&str]) {
        let html = body(message, &Marks::default());
        for part in expected {
            assert!(html.contains(part), "{part} in\n{html}");
        }
        assert!(!html.contains("<script"), "{html}");
    }

    #[test]
    fn every_kind_of_block_is_shown() {
        for kind in BlockKind::ALL {
            let block = Block::new(kind, "word<script>").labelled("label<script>");
            check(&Message::new(Role::Assistant, vec![block]), &["word"]);
        }
    }

    #[test]
    fn tools_and_thoughts_are_folded() {
        let thought = Block::new(BlockKind::Thinking, "let me *see*");
        check(
            &Message::new(Role::Assistant, vec![thought]),
            &["<details class=\"fold\">", "<strong>Thought</strong><span>3 words</span>", "<em>see</em>"],
        );
        let mut message = Message::new(Role::Assistant, vec![]);
        message.tool_calls.push(ToolCall { id: None, name: "search".into(), arguments: "{\"q\":1}".into() });
        check(&message, &["Called search", "<span class=\"hs\">&quot;q&quot;</span>"]);
        message.blocks.push(Block::new(BlockKind::ToolUse, "{}").labelled("search"));
        assert_eq!(body(&message, &Marks::default()).matches("Called search").count(), 1);
    }

    #[test]
    fn attachments_are_told() {
        let mut message = Message::new(Role::User, vec![]);
        message.attachments.push(Attachment {
            name: Some("<b>.png".into()),
            size: Some(2_000),
            ..Attachment::default()
        });
        message.attachments.push(Attachment::default());
        check(
            &message,
            &["<li>&lt;b&gt;.png <span class=\"quiet\">2.0 kB</span></li>", "File without a name"],
        );
        check(&Message::new(Role::User, vec![]), &["(empty)"]);
    }
}
