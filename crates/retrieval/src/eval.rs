//! How good a ranking is: judged questions in BEIR's layout, and the measures that are taken of answers to them.
//!
//! ```
//! use athenaeum_retrieval::eval::{Measures, Ranking};
//!
//! // The second and the third hit are judged; the second more than the third.
//! let ranking = Ranking { hits: &[0, 2, 1], judged: &[2, 1] };
//! let Measures { ndcg_at_10, recall_at_100, reciprocal_rank } = ranking.measures();
//! assert_eq!((recall_at_100, reciprocal_rank), (1.0, 0.5));
//! # assert!((ndcg_at_10 - 0.66967).abs() < 1e-5);
//! ```
//!
//! A [`Collection`] is a folder with `corpus.jsonl`, `queries.jsonl` and `qrels/*.tsv`, as the BEIR benchmark lays them out
//! (Thakur et al., 2021). Whoever ranks answers each of its questions with documents' ids, best first;
//! [`Query::measure`] compares, and [`Totals`] averages.
//!
//! **Invariant:** a question that nobody judged counts nowhere, and one without an answer counts as zero.

mod collection;
mod measures;

pub use collection::{Collection, Error, Limits, Query, Text};
pub use measures::{Measures, Ranking, Totals};
