//! From the tree of an expression to steps, and the steps taken.

use super::{
    class::Class,
    parse::{Manner, Node, Parsed},
};

/// The steps of an expression.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    classes: Vec<Class>,
    word: Option<Class>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// One character of a class.
    Class(u16),
    /// As many of a class as there are, then fewer.
    Run {
        class: u16,
        least: u32,
        most: u32,
        keep: bool,
    },
    /// The next step if the next character is not ASCII or among these; if that fails, or it is not, the other one.
    Either {
        first: u128,
        other: u32,
    },
    /// The other step; if that fails, the next one.
    Rather {
        other: u32,
    },
    Jump(u32),
    /// The steps up to `end` must lead to [`Step::Found`], or must not; nothing is taken.
    Ahead {
        end: u32,
        wanted: bool,
    },
    /// The steps up to `end`, without going back into them.
    Atomic {
        end: u32,
    },
    Behind {
        class: u16,
        wanted: bool,
    },
    WordBoundary {
        wanted: bool,
    },
    Start,
    End,
    Found,
}

/// The steps that a text may cost are used up.
#[derive(Debug)]
pub(super) struct Exhausted;

/// Where to go on if what is tried now fails.
#[derive(Debug)]
pub(super) enum Retry {
    At {
        step: u32,
        at: usize,
    },
    /// A run that ends between `low` and `high`.
    Run {
        step: u32,
        low: usize,
        high: usize,
    },
}

const STEPS_MAX: usize = 1 << 14;
const ANYTHING: u128 = u128::MAX;

