//! Passages in groups, by what they mean.

use athenaeum_core::{ChunkId, MessageId, vector::Key};
use athenaeum_tenancy::Scope;
use athenaeum_vector::{Collection, Grouping, group};

use super::{Kind, Meaning, MeaningError, pieces};

/// What a vector stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    Chunk(ChunkId),
    /// A part of a message; which conversation it is of, the last bytes of that one's id tell.
    Piece {
        conversation: [u8; 8],
        message: MessageId,
        piece: u32,
    },
}

/// Passages in groups.
#[derive(Debug, Default)]
pub(crate) struct Grouped {
    /// Each group's passages with the cosine of each with the group's middle, in no order.
    pub(crate) groups: Vec<Vec<(Passage, f32)>>,
    /// Vectors of another model that could not be compared with these.
    pub(crate) left_out: u64,
}

impl Meaning {
    /// Puts what has vectors of these kinds into groups: those of the model that most of them are of. No model is asked.
    pub(crate) async fn grouped(
        &self,
        scope: &Scope,
        kinds: &[Kind],
        count: Option<usize>,
    ) -> Result<Grouped, MeaningError> {
        let mut held: Vec<(Kind, Collection, u64)> = Vec::new();
        for kind in kinds {
            let of_kind = self.held(scope, *kind).await?;
            held.extend(of_kind.into_iter().map(|(collection, vectors)| (*kind, collection, vectors)));
        }
        let of_model = |model: &str| -> u64 {
            held.iter().filter(|(_, own, _)| own.spec().model == model).map(|(.., vectors)| vectors).sum()
        };
        let own = self.embedder.model().to_string();
        let models = held.iter().map(|(_, collection, _)| collection.spec().model.as_str());
        let most = models.max_by_key(|model| (of_model(model), *model == own));
        let Some(model) = most.map(str::to_owned) else { return Ok(Grouped::default()) };
        let mut left_out = 0;
        for kind in kinds {
            let of_kind = || held.iter().filter(|(held, ..)| held == kind);
            // Of one kind, vectors of two models stand for the same texts.
            if !of_kind().any(|(_, collection, _)| collection.spec().model == model) {
                left_out += of_kind().map(|(.., vectors)| *vectors).max().unwrap_or(0);
            }
        }
        held.retain(|(_, collection, _)| collection.spec().model == model);
        let collections: Vec<Collection> = held.iter().map(|(_, collection, _)| collection.clone()).collect();
        let found = group(&collections, &Grouping { count, ..Grouping::default() }).await?;
        let mut groups = vec![Vec::new(); found.count];
        for ((kind, ..), members) in held.iter().zip(found.members) {
            for member in members {
                groups[member.group as usize].push((passage(*kind, member.key), member.score));
            }
        }
        Ok(Grouped { groups, left_out })
    }
}

fn passage(kind: Kind, key: Key) -> Passage {
    if kind != Kind::Messages {
        return Passage::Chunk(ChunkId::from_bytes(key.0));
    }
    let (message, piece) = pieces::read_key(key);
    let [conversation @ .., _, _, _, _, _, _, _, _] = key.0;
    Passage::Piece { conversation, message, piece }
}
