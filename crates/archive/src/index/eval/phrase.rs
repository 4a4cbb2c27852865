use super::{Context, TermNode};
use crate::index::{
    cursor::END,
    error::Result,
    plan::PlanTerm,
    score::{Fixed, Weight},
};

/// Documents that hold terms at given distances.
pub(in crate::index) struct Phrase<'s> {
    /// Rarest first.
    terms: Vec<Member<'s>>,
    weight: Weight,
    context: Context<'s>,
    doc: u32,
    /// No match at or behind this one is looked for.
    pub(in crate::index) end: u32,
    tf: u32,
    starts: Vec<u32>,
    positions: Vec<u32>,
    /// Documents that hold all terms: one each, and [`LOOK`] where the positions were read.
    pub(in crate::index) examined: u64,
}

/// Reading a document's positions costs as much as passing over so many.
pub(in crate::index) const LOOK: u64 = 8;

struct Member<'s> {
    offset: u32,
    node: TermNode<'s>,
}

impl<'s> Phrase<'s> {
    pub(super) fn new(terms: &[(u32, PlanTerm)], idf: f64, context: &Context<'s>) -> Result<Option<Self>> {
        let mut members = Vec::with_capacity(terms.len());
        for (offset, term) in terms {
            let Some(node) = TermNode::new(term, context)? else { return Ok(None) };
            members.push(Member { offset: *offset, node });
        }
        members.sort_by_key(|member| member.node.cursor.df());
        Ok(Some(Self {
            terms: members,
            weight: context.weight(idf),
            context: context.clone(),
            doc: 0,
            end: END,
            tf: 0,
            starts: Vec::new(),
            positions: Vec::new(),
            examined: 0,
        }))
    }

    pub(super) fn cost(&self) -> u64 {
        self.terms.first().map_or(0, |member| u64::from(member.node.cursor.df()))
    }

    pub(super) fn doc(&self) -> u32 {
        self.doc
    }

    pub(super) fn score(&self) -> Fixed {
        self.weight.score(self.tf, self.context.length(self.doc))
    }

    pub(super) fn seek(&mut self, target: u32, floor: Fixed) -> u32 {
        if self.doc < target {
            self.settle(target, floor);
        }
        self.doc
    }

    pub(super) fn restart(&mut self, target: u32, floor: Fixed) -> u32 {
        for member in &mut self.terms {
            member.node.cursor.restart(target);
        }
        self.settle(target, floor);
        self.doc
    }

    /// A phrase occurs at most as often as each of its terms, so the least of their bounds holds for it.
    pub(super) fn bound_at(&mut self, target: u32) -> (Fixed, u32) {
        let (mut least, mut until) = (u16::MAX, END - 1);
        for member in &mut self.terms {
            let (bound, last) = member.node.cursor.bound_at(target);
            least = least.min(bound);
            until = until.min(last);
        }
        (self.weight.bound(least), until)
    }

    pub(super) fn fault(&mut self) -> Result<()> {
        self.terms.iter_mut().try_for_each(|member| member.node.cursor.fault.take().map_or(Ok(()), Err))
    }

    fn settle(&mut self, target: u32, floor: Fixed) {
        let mut target = target;
        loop {
            target = self.together(target);
            if target >= self.end {
                target = END;
                break;
            }
            self.examined += 1;
            if self.may_reach(floor, target) {
                self.tf = self.count();
                if self.tf > 0 {
                    break;
                }
            }
            target += 1;
        }
        self.doc = target;
    }

    /// Moves all terms to the first document at or behind `target` that holds them all.
    fn together(&mut self, target: u32) -> u32 {
        let mut target = target;
        'candidates: while target != END {
            for member in &mut self.terms {
                let doc = member.node.cursor.seek(target);
                if doc > target {
                    target = doc;
                    continue 'candidates;
                }
            }
            break;
        }
        target
    }

    /// Decides from the frequencies alone whether positions are worth reading.
    fn may_reach(&mut self, floor: Fixed, doc: u32) -> bool {
        if floor == 0 {
            return true;
        }
        let most = self.terms.iter_mut().map(|member| member.node.cursor.tf()).min().unwrap_or(0);
        self.weight.score(most, self.context.length(doc)) >= floor
    }

    /// Counts how often the phrase occurs in the document that all terms stand on.
    fn count(&mut self) -> u32 {
        self.examined += LOOK - 1;
        self.starts.clear();
        for (i, member) in self.terms.iter_mut().enumerate() {
            member.node.cursor.positions(&mut self.positions);
            let offset = member.offset;
            let starts = self.positions.iter().filter_map(|position| position.checked_sub(offset));
            if i == 0 {
                self.starts.extend(starts);
            } else {
                keep_common(&mut self.starts, starts);
            }
            if self.starts.is_empty() {
                break;
            }
        }
        // A term may stand twice at one position (two words with one stem); that is one occurrence.
        self.starts.dedup();
        self.starts.len() as u32
    }
}

/// Keeps those of `starts` that are among `others`; both ascend.
fn keep_common(starts: &mut Vec<u32>, others: impl Iterator<Item = u32>) {
    let mut others = others.peekable();
    starts.retain(|start| {
        while others.next_if(|other| other < start).is_some() {}
        others.peek() == Some(start)
    });
}
