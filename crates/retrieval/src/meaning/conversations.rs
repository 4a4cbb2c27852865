//! Vectors of messages.
//!
//! A conversation is the unit: when all of its pieces have a vector it is entered as *settled* in the state that it was in, in
//! one transaction with what is taken away; so a look at that list tells what is to be done, and what did not change costs
//! nothing. What a message says never changes under its id (`archive` gives a message that changed another one), so of a
//! conversation that went on only what is new is embedded.

use std::{collections::HashSet, sync::Arc};

use athenaeum_archive::{Archive, ErrorKind, Versioned};
use athenaeum_core::{
    ChunkId, ConversationId, Message,
    vector::{Entry, Key, Span, Tag, VectorStorage as _},
};
use athenaeum_tenancy::Scope;
use athenaeum_vector::{Collection, Source, Vectors};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::Xxh3;

use super::{
    Filled, Filling, Kind, Meaning, MeaningError,
    fill::Telling,
    making::{Making, Waiting},
    pieces,
};

impl Meaning {
    /// Makes a vector of every piece of a message that has none: those of the conversations named first, then the newest.
    /// Vectors of conversations that are gone are removed. Waits while another program does the same for this tenant.
    ///
    /// # Cancellation
    /// After `cancel` the batch at hand is kept and no other begun. Dropping the future gives up that batch, and the one before
    /// where that is being written.
    ///
    /// # Errors
    /// What model, vectors and archive say; what was made until then stays.
    pub async fn fill_conversations(
        &self,
        scope: &Scope,
        archive: &Archive,
        first: &[ConversationId],
        mut progress: impl FnMut(&Filling) + Send,
        cancel: &CancellationToken,
    ) -> Result<Filled, MeaningError> {
        let Some(turn) = self.turn(scope, &mut progress, cancel).await? else {
            return Ok(Filled { stopped: true, ..Filled::default() });
        };
        let collection = self.own(scope, Kind::Messages).await?;
        let (_, total) = archive.count(scope).await?;
        let seen = collection.settled().await?.weight.min(total);
        let making = Making::new(Arc::clone(&self.embedder), collection.clone());
        let mut work = Work {
            scope,
            archive,
            collection,
            batch: Batch::default(),
            making,
            telling: Telling::new(&turn, &mut progress, seen, total),
            cancel,
        };
        let first = archive.versions_of(scope, first).await?;
        let mut whole = work.through(&first).await?;
        let first: HashSet<ConversationId> = first.iter().map(|versioned| versioned.summary.id).collect();
        let mut conversations = 0;
        let mut after = None;
        while whole {
            let mut page = archive.versions(scope, after.as_ref(), PAGE).await?;
            conversations += page.items.len() as u64;
            // Those that came first are known, though perhaps not written yet.
            page.items.retain(|versioned| !first.contains(&versioned.summary.id));
            whole = work.through(&page.items).await?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        whole = whole && work.flush().await?;
        work.write().await?;
        let Work { collection, making, telling: Telling { filled, .. }, .. } = work;
        if !whole {
            return Ok(Filled { stopped: true, ..filled });
        }
        if collection.settled().await?.sources > conversations {
            sweep(&collection, scope, archive).await?;
        }
        making.gathering().at_the_end(&collection, cancel).await;
        self.clear_formers(scope, Kind::Messages).await?;
        Ok(filled)
    }

    /// Takes the vectors of conversations away that were deleted. Needs no model.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn remove_conversations(
        &self,
        scope: &Scope,
        ids: &[ConversationId],
    ) -> Result<(), MeaningError> {
        Ok(remove_conversations(&self.vectors, scope, ids).await?)
    }
}

/// Takes the vectors of conversations away that were deleted, where no [`Meaning`] is open.
///
/// # Errors
/// What the vectors' database says.
pub async fn remove_conversations(
    vectors: &Vectors,
    scope: &Scope,
    ids: &[ConversationId],
) -> Result<(), athenaeum_vector::Error> {
    let sources: Vec<Key> = ids.iter().map(|id| Key(*id.as_bytes())).collect();
    for (spec, held) in vectors.holdings(scope).await? {
        if held > 0 && spec.name.starts_with(Kind::Messages.beginning()) {
            vectors.collection(scope, &spec).await?.remove_sources(&sources).await?;
        }
    }
    Ok(())
}

