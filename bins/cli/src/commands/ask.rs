use std::{path::PathBuf, process::ExitCode};

use athenaeum::{
    inference::{
        engine::{Event, Generation, Request},
        local::LocalModel,
        sampling::Sampling,
        template::{Conversation, Message},
    },
    providers::{self, Remote},
    retrieval::{
        ask::{self, Answer, Budget, Citation, Kind, Origin, Passage},
        search,
    },
};

use super::{Context, Outcome, local, note};
use crate::{
    args::{documents::Ask, engine::Running},
    interrupt::cancel_on_interrupt,
    output::{Output, Style, one_line, tame},
};

pub(super) async fn run(context: &mut Context, args: &Ask) -> Outcome {
    let question = args.question.join(" ");
    let sources = context.sources().await?;
    let meaning = context.meaning().await?;
    let request =
        search::Request { query: question.clone(), limit: LOOKED_AT, ..super::search::request(&args.place) };
    let (archive, library) = (sources.archive.clone(), sources.library.clone());
    let searcher = context.searcher(archive, library, meaning.clone(), request.rerank)?;
    let found = searcher.search(&context.scope, &request).await?;
    for notice in &found.notices {
        note(&format_args!("note: {}", one_line(&notice.0, 400)));
    }
    let writer = writer(context, args.model.as_deref(), &args.running)?;
    let count = |text: &str| match &writer {
        Some(Writer::Here(model)) => model.completion_prompt(text).len(),
        Some(Writer::Elsewhere(_)) | None => text.len() / BYTES_A_TOKEN,
    };
    let budget = Budget { tokens_max: args.budget, ..Budget::default() };
    let both = (sources.archive.as_ref(), sources.library.as_ref());
    let passages = ask::passages(both, &context.scope, &question, &found.hits, budget, &count).await?;
    let answer = match &writer {
        Some(writer) if !passages.is_empty() => {
            written(context, writer, &question, &passages, args.max_tokens).await?
        }
        _ => Answer::quoted(&question, &passages, meaning.as_ref()).await?,
    };
    let output = &mut context.output;
    if output.json {
        output.object(&answer)?;
    } else {
        people(output, &answer)?;
    }
    Ok(if answer.kind == Kind::Nothing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Who writes an answer.
enum Writer {
    Here(Box<LocalModel>),
    Elsewhere(Remote),
}

/// Finds who was named, here or in the settings, and loads it where it is a model of this machine; without a name none answers.
fn writer(context: &Context, named: Option<&str>, running: &Running) -> anyhow::Result<Option<Writer>> {
    let settings = &context.settings.settings;
    let settled = settings.models.default.as_str();
    let Some(name) = named.or(Some(settled)).filter(|name| !name.is_empty()) else { return Ok(None) };
    let variable = |name: &str| std::env::var(name).ok();
    let known = context.places.catalog(settings, |name| std::env::var_os(name).map(PathBuf::from))?;
    if let Some(meant) = known.elsewhere(name)
        && let Some(remote) = settings.remote(meant, variable)?
    {
        return Ok(Some(Writer::Elsewhere(remote)));
    }
    let model = local::load(context, Some(name), None, running)?;
    anyhow::ensure!(model.template().is_some(), "{name} has no chat template, so it cannot be asked");
    Ok(Some(Writer::Here(Box::new(model))))
}

/// Has an answer written, and shows it as it comes. What was written until an interrupt counts.
async fn written(
    context: &mut Context,
    writer: &Writer,
    question: &str,
    passages: &[Passage],
    tokens_max: usize,
) -> anyhow::Result<Answer> {
    let (rules, asked) = ask::prompt(question, passages);
    let mut pieces = match writer {
        Writer::Here(model) => {
            let messages = [Message::new("system", rules.as_str()), Message::new("user", asked.as_str())];
            let prompt = model.chat_prompt(&Conversation::new(messages))?;
            let request = Request {
                sampling: Sampling { temperature: 0.0, ..Sampling::default() },
                tokens_max: Some(tokens_max),
                ..Request::new(prompt.tokens)
            };
            Pieces::Here(model.engine().submit(request)?)
        }
        Writer::Elsewhere(remote) => {
            let messages =
                [providers::Message::new("system", &rules), providers::Message::new("user", &asked)];
            let input = providers::Input::Conversation(providers::Conversation::new(messages));
            let request = providers::Request {
                sampling: vec![(providers::Setting::Temperature, 0.into())],
                tokens_max: Some(tokens_max),
                ..providers::Request::new(input)
            };
            Pieces::Elsewhere(Box::new(remote.ask(request).await?))
        }
    };
    let enough = cancel_on_interrupt();
    let mut text = String::new();
    let streams = !context.output.json;
    loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece?,
            () = enough.cancelled() => None,
        };
        let Some(piece) = piece else { break };
        if streams {
            context.output.text(&tame(&piece))?;
            context.output.flush()?;
        }
        text.push_str(&piece);
    }
    if streams {
        context.output.line("")?;
    }
    Ok(Answer::written(question, &writer.name(), &text, passages))
}

