//! The best hits, ordered anew by a model that reads question and text together.

use std::{sync::Arc, time::Duration};

use athenaeum_archive::Notice;
use athenaeum_core::Rerank;

use super::{Found, Hit, Rank};
use crate::with_causes;

/// What orders hits anew, and how much of it.
#[derive(Clone)]
pub(super) struct Reranking {
    pub(super) model: Arc<dyn Rerank>,
    /// How many of the best it reads.
    pub(super) top: usize,
    /// How long it may take.
    pub(super) time: Duration,
}

impl Reranking {
    /// Orders the first hits anew, each of which takes the score of its new place; those behind them stay. Where the model does
    /// not answer in time, all stay where they are, and it is said.
    ///
    /// `passages` has of each hit the part that is near in meaning, where there is one.
    pub(super) async fn order(
        &self,
        question: &str,
        hits: &mut [Hit],
        passages: &[Option<String>],
    ) -> Option<Notice> {
        let (head, _) = hits.split_at_mut(self.top.min(hits.len()));
        if head.len() < 2 {
            return None;
        }
        let texts: Vec<String> =
            head.iter().zip(passages).map(|(hit, passage)| text(hit, passage.as_deref())).collect();
        let scored = tokio::time::timeout(self.time, self.model.score(question, &texts)).await;
        let scores = match scored {
            Ok(Ok(scores)) if scores.len() == head.len() => scores,
            Ok(Ok(_)) => {
                return Some(Notice(format!("{} scored other texts than it was given.", self.model.name())));
            }
            Ok(Err(error)) => {
                tracing::warn!(error = with_causes(&error), "hits are not ordered anew");
                return Some(Notice(format!("The hits are not ordered anew: {error}.")));
            }
            Err(_) => {
                let seconds = self.time.as_secs_f64();
                let name = self.model.name();
                return Some(Notice(format!(
                    "{name} took more than {seconds:.1} s, so the hits are in the order that they were found in."
                )));
            }
        };
        // Scores of fusion stay comparable with those behind: the places change, not what a place is worth.
        let worth: Vec<f64> = head.iter().map(|hit| hit.score).collect();
        let mut order: Vec<usize> = (0..head.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let mut ordered = Vec::with_capacity(head.len());
        for ((rank, from), worth) in (1..).zip(&order).zip(worth) {
            let mut hit = head[*from].clone();
            hit.why.rerank = Some(Rank { rank, score: f64::from(scores[*from]) });
            hit.score = worth;
            ordered.push(hit);
        }
        head.clone_from_slice(&ordered);
        None
    }
}

/// Returns what is read of a hit.
fn text(hit: &Hit, passage: Option<&str>) -> String {
    match &hit.found {
        Found::Chunk(hit) => hit.chunk.searched(),
        Found::Message(found) => {
            let title = found.conversation.title.as_deref().unwrap_or_default();
            let passage = passage.unwrap_or(&found.snippet.text);
            format!("{title}\n{passage}").trim().to_owned()
        }
    }
}
