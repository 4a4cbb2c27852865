use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::{
    Backend, End, Event, Reason, Request,
    choice::{Aside, Away, Choice, Chooser, Chosen},
    draft::{self, Asked, Drafted, Drafting},
    keep::Keep,
    pictures,
    speculate::{self, Trust},
};
use crate::{
    cache::{PAGE, Page, Pages},
    decoder::{GIVEN, Given},
    reply::{Passed, Stops},
    sampling::{self, LogProbs, Sampler},
    tokenizer::{TextStream, Tokenizer},
};

/// One request from its arrival to its end.
#[derive(Debug)]
pub(super) struct Sequence {
    request: Request,
    prompt_tokens: usize,
    /// Prompt and answer.
    tokens: Vec<u32>,
    /// Where the computed ones, and a few more, have their keys and values.
    pages: Vec<Page>,
    /// Tokens whose keys and values are in the cache.
    computed: usize,
    cached_tokens: usize,
    /// Tokens of the whole at most.
    tokens_max: usize,
    guesses: Vec<u32>,
    /// Guesses can stand for tokens: nothing but the text is wanted.
    exact: bool,
    trust: Trust,
    drafted: Drafted,
    choosing: Choosing,
    text: TextStream,
    /// What choosing the last token took that was chosen elsewhere.
    took: Duration,
    /// What came of the last token, kept for its memory.
    piece: String,
    stops: Stops,
    prompt_logprobs: Vec<LogProbs>,
    events: UnboundedSender<Event>,
    arrived: Instant,
    first_token: Option<Duration>,
}

/// What comes of a token that was computed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoesOn,
    /// The next token is being chosen elsewhere; the batch goes on without this sequence.
    Waits,
    Ends(Reason),
}

/// Who chooses the next token, and where.
#[derive(Debug)]
enum Choosing {
    Here(Box<Chooser>),
    Away(Away),
    /// The chooser is lost; the sequence ends.
    Lost,
}

impl Sequence {
    pub(super) fn new(
        mut request: Request,
        mut sampler: Sampler,
        context_tokens: usize,
        events: UnboundedSender<Event>,
    ) -> Self {
        let tokens = std::mem::take(&mut request.prompt);
        // Penalties and repetitions are of what was written.
        let written = tokens.split(|&token| token >= GIVEN);
        written.for_each(|tokens| sampler.remember(tokens));
        let asked = request.tokens_max.map_or(context_tokens, |max| tokens.len().saturating_add(max));
        let exact = request.constraint.is_none() && request.logprobs.is_none();
        let constraint = request.constraint.take();
        let chooser = Chooser::new(sampler, constraint, request.logprobs, request.logprobs_as_drawn);
        Self {
            prompt_tokens: tokens.len(),
            tokens_max: asked.min(context_tokens),
            tokens,
            pages: Vec::new(),
            computed: 0,
            cached_tokens: 0,
            guesses: Vec::new(),
            trust: Trust::new(),
            drafted: Drafted::default(),
            exact,
            choosing: Choosing::Here(Box::new(chooser)),
            text: if request.show_special {
                TextStream::continuing().with_specials()
            } else {
                TextStream::continuing()
            },
            took: Duration::ZERO,
            piece: String::new(),
            stops: Stops::new(request.stops.iter().cloned()),
            prompt_logprobs: Vec::new(),
            events,
            arrived: Instant::now(),
            first_token: None,
            request,
        }
    }

    pub(super) fn owner(&self) -> u64 {
        self.request.owner
    }

    pub(super) fn priority(&self) -> i32 {
        self.request.priority
    }

    pub(super) fn arrived(&self) -> Instant {
        self.arrived
    }

    pub(super) fn pages(&self) -> &[Page] {
        &self.pages
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }

    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.request.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// Says whether `running` is about to make known what this one begins with.
    pub(super) fn awaits(&self, running: &Self) -> bool {
        running.computed < running.prompt_tokens
            && running.owner() == self.owner()
            && self.request.prompt_logprobs.is_none()
            && self.tokens.len() > PAGE
            && self.tokens.get(..PAGE) == running.tokens.get(..PAGE)
    }

    /// Takes over what is known of its beginning. The last token is always computed: what follows it is wanted.
    pub(super) fn begin(&mut self, pages: &mut Pages, keep: &mut Keep, backend: &mut dyn Backend) {
        if self.request.prompt_logprobs.is_none() {
            self.take_over(pages, keep, backend);
        }
        self.tell_progress();
    }

