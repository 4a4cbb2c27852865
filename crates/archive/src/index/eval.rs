//! Runs a planned query over one segment, document by document.

use std::sync::Arc;

use super::{
    columns::Column,
    cursor::{Cursor, END},
    error::Result,
    plan::{Plan, PlanTerm},
    score::{Fixed, Weight},
    segment::{Field, Segment},
};

pub(super) use any::each_match;
pub(super) use common::each_common;
pub(super) use counted::{Counted, each_counted};
pub(super) use phrase::{LOOK, Phrase};

mod any;
mod common;
mod counted;
mod phrase;

/// What a node needs to know of the segment.
#[derive(Clone)]
pub(super) struct Context<'s> {
    pub(super) segment: &'s Segment,
    pub(super) part: usize,
    pub(super) field: Field,
    pub(super) mean: f64,
    pub(super) lengths: Arc<Vec<u16>>,
}

impl Context<'_> {
    fn weight(&self, idf: f64) -> Weight {
        Weight::new(idf, self.mean, self.segment.meta.bound_means[self.field as usize])
    }

    #[inline]
    pub(super) fn length(&self, doc: u32) -> u16 {
        self.lengths.get(doc as usize).copied().unwrap_or(0)
    }
}

/// A part of the query, standing on a document that matches it, or at [`END`].
pub(super) enum Node<'s> {
    Term(Box<TermNode<'s>>),
    Phrase(Box<Phrase<'s>>),
    All(Box<All<'s>>),
    Any(Vec<Node<'s>>),
    Prefix(Counted<'s>),
    Conversations {
        rows: &'s rustc_hash::FxHashSet<i64>,
        column: Arc<Column>,
        doc: u32,
        docs: u32,
        /// No match at or behind this one is looked for.
        end: u32,
    },
    Every {
        doc: u32,
        docs: u32,
    },
}

/// A term's documents with their scores.
pub(super) struct TermNode<'s> {
    pub(super) cursor: Cursor<'s>,
    pub(super) weight: Weight,
}

/// Documents that match all of the required and none of the excluded.
pub(super) struct All<'s> {
    /// Those that match fewest documents first.
    pub(super) required: Vec<Node<'s>>,
    excluded: Vec<Node<'s>>,
    doc: u32,
    /// No match at or behind this one is looked for.
    end: u32,
}

impl<'s> Node<'s> {
    /// Prepares a plan for a segment. `None` if no document can match. The node stands nowhere before the first
    /// [`Node::restart`].
    pub(super) fn new(plan: &'s Plan, context: &Context<'s>) -> Result<Option<Self>> {
        let docs = context.segment.meta.docs;
        let node = match plan {
            Plan::Term(term) => TermNode::new(term, context)?.map(|term| Self::Term(Box::new(term))),
            Plan::Phrase { terms, idf } => {
                Phrase::new(terms, *idf, context)?.map(|node| Self::Phrase(Box::new(node)))
            }
            Plan::All { required, excluded } => {
                let mut all = All { required: Vec::new(), excluded: Vec::new(), doc: 0, end: END };
                for plan in required {
                    let Some(node) = Self::new(plan, context)? else { return Ok(None) };
                    all.required.push(node);
                }
                for plan in excluded {
                    all.excluded.extend(Self::new(plan, context)?);
                }
                all.required.sort_by_key(Self::cost);
                Some(Self::All(Box::new(all)))
            }
            Plan::Any(plans) => {
                let mut nodes = Vec::new();
                for plan in plans {
                    nodes.extend(Self::new(plan, context)?);
                }
                match nodes.len() {
                    0 => None,
                    1 => nodes.pop(),
                    _ => Some(Self::Any(nodes)),
                }
            }
            Plan::Prefix(prefix) => Counted::new(prefix, context).map(Self::Prefix),
            Plan::Conversations(rows) if rows.is_empty() => None,
            Plan::Conversations(rows) => Some(Self::Conversations {
                rows,
                column: context.segment.conversations()?,
                doc: 0,
                docs,
                end: END,
            }),
            Plan::Every => Some(Self::Every { doc: 0, docs }),
            Plan::Nothing => None,
        };
        Ok(node)
    }

    /// Returns whether [`each_match`] or [`each_counted`] can run it.
    pub(super) fn is_flat(&self) -> bool {
        match self {
            Self::Prefix(_) => true,
            Self::Any(nodes) => nodes.iter().all(|node| matches!(node, Self::Term(_) | Self::Prefix(_))),
            _ => false,
        }
    }

    /// About how many documents match, at most.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Term(term) => u64::from(term.cursor.df()),
            // Looking at positions makes a phrase dearer than a term, and testing conversations one by one too.
            Self::Phrase(phrase) => phrase.cost(),
            Self::All(all) => all.required.iter().map(Self::cost).min().unwrap_or(0),
            Self::Any(nodes) => nodes.iter().map(Self::cost).sum(),
            Self::Prefix(prefix) => u64::from(prefix.df()),
            Self::Conversations { docs, .. } => u64::from(*docs),
            Self::Every { docs, .. } => u64::from(*docs) + 1,
        }
    }

    #[inline]
    pub(super) fn doc(&self) -> u32 {
        match self {
            Self::Term(term) => term.cursor.doc(),
            Self::Phrase(phrase) => phrase.doc(),
            Self::All(all) => all.doc,
            Self::Any(nodes) => nodes.iter().map(Self::doc).min().unwrap_or(END),
            Self::Prefix(prefix) => prefix.doc(),
            Self::Conversations { doc, .. } | Self::Every { doc, .. } => *doc,
        }
    }

    /// Moves to the first match at or behind `target`, never back. Matches that are sure to score less than
    /// `floor` may be passed over.
    pub(super) fn seek(&mut self, target: u32, floor: Fixed) -> u32 {
        match self {
            Self::Term(term) => term.cursor.seek(target),
            Self::Phrase(phrase) => phrase.seek(target, floor),
            Self::All(all) => {
                if all.doc < target {
                    all.settle(target, floor);
                }
                all.doc
            }
            Self::Prefix(prefix) => prefix.seek(target),
            Self::Any(nodes) => {
                let mut least = END;
                for node in nodes {
                    let doc = if node.doc() < target { node.seek(target, 0) } else { node.doc() };
                    least = least.min(doc);
                }
                least
            }
            Self::Conversations { rows, column, doc, docs, end } => {
                if *doc < target {
                    *doc = next_in(rows, column, target, (*docs).min(*end));
                }
                *doc
            }
            Self::Every { doc, docs } => {
                *doc = if target >= *docs { END } else { target.max(*doc) };
                *doc
            }
        }
    }

    /// Moves to the first match at or behind `target`, back if need be.
    pub(super) fn restart(&mut self, target: u32, floor: Fixed) -> u32 {
        match self {
            Self::Term(term) => term.cursor.restart(target),
            Self::Phrase(phrase) => phrase.restart(target, floor),
            Self::All(all) => {
                for node in all.required.iter_mut().chain(&mut all.excluded) {
                    node.restart(target, 0);
                }
                all.settle(target, floor);
                all.doc
            }
            Self::Prefix(prefix) => prefix.restart(target),
            Self::Any(nodes) => nodes.iter_mut().map(|node| node.restart(target, 0)).min().unwrap_or(END),
            Self::Conversations { rows, column, doc, docs, end } => {
                *doc = next_in(rows, column, target, (*docs).min(*end));
                *doc
            }
            Self::Every { doc, docs } => {
                *doc = if target >= *docs { END } else { target };
                *doc
            }
        }
    }

    /// Scores the document that the node stands on.
    pub(super) fn score(&mut self, context: &Context<'_>) -> Fixed {
        match self {
            Self::Term(term) => term.score(context),
            Self::Phrase(phrase) => phrase.score(),
            Self::All(all) => all.required.iter_mut().map(|node| node.score(context)).sum(),
            Self::Prefix(prefix) => prefix.score(context),
            Self::Any(nodes) => {
                let doc = nodes.iter().map(Self::doc).min().unwrap_or(END);
                nodes.iter_mut().filter(|node| node.doc() == doc).map(|node| node.score(context)).sum()
            }
            Self::Conversations { .. } | Self::Every { .. } => 0,
        }
    }

    /// Returns what no match at or behind `target` and up to the returned document scores more than. Reads no
    /// postings. Targets must not descend between restarts.
    pub(super) fn bound_at(&mut self, target: u32) -> (Fixed, u32) {
        match self {
            Self::Term(term) => {
                let (bound, last) = term.cursor.bound_at(target);
                (term.weight.bound(bound), last)
            }
            Self::Phrase(phrase) => phrase.bound_at(target),
            Self::All(all) => sum_bounds(&mut all.required, target),
            Self::Any(nodes) => sum_bounds(nodes, target),
            Self::Prefix(prefix) => prefix.bound_at(target),
            Self::Conversations { .. } | Self::Every { .. } => (0, END - 1),
        }
    }

    /// Returns what no match in `from..=to` scores more than.
    pub(super) fn bound_between(&mut self, from: u32, to: u32) -> Fixed {
        if let Self::Term(term) = self {
            return term.weight.bound(term.cursor.bound_between(from, to));
        }
        let (mut most, mut last) = self.bound_at(from);
        while last < to {
            let (bound, next) = self.bound_at(last + 1);
            (most, last) = (most.max(bound), next);
        }
        most
    }

    /// Sets the document at which searching for matches stops; holds from the next [`Node::restart`] on.
    pub(super) fn set_end(&mut self, limit: u32) {
        match self {
            Self::Phrase(phrase) => phrase.end = limit,
            Self::All(all) => {
                all.end = limit;
                all.required.iter_mut().chain(&mut all.excluded).for_each(|node| node.set_end(limit));
            }
            Self::Any(nodes) => nodes.iter_mut().for_each(|node| node.set_end(limit)),
            Self::Conversations { end, .. } => *end = limit,
            Self::Term(_) | Self::Prefix(_) | Self::Every { .. } => {}
        }
    }

    /// Work done on positions so far, see [`Phrase::examined`]; `None` where positions do not matter.
    pub(super) fn examined(&self) -> Option<u64> {
        match self {
            Self::Phrase(phrase) => Some(phrase.examined),
            Self::All(all) => all.required.iter().filter_map(Self::examined).reduce(|a, b| a + b),
            Self::Any(nodes) => nodes.iter().filter_map(Self::examined).reduce(|a, b| a + b),
            _ => None,
        }
    }

    /// Takes out the terms, rarest first, of a node that asks for all of several terms and nothing else.
    pub(super) fn take_common(&mut self) -> Option<Vec<TermNode<'s>>> {
        let Self::All(all) = self else { return None };
        let plain = all.excluded.is_empty() && all.required.iter().all(|node| matches!(node, Self::Term(_)));
        let term = |node| if let Self::Term(term) = node { Some(*term) } else { None };
        plain.then(|| std::mem::take(&mut all.required).into_iter().filter_map(term).collect())
    }

    /// Returns whether a seek with a floor passes over matches without a trace.
    pub(super) fn heeds_floor(&self) -> bool {
        match self {
            Self::Phrase(_) => true,
            Self::All(all) => all.required.len() == 1 && all.required.iter().any(Self::heeds_floor),
            _ => false,
        }
    }

    /// Returns the first error that a read met.
    pub(super) fn fault(&mut self) -> Result<()> {
        match self {
            Self::Term(term) => term.cursor.fault.take().map_or(Ok(()), Err),
            Self::Phrase(phrase) => phrase.fault(),
            Self::All(all) => all.required.iter_mut().chain(&mut all.excluded).try_for_each(Self::fault),
            Self::Any(nodes) => nodes.iter_mut().try_for_each(Self::fault),
            Self::Prefix(_) | Self::Conversations { .. } | Self::Every { .. } => Ok(()),
        }
    }
}

