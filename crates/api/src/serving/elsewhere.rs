//! Having other engines answer: what a request comes to in their words, and what their words come to here.

use std::{collections::VecDeque, time::Instant};

use athenaeum_inference::constraint::Grammar;
use athenaeum_providers::{
    Conversation, Error, Form, Input as Said, Remote, Request, Setting, Settings, ToolChoice, Wire,
};
use serde_json::Value;

use super::{
    Answer, Ask, Calling, Choose, Input, Models, Truncation,
    models::{in_background, whole},
};
use crate::{
    failure::sentence,
    parameters::Warning,
    problem::{Kind, Problem},
};

/// Bytes of text that a token has at least, in prose: what counts where only the engine knows its tokens.
pub(super) const BYTES_OF_A_TOKEN: usize = 3;

impl Models {
    /// Finds the model on another engine that is meant by a name, or by none.
    pub(crate) async fn elsewhere(&self, name: Option<&str>) -> Result<Option<Remote>, Problem> {
        if self.remotes().is_empty() {
            return Ok(None);
        }
        let (models, name) = (self.clone(), name.map(str::to_owned));
        in_background(move || models.remote(name.as_deref()).cloned()).await
    }

    /// The same for callers who may block.
    fn remote(&self, name: Option<&str>) -> Option<&Remote> {
        let settings = self.catalog().settings();
        let usual = settings.default.as_deref().filter(|name| !name.is_empty());
        let called = |name: &str| {
            let name = settings.aliases.get(name).map_or(name, String::as_str);
            let bare = name.strip_suffix(":latest").unwrap_or(name);
            let is = |known: &str| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(bare);
            self.remotes().iter().find(|remote| is(&remote.settings().name))
        };
        match name.or(usual) {
            Some(asked) => called(asked).or_else(|| {
                // For programs that always name one of their own.
                let any = usual.filter(|_| settings.any_name && self.catalog().resolve(Some(asked)).is_err());
                any.and_then(called)
            }),
            // The only one that there is at all.
            None => match self.remotes() {
                [only] if self.catalog().list().is_empty() => Some(only),
                _ => None,
            },
        }
    }
}

/// Sends a request to another engine, and returns when it has taken it.
pub(super) async fn ask(remote: Remote, mut ask: Ask) -> Result<Answer, Problem> {
    let name = remote.settings().name.clone();
    known_elsewhere(&ask, &name)?;
    let warnings = left_to_the_engine(&ask);
    let temperature = ask.chosen.iter().find(|(setting, _)| *setting == Setting::Temperature);
    let temperature = temperature.and_then(|(_, value)| value.as_f64());
    let kept =
        ask.keeping.take().and_then(|keeping| keeping.begin(&ask.input, &name, temperature, ask.tokens_max));
    give_room(&remote, &mut ask);
    let counts = std::mem::take(&mut ask.counts);
    let choices = ask.choices.max(1);
    let mut requests = VecDeque::from(requests(ask, &name)?);
    let first = requests.pop_front().ok_or_else(|| Problem::parameter("prompt", "at least one"))?;
    // Refusals are for the first: once something runs, the rest waits.
    let first = remote.ask(first).await?;
    Ok(Answer::elsewhere(remote, (first, requests), choices, warnings, (counts, kept)))
}

/// Tells an Ollama how much room a model has, where the settings say so and the request does not: what it takes by itself is
/// little, and long conversations are refused.
fn give_room(remote: &Remote, ask: &mut Ask) {
    let Settings { wire: Wire::Ollama, context_tokens: Some(tokens), .. } = remote.settings() else { return };
    if !ask.chosen.iter().any(|(setting, _)| *setting == Setting::ContextTokens) {
        ask.chosen.push((Setting::ContextTokens, (*tokens).into()));
    }
}

/// Refuses what can be done only by whoever has the tokens.
fn known_elsewhere(ask: &Ask, name: &str) -> Result<(), Problem> {
    let tokens = |input: &Input| matches!(input, Input::Tokens(_));
    let about = match ask {
        _ if ask.logprobs.is_some() || ask.prompt_logprobs.is_some() => "logprobs",
        _ if !ask.before.is_empty() => "context",
        _ if std::iter::once(&ask.input).chain(&ask.more).any(tokens) => "prompt",
        _ => return Ok(()),
    };
    let detail = format!(
        "The model {name} runs on another engine, so that its tokens are not known here: the parameter '{about}' cannot \
         be honoured. Leave it out{}, or name a model of this server.",
        if about == "prompt" { " or write text" } else { "" }
    );
    Err(Problem::new(Kind::BadRequest, detail).about(about))
}

