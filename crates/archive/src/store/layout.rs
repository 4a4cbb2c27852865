//! How a message's blocks are rebuilt from its one text.
//!
//! `messages.content` holds the blocks' texts joined by a blank line, readable by anyone. `messages.layout`
//! says where each ends, what it is and how it is labelled; it is NULL for the common message of one plain text
//! block. Byte layout: version 1, then per block: kind (index in [`BlockKind::ALL`], +128 with a label), length of
//! the text in bytes (LEB128), and for labelled blocks the label's length (LEB128) and bytes.

use athenaeum_core::{Block, BlockKind};

const VERSION: u8 = 1;
const LABELLED: u8 = 0x80;
const SEPARATOR: &str = "\n\n";

/// Returns the stored form; `None` where the content alone tells it.
pub(crate) fn encode(blocks: &[Block]) -> Option<Vec<u8>> {
    match blocks {
        [] => return None,
        [only] if only.kind == BlockKind::Text && only.label.is_none() && !only.text.is_empty() => {
            return None;
        }
        _ => {}
    }
    let mut layout = vec![VERSION];
    for block in blocks {
        let kind = BlockKind::ALL.iter().position(|kind| *kind == block.kind).unwrap_or(UNKNOWN) as u8;
        layout.push(if block.label.is_some() { kind | LABELLED } else { kind });
        push_length(&mut layout, block.text.len());
        if let Some(label) = &block.label {
            push_length(&mut layout, label.len());
            layout.extend_from_slice(label.as_bytes());
        }
    }
    Some(layout)
}

/// Cuts `content` into blocks again; `None` where the two do not belong together.
pub(crate) fn decode(content: &str, layout: Option<&[u8]>) -> Option<Vec<Block>> {
    let Some(layout) = layout else {
        return Some(if content.is_empty() { Vec::new() } else { vec![Block::text(content)] });
    };
    let (&version, mut rest) = layout.split_first()?;
    if version != VERSION {
        return None;
    }
    let mut blocks = Vec::new();
    let mut content = content;
    while let Some((&head, tail)) = rest.split_first() {
        rest = tail;
        if !blocks.is_empty() {
            content = content.strip_prefix(SEPARATOR)?;
        }
        let length = take_length(&mut rest)?;
        let (text, after) = content.split_at_checked(length)?;
        content = after;
        let kind = BlockKind::ALL.get(usize::from(head & !LABELLED)).copied().unwrap_or(BlockKind::Unknown);
        let mut block = Block::new(kind, text);
        if head & LABELLED != 0 {
            let length = take_length(&mut rest)?;
            let (label, after) = rest.split_at_checked(length)?;
            rest = after;
            block.label = Some(std::str::from_utf8(label).ok()?.to_owned());
        }
        blocks.push(block);
    }
    content.is_empty().then_some(blocks)
}

fn push_length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0_usize;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

const UNKNOWN: usize = BlockKind::ALL.len() - 1;

#[cfg(test)]
mod tests {
    use athenaeum_core::{Message, Role};
    use proptest::prelude::*;

    use super::*;

    fn check(blocks: &[Block]) {
        let content = Message::new(Role::User, blocks.to_vec()).content();
        let layout = encode(blocks);
        assert_eq!(decode(&content, layout.as_deref()).as_deref(), Some(blocks));
    }

    #[test]
    fn common_messages_need_no_layout() {
        assert_eq!(encode(&[Block::text("a\n\nb")]), None);
        assert_eq!(encode(&[]), None);
        check(&[Block::text("a\n\nb")]);
        check(&[]);
    }

    #[test]
    fn a_layout_of_another_text_is_refused() {
        let layout = encode(&[Block::text("ab"), Block::text("c")]);
        assert_eq!(decode("ab\n\ncd", layout.as_deref()), None);
        assert_eq!(decode("é", Some(&[1, 0, 1])), None);
        assert_eq!(decode("", Some(&[1, 0, 0xff, 0xff])), None);
        assert_eq!(decode("", Some(&[9])), None);
    }

    fn block() -> impl Strategy<Value = Block> {
        (0..BlockKind::ALL.len(), "\\PC{0,20}(\n\n)?", proptest::option::of("\\PC{0,9}"))
            .prop_map(|(kind, text, label)| Block { kind: BlockKind::ALL[kind], text, label })
    }

    proptest! {
        #[test]
        fn blocks_read_back(blocks in proptest::collection::vec(block(), 0..6)) {
            check(&blocks);
        }

        #[test]
        fn any_bytes_are_harmless(content in "\\PC{0,20}", layout in proptest::collection::vec(any::<u8>(), 0..20)) {
            let _ = decode(&content, Some(&layout));
        }
    }
}
