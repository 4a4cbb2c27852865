//! Keeps a model busy for as long as is asked, and fails if anything is held or has grown at the end.
//!
//! ```sh
//! cargo xtask soak [--minutes 60]
//! ```
//!
//! More people than can be served ask at once: some wait for their answer, some go away in the middle of it or before
//! it begins, some have no time. Prompts share beginnings, answers keep to forms, a draft guesses, pages run out, and
//! beginnings go to the disk. Whatever is asked twice must be answered alike, whatever runs beside it.

#![expect(clippy::print_stdout, reason = "a program that tells figures")]

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    error::Error,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use athenaeum_inference::{
    cache::disk,
    constraint::Grammar,
    engine::{self, Event, Reason, Refused, Request},
    local::{LocalModel, Settings},
    sampling::{Mirostat, Random, Sampling},
};
use serde_json::json;

/// Sequences that run at once.
const SEQUENCES: usize = 16;
/// People who ask: a few more, so that somebody always waits.
const PEOPLE: u64 = 20;
/// Different things that are asked.
const QUESTIONS: u64 = 600;
/// What the resident memory may grow by, from the first twelfth of the time after warming up to the last.
const GROWTH_MAX: f64 = 0.02;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let minutes: f64 = arguments.next().map_or(Ok(60.0), |minutes| minutes.parse())?;
    let folder = tempfile::tempdir()?;
    let model = model(folder.path())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let soak = Soak::new(model, Duration::from_secs_f64(minutes * 60.0));
    tokio::task::LocalSet::new().block_on(&runtime, soak.run())
}

/// Loads the small model, with itself as its draft and too few pages for everybody.
fn model(folder: &Path) -> Result<LocalModel, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/tiny.gguf");
    let disk = disk::Settings { dir: folder.to_owned(), bytes_max: 32 << 20, fingerprint: 1 };
    let engine = engine::Settings {
        context_tokens: 512,
        sequences_max: SEQUENCES,
        waiting_max: 64,
        batch_tokens: 128,
        cache_bytes: 2 << 20,
        disk: Some(disk),
        threads: std::num::NonZeroUsize::MIN,
        ..engine::Settings::default()
    };
    Ok(LocalModel::load(&path, &Settings { engine, draft: Some(path.clone()), ..Settings::default() })?)
}

/// What is going on.
struct Soak {
    model: LocalModel,
    started: Instant,
    whole: Duration,
    /// What questions were answered with, the first time.
    answers: RefCell<HashMap<u64, u64>>,
    counts: Counts,
}

/// What has happened so far.
#[derive(Default)]
struct Counts {
    answered: Cell<u64>,
    abandoned: Cell<u64>,
    too_late: Cell<u64>,
    refused: Cell<u64>,
}

impl Soak {
    fn new(model: LocalModel, whole: Duration) -> Rc<Self> {
        let (answers, counts) = (RefCell::default(), Counts::default());
        Rc::new(Self { model, started: Instant::now(), whole, answers, counts })
    }

    async fn run(self: Rc<Self>) -> Result<(), Box<dyn Error>> {
        let mut people = tokio::task::JoinSet::new();
        for person in 0..PEOPLE {
            let soak = Rc::clone(&self);
            people.spawn_local(
                async move { soak.ask_again_and_again(person).await.map_err(|it| it.to_string()) },
            );
        }
        let watch = self.watch();
        tokio::pin!(watch);
        let memory = loop {
            tokio::select! {
                memory = &mut watch => break memory,
                // Nobody stops before the time is over but who was given a wrong answer.
                Some(ended) = people.join_next() => ended??,
            }
        };
        while let Some(ended) = people.join_next().await {
            ended??;
        }
        self.at_rest().await?;
        let Some((before, after)) = memory else {
            println!("this system does not tell the resident memory");
            return Ok(());
        };
        let growth = after / before - 1.0;
        println!(
            "resident memory {:.1} MB, then {:.1} MB: {:+.2} %",
            before / 1e6,
            after / 1e6,
            growth * 100.0
        );
        if growth > GROWTH_MAX {
            return Err(format!("memory grew by more than {:.0} %", GROWTH_MAX * 100.0).into());
        }
        Ok(())
    }

