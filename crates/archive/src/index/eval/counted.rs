//! A prefix, whose documents have been counted beforehand.

use std::cmp::Reverse;

use super::Context;
use crate::index::{
    error::Result,
    plan::PlanPrefix,
    prefix::{Place, Union},
    score::{Fixed, Weight},
};

/// A prefix's documents with their scores.
pub(in crate::index) struct Counted<'s> {
    union: &'s Union,
    weight: Weight,
    place: Place,
}

impl<'s> Counted<'s> {
    /// `None` if no document holds one of the terms. Stands on the first that does.
    pub(super) fn new(prefix: &'s PlanPrefix, context: &Context<'s>) -> Option<Self> {
        let union = prefix.unions.get(context.part)?.as_ref()?;
        // The bounds were made just now, with the mean that scores are computed with.
        let weight = Weight::new(prefix.idf, context.mean, context.mean);
        let mut place = Place::default();
        union.seek(&mut place, 0);
        Some(Self { union, weight, place })
    }

    pub(super) fn df(&self) -> u32 {
        self.union.df
    }

    #[inline]
    pub(super) fn doc(&self) -> u32 {
        self.place.doc
    }

    /// Moves to the first document at or behind `target`; never back.
    #[inline]
    pub(super) fn seek(&mut self, target: u32) -> u32 {
        if self.place.doc < target {
            self.union.seek(&mut self.place, target);
        }
        self.place.doc
    }

    pub(super) fn restart(&mut self, target: u32) -> u32 {
        self.place = Place::default();
        self.union.seek(&mut self.place, target);
        self.place.doc
    }

    #[inline]
    pub(super) fn score(&self, context: &Context<'_>) -> Fixed {
        self.weight.score(self.union.tf(self.place), context.length(self.place.doc))
    }

    #[inline]
    pub(super) fn bound_at(&self, target: u32) -> (Fixed, u32) {
        let (bound, last) = self.union.bound_at(target);
        (self.weight.bound(bound), last)
    }
}

/// Calls `each` with the documents from `start` to before `end` that a prefix matches and their scores, those of
/// the most promising stretches first. Documents that score less than the floor, which `each` returns anew, may be
/// left out; returns whether some were.
pub(in crate::index) fn each_counted(
    prefix: &mut Counted<'_>,
    context: &Context<'_>,
    (start, end): (u32, u32),
    mut each: impl FnMut(u32, Fixed) -> Result<Fixed>,
    mut floor: Fixed,
) -> Result<bool> {
    let mut stretches = Vec::new();
    let mut from = start;
    while from < end {
        let (bound, last) = prefix.bound_at(from);
        let to = end.min(last.saturating_add(1));
        if bound > 0 {
            stretches.push((Reverse(bound), from, to));
        }
        from = to;
    }
    stretches.sort_unstable();
    let mut skipped = false;
    for (Reverse(bound), from, to) in stretches {
        if bound < floor {
            skipped = true;
            break;
        }
        let mut doc = prefix.restart(from);
        while doc < to {
            let score = prefix.score(context);
            if score >= floor {
                floor = each(doc, score)?;
            } else {
                skipped = true;
            }
            doc = prefix.seek(doc + 1);
        }
    }
    Ok(skipped)
}
