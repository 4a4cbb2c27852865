//! Questions, and answers whose every sentence says what it rests on.

use askama::Template;
use athenaeum_retrieval::{
    ask::{Answer, Budget, Citation, Kind, Origin},
    search::{Mode, Request, SearchError, Within},
};
use axum::{extract::State, response::Html};

use super::{Parameters, Room, file_name, parameter, render};
use crate::{
    Desk, address,
    error::Error,
    html::{escape_into, shortened},
};

/// Answers `GET /ask`. Without a model the best sentences are quoted here; where a model is to write, the script asks.
pub(crate) async fn show(State(desk): State<Desk>, parameters: Parameters) -> Result<Html<String>, Error> {
    let question = parameter(&parameters, "q").trim();
    let question = &question[..question.floor_char_boundary(QUESTION_BYTES_MAX)];
    let within = parameter(&parameters, "in");
    let answer = match question {
        "" => None,
        question => Some(View::of(&answered(&desk, question, within).await?)),
    };
    let title =
        if question.is_empty() { "Ask".to_owned() } else { format!("{} · Ask", shortened(question, 60)) };
    render(&AskPage {
        room: Room::at(&title, "ask"),
        question: question.to_owned(),
        places: PLACES.map(|(value, label)| (value, label, value == within)),
        answer,
    })
}

async fn answered(desk: &Desk, question: &str, within: &str) -> Result<Answer, Error> {
    let request = Request {
        query: question.to_owned(),
        within: match within {
            "chats" => Within::Chats,
            "library" => Within::Library,
            _ => Within::All,
        },
        mode: Mode::Hybrid,
        ..Request::default()
    };
    let scope = athenaeum_tenancy::local();
    Ok(desk.librarian.answer(&desk.archive, &scope, &request, Budget::default()).await?)
}

impl From<SearchError> for Error {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Words(error) => Self::Archive(error),
            SearchError::Meaning(error) => Self::Meaning(error),
            other => Self::Search(other),
        }
    }
}

#[derive(Template)]
#[template(path = "ask.html")]
struct AskPage {
    room: Room,
    question: String,
    places: [(&'static str, &'static str, bool); 3],
    answer: Option<View>,
}

/// An answer, as it is shown. The script makes the same of the object that the API gives.
struct View {
    /// Who wrote it.
    told: &'static str,
    /// HTML.
    text: String,
    sources: Vec<Source>,
    nothing: bool,
}

struct Source {
    number: u32,
    href: String,
    title: String,
    place: String,
    passage: String,
}

impl View {
    fn of(answer: &Answer) -> Self {
        let named = |citation: &&Citation| {
            answer.sentences.iter().any(|sentence| sentence.citations.contains(&citation.number))
        };
        Self {
            told: match answer.kind {
                Kind::Extractive => "No model wrote this: these sentences answer best, word for word.",
                Kind::Generated => "Written by a model from the passages below.",
                Kind::Nothing => "",
            },
            text: written(answer),
            sources: answer.citations.iter().filter(named).map(Source::of).collect(),
            nothing: answer.kind == Kind::Nothing,
        }
    }
}

impl Source {
    fn of(citation: &Citation) -> Self {
        let (href, place) = match &citation.origin {
            Origin::Document { document_id, place, path, text_range, .. } => {
                let name = path.as_deref().map_or("", file_name);
                let place = place.as_deref().unwrap_or_default();
                let told: Vec<&str> = [name, place].into_iter().filter(|part| !part.is_empty()).collect();
                (address::passage(document_id, text_range, ""), told.join(", "))
            }
            Origin::Message { message_id, role, .. } => {
                (format!("/messages/{message_id}"), format!("conversation, {role}"))
            }
        };
        Self {
            number: citation.number,
            href,
            title: shortened(citation.title.as_deref().unwrap_or("Untitled"), 160),
            place: shortened(&place, 200),
            passage: shortened(&citation.text, 320),
        }
    }
}

/// Writes an answer as HTML: every sentence says whether it is borne out, and every `[n]` leads to its source.
fn written(answer: &Answer) -> String {
    let mut out = String::from("<p>");
    let mut at = 0;
    for sentence in &answer.sentences {
        let (Some(between), Some(text)) =
            (answer.text.get(at..sentence.range.start), answer.text.get(sentence.range.clone()))
        else {
            continue;
        };
        between_sentences(&mut out, between);
        if sentence.supported || answer.kind == Kind::Nothing {
            out.push_str("<span class=\"sentence\">");
        } else {
            out.push_str(
                "<span class=\"sentence unsupported\" title=\"What it cites does not bear this out\">",
            );
        }
        with_numbers(&mut out, text, &sentence.citations);
        if !sentence.supported && answer.kind != Kind::Nothing {
            out.push_str("<span class=\"visually-hidden\"> (not borne out by what it cites)</span>");
        }
        out.push_str("</span>");
        at = sentence.range.end;
    }
    between_sentences(&mut out, answer.text.get(at..).unwrap_or_default());
    out.push_str("</p>");
    out
}

fn between_sentences(out: &mut String, text: &str) {
    if text.contains('\n') { out.push_str("</p><p>") } else { escape_into(out, text) }
}

/// Writes a sentence with `[n]` as links, where n is one of its citations.
fn with_numbers(out: &mut String, text: &str, citations: &[u32]) {
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('[') {
        let number = behind.split_once(']').and_then(|(inside, after)| {
            let number = inside.parse::<u32>().ok().filter(|number| citations.contains(number))?;
            Some((number, after))
        });
        escape_into(out, before);
        match number {
            Some((number, after)) => {
                out.push_str(&format!(
                    "<a class=\"cite\" href=\"#source-{number}\" aria-label=\"Source {number}\">{number}</a>"
                ));
                rest = after;
            }
            None => {
                out.push('[');
                rest = behind;
            }
        }
    }
    escape_into(out, rest);
}

const PLACES: [(&str, &str); 3] =
    [("all", "Everything"), ("library", "Documents"), ("chats", "Conversations")];

const QUESTION_BYTES_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use athenaeum_retrieval::ask::Sentence;

    use super::*;

    #[test]
    fn sentences_lead_to_their_sources_and_nothing_is_markup() {
        let text = "It is <three> [1]. So it goes [9].".to_owned();
        let sentences = vec![
            Sentence { range: 0..18, citations: vec![1], supported: true },
            Sentence { range: 19..34, citations: Vec::new(), supported: false },
        ];
        let answer = Answer { text, sentences, kind: Kind::Generated, ..Answer::nothing("q") };
        assert_eq!(
            written(&answer),
            "<p><span class=\"sentence\">It is &lt;three&gt; <a class=\"cite\" href=\"#source-1\" aria-label=\"Source 1\">1</a>.\
             </span> <span class=\"sentence unsupported\" title=\"What it cites does not bear this out\">So it goes [9].\
             <span class=\"visually-hidden\"> (not borne out by what it cites)</span></span></p>"
        );
    }
}
