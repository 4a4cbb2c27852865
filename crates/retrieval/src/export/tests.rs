use athenaeum_archive::{Conversation, ConversationSummary, StoredMessage};
use athenaeum_core::{
    Attachment, Block, BlockKind, ConversationId, Message, MessageId, Provider, Role, Timestamp, ToolCall,
};

use super::{Format, file_name, to_markdown, to_text};

fn sample() -> Conversation {
    let time = |second: i64| Some(Timestamp::from_micros(1_715_934_600_000_000 + second * 1_000_000));
    let mut question = Message::new(Role::User, vec![Block::text("How warm is it?\n```py\nprint(1)")]);
    question.created_at = time(0);
    question.attachments.push(Attachment {
        name: Some("sky.png".into()),
        media_type: Some("image/png".into()),
        size: Some(2_048),
        ..Attachment::default()
    });
    let mut answer = Message::new(
        Role::Assistant,
        vec![
            Block::new(BlockKind::Thinking, "They ask </details> about ``` weather."),
            Block::text("Let me look."),
            Block::new(BlockKind::Code, "fn main() {}").labelled("rust"),
        ],
    );
    answer.parent = Some(0);
    answer.model = Some("gpt-4o".into());
    answer.created_at = time(5);
    answer.tool_calls.push(ToolCall {
        id: None,
        name: "weather".into(),
        arguments: r#"{"at":"Graz"}"#.into(),
    });
    let mut result =
        Message::new(Role::Tool, vec![Block::new(BlockKind::ToolResult, "21 °C").labelled("weather")]);
    result.parent = Some(1);
    result.author = Some("weather".into());
    let mut other = Message::new(
        Role::Assistant,
        vec![
            Block::text("I cannot know."),
            Block::new(BlockKind::Quote, "It was warm.\nVery.").labelled("Almanac"),
        ],
    );
    other.parent = Some(0);
    other.off_branch = true;
    let messages = [question, answer, result, other];
    Conversation {
        summary: ConversationSummary {
            id: ConversationId::from_bytes([0x11; 16]),
            provider: Provider::CHATGPT,
            external_id: "c-1".into(),
            title: Some("Weather  in\nGraz/Österreich".into()),
            model: Some("gpt-4o".into()),
            created_at: time(0),
            updated_at: time(60),
            user_id: None,
            message_count: 4,
        },
        system_prompt: Some("Be brief.".into()),
        temperature: Some(0.5),
        max_tokens: None,
        messages: (1..)
            .zip(messages)
            .map(|(id, message)| StoredMessage { id: MessageId(id), message })
            .collect(),
    }
}

#[test]
fn markdown_reads_well() {
    insta::assert_snapshot!(to_markdown(&sample()));
}

#[test]
fn text_reads_well() {
    insta::assert_snapshot!(to_text(&sample()));
}

#[test]
fn file_names_are_safe_anywhere() {
    let mut conversation = sample();
    let mut check = |title: Option<&str>, expected: &str| {
        conversation.summary.title = title.map(str::to_owned);
        assert_eq!(file_name(&conversation, Format::Markdown), expected);
    };
    check(Some("Weather in Graz/Österreich"), "weather-in-graz-sterreich-111111111111.md");
    check(Some("../../etc/passwd\r\nX: y"), "etc-passwd-x-y-111111111111.md");
    check(Some("天気"), "conversation-111111111111.md");
    check(None, "conversation-111111111111.md");
}
