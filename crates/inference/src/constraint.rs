//! Output that keeps to a form: JSON of a schema, a regular expression, a grammar.
//!
//! ```
//! use athenaeum_inference::constraint::{Constraint, Grammar, Vocabulary};
//!
//! // A vocabulary of single bytes, and one token that ends the text.
//! let bytes: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
//! let vocabulary = Vocabulary::new(257, &[256], |token| bytes.get(token as usize).map(|b| &b[..]))?;
//!
//! let mut constraint = Constraint::new(&vocabulary, &Grammar::Regex("(yes|no)".to_owned()))?;
//! let mut logits = vec![0.0; 257];
//! constraint.apply(&mut logits)?;
//! assert!(logits[usize::from(b'y')] == 0.0 && logits[usize::from(b'x')] == f32::NEG_INFINITY);
//! constraint.accept(u32::from(b'n'))?;
//! assert!(!constraint.may_end()?);
//! # Ok::<(), athenaeum_inference::constraint::Error>(())
//! ```
//!
//! A [`Vocabulary`] is made once for a model, a [`Constraint`] once for a sequence. Before each draw
//! [`Constraint::apply`] rules out what cannot follow; after it [`Constraint::accept`] is told the token. The work is
//! done by the library llguidance: a lexer of derivatives and an Earley parser, walked along a trie of the vocabulary.
//!
//! What it may cost is bounded: the size of schemas and grammars here, and steps of the parser for each token there,
//! so that a hostile grammar is refused, when it comes or while it runs, and never hangs. Steps are longer the more ways
//! there are to read the text so far: whoever serves others meanwhile asks [`Constraint::may_take_long`] and has a
//! [`Breaker`].
//!
//! **Invariant:** it fails closed. What cannot be honoured exactly is an error that names it: a schema is first read
//! here, keyword by keyword, and nothing that would be ignored or only approximated is let through.

mod calls;
mod formats;
mod gbnf;
mod lead;
mod pattern;
mod schema;
mod tags;
mod vocabulary;

use llguidance::{
    CancellationHandle, Matcher,
    api::{StopReason, TopLevelGrammar},
};

pub use calls::Calls;
pub use lead::Lead;
use lead::{Followed, Follower};
pub use vocabulary::Vocabulary;

/// The form that output has to keep to.
#[derive(Clone, Debug, PartialEq)]
pub enum Grammar {
    /// Any JSON object.
    JsonObject,
    /// JSON that a schema (drafts 4 to 2020-12) holds valid. Keywords that cannot be kept are refused.
    JsonSchema(serde_json::Value),
    /// The whole text matches an expression in the syntax of the `regex` crate.
    Regex(String),
    /// A context-free grammar in llguidance's variant of Lark; it begins at `start`.
    Lark(String),
    /// A context-free grammar as llama.cpp writes them; it begins at `root`.
    Gbnf(String),
    /// Calls of tools, as a family of models writes them.
    Calls(Box<Calls>),
    /// Free text, then the form.
    After(Lead, Box<Self>),
}

/// Why a form cannot be kept to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Part of a schema that has no exact equivalent. Leave it out, or say the same in other words.
    #[error("the schema's `{keyword}` at {place} cannot be kept: {reason}")]
    Unsupported {
        /// The keyword.
        keyword: String,
        /// A JSON pointer to the schema that holds it, `#` for the root.
        place: String,
        /// What about it.
        reason: String,
    },
    /// A schema or grammar that is not one.
    #[error("{what} cannot be read: {reason}")]
    Invalid {
        /// What kind of thing it is.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A schema or grammar beyond what is taken. Simplify it.
    #[error("{what} is too large: {got}, and at most {limit} is taken")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// How much there is.
        got: usize,
        /// How much is taken.
        limit: usize,
    },
    /// A token that the form does not allow here.
    #[error("token {token} cannot come here")]
    Refused {
        /// The token.
        token: u32,
    },
    /// The vocabulary cannot be used.
    #[error("the vocabulary cannot be constrained: {reason}")]
    Vocabulary {
        /// Why.
        reason: String,
    },
    /// Following the form took more than is allowed for one token, or failed; the sequence cannot go on.
    #[error("the form cannot be followed any further: {reason}")]
    Stuck {
        /// Why.
        reason: String,
    },
}

