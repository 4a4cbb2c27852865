use askama::Template;
use athenaeum_retrieval::{
    search::{Coverage, Within},
    topics::{Example, Origin, Request, Topic},
};
use axum::{extract::State, response::Html};

use super::{
    Parameters, Room,
    entry::{colour_of, title_of},
    file_name, parameter, render,
};
use crate::{
    Desk,
    address::{self, Address},
    choice::provider_title,
    error::Error,
    html::{counted, grouped, shortened},
};

const PATH: &str = "/topics";

/// Characters shown of an example: three lines.
const EXAMPLE_CHARS: usize = 300;

/// Where to look: what the address calls it, and what people do.
const PLACES: [(&str, &str, Within); 3] = [
    ("", "Everything", Within::All),
    ("chats", "Conversations", Within::Chats),
    ("library", "Documents", Within::Library),
];

/// Answers `GET /topics`.
pub(crate) async fn show(State(desk): State<Desk>, parameters: Parameters) -> Result<Html<String>, Error> {
    let asked = parameter(&parameters, "in");
    let (_, _, within) = PLACES.into_iter().find(|(name, ..)| *name == asked).unwrap_or(PLACES[0]);
    let request = Request { within, count: None };
    let scope = athenaeum_tenancy::local();
    let found = desk.librarian.topics(&desk.archive, &scope, &request).await?;
    render(&TopicsPage {
        room: Room::at("Topics", "topics"),
        places: PLACES.map(|(name, label, place)| Place {
            label,
            href: Address::new(PATH).with("in", name).finish(),
            chosen: place == within,
        }),
        notices: found.notices.into_iter().map(|notice| notice.0).collect(),
        told: told(found.topics.len(), found.passages, found.coverage),
        topics: found.topics.iter().map(view).collect(),
    })
}

#[derive(Template)]
#[template(path = "topics.html")]
struct TopicsPage {
    room: Room,
    places: [Place; 3],
    notices: Vec<String>,
    told: String,
    topics: Vec<TopicView>,
}

struct Place {
    label: &'static str,
    href: String,
    chosen: bool,
}

struct TopicView {
    label: String,
    /// A search for what it is called.
    href: String,
    /// How much is of it.
    counts: String,
    /// What the label leaves out.
    words: String,
    examples: Vec<ExampleView>,
}

struct ExampleView {
    href: String,
    passage: String,
    title: String,
    /// Whose conversation it is of, or what kind of document.
    source: String,
    colour: usize,
}

/// Tells how much there is, and how much of it was looked at.
fn told(topics: usize, passages: u64, coverage: Option<Coverage>) -> String {
    let mut told = format!(
        "{} of {}",
        counted(topics as u64, "topic", "topics"),
        counted(passages, "passage", "passages")
    );
    if let Some(Coverage { embedded, total }) = coverage.filter(|coverage| coverage.embedded < coverage.total)
    {
        told += &format!("; {} of {} can be looked at so far", grouped(embedded), grouped(total));
    }
    told
}

fn view(topic: &Topic) -> TopicView {
    let counts = [
        (topic.passages, "passage", "passages"),
        (topic.conversations, "conversation", "conversations"),
        (topic.documents, "document", "documents"),
    ];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, one, many)| counted(count, one, many)).collect();
    let beyond_label = topic.words.iter().filter(|word| !topic.label.contains(word.as_str()));
    TopicView {
        label: shortened(&topic.label, 160),
        href: Address::new("/search").with("q", &topic.words.join(" ")).finish(),
        counts: counts.join(" · "),
        words: beyond_label.map(String::as_str).collect::<Vec<_>>().join(", "),
        examples: topic.examples.iter().map(example).collect(),
    }
}

fn example(Example { origin, text, .. }: &Example) -> ExampleView {
    let passage = shortened(text, EXAMPLE_CHARS);
    match origin {
        Origin::Message { conversation, id, .. } => {
            let provider = conversation.provider.as_str();
            ExampleView {
                href: format!("/messages/{id}"),
                passage,
                title: title_of(conversation).0,
                source: provider_title(provider),
                colour: colour_of(provider),
            }
        }
        Origin::Document { document, range, place, .. } => {
            let name = document.path.as_deref().map_or("Document", file_name);
            let title = document.title.as_deref().filter(|title| !title.trim().is_empty()).unwrap_or(name);
            let source =
                place.iter().fold(document.format.clone(), |format, place| format!("{format}, {place}"));
            ExampleView {
                href: address::passage(document.id, range, ""),
                passage,
                title: shortened(title, 160),
                source: shortened(&source, 80),
                colour: colour_of(&document.format),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_was_looked_at_is_told() {
        let coverage = |embedded, total| Some(Coverage { embedded, total });
        assert_eq!(told(1, 2_000, None), "1 topic of 2,000 passages");
        assert_eq!(told(3, 1, coverage(5, 5)), "3 topics of 1 passage");
        assert_eq!(
            told(3, 40, coverage(40, 9_000)),
            "3 topics of 40 passages; 40 of 9,000 can be looked at so far"
        );
    }
}
