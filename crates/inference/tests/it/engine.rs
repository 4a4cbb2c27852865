use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use athenaeum_inference::{
    cache::{PAGE, Page, disk},
    decoder::{Decoder, Output, Row, Want},
    engine::{Backend, Cpu, Draft, Engine, Event, Generation, Reason, Refused, Request, Settings, Stats},
    kernels::Format,
    model,
    sampling::Sampling,
    synthetic,
    tokenizer::Tokenizer,
    weights::Access,
};
use tokio::runtime::Runtime;

/// A decoder of random weights and its tokenizer.
fn model() -> (Arc<Decoder>, Arc<Tokenizer>) {
    model_of("llama")
}

fn model_of(recipe: &str) -> (Arc<Decoder>, Arc<Tokenizer>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    let (_, storage) = synthetic::STORAGES[0];
    std::fs::write(&path, synthetic::gguf(synthetic::find(recipe).unwrap(), storage).unwrap()).unwrap();
    let model = model::open(&path).unwrap();
    let model::Files::Gguf(files) = &model.files else { panic!("a GGUF file") };
    let tokenizer = Tokenizer::from_gguf(files.metadata()).unwrap();
    (Arc::new(Decoder::load(&model, Access::Read, 512).unwrap()), Arc::new(tokenizer))
}

pub(super) fn settings() -> Settings {
    Settings { context_tokens: 512, threads: 2.try_into().unwrap(), ..Settings::default() }
}

pub(super) fn engine(settings: &Settings, pages: usize) -> Engine {
    let (decoder, tokenizer) = model();
    let backend = Cpu::new(decoder, settings.cache_format, pages, settings.threads.get()).unwrap();
    Engine::start(Box::new(backend), None, tokenizer, settings.clone()).unwrap()
}

/// The same with a draft, which has a cache of `draft_pages`.
fn drafting_engine(settings: &Settings, recipe: &str, pages: usize, draft_pages: usize) -> Engine {
    let (decoder, tokenizer) = model();
    let backend = Cpu::new(decoder, settings.cache_format, pages, settings.threads.get()).unwrap();
    let draft = backend.beside(model_of(recipe).0, settings.cache_format, draft_pages).unwrap();
    let draft = Draft { backend: Box::new(draft), context_tokens: 512 };
    Engine::start(Box::new(backend), Some(draft), tokenizer, settings.clone()).unwrap()
}

/// A prompt of `len` tokens; prompts of one `seed` begin alike.
fn prompt(seed: u32, len: usize) -> Vec<u32> {
    (0..len as u32).map(|index| (index * 31 + seed * 7) % synthetic::TOKENS as u32).collect()
}

pub(super) fn request(seed: u32, len: usize, tokens_max: usize) -> Request {
    Request {
        sampling: Sampling { seed: u64::from(seed), temperature: 1.0, ..Sampling::default() },
        tokens_max: Some(tokens_max),
        ignore_ends: true,
        ..Request::new(prompt(seed, len))
    }
}

/// The tokens of an answer, and how it ended.
pub(super) fn answer(mut generation: Generation) -> (Vec<u32>, athenaeum_inference::engine::End) {
    let mut tokens = Vec::new();
    loop {
        match generation.next_blocking().expect("an end comes") {
            Event::Token { token, .. } => tokens.push(token),
            Event::End(end) => return (tokens, end),
            Event::Progress { .. } | Event::Prompt { .. } => {}
        }
    }
}

