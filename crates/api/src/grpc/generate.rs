//! `Generate`: an answer of a model, as it comes.

use std::collections::VecDeque;

use athenaeum_inference::{reply::Event, sampling::LogProbs};
use futures_util::stream::unfold;
use serde_json::{Map, Value};
use tonic::{Status, codegen::BoxStream};

use super::wire::{self, generate_response::Said as Told};
use crate::{
    Api,
    contract::{self, Contract},
    openai::{
        chat::{self, TokenLogProb},
        conversation, finish,
    },
    parameters::{Read, Warning},
    problem::Problem,
    serving::{Answer, Call, Said},
};

/// Begins an answer. Dropping the stream ends the work on it.
pub(super) async fn answer(
    api: &Api,
    contract: Contract,
    request: wire::GenerateRequest,
) -> Result<BoxStream<wire::GenerateResponse>, Problem> {
    let mut read = Read::of_object(body(request)?, &chat::PARAMETERS)?;
    for name in ["return_progress", "timings_per_token", "verbose"] {
        if read.take(name) == Some(Value::Bool(true)) {
            read.warn(name, "the messages of Generate have no place for it");
        }
    }
    // It streams, so it is not kept: this tells so where that was asked for.
    chat::store(api, &mut read);
    let conversation = conversation::of(&mut read)?;
    let (answer, warnings) = chat::begin(api, contract, &mut read, conversation).await?;
    let telling = Telling {
        answer,
        warnings,
        usage: wire::Usage::default(),
        logprobs: Vec::new(),
        ready: VecDeque::new(),
        over: false,
    };
    Ok(Box::pin(unfold(telling, Telling::next)))
}

/// An answer that is being told.
struct Telling {
    answer: Answer,
    warnings: Vec<Warning>,
    usage: wire::Usage,
    /// Of each choice, those of tokens that have not been told of.
    logprobs: Vec<Vec<LogProbs>>,
    ready: VecDeque<wire::GenerateResponse>,
    over: bool,
}

impl Telling {
    async fn next(mut self) -> Option<(Result<wire::GenerateResponse, Status>, Self)> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some((Ok(message), self));
            }
            if self.over {
                return None;
            }
            match self.answer.next().await {
                Some((choice, said)) => {
                    if let Err(problem) = self.hear(choice, said) {
                        self.over = true;
                        self.ready.clear();
                        return Some((Err(problem.into()), self));
                    }
                }
                None => self.summarize(),
            }
        }
    }

    fn hear(&mut self, choice: usize, said: Said) -> Result<(), Problem> {
        if self.logprobs.len() <= choice {
            self.logprobs.resize_with(choice + 1, Vec::new);
        }
        match said {
            Said::Progress { .. } | Said::Begun { .. } => {}
            Said::Token { events, logprobs, .. } => {
                self.logprobs[choice].extend(logprobs);
                events.into_iter().for_each(|event| self.event(choice, event));
            }
            Said::Ended(mut ended) => {
                let events = std::mem::take(&mut ended.events);
                events.into_iter().for_each(|event| self.event(choice, event));
                ended.check()?;
                self.usage.completion_tokens += ended.end.generated_tokens as u64;
                self.usage.reasoning_tokens += ended.reasoning_tokens as u64;
                self.warnings.extend(contract::late(&ended));
                self.tell(choice, Told::Ended(wire::Ended { reason: finish::reason(&ended).to_owned() }));
            }
        }
        Ok(())
    }

    fn event(&mut self, choice: usize, event: Event) {
        let call = |index: usize, call: Call| {
            let Call { id, name, arguments } = call;
            Told::ToolCall(wire::ToolCallPiece { index: small(index), id, name, arguments })
        };
        let told = match event {
            Event::Text(text) | Event::Malformed { text, .. } => Told::Text(text),
            Event::Reasoning(text) => Told::Reasoning(text),
            Event::ToolCallStarted { index, id, name } => call(index, Call::new(id, &name)),
            Event::ToolCallArguments { index, delta } => {
                call(index, Call { id: String::new(), name: String::new(), arguments: delta })
            }
            _ => return,
        };
        self.tell(choice, told);
    }

    fn tell(&mut self, choice: usize, told: Told) {
        let waiting = std::mem::take(&mut self.logprobs[choice]);
        let logprobs: Vec<TokenLogProb> =
            waiting.iter().map(|logprobs| TokenLogProb::new(&self.answer.model, logprobs)).collect();
        let logprobs = if logprobs.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&logprobs).unwrap_or_default()
        };
        self.ready.push_back(wire::GenerateResponse { choice: small(choice), logprobs, said: Some(told) });
    }

    fn summarize(&mut self) {
        self.over = true;
        self.usage.prompt_tokens = self.answer.prompt_tokens as u64;
        self.usage.cached_tokens = self.answer.cached_tokens as u64;
        let summary = wire::Summary {
            model: self.answer.model.name().to_owned(),
            usage: Some(self.usage),
            warnings: std::mem::take(&mut self.warnings).into_iter().map(Into::into).collect(),
        };
        let said = Some(Told::Summary(summary));
        self.ready.push_back(wire::GenerateResponse { choice: 0, logprobs: String::new(), said });
    }
}

