use athenaeum_inference::{reply::Event, sampling::LogProbs};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    super::{finish, usage::Usage},
    object::{ChoiceLogProbs, TokenLogProb, id},
};
use crate::{
    clock, contract,
    dialect::Dialect,
    parameters::Warning,
    serving::{Answer, Call, Ended, Pace, Progress, Said, Timings},
    stream::{Frames, StreamFormat},
};

/// Writes an answer as chunks.
pub(super) struct ChatStream {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    /// Calls are told as `function_call`.
    legacy: bool,
    include_timings: bool,
    prompt: Option<String>,
    warnings: Vec<Warning>,
    choices: Vec<Choice>,
    generated_tokens: usize,
    reasoning_tokens: usize,
}

/// What of a choice waits for the next chunk.
#[derive(Debug)]
struct Choice {
    begun: bool,
    pace: Pace,
    logprobs: Vec<LogProbs>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [ChunkChoice; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_progress: Option<Progress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<Timings>,
}

#[derive(Serialize)]
struct ChunkChoice {
    index: usize,
    delta: Value,
    logprobs: Option<ChoiceLogProbs>,
    finish_reason: Option<&'static str>,
}

impl ChatStream {
    /// `prompt` is shown where there is one.
    pub(super) fn new(
        answer: &Answer,
        (include_usage, include_timings): (bool, bool),
        (legacy, prompt): (bool, Option<String>),
        warnings: Vec<Warning>,
    ) -> Self {
        Self {
            id: id(),
            created: clock::seconds(),
            model: answer.model.name().to_owned(),
            include_usage,
            legacy,
            include_timings,
            prompt,
            warnings,
            choices: Vec::new(),
            generated_tokens: 0,
            reasoning_tokens: 0,
        }
    }

    fn chunk(&self, index: usize, delta: Value, out: &mut Frames) {
        self.chunk_of(ChunkChoice { index, delta, logprobs: None, finish_reason: None }, out);
    }

    fn chunk_of(&self, choice: ChunkChoice, out: &mut Frames) {
        let pace = self.choices.get(choice.index).map(|choice| &choice.pace);
        let begins = choice.delta.get("role").is_some();
        let timings = pace.filter(|_| self.include_timings && !begins).map(Pace::timings);
        self.push(choice, None, timings, out);
    }

    fn push(
        &self,
        choice: ChunkChoice,
        prompt_progress: Option<Progress>,
        timings: Option<Timings>,
        out: &mut Frames,
    ) {
        let (id, model) = (&self.id, &self.model);
        let (object, created) = ("chat.completion.chunk", self.created);
        out.push(&Chunk {
            id,
            object,
            created,
            model,
            choices: [choice],
            usage: None,
            prompt_progress,
            timings,
        });
    }

    fn choice(&mut self, answer: &Answer, index: usize, out: &mut Frames) -> &mut Choice {
        while self.choices.len() <= index {
            let pace = Pace::new(answer.prompt(self.choices.len()).len());
            self.choices.push(Choice { begun: false, pace, logprobs: Vec::new() });
        }
        if !self.choices[index].begun {
            self.choices[index].begun = true;
            self.chunk(index, json!({ "role": "assistant", "content": null }), out);
        }
        &mut self.choices[index]
    }

    fn events(&mut self, answer: &Answer, choice: usize, events: Vec<Event>, out: &mut Frames) {
        for event in events {
            let delta = match event {
                Event::Text(text) | Event::Malformed { text, .. } => json!({ "content": text }),
                Event::Reasoning(text) => json!({ "reasoning_content": text }),
                Event::ToolCallStarted { index, id, name } => {
                    let Call { id, name, .. } = Call::new(id, &name);
                    let function = json!({ "name": name, "arguments": "" });
                    if self.legacy {
                        self.chunk(choice, json!({ "function_call": function }), out);
                        continue;
                    }
                    json!({ "tool_calls": [{ "index": index, "id": id, "type": "function", "function": function }] })
                }
                Event::ToolCallArguments { delta, .. } if self.legacy => {
                    json!({ "function_call": { "arguments": delta } })
                }
                Event::ToolCallArguments { index, delta } => {
                    json!({ "tool_calls": [{ "index": index, "function": { "arguments": delta } }] })
                }
                _ => continue,
            };
            let waiting = std::mem::take(&mut self.choices[choice].logprobs);
            let logprobs = (!waiting.is_empty()).then(|| ChoiceLogProbs {
                content: waiting.iter().map(|logprobs| TokenLogProb::new(&answer.model, logprobs)).collect(),
                refusal: None,
            });
            self.chunk_of(ChunkChoice { index: choice, delta, logprobs, finish_reason: None }, out);
        }
    }

    fn ended(&mut self, answer: &Answer, index: usize, mut ended: Ended, out: &mut Frames) {
        self.events(answer, index, std::mem::take(&mut ended.events), out);
        self.generated_tokens += ended.end.generated_tokens;
        self.reasoning_tokens += ended.reasoning_tokens;
        self.warnings.extend(contract::late(&ended));
        if let Err(problem) = ended.check() {
            out.push(&Dialect::OpenAi.failure_object(&problem, None));
            return;
        }
        let waiting = std::mem::take(&mut self.choices[index].logprobs);
        let logprobs = (!waiting.is_empty()).then(|| ChoiceLogProbs {
            content: waiting.iter().map(|logprobs| TokenLogProb::new(&answer.model, logprobs)).collect(),
            refusal: None,
        });
        let finish_reason = Some(finish::reason_for(&ended, self.legacy));
        self.chunk_of(ChunkChoice { index, delta: json!({}), logprobs, finish_reason }, out);
    }
}

impl StreamFormat for ChatStream {
    fn open(&mut self, answer: &Answer, out: &mut Frames) {
        self.choice(answer, 0, out);
    }

    fn write(&mut self, answer: &Answer, index: usize, said: Said, out: &mut Frames) {
        let choice = self.choice(answer, index, out);
        choice.pace.hear(&said);
        match said {
            Said::Progress { .. } => {
                let (progress, timings) = (choice.pace.progress(), choice.pace.timings());
                let choice = ChunkChoice { index, delta: json!({}), logprobs: None, finish_reason: None };
                self.push(choice, Some(progress), self.include_timings.then_some(timings), out);
            }
            Said::Begun { .. } => {}
            Said::Token { token, events, logprobs } => {
                // What ends an answer is none of it.
                let ends = events.is_empty() && answer.model.ends_generation(token);
                choice.logprobs.extend(logprobs.filter(|_| !ends));
                self.events(answer, index, events, out);
            }
            Said::Ended(ended) => self.ended(answer, index, ended, out),
        }
    }

    fn close(&mut self, answer: &Answer, out: &mut Frames) {
        let usage = Usage::new(
            answer.prompt_tokens,
            answer.cached_tokens,
            self.generated_tokens,
            self.reasoning_tokens,
        );
        if self.include_usage || self.prompt.is_some() || !self.warnings.is_empty() {
            let mut last = json!({
                "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
                "choices": [],
            });
            last["usage"] = json!(usage);
            last["timings"] = json!(self.choices.first().map(|choice| choice.pace.timings()));
            if let Some(prompt) = &self.prompt {
                last["__verbose"] = json!({ "prompt": prompt });
            }
            if !self.warnings.is_empty() {
                last["warnings"] = json!(self.warnings);
            }
            out.push(&last);
        }
        out.push_text("[DONE]");
    }
}