    fn take_over(&mut self, pages: &mut Pages, keep: &mut Keep, backend: &mut dyn Backend) {
        let tokens = &self.tokens[..self.tokens.len() - 1];
        let owner = self.request.owner;
        self.pages = pages.find(owner, tokens);
        keep.bring((owner, tokens), &mut self.pages, pages, backend);
        self.computed = self.pages.len() * PAGE;
        self.computed += match pages.find_begun(owner, tokens, self.pages.len()) {
            Some((begun, count)) => {
                let copied = copy(begun, &mut self.pages, pages, backend);
                pages.release(begun);
                if copied { count } else { 0 }
            }
            None => keep.bring_begun((owner, tokens), &mut self.pages, pages, backend),
        };
        if self.first_token.is_none() {
            self.cached_tokens = self.computed.min(self.prompt_tokens);
        }
    }

    /// Whoever gave up its pages reads again what it had told to be read.
    fn tell_progress(&self) {
        if self.request.progress && self.tokens.len() == self.prompt_tokens {
            let (read, cached) = (self.computed, self.cached_tokens);
            let _ = self.events.send(Event::Progress { read, cached, time: self.arrived.elapsed() });
        }
    }

    /// Gives up its pages; it will have to be read again.
    pub(super) fn give_up(&mut self, pages: &mut Pages, draft: Option<&mut Drafting>) {
        self.leave(draft);
        self.pages.drain(..).for_each(|page| pages.release(page));
        self.computed = 0;
        self.guesses.clear();
        self.prompt_logprobs.clear();
    }

    /// Remembers what was computed as a beginning for others.
    pub(super) fn remember(&mut self, pages: &mut Pages) {
        pages.remember(self.request.owner, &self.tokens[..self.computed], &mut self.pages);
    }

    /// Says whether logits are wanted of every token of the prompt, which is being read for the first time.
    pub(super) fn reads_logprobs(&self) -> bool {
        self.request.prompt_logprobs.is_some() && self.tokens.len() == self.prompt_tokens
    }

    /// Has what was computed written as a beginning for later runs.
    pub(super) fn keep(&self, keep: &mut Keep, backend: &dyn Backend) {
        keep.keep((self.request.owner, &self.tokens[..self.computed]), &self.pages, backend);
    }

    /// How many tokens are still to be computed before the next can be chosen: one while it generates.
    pub(super) fn pending(&self) -> usize {
        self.tokens.len() - self.computed
    }

    /// Guesses what comes from what was said before.
    pub(super) fn guess(&mut self) {
        self.guesses.clear();
        let count = self.guesses_wanted(speculate::GUESSES).min(self.trust.count());
        if count > 0 {
            speculate::guess(&self.tokens, count, &mut self.guesses);
        }
        // Nobody says a picture.
        let said = self.guesses.iter().take_while(|&&token| token < GIVEN).count();
        self.guesses.truncate(said);
    }

