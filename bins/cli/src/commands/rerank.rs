use std::process::ExitCode;

use anyhow::Context as _;
use athenaeum::inference::{
    catalog::Purpose,
    reranker::{Reranker, Score},
    weights::Access,
};
use serde::Serialize;

use super::{Context, Outcome, embed};
use crate::{args::compare::Rerank, output::one_line};

/// One document of `rerank --json`.
#[derive(Debug, Serialize)]
struct Told<'a> {
    index: usize,
    relevance: f32,
    logit: f32,
    tokens: usize,
    cut_tokens: usize,
    document: &'a str,
}

/// Characters of a document that are shown.
const SHOWN: usize = 100;

pub(super) async fn run(context: &mut Context, args: &Rerank) -> Outcome {
    let model = embed::open(context, &args.model, Purpose::Rerank)?;
    let reranker = Reranker::load(&model, Access::Map)
        .with_context(|| format!("cannot use {}", model.path.display()))?;
    let pool = embed::pool(context, &args.model);
    let mut scored: Vec<(String, Score)> = Vec::new();
    embed::for_texts(&args.documents, usize::MAX, &mut |documents| {
        let scores = reranker.scores(&args.query, documents, embed::truncate(&args.model), &pool)?;
        scored.extend(documents.iter().map(|text| (*text).to_owned()).zip(scores));
        Ok(())
    })?;
    let mut order: Vec<(usize, &(String, Score))> = scored.iter().enumerate().collect();
    order.iter().for_each(|(index, (_, score))| embed::tell_cut(*index, score.cut_tokens));
    order.sort_by(|(_, (_, a)), (_, (_, b))| b.logit.total_cmp(&a.logit));
    for (index, (document, score)) in order.into_iter().take(args.top.unwrap_or(usize::MAX)) {
        let Score { relevance, logit, tokens, cut_tokens } = *score;
        if context.output.json {
            context.output.object(&Told { index, relevance, logit, tokens, cut_tokens, document })?;
        } else {
            context.output.line(format_args!("{relevance:.4}  {}", one_line(document, SHOWN)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
