//! all-MiniLM-L6-v2: texts must become the vectors that transformers makes of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use athenaeum_inference::{
    embedder::{Embedder, Options},
    kernels::Pool,
    model,
    weights::Access,
};
use serde::Deserialize;

use crate::shell::say;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    tokens: usize,
    /// Every how many numbers one is kept.
    step: usize,
    numbers: Vec<f64>,
}

/// More than the order of additions makes, and little enough that whole vectors have a cosine above 0.9999999.
const TOLERANCE: f64 = 2e-6;

/// Compares what the model in `folder` makes of each text with `golden`. Skipped, visibly, where there is no such folder.
pub(super) fn vectors(golden: &Path, folder: &Path) -> anyhow::Result<u64> {
    if !folder.exists() {
        say(&format!("embeddings: skipped, there is no {}", folder.display()));
        return Ok(0);
    }
    let golden: Golden = serde_json::from_slice(&fs::read(golden)?).context("embeddings.json is damaged")?;
    let embedder = Embedder::load(&model::open(folder)?, Access::Map)?;
    let pool = Pool::new(std::thread::available_parallelism()?.get());
    let texts: Vec<&str> = golden.texts.iter().map(|row| row.text.as_str()).collect();
    let embeddings = embedder.embed(&texts, &Options::default(), &pool)?;
    let (mut failed, mut worst) = (0, 0.0_f64);
    for (row, embedding) in golden.texts.iter().zip(&embeddings) {
        let ours = embedding.vector.iter().step_by(row.step).map(|number| f64::from(*number));
        let apart = ours.zip(&row.numbers).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f64::max);
        worst = worst.max(apart);
        if apart > TOLERANCE || embedding.tokens != row.tokens {
            failed += 1;
            let found = embedding.tokens;
            say(&format!("✗ {:?}: {found} tokens instead of {}, {apart:.1e} apart", row.text, row.tokens));
        }
    }
    let passed = golden.texts.len() as u64 - failed;
    say(&format!("embeddings: {passed} texts passed, {failed} failed, at most {worst:.1e} apart"));
    Ok(failed)
}

/// Where the model lies, unless it is said elsewhere.
pub(super) fn usual(data: &Path) -> PathBuf {
    data.join("models/all-MiniLM-L6-v2")
}