/// The most bytes of a regular expression or grammar.
const TEXT_MAX: usize = 64 << 10;

/// Nobody needs more than what a model says to itself, and what it says before it calls.
const LEADS_MAX: usize = 4;

/// Models were taught to put an empty line between what they say to themselves and the answer.
const GAP_TOKENS: u8 = 2;

/// Where a form is compiled: it recurses along what it is given, which the limits bound, but not to two megabytes.
const STACK_BYTES: usize = 64 << 20;

/// Ends the work that is being done for a sequence, from another thread. What is ended fails, and cannot go on.
#[derive(Clone, Debug)]
pub struct Breaker(CancellationHandle);

/// One sequence that keeps to a form. A clone goes on independently.
#[derive(Clone)]
pub struct Constraint {
    vocabulary: Vocabulary,
    free: bool,
    /// What comes before the form, the next one last.
    leads: Vec<Follower>,
    /// Space that may still come between that and the form, in tokens.
    gap: u8,
    matcher: Matcher,
    ended: bool,
}

impl Constraint {
    /// Compiles the form; milliseconds for most, and for very large ones a second.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`], [`Error::Invalid`] and [`Error::TooLarge`], as they say.
    pub fn new(vocabulary: &Vocabulary, grammar: &Grammar) -> Result<Self, Error> {
        let (mut leads, mut form) = (Vec::new(), grammar);
        while let Grammar::After(lead, then) = form {
            at_most("the number of texts before the form", leads.len(), LEADS_MAX)?;
            leads.extend(Follower::new(lead, vocabulary));
            form = then;
        }
        leads.reverse();
        let free = matches!(form, Grammar::Lark(_) | Grammar::Gbnf(_));
        let compile = || {
            let (what, grammar) = prepared(form, vocabulary)?;
            let parser = vocabulary.factory().create_parser(grammar);
            let parser = parser.map_err(|error| Error::Invalid { what, reason: first_line(&error) })?;
            Ok(Matcher::new(Ok(parser)).into_cancellable())
        };
        let matcher = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, compile);
            let thread = thread.map_err(|error| Error::Stuck { reason: error.to_string() })?;
            thread.join().map_err(|_| Error::Stuck { reason: "compiling it failed".to_owned() })?
        })?;
        let mut constraint =
            Self { vocabulary: vocabulary.clone(), free, leads, gap: 0, matcher, ended: false };
        // What can never be written is known only once the first token is looked for.
        constraint.allowed()?;
        Ok(constraint)
    }

    /// Whether a single token can take long: grammars that people write may be read in many ways at once.
    pub fn may_take_long(&self) -> bool {
        self.free
    }

    /// What ends the work on a token from another thread; clones have their own.
    pub fn breaker(&self) -> Option<Breaker> {
        self.matcher.cancellation_handle().map(Breaker)
    }

    /// Sets the logits of all tokens to −∞ that cannot come next, those beyond the vocabulary included.
    ///
    /// # Errors
    ///
    /// [`Error::Stuck`] where the limits are reached or nothing can follow.
    pub fn apply(&mut self, logits: &mut [f32]) -> Result<(), Error> {
        let tokens = self.vocabulary.len();
        logits.iter_mut().skip(tokens).for_each(|logit| *logit = f32::NEG_INFINITY);
        // What begins a text before the form may come beside whatever may come without it.
        let begin = self.leads.last().and_then(Follower::begins).map(|token| token as usize);
        let begins: Vec<(usize, f32)> =
            begin.and_then(|at| Some((at, *logits.get(at)?))).into_iter().collect();
        let free = self.leads.iter().rev().find(|lead| lead.begins().is_none());
        match free {
            Some(lead) => {
                lead.apply(logits, &self.vocabulary);
                if !lead.may_end() {
                    for &end in self.vocabulary.ends() {
                        logits[end as usize] = f32::NEG_INFINITY;
                    }
                }
            }
            None => self.apply_form(logits)?,
        }
        for (at, logit) in begins {
            logits[at] = logit;
        }
        Ok(())
    }

    fn apply_form(&mut self, logits: &mut [f32]) -> Result<(), Error> {
        let allowed = self.allowed()?;
        let gap = self.gap > 0;
        for (index, group) in logits.chunks_mut(32).enumerate() {
            match allowed.as_slice().get(index).copied().unwrap_or(0) {
                u32::MAX => {}
                0 if !gap => group.fill(f32::NEG_INFINITY),
                bits => group.iter_mut().enumerate().for_each(|(bit, logit)| {
                    if bits >> bit & 1 == 0 && !(gap && self.is_space(index * 32 + bit)) {
                        *logit = f32::NEG_INFINITY;
                    }
                }),
            }
        }
        Ok(())
    }

    fn is_space(&self, token: usize) -> bool {
        let bytes = u32::try_from(token).map_or(&[][..], |token| self.vocabulary.bytes(token));
        !bytes.is_empty() && lead::is_space(bytes)
    }

    /// Goes on by a token.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] for a token that [`apply`](Self::apply) rules out; the constraint is as before then.
    pub fn accept(&mut self, token: u32) -> Result<(), Error> {
        let refused = Err(Error::Refused { token });
        if self.ended || token as usize >= self.vocabulary.len() {
            return refused;
        }
        if self.is_end(token) {
            self.ended = self.may_end()?;
            return if self.ended { Ok(()) } else { refused };
        }
        while let Some(lead) = self.leads.last_mut() {
            match lead.accept(token, &self.vocabulary)? {
                Followed::GoesOn => return Ok(()),
                Followed::Over => {
                    let gap = lead.has_gap();
                    self.leads.pop();
                    self.gap = if gap && self.leads.is_empty() { GAP_TOKENS } else { 0 };
                    return Ok(());
                }
                Followed::Absent => drop(self.leads.pop()),
            }
        }
        if self.gap > 0 && self.is_space(token as usize) {
            self.gap -= 1;
            return Ok(());
        }
        if self.matcher.is_stopped()
            || self.matcher.validate_tokens(&[token]).map_err(|error| stuck(&error))? == 0
        {
            // What was broken off is stopped, too, whatever came.
            return if self.matcher.is_cancelled() { Err(stuck(&llguidance::Cancelled)) } else { refused };
        }
        self.gap = 0;
        self.matcher.consume_token(token).map_err(|error| stuck(&error))
    }

    /// Whether the text so far is complete, so that an end may come.
    ///
    /// # Errors
    ///
    /// [`Error::Stuck`] after an error.
    pub fn may_end(&mut self) -> Result<bool, Error> {
        if let Some(lead) = self.leads.iter().rev().find(|lead| lead.begins().is_none()) {
            return Ok(lead.may_end());
        }
        if self.matcher.is_stopped() {
            return self.fulfilled();
        }
        self.matcher.is_accepting().map_err(|error| stuck(&error))
    }

    /// Whether nothing but an end may come.
    pub fn must_end(&self) -> bool {
        // One that was broken off is stopped and has not come to its end.
        self.ended || self.leads.is_empty() && self.matcher.is_stopped() && !self.matcher.is_cancelled()
    }

    /// What has to come next whatever the model says, in bytes: the rest of a key, say. Empty where there is a choice.
    pub fn forced(&mut self) -> Vec<u8> {
        if self.must_end() || !self.leads.is_empty() { Vec::new() } else { self.matcher.compute_ff_bytes() }
    }

    fn is_end(&self, token: u32) -> bool {
        self.matcher.tok_env().is_ok_and(|env| env.tok_trie().eos_tokens().contains(&token))
    }

    fn allowed(&mut self) -> Result<llguidance::toktrie::SimpleVob, Error> {
        if self.matcher.is_stopped() {
            self.fulfilled()?;
        }
        let allowed = self.matcher.compute_mask_or_eos();
        let allowed = allowed.map_err(|error| stuck(&error))?;
        // Running into a limit stops the parser and would look like the end of the text.
        self.fulfilled()?;
        if allowed.is_zero() {
            return Err(Error::Stuck { reason: "no token can follow".to_owned() });
        }
        Ok(allowed)
    }

    /// Whether the form has come to its end, rather than its parser to a limit.
    fn fulfilled(&self) -> Result<bool, Error> {
        match self.matcher.stop_reason() {
            StopReason::NotStopped => Ok(false),
            StopReason::NoExtension | StopReason::NoExtensionBias | StopReason::EndOfSentence => Ok(true),
            StopReason::LexerTooComplex | StopReason::ParserTooComplex => {
                Err(Error::Stuck { reason: "it takes too many steps for one token".to_owned() })
            }
            other => Err(stuck(&self.matcher.get_error().unwrap_or_else(|| other.to_string()))),
        }
    }
}