/// Waits until nothing runs and nothing is held.
pub(super) fn at_rest(engine: &Engine) -> Stats {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let stats = engine.stats();
        let held = stats.pages_in_use + stats.draft_pages_in_use;
        if (stats.running, stats.waiting, held) == (0, 0, 0) || Instant::now() > until {
            return stats;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_same_seed_gives_the_same_text_whoever_else_is_served() {
    let lengths = [1, 5, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 100, 7, 64, 33, 2, 90, 40, 41, 42, 43];
    let ask = |engine: &Engine, guesses: usize| -> Vec<_> {
        let requests = lengths.iter().enumerate();
        let requests =
            requests.map(|(seed, &len)| Request { guesses: Some(guesses), ..request(seed as u32, len, 40) });
        let running: Vec<_> = requests.map(|request| engine.submit(request).unwrap()).collect();
        running.into_iter().map(|generation| answer(generation).0).collect()
    };
    let alone: Vec<_> = {
        let engine = engine(&Settings { sequences_max: 1, ..settings() }, 64);
        ask(&engine, 0)
    };
    let together = engine(&Settings { batch_tokens: 48, ..settings() }, 256);
    assert_eq!(ask(&together, 0), alone, "sixteen at once");
    assert_eq!(ask(&together, 0), alone, "from the cache of beginnings");
    assert_eq!(ask(&together, 5), alone, "with guesses");
    // Too few pages for all: some give theirs up and are read again.
    let narrow = engine(&Settings { batch_tokens: 64, ..settings() }, 17);
    assert_eq!(ask(&narrow, 0), alone, "with hardly any room");
    assert!(narrow.stats().preemptions > 0, "{:?}", narrow.stats());
    for engine in [&together, &narrow] {
        let stats = at_rest(engine);
        assert_eq!((stats.running, stats.waiting, stats.pages_in_use), (0, 0, 0));
    }
}

#[test]
fn guesses_come_true_where_text_repeats_itself() {
    let engine = engine(&settings(), 64);
    let repeating = || -> Vec<u32> { [3, 9, 27, 81].repeat(20) };
    let ask = |guesses| {
        let request = Request { guesses, sampling: Sampling::greedy(), ..request(1, 1, 100) };
        answer(engine.submit(Request { prompt: repeating(), ..request }).unwrap()).0
    };
    let guessed = || engine.stats().guessed_tokens;
    let plain = ask(Some(0));
    assert_eq!(guessed(), 0);
    // Greedy answers of a small random model go round in circles.
    assert_eq!(ask(Some(6)), plain);
    assert!(guessed() > 20, "{}", guessed());
    let before = guessed();
    assert_eq!(ask(None), plain);
    assert!(guessed() - before > 20, "{}", guessed() - before);
}

#[test]
fn a_draft_changes_nothing_of_the_text() {
    let lengths = [1, 5, PAGE, PAGE + 1, 3 * PAGE, 100, 7, 64, 33, 2];
    let ask = |engine: &Engine, guesses: usize, temperature: f32| -> Vec<_> {
        let requests = lengths.iter().zip(0..).map(|(&len, seed)| {
            let sampling = Sampling { seed: u64::from(seed), temperature, ..Sampling::default() };
            Request { guesses: Some(guesses), sampling, owner: u64::from(seed % 2), ..request(seed, len, 40) }
        });
        let running: Vec<_> = requests.map(|request| engine.submit(request).unwrap()).collect();
        running.into_iter().map(|generation| answer(generation).0).collect()
    };
    let plain = engine(&settings(), 256);
    let expected = [0.0, 1.0].map(|temperature| ask(&plain, 0, temperature));
    let check = |engine: &Engine, what: &str| {
        for (temperature, expected) in [0.0, 1.0].into_iter().zip(&expected) {
            for guesses in [1, 6] {
                assert_eq!(
                    &ask(engine, guesses, temperature),
                    expected,
                    "{what}, {guesses} at {temperature}"
                );
            }
        }
        let stats = at_rest(engine);
        let held = (stats.running, stats.waiting, stats.pages_in_use, stats.draft_pages_in_use);
        assert_eq!(held, (0, 0, 0, 0), "{what}");
    };
    // The same model, one of another kind, and one that has hardly any room.
    check(&drafting_engine(&settings(), "llama", 256, 256), "its own draft");
    check(&drafting_engine(&Settings { batch_tokens: 48, ..settings() }, "qwen2", 256, 256), "another");
    check(&drafting_engine(&settings(), "qwen2", 256, 3), "a draft without room");
    let narrow = drafting_engine(&Settings { batch_tokens: 64, ..settings() }, "llama", 17, 17);
    check(&narrow, "no room for anybody");
    assert!(narrow.stats().preemptions > 0, "{:?}", narrow.stats());
}

#[test]
fn guesses_of_the_same_model_come_true() {
    let generated = 60;
    let ask = |engine: &Engine| {
        let running: Vec<_> = (0..4)
            .map(|seed| Request {
                guesses: Some(4),
                sampling: Sampling::greedy(),
                ..request(seed, 70, generated)
            })
            .map(|request| engine.submit(request).unwrap())
            .collect();
        running.into_iter().for_each(|generation| {
            answer(generation);
        });
        engine.stats().guessed_tokens
    };
    let drafted = ask(&drafting_engine(&Settings { batch_tokens: 48, ..settings() }, "llama", 64, 64));
    // Four of five tokens; fewer where what was said before is taken for a sign of what comes.
    assert!(drafted > 4 * generated as u64 / 2, "{drafted}");
    assert!(drafted > ask(&engine(&settings(), 64)) * 5 / 4, "{drafted}");
}

#[test]
fn answers_go_on_without_a_draft_that_fails() {
    let (_, tokenizer) = model();
    let counting = |limit| Draft { backend: Box::new(Counting), context_tokens: limit };
    let engine = |limit| {
        let draft = Some(counting(limit));
        Engine::start(Box::new(Upwards), draft, Arc::clone(&tokenizer), settings()).unwrap()
    };
    let ask = |engine: &Engine, first: u32| {
        let request =
            Request { prompt: vec![first], tokens_max: Some(8), guesses: Some(3), ..request_greedy() };
        let (tokens, end) = answer(engine.submit(request).unwrap());
        assert_eq!(tokens, (first + 1..=first + 8).collect::<Vec<_>>());
        assert_eq!(end.reason, Reason::Length);
        engine.stats().guessed_tokens
    };
    let drafting = engine(512);
    let guessed = ask(&drafting, 20);
    assert!(guessed >= 5, "{guessed}");
    assert_eq!(ask(&drafting, 13), guessed, "an error ends it");
    assert_eq!(ask(&drafting, 20), guessed, "for good");
    let drafting = engine(512);
    ask(&drafting, 110);
    let guessed = ask(&drafting, 20);
    assert_eq!(ask(&drafting, 20), guessed, "as a panic does");
    assert_eq!(ask(&engine(3), 20), 0, "it was not made for so many tokens");
    let stats = at_rest(&drafting);
    assert_eq!((stats.pages_in_use, stats.draft_pages_in_use), (0, 0));
}

#[test]
fn beginnings_are_spared_for_their_owner_only() {
    let engine = engine(&settings(), 64);
    let ask = |owner| answer(engine.submit(Request { owner, ..request(3, 100, 8) }).unwrap()).1;
    assert_eq!(ask(1).cached_tokens, 0);
    let again = ask(1);
    assert_eq!((again.cached_tokens, again.prompt_tokens, again.generated_tokens), (99, 100, 8));
    assert_eq!(ask(2).cached_tokens, 0, "what others asked is not for measuring");
}

/// A conversation that goes on is not read again, its answers included; it needs no session to be held open.
#[test]
fn what_was_answered_is_known_as_well() {
    let engine = engine(&settings(), 64);
    let ask = |prompt: Vec<u32>, owner| {
        let request = Request { prompt, owner, ..request(3, 1, 40) };
        answer(engine.submit(request).unwrap())
    };
    let mut conversation = prompt(3, 100);
    let (tokens, first) = ask(conversation.clone(), 1);
    assert_eq!((first.cached_tokens, tokens.len()), (0, 40));
    conversation.extend(tokens);
    conversation.extend(prompt(4, 10));
    let (tokens, second) = ask(conversation.clone(), 1);
    // The last token of an answer was never computed.
    assert_eq!(second.cached_tokens, 139);
    let (again, other) = ask(conversation, 2);
    assert_eq!((again, other.cached_tokens), (tokens, 0), "the same for those who know nothing of it");
}

#[test]
fn beginnings_outlive_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let kept = |fingerprint| disk::Settings { dir: dir.path().to_owned(), bytes_max: 1 << 30, fingerprint };
    let ask =
        |engine: &Engine, owner| answer(engine.submit(Request { owner, ..request(3, 100, 8) }).unwrap());
    let first = engine(&Settings { disk: Some(kept(1)), ..settings() }, 64);
    let (tokens, end) = ask(&first, 1);
    assert_eq!(end.cached_tokens, 0);
    drop(first);
    // Pages are written behind the answer's back.
    let until = Instant::now() + Duration::from_secs(20);
    let written =
        || walk(dir.path()).iter().filter(|path| path.extension().is_some_and(|end| end == "kv")).count();
    // Three full ones, and the one that was begun.
    while written() < 4 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = engine(&Settings { disk: Some(kept(1)), ..settings() }, 64);
    let (again, end) = ask(&second, 1);
    assert_eq!((again, end.cached_tokens), (tokens.clone(), 99));
    assert_eq!(ask(&second, 2).1.cached_tokens, 0, "another owner");
    let other = engine(&Settings { disk: Some(kept(2)), ..settings() }, 64);
    assert_eq!(ask(&other, 1).1.cached_tokens, 0, "another model");
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn equal_beginnings_that_come_together_are_read_once() {
    let engine = engine(&Settings { batch_tokens: 64, ..settings() }, 256);
    let running: Vec<_> = (0..8)
        .map(|seed| Request { prompt: prompt(0, 300), ..request(seed, 1, 4) })
        .map(|one| engine.submit(one).unwrap())
        .collect();
    let spared: Vec<usize> =
        running.into_iter().map(|generation| answer(generation).1.cached_tokens).collect();
    assert_eq!(spared.iter().filter(|&&tokens| tokens == 0).count(), 1, "{spared:?}");
    assert_eq!(spared.iter().filter(|&&tokens| tokens == 299).count(), 7, "{spared:?}");
}

#[test]
fn whoever_goes_away_frees_everything() {
    let engine = engine(&settings(), 64);
    let mut running: Vec<_> = (0..8).map(|seed| engine.submit(request(seed, 40, 400)).unwrap()).collect();
    for generation in &mut running {
        assert!(matches!(generation.next_blocking(), Some(Event::Prompt { .. })));
    }
    drop(running);
    let stats = at_rest(&engine);
    assert_eq!((stats.running, stats.pages_in_use), (0, 0));
    assert!(stats.generated_tokens < 8 * 400, "{stats:?}");
    assert_eq!(answer(engine.submit(request(1, 4, 3)).unwrap()).0.len(), 3, "and it goes on");
}

#[test]
fn somebody_who_does_not_listen_holds_nobody_up() {
    let engine = engine(&Settings { sequences_max: 2, ..settings() }, 64);
    let deaf = engine.submit(request(1, 30, 400)).unwrap();
    for seed in 2..6 {
        let (tokens, end) = answer(engine.submit(request(seed, 30, 10)).unwrap());
        assert_eq!((tokens.len(), end.reason), (10, Reason::Length));
    }
    assert_eq!(answer(deaf).0.len(), 400, "and what was said meanwhile is not lost");
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    let engine = engine(&Settings { waiting_max: 0, ..settings() }, 64);
    let refused = |request| engine.submit(request).unwrap_err();
    assert!(matches!(refused(Request::new(Vec::new())), Refused::EmptyPrompt));
    assert!(matches!(refused(request(0, 512, 1)), Refused::TooLong { tokens: 512, context_tokens: 512 }));
    assert!(matches!(refused(Request::new(vec![1 << 30])), Refused::UnknownToken { .. }));
    let sampling = Sampling { temperature: f32::NAN, ..Sampling::default() };
    assert!(matches!(refused(Request { sampling, ..request(0, 4, 1) }), Refused::Sampling(_)));
    let Refused::Busy { retry_after, .. } = refused(request(0, 4, 1)) else { panic!("there is no queue") };
    assert!(retry_after >= Duration::from_secs(1));
}

#[test]
fn answers_end_where_they_should() {
    let engine = engine(&settings(), 64);
    let ends = |request| answer(engine.submit(request).unwrap());
    let (tokens, end) = ends(request(5, 20, 30));
    assert_eq!((tokens.len(), end.reason), (30, Reason::Length));
    let (tokens, end) = ends(Request { tokens_max: Some(0), ..request(5, 20, 0) });
    assert_eq!((tokens.len(), end.reason, end.generated_tokens), (0, Reason::Length, 0));
    let (tokens, end) = ends(Request { tokens_max: None, ..request(5, 500, 0) });
    assert_eq!((tokens.len(), end.reason), (12, Reason::Length), "the context is full");
    let deadline = Some(Instant::now());
    assert_eq!(ends(Request { deadline, ..request(5, 20, 30) }).1.reason, Reason::Deadline);
    // Whatever comes first is a stop the second time.
    let runtime = Runtime::new().unwrap();
    let text = |request| runtime.block_on(engine.submit(request).unwrap().text()).unwrap();
    let (whole, _) = text(request(5, 20, 30));
    let middle: String = whole.chars().skip(whole.chars().count() / 2).take(3).collect();
    let (begun, end) = text(Request { stops: vec![middle.clone()], ..request(5, 20, 30) });
    assert_eq!(end.reason, Reason::Stop(middle.clone()));
    assert_eq!(Some(begun.as_str()), whole.split(&middle).next());
}

#[test]
fn higher_priority_goes_first_and_owners_take_turns() {
    let engine = engine(&Settings { sequences_max: 1, ..settings() }, 64);
    let started =
        |owner, priority, seed| engine.submit(Request { owner, priority, ..request(seed, 8, 20) }).unwrap();
    let _first = started(0, 0, 0);
    let asked = [(0, 0), (0, 0), (0, 5)];
    let running: Vec<_> = asked
        .iter()
        .enumerate()
        .map(|(seed, &(owner, priority))| started(owner, priority, seed as u32 + 1))
        .collect();
    let ends: Vec<_> = running.into_iter().map(|one| answer(one).1).collect();
    assert!(ends[2].first_token < ends[0].first_token && ends[0].first_token < ends[1].first_token);
}

#[test]
fn the_probabilities_of_a_prompt_are_those_of_reading_it_token_by_token() {
    let engine = engine(&Settings { batch_tokens: 32, ..settings() }, 64);
    let tokens = prompt(9, 70);
    let request = Request { prompt_logprobs: Some(2), ..request(9, 70, 1) };
    let mut generation = engine.submit(request).unwrap();
    let Some(Event::Prompt { logprobs, .. }) = generation.next_blocking() else {
        panic!("the prompt comes first")
    };
    assert_eq!(logprobs.len(), 69);
    for (index, found) in logprobs.iter().enumerate().step_by(13) {
        let one = Request { prompt: tokens[..=index].to_vec(), logprobs: Some(2), ..request_greedy() };
        let mut generation = engine.submit(one).unwrap();
        let expected = loop {
            if let Event::Token { logprobs, .. } = generation.next_blocking().unwrap() {
                break logprobs.unwrap();
            }
        };
        assert_eq!(found.chosen.token, tokens[index + 1]);
        assert_eq!(found.top, expected.top);
    }
}

fn request_greedy() -> Request {
    Request { sampling: Sampling::greedy(), ..request(0, 1, 1) }
}

/// Foretells `token + 1`, and fails when it meets 13.
struct Counting;

impl Backend for Counting {
    fn vocabulary(&self) -> usize {
        synthetic::TOKENS
    }

    fn pages(&self) -> usize {
        32
    }

    fn forward(&mut self, rows: &[Row], _: &[&[Page]]) -> Result<Output<'_>, String> {
        if rows.iter().any(|row| row.token == 13) {
            return Err("thirteen".to_owned());
        }
        assert!(rows.iter().all(|row| row.token != 113), "a bug");
        let mut logits = Vec::new();
        for row in rows.iter().filter(|row| row.want == Want::Logits) {
            logits.extend(following(row.token));
        }
        Ok(Output { logits: logits.leak(), hidden: &[] })
    }
}

/// Foretells `token + 1`, always.
struct Upwards;

impl Backend for Upwards {
    fn vocabulary(&self) -> usize {
        synthetic::TOKENS
    }

    fn pages(&self) -> usize {
        32
    }

    fn forward(&mut self, rows: &[Row], _: &[&[Page]]) -> Result<Output<'_>, String> {
        let wanted = rows.iter().filter(|row| row.want == Want::Logits);
        let logits = wanted.flat_map(|row| following(row.token)).collect::<Vec<_>>();
        Ok(Output { logits: logits.leak(), hidden: &[] })
    }
}

