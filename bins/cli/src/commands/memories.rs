use std::{io::Read as _, process::ExitCode};

use anyhow::Context as _;
use athenaeum::{
    archive::memories::{Kept, Memory, MemoryStats, Origin, Surprise, Tier, Wanted},
    inference::engine::{Event, Reason, Request},
    retrieval::memory::{Cooled, Memorizer, Offer, Recalled, Taken, perplexity},
};
use serde::Serialize;

use super::{Context, Outcome, local, note};
use crate::{
    args::{
        engine::Running,
        memories::{Memories, Remember, Which},
    },
    output::{Output, Style, grouped, one_line},
};

/// A memory, as `--json` shows it.
#[derive(Debug, Serialize)]
struct Told<'a> {
    id: String,
    text: &'a str,
    tier: &'a str,
    asked_for: bool,
    #[serde(flatten)]
    surprise: Surprised,
    conversation_id: Option<String>,
    message_id: Option<i64>,
    remembered_at: String,
    used_at: String,
    uses: u64,
    /// Of `memories search`.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<Found>,
}

#[derive(Debug, Serialize)]
struct Surprised {
    surprise: f64,
    perplexity: f64,
    /// No model said how little it expected the text.
    perplexity_fallback: bool,
    distance: f64,
}

#[derive(Debug, Serialize)]
struct Found {
    score: f64,
    similarity: Option<f64>,
    words: f64,
}

/// What `remember --json` says.
#[derive(Debug, Serialize)]
struct Remembered<'a> {
    kept: bool,
    /// It was not known before.
    new: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Told<'a>>,
    #[serde(flatten)]
    surprise: Surprised,
}

pub(super) async fn remember(context: &mut Context, args: &Remember) -> Outcome {
    let mut text = args.text.join(" ");
    if text == "-" {
        text.clear();
        std::io::stdin().read_to_string(&mut text).context("stdin cannot be read")?;
    }
    let perplexity = perplexity_of(context, &text, args.model.as_deref(), &args.running).await?;
    let offer = Offer {
        text,
        origin: Origin { conversation: args.conversation, message: args.message },
        perplexity,
        asked_for: !args.if_surprising,
    };
    let memory = memory(context).await?;
    let taken = memory.remember(&context.scope, offer).await?;
    let output = &mut context.output;
    let code = match &taken {
        Taken::Passed(_) => ExitCode::FAILURE,
        Taken::Kept(_) => ExitCode::SUCCESS,
    };
    if output.json {
        output.object(&match &taken {
            Taken::Passed(surprise) => {
                Remembered { kept: false, new: false, memory: None, surprise: surprised(surprise) }
            }
            Taken::Kept(Kept { memory, is_new }) => {
                let surprise = surprised(&memory.surprise);
                Remembered { kept: true, new: *is_new, memory: Some(told(memory, None)), surprise }
            }
        })?;
        return Ok(code);
    }
    match &taken {
        Taken::Passed(surprise) => output.line(format_args!(
            "Not kept: a surprise of {:.2}. Without --if-surprising it is kept all the same.",
            surprise.score
        ))?,
        Taken::Kept(Kept { memory, is_new: true }) => output.line(format_args!(
            "Remembered, a surprise of {:.2}: {}",
            memory.surprise.score,
            output.paint(Style::Faint, &memory.id.to_string())
        ))?,
        Taken::Kept(Kept { memory, .. }) => output.line(format_args!(
            "Remembered before, on {}: {}",
            memory.remembered_at,
            output.paint(Style::Faint, &memory.id.to_string())
        ))?,
    }
    Ok(code)
}

