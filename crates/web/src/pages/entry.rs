//! A conversation in a list.

use athenaeum_archive::ConversationSummary;
use athenaeum_core::Timestamp;

use crate::{
    choice::provider_title,
    html::{counted, shortened},
    when::{Clock, known},
};

/// One row of a list of conversations.
pub(crate) struct Entry {
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) untitled: bool,
    pub(crate) provider: String,
    pub(crate) colour: usize,
    pub(crate) model: Option<String>,
    pub(crate) messages: String,
    pub(crate) when: String,
    pub(crate) datetime: String,
}

impl Entry {
    pub(crate) fn new(summary: &ConversationSummary, clock: &Clock) -> Self {
        let (title, untitled) = title_of(summary);
        let time = began(summary);
        Self {
            href: format!("/conversations/{}", summary.id),
            title,
            untitled,
            provider: provider_title(summary.provider.as_str()),
            colour: colour_of(summary.provider.as_str()),
            model: summary.model.as_deref().map(|model| shortened(model, 40)),
            messages: messages_of(summary),
            when: time.map(|time| clock.day(time)).unwrap_or_default(),
            datetime: time.map(|time| time.to_string()).unwrap_or_default(),
        }
    }
}

/// Returns the title to show, and whether it is a stand-in for a missing one.
pub(crate) fn title_of(summary: &ConversationSummary) -> (String, bool) {
    match summary.title.as_deref().map(|title| shortened(title, 160)) {
        Some(title) if !title.is_empty() => (title, false),
        _ => ("Untitled conversation".to_owned(), true),
    }
}

/// Returns when the conversation began: as its source says, or by its id, which holds the time of its first message
/// where the source is silent. Lists are in this order.
pub(crate) fn began(summary: &ConversationSummary) -> Option<Timestamp> {
    let mut bytes = [0; 8];
    bytes[2..].copy_from_slice(&summary.id.as_bytes()[..6]);
    let by_id = Timestamp::from_micros(i64::from_be_bytes(bytes).saturating_mul(1_000));
    summary.created_at.or(Some(by_id)).and_then(known)
}

pub(crate) fn messages_of(summary: &ConversationSummary) -> String {
    counted(u64::from(summary.message_count), "message", "messages")
}

/// Colours that the style sheet has for providers.
const COLOURS: usize = 8;

/// Returns the number of a provider's colour: the same on every page.
pub(crate) fn colour_of(provider: &str) -> usize {
    let known = ["claude", "chatgpt", "gemini", "openwebui", "grok", "librechat", "deepseek", "claude-code"];
    known.iter().position(|name| *name == provider).unwrap_or_else(|| {
        provider.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % COLOURS
    })
}
