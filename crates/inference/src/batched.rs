//! Vectors and scores for several who ask at once: their texts are computed together.
//!
//! ```text
//! embed, scores ─► queue (bounded) ─► one batch at a time, a text of each owner and each request in turn
//!                                       │ with a turn at the threads that all models share
//!                                       ▼
//!                  an answer when all texts of a request are computed
//! ```
//!
//! **Invariant:** a text's vector or score is the same, whatever is computed beside it.

mod jobs;

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use athenaeum_kernels::Pool;
use tokio::sync::oneshot;

pub use self::jobs::Work;
use self::jobs::{Answer, Job, Jobs};
use crate::{
    embedder::{self, Embedder, Embedding, Input, Prepared},
    engine::Refused,
    processor::Processor,
    reranker::{self, Pair, Reranker, Score},
};

/// A model that makes something of texts, at work. Derefs to the model.
#[derive(Debug)]
pub struct Batched<M: Work> {
    model: Arc<M>,
    inbox: mpsc::Sender<Job<M>>,
    counts: Arc<Counts>,
    requests_max: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The texts cannot be taken as they are.
    #[error(transparent)]
    Texts(#[from] embedder::Error),
    /// Too many wait already, or the model is being unloaded.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Its time was over before all was computed.
    #[error("the time for the answer was over before all texts were computed")]
    Deadline,
    /// Something went wrong that the log says more about.
    #[error("the model could not compute these texts; the log says more")]
    Failed,
}

/// What is going on and has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Requests that are waited for.
    pub requests: usize,
    /// Texts that were computed.
    pub texts: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Batches that they were computed in.
    pub batches: u64,
}

/// The same, as both threads see it.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicUsize,
    texts: AtomicU64,
    tokens: AtomicU64,
    batches: AtomicU64,
    /// Milliseconds that requests take from start to end, lately.
    request_ms: AtomicU64,
}

impl<M: Work> Batched<M> {
    /// Puts a model to work; its thread ends when this is dropped and all is answered. `requests_max` are taken at once,
    /// those that wait included.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn start(model: M, processor: &Processor, requests_max: usize) -> std::io::Result<Self> {
        let (inbox, jobs) = mpsc::channel();
        let (model, counts) = (Arc::new(model), Arc::new(Counts::default()));
        let work = Jobs::new(Arc::clone(&model), processor.clone(), Arc::clone(&counts));
        thread::Builder::new().name("texts".to_owned()).spawn(move || work.run(&jobs))?;
        Ok(Self { model, inbox, counts, requests_max })
    }

    /// Says what is going on.
    pub fn stats(&self) -> Stats {
        let Counts { requests, texts, tokens, batches, .. } = &*self.counts;
        Stats {
            requests: requests.load(Ordering::Relaxed),
            texts: texts.load(Ordering::Relaxed),
            tokens: tokens.load(Ordering::Relaxed),
            batches: batches.load(Ordering::Relaxed),
        }
    }

    /// Takes a request into the queue.
    fn submit(
        &self,
        prepare: impl FnOnce(&M) -> Result<Vec<M::Item>, embedder::Error> + Send + 'static,
        (owner, deadline): (u64, Option<Instant>),
    ) -> Result<oneshot::Receiver<Answer<M>>, Error> {
        let requests = self.counts.requests.fetch_add(1, Ordering::Relaxed);
        if requests >= self.requests_max {
            self.counts.requests.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Busy { waiting: requests, retry_after: self.retry_after(requests) }.into());
        }
        let (reply, answer) = oneshot::channel();
        let counted = jobs::Counted(Arc::clone(&self.counts));
        let job = Job::new(Box::new(prepare), reply, owner, deadline, counted);
        self.inbox.send(job).map_err(|_| Refused::Closed)?;
        Ok(answer)
    }

    /// Guesses when one of those before will be done.
    fn retry_after(&self, requests: usize) -> Duration {
        let each = self.counts.request_ms.load(Ordering::Relaxed);
        let all = Duration::from_millis(each.saturating_mul(requests as u64));
        all.clamp(Duration::from_secs(1), Duration::from_secs(120))
    }
}

impl Batched<Embedder> {
    /// Makes a vector of each text, in their order. Dropping the future ends the work on it at the next batch.
    ///
    /// # Errors
    ///
    /// If the texts cannot be taken, too many wait, or the time is over.
    pub async fn embed(
        &self,
        inputs: Vec<Input>,
        options: embedder::Options,
    ) -> Result<Vec<Embedding>, Error> {
        let of = (options.owner, options.deadline);
        let answer = self.submit(move |model| model.prepare(&inputs, &options), of)?;
        answer.await.map_err(|_| Refused::Closed)?
    }

