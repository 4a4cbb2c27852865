use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering, mpsc::Receiver},
    time::{Duration, Instant},
};

use super::{
    Backend, Counts, Draft, Reason, Settings,
    choice::Aside,
    draft::Drafting,
    keep::Keep,
    queue::Queue,
    sequence::{Next, Sequence},
};
use crate::{
    cache::{Page, Pages},
    decoder::{GIVEN, Row, Want},
    tokenizer::Tokenizer,
};

/// The thread that computes, round by round.
pub(super) struct Rounds {
    backend: Box<dyn Backend>,
    draft: Option<Drafting>,
    keep: Keep,
    aside: Aside,
    tokenizer: Arc<Tokenizer>,
    pages: Pages,
    settings: Settings,
    counts: Arc<Counts>,
    queue: Queue,
    /// The highest priority first, and among equals in the order in which they began.
    running: Vec<Sequence>,
    /// Kept for their memory: a round asks for none.
    rows: Vec<Row>,
    scratch: Vec<f32>,
    shares: Vec<Share>,
    pages_of: Vec<&'static [Page]>,
}

/// Which of those that run, and how many of its tokens.
type Share = (usize, usize);

/// Logits of a prompt are asked for so many tokens at a time: a vocabulary's numbers for each take room.
const LOGITS_MAX: usize = 64;

/// How long a batch waits for tokens that are chosen elsewhere: all of them together, and only for those whose last one
/// took no longer.
const GRACE: Duration = Duration::from_millis(1);

/// How long it waits when there is nothing else to compute; whoever comes meanwhile waits as well.
const PATIENCE: Duration = Duration::from_millis(10);

impl Rounds {
    pub(super) fn new(
        backend: Box<dyn Backend>,
        draft: Option<Draft>,
        keep: Keep,
        tokenizer: Arc<Tokenizer>,
        settings: Settings,
        counts: Arc<Counts>,
    ) -> Self {
        let pages = Pages::new(backend.pages());
        counts.pages.store(backend.pages(), Ordering::Relaxed);
        Self {
            backend,
            draft: draft.map(Drafting::new),
            keep,
            aside: Aside::default(),
            tokenizer,
            pages,
            settings,
            counts,
            queue: Queue::default(),
            running: Vec::new(),
            rows: Vec::new(),
            scratch: Vec::new(),
            shares: Vec::new(),
            pages_of: Vec::new(),
        }
    }

    /// Works until nobody can ask any more and everything is done.
    pub(super) fn run(mut self, inbox: &Receiver<Sequence>) {
        loop {
            let idle = self.running.is_empty() && self.queue.len() == 0;
            if idle {
                let Ok(sequence) = inbox.recv() else { return };
                self.queue.push(sequence);
            }
            while let Ok(sequence) = inbox.try_recv() {
                self.queue.push(sequence);
            }
            self.drop_ended();
            self.admit();
            self.collect();
            // A fault in one batch must not silence the engine for everyone who comes later.
            let fault = match catch_unwind(AssertUnwindSafe(|| self.round())) {
                Ok(done) => done.err(),
                Err(_) => Some("the model could not compute this; the log says more".to_owned()),
            };
            if let Some(fault) = fault {
                self.start_over(&fault);
            }
            self.publish();
        }
    }

    /// Lets those go that nobody waits for any more, or whose time is over.
    fn drop_ended(&mut self) {
        let now = Instant::now();
        for sequence in self.queue.take_ended(now) {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            sequence.end(Reason::Deadline, &mut self.pages, self.draft.as_mut());
        }
        let over = |sequence: &mut Sequence| sequence.is_abandoned() || sequence.is_late(now);
        for sequence in self.running.extract_if(.., over) {
            sequence.end(Reason::Deadline, &mut self.pages, self.draft.as_mut());
        }
    }

