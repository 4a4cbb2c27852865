use std::{ops::ControlFlow, path::Path, sync::Arc};

use athenaeum_core::Conversation;
use athenaeum_ingest::{Error, Item, Options, Stop, Summary};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A source being read on a thread of its own, a bounded number of items and bytes ahead of whoever takes them.
///
/// Parsers push and block; the archive awaits. This is where the two meet. When the taker is slower, the parser
/// waits, so that memory does not grow with the source.
pub(crate) struct Reader {
    items: mpsc::Receiver<Queued>,
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
        let (sender, items) = mpsc::channel(ITEMS_AHEAD_MAX);
        let path = path.to_owned();
        let runtime = Handle::current();
        let budget = Arc::new(Semaphore::new(AHEAD_KIB_MAX));
        let thread = tokio::task::spawn_blocking(move || {
            athenaeum_ingest::read(&path, &options, &mut |item| {
                let room = Arc::clone(&budget).acquire_many_owned(weight_kib(&item));
                let waited = runtime.block_on(async {
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => None,
                        room = room => room.ok(),
                    }
                });
                let Some(room) = waited else { return ControlFlow::Break(()) };
                match sender.blocking_send(Queued { item, _room: room }) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            })
        });
        Self { items, thread, stop: guard }
    }

    /// Waits for the next item; `None` when the source is at its end or could not be read further.
    pub(crate) async fn next(&mut self) -> Option<Item> {
        self.items.recv().await.map(|queued| queued.item)
    }

    /// Ends the reading, wherever it stands, and tells how it went. `None` if the parser panicked.
    pub(crate) async fn finish(self) -> Option<Result<Summary, Error>> {
        drop((self.items, self.stop));
        self.thread.await.ok()
    }
}

/// Items between parser and archive: enough that neither waits for the other's every step.
const ITEMS_AHEAD_MAX: usize = 256;

/// Memory between parser and archive: 16 MiB.
const AHEAD_KIB_MAX: usize = 16 * 1024;

struct Queued {
    item: Item,
    /// Gives its share of the budget back when the item is taken.
    _room: OwnedSemaphorePermit,
}

/// Returns about how much memory an item holds. One larger than the whole budget counts as the whole budget:
/// it waits until it is alone.
fn weight_kib(item: &Item) -> u32 {
    let bytes = match item {
        Item::Conversation { conversation, .. } => conversation_bytes(conversation),
        _ => 256,
    };
    (bytes / 1024 + 1).min(AHEAD_KIB_MAX) as u32
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
