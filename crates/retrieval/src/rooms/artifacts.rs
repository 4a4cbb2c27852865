//! Artifacts: what a session made or was given, kept in the session's room, so that its text is found there.

use athenaeum_archive::library::DocumentSummary;
use athenaeum_core::Timestamp;
use athenaeum_tenancy::{Room, Scope};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Rooms, RoomsError, cut, metadata};

/// What an artifact is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ArtifactKind {
    /// What an agent said.
    AgentOutput,
    /// What a tool gave.
    ToolResult,
    /// What a person gave.
    UserInput,
    /// What the program made.
    SystemGenerated,
    /// Something else, by a name of the script's own, such as `markdown`; `custom` where it has none.
    Custom(String),
}

impl ArtifactKind {
    /// Returns the name that scripts and files use.
    pub fn as_str(&self) -> &str {
        match self {
            Self::AgentOutput => "agent_output",
            Self::ToolResult => "tool_result",
            Self::UserInput => "user_input",
            Self::SystemGenerated => "system_generated",
            Self::Custom(name) => name,
        }
    }

    /// Returns the kind of this name; `None` where it has not 1 to 64 characters, or one that controls a terminal.
    pub fn named(name: &str) -> Option<Self> {
        let is_name = (1..=KIND_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        is_name.then(|| match name {
            "agent_output" => Self::AgentOutput,
            "tool_result" => Self::ToolResult,
            "user_input" => Self::UserInput,
            "system_generated" => Self::SystemGenerated,
            other => Self::Custom(other.to_owned()),
        })
    }
}

/// An artifact to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct NewArtifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// What people call it: 1 to 255 characters.
    pub name: String,
    /// Its text, up to 100 MiB.
    pub content: String,
    /// By what it is listed: up to 64 characters each.
    pub tags: Vec<String>,
    /// What is to be known of it.
    pub metadata: Map<String, Value>,
}

/// An artifact without its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// Its number in its session, from 1.
    pub sequence: u64,
    /// BLAKE3 of its text, 64 hexadecimal digits.
    pub content_hash: String,
    /// What it is.
    pub kind: ArtifactKind,
    /// What people call it.
    pub name: String,
    /// Bytes of its text.
    pub bytes: u64,
    /// By what it is listed.
    pub tags: Vec<String>,
    /// When it came.
    pub stored_at: Timestamp,
    /// As it was handed in.
    pub metadata: Map<String, Value>,
}

/// Why an artifact cannot be kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidArtifact {
    /// Its kind has a name of its own that is none.
    #[error("an artifact's type has 1 to {KIND_MAX} characters, and none that controls a terminal")]
    Kind,
    /// Its name is none.
    #[error("an artifact's name has 1 to {NAME_MAX} characters")]
    Name,
    /// One of its tags is none.
    #[error("a tag has 1 to {TAG_MAX} characters")]
    Tag,
    /// It is too large.
    #[error("an artifact may have {BYTES_MAX} bytes, and this has {0}")]
    Large(usize),
    /// Its metadata use a name that is taken.
    #[error("'artifact' is a name of the artifact's own; call that metadata otherwise")]
    Metadata,
}

impl Rooms {
    /// Keeps an artifact in the room of a session, which is made where there is none, with a number that none there had before.
    ///
    /// # Errors
    /// [`RoomsError::Artifact`], [`RoomsError::Text`] before anything is kept; what library and model say.
    pub async fn keep_artifact(
        &self,
        scope: &Scope,
        session: &Room,
        new: NewArtifact,
        cancel: &CancellationToken,
    ) -> Result<Artifact, RoomsError> {
        check(&new)?;
        let NewArtifact { kind, name, content, tags, mut metadata } = new;
        let content_hash = blake3::hash(content.as_bytes()).to_hex().to_string();
        let bytes = content.len() as u64;
        let own = self.library.open_room(scope, session, None).await?.0.scope;
        let sequence = self.library.number_in(scope, session).await?;
        let about = json!({ "type": kind.as_str(), "name": name, "sequence": sequence, "content_hash": content_hash,
            "size": bytes, "tags": tags });
        metadata.insert(ABOUT.into(), about);
        let stored = Value::Object(metadata).to_string();
        if stored.len() > cut::METADATA_BYTES_MAX {
            return Err(cut::InvalidText::Metadata(stored.len()).into());
        }
        let path = path(sequence);
        let title = Some(name.clone());
        let cut = tokio::task::spawn_blocking(move || {
            cut::document(path, content, title, Some(stored), cut::Cutting::default())
        });
        let (file, document, _) = cut.await.map_err(|_| RoomsError::Broken)??;
        self.library.keep(&own, vec![(file, document)]).await?;
        if let Some(meaning) = &self.meaning {
            meaning.fill(&own, &self.library, |_| {}, cancel).await?;
        }
        let kept = self.artifact(scope, session, sequence).await?;
        kept.map(|(kept, _)| kept).ok_or(RoomsError::Broken)
    }