pub(super) async fn run(context: &mut Context, args: &Memories) -> Outcome {
    let memory = memory(context).await?;
    let scope = context.scope.clone();
    let output = &mut context.output;
    match args {
        Memories::List { tier, limit } => {
            let (mut left, mut after) = (*limit, None);
            while left > 0 {
                let wanted = wanted(tier.tier);
                let page = memory.memories().list(&scope, &wanted, after.as_ref(), left.min(200)).await?;
                left = left.saturating_sub(page.items.len());
                page.items.iter().try_for_each(|memory| entry(output, memory, None))?;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            if left == *limit && !output.json {
                output.line("Nothing is remembered yet: `athenaeum remember TEXT`.")?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Memories::Search { text, tier, limit, unnoted } => {
            let text = text.join(" ");
            let found = memory.recall(&scope, &text, &wanted(tier.tier), *limit, !unnoted).await?;
            found.iter().try_for_each(|found| entry(output, &found.memory, Some(found)))?;
            Ok(if found.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        Memories::Forget { ids } => {
            let gone = memory.forget(&scope, ids).await?;
            changed(output, gone.len(), ids.len(), "forgotten")
        }
        Memories::Cool => {
            let Cooled { warm, cold } = memory.cool(&scope, athenaeum::core::Timestamp::now()).await?;
            match output.json {
                true => output
                    .object(&serde_json::json!({ "changed": warm + cold, "warm": warm, "cold": cold }))?,
                false => output.line(format_args!("{warm} have grown warm, {cold} have grown cold."))?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Memories::Stats => {
            let MemoryStats { hot, warm, cold } = memory.memories().stats(&scope).await?;
            match output.json {
                true => output.object(&serde_json::json!({ "hot": hot, "warm": warm, "cold": cold }))?,
                false => output.line(format_args!(
                    "{} hot, {} warm, {} cold",
                    grouped(hot),
                    grouped(warm),
                    grouped(cold)
                ))?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Memories::Restore { ids } => {
            let lifted = memory.lift(&scope, ids).await?;
            changed(output, lifted.len(), ids.len(), "hot again")
        }
    }
}

async fn memory(context: &Context) -> anyhow::Result<Memorizer> {
    let meaning = context.meaning().await?;
    Ok(athenaeum::open_memory(&context.data()?, &context.settings.settings, meaning).await?)
}

/// Asks the model that was named, here or in the settings, how little it expected a text; `None` where none was named.
async fn perplexity_of(
    context: &Context,
    text: &str,
    named: Option<&str>,
    running: &Running,
) -> anyhow::Result<Option<f64>> {
    let settled = context.settings.settings.models.default.as_str();
    // One on another engine does not tell.
    let settled = Some(settled).filter(|name| !context.settings.settings.models.remote.contains_key(*name));
    let Some(name) = named.or(settled).filter(|name| !name.is_empty()) else { return Ok(None) };
    let model = local::load(context, Some(name), None, running)?;
    let request = Request {
        prompt_logprobs: Some(0),
        tokens_max: Some(1),
        ..Request::new(model.completion_prompt(text.trim()))
    };
    let mut generation = model.engine().submit(request)?;
    let mut found = Vec::new();
    while let Some(event) = generation.next().await {
        match event {
            Event::Prompt { logprobs, .. } => {
                found = logprobs.iter().map(|logprobs| logprobs.chosen.logprob).collect();
            }
            Event::End(end) => {
                if let Reason::Failed(why) = end.reason {
                    note(&format_args!("note: {name} could not read it: {}", one_line(&why, 200)));
                }
            }
            Event::Progress { .. } | Event::Token { .. } => {}
        }
    }
    Ok(perplexity(&found))
}

fn changed(output: &mut Output, count: usize, asked: usize, done: &str) -> Outcome {
    if output.json {
        output.object(&serde_json::json!({ "changed": count }))?;
    } else {
        let memories = if count == 1 { "memory" } else { "memories" };
        output.line(format_args!("{} {memories} {done}.", grouped(count as u64)))?;
    }
    Ok(if count < asked { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn entry(output: &mut Output, memory: &Memory, found: Option<&Recalled>) -> std::io::Result<()> {
    if output.json {
        return output.object(&told(memory, found));
    }
    let tier = match memory.tier {
        Tier::Hot => String::new(),
        tier => format!(", {}", tier.as_str()),
    };
    let what =
        format!("{}  surprise {:.2}{tier}  {}", memory.remembered_at, memory.surprise.score, memory.id);
    output.line(one_line(&memory.text, 1_000))?;
    output.line(output.paint(Style::Faint, &format!("  {what}")))
}

fn told<'a>(memory: &'a Memory, found: Option<&Recalled>) -> Told<'a> {
    Told {
        id: memory.id.to_string(),
        text: &memory.text,
        tier: memory.tier.as_str(),
        asked_for: memory.asked_for,
        surprise: surprised(&memory.surprise),
        conversation_id: memory.origin.conversation.map(|id| id.to_string()),
        message_id: memory.origin.message.map(|id| id.0),
        remembered_at: memory.remembered_at.to_string(),
        used_at: memory.used_at.to_string(),
        uses: memory.uses,
        found: found.map(|found| Found {
            score: found.score,
            similarity: found.similarity,
            words: found.words,
        }),
    }
}

fn surprised(surprise: &Surprise) -> Surprised {
    Surprised {
        surprise: surprise.score,
        perplexity: surprise.perplexity.unwrap_or(1.0),
        perplexity_fallback: surprise.perplexity.is_none(),
        distance: surprise.distance,
    }
}

fn wanted(which: Which) -> Wanted {
    match which {
        Which::Found => Wanted::Found,
        Which::Hot => Wanted::Of(Tier::Hot),
        Which::Warm => Wanted::Of(Tier::Warm),
        Which::Cold => Wanted::Of(Tier::Cold),
        Which::All => Wanted::All,
    }
}
