use athenaeum_inference::{reply::Event, sampling::LogProbs};
use serde::Serialize;
use serde_json::Value;

use super::object::{Completion, Told};
use crate::{
    contract,
    dialect::Dialect,
    parameters::Warning,
    serving::{Answer, Ended, Pace, Progress, Said, Timings},
    stream::{Frames, StreamFormat},
};

/// Writes an answer token by token.
pub(super) struct CompletionStream {
    told: Told,
    warnings: Vec<Warning>,
    choices: Vec<Choice>,
}

/// Where an answer is.
struct Choice {
    pace: Pace,
    /// It has a line break.
    lines: bool,
}

#[derive(Serialize)]
struct Frame<'a> {
    index: usize,
    content: &'a str,
    tokens: &'a [u32],
    stop: bool,
    tokens_predicted: usize,
    tokens_evaluated: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_probabilities: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_progress: Option<Progress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<Timings>,
}

impl CompletionStream {
    pub(super) fn new(told: Told, warnings: Vec<Warning>) -> Self {
        Self { told, warnings, choices: Vec::new() }
    }

    fn choice(&mut self, answer: &Answer, index: usize) -> &mut Choice {
        while self.choices.len() <= index {
            let pace = Pace::new(answer.prompt(self.choices.len()).len());
            self.choices.push(Choice { pace, lines: false });
        }
        &mut self.choices[index]
    }

    fn frame(
        &self,
        answer: &Answer,
        index: usize,
        (content, tokens): (&str, &[u32]),
        logprobs: Option<LogProbs>,
        out: &mut Frames,
    ) {
        let pace = &self.choices[index].pace;
        out.push(&Frame {
            index,
            content,
            tokens,
            stop: false,
            tokens_predicted: pace.written(),
            tokens_evaluated: answer.prompt(index).len(),
            completion_probabilities: logprobs.and_then(|logprobs| self.told.probabilities(&[logprobs])),
            prompt_progress: tokens.is_empty().then(|| pace.progress()),
            timings: self.told.timings.then(|| pace.timings()),
        });
    }

    fn ended(&mut self, answer: &Answer, index: usize, mut ended: Ended, out: &mut Frames) {
        let rest = text(std::mem::take(&mut ended.events));
        if let Err(problem) = ended.check() {
            out.push(&Dialect::LlamaCpp.failure_object(&problem, None));
            return;
        }
        self.warnings.extend(contract::late(&ended));
        let place = (index, rest, self.choices[index].lines);
        let last = Completion::last(answer, &self.told, place, &ended, &self.warnings);
        out.push(&self.told.shown(&last));
    }
}

impl StreamFormat for CompletionStream {
    fn open(&mut self, _: &Answer, _: &mut Frames) {}

    fn write(&mut self, answer: &Answer, index: usize, said: Said, out: &mut Frames) {
        let choice = self.choice(answer, index);
        choice.pace.hear(&said);
        match said {
            Said::Progress { .. } => self.frame(answer, index, ("", &[]), None, out),
            Said::Begun { .. } => {}
            Said::Token { token, events, logprobs } => {
                let text = text(events);
                choice.lines |= text.contains('\n');
                self.frame(answer, index, (&text, token.as_slice()), logprobs, out);
            }
            Said::Ended(ended) => self.ended(answer, index, ended, out),
        }
    }

    fn close(&mut self, _: &Answer, _: &mut Frames) {}
}

/// Prompts that are no conversations are gone on from with nothing but text.
fn text(events: Vec<Event>) -> String {
    let text = |event| match event {
        Event::Text(text) => text,
        _ => String::new(),
    };
    events.into_iter().map(text).collect()
}
