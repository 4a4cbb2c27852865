use athenaeum_inference::{engine::Reason, reply::Event, sampling::LogProbs};

use super::{Answer, Ended, Said};
use crate::{contract, parameters::Warning, problem::Problem};

/// Answers that have been given, for clients that wait for all of one.
#[derive(Debug)]
pub(crate) struct Whole {
    /// In the order that they were asked for.
    pub(crate) choices: Vec<Choice>,
}

/// One answer.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<Call>,
    /// Its tokens, those that ended it included; none where they are another engine's.
    pub(crate) tokens: Vec<u32>,
    /// One for each token, where asked for.
    pub(crate) logprobs: Vec<LogProbs>,
    /// For every token of the prompt but the first, where asked for; of the first choice of a prompt only.
    pub(crate) prompt_logprobs: Vec<LogProbs>,
    pub(crate) ended: Option<Ended>,
}

/// A tool that is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// A JSON object, as the model wrote it.
    pub(crate) arguments: String,
}

impl Answer {
    /// Waits for all that is said.
    ///
    /// # Errors
    ///
    /// If an answer broke off.
    pub(crate) async fn whole(&mut self) -> Result<Whole, Problem> {
        let mut whole = Whole { choices: Vec::new() };
        while let Some((index, said)) = self.next().await {
            if whole.choices.len() <= index {
                whole.choices.resize_with(index + 1, Choice::default);
            }
            let Some(choice) = whole.choices.get_mut(index) else { continue };
            match said {
                Said::Progress { .. } => {}
                Said::Begun { logprobs, .. } => choice.prompt_logprobs = logprobs,
                Said::Token { token, events, logprobs } => {
                    choice.tokens.extend(token);
                    choice.logprobs.extend(logprobs);
                    events.into_iter().for_each(|event| choice.hear(event));
                }
                Said::Ended(mut ended) => {
                    std::mem::take(&mut ended.events).into_iter().for_each(|event| choice.hear(event));
                    ended.check()?;
                    choice.ended = Some(ended);
                }
            }
        }
        Ok(whole)
    }
}

impl Whole {
    /// Tells of answers whose time was over.
    pub(crate) fn late(&self) -> Option<Warning> {
        self.choices.iter().filter_map(|choice| choice.ended.as_ref()).find_map(contract::late)
    }
}

impl Choice {
    /// Says whether nothing was said.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.reasoning.is_empty() && self.calls.is_empty()
    }

    /// Adds what was said.
    pub(super) fn hear(&mut self, event: Event) {
        match event {
            Event::Text(text) => self.text.push_str(&text),
            Event::Reasoning(text) => self.reasoning.push_str(&text),
            Event::ToolCallStarted { index, id, name } => {
                self.calls.resize_with(index, || Call::new(None, ""));
                self.calls.push(Call::new(id, &name));
            }
            Event::ToolCallArguments { index, delta } => {
                if let Some(call) = self.calls.get_mut(index) {
                    call.arguments.push_str(&delta);
                }
            }
            Event::Malformed { index, text, .. } => {
                self.calls.truncate(index.unwrap_or(self.calls.len()));
                self.text.push_str(&text);
            }
            _ => {}
        }
    }
}

impl Call {
    /// Begins a call. Models that give none get an id of nine letters and digits: some templates insist on that many.
    pub(crate) fn new(id: Option<String>, name: &str) -> Self {
        Self { id: id.unwrap_or_else(call_id), name: name.to_owned(), arguments: String::new() }
    }
}

fn call_id() -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut left = uuid::Uuid::new_v4().as_u128();
    let digit = || {
        let digit = usize::try_from(left % 36).unwrap_or(0);
        left /= 36;
        char::from(DIGITS[digit])
    };
    std::iter::repeat_with(digit).take(9).collect()
}

impl Ended {
    /// Says why an answer broke off, where it did.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        match &self.end.reason {
            Reason::Failed(why) => {
                tracing::error!(reason = why, "an answer broke off");
                Err(Problem::new(self.failure, format!("The answer broke off: {why}.")))
            }
            _ => Ok(()),
        }
    }
}
