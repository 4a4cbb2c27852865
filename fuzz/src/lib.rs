//! What must hold whatever a reader of exports is given.

use std::ops::ControlFlow;

use athenaeum_core::Provider;
use athenaeum_ingest::{Item, Options, read_bytes};

/// Reads `bytes` as `provider`'s, or as whatever they look like.
pub fn read(provider: Option<Provider>, bytes: &[u8]) {
    let options = Options { provider, record_bytes_max: 1 << 20, ..Options::default() };
    let mut reported = 0;
    let summary = read_bytes("input.json", bytes, &options, &mut |item| {
        match item {
            Item::Conversation { conversation, .. } => {
                assert!(!conversation.messages.is_empty() && !conversation.external_id.is_empty());
                for (index, message) in conversation.messages.iter().enumerate() {
                    assert!(message.parent.is_none_or(|parent| (parent as usize) < index));
                }
            }
            Item::Problem(_) => reported += 1,
            Item::Progress { .. } => {}
        }
        ControlFlow::Continue(())
    });
    assert!(summary.conversations + reported > 0, "nothing found and nothing said");
}
