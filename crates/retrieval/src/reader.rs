use std::{ops::ControlFlow, path::Path};

use athenaeum_core::Conversation;
use athenaeum_ingest::{Error, Item, Options, Stop, Summary};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::queue::{Taker, queue};

/// A source being read on a thread of its own, a bounded number of bytes ahead of whoever takes its items.
pub(crate) struct Reader {
    items: Taker<Item>,
    thread: JoinHandle<Result<Summary, Error>>,
    /// Whoever lets go of the reader ends the reading, and with it an external parser.
    stop: DropGuard,
}

impl Reader {
    /// Begins to read. `cancel` ends it at the next item, and an external parser at once.
    pub(crate) fn start(path: &Path, mut options: Options, cancel: &CancellationToken) -> Self {
        let stop = cancel.child_token();
        let asked = stop.clone();
        options.stop = Stop::when(move || asked.is_cancelled());
        let guard = stop.clone().drop_guard();
        let (pusher, items) = queue(AHEAD_BYTES_MAX);
        let path = path.to_owned();
        let thread = tokio::task::spawn_blocking(move || {
            athenaeum_ingest::read(&path, &options, &mut |item| {
                let weight = weight(&item);
                match pusher.push(item, weight, || stop.is_cancelled()) {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            })
        });
        Self { items, thread, stop: guard }
    }

    /// Waits for the next item; `None` when the source is at its end or could not be read further.
    pub(crate) async fn next(&mut self) -> Option<Item> {
        self.items.next().await
    }

    /// Ends the reading, wherever it stands, and tells how it went. `None` if the parser panicked.
    pub(crate) async fn finish(self) -> Option<Result<Summary, Error>> {
        drop((self.items, self.stop));
        self.thread.await.ok()
    }
}

/// Memory between parser and archive.
const AHEAD_BYTES_MAX: usize = 8 << 20;

/// Returns about how much memory an item holds.
fn weight(item: &Item) -> usize {
    match item {
        Item::Conversation { conversation, .. } => conversation_bytes(conversation),
        _ => 256,
    }
}

fn conversation_bytes(conversation: &Conversation) -> usize {
    let messages: usize = conversation
        .messages
        .iter()
        .map(|message| {
            let calls: usize = message.tool_calls.iter().map(|call| call.arguments.len()).sum();
            let texts: usize = message.blocks.iter().map(|block| block.text.len() + 64).sum();
            texts + calls + 256
        })
        .sum();
    conversation.raw_json.len() + messages + 512
}
