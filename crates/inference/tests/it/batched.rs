//! Several who ask at once for vectors and scores.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use athenaeum_inference::{
    batched::{Batched, Error},
    embedder::{self, Embedder, Embedding, Input, Norm, Options, Pooled, Truncate},
    encoder::Pooling,
    engine::Refused,
    kernels::Pool,
    model,
    processor::Processor,
    reranker::{self, Reranker},
    tokenizer::Special,
    weights::Access,
};
use tokio::runtime::Runtime;

use crate::embedder::written;

fn tiny() -> Embedder {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf"));
    Embedder::load(&model::open(&path).unwrap(), Access::Map).unwrap()
}

fn start(model: Embedder, requests_max: usize) -> Batched<Embedder> {
    Batched::start(model, &processor(), requests_max).unwrap()
}

fn processor() -> Processor {
    Processor::new(NonZeroUsize::MIN)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap()
}

fn inputs(count: usize, owner: usize) -> Vec<Input> {
    (0..count)
        .map(|index| format!("text {index} of {owner} {}", "and more ".repeat(index % 7)).into())
        .collect()
}

#[test]
fn those_who_ask_together_get_what_each_gets_alone() {
    let (alone, pool) = (tiny(), Pool::new(1));
    let batched = start(tiny(), 64);
    let asked = |owner: usize| {
        let pooled = [Pooled::Usual, Pooled::By(Pooling::Mean), Pooled::By(Pooling::First), Pooled::Each];
        (inputs(1 + owner * 5, owner), Options { pooled: pooled[owner % 4], ..Options::default() })
    };
    std::thread::scope(|scope| {
        for owner in 0..8 {
            let (batched, alone, pool) = (&batched, &alone, &pool);
            scope.spawn(move || {
                let (inputs, options) = asked(owner);
                let together = batched.embed_blocking(inputs.clone(), options.clone()).unwrap();
                let prepared = alone.prepare(&inputs, &options).unwrap();
                for (text, embedding) in prepared.iter().zip(&together) {
                    assert_eq!(alone.compute(&[text], pool).first(), Some(embedding));
                }
                assert_eq!(together.len(), inputs.len());
            });
        }
    });
    let stats = batched.stats();
    assert_eq!((stats.requests, stats.texts), (0, (0..8).map(|owner| 1 + owner * 5).sum()));
    assert!(stats.batches < stats.texts, "{stats:?}");
}

#[test]
fn a_decoder_pools_as_it_is_asked_to() {
    let (model, pool) = (tiny(), Pool::new(1));
    let with = |pooled| {
        let options = Options { pooled, norm: Some(Norm::None), ..Options::default() };
        model.embed(&["Shall I compare thee"], &options, &pool).unwrap().remove(0)
    };
    let each = with(Pooled::Each);
    let rows: Vec<&[f32]> = each.each().collect();
    assert_eq!((rows.len(), each.vectors), (each.tokens, each.tokens));
    assert_eq!(rows[0].len(), model.dimensions());
    let first = with(Pooled::By(Pooling::First));
    let last = with(Pooled::By(Pooling::Last));
    let mean = with(Pooled::By(Pooling::Mean));
    assert_eq!((first.vector.as_slice(), last.vector.as_slice()), (rows[0], rows[rows.len() - 1]));
    for (index, number) in mean.vector.iter().enumerate() {
        let sum: f32 = rows.iter().map(|row| row[index]).sum();
        assert!((sum / rows.len() as f32 - number).abs() < 1e-4);
    }
    assert_eq!(with(Pooled::Usual), last);
    assert_eq!((last.vectors, last.each().len()), (1, 1));
}

#[test]
fn tokens_are_taken_as_they_are() {
    let (model, pool) = (tiny(), Pool::new(1));
    let text = "Shall I compare thee";
    let tokens = model.tokenizer().encode(text, Special::Text);
    let embed = |inputs: &[Input], truncate| -> Result<Vec<Embedding>, embedder::Error> {
        let options = Options { truncate, ..Options::default() };
        let prepared = model.prepare(inputs, &options)?;
        Ok(model.compute(&prepared.iter().collect::<Vec<_>>(), &pool))
    };
    let both = embed(&[text.into(), tokens.clone().into()], Truncate::Refuse).unwrap();
    assert_eq!(both[0], both[1]);
    assert_eq!(both[1].tokens, tokens.len());
    let none = embed(&["a".into(), vec![].into()], Truncate::End).unwrap_err();
    assert!(matches!(none, embedder::Error::Empty { index: 1 }), "{none}");
    let unknown = embed(&[vec![1, u32::MAX].into()], Truncate::End).unwrap_err();
    assert!(matches!(unknown, embedder::Error::UnknownToken { index: 0, token: u32::MAX, .. }), "{unknown}");
    let long = vec![5; model.settings().tokens_max + 3];
    let refused = embed(&[long.clone().into()], Truncate::Refuse).unwrap_err();
    assert!(matches!(refused, embedder::Error::TooLong { index: 0, .. }), "{refused}");
    let cut = embed(&[long.into()], Truncate::End).unwrap();
    assert_eq!((cut[0].tokens, cut[0].cut_tokens), (model.settings().tokens_max, 3));
}

