use std::{
    io::{IsTerminal, Read as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use athenaeum::inference::{
    engine::{End, Event},
    sampling::LogProbs,
};
use serde::Serialize;

use super::{Context, Outcome, local};
use crate::{args::engine::Complete, interrupt::cancel_on_interrupt};

/// One token of `complete --json`.
#[derive(Debug, Serialize)]
struct Token<'a> {
    token: u32,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprob: Option<f32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top_logprobs: Vec<Top>,
}

#[derive(Debug, Serialize)]
struct Top {
    token: u32,
    logprob: f32,
}

/// The last object of `complete --json`.
#[derive(Debug, Serialize)]
pub(super) struct Whole<'a> {
    text: &'a str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<&'a str>,
    prompt_tokens: usize,
    cached_tokens: usize,
    generated_tokens: usize,
    first_token_ms: Option<u64>,
    whole_ms: u64,
}

pub(super) async fn run(context: &mut Context, args: &Complete) -> Outcome {
    let grammar = local::grammar(&args.shape)?;
    let text = prompt(args.prompt.as_deref())?;
    let (name, draft) = (args.model.model.as_deref(), args.guessing.draft.as_deref());
    let pictures: Vec<_> = args.images.iter().map(|path| local::picture(path)).collect::<Result<_, _>>()?;
    let model = local::load_to_see(context, (name, draft), args.mmproj.clone(), &args.model.running)?;
    let (prompt, seats) = model.completion_prompt_showing(&pictures, &text)?;
    let mut request = local::request(prompt, &args.sampling, &args.guessing);
    request.pictures = model.see(&seats)?;
    request.logprobs = args.logprobs;
    if let Some(grammar) = grammar {
        request.constraint = Some(model.constraint(&grammar).context("the answer cannot be held to that")?);
    }
    let enough = cancel_on_interrupt();
    let mut generation = model.engine().submit(request)?;
    let mut whole = if args.echo { text } else { String::new() };
    if !context.output.json {
        context.output.text(&whole)?;
    }
    while let Some(event) = local::next(&mut generation, &enough).await {
        match event {
            Event::Progress { .. } | Event::Prompt { .. } => {}
            Event::Token { token, text, logprobs } => {
                whole.push_str(&text);
                match context.output.json {
                    true => context.output.object(&line(token, &text, logprobs.as_ref()))?,
                    false => context.output.text(&text)?,
                }
                context.output.flush()?;
            }
            Event::End(end) => {
                whole.push_str(&end.text);
                match context.output.json {
                    true => context.output.object(&of_end(&whole, &end))?,
                    false => context.output.line(&end.text)?,
                }
                return Ok(local::tell_ending(&end.reason));
            }
        }
    }
    Ok(ExitCode::FAILURE)
}

fn prompt(typed: Option<&str>) -> anyhow::Result<String> {
    match typed {
        Some(text) if text != "-" => Ok(text.to_owned()),
        None if std::io::stdin().is_terminal() => bail!("give the text to go on from, or pipe it in"),
        _ => {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).context("what came on stdin is not text")?;
            Ok(text)
        }
    }
}

fn line<'a>(token: u32, text: &'a str, logprobs: Option<&LogProbs>) -> Token<'a> {
    let tops = logprobs.map(|all| all.top.as_slice()).unwrap_or_default();
    Token {
        token,
        text,
        logprob: logprobs.map(|all| all.chosen.logprob),
        top_logprobs: tops.iter().map(|top| Top { token: top.token, logprob: top.logprob }).collect(),
    }
}

/// What is told at the end of an answer.
pub(super) fn of_end<'a>(text: &'a str, end: &'a End) -> Whole<'a> {
    let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Whole {
        text,
        reason: local::reason_name(&end.reason),
        stop: match &end.reason {
            athenaeum::inference::engine::Reason::Stop(text) => Some(text),
            _ => None,
        },
        prompt_tokens: end.prompt_tokens,
        cached_tokens: end.cached_tokens,
        generated_tokens: end.generated_tokens,
        first_token_ms: end.first_token.map(ms),
        whole_ms: ms(end.whole),
    }
}
