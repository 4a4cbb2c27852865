//! `/v1/responses`: answers that are kept, gone on from, and made in the background.

mod endpoints;
mod input;
mod kept;
mod object;
mod run;

pub(crate) use endpoints::{
    __path_cancel, __path_count, __path_create, __path_items, __path_one, __path_remove,
};
pub(crate) use endpoints::{PARAMETERS, cancel, count, create, items, one, remove};
pub(crate) use run::Running;
