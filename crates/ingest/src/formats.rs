//! The formats, one module each.

use crate::format::Format;

pub(crate) mod athenaeum;

/// Every format, the more particular before the more general.
pub(crate) const ALL: &[&Format] = &[&athenaeum::FORMAT];
