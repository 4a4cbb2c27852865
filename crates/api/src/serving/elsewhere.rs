//! Having other engines answer: what a request comes to in their words, and what their words come to here.

use std::{collections::VecDeque, time::Instant};

use athenaeum_inference::{
    catalog::{Entry, Purpose},
    constraint::Grammar,
};
use athenaeum_providers::{
    Conversation, Error, Form, Input as Said, Remote, Request, Setting, ToolChoice, Wire,
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
        let called =
            |name: &str| self.remotes().iter().find(|remote| settings.means(name, &remote.settings().name));
        match name.or(usual) {
            Some(asked) => called(asked).or_else(|| {
                // For programs that always name one of their own.
                let any = usual.filter(|_| settings.any_name && self.catalog().resolve(Some(asked)).is_err());
                any.and_then(called)
            }),
            // The only one that there is at all.
            None => match self.remotes() {
                [only] if !self.catalog().list().iter().any(writes) => Some(only),
                _ => None,
            },
        }
    }
}

fn writes(entry: &Entry) -> bool {
    entry.purpose == Purpose::Generate
}

/// Sends a request to another engine, and returns when it has taken it.
pub(super) async fn ask(remote: Remote, mut ask: Ask) -> Result<Answer, Problem> {
    let name = remote.settings().name.clone();
    known_elsewhere(&ask, &name)?;
    let mut warnings = left_to_the_engine(&remote, &ask);
    let temperature = ask.chosen.iter().find(|(setting, _)| *setting == Setting::Temperature);
    let temperature = temperature.and_then(|(_, value)| value.as_f64());
    let kept =
        ask.keeping.take().and_then(|keeping| keeping.begin(&ask.input, &name, temperature, ask.tokens_max));
    let counts = std::mem::take(&mut ask.counts);
    let choices = ask.choices.max(1);
    let mut requests = Requests::of(ask, &name)?;
    let left = requests.inputs.iter_mut().flat_map(|input| left_out(&remote, input));
    warnings.extend(left.collect::<Vec<_>>());
    let first = requests.next().ok_or_else(|| Problem::parameter("prompt", "at least one"))?;
    // Refusals are for the first: once something runs, the rest waits.
    let began = Instant::now();
    let first = remote.ask(first).await?;
    Ok(Answer::elsewhere(remote, (first, began, requests), choices, warnings, (counts, kept)))
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
fn left_to_the_engine(remote: &Remote, ask: &Ask) -> Vec<Warning> {
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
    if ask.guesses.is_some() {
        warn("draft", "the model runs on another engine, which guesses as it likes; the text stays the same");
    }
    let is_text = matches!(ask.input, Input::Text(_));
    if is_text && ask.tokens_max.is_none() && remote.settings().wire == Wire::OpenAi {
        warn(
            "max_tokens",
            "nothing is said, and the model's engine ends texts where it likes, often after 16 tokens",
        );
    }
    if ask.priority != 0 {
        warn("priority", "the model runs on another engine, which has its own order");
    }
    warnings
}

/// What is asked in the words of whoever asks other engines: a request for each answer, made when its turn comes, since prompts may
/// be large.
pub(super) struct Requests {
    inputs: VecDeque<Said>,
    /// What they have in common; its own input is none.
    rest: Request,
    /// Answers to each.
    choices: usize,
    /// Those to the first that were made.
    made: usize,
}

impl Requests {
    fn of(ask: Ask, name: &str) -> Result<Self, Problem> {
        let mut inputs = VecDeque::new();
        for input in std::iter::once(ask.input).chain(ask.more) {
            match input {
                Input::Conversation(talk) => {
                    let conversation = calling(talk.elsewhere(ask.pictures)?, &ask.calling);
                    inputs.push_back(Said::Conversation(conversation));
                }
                Input::Text(text) => inputs.push_back(Said::Text(text)),
                // They were refused before.
                Input::Tokens(_) => {}
            }
        }
        let rest = Request {
            sampling: ask.chosen,
            form: ask.form.map(|form| of_form(form, name)).transpose()?,
            stops: ask.stops,
            tokens_max: ask.tokens_max,
            deadline: Instant::now().checked_add(ask.time),
            ..Request::new(Said::Text(String::new()))
        };
        Ok(Self { inputs, rest, choices: ask.choices.max(1), made: 0 })
    }
}

impl Iterator for Requests {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        let choice = self.made;
        let is_last = choice + 1 == self.choices;
        let input = if is_last { self.inputs.pop_front()? } else { self.inputs.front()?.clone() };
        self.made = if is_last { 0 } else { choice + 1 };
        let sampling = self.rest.sampling.iter().map(|chosen| of_choice(chosen, choice)).collect();
        Some(Request { input, sampling, ..self.rest.clone() })
    }
}

/// Leaves out what programs say with every request, and OpenAI's own API has no word for: whether a model is to think, where it is
/// known only how much, and what it thought before. Tells of it.
fn left_out(remote: &Remote, input: &mut Said) -> Vec<Warning> {
    let Said::Conversation(conversation) = input else { return Vec::new() };
    let mut warnings = Vec::new();
    if remote.settings().wire != Wire::OpenAi {
        return warnings;
    }
    let mut warn = |parameter: &str, reason: &str| {
        warnings.push(Warning { parameter: parameter.to_owned(), reason: reason.to_owned() });
    };
    if !conversation.variables.contains_key("reasoning_effort") {
        let said = ["enable_thinking", "thinking"].map(|name| conversation.variables.remove(name));
        if said.iter().any(Option::is_some) {
            warn(
                "thinking",
                "the model's engine has no word for whether it thinks, only for how much (reasoning_effort)",
            );
        }
    }
    let thoughts = conversation.messages.iter_mut().filter_map(|message| message.reasoning.take());
    if thoughts.count() > 0 {
        warn("messages", "the model's engine has no place for what was thought before: it is not told");
    }
    warnings
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

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let text = whole(&error);
        match &error {
            Error::Inexpressible { place, .. } => Self::new(Kind::BadRequest, text).about(place.as_str()),
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
                // Where it lies, and what it says of our key, is nobody's business but the server's.
                let text = match &error {
                    Error::Unreachable { name, .. } => {
                        format!(
                            "The engine of the model {name} cannot be reached; the server's log says more."
                        )
                    }
                    Error::Refused { name, status: 401 | 403, .. } => {
                        format!(
                            "The engine of the model {name} refuses this server's key; the server's log says more."
                        )
                    }
                    _ => text,
                };
                Self::new(Kind::Elsewhere, text)
            }
        }
    }
}
