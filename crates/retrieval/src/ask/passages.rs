//! What an answer is made from.

use std::ops::Range;

use athenaeum_archive::{
    Archive,
    library::{Chunk, Library},
    text::Analyzer,
};
use athenaeum_core::DocumentId;
use athenaeum_tenancy::Scope;

use super::{answer::Origin, sentences::sentences, support::terms};
use crate::search::{Found, Hit, SearchError};

/// A passage to answer from.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// From 1, the best first.
    pub number: u32,
    /// Where it stands.
    pub origin: Origin,
    /// Title of document or conversation.
    pub title: Option<String>,
    /// Its text to the letter.
    pub text: String,
}

impl Passage {
    pub(super) fn place(&self) -> Option<&str> {
        match &self.origin {
            Origin::Document { place, .. } => place.as_deref(),
            Origin::Message { .. } => None,
        }
    }

    #[cfg(test)]
    pub(super) fn for_test(number: u32, text: &str) -> Self {
        let origin = Origin::Message {
            conversation_id: String::new(),
            message_id: 1,
            role: "user".into(),
            created_at: None,
            text_range: 0..text.len(),
        };
        Self { number, origin, title: None, text: text.to_owned() }
    }
}

/// How much may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Tokens of all passages together, at most.
    pub tokens_max: usize,
    /// Passages at most.
    pub passages_max: usize,
    /// Chunks taken before and behind a hit where room is left.
    pub neighbours: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tokens_max: 2_400, passages_max: 8, neighbours: 1 }
    }
}

/// Takes passages from what was found, best first, until the budget is spent. Chunks that stand next to each other become
/// one passage. `tokens` counts as the model does.
///
/// # Errors
/// What the disk says.
pub async fn passages(
    sources: (Option<&Archive>, Option<&Library>),
    scope: &Scope,
    question: &str,
    hits: &[Hit],
    budget: Budget,
    tokens: &(dyn Fn(&str) -> usize + Sync),
) -> Result<Vec<Passage>, SearchError> {
    let (archive, library) = sources;
    let mut left = budget.tokens_max;
    let mut groups: Vec<Group> = Vec::new();
    for hit in hits {
        if left == 0 {
            break;
        }
        match (&hit.found, library, archive) {
            (Found::Chunk(found), Some(_), _) => {
                let chunk = &found.chunk;
                let cost = tokens(&chunk.text);
                let room = cost <= left || groups.is_empty();
                if !room || groups.iter().any(|group| group.has(chunk)) {
                    continue;
                }
                let touches = |group: &&mut Group| group.touches(chunk);
                if let Some(group) = groups.iter_mut().find(touches) {
                    group.take(chunk.clone());
                } else if groups.len() < budget.passages_max {
                    groups.push(Group::Chunks(vec![chunk.clone()]));
                } else {
                    continue;
                }
                left = left.saturating_sub(cost);
            }
            (Found::Message(found), _, Some(archive)) => {
                if found.message.is_none() || groups.len() >= budget.passages_max {
                    continue;
                }
                // Where no word leads, the part that is nearest does.
                let near = hit.passage.clone().filter(|_| hit.why.text.is_none());
                let message =
                    message(archive, scope, question, (found, near), left.min(MESSAGE_TOKENS), tokens)
                        .await?;
                let Some(passage) = message else { continue };
                left = left.saturating_sub(tokens(&passage.text));
                groups.push(Group::Message(Box::new(passage)));
            }
            _ => {}
        }
    }
    if let Some(library) = library {
        widen(library, scope, &mut groups, budget.neighbours, &mut left, tokens).await?;
    }
    let mut taken = Vec::with_capacity(groups.len());
    for (number, group) in (1..).zip(groups) {
        taken.push(match group {
            Group::Message(passage) => Passage { number, ..*passage },
            Group::Chunks(chunks) => document(library, scope, number, &chunks).await?,
        });
    }
    Ok(taken)
}

/// What becomes one passage.
enum Group {
    /// Of one document, in order, each touching the next.
    Chunks(Vec<Chunk>),
    Message(Box<Passage>),
}

impl Group {
    fn has(&self, chunk: &Chunk) -> bool {
        matches!(self, Self::Chunks(chunks) if chunks.iter().any(|own| own.id == chunk.id))
    }

    fn touches(&self, chunk: &Chunk) -> bool {
        let Self::Chunks(chunks) = self else { return false };
        let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else { return false };
        first.document.id == chunk.document.id
            && (chunk.position + 1 == first.position || chunk.position == last.position + 1)
    }

    fn take(&mut self, chunk: Chunk) {
        if let Self::Chunks(chunks) = self {
            chunks.push(chunk);
            chunks.sort_by_key(|chunk| chunk.position);
        }
    }
}

/// Takes what stands before and behind the hits while there is room, the best hits first.
async fn widen(
    library: &Library,
    scope: &Scope,
    groups: &mut [Group],
    neighbours: u32,
    left: &mut usize,
    tokens: &(dyn Fn(&str) -> usize + Sync),
) -> Result<(), SearchError> {
    for index in 0..groups.len() {
        let Group::Chunks(chunks) = &groups[index] else { continue };
        let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else { continue };
        let document: DocumentId = first.document.id;
        let (from, to) =
            (first.position.saturating_sub(neighbours), last.position.saturating_add(neighbours));
        let inside = first.position..=last.position;
        for chunk in library.chunks_at(scope, document, from..=to).await? {
            let cost = tokens(&chunk.text);
            let taken = inside.contains(&chunk.position) || groups.iter().any(|group| group.has(&chunk));
            if !taken && cost <= *left && groups[index].touches(&chunk) {
                *left -= cost;
                groups[index].take(chunk);
            }
        }
    }
    Ok(())
}

