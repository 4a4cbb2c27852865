//! Pages of a conversation: cut between messages, or inside one that is longer than a page, and never silently.

use athenaeum_archive::Conversation;
use athenaeum_core::ConversationId;
use athenaeum_retrieval::export;

use super::{Asker, Mcp};
use crate::problem::Problem;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At a message, counted from 1, past this many of its characters; 0 is the head, which stands before them all.
    At { start: u32, offset: usize },
    /// A little before the message at this position, counted from 0.
    Around(u32),
}

/// A part of a conversation, as Markdown.
pub(super) struct Page {
    /// The conversation, without its messages.
    pub(super) head: Conversation,
    pub(super) markdown: String,
    /// Number of the first message; 0 is the head.
    pub(super) first: u32,
    /// Characters of the first that stand on earlier pages.
    pub(super) offset: usize,
    /// Number of the last message.
    pub(super) last: u32,
    /// Where the next page begins: message and characters of it to pass over.
    pub(super) next: Option<(u32, usize)>,
}

/// Reads a page of about `length` characters: whole messages while they fit, and of the first at least a part.
pub(super) async fn read(
    mcp: &Mcp,
    asker: &Asker,
    id: ConversationId,
    place: Place,
    length: usize,
) -> Result<Page, Problem> {
    let head = mcp.archive.head(&asker.scope, id).await?;
    let count = head.summary.message_count;
    let (start, offset) = match place {
        Place::At { start, offset } => (start, offset),
        Place::Around(position) => (before(mcp, asker, id, position, length).await?, 0),
    };
    if start > count {
        let accepted = format!("0 to {count}: the conversation has {count} messages");
        return Err(Problem::parameter("start", accepted));
    }
    let mut filling = Filling { length, used: 0, skip: offset, markdown: String::new() };
    let head_markdown = export::head_to_markdown(&head);
    let page = |filling: Filling, last, next| Page {
        head,
        markdown: filling.markdown,
        first: start,
        offset,
        last,
        next,
    };
    let mut number = start;
    if number == 0 {
        if let Some(offset) = filling.add(&head_markdown)? {
            return Ok(page(filling, 0, Some((0, offset))));
        }
        number = 1;
    } else if offset == 0 {
        filling.markdown.push_str(&format!("(from message {number} on)\n"));
    }
    while number <= count {
        let positions = number - 1..number.saturating_add(CHUNK - 1).min(count);
        let stored = mcp.archive.messages(&asker.scope, id, positions).await?;
        if stored.is_empty() {
            break;
        }
        for message in stored {
            let text = export::message_to_markdown(number as usize - 1, &message);
            let is_first = number == start || filling.used == 0;
            if !is_first && !filling.has_room_for(&text) {
                return Ok(page(filling, number - 1, Some((number, 0))));
            }
            if let Some(offset) = filling.add(&text)? {
                return Ok(page(filling, number, Some((number, offset))));
            }
            number += 1;
        }
    }
    Ok(page(filling, count, None))
}

/// Returns the number of the message to begin with, so that the one at `position` stands in the first half of the page.
async fn before(
    mcp: &Mcp,
    asker: &Asker,
    id: ConversationId,
    position: u32,
    length: usize,
) -> Result<u32, Problem> {
    let earliest = position.saturating_sub(BEFORE);
    let stored = mcp.archive.messages(&asker.scope, id, earliest..position).await?;
    let mut number = position + 1;
    let mut room = length / 2;
    for (message, at) in stored.iter().zip(earliest..position).rev() {
        let size = export::message_to_markdown(at as usize, message).chars().count();
        if size > room {
            break;
        }
        room -= size;
        number = at + 1;
    }
    Ok(number)
}

/// A page while it is being filled.
struct Filling {
    length: usize,
    used: usize,
    /// Characters of the first text that stand on earlier pages.
    skip: usize,
    markdown: String,
}

impl Filling {
    fn has_room_for(&self, text: &str) -> bool {
        self.used + text.chars().count() <= self.length
    }

    /// Adds what fits of `text`. Returns how many of its characters have been shown, if not all of them.
    ///
    /// # Errors
    /// When more was to be passed over than the text has.
    fn add(&mut self, text: &str) -> Result<Option<usize>, Problem> {
        let skip = std::mem::take(&mut self.skip);
        let size = text.chars().count();
        if skip > 0 && skip >= size {
            return Err(Problem::parameter(
                "offset",
                format!("0 to {}: so long is that message", size.saturating_sub(1)),
            ));
        }
        let rest = &text[byte_of(text, skip)..];
        if skip > 0 {
            self.markdown.push_str(&format!("(from character {skip} on)\n"));
        }
        let room = self.length.saturating_sub(self.used);
        if size - skip <= room {
            self.markdown.push_str(rest);
            self.used += size - skip;
            return Ok(None);
        }
        let part = &rest[..cut(rest, room.max(1))];
        self.markdown.push_str(part);
        let shown = part.chars().count();
        self.used += shown;
        Ok(Some(skip + shown))
    }
}

/// Returns the byte at which the character with this index begins; the end where there is none.
fn byte_of(text: &str, index: usize) -> usize {
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

/// Returns the byte to cut at, so that at most `room` characters stand before it: after a line where one ends in the
/// last quarter.
fn cut(text: &str, room: usize) -> usize {
    let end = byte_of(text, room);
    let line = text[..end].rfind('\n').map_or(0, |at| at + 1);
    if line > end / 4 * 3 { line } else { end }
}

/// Messages read from the archive at once.
const CHUNK: u32 = 32;
/// Most messages before the one that was asked for.
const BEFORE: u32 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pages_of_a_text_put_together_give_the_text(text in "([a-zé漢\n]{0,9}){1,40}", length in 1..50_usize) {
            let mut skip = 0;
            let mut whole = String::new();
            loop {
                let mut page = Filling { length, used: 0, skip, markdown: String::new() };
                if text.is_empty() { break; }
                let next = page.add(&text).ok().unwrap();
                let marker = format!("(from character {skip} on)\n");
                whole.push_str(page.markdown.strip_prefix(&marker).unwrap_or(&page.markdown));
                prop_assert!(page.used <= length);
                match next {
                    Some(next) => { prop_assert!(next > skip); skip = next; }
                    None => break,
                }
            }
            prop_assert_eq!(whole, text);
        }
    }
}