    /// Tells every minute what is going on. Returns the resident memory, on average over the twelfth of the time after
    /// warming up, which is a twelfth as well, and over the last.
    async fn watch(&self) -> Option<(f64, f64)> {
        println!(
            "min  answered abandoned too-late refused | running waiting pages preempted guessed | RSS MB"
        );
        let twelfth = self.whole / 12;
        let (mut early, mut late) = (Vec::new(), Vec::new());
        let mut told = Duration::ZERO;
        while self.started.elapsed() < self.whole {
            tokio::time::sleep(Duration::from_secs(1).min(twelfth / 4)).await;
            let now = self.started.elapsed();
            let samples = match now {
                _ if now > twelfth && now < twelfth * 2 => Some(&mut early),
                _ if now > twelfth * 11 => Some(&mut late),
                _ => None,
            };
            if let Some(samples) = samples {
                samples.extend(resident());
            }
            if now - told >= Duration::from_secs(60) || now >= self.whole {
                told = now;
                self.tell();
            }
        }
        let average = |samples: &[u64]| samples.iter().sum::<u64>() as f64 / samples.len() as f64;
        (!early.is_empty() && !late.is_empty()).then(|| (average(&early), average(&late)))
    }

    fn tell(&self) {
        let Counts { answered, abandoned, too_late, refused } = &self.counts;
        let stats = self.model.engine().stats();
        println!(
            "{:>3.0} {:>9} {:>9} {:>8} {:>7} | {:>7} {:>7} {:>5} {:>9} {:>7} | {:>6.1}",
            self.started.elapsed().as_secs_f64() / 60.0,
            answered.get(),
            abandoned.get(),
            too_late.get(),
            refused.get(),
            stats.running,
            stats.waiting,
            stats.pages_in_use,
            stats.preemptions,
            stats.guessed_tokens,
            resident().unwrap_or(0) as f64 / 1e6,
        );
    }

    /// Asks one thing after another until the time is over.
    async fn ask_again_and_again(&self, person: u64) -> Result<(), Box<dyn Error>> {
        let mut random = Random::new(person);
        while self.started.elapsed() < self.whole {
            let question = random.bits() % QUESTIONS;
            self.ask(question, &mut random).await.map_err(|error| format!("question {question}: {error}"))?;
        }
        Ok(())
    }

    /// Asks a question and waits for the answer, or for some of it. How it is asked is left to chance; what the answer
    /// says is not.
    async fn ask(&self, question: u64, random: &mut Random) -> Result<(), Box<dyn Error>> {
        let patience = match random.bits() % 8 {
            0 => random.bits() % 60,
            _ => u64::MAX,
        };
        let time = (random.bits().is_multiple_of(10)).then(|| Duration::from_millis(random.bits() % 300));
        let request = Request {
            guesses: [None, Some(0), Some(3), Some(6)][(random.bits() % 4) as usize],
            owner: random.bits() % 3,
            priority: (random.bits() % 3) as i32,
            deadline: time.map(|time| Instant::now() + time),
            ..self.question(question)?
        };
        let count = |what: &Cell<u64>| what.set(what.get() + 1);
        let mut generation = match self.model.engine().submit(request) {
            Ok(generation) => generation,
            Err(Refused::Busy { .. }) => {
                count(&self.counts.refused);
                tokio::time::sleep(Duration::from_millis(50)).await;
                return Ok(());
            }
            Err(refused) => return Err(refused.into()),
        };
        let mut text = String::new();
        for _ in 0..patience {
            match generation.next().await.ok_or("the engine went away")? {
                Event::Progress { .. } | Event::Prompt { .. } => {}
                Event::Token { text: piece, .. } => text += &piece,
                Event::End(end) => {
                    text += &end.text;
                    return match end.reason {
                        Reason::Deadline => {
                            count(&self.counts.too_late);
                            Ok(())
                        }
                        Reason::Failed(why) => Err(why.into()),
                        reason => {
                            count(&self.counts.answered);
                            self.compare(question, &format!("{text}\n{reason:?}"))
                        }
                    };
                }
            }
        }
        count(&self.counts.abandoned);
        Ok(())
    }