    /// Asks a draft for what could not be guessed so.
    pub(super) fn ask(&mut self, vocabulary: usize) -> Option<Asked<'_>> {
        let count = self.guesses_wanted(draft::GUESSES);
        (count > 0 && self.guesses.is_empty()).then_some(Asked {
            owner: self.request.owner,
            tokens: &self.tokens,
            count,
            vocabulary,
            drafted: &mut self.drafted,
            guesses: &mut self.guesses,
        })
    }

    /// Goes on without the draft. `None`: it is gone, and with it all pages.
    pub(super) fn leave(&mut self, draft: Option<&mut Drafting>) {
        match draft {
            Some(draft) => draft.release(self.request.owner, &self.tokens, &mut self.drafted),
            None => self.drafted = Drafted::default(),
        }
    }

    /// None while it reads: the next token is not up yet. `usual` where the request does not say.
    fn guesses_wanted(&self, usual: usize) -> usize {
        let room = self.tokens_max.saturating_sub(self.tokens.len() + 1);
        if self.exact && self.pending() == 1 { self.request.guesses.unwrap_or(usual).min(room) } else { 0 }
    }

    /// Has room for the next `count` tokens and the guesses, taking pages for them. Guesses are dropped where only
    /// they have no room. `false`: there are no pages left.
    pub(super) fn reserve(&mut self, count: usize, pages: &mut Pages) -> bool {
        let needed = (self.computed + count).div_ceil(PAGE);
        let wanted = (self.computed + count + self.guesses.len()).div_ceil(PAGE);
        while self.pages.len() < wanted {
            let Some(page) = pages.take() else {
                self.guesses.clear();
                return self.pages.len() >= needed;
            };
            self.pages.push(page);
        }
        true
    }

    /// The next `count` tokens with their positions, the guesses after them, and whether logits are wanted of each.
    pub(super) fn rows(&self, count: usize) -> impl Iterator<Item = (u32, usize, bool)> {
        let reaches_end = count == self.pending();
        let all = self.reads_logprobs();
        let pending = self.tokens[self.computed..self.computed + count].iter().enumerate().map(
            move |(index, &token)| (token, self.computed + index, all || (reaches_end && index + 1 == count)),
        );
        let guesses =
            self.guesses.iter().enumerate().map(|(index, &token)| (token, self.tokens.len() + index, true));
        pending.chain(guesses.filter(move |_| reaches_end))
    }

    /// How many of the next `count` tokens can be computed together, or a few more.
    pub(super) fn whole(&self, count: usize) -> usize {
        pictures::whole(&self.request.pictures, self.computed, count)
    }

    /// The numbers of the row at a position that is no token of the vocabulary.
    pub(super) fn given(&self, position: usize, row: usize) -> Option<Given<'_>> {
        pictures::given(&self.request.pictures, position, row)
    }

    /// Takes in what was computed: `logits` of the rows that wanted them, in order.
    pub(super) fn advance(
        &mut self,
        count: usize,
        mut logits: std::slice::ChunksExact<'_, f32>,
        tokenizer: &Tokenizer,
        (scratch, aside): (&mut Vec<f32>, &mut Aside),
    ) -> (usize, Next) {
        let reaches_end = count == self.pending();
        if let Err(error) = self.keep_prompt_logprobs(count, &mut logits) {
            return (0, Next::Ends(Reason::Failed(error.to_string())));
        }
        self.computed += count;
        self.tell_progress();
        if !reaches_end {
            return (0, Next::GoesOn);
        }
        if self.tokens.len() == self.prompt_tokens {
            let logprobs = std::mem::take(&mut self.prompt_logprobs);
            let _ = self.events.send(Event::Prompt { cached_tokens: self.cached_tokens, logprobs });
        }
        if self.tokens.len() >= self.tokens_max {
            return (0, Next::Ends(Reason::Length));
        }
        let guesses = std::mem::take(&mut self.guesses);
        let mut right = 0;
        for raw in logits {
            let next = self.choose(raw, tokenizer, scratch, aside);
            let token = self.tokens.last().copied();
            // A guess that came true was computed in its place already.
            let goes_on =
                next == Next::GoesOn && right < guesses.len() && token == guesses.get(right).copied();
            if !goes_on {
                self.learn(guesses, right);
                return (right, next);
            }
            self.computed += 1;
            right += 1;
        }
        self.learn(guesses, right);
        (right, Next::GoesOn)
    }

    /// Learns how many guesses came true, and keeps their memory.
    fn learn(&mut self, guesses: Vec<u32>, right: usize) {
        self.trust.learn(guesses.len(), right);
        self.guesses = guesses;
    }

    /// Ends it: says so, and lets go of everything.
    pub(super) fn end(mut self, reason: Reason, pages: &mut Pages, draft: Option<&mut Drafting>) -> Duration {
        self.leave(draft);
        self.remember(pages);
        self.pages.drain(..).for_each(|page| pages.release(page));
        self.say_end(reason)
    }

    /// Ends it when all pages are lost.
    pub(super) fn fail(mut self, why: &str) {
        self.say_end(Reason::Failed(why.to_owned()));
    }

    fn say_end(&mut self, reason: Reason) -> Duration {
        let text = match reason {
            Reason::Stop(_) => String::new(),
            _ => {
                let rest = self.text.finish();
                let mut text = self.stops.push(&rest).text;
                text.push_str(&self.stops.finish());
                text
            }
        };
        let whole = self.arrived.elapsed();
        let end = End {
            reason,
            text,
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached_tokens,
            generated_tokens: self.tokens.len() - self.prompt_tokens,
            first_token: self.first_token,
            whole,
        };
        let _ = self.events.send(Event::End(end));
        whole
    }

    fn keep_prompt_logprobs(
        &mut self,
        count: usize,
        logits: &mut std::slice::ChunksExact<'_, f32>,
    ) -> Result<(), sampling::Error> {
        let Some(top) = self.request.prompt_logprobs.filter(|_| self.reads_logprobs()) else { return Ok(()) };
        for index in self.computed..self.computed + count {
            // The last token's logits are for the answer.
            if index + 1 >= self.prompt_tokens {
                break;
            }
            let Some(raw) = logits.next() else { break };
            if self.tokens[index + 1] >= GIVEN {
                continue;
            }
            self.prompt_logprobs.push(sampling::logprobs(raw, self.tokens[index + 1], top)?);
        }
        Ok(())
    }

    /// Chooses a token from its logits, or has it chosen where that takes long.
    fn choose(
        &mut self,
        raw: &[f32],
        tokenizer: &Tokenizer,
        scratch: &mut Vec<f32>,
        aside: &mut Aside,
    ) -> Next {
        match std::mem::replace(&mut self.choosing, Choosing::Lost) {
            Choosing::Here(chooser) if chooser.is_slow() => match aside.choose(chooser, raw) {
                Ok(away) => {
                    self.choosing = Choosing::Away(away);
                    Next::Waits
                }
                Err(chooser) => self.choose_here(chooser, raw, tokenizer, scratch),
            },
            Choosing::Here(chooser) => self.choose_here(chooser, raw, tokenizer, scratch),
            // It had given up its pages meanwhile, and was read again; the logits are the same.
            Choosing::Away(away) => {
                self.choosing = Choosing::Away(away);
                Next::Waits
            }
            Choosing::Lost => Next::Ends(Reason::Failed("nothing can choose its tokens".to_owned())),
        }
    }

    fn choose_here(
        &mut self,
        mut chooser: Box<Chooser>,
        raw: &[f32],
        tokenizer: &Tokenizer,
        scratch: &mut Vec<f32>,
    ) -> Next {
        let choice = chooser.choose(raw, scratch);
        self.chosen(chooser, choice, tokenizer)
    }

    fn chosen(
        &mut self,
        chooser: Box<Chooser>,
        choice: Result<Choice, String>,
        tokenizer: &Tokenizer,
    ) -> Next {
        let must_end = chooser.must_end();
        self.choosing = Choosing::Here(chooser);
        match choice {
            Ok(choice) => self.take(choice, must_end, tokenizer),
            Err(error) => Next::Ends(Reason::Failed(error)),
        }
    }

    /// Says whether its next token is being chosen elsewhere, with nothing to compute until then.
    pub(super) fn is_away(&self) -> bool {
        self.pending() == 0
    }

    /// Waits until `until` for the token that is being chosen elsewhere, and ends what takes longer than `most`.
    pub(super) fn collect(&mut self, until: Instant, most: Duration, tokenizer: &Tokenizer) -> Next {
        let Choosing::Away(away) = &mut self.choosing else { return Next::Waits };
        match away.wait(until, most) {
            Ok(None) => Next::Waits,
            Ok(Some(Chosen { chooser, choice, took })) => {
                self.took = took;
                self.chosen(chooser, choice, tokenizer)
            }
            Err(error) => Next::Ends(Reason::Failed(error)),
        }
    }

    /// How long the last token took that was chosen elsewhere.
    pub(super) fn took(&self) -> Duration {
        self.took
    }

    /// Goes on by a token that was chosen.
    fn take(&mut self, Choice { token, logprobs }: Choice, must_end: bool, tokenizer: &Tokenizer) -> Next {
        self.tokens.push(token);
        self.first_token.get_or_insert_with(|| self.arrived.elapsed());
        let ends = tokenizer.ends_generation(token) && !self.request.ignore_ends;
        self.piece.clear();
        if !ends {
            self.text.push_to(tokenizer, token, &mut self.piece);
        }
        let Passed { text, stop } = self.stops.push(&self.piece);
        let _ = self.events.send(Event::Token { token, text, logprobs });
        if let Some(stop) = stop {
            let text = self.request.stops.get(stop).cloned();
            return Next::Ends(Reason::Stop(text.unwrap_or_default()));
        }
        if ends || must_end {
            return Next::Ends(Reason::Ended);
        }
        if self.tokens.len() >= self.tokens_max {
            return Next::Ends(Reason::Length);
        }
        Next::GoesOn
    }
}

/// Adds a page like one in which others go on, or that goes on otherwise. `false`: there is no room, or pages cannot be copied.
fn copy(begun: Page, held: &mut Vec<Page>, pages: &mut Pages, backend: &mut dyn Backend) -> bool {
    let Some(page) = pages.take() else { return false };
    let is_copied = backend.copy(begun, page);
    if is_copied {
        held.push(page);
    } else {
        pages.release(page);
    }
    is_copied
}
