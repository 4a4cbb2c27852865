//! The formats, one module each.

use crate::format::Format;

pub(crate) mod athenaeum;
pub(crate) mod chatgpt;
mod claude;

/// Every format, the more particular before the more general.
pub(crate) const ALL: &[&Format] =
    &[&athenaeum::FORMAT, &chatgpt::FORMAT, &claude::FORMAT, &claude::PROJECTS];