impl Program {
    pub(super) fn new(parsed: Parsed) -> Result<Self, &'static str> {
        let mut program = Self { steps: Vec::new(), classes: parsed.classes, word: None };
        program.add(&parsed.node)?;
        program.push(Step::Found)?;
        Ok(program)
    }

    /// Returns where what begins at `start` ends. `stack` is memory to use again.
    pub(super) fn run(
        &self,
        text: &str,
        start: usize,
        budget: &mut u64,
        stack: &mut Vec<Retry>,
    ) -> Result<Option<usize>, Exhausted> {
        stack.clear();
        self.follow(text, 0, start, budget, stack)
    }

    /// Returns where to try next when nothing begins at `at`.
    ///
    /// An expression that begins with a run of a class, and has failed within one, fails in the rest of it as well:
    /// from there it would meet fewer of the same ends. That keeps `\s+$` from looking at a million spaces a million
    /// times.
    pub(super) fn next_start(&self, text: &str, at: usize) -> usize {
        let next = super::next(text, at);
        match self.steps.first() {
            Some(Step::Run { class, least: 0 | 1, most: u32::MAX, keep: false }) => {
                let class = &self.classes[usize::from(*class)];
                let outside = text[at..].char_indices().find(|(_, character)| !class.contains(*character));
                next.max(outside.map_or(text.len(), |(offset, _)| at + offset))
            }
            _ => next,
        }
    }

    fn follow(
        &self,
        text: &str,
        first: usize,
        start: usize,
        budget: &mut u64,
        stack: &mut Vec<Retry>,
    ) -> Result<Option<usize>, Exhausted> {
        let base = stack.len();
        let (mut step, mut at) = (first, start);
        loop {
            *budget = budget.checked_sub(1).ok_or(Exhausted)?;
            let taken = match self.steps[step] {
                Step::Found => {
                    stack.truncate(base);
                    return Ok(Some(at));
                }
                Step::Class(class) => self.one(text, at, class).map(|end| (step + 1, end)),
                Step::Run { class, least, most, keep } => {
                    let (low, high, visited) = self.run_of(text, at, class, least, most);
                    *budget = budget.saturating_sub(visited / 8);
                    if let Some(low) = low.filter(|low| *low < high && !keep) {
                        stack.push(Retry::Run { step: step as u32 + 1, low, high });
                    }
                    low.map(|_| (step + 1, high))
                }
                Step::Either { first, other } => {
                    let fits = match text.as_bytes().get(at) {
                        Some(byte @ 0..=127) => first >> byte & 1 == 1,
                        Some(_) => true,
                        None => first == ANYTHING,
                    };
                    if fits {
                        stack.push(Retry::At { step: other, at });
                    }
                    Some((if fits { step + 1 } else { other as usize }, at))
                }
                Step::Rather { other } => {
                    stack.push(Retry::At { step: step as u32 + 1, at });
                    Some((other as usize, at))
                }
                Step::Jump(to) => Some((to as usize, at)),
                Step::Ahead { end, wanted } => {
                    let found = self.follow(text, step + 1, at, budget, stack)?.is_some();
                    (found == wanted).then_some((end as usize, at))
                }
                Step::Atomic { end } => {
                    self.follow(text, step + 1, at, budget, stack)?.map(|found| (end as usize, found))
                }
                Step::Behind { class, wanted } => {
                    let before = text[..at].chars().next_back();
                    let is = before.is_some_and(|before| self.classes[usize::from(class)].contains(before));
                    (is == wanted).then_some((step + 1, at))
                }
                Step::WordBoundary { wanted } => {
                    (self.word_boundary(text, at) == wanted).then_some((step + 1, at))
                }
                Step::Start => (at == 0).then_some((step + 1, at)),
                Step::End => (at == text.len()).then_some((step + 1, at)),
            };
            (step, at) = match taken {
                Some(taken) => taken,
                None if stack.len() == base => return Ok(None),
                None => match stack.pop() {
                    Some(Retry::At { step, at }) => (step as usize, at),
                    Some(Retry::Run { step, low, high }) => {
                        let before = text[..high].chars().next_back().map_or(1, char::len_utf8);
                        let high = high - before;
                        if high > low {
                            stack.push(Retry::Run { step, low, high });
                        }
                        (step as usize, high)
                    }
                    None => return Ok(None),
                },
            };
        }
    }

    fn one(&self, text: &str, at: usize, class: u16) -> Option<usize> {
        let class = &self.classes[usize::from(class)];
        match *text.as_bytes().get(at)? {
            byte @ 0..=127 => (class.ascii >> byte & 1 == 1).then_some(at + 1),
            _ => {
                let character = text[at..].chars().next()?;
                class.contains(character).then(|| at + character.len_utf8())
            }
        }
    }

    /// Returns where a run may end at the least (`None` if it is too short) and at the most, and the characters seen.
    fn run_of(
        &self,
        text: &str,
        start: usize,
        class: u16,
        least: u32,
        most: u32,
    ) -> (Option<usize>, usize, u64) {
        let mut at = start;
        let mut count = 0;
        let mut low = (least == 0).then_some(start);
        while count < most
            && let Some(end) = self.one(text, at, class)
        {
            at = end;
            count += 1;
            if count == least {
                low = Some(at);
            }
        }
        (low, at, u64::from(count))
    }

    fn word_boundary(&self, text: &str, at: usize) -> bool {
        let is_word = |character: char| self.word.as_ref().is_some_and(|word| word.contains(character));
        let before = text[..at].chars().next_back().is_some_and(is_word);
        before != text[at..].chars().next().is_some_and(is_word)
    }

    // === from the tree ===

    fn push(&mut self, step: Step) -> Result<usize, &'static str> {
        if self.steps.len() >= STEPS_MAX {
            return Err("there is too much");
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    fn end(&self) -> u32 {
        self.steps.len() as u32
    }

    fn add(&mut self, node: &Node) -> Result<(), &'static str> {
        match node {
            Node::Class(class) => self.push(Step::Class(*class)).map(drop),
            Node::All(all) => all.iter().try_for_each(|node| self.add(node)),
            Node::Any(all) => self.any(all),
            Node::Repeat { node, least, most, manner } => self.repeat(node, *least, *most, *manner),
            Node::Look { node, ahead: false, wanted } => match **node {
                Node::Class(class) => self.push(Step::Behind { class, wanted: *wanted }).map(drop),
                _ => Err("more than one character is looked back at"),
            },
            Node::Look { node, wanted, .. } => {
                let ahead = self.push(Step::Jump(0))?;
                self.add(node)?;
                self.push(Step::Found)?;
                self.steps[ahead] = Step::Ahead { end: self.end(), wanted: *wanted };
                Ok(())
            }
            Node::Atomic(node) => self.atomic(|program| program.add(node)),
            Node::WordBoundary { wanted } => {
                self.word = Class::parse(r"\w", false);
                self.push(Step::WordBoundary { wanted: *wanted }).map(drop)
            }
            Node::Start => self.push(Step::Start).map(drop),
            Node::End => self.push(Step::End).map(drop),
        }
    }

    fn any(&mut self, all: &[Node]) -> Result<(), &'static str> {
        let mut jumps = Vec::new();
        for (index, node) in all.iter().enumerate() {
            if index + 1 == all.len() {
                self.add(node)?;
                break;
            }
            let either = self.push(Step::Jump(0))?;
            self.add(node)?;
            jumps.push(self.push(Step::Jump(0))?);
            self.steps[either] = Step::Either { first: self.first(node), other: self.end() };
        }
        jumps.into_iter().for_each(|jump| self.steps[jump] = Step::Jump(self.steps.len() as u32));
        Ok(())
    }

    fn repeat(
        &mut self,
        node: &Node,
        least: u32,
        most: Option<u32>,
        manner: Manner,
    ) -> Result<(), &'static str> {
        if manner == Manner::Possessive && !matches!(node, Node::Class(_)) {
            return self.atomic(|program| program.repeat(node, least, most, Manner::Greedy));
        }
        if let (Node::Class(class), true) = (node, manner != Manner::Lazy) {
            let (class, most, keep) = (*class, most.unwrap_or(u32::MAX), manner == Manner::Possessive);
            return self.push(Step::Run { class, least, most, keep }).map(drop);
        }
        for _ in 0..least {
            self.add(node)?;
        }
        let lazy = manner == Manner::Lazy;
        let first = self.first(node);
        let choice = |other| if lazy { Step::Rather { other } } else { Step::Either { first, other } };
        match most {
            None => {
                let start = self.push(Step::Jump(0))?;
                self.add(node)?;
                self.push(Step::Jump(start as u32))?;
                self.steps[start] = choice(self.end());
            }
            Some(most) => {
                let mut choices = Vec::new();
                for _ in least..most {
                    choices.push(self.push(Step::Jump(0))?);
                    self.add(node)?;
                }
                let end = self.end();
                choices.into_iter().for_each(|at| self.steps[at] = choice(end));
            }
        }
        Ok(())
    }

    fn atomic(
        &mut self,
        add: impl FnOnce(&mut Self) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        let atomic = self.push(Step::Jump(0))?;
        add(self)?;
        self.push(Step::Found)?;
        self.steps[atomic] = Step::Atomic { end: self.end() };
        Ok(())
    }

    /// Returns the ASCII characters with which something can begin; all of them where it may be empty.
    fn first(&self, node: &Node) -> u128 {
        match node {
            Node::Class(class) => self.classes[usize::from(*class)].ascii,
            Node::Any(all) => all.iter().fold(0, |first, node| first | self.first(node)),
            Node::All(all) => {
                let mut first = 0;
                for node in all {
                    match node {
                        // These take nothing, and what follows must fit as well.
                        Node::Look { .. } | Node::WordBoundary { .. } | Node::Start => continue,
                        Node::Repeat { node: inner, least: 0, .. } => first |= self.first(inner),
                        other => return first | self.first(other),
                    }
                }
                ANYTHING
            }
            Node::Repeat { node, least: 1.., .. } | Node::Atomic(node) => self.first(node),
            _ => ANYTHING,
        }
    }
}