fn sum_bounds(nodes: &mut [Node<'_>], target: u32) -> (Fixed, u32) {
    nodes.iter_mut().fold((0, END - 1), |(sum, until), node| {
        let (bound, last) = node.bound_at(target);
        (sum + bound, until.min(last))
    })
}

fn next_in(rows: &rustc_hash::FxHashSet<i64>, column: &Column, target: u32, docs: u32) -> u32 {
    (target..docs).find(|&doc| column.get(doc).is_some_and(|row| rows.contains(&row))).unwrap_or(END)
}

impl<'s> TermNode<'s> {
    fn new(term: &PlanTerm, context: &Context<'s>) -> Result<Option<Self>> {
        let Some(entry) = term.entries.get(context.part).copied().flatten() else { return Ok(None) };
        let cursor = Cursor::open(context.segment, entry)?;
        Ok(Some(Self { cursor, weight: context.weight(term.idf) }))
    }

    #[inline]
    pub(super) fn score(&mut self, context: &Context<'_>) -> Fixed {
        let length = context.length(self.cursor.doc());
        self.weight.score(self.cursor.tf(), length)
    }
}

impl All<'_> {
    /// Moves to the first match at or behind `target`.
    fn settle(&mut self, target: u32, floor: Fixed) {
        let mut target = target;
        // A lone required part may use the floor; beside others, how much they add is not known yet.
        let floor = if self.required.len() == 1 { floor } else { 0 };
        'candidates: loop {
            if target >= self.end {
                target = END;
                break;
            }
            for node in &mut self.required {
                let doc = if node.doc() < target { node.seek(target, floor) } else { node.doc() };
                if doc > target {
                    target = doc;
                    continue 'candidates;
                }
            }
            for node in &mut self.excluded {
                let doc = if node.doc() < target { node.seek(target, 0) } else { node.doc() };
                if doc == target {
                    target += 1;
                    continue 'candidates;
                }
            }
            break;
        }
        self.doc = target;
    }
}
