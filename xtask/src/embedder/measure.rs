use std::fmt;

use athenaeum_inference::{embedder::Embedder, kernels::Pool};
use athenaeum_retrieval::eval::{Collection, Measures, Totals};

/// The vectors of a collection's documents and questions, each of the length 1.
pub(super) struct Vectors {
    documents: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
}

pub(super) struct Quality(Measures);

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measures { ndcg_at_10, recall_at_100, reciprocal_rank } = self.0;
        write!(f, "nDCG@10 {ndcg_at_10:.4}, recall@100 {recall_at_100:.4}, MRR {reciprocal_rank:.4}")
    }
}

pub(super) fn vectors(model: &Embedder, collection: &Collection, pool: &Pool) -> anyhow::Result<Vectors> {
    let documents: Vec<String> = collection
        .documents
        .iter()
        .map(|text| format!("{} {}", text.title, text.text).trim().to_owned())
        .collect();
    let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
    let queries: Vec<&str> = collection.queries.iter().map(|query| query.text.as_str()).collect();
    let embed = |texts: &[&str]| -> anyhow::Result<Vec<Vec<f32>>> {
        Ok(model.embed(texts, &super::options(), pool)?.into_iter().map(|one| one.vector).collect())
    };
    Ok(Vectors { documents: embed(&documents)?, queries: embed(&queries)? })
}

/// Ranks all documents for each question by their cosine.
pub(super) fn quality(collection: &Collection, vectors: &Vectors) -> Quality {
    let mut totals = Totals::default();
    for (query, vector) in collection.queries.iter().zip(&vectors.queries) {
        let mut ranked: Vec<(f32, &str)> = collection
            .documents
            .iter()
            .zip(&vectors.documents)
            .map(|(document, other)| (dot(vector, other), document.id.as_str()))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        totals.add(query.measure(ranked.into_iter().map(|(_, id)| id)));
    }
    Quality(totals.means())
}

/// Returns the least and the mean cosine between the same texts' vectors.
pub(super) fn cosines(golden: &Vectors, vectors: &Vectors) -> (f32, f32) {
    let golden = golden.documents.iter().chain(&golden.queries);
    let pairs = golden.zip(vectors.documents.iter().chain(&vectors.queries));
    let cosines: Vec<f32> = pairs.map(|(a, b)| dot(a, b)).collect();
    let least = cosines.iter().copied().fold(1.0, f32::min);
    (least, cosines.iter().sum::<f32>() / cosines.len().max(1) as f32)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
