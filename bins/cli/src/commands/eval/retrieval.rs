use std::{collections::HashSet, path::Path, process::ExitCode, time::Instant};

use anyhow::Context as _;
use athenaeum::{
    archive::{
        Settings,
        library::{Library, NewDocument, NewFile},
    },
    ingest::document,
    retrieval::{
        CancellationToken,
        documents::{self, Options},
        eval::{Collection, Limits, Query, Text, Totals},
        meaning::{Filling, Meaning},
        search::{Found, Mode, Request, Searcher, Within},
    },
};
use serde::Serialize;

use super::{Context, Outcome, note};
use crate::args::engine::EvalMode;

/// A line of `eval retrieval --json`.
#[derive(Debug, Serialize)]
struct Measured {
    mode: &'static str,
    documents: usize,
    questions: usize,
    ndcg_at_10: f64,
    recall_at_100: f64,
    mrr: f64,
    /// Of a search, in the middle.
    p50_ms: f64,
}

pub(super) async fn run(context: &mut Context, folder: &Path, mode: EvalMode) -> Outcome {
    let collection = Collection::read(folder, &Limits::default())?;
    if collection.unjudged > 0 {
        note(&format_args!("{} questions are judged by nobody and left out", collection.unjudged));
    }
    let modes: Vec<Mode> = match mode {
        EvalMode::Text => vec![Mode::Text],
        EvalMode::Semantic => vec![Mode::Semantic],
        EvalMode::Hybrid => vec![Mode::Hybrid],
        EvalMode::All => Mode::ALL.to_vec(),
    };
    let place = tempfile::tempdir().context("there is no room for a library of its own")?;
    let library = Library::open(place.path(), &Settings::default()).await?;
    keep(context, &library, &collection.documents).await?;
    let meaning = match modes.as_slice() {
        [Mode::Text] => None,
        _ => context.meaning_in(place.path()).await?,
    };
    if let Some(meaning) = &meaning {
        fill(context, meaning, &library).await?;
    }
    let searcher = Searcher::new(None, Some(library.clone()), meaning);
    for mode in modes {
        let measured = measure(context, &searcher, &collection, mode).await?;
        match context.output.json {
            true => context.output.object(&measured)?,
            false => context.output.line(format_args!(
                "{:<9} nDCG@10 {:.4}  recall@100 {:.4}  MRR {:.4}  {:.1} ms a search",
                measured.mode, measured.ndcg_at_10, measured.recall_at_100, measured.mrr, measured.p50_ms
            ))?,
        }
    }
    library.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn keep(context: &Context, library: &Library, documents: &[Text]) -> anyhow::Result<()> {
    for batch in documents.chunks(TOGETHER) {
        let kept: anyhow::Result<Vec<(NewFile, NewDocument)>> = batch.iter().map(document).collect();
        library.keep(&context.scope, kept?).await?;
    }
    Ok(())
}

fn document(text: &Text) -> anyhow::Result<(NewFile, NewDocument)> {
    // Two documents that say the same are two all the same: the bytes that are hashed begin with the name.
    let reading = document::read_bytes("document.txt", text.text.as_bytes(), &document::Options::default())?;
    let mut document = documents::read(reading, &Options::default());
    document.title = Some(text.title.clone()).filter(|title| !title.is_empty());
    document.hash = document::Source::of(format!("{}\0{}", text.id, text.text).as_bytes()).blake3;
    Ok((NewFile { path: text.id.clone(), bytes: text.text.len() as u64, modified_at: None }, document))
}

async fn fill(context: &Context, meaning: &Meaning, library: &Library) -> anyhow::Result<()> {
    let mut said = Instant::now();
    let told = |filling: &Filling| {
        if said.elapsed().as_secs() >= 10 {
            said = Instant::now();
            note(&format_args!("{} of {} chunks have a vector", filling.seen, filling.total));
        }
    };
    meaning.fill(&context.scope, library, told, &CancellationToken::new()).await?;
    Ok(())
}

async fn measure(
    context: &Context,
    searcher: &Searcher,
    collection: &Collection,
    mode: Mode,
) -> anyhow::Result<Measured> {
    let mut totals = Totals::default();
    let mut times = Vec::with_capacity(collection.queries.len());
    for query in &collection.queries {
        let begun = Instant::now();
        let ids = found(context, searcher, query, mode).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        totals.add(query.measure(ids.iter().map(String::as_str)));
    }
    times.sort_by(f64::total_cmp);
    let means = totals.means();
    Ok(Measured {
        mode: mode.as_str(),
        documents: collection.documents.len(),
        questions: totals.questions(),
        ndcg_at_10: means.ndcg_at_10,
        recall_at_100: means.recall_at_100,
        mrr: means.reciprocal_rank,
        p50_ms: times.get(times.len() / 2).copied().unwrap_or(0.0),
    })
}

/// Returns the documents found, each where its best chunk stands.
async fn found(
    context: &Context,
    searcher: &Searcher,
    query: &Query,
    mode: Mode,
) -> anyhow::Result<Vec<String>> {
    let request = Request {
        query: query.text.clone(),
        mode,
        within: Within::Library,
        limit: Request::LIMIT_MAX,
        ..Request::default()
    };
    let results = searcher.search(&context.scope, &request).await?;
    let mut seen = HashSet::new();
    let paths = results.hits.into_iter().filter_map(|hit| match hit.found {
        Found::Chunk(hit) => hit.chunk.document.path.clone(),
        Found::Message(_) => None,
    });
    Ok(paths.filter(|path| seen.insert(path.clone())).collect())
}

/// Documents in one transaction.
const TOGETHER: usize = 256;