    /// Returns an artifact and its text; `None` where the session has none of this number.
    ///
    /// # Errors
    /// [`RoomsError::Library`].
    pub async fn artifact(
        &self,
        scope: &Scope,
        session: &Room,
        sequence: u64,
    ) -> Result<Option<(Artifact, String)>, RoomsError> {
        let Some(room) = self.library.room(scope, session).await? else { return Ok(None) };
        self.expire(&room.scope, Timestamp::now()).await?;
        let file = self.library.file(&room.scope, &path(sequence)).await?;
        let Some(id) = file.and_then(|file| file.document) else { return Ok(None) };
        let document = self.library.document(&room.scope, id).await?;
        Ok(read(&document.summary).map(|artifact| (artifact, document.text)))
    }

    /// Lists the artifacts of a session, in their order.
    ///
    /// # Errors
    /// [`RoomsError::Library`].
    pub async fn artifacts(&self, scope: &Scope, session: &Room) -> Result<Vec<Artifact>, RoomsError> {
        let Some(room) = self.library.room(scope, session).await? else { return Ok(Vec::new()) };
        self.expire(&room.scope, Timestamp::now()).await?;
        let mut artifacts = Vec::new();
        let mut after = None;
        loop {
            let page = self.library.documents(&room.scope, after.as_ref(), PAGE).await?;
            artifacts.extend(page.items.iter().filter_map(read));
            after = page.next;
            if after.is_none() {
                artifacts.sort_by_key(|artifact| artifact.sequence);
                return Ok(artifacts);
            }
        }
    }

    /// Removes an artifact; false where the session has none of this number.
    ///
    /// # Errors
    /// What library and vectors say.
    pub async fn remove_artifact(
        &self,
        scope: &Scope,
        session: &Room,
        sequence: u64,
    ) -> Result<bool, RoomsError> {
        let Some(room) = self.library.room(scope, session).await? else { return Ok(false) };
        let path = path(sequence);
        if self.library.file(&room.scope, &path).await?.is_none() {
            return Ok(false);
        }
        let removed = self.library.forget(&room.scope, &[path]).await?;
        if let Some(meaning) = &self.meaning {
            meaning.remove_chunks(&room.scope, &removed).await?;
        }
        Ok(true)
    }
}

fn check(new: &NewArtifact) -> Result<(), InvalidArtifact> {
    let is_within = |text: &str, most: usize| (1..=most).contains(&text.chars().count());
    if ArtifactKind::named(new.kind.as_str()).is_none() {
        return Err(InvalidArtifact::Kind);
    }
    if !is_within(&new.name, NAME_MAX) {
        return Err(InvalidArtifact::Name);
    }
    if !new.tags.iter().all(|tag| is_within(tag, TAG_MAX)) {
        return Err(InvalidArtifact::Tag);
    }
    if new.content.len() > BYTES_MAX {
        return Err(InvalidArtifact::Large(new.content.len()));
    }
    if new.metadata.contains_key(ABOUT) {
        return Err(InvalidArtifact::Metadata);
    }
    Ok(())
}

/// Reads what the library keeps of an artifact; `None` where the document is none.
fn read(document: &DocumentSummary) -> Option<Artifact> {
    let is_artifact = document.path.as_deref().is_some_and(|path| path.starts_with(OF_ARTIFACTS));
    let mut metadata = metadata(document.metadata.as_deref());
    let about = metadata.remove(ABOUT).filter(|_| is_artifact)?;
    let text = |name: &str| about.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| about.get(name).and_then(Value::as_u64);
    let tags = about.get("tags").and_then(Value::as_array);
    Some(Artifact {
        sequence: number("sequence")?,
        content_hash: text("content_hash")?,
        kind: ArtifactKind::named(&text("type")?)?,
        name: text("name")?,
        bytes: number("size")?,
        tags: tags.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
        stored_at: document.added_at,
        metadata,
    })
}

fn path(sequence: u64) -> String {
    format!("{OF_ARTIFACTS}{sequence}")
}

/// What the names of artifacts begin with in the ledger; no text that is handed in without being one does.
pub(super) const OF_ARTIFACTS: &str = "artifact:";

/// Under what name the metadata hold what an artifact is.
const ABOUT: &str = "artifact";

const NAME_MAX: usize = 255;

const TAG_MAX: usize = 64;

const KIND_MAX: usize = 64;

const BYTES_MAX: usize = 100 << 20;

/// Documents in one look.
const PAGE: usize = 200;
