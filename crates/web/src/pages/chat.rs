//! The page to talk with models on: its frame, the turns of a conversation to go on with, and what the page asks the
//! server to show and to keep. The models themselves are asked by the browser, at the API.

use askama::Template;
use athenaeum_archive::{Conversation, Filters};
use athenaeum_core::{ConversationId, Role, Timestamp};
use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    response::Html,
};
use serde::Serialize;

use super::{
    Parameters, Room,
    entry::{Entry, title_of},
    message, parameter, render,
};
use crate::{
    Desk,
    branches::Branches,
    chat::{self, Said, Told, name_of},
    error::Error,
    guard,
    html::shortened,
    when::Clock,
};

/// Conversations that are offered to go on with.
const RECENT: usize = 6;

/// Answers `GET /chat`.
pub(crate) async fn begin(State(desk): State<Desk>) -> Result<Html<String>, Error> {
    let filters = Filters { providers: chat::provider().into_iter().collect(), ..Filters::default() };
    let recent = desk.archive.conversations(&athenaeum_tenancy::local(), &filters, None, RECENT).await?;
    let clock = Clock::now(desk.settings.time_zone.as_deref());
    let recent = recent.items.iter().map(|summary| {
        let entry = Entry::new(summary, &clock);
        Entry { href: format!("/chat/{}", summary.id), ..entry }
    });
    render(&ChatPage {
        room: Room::at("Chat", "chat"),
        turns: String::new(),
        title: "Chat".to_owned(),
        recent: recent.collect(),
    })
}

/// Answers `GET /chat/{id}`: the same with a conversation of the archive to go on with. Understands `branch`, the
/// position of a message that the way is to lead through.
pub(crate) async fn go_on(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Html<String>, Error> {
    let id: ConversationId = id.parse().map_err(|_| Error::NotFound)?;
    let conversation = desk.archive.head(&athenaeum_tenancy::local(), id).await?;
    let branch: Option<u32> = parameter(&parameters, "branch").parse().ok();
    let branch = branch.map(|branch| format!("?branch={branch}")).unwrap_or_default();
    let (title, _) = title_of(&conversation.summary);
    render(&ChatPage {
        room: Room::at(&title, "chat"),
        turns: format!("/chat/{id}/turns{branch}"),
        title,
        recent: Vec::new(),
    })
}

/// Answers `GET /chat/{id}/turns`: a conversation as the page holds it.
pub(crate) async fn turns(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Json<Turns>, Error> {
    let id: ConversationId = id.parse().map_err(|_| Error::NotFound)?;
    let conversation = desk.archive.conversation(&athenaeum_tenancy::local(), id).await?;
    Ok(Json(Turns::of(&conversation, parameter(&parameters, "branch").parse().ok())))
}

/// Answers `POST /chat/render`: what was said, as HTML.
pub(crate) async fn show(
    headers: HeaderMap,
    said: Result<Json<Said>, JsonRejection>,
) -> Result<Html<String>, Error> {
    guard::check_site(&headers)?;
    let Json(said) = said.map_err(|refused| unreadable(&refused))?;
    // As the Markdown of a book takes a while, elsewhere than where others are answered.
    let html = tokio::task::spawn_blocking(move || {
        said.message(Timestamp::now()).map(|message| message::body_of(&message))
    });
    Ok(Html(html.await.ok().flatten().ok_or(Error::NotFound)?))
}

/// Answers `POST /chat/keep`.
pub(crate) async fn keep(
    State(desk): State<Desk>,
    headers: HeaderMap,
    told: Result<Json<Told>, JsonRejection>,
) -> Result<Json<Kept>, Error> {
    guard::check_site(&headers)?;
    let Json(told) = told.map_err(|refused| unreadable(&refused))?;
    guard::check_form(&headers, &told.token)?;
    // To the end, also for a page that is closed meanwhile.
    let keeping = tokio::spawn(async move {
        let id = chat::keep(&desk, &athenaeum_tenancy::local(), told).await?;
        desk.statistics.forget();
        Ok::<_, Error>(id)
    });
    let id = keeping.await.map_err(|_| {
        Error::refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Keeping it hit a defect; the server's log has more.",
        )
    })??;
    Ok(Json(Kept { chat: format!("/chat/{id}"), conversation: format!("/conversations/{id}") }))
}

fn unreadable(refused: &JsonRejection) -> Error {
    let sentence = match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            "That is more text than a page may send; leave some of the files out."
        }
        _ => "What the page sent cannot be read; reload the page.",
    };
    Error::refused(refused.status(), sentence)
}

/// Where a conversation is kept.
#[derive(Serialize)]
pub(crate) struct Kept {
    chat: String,
    conversation: String,
}

/// A conversation as the page holds it.
#[derive(Serialize)]
pub(crate) struct Turns {
    /// What the page calls it; `None` where it was held elsewhere: what is said from here on is another conversation.
    conversation: Option<String>,
    /// Where it can be read.
    page: String,
    title: String,
    system: String,
    temperature: Option<f64>,
    max_tokens: Option<i64>,
    model: Option<String>,
    turns: Vec<TurnView>,
    /// Names of the turns that are shown.
    path: Vec<String>,
}

#[derive(Serialize)]
struct TurnView {
    id: String,
    parent: Option<String>,
    #[serde(flatten)]
    said: Said,
    html: String,
    /// In the way, but not shown: instructions, and what tools said.
    hidden: bool,
}

impl Turns {
    fn of(conversation: &Conversation, branch: Option<u32>) -> Self {
        let Conversation { summary, messages, .. } = conversation;
        let branches = Branches::of(messages);
        let names: Vec<String> = messages.iter().map(name_of).collect();
        let name = |position: u32| names.get(position as usize).cloned();
        let turns = (0_u32..).zip(messages).zip(&names).map(|((position, stored), id)| {
            let message = &stored.message;
            let hidden = message.hidden || !matches!(message.role, Role::User | Role::Assistant);
            TurnView {
                id: id.clone(),
                parent: branches.parent(position).and_then(name),
                said: Said::of(message),
                html: if hidden { String::new() } else { message::body_of(message) },
                hidden,
            }
        });
        let is_ours = chat::provider().is_some_and(|ours| ours == summary.provider);
        let instructions = messages.iter().map(|stored| &stored.message);
        let mut instructions =
            instructions.filter(|message| message.role == Role::System).map(athenaeum_core::Message::content);
        Self {
            conversation: is_ours.then(|| summary.external_id.clone()),
            page: format!("/conversations/{}", summary.id),
            title: title_of(summary).0,
            system: conversation.system_prompt.clone().or(instructions.next_back()).unwrap_or_default(),
            temperature: conversation.temperature,
            max_tokens: conversation.max_tokens,
            model: summary.model.as_deref().map(|model| shortened(model, 200)),
            turns: turns.collect(),
            path: branches.path(branch).into_iter().filter_map(name).collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "chat.html")]
struct ChatPage {
    room: Room,
    /// Where the turns come from; empty for a new conversation.
    turns: String,
    title: String,
    recent: Vec<Entry>,
}