    /// The same for callers outside of an asynchronous runtime.
    ///
    /// # Errors
    ///
    /// As of [`Batched::embed`].
    pub fn embed_blocking(
        &self,
        inputs: Vec<Input>,
        options: embedder::Options,
    ) -> Result<Vec<Embedding>, Error> {
        let of = (options.owner, options.deadline);
        let answer = self.submit(move |model| model.prepare(&inputs, &options), of)?;
        answer.blocking_recv().map_err(|_| Refused::Closed)?
    }
}

impl Batched<Reranker> {
    /// Scores each document, in their order. Dropping the future ends the work on it at the next batch.
    ///
    /// # Errors
    ///
    /// If the texts cannot be taken, too many wait, or the time is over.
    pub async fn rerank(
        &self,
        query: String,
        documents: Vec<String>,
        options: reranker::Options,
    ) -> Result<Vec<Score>, Error> {
        let of = (options.owner, options.deadline);
        let prepare = move |model: &Reranker| {
            let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
            model.prepare(&query, &documents, options.truncate)
        };
        self.submit(prepare, of)?.await.map_err(|_| Refused::Closed)?
    }
}

impl<M: Work> Deref for Batched<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.model
    }
}

impl Work for Embedder {
    type Item = Prepared;
    type Made = Embedding;

    fn tokens(item: &Prepared) -> usize {
        item.tokens()
    }

    fn room(&self, item: &Prepared) -> usize {
        Embedder::room(self, item)
    }

    fn compute(&self, items: &[&Prepared], pool: &Pool) -> Vec<Embedding> {
        Embedder::compute(self, items, pool)
    }
}

impl Work for Reranker {
    type Item = Pair;
    type Made = Score;

    fn tokens(item: &Pair) -> usize {
        item.tokens()
    }

    fn room(&self, item: &Pair) -> usize {
        Reranker::room(self, item)
    }

    fn compute(&self, items: &[&Pair], pool: &Pool) -> Vec<Score> {
        Reranker::compute(self, items, pool)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        num::NonZeroUsize,
        sync::{Mutex, atomic::AtomicBool},
    };

    use super::*;

    /// Takes a quarter of a millisecond for each token, and remembers its batches.
    #[derive(Default)]
    struct Slow(Mutex<Vec<usize>>);

    impl Work for Slow {
        type Item = usize;
        type Made = usize;

        fn tokens(item: &usize) -> usize {
            *item
        }

        fn room(&self, item: &usize) -> usize {
            *item
        }

        fn compute(&self, items: &[&usize], _: &Pool) -> Vec<usize> {
            let tokens: usize = items.iter().copied().sum();
            self.0.lock().unwrap().push(tokens);
            assert!(tokens != 13, "unlucky");
            thread::sleep(Duration::from_micros(250 * tokens as u64));
            items.iter().map(|item| **item).collect()
        }
    }

    fn make(batched: &Batched<Slow>, items: Vec<usize>) -> Result<Vec<usize>, Error> {
        batched.submit(|_| Ok(items), (0, None)).unwrap().blocking_recv().unwrap()
    }

    #[test]
    fn batches_are_short_while_others_want_to_compute() {
        let processor = Processor::new(NonZeroUsize::MIN);
        let batched = Batched::start(Slow::default(), &processor, 8).unwrap();
        assert_eq!(make(&batched, vec![10; 205]).unwrap(), vec![10; 205]);
        assert_eq!(*batched.0.lock().unwrap(), [510, 510, 510, 510, 10], "alone, all that fits");
        let ends = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    processor.turn(|_| thread::sleep(Duration::from_millis(1)));
                }
            });
            assert_eq!(make(&batched, vec![10; 300]).unwrap().len(), 300);
            ends.store(true, Ordering::Relaxed);
        });
        let mut batches = batched.0.lock().unwrap().split_off(6);
        batches.sort_unstable();
        // A hundred milliseconds are 400 tokens, or fewer where the machine is slow.
        assert!(batches.iter().all(|tokens| *tokens <= 400), "{batches:?}");
    }

    #[test]
    fn a_fault_hurts_those_alone_who_are_in_the_batch() {
        let batched = Batched::start(Slow::default(), &Processor::new(NonZeroUsize::MIN), 8).unwrap();
        assert!(matches!(make(&batched, vec![13]), Err(Error::Failed)));
        let failing = batched.submit(|_| panic!("no"), (0, None)).unwrap();
        assert!(matches!(failing.blocking_recv().unwrap(), Err(Error::Failed)));
        assert_eq!(make(&batched, vec![1, 2]).unwrap(), [1, 2]);
    }
}
