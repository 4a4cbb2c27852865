//! Forms of which a single token may take long, beside requests that have none.

use std::{
    task::{Context, Poll, Waker},
    time::Duration,
};

use athenaeum_inference::{
    constraint::{Constraint, Error, Grammar, Vocabulary},
    engine::{Engine, Event, Generation, Reason, Request, Settings},
};

use super::engine::{answer, at_rest, engine, request, settings};

/// Any letters, in as many ways as there are trees over them: a token takes longer by the third power of those before.
const AMBIGUOUS: &str = "root ::= root root | [a-z]";

#[test]
fn a_slow_form_holds_nobody_up() {
    let engine = engine(&settings(), 64);
    let form = constraint(&engine, &Grammar::Gbnf(AMBIGUOUS.to_owned())).unwrap();
    assert!(form.may_take_long());
    let mut slow = engine.submit(endless(&engine, form)).unwrap();
    tokens(&mut slow, 70);
    let quick = engine.submit(request(2, 4, 300)).unwrap();
    assert_eq!(answer(quick).0.len(), 300);
    let meanwhile = waiting(&mut slow);
    // In step with it there would be as many.
    assert!(meanwhile < 150, "{meanwhile} tokens of the slow one");
    drop(slow);
    let stats = at_rest(&engine);
    assert_eq!((stats.running, stats.pages_in_use), (0, 0));
}

#[test]
fn a_token_that_takes_too_long_ends_its_answer_alone() {
    let engine = engine(&Settings { choice_max: Duration::ZERO, ..settings() }, 64);
    let form = constraint(&engine, &Grammar::Gbnf(AMBIGUOUS.to_owned())).unwrap();
    let slow = engine.submit(endless(&engine, form)).unwrap();
    let quick = engine.submit(request(2, 4, 60)).unwrap();
    assert_eq!(answer(quick).1.reason, Reason::Length);
    let (_, end) = answer(slow);
    assert!(
        matches!(&end.reason, Reason::Failed(why) if why.contains("one token takes too long")),
        "{:?}",
        end.reason
    );
    assert_eq!(at_rest(&engine).pages_in_use, 0);
}

/// Between what may come and what came: it is neither refused nor taken for complete.
#[test]
fn a_form_that_is_broken_off_says_so_whatever_it_is_asked() {
    let engine = engine(&settings(), 64);
    let tokenizer = engine.tokenizer();
    let letter = (0..tokenizer.len() as u32).find(|token| tokenizer.bytes(*token) == b"a").unwrap();
    let mut form = constraint(&engine, &Grammar::Gbnf(AMBIGUOUS.to_owned())).unwrap();
    form.accept(letter).unwrap();
    assert!(form.may_end().unwrap());
    form.breaker().unwrap().end();
    for error in [form.accept(letter).unwrap_err(), form.may_end().unwrap_err()] {
        assert!(error.to_string().contains("one token takes too long"), "{error}");
    }
    assert!(!form.must_end());
}

/// The same form, worked on beside the batch as a grammar, and within it as an expression.
#[test]
fn choices_made_elsewhere_are_the_same() {
    let ask = |engine: &Engine, grammar: &Grammar, logprobs: Option<usize>| -> Vec<_> {
        let form = constraint(engine, grammar).unwrap();
        let requests = (0..9).map(|seed| {
            let constraint = (seed % 3 > 0).then(|| form.clone());
            Request { constraint, logprobs, ..request(seed, 1 + 20 * seed as usize, 60) }
        });
        let running: Vec<_> = requests.map(|request| engine.submit(request).unwrap()).collect();
        running.into_iter().map(answer).map(|(tokens, end)| (tokens, end.reason)).collect()
    };
    let expression = Grammar::Regex("[a-p ]{0,50}[.!]".to_owned());
    let grammar = Grammar::Lark("start: /[a-p ]{0,50}[.!]/\n".to_owned());
    let roomy = engine(&settings(), 256);
    let within = ask(&roomy, &expression, None);
    assert!(within.iter().any(|(tokens, _)| (2..60).contains(&tokens.len())), "{within:?}");
    assert_eq!(ask(&roomy, &grammar, None), within);
    assert_eq!(ask(&roomy, &grammar, Some(2)), within, "with probabilities");
    // Some give up their pages while they wait for a token.
    let narrow = engine(&Settings { batch_tokens: 64, ..settings() }, 17);
    assert_eq!(ask(&narrow, &grammar, None), within, "with hardly any room");
    assert!(narrow.stats().preemptions > 0, "{:?}", narrow.stats());
}

/// A request that never takes the end that its form allows.
fn endless(engine: &Engine, form: Constraint) -> Request {
    let mut request = Request { constraint: Some(form), ..request(1, 4, 500) };
    request.sampling.logit_bias =
        engine.tokenizer().generation_ends().iter().map(|end| (*end, f32::NEG_INFINITY)).collect();
    request
}

fn constraint(engine: &Engine, grammar: &Grammar) -> Result<Constraint, Error> {
    let tokenizer = engine.tokenizer();
    let bytes = |token| (!tokenizer.is_special(token)).then(|| tokenizer.bytes(token));
    let vocabulary = Vocabulary::new(tokenizer.len(), tokenizer.generation_ends(), bytes)?;
    Constraint::new(&vocabulary, grammar)
}

/// Waits for so many tokens.
fn tokens(generation: &mut Generation, mut count: usize) {
    while count > 0 {
        count -= usize::from(matches!(generation.next_blocking().unwrap(), Event::Token { .. }));
    }
}

/// How many tokens have come that nobody took yet.
fn waiting(generation: &mut Generation) -> usize {
    let mut context = Context::from_waker(Waker::noop());
    let mut count = 0;
    while let Poll::Ready(Some(_)) = std::pin::pin!(generation.next()).poll(&mut context) {
        count += 1;
    }
    count
}
