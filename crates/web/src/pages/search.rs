use std::{collections::HashMap, time::Duration};

use askama::Template;
use athenaeum_archive::{Cursor, Facets, Hit, SearchResults, Total, library};
use athenaeum_core::{ConversationId, DocumentId, MessageId};
use athenaeum_retrieval::search::{self as retrieval, Found, Mode, Request, Why, Within};
use axum::{extract::State, response::Html};

use super::{
    Parameters, Room,
    entry::{began, colour_of, messages_of, title_of},
    facets::{self, Group},
    file_name, message, parameter, render,
};
use crate::{
    Desk,
    address::{self, Address},
    choice::{Chip, Choice, Kind, label, provider_title},
    error::Error,
    html::{counted, escape, grouped, shortened},
    marks::write_marked,
    when::{Clock, known},
};

const PATH: &str = "/search";
/// Hits on a page.
const HITS: usize = 20;

/// Answers `GET /search`.
pub(crate) async fn show(State(desk): State<Desk>, parameters: Parameters) -> Result<Html<String>, Error> {
    let choice = Choice::read(&parameters);
    let results = results(&desk, &choice, parameter(&parameters, "open")).await?.render()?;
    let title = if choice.q.is_empty() {
        "Search".to_owned()
    } else {
        format!("{} · Search", shortened(&choice.q, 60))
    };
    let autofocus = choice.is_empty();
    render(&SearchPage { room: Room::at(&title, "").without_search(), choice, autofocus, results })
}

/// Answers `GET /search/results`: what stands below the search box, for the script that asks while one types.
pub(crate) async fn fragment(
    State(desk): State<Desk>,
    parameters: Parameters,
) -> Result<Html<String>, Error> {
    render(&results(&desk, &Choice::read(&parameters), "").await?)
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    room: Room,
    choice: Choice,
    autofocus: bool,
    results: String,
}

#[derive(Template)]
#[template(path = "parts/results.html")]
struct Results {
    asked: bool,
    filtered: bool,
    path: &'static str,
    notices: Vec<String>,
    chips: Vec<Chip>,
    groups: Vec<Group>,
    /// HTML of the line above the hits.
    told: String,
    by_relevance: String,
    by_date: String,
    hits: Vec<HitGroup>,
    first: String,
    next: Option<String>,
    choice: Choice,
}

/// Hits of one conversation.
struct HitGroup {
    href: String,
    /// HTML.
    title: String,
    provider: String,
    colour: usize,
    when: String,
    messages: String,
    hits: Vec<HitView>,
}

struct HitView {
    number: String,
    href: String,
    /// HTML.
    passage: String,
    speaker: String,
    when: String,
    /// Why it is there, where several lists were asked.
    why: String,
    off_branch: bool,
    open: Option<Open>,
    /// HTML of the whole message, where it was asked for.
    opened: Option<String>,
}

/// Where the whole message of a hit is to be had.
struct Open {
    /// The same page with the message opened or folded.
    page: String,
    /// The message alone.
    fragment: String,
}

async fn results(desk: &Desk, choice: &Choice, open: &str) -> Result<Results, Error> {
    let clock = Clock::now(desk.settings.time_zone.as_deref());
    let scope = athenaeum_tenancy::local();
    if let Some(results) = everything(desk, choice, open, &clock).await? {
        return Ok(results);
    }
    let (found, facets) = if choice.is_empty() {
        (None, Facets::default())
    } else {
        let request = choice.request(&clock, HITS);
        let found = desk.archive.search(&scope, &request).await?;
        (Some(found), desk.archive.facets(&scope, &request).await?)
    };
    let opened = match open.parse::<MessageId>() {
        Ok(id) => Some((id, message::standalone(desk, id, &choice.q).await?)),
        Err(_) => None,
    };
    let mut groups = Vec::new();
    if found.is_some() && (!choice.within.is_empty() || has_more(desk).await?) {
        groups = places(choice);
    }
    groups.extend(facets::of_messages(choice, &facets, PATH));
    let hits = found.as_ref().map(|found| group(&found.hits, choice, opened.as_ref(), &clock));
    Ok(Results {
        asked: found.is_some(),
        filtered: choice.is_filtered(),
        path: PATH,
        notices: found.iter().flat_map(|found| &found.notices).map(|notice| notice.0.clone()).collect(),
        chips: choice.chips(PATH),
        groups,
        told: found.as_ref().map(told).unwrap_or_default(),
        by_relevance: choice.sorted(false).href(PATH),
        by_date: choice.sorted(true).href(PATH),
        hits: hits.unwrap_or_default(),
        first: Choice { cursor: None, ..choice.clone() }.href(PATH),
        next: found.and_then(|found| found.next).map(|cursor| choice.continued(&cursor).href(PATH)),
        choice: choice.clone(),
    })
}

