use athenaeum_inference::{reply::Event, sampling::LogProbs, tokenizer::TextStream};
use serde::Serialize;
use serde_json::json;

use super::{
    super::{finish, usage::Usage},
    Wanted,
    logprobs::CompletionLogProbs,
    object::id,
};
use crate::{
    clock, contract,
    dialect::Dialect,
    parameters::Warning,
    serving::{Answer, Ended, Said},
    stream::{Frames, StreamFormat},
};

/// Writes answers as chunks.
pub(super) struct CompletionStream {
    id: String,
    created: u64,
    model: String,
    wanted: Wanted,
    echoes: Vec<String>,
    include_usage: bool,
    warnings: Vec<Warning>,
    choices: Vec<Choice>,
    generated_tokens: usize,
}

/// How far a choice is.
struct Choice {
    /// Where the next token begins.
    offset: usize,
    text: TextStream,
    /// Of tokens that have given no text yet.
    logprobs: CompletionLogProbs,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [ChunkChoice<'a>; 1],
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: usize,
    text: &'a str,
    logprobs: Option<CompletionLogProbs>,
    finish_reason: Option<&'a str>,
}

impl CompletionStream {
    pub(super) fn new(
        answer: &Answer,
        wanted: Wanted,
        echoes: Vec<String>,
        include_usage: bool,
        warnings: Vec<Warning>,
    ) -> Self {
        Self {
            id: id(),
            created: clock::seconds(),
            model: answer.model.name().to_owned(),
            wanted,
            echoes,
            include_usage,
            warnings,
            choices: Vec::new(),
            generated_tokens: 0,
        }
    }

    fn choice(&mut self, index: usize) -> &mut Choice {
        while self.choices.len() <= index {
            let echo = self.echoes.get(self.choices.len() / self.wanted.best_of.max(1));
            self.choices.push(Choice {
                offset: echo.map_or(0, |echo| echo.chars().count()),
                text: TextStream::continuing(),
                logprobs: CompletionLogProbs::default(),
            });
        }
        &mut self.choices[index]
    }

    fn chunk(&mut self, index: usize, text: &str, finish_reason: Option<&str>, out: &mut Frames) {
        let top = self.wanted.logprobs;
        let waiting = std::mem::take(&mut self.choice(index).logprobs);
        let logprobs = top.filter(|_| !waiting.is_empty());
        let logprobs = logprobs.map(|top| if top == 0 { waiting.without_top() } else { waiting });
        let choice = ChunkChoice { index, text, logprobs, finish_reason };
        let (id, model) = (self.id.as_str(), self.model.as_str());
        let object = "text_completion";
        out.push(&Chunk { id, object, created: self.created, model, choices: [choice] });
    }

    fn begun(&mut self, answer: &Answer, index: usize, logprobs: &[LogProbs], out: &mut Frames) {
        if !self.wanted.echo {
            return;
        }
        let echo = self.echoes.get(index / self.wanted.best_of.max(1)).cloned().unwrap_or_default();
        if let Some((_, tokenizer)) = self.wanted.logprobs.zip(answer.model.tokenizer()) {
            let choice = self.choice(index);
            choice.logprobs.push_prompt(tokenizer, answer.prompt(index), logprobs, &echo);
        }
        self.chunk(index, &echo, None, out);
    }

    fn ended(&mut self, index: usize, mut ended: Ended, out: &mut Frames) {
        self.generated_tokens += ended.end.generated_tokens;
        self.warnings.extend(contract::late(&ended));
        let rest = text(&std::mem::take(&mut ended.events));
        match ended.check() {
            Ok(()) => self.chunk(index, &rest, Some(finish::reason(&ended)), out),
            Err(problem) => out.push(&Dialect::OpenAi.failure_object(&problem, None)),
        }
    }
}

impl StreamFormat for CompletionStream {
    fn open(&mut self, _: &Answer, _: &mut Frames) {}

    fn write(&mut self, answer: &Answer, index: usize, said: Said, out: &mut Frames) {
        match said {
            Said::Progress { .. } => {}
            Said::Begun { logprobs, .. } => self.begun(answer, index, &logprobs, out),
            Said::Token { token, events, logprobs } => {
                if let Some((token, tokenizer)) = token.zip(answer.model.tokenizer()) {
                    let choice = self.choice(index);
                    if let Some(logprobs) = logprobs {
                        choice.logprobs.push(tokenizer, token, Some(&logprobs), choice.offset);
                    }
                    choice.offset += choice.text.push(tokenizer, token).chars().count();
                }
                let text = text(&events);
                if !text.is_empty() {
                    self.chunk(index, &text, None, out);
                }
            }
            Said::Ended(ended) => self.ended(index, ended, out),
        }
    }

    fn close(&mut self, answer: &Answer, out: &mut Frames) {
        if self.include_usage || !self.warnings.is_empty() {
            let mut last = json!({
                "id": self.id, "object": "text_completion", "created": self.created, "model": self.model,
                "choices": [],
            });
            if self.include_usage {
                let (prompt, cached) = (answer.prompt_tokens, answer.cached_tokens);
                last["usage"] = json!(Usage::new(prompt, cached, self.generated_tokens, 0));
            }
            if !self.warnings.is_empty() {
                last["warnings"] = json!(self.warnings);
            }
            out.push(&last);
        }
        out.push_text("[DONE]");
    }
}

fn text(events: &[Event]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        Event::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}
