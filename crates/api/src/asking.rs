//! Questions answered from what is kept, and answers checked again.

use athenaeum_archive::Filters;
use athenaeum_inference::{
    reply::Event,
    sampling::Sampling,
    template::{Conversation, Message},
};
use athenaeum_providers::Setting;
use athenaeum_retrieval::{
    ask::{self, Budget, Passage},
    search::{Mode, Request, Within},
};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use serde_json::json;

use crate::{
    Api, json,
    parameters::{Parameter, Read, Takes, body_of_known},
    params::Params,
    problem::{Kind, Problem},
    search::{MODES, PLACES, mode, within},
    serving::{Answer, Ask, Input, Said, Writer},
    stream::{FrameKind, Frames, StreamFormat, respond},
};

/// What a question may say.
pub(crate) const PARAMETERS: &[Parameter] = &[
    Parameter::required("question", Takes::Filled(&Takes::Text(QUESTION_BYTES_MAX)), "What is asked."),
    Parameter::new("in", Takes::OneOf(PLACES), "Where to look: everywhere where this is missing."),
    Parameter::new("mode", Takes::OneOf(MODES), "How to look: by word and meaning where this is missing."),
    Parameter::new(
        "model",
        Takes::Text(500),
        "Who writes the answer: the server's default model where none is named, and `none` for nobody; then the sentences that \
         answer best are quoted.",
    ),
    Parameter::new(
        "budget",
        Takes::Integer(64, 100_000),
        "Tokens of all passages together at most; 2,400, and less where the model has no room.",
    ),
    Parameter::new("max_tokens", Takes::Integer(1, 100_000), "Tokens of the answer at most; 512."),
    Parameter::new("stream", Takes::Bool, "Tells the answer as it comes."),
];

/// Ask a question
///
/// It is answered from conversations and documents alone: by a model from the best passages, or, where none is named, by the
/// sentences that answer best, word for word. For every sentence the answer names the passages that it rests on, and for
/// every passage the bytes that it was read from. With `stream`, server-sent events: `citations` with the passages,
/// `delta` with each piece of text, and at the end `answer` with the whole object, or `failed` with a problem.
#[utoipa::path(
    post,
    path = "/athenaeum/v1/ask",
    operation_id = "ask",
    tag = "library",
    responses(
        (status = 200, description = "The answer, or its events.", content(
            (crate::openapi::AnswerObject = "application/json"),
            (crate::openapi::AnswerEvent = "text/event-stream"),
        )),
        (status = 404, description = "The model that is to write is not here.",
         body = crate::dto::problem::ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn ask(api: Api, uri: Uri, headers: HeaderMap, request: Body) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let read = body_of_known(&headers, request, api.settings.request_bytes_max, PARAMETERS).await?;
    let request = asked(&read)?;
    let streams = read.flag("stream") == Some(true);
    let budget = Budget {
        tokens_max: read.integer("budget").unwrap_or(Budget::default().tokens_max),
        ..Budget::default()
    };
    let tokens_max = read.integer("max_tokens").unwrap_or(TOKENS_USUAL);
    match begin(&api, &request, budget, read.text("model"), tokens_max).await? {
        Begun::There(answer) if streams => Ok(at_once(&answer)),
        Begun::There(answer) => json::fresh(StatusCode::OK, &answer),
        Begun::Writing(writing) if streams => {
            let (answer, written) = *writing;
            Ok(respond(answer, FrameKind::ServerSentEvents, written))
        }
        Begun::Writing(writing) => json::fresh(StatusCode::OK, &whole(*writing).await?),
    }
}

/// Answers a question at once: by the model that is named, by the default one, or by the sentences that answer best.
pub(crate) async fn answer(
    api: &Api,
    request: &Request,
    model: Option<&str>,
) -> Result<ask::Answer, Problem> {
    match begin(api, request, Budget::default(), model, TOKENS_USUAL).await? {
        Begun::There(answer) => Ok(answer),
        Begun::Writing(writing) => whole(*writing).await,
    }
}

/// An answer that is there, or one that a model writes.
enum Begun {
    There(ask::Answer),
    Writing(Box<(Answer, Written)>),
}

async fn begin(
    api: &Api,
    request: &Request,
    budget: Budget,
    model: Option<&str>,
    tokens_max: usize,
) -> Result<Begun, Problem> {
    let librarian = api.librarian()?;
    let Some(name) = writer(api, model).await? else {
        return Ok(Begun::There(librarian.answer(&api.archive, &api.scope, request, budget).await?));
    };
    let model = api.models.writer(Some(&name), None).await?;
    let context_tokens = model.context_tokens().unwrap_or(CONTEXT_TOKENS_ELSEWHERE);
    let room = context_tokens.saturating_sub(tokens_max + RULES_TOKENS);
    let budget = Budget { tokens_max: budget.tokens_max.min(room.max(1)), ..budget };
    let tokens = |text: &str| model.tokens(text);
    let passages = librarian.passages(&api.archive, &api.scope, request, budget, &tokens).await?;
    if passages.is_empty() {
        return Ok(Begun::There(ask::Answer::nothing(&request.query)));
    }
    let written = Written::new(&request.query, &model, passages);
    let answer = model.ask(written.asking(api, tokens_max)).await?;
    Ok(Begun::Writing(Box::new((answer, written))))
}

async fn whole((mut answer, mut written): (Answer, Written)) -> Result<ask::Answer, Problem> {
    let whole = answer.whole().await?;
    written.text = whole.choices.into_iter().next().map(|choice| choice.text).unwrap_or_default();
    Ok(written.answer())
}

/// Check an answer
///
/// Against the files that it cites, as far as the library knows them: that the passages are what they were, that they stand
/// in their sources, that the sources are the same to the byte, and that the sentences are borne out.
#[utoipa::path(
    post,
    path = "/athenaeum/v1/verify",
    operation_id = "verify",
    tag = "library",
    request_body(content = crate::openapi::AnswerObject, description = "An answer, as asking gave it."),
    responses((status = 200, description = "What came of it.", body = crate::openapi::VerificationObject)),
)]
pub(crate) async fn verify(api: Api, uri: Uri, request: Body) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let librarian = api.librarian()?;
    let bytes = to_bytes(request, api.settings.request_bytes_max).await.map_err(|_| {
        let detail =
            format!("The answer is larger than {} bytes, or broke off.", api.settings.request_bytes_max);
        Problem::new(Kind::TooLarge, detail)
    })?;
    let answer = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new(Kind::Unprocessable, format!("This is no answer as asking gives it: {error}."))
    })?;
    json::fresh(StatusCode::OK, &librarian.verify(&api.scope, answer).await?)
}

