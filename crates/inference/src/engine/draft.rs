use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Backend;
use crate::{
    cache::{PAGE, Page, Pages},
    decoder::{Row, Want},
};

/// The tokens that a draft guesses at once where nobody says how many.
pub(super) const GUESSES: usize = 4;

/// A smaller model of the same vocabulary, which guesses what the large one will say.
///
/// What it guesses changes how long an answer takes and never what it says, so nothing of it needs to be right.
pub struct Draft {
    /// What computes it, with a cache of its own.
    pub backend: Box<dyn Backend>,
    /// Tokens beyond which it is not asked: it was not made for more.
    pub context_tokens: usize,
}

/// The draft at work.
pub(super) struct Drafting {
    backend: Box<dyn Backend>,
    context_tokens: usize,
    pages: Pages,
    rows: Vec<Row>,
}

/// What the draft has read of a sequence.
#[derive(Debug, Default)]
pub(super) struct Drafted {
    pages: Vec<Page>,
    /// Tokens of the sequence that were read.
    read: usize,
    /// Guesses that were read after them. Those that came true are tokens of the sequence by the next time.
    ahead: Vec<u32>,
}

/// A sequence that wants guesses.
pub(super) struct Asked<'a> {
    pub(super) owner: u64,
    pub(super) tokens: &'a [u32],
    /// How many are wanted, at least one.
    pub(super) count: usize,
    /// Tokens that the large model knows.
    pub(super) vocabulary: usize,
    pub(super) drafted: &'a mut Drafted,
    /// Where they go; empty.
    pub(super) guesses: &'a mut Vec<u32>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").field("context_tokens", &self.context_tokens).finish_non_exhaustive()
    }
}

impl Drafting {
    pub(super) fn new(draft: Draft) -> Self {
        let Draft { backend, context_tokens } = draft;
        let pages = Pages::new(backend.pages());
        Self { backend, context_tokens, pages, rows: Vec::new() }
    }

    /// Guesses what follows the sequences, all in one batch for each token. Of what it has not read of them yet it
    /// reads up to `tokens_max` tokens; whoever has more behind gets no guesses before it is read. Nor does, for now,
    /// whoever there are no pages for.
    ///
    /// # Errors
    ///
    /// If the draft cannot compute; then it is of no use any more.
    pub(super) fn guess(&mut self, asked: Vec<Asked<'_>>, tokens_max: usize) -> Result<(), String> {
        let done = catch_unwind(AssertUnwindSafe(|| self.try_guess(asked, tokens_max)));
        done.unwrap_or_else(|_| Err("it panicked".to_owned()))
    }

    /// Lets go of what was read of a sequence that goes on later or not at all, keeping it as a beginning of others.
    pub(super) fn release(&mut self, owner: u64, tokens: &[u32], drafted: &mut Drafted) {
        drafted.settle(tokens);
        let Drafted { mut pages, read, .. } = std::mem::take(drafted);
        self.pages.remember(owner, tokens.get(..read).unwrap_or_default(), &mut pages);
        pages.into_iter().for_each(|page| self.pages.release(page));
    }

    /// Forgets everything, when all sequences were lost.
    pub(super) fn start_over(&mut self) {
        self.pages = Pages::new(self.backend.pages());
    }

    pub(super) fn pages_in_use(&self) -> usize {
        self.pages.in_use()
    }

    fn try_guess(&mut self, asked: Vec<Asked<'_>>, tokens_max: usize) -> Result<(), String> {
        let mut asked = self.read(asked, tokens_max)?;
        loop {
            asked.retain(|one| one.guesses.len() < one.count);
            if asked.is_empty() {
                return Ok(());
            }
            self.rows.clear();
            for (index, one) in asked.iter_mut().enumerate() {
                let Some(&token) = one.guesses.last() else { continue };
                self.rows.push(row(index, token, one.tokens.len() + one.drafted.ahead.len(), Want::Logits));
                one.drafted.ahead.push(token);
            }
            self.forward(&mut asked)?;
        }
    }

