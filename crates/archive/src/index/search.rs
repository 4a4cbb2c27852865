//! Ranked search over a snapshot: titles and messages, each among their own, then together.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    columns::{self, Column, Layout},
    document::Kind,
    error::Result,
    eval::{Context, LOOK, Node, each_common, each_counted, each_match},
    filter::{Accept, Filter, time_range},
    plan::{Plan, Planner},
    query::Query,
    score::{Fixed, plain},
    segment::{Field, Segment, ZONE},
    snapshot::Snapshot,
    top::{Found, Top, time_rank},
};
use crate::{Sort, Total};

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct TopDocs {
    /// Best first, or newest first.
    pub hits: Vec<TopDoc>,
    /// How many documents match.
    pub total: Total,
    /// A prefix stood for more terms than were looked at, or the work was bounded: better hits may exist.
    pub approximate: bool,
}

/// A document found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopDoc {
    /// Row of the message; 0 for a title.
    pub message_id: i64,
    /// Row of the conversation.
    pub conversation_row: i64,
    /// BM25, higher is better; titles and lifted messages carry more.
    pub score: f64,
    /// The conversation's title matches; there is no message.
    pub is_title: bool,
}

/// Hits that a page can reach at most.
const REACH_MAX: usize = 10_000;

/// A title's score counts so much more than a message's, as a fraction.
const TITLE_WEIGHT: (Fixed, Fixed) = (5, 2);

/// So many of the best messages are lifted by the score of their conversation's title, if it is among so many of
/// the best titles. The rest keep their order behind them.
pub(super) const LIFTED: usize = 128;
const LIFTING: usize = 256;

/// Where so few documents can match, all are counted rather than passed over. Tests pass over sooner.
const COUNTED: u64 = if cfg!(test) { 200 } else { 16_384 };

/// Documents examined for one search by score where positions matter: some 10 ms.
const EXAMINED_MAX: u64 = 15_000 * LOOK;

/// Values read one by one before a whole column is.
const POINT_READS: u32 = 48;

pub(super) fn search(
    snapshot: &Snapshot,
    query: &Query,
    filter: &Filter,
    sort: Sort,
    limit: usize,
    offset: usize,
) -> Result<TopDocs> {
    let wanted = offset.saturating_add(limit).min(REACH_MAX);
    let sort = if query.is_ranked() { sort } else { Sort::Recent };
    let mut titles = Top::new(0);
    let mut cut = false;
    if query.is_ranked() {
        titles = Top::new(if sort == Sort::Relevance { wanted.max(LIFTING) } else { wanted });
        cut |= pass(snapshot, query, filter, sort, Field::Title, &mut titles)?;
    }
    let mut lifts: FxHashMap<i64, Fixed> = FxHashMap::default();
    if sort == Sort::Relevance {
        for found in titles.best(LIFTING) {
            lifts.entry(found.conversation).or_insert(found.score);
        }
    }
    let mut messages = Top::new(if lifts.is_empty() { wanted } else { wanted.max(LIFTED) });
    if !query.is_title_only() {
        cut |= pass(snapshot, query, filter, sort, Field::Body, &mut messages)?;
    }
    let approximate = cut || titles.exhausted || messages.exhausted;
    let matched = titles.matched + messages.matched;
    let total =
        if titles.skipped || messages.skipped { Total::AtLeast(matched) } else { Total::Exactly(matched) };
    let mut hits = messages.into_sorted();
    for hit in hits.iter_mut().take(LIFTED) {
        if let Some(lift) = lifts.get(&hit.conversation) {
            hit.score += lift;
            hit.rank += lift;
        }
    }
    hits.extend(titles.into_sorted().into_iter().map(|hit| match sort {
        Sort::Relevance => {
            let score = hit.score / TITLE_WEIGHT.1 * TITLE_WEIGHT.0;
            Found { rank: score, score, ..hit }
        }
        Sort::Recent => hit,
    }));
    hits.sort_unstable_by(|a, b| b.cmp(a));
    let hits = hits.into_iter().take(wanted).skip(offset).map(|hit| TopDoc {
        message_id: hit.message().unwrap_or(0),
        conversation_row: hit.conversation,
        score: plain(hit.score),
        is_title: hit.message().is_none(),
    });
    Ok(TopDocs { hits: hits.collect(), total, approximate })
}

