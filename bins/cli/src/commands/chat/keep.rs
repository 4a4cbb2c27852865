use anyhow::Context as _;
use athenaeum::{
    archive::Import,
    core::{self, Block, BlockKind, Provider, Role, Timestamp},
    inference::{engine::Reason, local::LocalModel},
};

use super::Said;
use crate::commands::{Context, local::reason_name};

/// Conversations of this run in the archive: committed after every answer, so that nothing is lost whatever happens.
pub(super) struct Kept {
    import: Import,
    provider: Provider,
    model: String,
    external_id: String,
    began: Timestamp,
    /// When each message was written.
    times: Vec<Timestamp>,
}

impl Kept {
    pub(super) async fn begin(context: &Context, model: &LocalModel) -> anyhow::Result<Self> {
        let archive = context.open().await?;
        let provider: Provider = "athenaeum".parse().context("our own name is no provider")?;
        let import = archive.begin_import(&context.scope, "athenaeum chat", Some(provider.clone())).await?;
        let file = model.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = model.summary().name.clone().or(file).unwrap_or_default();
        Ok(Self {
            import,
            provider,
            model: name,
            external_id: new_id(),
            began: Timestamp::now(),
            times: Vec::new(),
        })
    }

    /// What is said next belongs to another conversation.
    pub(super) fn begin_another(&mut self) {
        self.external_id = new_id();
        self.began = Timestamp::now();
        self.times.clear();
    }

    /// Writes the conversation as it stands.
    pub(super) async fn keep(&mut self, said: &[Said], reason: &Reason) -> anyhow::Result<()> {
        let now = Timestamp::now();
        self.times.truncate(said.len());
        self.times.resize(said.len(), now);
        let mut conversation = core::Conversation::new(self.provider.clone(), self.external_id.clone());
        conversation.title = said.iter().find(|said| said.role == "user").map(|said| title(&said.text));
        conversation.model = Some(self.model.clone());
        (conversation.created_at, conversation.updated_at) = (Some(self.began), Some(now));
        conversation.raw_json = serde_json::to_string(&serde_json::json!({
            "model": self.model,
            "messages": said.iter().map(|said| serde_json::json!({"role": said.role, "content": said.text})).collect::<Vec<_>>(),
        }))?;
        for (index, (said, &time)) in said.iter().zip(&self.times).enumerate() {
            let role = Role::from_name(said.role).unwrap_or(Role::User);
            let mut message = core::Message::new(role, vec![Block::new(BlockKind::Text, said.text.clone())]);
            message.parent = u32::try_from(index).ok().and_then(|index| index.checked_sub(1));
            message.created_at = Some(time);
            // That there was a picture, not what it showed.
            message.attachments.extend(said.pictures.iter().map(|_| core::Attachment {
                name: None,
                id: None,
                media_type: Some("image/*".to_owned()),
                size: None,
                path: None,
            }));
            message.hidden = role == Role::System;
            if role == Role::Assistant {
                message.model = Some(self.model.clone());
            }
            conversation.messages.push(message);
        }
        if let Some(last) = conversation.messages.last_mut() {
            last.finish_reason = Some(reason_name(reason).to_owned());
        }
        self.import.add(conversation).await?;
        self.import.commit_now().await?;
        Ok(())
    }

    pub(super) async fn end(self, _: &Context) -> anyhow::Result<()> {
        self.import.finish("{}").await?;
        Ok(())
    }
}

/// The first line of what was asked, cut to what fits a list.
fn title(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(80).collect()
}

fn new_id() -> String {
    // An id of our own kind: sortable by time, unique.
    core::ConversationId::mint(Timestamp::now()).to_string()
}
