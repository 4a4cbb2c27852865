use std::time::Duration;

use athenaeum_core::{Embed, EmbedError, Embedded, Embedding, EmbeddingModel, TextKind};
use athenaeum_outbound::reqwest::Method;
use bytes::Bytes;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::{Error, Remote, Wire, remote::Sent};

/// A model elsewhere that makes vectors: over OpenAI's wire (`/v1/embeddings`) or Ollama's (`/api/embed`).
///
/// Texts go 64 at a time, one batch after the other. What they are there for is not told: the wires have no word for it. Vectors are
/// brought to the length 1. Texts that are too long are refused by the engine, never cut, so no tokens are counted as cut.
#[derive(Debug, Clone)]
pub struct RemoteEmbedder {
    remote: Remote,
    model: EmbeddingModel,
    asks_for_dimensions: bool,
}

impl RemoteEmbedder {
    /// Takes a model whose vectors have so many `dimensions`, and that reads `tokens_max` tokens at most. Models that can make vectors of
    /// several lengths (text-embedding-3-small) are asked for `dimensions` in each request, where `asks_for_dimensions` says so;
    /// others refuse to be asked.
    #[must_use]
    pub fn new(remote: Remote, dimensions: usize, tokens_max: usize, asks_for_dimensions: bool) -> Self {
        let settings = remote.settings();
        // Its weights cannot be looked at: where it is asked for, and as what, stands for them.
        let identity = [settings.wire.as_str(), &settings.url, &settings.model, &dimensions.to_string()];
        let model = EmbeddingModel {
            name: settings.name.clone(),
            fingerprint: xxh3_128(identity.join("\0").as_bytes()),
            dimensions,
            tokens_max,
        };
        Self { remote, model, asks_for_dimensions }
    }

    async fn all(&self, texts: &[String]) -> Result<Vec<Embedded>, EmbedError> {
        let mut embedded = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH_TEXTS) {
            let answer = self.remote.json(&self.sent(batch), self.bytes_max()).await.map_err(failed)?;
            let vectors = match self.remote.settings().wire {
                Wire::Ollama => of_ollama(&answer),
                _ => of_openai(&answer, batch.len()),
            };
            let vectors = vectors.map_err(|reason| self.wrong(&reason))?;
            if vectors.len() != batch.len() {
                return Err(self.wrong(&format!("{} vectors came for {} texts", vectors.len(), batch.len())));
            }
            for vector in vectors {
                embedded.push(Embedded { vector: self.checked(vector)?, cut_tokens: 0 });
            }
        }
        Ok(embedded)
    }

    fn sent(&self, texts: &[String]) -> Sent {
        let settings = self.remote.settings();
        let (end, mut body) = match settings.wire {
            Wire::Ollama => ("embed", json!({ "model": settings.model, "input": texts, "truncate": false })),
            _ => {
                ("embeddings", json!({ "model": settings.model, "input": texts, "encoding_format": "float" }))
            }
        };
        if self.asks_for_dimensions {
            body["dimensions"] = self.model.dimensions.into();
        }
        let url = self.remote.address().api(end);
        Sent { method: Method::POST, url, body: Some(Bytes::from(body.to_string())), deadline: None }
    }

    /// Returns a vector brought to the length 1.
    fn checked(&self, vector: Vec<f64>) -> Result<Vec<f32>, EmbedError> {
        if vector.len() != self.model.dimensions {
            let (came, wanted) = (vector.len(), self.model.dimensions);
            return Err(self.wrong(&format!("a vector has {came} numbers, not {wanted}")));
        }
        let length = vector.iter().map(|number| number * number).sum::<f64>().sqrt();
        if !length.is_finite() || length == 0.0 {
            return Err(self.wrong("a vector has no length"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "vectors are kept as f32")]
        Ok(vector.into_iter().map(|number| (number / length) as f32).collect())
    }

    /// Whatever a number may be written as, and something around them.
    fn bytes_max(&self) -> usize {
        self.model.dimensions.saturating_mul(BATCH_TEXTS * 32).saturating_add(1 << 20)
    }

    fn wrong(&self, reason: &str) -> EmbedError {
        EmbedError::Failed(Box::new(self.remote.not_understood(reason)))
    }
}

impl Embed for RemoteEmbedder {
    fn model(&self) -> &EmbeddingModel {
        &self.model
    }

    /// Estimates: one for each three bytes begun, which is more than prose has in the vocabularies that are common. The engine's
    /// own vocabulary is not at hand.
    fn tokens(&self, text: &str) -> usize {
        text.len().div_ceil(3)
    }

    fn embed<'a>(&'a self, texts: &'a [String], _: TextKind) -> Embedding<'a> {
        Box::pin(self.all(texts))
    }
}

const BATCH_TEXTS: usize = 64;

/// Reads `{"data": [{"index", "embedding"}]}`, whose order is that of the indices.
fn of_openai(answer: &Value, count: usize) -> Result<Vec<Vec<f64>>, String> {
    let data = answer.get("data").and_then(Value::as_array).ok_or("there is no list \"data\" in it")?;
    let mut vectors = vec![None; count.min(data.len())];
    for (nth, entry) in data.iter().enumerate() {
        let index =
            entry.get("index").and_then(Value::as_u64).map_or(Some(nth), |index| index.try_into().ok());
        let place = index.and_then(|index| vectors.get_mut(index)).ok_or("a vector belongs to no text")?;
        if place.replace(vector(entry.get("embedding"))?).is_some() {
            return Err("a text has two vectors".to_owned());
        }
    }
    Ok(vectors.into_iter().flatten().collect())
}

/// Reads `{"embeddings": [[…]]}`.
fn of_ollama(answer: &Value) -> Result<Vec<Vec<f64>>, String> {
    let data =
        answer.get("embeddings").and_then(Value::as_array).ok_or("there is no list \"embeddings\" in it")?;
    data.iter().map(|entry| vector(Some(entry))).collect()
}

fn vector(value: Option<&Value>) -> Result<Vec<f64>, String> {
    let numbers = value.and_then(Value::as_array).ok_or("a vector is no list")?;
    let numbers: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
    numbers.ok_or_else(|| "a vector has something in it that is no number".to_owned())
}

fn failed(error: Error) -> EmbedError {
    match error {
        Error::Busy { retry_after, .. } => {
            EmbedError::Busy { retry_after: retry_after.unwrap_or(Duration::from_secs(1)) }
        }
        // Bad, too large, or not to be processed: the texts, since the rest is the same each time.
        error @ Error::Refused { status: 400 | 413 | 422, .. } => EmbedError::Text(Box::new(error)),
        error => EmbedError::Failed(Box::new(error)),
    }
}
