use askama::Template;
use athenaeum_archive::{Conversation, StoredMessage};
use athenaeum_core::{BlockKind, ConversationId, Message, MessageId, Role};
use axum::{
    extract::{Path, State},
    response::{Html, Redirect},
};

use super::{
    Parameters, Room,
    entry::{colour_of, messages_of, title_of},
    marks_of,
    message::{self, Setting},
    parameter,
    parts::Parts,
    render,
};
use crate::{
    Desk,
    address::Address,
    branches::Branches,
    choice::provider_title,
    error::Error,
    html::{counted, shortened},
    markdown::{self, Style},
    when::Clock,
};

/// Text on one page of a conversation, in bytes: a browser lays it out in an instant.
const PART_BYTES: usize = 1 << 20;

/// Lines of the outline beside a conversation.
const OUTLINE_MAX: usize = 200;

/// Answers `GET /conversations/{id}`. Understands `branch` and `at` (a message's position: the way through it, and
/// the part of the page that it stands in), `page`, `q` (words to mark) and `hidden=1`.
pub(crate) async fn show(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Html<String>, Error> {
    let id: ConversationId = id.parse().map_err(|_| Error::NotFound)?;
    let conversation = desk.archive.conversation(&athenaeum_tenancy::local(), id).await?;
    desk.librarian.opened(&athenaeum_tenancy::local(), id);
    let asked = Asked::read(&parameters);
    let per_page = desk.settings.messages_per_page.max(1);
    let clock = Clock::now(desk.settings.time_zone.as_deref());
    render(&page(&conversation, &asked, per_page, &clock)?)
}

/// Answers `GET /messages/{id}`: the lasting address of a message.
pub(crate) async fn redirect_to_message(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Redirect, Error> {
    let id: MessageId = id.parse().map_err(|_| Error::NotFound)?;
    let (conversation, position) = desk.archive.locate(&athenaeum_tenancy::local(), id).await?;
    let address = Address::new(&format!("/conversations/{conversation}"))
        .with("q", parameter(&parameters, "q"))
        .with("at", &position.to_string());
    Ok(Redirect::to(&format!("{}#m{position}", address.finish())))
}

/// Answers `GET /messages/{id}/body`: a message alone, to be opened in place.
pub(crate) async fn body(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Html<String>, Error> {
    let id: MessageId = id.parse().map_err(|_| Error::NotFound)?;
    message::standalone(&desk, id, parameter(&parameters, "q")).await.map(Html)
}

/// What the address asks of the page.
#[derive(Debug, Default)]
struct Asked {
    branch: Option<u32>,
    at: Option<u32>,
    page: Option<usize>,
    q: String,
    hidden: bool,
}

impl Asked {
    fn read(parameters: &[(String, String)]) -> Self {
        let at = parameter(parameters, "at").parse().ok();
        Self {
            branch: parameter(parameters, "branch").parse().ok().or(at),
            at: at.or_else(|| parameter(parameters, "branch").parse().ok()),
            page: parameter(parameters, "page").parse().ok(),
            q: parameter(parameters, "q").chars().take(1_000).collect(),
            hidden: parameter(parameters, "hidden") == "1",
        }
    }
}

#[derive(Template)]
#[template(path = "conversation.html")]
struct ConversationPage {
    room: Room,
    id: String,
    title: String,
    untitled: bool,
    provider: String,
    colour: usize,
    models: Vec<String>,
    when: String,
    count: String,
    /// Where the reader came from, and what that is called.
    back: (String, &'static str),
    hidden: Option<HiddenLink>,
    /// The chat page, with this branch.
    go_on: String,
    facts: Vec<(&'static str, String)>,
    facts_peek: String,
    /// HTML.
    system_prompt: Option<String>,
    notice: Option<&'static str>,
    pages: Vec<Part>,
    /// HTML.
    messages: String,
    outline: Vec<Line>,
}

struct HiddenLink {
    href: String,
    told: String,
}

/// A part of a conversation too long for one page.
struct Part {
    label: String,
    href: String,
    here: bool,
}

struct Line {
    href: String,
    text: String,
}

fn page(
    conversation: &Conversation,
    asked: &Asked,
    per_page: usize,
    clock: &Clock,
) -> Result<ConversationPage, Error> {
    let Conversation { summary, messages, .. } = conversation;
    let branches = Branches::of(messages);
    let path = branches.path(asked.branch);
    let hidden_count = path.iter().filter(|position| messages[**position as usize].message.hidden).count();
    // A hidden message that was asked for by its address is shown with the others.
    let show_hidden = asked.hidden
        || asked.at.is_some_and(|at| messages.get(at as usize).is_some_and(|one| one.message.hidden));
    let shown: Vec<u32> = path
        .into_iter()
        .filter(|position| show_hidden || !messages[*position as usize].message.hidden)
        .collect();
    let sizes = shown.iter().map(|position| size_of(&messages[*position as usize]));
    let parts = Parts::of(sizes, per_page, PART_BYTES);
    let page_of =
        |position: u32| shown.iter().position(|other| *other == position).map(|index| parts.holding(index));
    let page = match asked.page {
        Some(page) => page.saturating_sub(1).min(parts.count() - 1),
        None => asked.at.and_then(page_of).unwrap_or(0),
    };
    let here = format!("/conversations/{}", summary.id);
    let off_branch =
        asked.branch.filter(|at| messages.get(*at as usize).is_some_and(|one| one.message.off_branch));
    let address = |page: usize| {
        Address::new(&here)
            .with("branch", &off_branch.map(|branch| branch.to_string()).unwrap_or_default())
            .with("page", &(page + 1).to_string())
            .with("q", &asked.q)
            .with("hidden", if show_hidden { "1" } else { "" })
            .finish()
    };
    let marks = marks_of(&asked.q);
    let setting = Setting {
        here: &here,
        provider: summary.provider.title(),
        model: summary.model.as_deref(),
        marks: &marks,
        clock,
    };
    let on_page = &shown[parts.range(page)];
    let mut html = String::new();
    let mut day = String::new();
    for position in on_page {
        if let Some(time) = messages[*position as usize].message.created_at {
            let this_day = clock.whole_day(time);
            if this_day != day {
                html.push_str(&format!("<p class=\"day-break\">{this_day}</p>\n"));
                day = this_day;
            }
        }
        message::render_into(
            &mut html,
            &messages[*position as usize],
            *position,
            branches.fork(*position),
            &setting,
        )?;
    }
    let (title, untitled) = title_of(summary);
    let facts = facts(conversation, clock);
    Ok(ConversationPage {
        room: Room::at(&title, "conversations"),
        id: summary.id.to_string(),
        title,
        untitled,
        provider: provider_title(summary.provider.as_str()),
        colour: colour_of(summary.provider.as_str()),
        models: models(conversation),
        when: summary.created_at.map(|time| clock.minute(time)).unwrap_or_default(),
        count: messages_of(summary),
        back: match asked.q.as_str() {
            "" => ("/conversations".into(), "All conversations"),
            q => (Address::new("/search").with("q", q).finish(), "Back to the results"),
        },
        go_on: Address::new(&format!("/chat/{}", summary.id))
            .with("branch", &off_branch.map(|branch| branch.to_string()).unwrap_or_default())
            .finish(),
        hidden: hidden_link(hidden_count, show_hidden, &here, &asked.q),
        facts_peek: facts
            .iter()
            .map(|(name, value)| format!("{name} {}", shortened(value, 24)))
            .collect::<Vec<_>>()
            .join(" · "),
        facts,
        system_prompt: conversation.system_prompt.as_deref().filter(|prompt| !prompt.is_empty()).map(
            |prompt| {
                let mut out = String::new();
                markdown::render_into(&mut out, prompt, Style { marks: &marks, hard_breaks: true });
                out
            },
        ),
        notice: off_branch.map(|_| "This is another branch than the one the conversation ended with."),
        pages: links(&parts, page, address),
        messages: html,
        outline: outline(messages, &shown, page, &parts, address),
    })
}

/// Returns how much a message puts on the page, roughly, in bytes.
fn size_of(stored: &StoredMessage) -> usize {
    let Message { blocks, tool_calls, .. } = &stored.message;
    let blocks = blocks.iter().map(|block| block.text.len());
    blocks.chain(tool_calls.iter().map(|call| call.arguments.len())).fold(0, usize::saturating_add)
}

fn links(parts: &Parts, page: usize, address: impl Fn(usize) -> String) -> Vec<Part> {
    let pages = parts.count();
    let link = |index: usize| {
        let range = parts.range(index);
        let label = if range.len() == 1 {
            range.end.to_string()
        } else {
            format!("{}–{}", range.start + 1, range.end)
        };
        Part { label, href: address(index), here: index == page }
    };
    // First, last and those around this one; the others would be a wall of numbers.
    let near = |index: &usize| pages <= 12 || *index == 0 || *index == pages - 1 || index.abs_diff(page) <= 3;
    (0..pages).filter(near).map(link).collect()
}

/// Lists what the person asked, as a table of contents; none for a conversation that is seen at a glance.
fn outline(
    messages: &[StoredMessage],
    shown: &[u32],
    page: usize,
    parts: &Parts,
    address: impl Fn(usize) -> String,
) -> Vec<Line> {
    let line = |(index, position): (usize, &u32)| {
        let message = &messages[*position as usize].message;
        if message.role != Role::User || message.hidden {
            return None;
        }
        let block = message
            .blocks
            .iter()
            .find(|block| matches!(block.kind, BlockKind::Text | BlockKind::Transcript))?;
        let text = shortened(block.text.get(..block.text.floor_char_boundary(800)).unwrap_or_default(), 90);
        let anchor = format!("#m{position}");
        let part = parts.holding(index);
        let href = if part == page { anchor } else { address(part) + &anchor };
        (!text.is_empty()).then_some(Line { href, text })
    };
    let lines: Vec<Line> = shown.iter().enumerate().filter_map(line).take(OUTLINE_MAX).collect();
    if lines.len() < 3 { Vec::new() } else { lines }
}

fn hidden_link(count: usize, shown: bool, here: &str, q: &str) -> Option<HiddenLink> {
    if count == 0 {
        return None;
    }
    let messages = counted(count as u64, "hidden message", "hidden messages");
    let (told, hidden) =
        if shown { (format!("Leave out {messages}"), "") } else { (format!("Show {messages}"), "1") };
    Some(HiddenLink { href: Address::new(here).with("q", q).with("hidden", hidden).finish(), told })
}

/// Returns the conversation's model and those of its messages, in order of appearance.
fn models(conversation: &Conversation) -> Vec<String> {
    let mut models: Vec<String> = Vec::new();
    let of_messages = conversation.messages.iter().filter_map(|stored| stored.message.model.as_ref());
    for model in conversation.summary.model.iter().chain(of_messages) {
        if models.len() < 5 && !models.contains(model) {
            models.push(model.clone());
        }
    }
    models.iter().map(|model| shortened(model, 40)).collect()
}

fn facts(conversation: &Conversation, clock: &Clock) -> Vec<(&'static str, String)> {
    let summary = &conversation.summary;
    let text = |value: &Option<String>| value.as_deref().map(|value| shortened(value, 200));
    let all = [
        ("Temperature", conversation.temperature.map(|temperature| temperature.to_string())),
        ("Most tokens", conversation.max_tokens.map(|tokens| tokens.to_string())),
        ("User", text(&summary.user_id)),
        ("Last changed", summary.updated_at.map(|time| clock.minute(time))),
        ("Id at the provider", Some(shortened(&summary.external_id, 200))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