    /// Takes in the tokens that were chosen elsewhere. Without any, nobody waits.
    fn collect(&mut self) {
        if !self.running.iter().any(Sequence::is_away) {
            return;
        }
        let now = Instant::now();
        let grace = now + GRACE;
        let mut until = if self.running.iter().all(Sequence::is_away) { now + PATIENCE } else { grace };
        let mut ended = Vec::new();
        for (of, sequence) in self.running.iter_mut().enumerate().filter(|(_, one)| one.is_away()) {
            let waits = until > grace || sequence.took() <= GRACE;
            let most = self.settings.choice_max;
            match sequence.collect(if waits { until } else { now }, most, &self.tokenizer) {
                Next::Waits => continue,
                Next::GoesOn => {}
                Next::Ends(reason) => ended.push((of, reason)),
            }
            self.counts.generated_tokens.fetch_add(1, Ordering::Relaxed);
            // There is something to compute again.
            until = until.min(Instant::now() + GRACE);
        }
        self.end(ended);
    }

    fn admit(&mut self) {
        while self.running.len() < self.settings.sequences_max.max(1) {
            // Room for a whole batch, or the newcomer would take pages from those that run only to lose them again.
            let room = self.pages.available() * crate::cache::PAGE >= self.settings.batch_tokens;
            if !room && !self.running.is_empty() {
                return;
            }
            let Some(mut sequence) = self.queue.next(&self.running) else { return };
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            sequence.begin(&mut self.pages, &mut self.keep, &mut *self.backend);
            let place = self.running.partition_point(|other| other.priority() >= sequence.priority());
            self.running.insert(place, sequence);
        }
    }

    /// Computes one batch and hands out what came of it.
    fn round(&mut self) -> Result<(), String> {
        let mut shares = std::mem::take(&mut self.shares);
        self.share_out(&mut shares);
        let done = if shares.is_empty() { Ok(()) } else { self.compute(&shares) };
        self.shares = shares;
        done
    }

    fn compute(&mut self, shares: &[Share]) -> Result<(), String> {
        self.rows.clear();
        for (index, &(of, count)) in shares.iter().enumerate() {
            self.rows.extend(self.running[of].rows(count).map(|(token, position, wanted)| Row {
                token,
                position: u32::try_from(position).unwrap_or(u32::MAX),
                sequence: index,
                want: if wanted { Want::Logits } else { Want::Nothing },
            }));
        }
        let given: Vec<_> = (self.rows.iter().enumerate())
            .filter(|(_, row)| row.token >= GIVEN)
            .filter_map(|(index, row)| {
                let (of, _) = shares[row.sequence];
                self.running[of].given(row.position as usize, index)
            })
            .collect();
        let mut sequences = emptied(std::mem::take(&mut self.pages_of));
        sequences.extend(shares.iter().map(|&(of, _)| self.running[of].pages()));
        let vocabulary = self.backend.vocabulary();
        let output = self.backend.forward_given((&self.rows, &given), &sequences)?;
        self.pages_of = emptied(sequences);
        let mut logits = output.logits;
        let (mut ended, mut read) = (Vec::new(), Vec::new());
        let rows = self.rows.chunk_by(|one, next| one.sequence == next.sequence);
        for (rows, &(of, count)) in rows.zip(shares) {
            let wanted = rows.iter().filter(|row| row.want == Want::Logits).count();
            let (own, rest) = logits.split_at(wanted * vocabulary);
            logits = rest;
            let sequence = &mut self.running[of];
            let before = sequence.pending();
            let was_reading = before > 1;
            let own = own.chunks_exact(vocabulary);
            let choice = (&mut self.scratch, &mut self.aside);
            let (right, next) = sequence.advance(count, own, &self.tokenizer, choice);
            if was_reading {
                self.counts.prompt_tokens.fetch_add(count as u64, Ordering::Relaxed);
            }
            if count == before {
                let chosen = u64::from(next != Next::Waits) + right as u64;
                self.counts.generated_tokens.fetch_add(chosen, Ordering::Relaxed);
                self.counts.guessed_tokens.fetch_add(right as u64, Ordering::Relaxed);
                if was_reading {
                    sequence.remember(&mut self.pages);
                    read.push(of);
                }
            }
            if let Next::Ends(reason) = next {
                ended.push((of, reason));
            }
        }
        for of in read {
            self.running[of].keep(&mut self.keep, &*self.backend);
        }
        self.end(ended);
        Ok(())
    }

    /// Lets go those that are done.
    fn end(&mut self, mut ended: Vec<(usize, Reason)>) {
        ended.sort_by_key(|(of, _)| *of);
        for (of, reason) in ended.into_iter().rev() {
            let sequence = self.running.remove(of);
            sequence.keep(&mut self.keep, &*self.backend);
            let took = sequence.end(reason, &mut self.pages, self.draft.as_mut());
            self.note_duration(took.as_millis());
        }
    }