/// Finds the best `limit` messages alone, without what their conversations' titles lend them; how many match, and whether
/// the work was bounded.
pub(super) fn messages(
    snapshot: &Snapshot,
    query: &Query,
    filter: &Filter,
    limit: usize,
) -> Result<(Vec<Found>, Total, bool)> {
    let mut top = Top::new(limit.min(REACH_MAX));
    let cut = pass(snapshot, query, filter, Sort::Relevance, Field::Body, &mut top)?;
    let total = if top.skipped { Total::AtLeast(top.matched) } else { Total::Exactly(top.matched) };
    let approximate = cut || top.exhausted;
    Ok((top.into_sorted(), total, approximate))
}

/// Plans a query for one of the two texts and returns whether a prefix was cut.
pub(super) fn plan(snapshot: &Snapshot, query: &Query, field: Field) -> Result<(Plan, bool)> {
    let titles = |inner: &Query| matching_titles(snapshot, inner);
    let mut planner = Planner::new(snapshot, field, &titles);
    let plan = planner.plan(query, 0)?;
    Ok((plan, planner.cut))
}

/// Prepares one part of a snapshot for evaluation.
pub(super) fn context<'s>(snapshot: &'s Snapshot, part: usize, field: Field) -> Result<Context<'s>> {
    let segment = &*snapshot.parts[part].segment;
    let mean = snapshot.statistics(field).1;
    Ok(Context { segment, part, field, mean, lengths: segment.lengths()? })
}

/// Returns the conversations whose title matches.
fn matching_titles(snapshot: &Snapshot, query: &Query) -> Result<FxHashSet<i64>> {
    let (plan, _) = plan(snapshot, query, Field::Title)?;
    let mut found = FxHashSet::default();
    for (at, part) in snapshot.parts.iter().enumerate() {
        let context = context(snapshot, at, Field::Title)?;
        let Some(mut node) = Node::new(&plan, &context)? else { continue };
        let (ids, rows) = (part.segment.ids()?, part.segment.conversations()?);
        let mut doc = node.restart(0, 0);
        while doc < part.segment.meta.docs {
            let removed = part.removed.as_ref().is_some_and(|removed| removed.has(doc));
            if !removed && ids.get(doc).is_none() {
                found.extend(rows.get(doc));
            }
            doc = node.seek(doc + 1, 0);
        }
        node.fault()?;
    }
    Ok(found)
}

fn pass(
    snapshot: &Snapshot,
    query: &Query,
    filter: &Filter,
    sort: Sort,
    field: Field,
    top: &mut Top,
) -> Result<bool> {
    let (plan, cut) = plan(snapshot, query, field)?;
    if matches!(plan, Plan::Nothing) {
        return Ok(cut);
    }
    let kind = if field == Field::Body { Kind::Message } else { Kind::Title };
    let mut open = true;
    let mut parts: Vec<usize> = (0..snapshot.parts.len()).collect();
    parts.sort_by_key(|&at| std::cmp::Reverse(snapshot.parts[at].segment.meta.times.max));
    for at in parts {
        let run = Run::new(snapshot, at, field, kind, filter, &plan)?;
        let Some(mut run) = run else {
            open = false;
            continue;
        };
        open &= run.accept.is_open();
        match sort {
            Sort::Relevance => run.by_score(top)?,
            Sort::Recent => run.by_time(top)?,
        }
        run.node.fault()?;
    }
    // Every document of a lone term matches, so passing over some does not keep it from being counted.
    let df = match &plan {
        Plan::Term(term) => Some(term.df),
        Plan::Prefix(prefix) => Some(prefix.df),
        _ => None,
    };
    if let Some(df) = df.filter(|_| open) {
        top.matched = df;
        top.skipped = false;
    }
    Ok(cut)
}

/// One segment under evaluation.
struct Run<'s> {
    at: usize,
    context: Context<'s>,
    accept: Accept<'s>,
    node: Node<'s>,
    ranges: Vec<(u32, u32, i64)>,
    times: Values<'s>,
    ids: Values<'s>,
    rows: Values<'s>,
}

impl<'s> Run<'s> {
    /// `None` when no document of the segment can match.
    fn new(
        snapshot: &'s Snapshot,
        at: usize,
        field: Field,
        kind: Kind,
        filter: &Filter,
        plan: &'s Plan,
    ) -> Result<Option<Self>> {
        let part = &snapshot.parts[at];
        let segment = &*part.segment;
        let range = time_range(&filter.filters);
        if range.is_some_and(|(from, to)| segment.meta.times.max < from || segment.meta.times.min > to) {
            return Ok(None);
        }
        let any_kind = has_unranked(plan);
        let removed = part.removed.as_deref();
        let accept = Accept::new(filter, segment, removed, kind, any_kind)?;
        if accept.never {
            return Ok(None);
        }
        let context = context(snapshot, at, field)?;
        let Some(node) = Node::new(plan, &context)? else { return Ok(None) };
        let ranges = ranges(segment, range)?;
        let meta = &segment.meta;
        let times = Values::new(segment, &meta.times, Segment::times);
        let ids = Values::new(segment, &meta.ids, Segment::ids);
        let rows = Values::new(segment, &meta.conversations, Segment::conversations);
        Ok(Some(Self { at, context, accept, node, ranges, times, ids, rows }))
    }

