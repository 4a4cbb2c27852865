use std::{error::Error, fmt, pin::Pin, time::Duration};

/// Whatever tells how well texts answer a question by looking at both together: a model on this machine, or one that is asked
/// over a wire. It tells more than comparing two vectors, and costs a pass through the model for each text.
pub trait Rerank: Send + Sync {
    /// Returns what people call it.
    fn name(&self) -> &str;

    /// Scores each text, in their order; higher is better, and only the order means something. Dropping the future gives up
    /// the work that has not begun.
    ///
    /// # Errors
    ///
    /// A [`RerankError`]; then no text has a score.
    fn score<'a>(&'a self, question: &'a str, texts: &'a [String]) -> Scoring<'a>;
}

/// What [`Rerank::score`] will give.
pub type Scoring<'a> = Pin<Box<dyn Future<Output = Result<Vec<f32>, RerankError>> + Send + 'a>>;

/// Why texts were not scored.
#[derive(Debug)]
#[non_exhaustive]
pub enum RerankError {
    /// Too many wait already; ask again later.
    Busy {
        /// When a place is likely to be free.
        retry_after: Duration,
    },
    /// The question or a text is not one that the model takes, or it could not be reached.
    Failed(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for RerankError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { retry_after } => {
                let seconds = retry_after.as_secs().max(1);
                write!(f, "too many texts wait to be scored; ask again in {seconds} s")
            }
            Self::Failed(_) => f.write_str("the model that orders texts did not answer"),
        }
    }
}

impl Error for RerankError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Busy { .. } => None,
            Self::Failed(source) => Some(&**source),
        }
    }
}
