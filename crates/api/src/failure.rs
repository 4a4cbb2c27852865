use athenaeum_archive as archive;
use athenaeum_retrieval::{self as retrieval, meaning::MeaningError, search::SearchError};

use crate::problem::{Kind, Problem};

/// The one place where the archive's errors become answers. What the asker cannot help is logged with its
/// causes and told without paths.
impl From<archive::Error> for Problem {
    fn from(error: archive::Error) -> Self {
        use archive::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::new(Kind::NotFound, sentence(&error)),
            ErrorKind::InvalidRequest => Self::new(Kind::BadRequest, sentence(&error)),
            ErrorKind::Busy => {
                Self::new(Kind::Busy, sentence(&error)).retry_after(std::time::Duration::from_secs(1))
            }
            ErrorKind::Damaged => {
                log(&error);
                Self::new(Kind::Internal, "The archive is damaged; run `athenaeum doctor` on its machine.")
            }
            _ => {
                log(&error);
                Self::new(Kind::Internal, "The archive could not do it; the server's log has the reason.")
            }
        }
    }
}

impl From<retrieval::Error> for Problem {
    fn from(error: retrieval::Error) -> Self {
        match error {
            retrieval::Error::Archive { source, .. } => source.into(),
            retrieval::Error::Busy { .. } => {
                Self::new(Kind::Busy, sentence(&error)).retry_after(std::time::Duration::from_secs(10))
            }
            retrieval::Error::Unknown(_) => Self::new(Kind::NotFound, sentence(&error)),
            other => Self::new(Kind::Unprocessable, sentence(&other)),
        }
    }
}

impl From<MeaningError> for Problem {
    fn from(error: MeaningError) -> Self {
        match error {
            MeaningError::Library(error) => error.into(),
            error => match error.kind() {
                archive::ErrorKind::Busy => {
                    Self::new(Kind::Busy, sentence(&error)).retry_after(std::time::Duration::from_secs(1))
                }
                archive::ErrorKind::InvalidRequest => Self::new(Kind::BadRequest, sentence(&error)),
                _ => {
                    log(&error);
                    let detail = "The search by meaning failed; the server's log has the reason, and mode=text needs no model.";
                    Self::new(Kind::Internal, detail)
                }
            },
        }
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Words(error) => error.into(),
            SearchError::Meaning(error) => error.into(),
            error => {
                log(&error);
                Self::new(Kind::Internal, "The search failed; the server's log has the reason.")
            }
        }
    }
}

/// Writes an error as a sentence: capital first, full stop last.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

fn log(error: &dyn std::error::Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(lower) = cause {
        text.push_str(": ");
        text.push_str(&lower.to_string());
        cause = lower.source();
    }
    tracing::error!(error = text, "a request failed");
}
