//! Conversations that are held on a page with models of this machine: what the page sends, and how the archive keeps
//! it.
//!
//! A page names the way through the conversation that it shows, from the first turn to the last, and tells what was
//! said in those turns that are not kept yet. What is kept stays, whatever the page shows: an answer that was given
//! anew, or a question that was asked otherwise, is another branch.

mod merge;
mod turn;

use merge::merge;
pub(crate) use turn::{Said, Told, name_of};

use athenaeum_archive::Conversation;
use athenaeum_core::{ConversationId, Provider};
use athenaeum_tenancy::Scope;
use tokio::sync::Mutex;

use crate::{Desk, error::Error};

/// What conversations with models of this machine are filed under.
pub(crate) fn provider() -> Option<Provider> {
    "athenaeum".parse().ok()
}

/// Lets pages write one after the other: each reads what is kept, and writes more.
#[derive(Debug, Default)]
pub(crate) struct Keeping(Mutex<()>);

/// Keeps what a page tells, and returns the conversation's id.
pub(crate) async fn keep(desk: &Desk, scope: &Scope, told: Told) -> Result<ConversationId, Error> {
    let provider = provider().ok_or(Error::NotFound)?;
    let _turn = desk.keeping.0.lock().await;
    let kept = desk.archive.find_by_source(scope, &provider, &told.conversation).await?;
    let kept: Option<Conversation> = match kept {
        Some(id) => Some(desk.archive.conversation(scope, id).await?),
        None => None,
    };
    let conversation = merge(provider, kept, told, athenaeum_core::Timestamp::now())?;
    let (id, _) = desk.archive.keep(scope, conversation).await?;
    Ok(id)
}