    fn by_score(&mut self, top: &mut Top) -> Result<()> {
        let prune = self.node.cost() > COUNTED;
        if prune && self.node.examined().is_some() {
            return self.phrase_by_score(top);
        }
        let mut common = self.node.take_common();
        for (start, end, _) in join(&self.ranges) {
            let range = (start, end);
            if let Some(terms) = &mut common {
                self.offer(prune, top, |_, context, each, floor| {
                    each_common(terms, context, range, each, floor)
                })?;
            } else if self.node.is_flat() {
                self.offer(prune, top, |node, context, each, floor| match node {
                    Node::Any(nodes) => each_match(nodes, context, range, each, floor),
                    Node::Prefix(prefix) => each_counted(prefix, context, range, each, floor),
                    _ => Ok(false),
                })?;
            } else {
                self.range_by_score(start, end, prune, top)?;
            }
        }
        common.into_iter().flatten().try_for_each(|mut term| term.cursor.fault.take().map_or(Ok(()), Err))
    }

    /// A phrase of frequent words may take a look at the positions in very many documents and still be found
    /// nowhere. So the newest come first, and the looks are counted.
    fn phrase_by_score(&mut self, top: &mut Top) -> Result<()> {
        self.ranges.sort_by_key(|range| std::cmp::Reverse(range.2));
        for (start, end, _) in std::mem::take(&mut self.ranges) {
            let before = self.node.examined().unwrap_or(0);
            if top.examined >= EXAMINED_MAX {
                top.exhausted = true;
                top.skipped = true;
                break;
            }
            self.range_by_score(start, end, true, top)?;
            top.examined += self.node.examined().unwrap_or(0) - before;
        }
        Ok(())
    }

    /// Runs one of the faster evaluations and offers what it finds.
    fn offer(
        &mut self,
        prune: bool,
        top: &mut Top,
        run: impl FnOnce(
            &mut Node<'s>,
            &Context<'s>,
            &mut dyn FnMut(u32, Fixed) -> Result<Fixed>,
            Fixed,
        ) -> Result<bool>,
    ) -> Result<()> {
        let Self { at, context, accept, node, times, ids, rows, .. } = self;
        let mut naming = Naming { times, ids, rows };
        let floor = if prune { top.floor() } else { 0 };
        let mut each = |doc, score| {
            if accept.test(doc) {
                top.matched += 1;
                if score >= top.floor() {
                    top.add(naming.found(*at, doc, score, None)?);
                }
            }
            Ok(if prune { top.floor() } else { 0 })
        };
        let skipped = run(node, context, &mut each, floor)?;
        top.skipped |= skipped;
        Ok(())
    }

    fn range_by_score(&mut self, start: u32, end: u32, prune: bool, top: &mut Top) -> Result<()> {
        self.node.set_end(end);
        let mut doc = self.node.restart(start, if prune { top.floor() } else { 0 });
        // Bounds were looked at for the documents before this one.
        let mut known = start;
        while doc < end {
            let floor = if prune { top.floor() } else { 0 };
            if floor > 0 && doc >= known {
                let Some((target, until)) = self.promising(doc, end, floor) else {
                    top.skipped = true;
                    return Ok(());
                };
                known = until.saturating_add(1);
                if target > doc {
                    top.skipped = true;
                    doc = self.node.seek(target, floor);
                    known = if doc < known { known } else { doc };
                    continue;
                }
            }
            if self.accept.test(doc) {
                top.matched += 1;
                let score = self.node.score(&self.context);
                if score >= top.floor() {
                    self.add(doc, score, None, top)?;
                }
            }
            top.skipped |= floor > 0 && self.node.heeds_floor();
            doc = self.node.seek(doc + 1, floor);
        }
        Ok(())
    }

    /// Returns the first document at or behind `doc` around which the bounds reach the floor, and the last for
    /// which that was found out; `None` if there is none before `end`.
    fn promising(&mut self, doc: u32, end: u32, floor: Fixed) -> Option<(u32, u32)> {
        let mut target = doc;
        loop {
            let (bound, last) = self.node.bound_at(target);
            if bound >= floor {
                return Some((target, last));
            }
            target = last.checked_add(1).filter(|&next| next < end)?;
        }
    }