/// Counts of choices and calls are bounded far below.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What one would post.
fn body(request: wire::GenerateRequest) -> Result<Map<String, Value>, Problem> {
    let wire::GenerateRequest {
        model,
        messages,
        max_tokens,
        temperature,
        top_p,
        top_k,
        min_p,
        seed,
        frequency_penalty,
        presence_penalty,
        repeat_penalty,
        stop,
        tools,
        tool_choice,
        response_format,
        reasoning_effort,
        truncation,
        more,
    } = request;
    let messages: Result<Vec<Value>, Problem> =
        messages.into_iter().enumerate().map(|(index, one)| message(index, one)).collect();
    let mut fields = vec![("messages", messages?.into())];
    for (name, value) in [("max_tokens", max_tokens), ("top_k", top_k), ("seed", seed)] {
        fields.extend(value.map(|value| (name, value.into())));
    }
    for (name, value) in [
        ("temperature", temperature),
        ("top_p", top_p),
        ("min_p", min_p),
        ("frequency_penalty", frequency_penalty),
        ("presence_penalty", presence_penalty),
        ("repeat_penalty", repeat_penalty),
    ] {
        fields.extend(value.map(|value| (name, number(value))));
    }
    for (name, text) in [("model", model), ("reasoning_effort", reasoning_effort), ("truncation", truncation)]
    {
        fields.extend(
            Some((name, text)).filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, text.into())),
        );
    }
    if !stop.is_empty() {
        fields.push(("stop", stop.into()));
    }
    for (name, text) in [("tools", &tools), ("response_format", &response_format)] {
        fields.extend(json(name, text)?.map(|value| (name, value)));
    }
    match tool_choice.as_str() {
        "" => {}
        text if text.trim_start().starts_with('{') => {
            fields.extend(json("tool_choice", text)?.map(|value| ("tool_choice", value)));
        }
        text => fields.push(("tool_choice", text.into())),
    }
    let mut body = match json("more", &more)? {
        None => Map::new(),
        Some(Value::Object(more)) => more,
        Some(_) => return Err(Problem::parameter("more", "a JSON object")),
    };
    if body.insert("stream".to_owned(), true.into()).is_some_and(|asked| asked != Value::Bool(true)) {
        return Err(Problem::parameter("more.stream", "true: Generate always streams"));
    }
    for (name, value) in fields {
        if body.insert(name.to_owned(), value).is_some() {
            return Err(Problem::parameter(&format!("more.{name}"), format!("nothing: {name} is a field")));
        }
    }
    Ok(body)
}

fn message(index: usize, message: wire::ChatMessage) -> Result<Value, Problem> {
    let wire::ChatMessage { role, content, reasoning, tool_calls, tool_call_id, name } = message;
    let mut object = Map::new();
    object.insert("role".to_owned(), role.into());
    for (name, text) in [("content", content), ("reasoning", reasoning)] {
        object.extend(text.map(|text| (name.to_owned(), text.into())));
    }
    for (name, text) in [("tool_call_id", tool_call_id), ("name", name)] {
        if !text.is_empty() {
            object.insert(name.to_owned(), text.into());
        }
    }
    let calls = json(&format!("messages[{index}].tool_calls"), &tool_calls)?;
    object.extend(calls.map(|calls| ("tool_calls".to_owned(), calls)));
    Ok(object.into())
}

/// Reads a field that holds JSON; nothing where it is empty.
fn json(name: &str, text: &str) -> Result<Option<Value>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = serde_json::from_str(text).map(Some);
    read.map_err(|error| Problem::parameter(name, format!("JSON; this cannot be read: {error}")))
}

/// What is no number in JSON becomes something that no parameter accepts, so that it is refused by name.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}