impl Writer {
    fn name(&self) -> String {
        match self {
            Self::Here(model) => {
                model.summary().name.clone().unwrap_or_else(|| model.path().display().to_string())
            }
            Self::Elsewhere(remote) => remote.settings().name.clone(),
        }
    }
}

/// An answer as it comes.
enum Pieces {
    Here(Generation),
    Elsewhere(Box<providers::Reply>),
}

impl Pieces {
    /// The next piece of what is said to whoever asked; empty where there is nothing to show yet.
    async fn next(&mut self) -> anyhow::Result<Option<String>> {
        Ok(match self {
            Self::Here(generation) => generation.next().await.map(|event| match event {
                Event::Progress { .. } | Event::Prompt { .. } => String::new(),
                Event::Token { text, .. } => text,
                Event::End(end) => end.text,
            }),
            Self::Elsewhere(reply) => reply.next().await.transpose()?.map(|event| match event {
                providers::Event::Text(text) => text,
                _ => String::new(),
            }),
        })
    }
}

fn people(output: &mut Output, answer: &Answer) -> std::io::Result<()> {
    match answer.kind {
        Kind::Nothing => return output.line(&answer.text),
        Kind::Extractive => {
            output.line(output.paint(Style::Faint, "No model writes here; these sentences answer best:"))?;
            output.line(tame(&answer.text))?;
        }
        // It was written as it came.
        Kind::Generated => {
            for sentence in answer.sentences.iter().filter(|sentence| !sentence.supported) {
                let text = answer.text.get(sentence.range.clone()).unwrap_or_default();
                let said = format!("not borne out by what it cites: {}", one_line(text, 300));
                output.line(output.paint(Style::Bad, &said))?;
            }
        }
    }
    output.line("")?;
    let named: Vec<u32> = answer.sentences.iter().flat_map(|sentence| sentence.citations.clone()).collect();
    for citation in answer.citations.iter().filter(|citation| named.contains(&citation.number)) {
        let number = output.paint(Style::Strong, &format!("[{}]", citation.number));
        output.line(format_args!("{number} {}", one_line(&source(citation), 500)))?;
    }
    Ok(())
}

fn source(citation: &Citation) -> String {
    let title = citation.title.as_deref().unwrap_or("(no title)");
    match &citation.origin {
        Origin::Document { path, place, text_range, source_range, document_id, .. } => {
            let place = place.as_deref().map_or_else(String::new, |place| format!(", {place}"));
            let bytes = match source_range {
                Some(range) => format!(", bytes {}–{}", range.start, range.end),
                None => format!(", bytes {}–{} of its text", text_range.start, text_range.end),
            };
            format!("{title}{place}{bytes}  {}", path.as_deref().unwrap_or(document_id))
        }
        Origin::Message { conversation_id, message_id, role, .. } => {
            format!("{title}, {role} #{message_id}  {conversation_id}")
        }
    }
}

/// Hits that passages are taken from.
const LOOKED_AT: usize = 40;

/// Of English; without a model nothing hangs on it but how much is looked through.
const BYTES_A_TOKEN: usize = 4;
