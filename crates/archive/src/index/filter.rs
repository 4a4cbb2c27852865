use std::{collections::HashSet, sync::Arc};

use athenaeum_core::{Role, Timestamp};

use super::{
    columns::Column,
    document::{Flags, Kind},
    error::Result,
    removed::Removed,
    segment::Segment,
    shapes::{Shape, Shapes},
};
use crate::{Filters, Flag};

/// Which documents may be found, beside what the query says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// As in a search request; its `conversation` is not looked at.
    pub filters: Filters,
    /// Only this conversation, by row.
    pub conversation: Option<i64>,
    /// Only these, by row.
    pub among: Option<Arc<HashSet<i64>>>,
}

/// A filter made ready for one segment: one look-up a document for most, the times and conversations where
/// they are asked for.
pub(super) struct Accept<'s> {
    removed: Option<&'s Removed>,
    /// By number of the combination; `None` where all pass.
    shapes: Option<(Vec<bool>, Arc<Column>)>,
    times: Option<(Vec<TimeTest>, Arc<Column>)>,
    conversation: Option<(i64, Arc<Column>)>,
    among: Option<(Arc<HashSet<i64>>, Arc<Column>)>,
    /// No document can pass.
    pub(super) never: bool,
}

/// Times from the first to the second pass, or all others.
#[derive(Debug, Clone, Copy)]
struct TimeTest {
    from: i64,
    to: i64,
    inside: bool,
}

impl<'s> Accept<'s> {
    /// Prepares for documents of one kind. `any_kind`: documents of the other kind may come up and must fail.
    pub(super) fn new(
        filter: &Filter,
        segment: &'s Segment,
        removed: Option<&'s Removed>,
        kind: Kind,
        any_kind: bool,
    ) -> Result<Self> {
        let table = &segment.meta.shapes;
        let test = |shape: &Shape| shape.kind == kind && passes(&filter.filters, table, shape);
        let passing: Vec<bool> = table.shapes.iter().map(test).collect();
        let never = !passing.contains(&true);
        let all =
            table.shapes.iter().zip(&passing).all(|(shape, &ok)| ok || (shape.kind != kind && !any_kind));
        let shapes = if all || never { None } else { Some((passing, segment.shape_of()?)) };
        let tests = time_tests(&filter.filters);
        let times = if tests.is_empty() { None } else { Some((tests, segment.times()?)) };
        let conversation = match filter.conversation {
            Some(row) => Some((row, segment.conversations()?)),
            None => None,
        };
        let among = match &filter.among {
            Some(rows) => Some((Arc::clone(rows), segment.conversations()?)),
            None => None,
        };
        Ok(Self { removed, shapes, times, conversation, among, never })
    }

    /// Returns whether every document passes.
    pub(super) fn is_open(&self) -> bool {
        self.removed.is_none()
            && self.shapes.is_none()
            && self.times.is_none()
            && self.conversation.is_none()
            && self.among.is_none()
    }

    #[inline]
    pub(super) fn test(&self, doc: u32) -> bool {
        if let Some((passing, column)) = &self.shapes {
            let shape = column.get(doc).unwrap_or(-1) as usize;
            if !passing.get(shape).is_some_and(|&ok| ok) {
                return false;
            }
        }
        if let Some((tests, column)) = &self.times
            && !passes_time(tests, column.get(doc))
        {
            return false;
        }
        if let Some((row, column)) = &self.conversation
            && column.get(doc) != Some(*row)
        {
            return false;
        }
        if let Some((rows, column)) = &self.among
            && !column.get(doc).is_some_and(|row| rows.contains(&row))
        {
            return false;
        }
        !self.removed.is_some_and(|removed| removed.has(doc))
    }
}

/// Returns the least and greatest time that can pass.
pub(super) fn time_range(filters: &Filters) -> Option<(i64, i64)> {
    let from = filters.after.map(Timestamp::as_micros);
    let to = filters.before.map(Timestamp::as_micros);
    (from.is_some() || to.is_some()).then(|| (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX)))
}

fn time_tests(filters: &Filters) -> Vec<TimeTest> {
    let mut tests = Vec::new();
    tests.extend(time_range(filters).map(|(from, to)| TimeTest { from, to, inside: true }));
    // Each excluded bound stands for itself: neither after the one nor before the other.
    if let Some(without) = &filters.without {
        let after = without.after.map(|time| (time.as_micros(), i64::MAX));
        let before = without.before.map(|time| (i64::MIN, time.as_micros()));
        let outside = |(from, to)| TimeTest { from, to, inside: false };
        tests.extend(after.into_iter().chain(before).map(outside));
    }
    tests
}

fn passes_time(tests: &[TimeTest], time: Option<i64>) -> bool {
    tests.iter().all(|test| match time {
        Some(time) => (test.from..=test.to).contains(&time) == test.inside,
        // What has no time was not written in a given span.
        None => !test.inside,
    })
}

/// Decides a combination: everything but time, conversation and removals.
fn passes(filters: &Filters, table: &Shapes, shape: &Shape) -> bool {
    let hidden = shape.flags.has(Flags::HIDDEN) && !filters.include_hidden;
    let any = |values: usize, found: bool| values == 0 || found;
    let wanted = !hidden
        && any(filters.providers.len(), has_provider(filters, table, shape))
        && any(filters.models.len(), has_model(filters, table, shape))
        && any(filters.users.len(), has_user(filters, table, shape))
        && any(filters.roles.len(), has_role(&filters.roles, shape))
        && filters.has.iter().all(|&flag| shape.flags.has(bit(flag)));
    wanted
        && filters.without.as_ref().is_none_or(|without| {
            !has_provider(without, table, shape)
                && !has_model(without, table, shape)
                && !has_user(without, table, shape)
                && !has_role(&without.roles, shape)
                && !without.has.iter().any(|&flag| shape.flags.has(bit(flag)))
        })
}

fn has_provider(filters: &Filters, table: &Shapes, shape: &Shape) -> bool {
    filters.providers.iter().any(|provider| provider.as_str() == table.name(shape.provider))
}

fn has_model(filters: &Filters, table: &Shapes, shape: &Shape) -> bool {
    let Some(model) = shape.model.map(|model| table.name(model).to_lowercase()) else { return false };
    filters.models.iter().any(|wanted| {
        let wanted = wanted.to_lowercase();
        match wanted.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => model == wanted,
        }
    })
}

fn has_user(filters: &Filters, table: &Shapes, shape: &Shape) -> bool {
    let user = shape.user.map(|user| table.name(user));
    user.is_some_and(|user| filters.users.iter().any(|wanted| wanted == user))
}

fn has_role(roles: &[Role], shape: &Shape) -> bool {
    shape.role.is_some_and(|role| roles.contains(&role))
}

fn bit(flag: Flag) -> Flags {
    match flag {
        Flag::Code => Flags::CODE,
        Flag::Attachment => Flags::ATTACHMENT,
        Flag::Tool => Flags::TOOL,
    }
}
