use std::{error::Error, fmt, pin::Pin, time::Duration};

/// Whatever makes vectors of texts that lie near each other where texts mean the same: a model on this machine, or one
/// that is asked over a wire.
///
/// The same text gives the same vector each time and in any company, as long as [`Embed::model`] is the same; vectors of
/// different models are never compared.
pub trait Embed: Send + Sync {
    /// Returns what the vectors are of.
    fn model(&self) -> &EmbeddingModel;

    /// Returns how many of the model's tokens a text has, without those that begin and end it.
    fn tokens(&self, text: &str) -> usize;

    /// Makes a vector of each text, in their order. Dropping the future gives up the work that has not begun.
    ///
    /// # Errors
    ///
    /// An [`EmbedError`]; then no text has a vector.
    fn embed<'a>(&'a self, texts: &'a [String], kind: TextKind) -> Embedding<'a>;
}

/// What [`Embed::embed`] will give.
pub type Embedding<'a> = Pin<Box<dyn Future<Output = Result<Vec<Embedded>, EmbedError>> + Send + 'a>>;

/// Which model vectors are of. Vectors of equal ones may be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmbeddingModel {
    /// As people call it: `all-minilm-l6-v2`.
    pub name: String,
    /// Stands for its numbers: other weights, another fingerprint; the same one on every machine.
    pub fingerprint: u128,
    /// Numbers of a vector.
    pub dimensions: usize,
    /// Tokens of the longest text that is not cut off, those that begin and end it included.
    pub tokens_max: usize,
}

/// What a text is there for. Some models put different words before questions and before what answers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextKind {
    /// Somebody looks for something.
    Query,
    /// Something that may be found.
    Passage,
}

/// What a text became.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Its place among meanings; of the length 1, unless the model's makers leave it as it is.
    pub vector: Vec<f32>,
    /// Tokens at its end that the model did not see, because it was too long.
    pub cut_tokens: usize,
}

/// Why texts were not embedded.
#[derive(Debug)]
#[non_exhaustive]
pub enum EmbedError {
    /// Too many wait already; ask again later.
    Busy {
        /// When a place is likely to be free.
        retry_after: Duration,
    },
    /// A text is not one that the model takes; asking again does not help.
    Text(Box<dyn Error + Send + Sync>),
    /// The model could not be reached, or could not compute; asking again may help.
    Failed(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for EmbeddingModel {
    /// `name@fingerprint:dimensions`, the same for equal models; what vectors are kept under.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:032x}:{}", self.name, self.fingerprint, self.dimensions)
    }
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { retry_after } => {
                write!(
                    f,
                    "too many texts wait to be embedded; ask again in {} s",
                    retry_after.as_secs().max(1)
                )
            }
            Self::Text(_) => f.write_str("a text cannot be embedded"),
            Self::Failed(_) => {
                f.write_str("the embedding model did not answer; ask again, or look into the log")
            }
        }
    }
}

impl Error for EmbedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Busy { .. } => None,
            Self::Text(source) | Self::Failed(source) => Some(&**source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_told_by_name_and_numbers() {
        let model = EmbeddingModel {
            name: "all-minilm-l6-v2".to_owned(),
            fingerprint: 0x2a,
            dimensions: 384,
            tokens_max: 256,
        };
        assert_eq!(model.to_string(), "all-minilm-l6-v2@0000000000000000000000000000002a:384");
    }

    #[test]
    fn causes_are_not_told_twice() {
        let cause = "text 3 is empty";
        let error = EmbedError::Text(cause.into());
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some(cause));
        assert!(!error.to_string().contains(cause));
        let busy = EmbedError::Busy { retry_after: Duration::from_millis(20) };
        assert!(busy.source().is_none() && busy.to_string().ends_with("ask again in 1 s"));
    }
}
