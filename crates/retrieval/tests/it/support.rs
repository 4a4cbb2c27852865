use std::path::{Path, PathBuf};

use athenaeum_archive::{Archive, ImportEvent, SearchRequest, Settings};
use athenaeum_core::{Block, Conversation, Message, Provider, Role, Timestamp};
use athenaeum_retrieval::{CancellationToken, Error, ImportOptions, Report, import};
use athenaeum_tenancy::Scope;
use tempfile::TempDir;

/// An archive in a folder of its own, and room for exports beside it.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) archive: Archive,
    pub(crate) scope: Scope,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("data"), &settings).await.unwrap();
        Self { folder, archive, scope: athenaeum_tenancy::local() }
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) async fn import(&self, path: &Path) -> Result<Report, Error> {
        let cancel = CancellationToken::new();
        import(&self.archive, &self.scope, path, ImportOptions::default(), |_| {}, cancel).await
    }

    pub(crate) async fn hits(&self, query: &str) -> usize {
        let request = SearchRequest { query: query.into(), limit: 200, ..SearchRequest::default() };
        self.archive.search(&self.scope, &request).await.unwrap().hits.len()
    }

    pub(crate) async fn events(&self) -> Vec<ImportEvent> {
        self.archive.imports(&self.scope, None, 50).await.unwrap().items
    }
}

/// An export: for each `(id, texts)` a conversation of so many turns, a line each.
pub(crate) fn export(conversations: &[(&str, &[&str])]) -> String {
    conversations.iter().map(|(id, texts)| line(id, texts)).collect()
}

/// `count` conversations of two turns each, every one with its own words.
pub(crate) fn many(count: usize) -> String {
    (0..count)
        .map(|n| line(&format!("c{n}"), &[&format!("question{n} about tides"), "an answer about the moon"]))
        .collect()
}

fn line(id: &str, texts: &[&str]) -> String {
    let mut conversation = Conversation::new(Provider::CHATGPT, id);
    conversation.title = Some(format!("Title of {id}"));
    conversation.created_at = Some(Timestamp::from_micros(1_700_000_000_500_000));
    for (n, text) in texts.iter().enumerate() {
        let role = if n % 2 == 0 { Role::User } else { Role::Assistant };
        let mut message = Message::new(role, vec![Block::text(*text)]);
        message.external_id = Some(format!("{id}-{n}"));
        message.parent = u32::try_from(n).unwrap().checked_sub(1);
        conversation.messages.push(message);
    }
    athenaeum_ingest::to_json_line(&conversation).trim_end().to_owned() + "\n"
}
