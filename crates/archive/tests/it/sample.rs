//! Archives and conversations to test with.

use athenaeum_archive::{Archive, Outcome, Settings};
use athenaeum_core::{
    Attachment, Block, BlockKind, Conversation, Message, Provider, Role, Timestamp, ToolCall,
};
use athenaeum_tenancy::Scope;
use tempfile::TempDir;

/// An empty archive and the directory that it goes with.
pub(crate) async fn archive() -> (TempDir, Archive) {
    let dir = TempDir::new().unwrap();
    let archive = Archive::open(dir.path(), &Settings::default()).await.unwrap();
    (dir, archive)
}

/// Imports `conversations` in one run and returns what became of each.
pub(crate) async fn import(archive: &Archive, scope: &Scope, conversations: &[Conversation]) -> Vec<Outcome> {
    let mut import = archive.begin_import(scope, "export.json", None).await.unwrap();
    let mut outcomes = Vec::new();
    for conversation in conversations {
        outcomes.push(import.add(conversation.clone()).await.unwrap());
    }
    import.finish("{}").await.unwrap();
    outcomes
}

/// A conversation of the given messages, alternating between user and assistant, a minute apart.
pub(crate) fn conversation(external_id: &str, title: &str, messages: &[&str]) -> Conversation {
    let mut conversation = Conversation::new(Provider::CHATGPT, external_id);
    conversation.title = Some(title.into());
    conversation.model = Some("gpt-4o".into());
    conversation.created_at = Some(time(0));
    conversation.updated_at = Some(time(messages.len() as i64));
    for (i, text) in (0_u32..).zip(messages) {
        let role = if i % 2 == 0 { Role::User } else { Role::Assistant };
        let mut message = Message::new(role, vec![Block::text(*text)]);
        message.external_id = Some(format!("{external_id}-{i}"));
        message.parent = i.checked_sub(1);
        message.created_at = Some(time(i64::from(i)));
        conversation.messages.push(message);
    }
    conversation.raw_json =
        format!("{{\"id\":{external_id:?},\"title\":{title:?},\"messages\":{messages:?}}}");
    conversation
}

/// A conversation with a value in every field.
pub(crate) fn everything() -> Conversation {
    let mut conversation =
        conversation("full", "Ünïcode \"title\"", &["How do I bake?", "Slowly.", "And fast?"]);
    conversation.system_prompt = Some("Be brief.".into());
    conversation.temperature = Some(0.7);
    conversation.max_tokens = Some(4096);
    conversation.user_id = Some("user-1".into());
    let reply = &mut conversation.messages[1];
    reply.external_id = Some("6f9619ff-8b86-d011-b42d-00cf4fc964ff".into());
    reply.author = Some("baker".into());
    reply.model = Some("o3".into());
    reply.tokens = Some(17);
    reply.finish_reason = Some("stop".into());
    reply.blocks = vec![
        Block::new(BlockKind::Thinking, "hmm\n\n"),
        Block::text("Slowly."),
        Block::new(BlockKind::Code, "fn bake() {}").labelled("rust"),
    ];
    reply.tool_calls =
        vec![ToolCall { id: Some("t1".into()), name: "oven".into(), arguments: "{\"c\":220}".into() }];
    reply.attachments = vec![Attachment {
        name: Some("bread.png".into()),
        id: Some("file-service://x".into()),
        media_type: Some("image/png".into()),
        size: Some(u64::MAX),
        path: Some("a/bread.png".into()),
    }];
    let regenerated = &mut conversation.messages[2];
    regenerated.off_branch = true;
    regenerated.hidden = true;
    regenerated.external_id = Some("6F9619FF-8B86-D011-B42D-00CF4FC964FF".into());
    regenerated.created_at = Some(Timestamp::from_micros(-1));
    conversation.messages.push(Message::new(Role::Tool, vec![]));
    conversation.messages.push(Message::new(Role::System, vec![Block::text("")]));
    conversation
}

/// A moment: minutes after 2024-05-17T08:30:00Z.
pub(crate) fn time(minutes: i64) -> Timestamp {
    Timestamp::from_micros(1_715_934_600_123_456 + minutes * 60_000_000)
}