/// Searches documents, too, where there are any and nothing stands in the way: an order or a filter that only messages know.
/// `None` where only messages are to be searched.
async fn everything(
    desk: &Desk,
    choice: &Choice,
    open: &str,
    clock: &Clock,
) -> Result<Option<Results>, Error> {
    if choice.q.is_empty() || choice.recent || choice.is_of_messages() {
        return Ok(None);
    }
    let scope = athenaeum_tenancy::local();
    let only_documents = choice.within == "library";
    if !only_documents && !has_more(desk).await? {
        return Ok(None);
    }
    // Without a model there is no need to say at every search that there is none.
    let mode = if desk.librarian.meaning().await.is_some() { Mode::Hybrid } else { Mode::Text };
    let offset = choice.cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let request = Request {
        query: choice.q.clone(),
        within: if only_documents { Within::Library } else { Within::All },
        mode,
        filters: choice.filters(clock),
        limit: HITS,
        offset,
        ..Request::default()
    };
    let found = desk.librarian.search(&desk.archive, &scope, &request).await?;
    let facets = match only_documents {
        true => Facets::default(),
        false => {
            desk.archive
                .facets(&scope, &Choice { cursor: None, ..choice.clone() }.request(clock, HITS))
                .await?
        }
    };
    let opened = match open.parse::<MessageId>() {
        Ok(id) => Some((id, message::standalone(desk, id, &choice.q).await?)),
        Err(_) => None,
    };
    let next = found.more.then(|| Cursor((offset + HITS).to_string()));
    let mut groups = places(choice);
    groups.extend(facets::of_messages(choice, &facets, PATH));
    Ok(Some(Results {
        asked: true,
        filtered: choice.is_filtered(),
        path: PATH,
        notices: found.notices.iter().map(|notice| notice.0.clone()).collect(),
        chips: choice.chips(PATH),
        groups,
        told: told_of_all(&found, offset),
        by_relevance: choice.sorted(false).href(PATH),
        by_date: choice.sorted(true).href(PATH),
        hits: group_all(&found.hits, choice, opened.as_ref(), clock),
        first: Choice { cursor: None, ..choice.clone() }.href(PATH),
        next: next.map(|cursor| choice.continued(&cursor).href(PATH)),
        choice: choice.clone(),
    }))
}

/// Tells whether there is more to look through than the words of conversations.
async fn has_more(desk: &Desk) -> Result<bool, Error> {
    let scope = athenaeum_tenancy::local();
    let library = desk.librarian.library().await?;
    let messages = desk.librarian.watch(&scope).borrow().embedding.messages;
    Ok(library.chunk_count(&scope).await? > 0 || messages.is_some_and(|messages| messages.embedded > 0))
}

/// The filter that says where to look.
fn places(choice: &Choice) -> Vec<Group> {
    let facets = [("", "Everything"), ("chats", "Conversations"), ("library", "Documents")];
    let facets = facets.map(|(place, label)| facets::Facet {
        label: label.to_owned(),
        count: String::new(),
        chosen: choice.within == place,
        href: choice.within(place).href(PATH),
    });
    vec![Group { title: "Where", facets: facets.into() }]
}

fn told_of_all(found: &retrieval::Results, offset: usize) -> String {
    let more = if found.more { "More than " } else { "" };
    let count = counted((offset + found.hits.len()) as u64, "passage", "passages");
    format!("{more}<strong>{count}</strong> in {}", duration(found.elapsed))
}

/// Puts hits of one conversation or document together, where the best of them stands.
fn group_all(
    hits: &[retrieval::Hit],
    choice: &Choice,
    opened: Option<&(MessageId, String)>,
    clock: &Clock,
) -> Vec<HitGroup> {
    let mut groups: Vec<HitGroup> = Vec::new();
    let mut chats: HashMap<ConversationId, usize> = HashMap::new();
    let mut documents: HashMap<DocumentId, usize> = HashMap::new();
    for hit in hits {
        match &hit.found {
            Found::Message(message) => {
                let mut one = group(std::slice::from_ref(&**message), choice, opened, clock);
                let at = *chats.entry(message.conversation.id).or_insert(groups.len());
                let Some(mut new) = one.pop() else { continue };
                new.hits.iter_mut().for_each(|view| view.why = why(&hit.why));
                match groups.get_mut(at) {
                    Some(group) => group.hits.append(&mut new.hits),
                    None => groups.push(new),
                }
            }
            Found::Chunk(chunk) => {
                let at = *documents.entry(chunk.chunk.document.id).or_insert(groups.len());
                if at == groups.len() {
                    groups.push(group_of_document(chunk, choice, clock));
                }
                groups[at].hits.push(view_of_chunk(chunk, &hit.why, choice));
            }
        }
    }
    groups
}

