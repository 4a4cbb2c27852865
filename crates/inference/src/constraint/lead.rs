//! Free text before a form.

use super::{Error, Vocabulary};

/// Text that comes before a form and is held to nothing but its end: what a model says to itself before it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// What such a text begins with, one token; where that does not come first, the form begins at once. `None` where
    /// the text has begun already.
    pub begins: Option<String>,
    /// What ends it.
    pub until: String,
    /// The answer may end without the form.
    pub may_end: bool,
    /// Space may stand between this and the form.
    pub gap: bool,
}

/// A lead that is being followed.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    lead: Lead,
    /// The token it begins with, while that has not come.
    begins: Option<u32>,
    /// As much of the text as may be the beginning of what ends it.
    tail: Vec<u8>,
    /// Tokens that would end it and go on at once with something that nobody has looked at.
    beyond: Vec<u32>,
}

/// What a token came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Followed {
    GoesOn,
    /// The form begins with the next token.
    Over,
    /// There is no such text: the form begins with this token.
    Absent,
}

impl Follower {
    /// `None` where there can be no such text: nothing in the vocabulary begins it.
    pub(super) fn new(lead: &Lead, vocabulary: &Vocabulary) -> Option<Self> {
        let begins = match &lead.begins {
            Some(text) => Some(vocabulary.token(text)?),
            None => None,
        };
        let until = lead.until.as_bytes();
        let goes_on = |token: &u32| {
            let bytes = vocabulary.bytes(*token);
            let at = bytes.windows(until.len().max(1)).position(|window| window == until);
            at.is_some_and(|at| !may_follow(lead, &bytes[at + until.len()..]))
        };
        let beyond = vocabulary.tokens().filter(goes_on).collect();
        Some(Self { lead: lead.clone(), begins, tail: Vec::new(), beyond })
    }

    /// The token that begins it, where it has not begun.
    pub(super) fn begins(&self) -> Option<u32> {
        self.begins
    }

    pub(super) fn has_gap(&self) -> bool {
        self.lead.gap
    }

    pub(super) fn may_end(&self) -> bool {
        self.lead.may_end
    }

    /// Goes on by a token.
    pub(super) fn accept(&mut self, token: u32, vocabulary: &Vocabulary) -> Result<Followed, Error> {
        if let Some(begins) = self.begins.take() {
            return Ok(if token == begins { Followed::GoesOn } else { Followed::Absent });
        }
        let until = self.lead.until.as_bytes();
        let mut text = std::mem::take(&mut self.tail);
        text.extend_from_slice(vocabulary.bytes(token));
        let found = text.windows(until.len().max(1)).position(|window| window == until);
        let Some(at) = found else {
            let kept = text.len().saturating_sub(until.len().saturating_sub(1));
            self.tail = text.split_off(kept);
            return Ok(Followed::GoesOn);
        };
        if may_follow(&self.lead, &text[at + until.len()..]) {
            Ok(Followed::Over)
        } else {
            Err(Error::Refused { token })
        }
    }

    /// Rules out tokens that would end it and go on at once with something that nobody has looked at.
    pub(super) fn apply(&self, logits: &mut [f32], vocabulary: &Vocabulary) {
        for &token in &self.beyond {
            logits[token as usize] = f32::NEG_INFINITY;
        }
        // Within the mark: the rest of it, and more.
        let until = self.lead.until.as_bytes();
        let begun: Vec<usize> =
            (1..until.len()).filter(|&length| self.tail.ends_with(&until[..length])).collect();
        if begun.is_empty() {
            return;
        }
        for (token, logit) in (0..).zip(logits.iter_mut()).filter(|(_, logit)| logit.is_finite()) {
            let bytes = vocabulary.bytes(token);
            let rest = |length: &usize| bytes.strip_prefix(&until[*length..]);
            if begun.iter().filter_map(rest).any(|rest| !may_follow(&self.lead, rest)) {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
}

/// Whether a token may end it and hold this besides.
fn may_follow(lead: &Lead, rest: &[u8]) -> bool {
    rest.is_empty() || lead.gap && is_space(rest)
}

pub(super) fn is_space(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| b" \n".contains(byte))
}