/// Takes the vectors of chunks away that went, where no [`Meaning`] is open.
///
/// # Errors
/// What the vectors' database says.
pub async fn remove_chunks(
    vectors: &Vectors,
    scope: &Scope,
    ids: &[ChunkId],
) -> Result<(), athenaeum_vector::Error> {
    let keys: Vec<Key> = ids.iter().map(|id| Key(*id.as_bytes())).collect();
    for (spec, held) in vectors.holdings(scope).await? {
        if held > 0 && spec.name.starts_with(Kind::Chunks.beginning()) {
            vectors.collection(scope, &spec).await?.delete(&keys).await?;
        }
    }
    Ok(())
}

/// Takes the vectors of conversations away that are gone, or were embedded in another state than the one they are in: where an
/// older archive was put back, messages of one number are not those of the other.
pub(super) async fn remove_others(
    collection: &Collection,
    scope: &Scope,
    archive: &Archive,
) -> Result<(), MeaningError> {
    let mut after = None;
    loop {
        let page = archive.versions(scope, after.as_ref(), PAGE).await?;
        let sources: Vec<Source> = page.items.iter().map(source).collect();
        let keys: Vec<Key> = sources.iter().map(|source| source.id).collect();
        let there = collection.versions(&keys).await?;
        let others = sources.iter().zip(there).filter(|(source, there)| *there != Some(source.version));
        let others: Vec<Key> = others.map(|(source, _)| source.id).collect();
        collection.remove_sources(&others).await?;
        after = page.next;
        if after.is_none() {
            return sweep(collection, scope, archive).await;
        }
    }
}

/// Removes what is of conversations that are gone.
async fn sweep(collection: &Collection, scope: &Scope, archive: &Archive) -> Result<(), MeaningError> {
    let mut after = None;
    loop {
        let page = collection.sources_after(after, PAGE).await?;
        let ids: Vec<ConversationId> = page.iter().map(|key| ConversationId::from_bytes(key.0)).collect();
        let there = archive.versions_of(scope, &ids).await?;
        let there: HashSet<ConversationId> =
            there.into_iter().map(|versioned| versioned.summary.id).collect();
        let gone: Vec<Key> =
            ids.iter().filter(|id| !there.contains(id)).map(|id| Key(*id.as_bytes())).collect();
        collection.remove_sources(&gone).await?;
        after = page.last().copied();
        if page.len() < PAGE {
            return Ok(());
        }
    }
}

/// One run.
struct Work<'r, P> {
    scope: &'r Scope,
    archive: &'r Archive,
    collection: Collection,
    batch: Batch,
    making: Making,
    telling: Telling<'r, P>,
    cancel: &'r CancellationToken,
}

/// What waits for the model, and what is whole when that was done.
#[derive(Default)]
struct Batch {
    pieces: Vec<Waiting>,
    whole: Vec<(Source, Vec<Key>)>,
}