fn group_of_document(hit: &library::Hit, choice: &Choice, clock: &Clock) -> HitGroup {
    let document = &hit.chunk.document;
    let name = document.path.as_deref().map_or("Document", file_name);
    let title =
        document.title.as_deref().map(|title| shortened(title, 160)).filter(|title| !title.is_empty());
    let time = document.modified_at.unwrap_or(document.added_at);
    HitGroup {
        href: Address::new(&format!("/library/{}", document.id)).with("q", &choice.q).finish(),
        title: escape(&title.unwrap_or_else(|| shortened(name, 160))),
        provider: document.format.clone(),
        colour: colour_of(&document.format),
        when: clock.day(time),
        messages: shortened(name, 80),
        hits: Vec::new(),
    }
}

fn view_of_chunk(hit: &library::Hit, reason: &Why, choice: &Choice) -> HitView {
    let chunk = &hit.chunk;
    let mut passage = String::new();
    write_marked(&mut passage, &hit.snippet.text, &hit.snippet.marks);
    let place = [chunk.heading.as_deref(), chunk.place.as_deref()];
    let place: Vec<String> = place.into_iter().flatten().map(|part| shortened(part, 80)).collect();
    HitView {
        number: chunk.id.to_string(),
        href: address::passage(chunk.document.id, &chunk.range, &choice.q),
        passage,
        speaker: if place.is_empty() { "passage".to_owned() } else { place.join(", ") },
        when: String::new(),
        why: why(reason),
        off_branch: false,
        open: None,
        opened: None,
    }
}

/// Tells why something was found: its place in each list.
fn why(why: &Why) -> String {
    let told =
        [(why.text, "by its words"), (why.meaning, "by its meaning"), (why.rerank, "as a model reads it")];
    let told: Vec<String> = told
        .into_iter()
        .filter_map(|(rank, how)| rank.map(|rank| format!("no. {} {how}", rank.rank)))
        .collect();
    told.join(", ")
}

/// Tells how much was found and how long it took.
fn told(found: &SearchResults) -> String {
    let count = match found.total {
        Total::Exactly(count) => format!("<strong>{}</strong>", counted(count, "message", "messages")),
        Total::AtLeast(count) => format!("More than <strong>{} messages</strong>", grouped(count)),
    };
    format!("{count} in {}", duration(found.elapsed))
}

fn duration(elapsed: Duration) -> String {
    let micros = elapsed.as_micros();
    if micros < 1_000 {
        "less than a millisecond".to_owned()
    } else if micros < 10_000 {
        format!("{:.1} ms", micros as f64 / 1e3)
    } else {
        format!("{} ms", micros / 1_000)
    }
}

/// Puts the hits of a conversation together, where the best of them stands.
fn group(
    hits: &[Hit],
    choice: &Choice,
    opened: Option<&(MessageId, String)>,
    clock: &Clock,
) -> Vec<HitGroup> {
    let mut groups: Vec<HitGroup> = Vec::new();
    let mut places: HashMap<ConversationId, usize> = HashMap::new();
    for hit in hits {
        let summary = &hit.conversation;
        let at = *places.entry(summary.id).or_insert_with(|| {
            groups.push(HitGroup {
                href: Address::new(&format!("/conversations/{}", summary.id)).with("q", &choice.q).finish(),
                title: title_html(hit),
                provider: provider_title(summary.provider.as_str()),
                colour: colour_of(summary.provider.as_str()),
                when: began(summary).map(|time| clock.day(time)).unwrap_or_default(),
                messages: messages_of(summary),
                hits: Vec::new(),
            });
            groups.len() - 1
        });
        groups[at].hits.extend(view(hit, choice, opened, clock));
    }
    groups
}

