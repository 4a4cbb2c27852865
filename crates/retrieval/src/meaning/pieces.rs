//! Messages, cut for the model as documents are.

use std::{collections::BTreeMap, ops::Range};

use athenaeum_core::{Block, BlockKind, ConversationId, Message, MessageId, Role, vector::Key};
use athenaeum_ingest::{
    chunk::{Chunking, chunks},
    document::{Format, Places, Reading, Source},
};

use crate::documents::{TOKENS_MAX, tokens};

/// Tells whether a message is to be found by meaning: what people and models said, and no tool's noise.
pub(super) fn is_said(message: &Message) -> bool {
    matches!(message.role, Role::User | Role::Assistant) && !message.hidden
}

/// Cuts a message: of its content's bytes those of each piece.
pub(super) fn pieces(message: &Message) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut begins = 0;
    for block in &message.blocks {
        if is_text(block.kind) {
            let room = PIECES_MAX - pieces.len();
            let cut = cut(block).into_iter().take(room);
            pieces.extend(cut.map(|range| begins + range.start..begins + range.end));
        }
        // As `Message::content` puts them together.
        begins += block.text.len() + 2;
    }
    pieces
}

/// Returns which bytes of a message's content a piece of it has.
pub(crate) fn piece(message: &Message, number: u32) -> Option<Range<usize>> {
    pieces(message).into_iter().nth(number as usize)
}

/// Returns what a piece's vector is kept under: the end of the conversation's id, the message, the piece.
pub(super) fn key(conversation: ConversationId, message: MessageId, piece: u32) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&athenaeum_vector::Source::beginning(Key(*conversation.as_bytes())));
    key[8..13].copy_from_slice(&message.0.to_be_bytes()[3..]);
    key[13..].copy_from_slice(&piece.to_be_bytes()[1..]);
    Key(key)
}

/// Reads message and piece back.
pub(super) fn read_key(Key(key): Key) -> (MessageId, u32) {
    let (mut message, mut piece) = ([0; 8], [0; 4]);
    message[3..].copy_from_slice(&key[8..13]);
    piece[1..].copy_from_slice(&key[13..]);
    (MessageId(i64::from_be_bytes(message)), u32::from_be_bytes(piece))
}

/// Changes whenever messages are cut otherwise, so that those cut before are made anew.
pub(super) const VERSION: u64 = 1;

fn cut(block: &Block) -> Vec<Range<usize>> {
    if block.text.trim().is_empty() {
        return Vec::new();
    }
    // Most messages are short.
    if block.text.len() <= TOKENS_MAX && tokens(&block.text) <= TOKENS_MAX {
        let text = block.text.trim_end();
        return std::iter::once(text.len() - text.trim_start().len()..text.len()).collect();
    }
    let reading = Reading {
        format: if block.kind == BlockKind::Code { Format::Code } else { Format::Text },
        title: None,
        language: None,
        text: block.text.clone(),
        places: Places::default(),
        problems: Vec::new(),
        source: Source { blake3: [0; 32], bytes: 0 },
        metadata: BTreeMap::new(),
    };
    let chunking = Chunking { tokens_max: TOKENS_MAX, overlap: 32, ..Chunking::WINDOW };
    chunks(&reading, &chunking, &tokens).into_iter().map(|chunk| chunk.range).collect()
}

/// What a person reads of a message, and no tool's noise.
fn is_text(kind: BlockKind) -> bool {
    match kind {
        BlockKind::Text
        | BlockKind::Code
        | BlockKind::Canvas
        | BlockKind::Transcript
        | BlockKind::Attachment
        | BlockKind::Quote => true,
        // Thoughts say over what the answer says; arguments and results of tools are for programs.
        _ => false,
    }
}

/// Of one message: a log or a book that was pasted does not take the place of all else.
const PIECES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back() {
        let conversation = ConversationId::from_bytes([7; 16]);
        for (message, piece) in [(1, 0), (i64::from(u32::MAX) * 200, 16_777_215)] {
            let key = key(conversation, MessageId(message), piece);
            assert_eq!(read_key(key), (MessageId(message), piece));
            assert_eq!(key.0[..8], [7; 8]);
        }
    }

    #[test]
    fn pieces_lie_in_the_content_and_leave_out_what_tools_say() {
        let long = "A sentence about dough that goes on. ".repeat(60);
        let blocks = vec![
            Block::text("  Short. "),
            Block::new(BlockKind::ToolResult, "{\"noise\": 1}"),
            Block::text("\n \n"),
            Block::text(long.clone()),
        ];
        let message = Message::new(Role::Assistant, blocks);
        let content = message.content();
        let pieces = pieces(&message);
        assert_eq!(&content[pieces[0].clone()], "Short.");
        assert!(pieces.len() > 3, "{pieces:?}");
        for piece in &pieces[1..] {
            let text = &content[piece.clone()];
            assert!(text.starts_with("A sentence") && tokens(text) <= TOKENS_MAX, "{text}");
        }
        assert_eq!(pieces.last().unwrap().end, content.trim_end().len());
        assert_eq!(piece(&message, 1), Some(pieces[1].clone()));
        assert_eq!(piece(&message, 99), None);
    }
}