/// Logits of which those of `token + 1` are the highest.
fn following(token: u32) -> impl Iterator<Item = f32> {
    (0..synthetic::TOKENS as u32).map(move |next| if next == token + 1 { 9.0 } else { 0.0 })
}

#[test]
fn a_fault_ends_its_batch_and_nothing_else() {
    let (_, tokenizer) = model();
    let engine = Engine::start(Box::new(Counting), None, tokenizer, settings()).unwrap();
    let ask = |first| {
        let request = Request { prompt: vec![first], tokens_max: Some(6), ..request_greedy() };
        answer(engine.submit(request).unwrap())
    };
    assert_eq!(ask(20).0, [21, 22, 23, 24, 25, 26]);
    assert_eq!(ask(10).1.reason, Reason::Failed("thirteen".to_owned()));
    assert!(matches!(ask(110).1.reason, Reason::Failed(_)), "a panic is a fault as well");
    assert_eq!(ask(20).0, [21, 22, 23, 24, 25, 26]);
    let stats = at_rest(&engine);
    assert_eq!((stats.running, stats.pages_in_use), (0, 0));
}

#[test]
fn nothing_leaks_in_a_crowd() {
    let settings = Settings { sequences_max: 8, batch_tokens: 64, cache_format: Format::Q8_0, ..settings() };
    let engine = engine(&settings, 40);
    let mut running = Vec::new();
    for round in 0..150_u32 {
        let asked = Request {
            owner: u64::from(round % 3),
            ..request(round % 11, (round as usize * 37) % 200 + 1, round as usize % 30)
        };
        match engine.submit(asked) {
            Ok(generation) => running.push(generation),
            Err(Refused::Busy { .. }) => {
                let generation = running.remove(0);
                // Every other one is abandoned.
                if round % 2 == 0 {
                    answer(generation);
                }
            }
            Err(refused) => panic!("{refused}"),
        }
    }
    running.into_iter().for_each(|generation| {
        answer(generation);
    });
    let stats = at_rest(&engine);
    assert_eq!((stats.running, stats.waiting, stats.pages_in_use), (0, 0, 0), "{stats:?}");
}