#[test]
fn too_many_are_told_to_come_back() {
    let batched = start(tiny(), 2);
    let mut waiting: Vec<_> =
        (0..2).map(|owner| Box::pin(batched.embed(inputs(400, owner), Options::default()))).collect();
    let mut context = Context::from_waker(Waker::noop());
    for future in &mut waiting {
        assert!(matches!(future.as_mut().poll(&mut context), Poll::Pending));
    }
    let refused = batched.embed_blocking(inputs(1, 2), Options::default()).unwrap_err();
    let Error::Refused(Refused::Busy { waiting: 2, retry_after }) = refused else { panic!("{refused}") };
    assert!(retry_after >= Duration::from_secs(1));
    // Those who go make room.
    drop(waiting);
    let started = Instant::now();
    while batched.stats().requests > 0 {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::yield_now();
    }
    assert!(batched.stats().texts < 800, "nobody waits for them");
    assert_eq!(batched.embed_blocking(inputs(1, 2), Options::default()).unwrap().len(), 1);
}

#[test]
fn nobody_waits_beyond_the_deadline() {
    let batched = start(tiny(), 8);
    let deadline = Some(Instant::now() + Duration::from_millis(20));
    let late = Options { deadline, ..Options::default() };
    assert!(matches!(batched.embed_blocking(inputs(5000, 0), late), Err(Error::Deadline)));
    assert!(batched.embed_blocking(Vec::new(), Options::default()).unwrap().is_empty());
}

#[test]
fn a_short_request_does_not_wait_for_a_long_one() {
    let (batched, runtime) = (start(tiny(), 8), runtime());
    runtime.block_on(async {
        let long = batched.embed(inputs(2000, 0), Options { owner: 1, ..Options::default() });
        let short = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let made = batched.embed(inputs(2, 1), Options { owner: 2, ..Options::default() }).await;
            (made.unwrap().len(), batched.stats().texts)
        };
        let (long, (made, texts)) = tokio::join!(long, short);
        assert_eq!((long.unwrap().len(), made), (2000, 2));
        assert!(texts < 1500, "{texts} texts went before the two");
    });
}

#[test]
fn short_texts_take_no_more_room_than_long_ones() {
    let batched = start(tiny(), 8);
    let inputs: Vec<Input> = (0..200).map(|_| vec![5].into()).collect();
    assert_eq!(batched.embed_blocking(inputs, Options::default()).unwrap().len(), 200);
    // Each takes a page of 32 tokens, and 512 are computed together.
    assert_eq!(batched.stats().batches, 200_u64.div_ceil(512 / 32));
}

#[test]
fn what_cannot_be_taken_hurts_nobody_else() {
    let batched = start(tiny(), 8);
    let refuse = Options { truncate: Truncate::Refuse, ..Options::default() };
    let long = vec!["word ".repeat(5000).into()];
    let refused = batched.embed_blocking(long, refuse).unwrap_err();
    assert!(matches!(refused, Error::Texts(embedder::Error::TooLong { index: 0, .. })), "{refused}");
    assert_eq!(batched.embed_blocking(inputs(3, 0), Options::default()).unwrap().len(), 3);
    assert_eq!(batched.stats().requests, 0);
}

#[test]
fn documents_are_scored_together_as_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = written("xlm-roberta-scores", "gguf", folder.path());
    let load = || Reranker::load(&model::open(&path).unwrap(), Access::Read).unwrap();
    let documents: Vec<String> = (0..20).map(|index| format!("w{} w8 w{}", index + 5, index)).collect();
    let texts: Vec<&str> = documents.iter().map(String::as_str).collect();
    let alone = load().scores("w7 w9", &texts, Truncate::End, &Pool::new(1)).unwrap();
    let batched = Batched::start(load(), &processor(), 8).unwrap();
    let asked = || batched.rerank("w7 w9".to_owned(), documents.clone(), reranker::Options::default());
    let (one, two) = runtime().block_on(async { tokio::join!(asked(), asked()) });
    assert_eq!((one.unwrap(), two.unwrap()), (alone.clone(), alone));
}