impl Breaker {
    /// Ends it; returns at once.
    pub fn end(&self) {
        self.0.cancel();
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Constraint").field("leads", &self.leads).field("ended", &self.ended).finish()
    }
}

/// What llguidance is given, and what to call it in errors.
fn prepared(grammar: &Grammar, vocabulary: &Vocabulary) -> Result<(&'static str, TopLevelGrammar), Error> {
    Ok(match grammar {
        Grammar::JsonObject => {
            let object = serde_json::json!({ "type": "object" });
            ("the schema", TopLevelGrammar::from_json_schema(schema::prepared(&object)?))
        }
        Grammar::JsonSchema(schema) => {
            ("the schema", TopLevelGrammar::from_json_schema(schema::prepared(schema)?))
        }
        Grammar::Regex(regex) => {
            ("the regular expression", TopLevelGrammar::from_regex(checked_regex(regex)?))
        }
        Grammar::Lark(lark) => ("the Lark grammar", TopLevelGrammar::from_lark(checked_lark(lark)?)),
        Grammar::Gbnf(gbnf) => {
            at_most("the GBNF grammar in bytes", gbnf.len(), TEXT_MAX)?;
            ("the GBNF grammar", TopLevelGrammar::from_lark(gbnf::to_lark(gbnf)?))
        }
        Grammar::Calls(calls) => {
            ("the list of tools", TopLevelGrammar::from_lark(calls::to_lark(calls, vocabulary)?))
        }
        Grammar::After(_, form) => prepared(form, vocabulary)?,
    })
}

