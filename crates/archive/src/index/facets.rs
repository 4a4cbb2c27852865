//! How the matches of a query spread over providers, models, roles and months.

use rustc_hash::FxHashMap;

use super::{
    document::Kind,
    error::Result,
    eval::Node,
    filter::{Accept, Filter},
    query::Query,
    search::{context, has_unranked, plan},
    segment::Field,
    snapshot::Snapshot,
};
use crate::{Count, Facets};

/// Matches looked at for one answer.
const EXAMINED_MAX: u64 = 4_000_000;

const MICROS_A_DAY: i64 = 86_400_000_000;

/// Counts of the messages that match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FacetCounts {
    /// Most frequent first; months oldest first.
    pub facets: Facets,
    /// Messages by day since 1970 (UTC), oldest first.
    pub days: Vec<(i64, u64)>,
    /// Oldest and newest message, in microseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// Messages counted.
    pub total: u64,
    /// Counting stopped there, or a prefix stood for more terms than were looked at.
    pub approximate: bool,
}

pub(super) fn facets(snapshot: &Snapshot, query: &Query, filter: &Filter) -> Result<FacetCounts> {
    let (plan, cut) = plan(snapshot, query, Field::Body)?;
    let mut counts = Counts { span: (i64::MAX, i64::MIN), ..Counts::default() };
    let mut approximate = cut;
    for (at, part) in snapshot.parts.iter().enumerate() {
        let segment = &*part.segment;
        let removed = part.removed.as_deref();
        let accept = Accept::new(filter, segment, removed, Kind::Message, has_unranked(&plan))?;
        let context = context(snapshot, at, Field::Body)?;
        let Some(mut node) = Node::new(&plan, &context)?.filter(|_| !accept.never) else { continue };
        let (shape_of, times) = (segment.shape_of()?, segment.times()?);
        let mut by_shape = vec![0; segment.meta.shapes.shapes.len()];
        let mut doc = node.restart(0, 0);
        while doc < segment.meta.docs {
            if counts.total == EXAMINED_MAX {
                approximate = true;
                break;
            }
            if accept.test(doc) {
                counts.total += 1;
                if let Some(count) = shape_of.get(doc).and_then(|shape| by_shape.get_mut(shape as usize)) {
                    *count += 1;
                }
                if let Some(time) = times.get(doc) {
                    counts.add_day(time.div_euclid(MICROS_A_DAY));
                    counts.span = (counts.span.0.min(time), counts.span.1.max(time));
                }
            }
            doc = node.seek(doc + 1, 0);
        }
        node.fault()?;
        let table = &segment.meta.shapes;
        for (shape, count) in table.shapes.iter().zip(by_shape).filter(|(_, count)| *count > 0) {
            add(&mut counts.providers, table.name(shape.provider), count);
            if let Some(model) = shape.model {
                add(&mut counts.models, table.name(model), count);
            }
            if let Some(role) = shape.role {
                add(&mut counts.roles, role.as_str(), count);
            }
        }
    }
    let total = counts.total;
    let days = counts.days();
    let span = (!days.is_empty()).then_some(counts.span);
    Ok(FacetCounts { facets: counts.finish(&days), days, span, total, approximate })
}

#[derive(Default)]
struct Counts {
    providers: FxHashMap<String, u64>,
    models: FxHashMap<String, u64>,
    roles: FxHashMap<String, u64>,
    /// By day since 1970.
    days: FxHashMap<i64, u64>,
    /// Neighbours are mostly of one day.
    day: (i64, u64),
    span: (i64, i64),
    total: u64,
}

impl Counts {
    fn add_day(&mut self, day: i64) {
        if self.day.0 == day {
            self.day.1 += 1;
        } else {
            let (last, count) = std::mem::replace(&mut self.day, (day, 1));
            *self.days.entry(last).or_default() += count;
        }
    }

    fn days(&mut self) -> Vec<(i64, u64)> {
        self.add_day(i64::MIN);
        let mut days: Vec<_> = self.days.drain().filter(|(_, count)| *count > 0).collect();
        days.sort_unstable();
        days
    }

    fn finish(self, days: &[(i64, u64)]) -> Facets {
        let mut months: FxHashMap<(i64, i64), u64> = FxHashMap::default();
        for (day, count) in days {
            *months.entry(month(*day)).or_default() += count;
        }
        let mut months: Vec<_> = months.into_iter().collect();
        months.sort_unstable();
        let months = months.into_iter();
        Facets {
            providers: most_first(self.providers),
            models: most_first(self.models),
            roles: most_first(self.roles),
            months: months.map(|((y, m), count)| Count { value: format!("{y:04}-{m:02}"), count }).collect(),
        }
    }
}

fn add(counts: &mut FxHashMap<String, u64>, value: &str, count: u64) {
    match counts.get_mut(value) {
        Some(sum) => *sum += count,
        None => _ = counts.insert(value.to_owned(), count),
    }
}

fn most_first(counts: FxHashMap<String, u64>) -> Vec<Count> {
    let mut counts: Vec<_> = counts.into_iter().map(|(value, count)| Count { value, count }).collect();
    counts.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    counts
}

/// Returns year and month of a day since 1970 in the proleptic Gregorian calendar.
///
/// Years begin in March here, so that the leap day comes last; a month is then 153 / 5 days long on average.
fn month(day: i64) -> (i64, i64) {
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let january = month >= 10;
    (era * 400 + year + i64::from(january), if january { month - 9 } else { month + 3 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_fall_into_their_months() {
        let check = |day, expected| assert_eq!(month(day), expected, "day {day}");
        check(0, (1970, 1));
        check(-1, (1969, 12));
        check(58, (1970, 2));
        check(59, (1970, 3));
        check(11_016, (2000, 2));
        check(11_017, (2000, 3));
        check(19_858, (2024, 5));
        check(20_453, (2025, 12));
        check(20_454, (2026, 1));
    }
}