    /// Makes a question: always the same one of a number.
    fn question(&self, number: u64) -> Result<Request, Box<dyn Error>> {
        let mut random = Random::new(1_000_000 + number);
        let mut any = |below: usize| (random.bits() % below as u64) as usize;
        let mut text = BEGINNINGS[any(BEGINNINGS.len())].repeat(any(4));
        let words: Vec<&str> = BEGINNINGS.iter().flat_map(|text| text.split_inclusive(' ')).collect();
        for _ in 0..any(60) {
            text += words[any(words.len())];
        }
        text += "Shall I compare thee";
        let mut prompt = self.model.completion_prompt(&text);
        prompt.truncate(440);
        let form = match any(8) {
            0 => Some(Grammar::JsonObject),
            1 => Some(Grammar::JsonSchema(json!({
                "type": "object",
                "properties": { "name": { "type": "string", "maxLength": 20 }, "age": { "type": "integer" } },
                "required": ["name", "age"],
                "additionalProperties": false,
            }))),
            2 => Some(Grammar::Regex("[a-z]{1,8}( [a-z]{1,8}){2,9}[.]".to_owned())),
            _ => None,
        };
        let sampling = match any(5) {
            0 => Sampling::greedy(),
            1 => Sampling { temperature: 1.5, top_k: 0, dry_multiplier: 0.8, ..Sampling::default() },
            2 => Sampling { mirostat: Mirostat::V2, ..Sampling::default() },
            3 => {
                Sampling { repeat_penalty: 1.2, xtc_probability: 0.3, typical_p: 0.9, ..Sampling::default() }
            }
            _ => Sampling::default(),
        };
        Ok(Request {
            sampling: Sampling { seed: number, ..sampling },
            constraint: form.map(|form| self.model.constraint(&form)).transpose()?,
            tokens_max: Some(any(120)),
            ignore_ends: any(2) == 0,
            logprobs: (any(6) == 0).then_some(3),
            stops: if any(4) == 0 { vec!["thou".to_owned(), "\n\n".to_owned()] } else { Vec::new() },
            ..Request::new(prompt)
        })
    }

    /// Fails if the question was answered otherwise before.
    fn compare(&self, question: u64, answer: &str) -> Result<(), Box<dyn Error>> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        answer.hash(&mut hasher);
        let hash = hasher.finish();
        if *self.answers.borrow_mut().entry(question).or_insert(hash) != hash {
            return Err(format!("was answered otherwise before; now {answer:?}").into());
        }
        Ok(())
    }

    /// Waits until nobody is served any more, and fails if something is still held.
    async fn at_rest(&self) -> Result<(), Box<dyn Error>> {
        let held = || {
            let stats = self.model.engine().stats();
            (stats.running, stats.waiting, stats.pages_in_use, stats.draft_pages_in_use)
        };
        for _ in 0..600 {
            if held() == (0, 0, 0, 0) {
                println!(
                    "at rest: nothing runs, waits or is held; {} questions answered",
                    self.answers.borrow().len()
                );
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("still held (running, waiting, pages, the draft's pages): {:?}", held()).into())
    }
}

/// Returns the resident memory in bytes, where the system has a `/proc`.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kib.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}

/// What prompts begin with, some twenty tokens and more each.
const BEGINNINGS: [&str; 6] = [
    "You are an assistant who answers in the manner of an old book, at length and with many words. ",
    "Shall I compare thee to a summer's day? Thou art more lovely and more temperate. ",
    "In the beginning God created the heaven and the earth. And the earth was without form, and void. ",
    "Here is a list of all the tools, with what they take and what they give: weather, time, a map. ",
    "The librarian walks along the shelves, takes a letter down, reads it, and puts it back. ",
    "When in the course of human events, it becomes necessary for one people to dissolve. ",
];