async fn document(
    library: Option<&Library>,
    scope: &Scope,
    number: u32,
    chunks: &[Chunk],
) -> Result<Passage, SearchError> {
    let begins = chunks.iter().map(|chunk| chunk.range.start).min().unwrap_or(0);
    let ends = chunks.iter().map(|chunk| chunk.range.end).max().unwrap_or(0);
    let (first, last) = (&chunks[0], &chunks[chunks.len() - 1]);
    let document = &first.document;
    let text = match (library, chunks) {
        (Some(library), [_, _, ..]) => library.text(scope, document.id, begins..ends).await?,
        _ => first.text.clone(),
    };
    let source_range = match (&first.source, &last.source) {
        (Some(first), Some(last)) if first.start < last.end => Some(first.start..last.end),
        _ => None,
    };
    let place = match (&first.place, &last.place) {
        (Some(first), Some(last)) => Some(stretched(first, last)),
        (place, _) => place.clone(),
    };
    Ok(Passage {
        number,
        title: document.title.clone().or_else(|| {
            document.path.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path).to_owned())
        }),
        origin: Origin::Document {
            document_id: document.id.to_string(),
            chunk_ids: chunks.iter().map(|chunk| chunk.id.to_string()).collect(),
            path: document.path.clone(),
            format: document.format.clone(),
            place,
            text_range: begins..ends,
            source_range,
            source_blake3: blake3::Hash::from_bytes(document.hash).to_hex().to_string(),
            source_bytes: document.bytes,
        },
        text,
    })
}

/// Takes from a message the stretch of sentences that holds most of the question's words.
async fn message(
    archive: &Archive,
    scope: &Scope,
    question: &str,
    (hit, near): (&athenaeum_archive::Hit, Option<Range<usize>>),
    tokens_max: usize,
    tokens: &(dyn Fn(&str) -> usize + Sync),
) -> Result<Option<Passage>, SearchError> {
    let Some(id) = hit.message else { return Ok(None) };
    let found = archive.messages(scope, hit.conversation.id, hit.position..hit.position + 1).await?;
    let Some(stored) = found.into_iter().find(|stored| stored.id == id) else { return Ok(None) };
    let content = stored.message.content();
    let within = near.filter(|range| content.get(range.clone()).is_some()).unwrap_or(0..content.len());
    let range = best_stretch(&content[within.clone()], question, tokens_max, tokens);
    let range = within.start + range.start..within.start + range.end;
    if range.is_empty() {
        return Ok(None);
    }
    Ok(Some(Passage {
        number: 0,
        title: hit.conversation.title.clone(),
        text: content[range.clone()].to_owned(),
        origin: Origin::Message {
            conversation_id: hit.conversation.id.to_string(),
            message_id: id.0,
            role: hit.role.as_str().to_owned(),
            created_at: hit.created_at.map(|time| time.to_string()),
            text_range: range,
        },
    }))
}

fn best_stretch(
    text: &str,
    question: &str,
    tokens_max: usize,
    tokens: &(dyn Fn(&str) -> usize + Sync),
) -> Range<usize> {
    let mut analyzer = Analyzer::new();
    let wanted = terms(question, &mut analyzer);
    let parts: Vec<(Range<usize>, usize, usize)> = sentences(text)
        .into_iter()
        .map(|range| {
            let part = &text[range.clone()];
            let held = terms(part, &mut analyzer).intersection(&wanted).count();
            (range.clone(), held, tokens(part))
        })
        .collect();
    // A window that slides: sentences leave it at the front as long as it is too long.
    let (mut from, mut held, mut length) = (0, 0, 0);
    let mut best = (0..0, 0);
    for (to, (range, gains, costs)) in parts.iter().enumerate() {
        held += gains;
        length += costs;
        while length > tokens_max && from < to {
            held -= parts[from].1;
            length -= parts[from].2;
            from += 1;
        }
        if length <= tokens_max
            && (held > best.1 || best.0.is_empty() || held == best.1 && parts[from].0.start == best.0.start)
        {
            best = (parts[from].0.start..range.end, held);
        }
    }
    best.0
}

/// Of one message at most: several sources say more than one long one.
const MESSAGE_TOKENS: usize = 600;

/// Joins two places as people do: `page 3` and `pages 4–5` are `pages 3–5`.
fn stretched(first: &str, last: &str) -> String {
    if first == last {
        return first.to_owned();
    }
    // What is counted, where it begins, where it ends.
    let parts = |place: &str| {
        let (what, numbers) = place.rsplit_once(' ')?;
        let (from, to) = numbers.split_once('–').unwrap_or((numbers, numbers));
        let is_number = |text: &str| text.parse::<u32>().is_ok();
        let what = what.strip_suffix('s').filter(|_| from != to).unwrap_or(what);
        (is_number(from) && is_number(to)).then(|| (what.to_owned(), from.to_owned(), to.to_owned()))
    };
    match (parts(first), parts(last)) {
        (Some((what, from, _)), Some((same, _, to))) if what == same => format!("{what}s {from}–{to}"),
        _ => format!("{first} to {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_joined() {
        let check = |first: &str, last: &str, expected: &str| assert_eq!(stretched(first, last), expected);
        check("page 4", "page 4", "page 4");
        check("page 4", "pages 4–5", "pages 4–5");
        check("pages 1–2", "page 4", "pages 1–4");
        check("lines 1–20", "lines 18–30", "lines 1–30");
        check("sheet Costs, rows 5–9", "sheet Costs, row 12", "sheet Costs, rows 5–12");
        check("sheet Costs, rows 5–9", "sheet Rain, row 12", "sheet Costs, rows 5–9 to sheet Rain, row 12");
        check("mail 1", "the end", "mail 1 to the end");
    }
}
