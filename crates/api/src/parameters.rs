//! What a request may say, as a table: the reading of bodies, their errors and warnings, and the description of them
//! all come from the same rows.
//!
//! Nothing that a client sends is silently ignored. What is wrong is refused with the parameter's name and what it
//! accepts; what is unknown, or known and without effect here, is a [`Warning`] that goes back with the answer, or a
//! refusal where the client asked for strictness.

mod check;
mod read;
mod schema;
#[cfg(test)]
mod tests;

pub(crate) use read::{Read, body, body_of_known};
pub(crate) use schema::{schema_of_known, schema_where};

use serde::Serialize;

/// One parameter of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    /// As it is written in the body.
    pub(crate) name: &'static str,
    /// The values that are right.
    pub(crate) takes: Takes,
    /// What becomes of them.
    pub(crate) standing: Standing,
    /// One sentence for people.
    pub(crate) about: &'static str,
}

/// The values that a parameter accepts. `null` is the same as leaving it out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    Bool,
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// A number from the first to the second.
    Number(f64, f64),
    /// At most so many bytes.
    Text(usize),
    /// At most so many bytes, written as the regular expression says. Whoever reads it checks it; the expression is for
    /// the description, and the last tells people the same.
    Like(usize, &'static str, &'static str),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// At most so many elements.
    List(&'static Takes, usize),
    /// The same list with at least one element, the same text with more than spaces in it. Whoever reads it checks it; this is
    /// for the description.
    Filled(&'static Takes),
    /// An object of these.
    Object(&'static [Parameter]),
    /// The same, where of each of these lists one holds.
    ObjectWhere(&'static [Parameter], Conditions),
    /// An object of any names.
    Map(&'static Takes),
    /// Of different JSON types, so that the type tells which.
    Either(&'static [Takes]),
    /// Anything; whoever reads it checks it.
    Any,
}

/// What can hold of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holds {
    /// This parameter is there.
    Has(&'static str),
    /// The first parameter is this text.
    Says(&'static str, &'static str),
    /// The parameter is not there, or accepts no more than this. For the description: whoever reads it checks it.
    Fits(&'static str, &'static Takes),
    /// The parameter is not there. For the description, too.
    Lacks(&'static str),
}

/// Conditions of an object: of each of these lists one holds.
pub(crate) type Conditions = &'static [&'static [Holds]];

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Standing {
    /// It is done as asked.
    Honoured,
    /// The same, and the request is nothing without it.
    Required,
    /// It changes nothing, for this reason.
    NoEffect(&'static str),
    /// It is done where it is one of these JSON values, and changes nothing otherwise, for this reason.
    Only(&'static [&'static str], &'static str),
}

/// Something that was asked for and is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Warning {
    /// Where it stands in the body, as in `messages[0].name`.
    pub(crate) parameter: String,
    /// Why it has no effect, or what was done instead.
    pub(crate) reason: String,
}

impl Parameter {
    /// Is done as asked.
    pub(crate) const fn new(name: &'static str, takes: Takes, about: &'static str) -> Self {
        Self { name, takes, standing: Standing::Honoured, about }
    }

    /// Must be there.
    pub(crate) const fn required(name: &'static str, takes: Takes, about: &'static str) -> Self {
        Self { name, takes, standing: Standing::Required, about }
    }

    /// Is accepted because clients send it, and changes nothing.
    pub(crate) const fn without_effect(name: &'static str, takes: Takes, reason: &'static str) -> Self {
        Self { name, takes, standing: Standing::NoEffect(reason), about: reason }
    }

    /// Is done for some values only.
    pub(crate) const fn only(
        name: &'static str,
        takes: Takes,
        honoured: &'static [&'static str],
        reason: &'static str,
    ) -> Self {
        Self { name, takes, standing: Standing::Only(honoured, reason), about: reason }
    }
}