/// Tells who writes an answer: whom the question names, or else the server's default model; nobody where it says so.
async fn writer(api: &Api, named: Option<&str>) -> Result<Option<String>, Problem> {
    match named {
        Some(NOBODY) => Ok(None),
        Some(name) if !name.is_empty() => Ok(Some(name.to_owned())),
        _ => api.models.usual().await,
    }
}

/// Names nobody to write an answer.
const NOBODY: &str = "none";

fn asked(read: &Read) -> Result<Request, Problem> {
    let question = read.text("question").unwrap_or_default().trim();
    if question.is_empty() {
        return Err(Problem::parameter("question", "a question; it holds no text"));
    }
    Ok(Request {
        query: question.to_owned(),
        within: within(read.text("in"))?.unwrap_or(Within::All),
        mode: mode(read.text("mode"))?.unwrap_or(Mode::Hybrid),
        filters: Filters::default(),
        ..Request::default()
    })
}

/// An answer that a model writes.
struct Written {
    question: String,
    model: String,
    passages: Vec<Passage>,
    text: String,
    failed: Option<Problem>,
}

impl Written {
    fn new(question: &str, model: &Writer, passages: Vec<Passage>) -> Self {
        Self {
            question: question.to_owned(),
            model: model.name().to_owned(),
            passages,
            text: String::new(),
            failed: None,
        }
    }

    /// What the model is asked. It is no conversation, so it is not kept as one.
    fn asking(&self, api: &Api, tokens_max: usize) -> Ask {
        let (rules, asked) = ask::prompt(&self.question, &self.passages);
        let messages = [Message::new("system", rules.as_str()), Message::new("user", asked.as_str())];
        Ask {
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            chosen: vec![(Setting::Temperature, 0.into())],
            tokens_max: Some(tokens_max),
            keeping: None,
            ..api.ask(Input::talk(Conversation::new(messages)))
        }
    }

    fn answer(&self) -> ask::Answer {
        ask::Answer::written(&self.question, &self.model, &self.text, &self.passages)
    }

    fn hear(&mut self, events: Vec<Event>, out: &mut Frames) {
        for event in events {
            if let Event::Text(text) = event {
                out.push_named(Some("delta"), &json!({ "text": text }));
                self.text.push_str(&text);
            }
        }
    }
}

impl StreamFormat for Written {
    fn open(&mut self, _: &Answer, out: &mut Frames) {
        out.push_named(Some("citations"), &json!({ "citations": self.answer().citations }));
    }

    fn write(&mut self, _: &Answer, _: usize, said: Said, out: &mut Frames) {
        match said {
            Said::Token { events, .. } => self.hear(events, out),
            Said::Ended(mut ended) => {
                self.hear(std::mem::take(&mut ended.events), out);
                self.failed = ended.check().err();
            }
            Said::Progress { .. } | Said::Begun { .. } => {}
        }
    }

    fn close(&mut self, _: &Answer, out: &mut Frames) {
        match self.failed.take() {
            Some(problem) => out.push_named(Some("failed"), &problem.body(None, None)),
            None => out.push_named(Some("answer"), &self.answer()),
        }
    }
}

/// Tells an answer that was there at once in the events of one that comes.
fn at_once(answer: &ask::Answer) -> Response {
    let mut frames = Frames::new(FrameKind::ServerSentEvents);
    frames.push_named(Some("citations"), &json!({ "citations": answer.citations }));
    frames.push_named(Some("answer"), answer);
    let mut response = Response::new(Body::from(frames.into_bytes()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

const QUESTION_BYTES_MAX: usize = 4096;

/// Tokens of an answer where nothing is said.
const TOKENS_USUAL: usize = 512;

/// Room that models on other engines have, where the settings do not say.
const CONTEXT_TOKENS_ELSEWHERE: usize = 8192;

/// Room for what the model is told beside the passages.
const RULES_TOKENS: usize = 256;
