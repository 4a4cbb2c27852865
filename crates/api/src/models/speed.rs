use std::time::Instant;

use athenaeum_inference::{engine::Request, sampling::Sampling};

use crate::{
    dto::model::Speed,
    problem::{Kind, Problem},
    serving::Loaded,
};

/// Has a model read and write so many tokens.
pub(super) async fn measure(loaded: &Loaded, prompt: usize, generated: usize) -> Result<Speed, Problem> {
    // Once unmeasured, so that the weights are in memory.
    run(loaded, 1, 2).await?;
    let (first, rest) = run(loaded, prompt, generated).await?;
    Ok(Speed {
        model: loaded.entry.name.clone(),
        prompt_tokens: prompt,
        generated_tokens: generated,
        prompt_tokens_per_second: prompt as f64 / first,
        generated_tokens_per_second: generated.saturating_sub(1) as f64 / rest,
        first_token_ms: first * 1e3,
    })
}

/// Returns the seconds until the first token, and those from it to the last.
async fn run(loaded: &Loaded, prompt: usize, generated: usize) -> Result<(f64, f64), Problem> {
    let vocabulary = loaded.model.tokenizer().len().max(1);
    // Other tokens each time, or what was read before would be found again.
    let salt = uuid::Uuid::new_v4().as_u128() as usize % vocabulary;
    let token = |index: usize| u32::try_from((index * 7 + salt) % vocabulary).unwrap_or(0);
    let request = Request {
        sampling: Sampling::greedy(),
        tokens_max: Some(generated),
        ignore_ends: true,
        ..Request::new((0..prompt).map(token).collect())
    };
    let started = Instant::now();
    let ended = loaded.model.engine().submit(request)?.text().await;
    let whole = started.elapsed().as_secs_f64();
    let first = ended.and_then(|(_, end)| end.first_token);
    let broken = || Problem::new(Kind::Internal, "The model wrote nothing; the server's log has the reason.");
    let first = first.ok_or_else(broken)?.as_secs_f64().max(1e-9);
    Ok((first, (whole - first).max(1e-9)))
}