impl<P: FnMut(&Filling) + Send> Work<'_, P> {
    /// Goes through some conversations; false when it was told to stop.
    async fn through(&mut self, conversations: &[Versioned]) -> Result<bool, MeaningError> {
        let keys: Vec<Key> = conversations.iter().map(|versioned| source(versioned).id).collect();
        let versions = self.collection.versions(&keys).await?;
        for (versioned, there) in conversations.iter().zip(versions) {
            let source = source(versioned);
            if there == Some(source.version) {
                continue;
            }
            // What all its vectors say beside the text is another.
            if there.is_some_and(|there| there[8..] != source.version[8..]) {
                self.collection.remove_sources(&[source.id]).await?;
            }
            if !self.conversation(versioned, source).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn conversation(&mut self, versioned: &Versioned, source: Source) -> Result<bool, MeaningError> {
        let summary = &versioned.summary;
        let mut all = Vec::new();
        for from in (0..summary.message_count).step_by(MESSAGES as usize) {
            let messages = self.archive.messages(self.scope, summary.id, from..from + MESSAGES).await;
            let messages = match messages {
                Ok(messages) => messages,
                // It was deleted meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
                Err(error) => return Err(error.into()),
            };
            let mut cut = Vec::new();
            for stored in messages.iter().filter(|stored| pieces::is_said(&stored.message)) {
                let content = stored.message.content();
                for (number, range) in (0..).zip(pieces::pieces(&stored.message)) {
                    let key = pieces::key(summary.id, stored.id, number);
                    cut.push((key, &stored.message, content[range].to_owned()));
                }
            }
            let keys: Vec<Key> = cut.iter().map(|(key, ..)| *key).collect();
            let there = self.collection.contains(&keys).await?;
            for ((key, message, text), there) in cut.into_iter().zip(there) {
                all.push(key);
                if !there {
                    self.batch.pieces.push(piece(key, versioned, message, &text));
                }
            }
            if self.batch.pieces.len() >= BATCH && !self.flush().await? {
                return Ok(false);
            }
        }
        self.batch.whole.push((source, all));
        if self.batch.whole.len() >= WHOLE { self.flush().await } else { Ok(true) }
    }

    /// Embeds what waits; false when it was told to stop before the end.
    async fn flush(&mut self) -> Result<bool, MeaningError> {
        let Batch { pieces, whole } = std::mem::take(&mut self.batch);
        let is_anything_embedded = !pieces.is_empty();
        let mut pieces = pieces.into_iter().peekable();
        while pieces.peek().is_some() {
            if self.cancel.is_cancelled() {
                return Ok(false);
            }
            let batch = pieces.by_ref().take(BATCH).collect();
            self.telling.wrote(self.making.embed(batch).await?);
        }
        self.making.settle(whole);
        // Otherwise that is done while the next batch is embedded.
        if !is_anything_embedded {
            self.write().await?;
        }
        Ok(true)
    }

    async fn write(&mut self) -> Result<(), MeaningError> {
        self.telling.wrote(self.making.write().await?);
        Ok(())
    }
}

fn piece(key: Key, versioned: &Versioned, message: &Message, text: &str) -> Waiting {
    let summary = &versioned.summary;
    let mut tags =
        vec![Tag::new("provider", summary.provider.as_str()), Tag::new("role", message.role.as_str())];
    tags.extend(message_flags(message).into_iter().map(|flag| Tag::new("has", flag)));
    let at = message.created_at.or(versioned.began_at);
    let text = match summary.title.as_deref().map(str::trim).filter(|title| !title.is_empty()) {
        Some(title) => format!("{title}\n{text}"),
        None => text.to_owned(),
    };
    // What has no time is found where none is asked for: at no moment at all.
    let never = Span::at(athenaeum_core::Timestamp::from_micros(i64::MIN));
    let entry = Entry { tags, valid: at.map_or(never, Span::at), ..Entry::new(key, Vec::new()) };
    Waiting { text, entry }
}

/// Names what a message has, as filters do.
fn message_flags(message: &Message) -> Vec<&'static str> {
    athenaeum_archive::flags_of(message).into_iter().map(flag_name).collect()
}

pub(crate) fn flag_name(flag: athenaeum_archive::Flag) -> &'static str {
    match flag {
        athenaeum_archive::Flag::Code => "code",
        athenaeum_archive::Flag::Attachment => "attachment",
        athenaeum_archive::Flag::Tool => "tool",
    }
}

/// The first half of the version tells states of the conversation apart; the second, what all its vectors say beside the
/// texts.
fn source(versioned: &Versioned) -> Source {
    let summary = &versioned.summary;
    let mut about = Xxh3::with_seed(pieces::VERSION);
    about.update(summary.title.as_deref().unwrap_or_default().as_bytes());
    about.update(&versioned.began_at.map_or(0, athenaeum_core::Timestamp::as_micros).to_le_bytes());
    let mut state = Xxh3::new();
    state.update(&versioned.version);
    let mut version = [0; 16];
    version[..8].copy_from_slice(&state.digest().to_le_bytes());
    version[8..].copy_from_slice(&about.digest().to_le_bytes());
    Source { id: Key(*summary.id.as_bytes()), version, weight: u64::from(summary.message_count) }
}

/// Conversations looked at at once.
const PAGE: usize = 512;

/// Messages read at once.
const MESSAGES: u32 = 64;

/// Texts embedded at once, as for documents.
const BATCH: usize = 64;

/// Conversations entered at once: most of a library has been settled before, or says little.
const WHOLE: usize = 64;