#[test]
fn whoever_asks_is_told_how_far_a_prompt_is_read() {
    let engine = engine(&Settings { batch_tokens: 32, ..settings() }, 64);
    let told = || {
        let mut generation = engine.submit(Request { progress: true, ..request(3, 80, 1) }).unwrap();
        let mut told = Vec::new();
        while let Some(Event::Progress { read, cached, .. }) = generation.next_blocking() {
            told.push((read, cached));
        }
        told
    };
    assert_eq!(told(), [(0, 0), (32, 0), (64, 0), (80, 0)]);
    assert_eq!(told(), [(79, 79), (80, 79)], "all but the last token");
}

#[test]
fn probabilities_as_drawn_sum_up_to_one_and_change_no_draw() {
    let engine = engine(&settings(), 64);
    let run = |logprobs_as_drawn| {
        let request = Request { logprobs: Some(50), logprobs_as_drawn, ..request(4, 20, 12) };
        let mut generation = engine.submit(request).unwrap();
        let mut drawn = Vec::new();
        while let Some(event) = generation.next_blocking() {
            if let Event::Token { logprobs: Some(logprobs), .. } = event {
                drawn.push(logprobs);
            }
        }
        drawn
    };
    let (before, after) = (run(false), run(true));
    assert_eq!(after.len(), 12);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.chosen.token, after.chosen.token);
        // The usual 40 likeliest at most, of which top-p and min-p leave fewer.
        let sum: f32 = after.top.iter().map(|ranked| ranked.logprob.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-4 && after.top.len() <= 40, "{sum} {}", after.top.len());
        assert!(after.top.contains(&after.chosen));
    }
}