fn checked_regex(regex: &str) -> Result<&str, Error> {
    at_most("the regular expression in bytes", regex.len(), TEXT_MAX)?;
    let invalid =
        |reason: &str| Err(Error::Invalid { what: "the regular expression", reason: reason.to_owned() });
    // The library drops a last backslash, and gives a group of this name a meaning of its own.
    if (regex.len() - regex.trim_end_matches('\\').len()) % 2 == 1 {
        return invalid("it ends in a backslash");
    }
    if regex.contains("<stop>") {
        return invalid("a group cannot be called stop");
    }
    if regex.is_empty() { invalid("it is empty") } else { Ok(regex) }
}

fn checked_lark(lark: &str) -> Result<String, Error> {
    at_most("the Lark grammar in bytes", lark.len(), TEXT_MAX)?;
    // Schemas within grammars would come past the reading of schemas here; the others loosen what is checked.
    for directive in ["%json", "%llguidance", "%lark"] {
        if lark.contains(directive) {
            let reason = format!("`{directive}` is not taken; give a schema as a JSON schema");
            return Err(Error::Invalid { what: "the Lark grammar", reason });
        }
    }
    Ok(lark.to_owned())
}

fn at_most(what: &'static str, got: usize, limit: usize) -> Result<(), Error> {
    if got <= limit { Ok(()) } else { Err(Error::TooLarge { what, got, limit }) }
}

fn stuck(error: &impl ToString) -> Error {
    let reason = first_line(error);
    Error::Stuck {
        // The library's name for a form that can never be completed.
        reason: if reason.starts_with("NoExtension") {
            "no text fits it".to_owned()
        } else if reason == llguidance::Cancelled.to_string() {
            "one token takes too long; say it so that a text can be read in fewer ways".to_owned()
        } else {
            reason
        },
    }
}

/// The library's errors go on with dumps of its state and traces.
fn first_line(error: &impl ToString) -> String {
    let text = error.to_string();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it gives no reason");
    line.chars().take(300).collect()
}
