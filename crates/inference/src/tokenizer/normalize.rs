//! What happens to a text before it is cut into words.

use std::borrow::Cow;

/// One change.
#[derive(Debug)]
pub(super) enum Normalizer {
    /// Puts this before a text; with `always`, also before one that follows a control token.
    Prepend {
        text: String,
        always: bool,
    },
    Replace {
        from: String,
        to: String,
    },
}

/// Changes a text in all ways, one after another. `begins`: nothing comes before it, or a control token.
pub(super) fn all<'text>(normalizers: &[Normalizer], text: &'text str, begins: bool) -> Cow<'text, str> {
    normalizers.iter().fold(Cow::Borrowed(text), |text, normalizer| normalizer.apply(text, begins))
}

impl Normalizer {
    fn apply<'text>(&self, text: Cow<'text, str>, begins: bool) -> Cow<'text, str> {
        match self {
            Self::Prepend { text: before, always } if *always || begins => {
                Cow::Owned(format!("{before}{text}"))
            }
            Self::Prepend { .. } => text,
            Self::Replace { from, to } if text.contains(from.as_str()) => Cow::Owned(text.replace(from, to)),
            Self::Replace { .. } => text,
        }
    }
}