/// Tells of what the engine does as it likes.
fn left_to_the_engine(ask: &Ask) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |parameter: &str, reason: &str| {
        warnings.push(Warning { parameter: parameter.to_owned(), reason: reason.to_owned() });
    };
    if ask.truncation == Truncation::Oldest {
        warn("truncation", "the model runs on another engine, which does with long prompts what it does");
    }
    if ask.progress {
        warn("return_progress", "the model runs on another engine, which does not tell");
    }
    if ask.priority != 0 {
        warn("priority", "the model runs on another engine, which has its own order");
    }
    warnings
}

/// Writes what is asked in the words of whoever asks other engines: a request for each answer.
fn requests(ask: Ask, name: &str) -> Result<Vec<Request>, Problem> {
    let deadline = Instant::now().checked_add(ask.time);
    let form = ask.form.map(|form| of_form(form, name)).transpose()?;
    let mut requests = Vec::new();
    for input in std::iter::once(ask.input).chain(ask.more) {
        let (input, stops) = match input {
            Input::Conversation(talk) => {
                let conversation = talk.elsewhere(ask.pictures)?;
                (Said::Conversation(calling(conversation, &ask.calling)), ask.stops.clone())
            }
            Input::Text(text) => (Said::Text(text), ask.stops.clone()),
            // They were refused before.
            Input::Tokens(_) => continue,
        };
        for choice in 0..ask.choices.max(1) {
            requests.push(Request {
                sampling: ask.chosen.iter().map(|chosen| of_choice(chosen, choice)).collect(),
                form: form.clone(),
                stops: stops.clone(),
                tokens_max: ask.tokens_max,
                deadline,
                ..Request::new(input.clone())
            });
        }
    }
    Ok(requests)
}

/// The same for a further answer: seeds follow each other, or all would be one.
fn of_choice((setting, value): &(Setting, Value), choice: usize) -> (Setting, Value) {
    let value = match (setting, value.as_i64()) {
        (Setting::Seed, Some(seed)) => seed.wrapping_add_unsigned(choice as u64).into(),
        _ => value.clone(),
    };
    (*setting, value)
}

fn calling(conversation: Conversation, calling: &Calling) -> Conversation {
    let named = |tool: &Value| tool["function"]["name"].as_str().map(str::to_owned);
    let among = |tool: &Value| match (&calling.among, named(tool)) {
        (Some(among), Some(name)) => among.contains(&name),
        _ => true,
    };
    Conversation {
        tools: conversation.tools.iter().filter(|tool| among(tool)).cloned().collect(),
        choice: match &calling.choice {
            Choose::Freely => ToolChoice::Freely,
            Choose::Any => ToolChoice::Any,
            Choose::Named(name) => ToolChoice::Named(name.clone()),
        },
        one_call: calling.once,
        ..conversation
    }
}

fn of_form(form: Grammar, name: &str) -> Result<Form, Problem> {
    Ok(match form {
        Grammar::JsonObject => Form::JsonObject,
        Grammar::JsonSchema(schema) => Form::JsonSchema(schema),
        Grammar::Regex(regex) => Form::Regex(regex),
        Grammar::Lark(grammar) => Form::Lark(grammar),
        Grammar::Gbnf(grammar) => Form::Gbnf(grammar),
        Grammar::Calls(_) | Grammar::After(..) => {
            let detail = format!("The model {name} runs on another engine, and cannot be held to this form.");
            return Err(Problem::new(Kind::BadRequest, detail).about("response_format"));
        }
    })
}

/// The parameter in which clients ask for what a wire has no word for.
fn parameter(what: &str) -> &str {
    match what.split(' ').next().unwrap_or_default() {
        "regex" | "lark" | "grammar" | "json_schema" => "response_format",
        "the" | "arguments" | "an" | "a" => "messages",
        name => name,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let text = whole(&error);
        match &error {
            Error::Inexpressible { what, .. } => Self::new(Kind::BadRequest, text).about(parameter(what)),
            Error::Refused { status: 400 | 404 | 413 | 422, .. } => Self::new(Kind::BadRequest, text),
            Error::Busy { retry_after, .. } => {
                let busy = Self::new(Kind::QueueFull, sentence(&error));
                match retry_after {
                    Some(wait) => busy.retry_after(*wait),
                    None => busy.retry_after(std::time::Duration::from_secs(1)),
                }
            }
            Error::Deadline { .. } | Error::Silent { .. } => Self::new(Kind::TimedOut, text),
            _ => {
                tracing::warn!(error = %text, "another engine did not answer");
                Self::new(Kind::Elsewhere, text)
            }
        }
    }
}