    /// Decides how many tokens of whom are computed: one of everyone who generates, and of the prompts as much as the
    /// batch still holds, in equal parts. Pages are there for all of them.
    fn share_out(&mut self, shares: &mut Vec<Share>) {
        self.guess();
        shares.clear();
        let generating = self.running.iter().filter(|sequence| sequence.pending() == 1).count();
        let away = self.running.iter().filter(|sequence| sequence.is_away()).count();
        let mut reading = self.running.len() - generating - away;
        let mut left = self.settings.batch_tokens.saturating_sub(generating).max(reading);
        let mut index = 0;
        while index < self.running.len() {
            let sequence = &mut self.running[index];
            if sequence.is_away() {
                index += 1;
                continue;
            }
            let pending = sequence.pending();
            let count = if pending == 1 {
                1
            } else {
                let limit = if sequence.reads_logprobs() { LOGITS_MAX } else { usize::MAX };
                let count = sequence.whole(pending.min((left / reading.max(1)).max(1)).min(limit));
                left = left.saturating_sub(count);
                reading = reading.saturating_sub(1);
                count
            };
            if self.reserve(index, count) {
                shares.push((index, count));
            }
            index += 1;
        }
        // Those that gave up their pages meanwhile went back to the queue, from the end.
        shares.retain(|&(of, _)| of < self.running.len());
    }

    /// Guesses for everyone who generates: what followed before, or else what the draft says. A draft that fails is
    /// not asked again, and answers go on without.
    fn guess(&mut self) {
        self.running.iter_mut().for_each(Sequence::guess);
        let Some(draft) = &mut self.draft else { return };
        let vocabulary = self.backend.vocabulary();
        let asked: Vec<_> = self.running.iter_mut().filter_map(|one| one.ask(vocabulary)).collect();
        if asked.is_empty() {
            return;
        }
        if let Err(fault) = draft.guess(asked, self.settings.batch_tokens.max(1)) {
            tracing::error!("the draft model cannot guess, and is not asked any more: {fault}");
            self.draft = None;
            for sequence in &mut self.running {
                sequence.leave(None);
            }
        }
    }

    /// Finds pages for a sequence, at the cost of the last in the row. `false`: it went itself.
    fn reserve(&mut self, index: usize, count: usize) -> bool {
        loop {
            if self.running[index].reserve(count, &mut self.pages) {
                return true;
            }
            let last = self.running.len() - 1;
            let mut gone = self.running.remove(last);
            gone.give_up(&mut self.pages, self.draft.as_mut());
            self.counts.preemptions.fetch_add(1, Ordering::Relaxed);
            self.counts.waiting.fetch_add(1, Ordering::Relaxed);
            self.queue.push(gone);
            if last == index {
                return false;
            }
        }
    }

    /// After a fault: whoever was running learns of it, and the cache is as new.
    fn start_over(&mut self, fault: &str) {
        tracing::error!("a batch could not be computed, and its sequences are lost: {fault}");
        for sequence in self.running.drain(..) {
            sequence.fail(fault);
        }
        self.pages = Pages::new(self.backend.pages());
        if let Some(draft) = &mut self.draft {
            draft.start_over();
        }
    }

    fn note_duration(&self, ms: u128) {
        let before = self.counts.request_ms.load(Ordering::Relaxed);
        let now = u64::try_from(ms).unwrap_or(u64::MAX);
        let average = if before == 0 { now } else { (before * 7 + now) / 8 };
        self.counts.request_ms.store(average, Ordering::Relaxed);
    }

    fn publish(&self) {
        self.counts.running.store(self.running.len(), Ordering::Relaxed);
        self.counts.pages_in_use.store(self.pages.in_use(), Ordering::Relaxed);
        let drafted = self.draft.as_ref().map_or(0, Drafting::pages_in_use);
        self.counts.draft_pages_in_use.store(drafted, Ordering::Relaxed);
    }
}

/// Empties a list and keeps its memory, for slices that live otherwise: collecting in place is what the library does.
fn emptied<'a>(mut list: Vec<&[Page]>) -> Vec<&'a [Page]> {
    list.clear();
    list.into_iter().map(|_| -> &'a [Page] { &[] }).collect()
}
