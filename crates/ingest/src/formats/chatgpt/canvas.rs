use athenaeum_core::{Block, BlockKind};
use serde::Deserialize;

use crate::lenient::{List, Object, Text};

/// The arguments of the calls that write a canvas (`canmore.create_textdoc`, `canmore.update_textdoc`,
/// `canmore.comment_textdoc`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Arguments<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    content: Text<'a>,
    #[serde(borrow)]
    updates: List<Object<Update<'a>>>,
    #[serde(borrow)]
    comments: List<Object<Comment<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Update<'a> {
    #[serde(borrow)]
    replacement: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Comment<'a> {
    #[serde(borrow)]
    comment: Text<'a>,
}

/// Returns the texts that a call writes; `None` where the arguments are not understood.
pub(super) fn blocks(arguments: &str) -> Option<Vec<Block>> {
    let arguments: Arguments<'_> = serde_json::from_str(arguments).ok()?;
    let title = arguments.name.filled_ref().unwrap_or_default().to_owned();
    let block = |text: String| Block::new(BlockKind::Canvas, text).labelled(title.clone());
    let updates = arguments.updates.0.into_iter().filter_map(|update| update.0?.replacement.filled());
    let comments = arguments.comments.0.into_iter().filter_map(|comment| comment.0?.comment.filled());
    let texts = arguments.content.filled().into_iter().chain(updates).chain(comments);
    let blocks: Vec<Block> = texts.map(block).collect();
    (!blocks.is_empty()).then_some(blocks)
}