    fn by_time(&mut self, top: &mut Top) -> Result<()> {
        self.ranges.sort_by_key(|range| std::cmp::Reverse(range.2));
        for (start, end, newest) in std::mem::take(&mut self.ranges) {
            if time_rank(newest) < top.floor() {
                top.skipped = true;
                break;
            }
            self.node.set_end(end);
            let mut doc = self.node.restart(start, 0);
            while doc < end {
                if self.accept.test(doc) {
                    top.matched += 1;
                    let time = self.times.get(doc)?.unwrap_or(i64::MIN);
                    if time_rank(time) >= top.floor() {
                        let score = self.node.score(&self.context);
                        self.add(doc, score, Some(time), top)?;
                    }
                }
                doc = self.node.seek(doc + 1, 0);
            }
        }
        Ok(())
    }

    fn add(&mut self, doc: u32, score: Fixed, by_time: Option<i64>, top: &mut Top) -> Result<()> {
        let mut columns = Naming { times: &mut self.times, ids: &mut self.ids, rows: &mut self.rows };
        top.add(columns.found(self.at, doc, score, by_time)?);
        Ok(())
    }
}

/// The columns that a found document is ordered and named by.
struct Naming<'a, 's> {
    times: &'a mut Values<'s>,
    ids: &'a mut Values<'s>,
    rows: &'a mut Values<'s>,
}

impl Naming<'_, '_> {
    fn found(&mut self, part: usize, doc: u32, score: Fixed, by_time: Option<i64>) -> Result<Found> {
        let time = match by_time {
            Some(time) => time,
            None => self.times.get(doc)?.unwrap_or(i64::MIN),
        };
        Ok(Found {
            rank: by_time.map_or(score, time_rank),
            time,
            id: self.ids.get(doc)?.unwrap_or(i64::MIN),
            conversation: self.rows.get(doc)?.unwrap_or(0),
            part,
            doc,
            score,
        })
    }
}

/// Returns whether documents of either kind may come up: where something else than a term leads.
pub(super) fn has_unranked(plan: &Plan) -> bool {
    match plan {
        Plan::Term(_) | Plan::Phrase { .. } | Plan::Prefix(_) | Plan::Nothing => false,
        Plan::Conversations(_) | Plan::Every => true,
        Plan::All { required, .. } => required.iter().all(has_unranked),
        Plan::Any(plans) => plans.iter().any(has_unranked),
    }
}

/// Returns the zones that times in `range` can stand in: first document, end, newest time.
fn ranges(segment: &Segment, range: Option<(i64, i64)>) -> Result<Vec<(u32, u32, i64)>> {
    let zones = segment.zones()?;
    let (from, to) = range.unwrap_or((i64::MIN, i64::MAX));
    let docs = segment.meta.docs;
    let ranges = (0_u32..).zip(zones.iter()).map(|(i, zone)| (i * ZONE, docs.min((i + 1) * ZONE), zone));
    Ok(ranges
        .filter(|(_, _, z)| z.max >= from && z.min <= to)
        .map(|(start, end, z)| (start, end, z.max))
        .collect())
}

/// Joins ranges that touch.
fn join(ranges: &[(u32, u32, i64)]) -> Vec<(u32, u32, i64)> {
    let mut joined: Vec<(u32, u32, i64)> = Vec::new();
    for &range in ranges {
        match joined.last_mut() {
            Some(last) if last.1 == range.0 => last.1 = range.1,
            _ => joined.push(range),
        }
    }
    joined
}

/// A column of which few values are needed, or many: read singly at first.
struct Values<'s> {
    segment: &'s Segment,
    layout: &'s Layout,
    load: fn(&Segment) -> Result<Arc<Column>>,
    column: Option<Arc<Column>>,
    reads: u32,
}

impl<'s> Values<'s> {
    fn new(segment: &'s Segment, layout: &'s Layout, load: fn(&Segment) -> Result<Arc<Column>>) -> Self {
        Self { segment, layout, load, column: None, reads: 0 }
    }

    fn get(&mut self, doc: u32) -> Result<Option<i64>> {
        if let Some(column) = &self.column {
            return Ok(column.get(doc));
        }
        self.reads += 1;
        if self.reads > POINT_READS {
            self.column = Some((self.load)(self.segment)?);
        }
        columns::value(&self.segment.file, self.layout, doc)
    }
}