fn title_html(hit: &Hit) -> String {
    let (title, untitled) = title_of(&hit.conversation);
    let whole = hit.conversation.title.as_deref() == Some(title.as_str());
    if untitled {
        return format!("<span class=\"untitled\">{}</span>", escape(&title));
    }
    let mut out = String::new();
    // The marks are places in the title as stored, which a long one is no more after it was cut.
    write_marked(&mut out, &title, if whole { &hit.title_marks } else { &[] });
    out
}

/// Makes the view of a hit; `None` where only the title matches, which the group shows already.
fn view(hit: &Hit, choice: &Choice, opened: Option<&(MessageId, String)>, clock: &Clock) -> Option<HitView> {
    let id = hit.message?;
    let mut passage = String::new();
    write_marked(&mut passage, &hit.snippet.text, &hit.snippet.marks);
    let model = hit.model.as_deref().map(|model| shortened(model, 40));
    let opened = opened.filter(|(other, _)| *other == id).map(|(_, html)| html.clone());
    let page = if opened.is_some() {
        choice.href(PATH)
    } else {
        let page = choice.href(PATH);
        let joint = if page.contains('?') { '&' } else { '?' };
        format!("{page}{joint}open={id}#hit-{id}")
    };
    Some(HitView {
        number: id.to_string(),
        href: Address::new(&format!("/conversations/{}", hit.conversation.id))
            .with("q", &choice.q)
            .with("at", &hit.position.to_string())
            .finish()
            + &format!("#m{}", hit.position),
        passage,
        speaker: model.unwrap_or_else(|| label(Kind::Role, hit.role.as_str())),
        when: hit.created_at.and_then(known).map(|time| clock.minute(time)).unwrap_or_default(),
        why: String::new(),
        off_branch: hit.off_branch,
        open: Some(Open {
            page,
            fragment: Address::new(&format!("/messages/{id}/body")).with("q", &choice.q).finish(),
        }),
        opened,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use athenaeum_archive::{ConversationSummary, Snippet};
    use athenaeum_core::{Provider, Role, Timestamp};

    use super::*;

    fn hit(conversation: i64, message: Option<i64>, score: f64) -> Hit {
        Hit {
            conversation: Arc::new(ConversationSummary {
                id: ConversationId::from_bytes([conversation as u8; 16]),
                provider: Provider::CLAUDE,
                external_id: "x".into(),
                title: Some(format!("Title <{conversation}>")),
                model: None,
                created_at: Some(Timestamp::from_micros(0)),
                updated_at: None,
                user_id: None,
                message_count: 3,
            }),
            title_marks: std::iter::once(0..5).collect(),
            message: message.map(MessageId),
            position: 7,
            role: Role::User,
            model: None,
            created_at: None,
            score,
            snippet: Snippet { text: "a <b> c".into(), marks: std::iter::once(2..5).collect() },
            off_branch: false,
        }
    }

    #[test]
    fn hits_stand_under_their_conversation_in_the_order_of_the_best() {
        let choice = Choice::read(&[("q".into(), "b".into())]);
        let hits = [hit(1, Some(10), 3.0), hit(2, None, 2.0), hit(1, Some(11), 1.0)];
        let groups = group(&hits, &choice, None, &Clock::now(Some("UTC")));
        let shape: Vec<_> = groups.iter().map(|group| (group.title.as_str(), group.hits.len())).collect();
        assert_eq!(shape, [("<mark>Title</mark> &lt;1&gt;", 2), ("<mark>Title</mark> &lt;2&gt;", 0)]);
        let first = &groups[0].hits[0];
        assert_eq!(first.passage, "a <mark>&lt;b&gt;</mark> c");
        assert_eq!(first.href, "/conversations/01010101-0101-0101-0101-010101010101?q=b&at=7#m7");
        assert_eq!(first.open.as_ref().unwrap().page, "/search?q=b&open=10#hit-10");
    }

    #[test]
    fn the_line_above_tells_count_and_time() {
        let check = |total, micros, expected: &str| {
            let found = SearchResults {
                hits: Vec::new(),
                total,
                notices: Vec::new(),
                next: None,
                elapsed: Duration::from_micros(micros),
            };
            assert_eq!(told(&found), expected);
        };
        check(Total::Exactly(1), 12, "<strong>1 message</strong> in less than a millisecond");
        check(Total::Exactly(2_345), 1_260, "<strong>2,345 messages</strong> in 1.3 ms");
        check(Total::AtLeast(10_000), 25_000, "More than <strong>10,000 messages</strong> in 25 ms");
    }
}