    /// Reads what it has not read yet, and guesses the first token. Returns those that are read to their end.
    fn read<'a>(&mut self, mut asked: Vec<Asked<'a>>, tokens_max: usize) -> Result<Vec<Asked<'a>>, String> {
        asked.retain_mut(|one| self.takes(one));
        // A long prompt must not keep the others waiting.
        asked.sort_by_key(|one| one.tokens.len() - one.drafted.read);
        self.rows.clear();
        let mut left = tokens_max;
        let mut reading = Vec::with_capacity(asked.len());
        for one in asked {
            let (from, end) = (one.drafted.read, one.tokens.len());
            let to = end.min(from + left);
            if from == to || !self.reserve(one.drafted, to + if to == end { one.count - 1 } else { 0 }) {
                continue;
            }
            left -= to - from;
            let rows = one.tokens.iter().enumerate().take(to).skip(from).map(|(position, &token)| {
                let want = if position + 1 == end { Want::Logits } else { Want::Nothing };
                row(reading.len(), token, position, want)
            });
            self.rows.extend(rows);
            one.drafted.read = to;
            reading.push(one);
        }
        self.forward(&mut reading)?;
        reading.retain(|one| !one.guesses.is_empty());
        Ok(reading)
    }

    /// Says whether it can guess for a sequence, and takes up where it left off, or where a known beginning ends.
    fn takes(&mut self, one: &mut Asked<'_>) -> bool {
        let known = self.backend.vocabulary();
        one.drafted.settle(one.tokens);
        if one.tokens.len() + one.count > self.context_tokens
            || one.tokens.iter().skip(one.drafted.read).any(|&token| token as usize >= known)
        {
            return false;
        }
        if one.drafted.pages.is_empty() {
            // The last token is always read: what follows it is wanted.
            let (_, before) = one.tokens.split_last().unwrap_or((&0, &[]));
            one.drafted.pages = self.pages.find(one.owner, before);
            one.drafted.read = one.drafted.pages.len() * PAGE;
        }
        true
    }

    /// Has room for the first `tokens` tokens of a sequence.
    fn reserve(&mut self, drafted: &mut Drafted, tokens: usize) -> bool {
        while drafted.pages.len() < tokens.div_ceil(PAGE) {
            let Some(page) = self.pages.take() else { return false };
            drafted.pages.push(page);
        }
        true
    }

    /// Computes the batch; each row that wants logits gives its sequence the likeliest token.
    fn forward(&mut self, sequences: &mut [Asked<'_>]) -> Result<(), String> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let vocabulary = self.backend.vocabulary();
        let pages: Vec<&[Page]> = sequences.iter().map(|one| one.drafted.pages.as_slice()).collect();
        let output = self.backend.forward(&self.rows, &pages)?;
        let wanted = self.rows.iter().filter(|row| row.want == Want::Logits);
        for (row, logits) in wanted.zip(output.logits.chunks_exact(vocabulary)) {
            let one = &mut sequences[row.sequence];
            one.guesses.push(likeliest(&logits[..vocabulary.min(one.vocabulary)]));
        }
        Ok(())
    }
}

impl Drafted {
    /// Counts the guesses that came true among what was read.
    fn settle(&mut self, tokens: &[u32]) {
        let since = tokens.get(self.read..).unwrap_or_default();
        self.read += self.ahead.iter().zip(since).take_while(|(guess, token)| guess == token).count();
        self.ahead.clear();
    }
}

fn row(sequence: usize, token: u32, position: usize, want: Want) -> Row {
    Row { token, position: u32::try_from(position).unwrap_or(u32::MAX), sequence, want }
}

fn likeliest(logits: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, &logit) in (0..).zip(logits) {
        if logit > best.1 {
            best = (token, logit);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(read: usize, ahead: &[u32], tokens: &[u32], expected: usize) {
        let mut drafted = Drafted { read, ahead: ahead.to_vec(), ..Drafted::default() };
        drafted.settle(tokens);
        assert_eq!((drafted.read, drafted.ahead.len()), (expected, 0));
    }

    #[test]
    fn what_was_read_stays_read_as_far_as_it_came_true() {
        check(2, &[7, 8], &[1, 2, 7, 8, 9], 4);
        check(2, &[7, 8], &[1, 2, 7, 5], 3);
        check(2, &[7, 8], &[1, 2, 6], 2);
        check(2, &[], &[1, 2, 6], 2);
        check(0, &[], &[], 0);
    }

    #[test]
    fn the_likeliest_is_found_among_what_are_no_numbers() {
        assert_eq!(likeliest(&[f32::NAN, 1.0, 3.0, 3.0]), 2);
        assert_eq!(likeliest(&[f32::NAN; 2]), 0);
    }
}
