use std::collections::HashMap;

use super::{PAGE, Page};

/// Who holds which page, and which beginnings are known.
///
/// **Invariant:** of the beginnings that go on from the same one, none begins another; so a page is known once.
///
/// A beginning belongs to an owner, a number that the caller chooses: nobody can learn from the time an answer takes
/// what others asked.
#[derive(Debug)]
pub struct Pages {
    free: Vec<Page>,
    /// Sequences that hold a page, plus one where it is part of a known beginning.
    holders: Vec<u32>,
    known: Vec<Option<Known>>,
    unused_known: Vec<usize>,
    by_tokens: HashMap<Step, usize>,
    /// What goes on from where, full pages and begun ones.
    after: HashMap<From, Vec<usize>>,
    clock: u64,
}

/// A known beginning, by its last page.
#[derive(Debug)]
struct Known {
    step: Step,
    page: Page,
    /// How many longer ones go through it.
    longer: u32,
    used: u64,
}

/// What leads from one known beginning to the next: the tokens of a page, fewer where it was only begun.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Step {
    from: From,
    tokens: Box<[u32]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum From {
    Owner(u64),
    Known(usize),
}

/// What is known of a sequence's beginning: pages, all of them full.
pub type Prefix = Vec<Page>;

impl Pages {
    /// Starts with `count` free pages.
    pub fn new(count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            free: (0..count).rev().map(Page).collect(),
            holders: vec![0; count as usize],
            known: Vec::new(),
            unused_known: Vec::new(),
            by_tokens: HashMap::new(),
            after: HashMap::new(),
            clock: 0,
        }
    }

    /// Returns a page that nobody holds, forgetting the beginning that was not used for longest where none is free.
    /// `None`: every page is in use.
    pub fn take(&mut self) -> Option<Page> {
        if self.free.is_empty() {
            self.forget_one();
        }
        let page = self.free.pop()?;
        *self.holders_of(page) = 1;
        Some(page)
    }

    /// Ends one holder's interest in a page.
    pub fn release(&mut self, page: Page) {
        let holders = self.holders_of(page);
        *holders -= 1;
        if *holders == 0 {
            self.free.push(page);
        }
    }

    /// Returns the pages of the longest known beginning of `tokens`, held for the caller.
    pub fn find(&mut self, owner: u64, tokens: &[u32]) -> Prefix {
        self.clock += 1;
        let mut found = Vec::new();
        self.walk(owner, tokens, |known| found.push(known.page));
        found.iter().for_each(|&page| *self.holders_of(page) += 1);
        found
    }

    /// Returns a page, held for the caller, that has the numbers of the first tokens behind the known beginning of `tokens`,
    /// and of how many: the most that there is. It goes on otherwise than `tokens` do, or another sequence goes on in it, so
    /// it is there to be copied. `None` where the known beginning is not `full` pages long.
    pub fn find_begun(&mut self, owner: u64, tokens: &[u32], full: usize) -> Option<(Page, usize)> {
        let (from, walked) = self.walk(owner, tokens, |_| {});
        let rest = tokens.get(full * PAGE..).filter(|_| walked == full)?;
        let alike = |index: &usize| {
            let known = self.known[*index].as_ref()?;
            let pairs = known.step.tokens.iter().zip(rest);
            Some((pairs.take_while(|(one, other)| one == other).count(), *index))
        };
        let (count, index) = self.after.get(&from)?.iter().filter_map(alike).max()?;
        let known = self.known[index].as_mut().filter(|_| count > 0)?;
        known.used = self.clock;
        let page = known.page;
        *self.holders_of(page) += 1;
        Some((page, count))
    }

    /// Goes along the known full pages of `tokens`; returns where they end, and how many they are.
    fn walk(&mut self, owner: u64, tokens: &[u32], mut each: impl FnMut(&Known)) -> (From, usize) {
        let (mut from, mut count) = (From::Owner(owner), 0);
        for tokens in tokens.chunks_exact(PAGE) {
            let step = Step { from, tokens: tokens.into() };
            let Some(&index) = self.by_tokens.get(&step) else { break };
            let Some(known) = self.known[index].as_mut() else { break };
            known.used = self.clock;
            each(known);
            (from, count) = (From::Known(index), count + 1);
        }
        (from, count)
    }

    /// Remembers the pages of a sequence as beginnings of others, the last one as far as it goes. A full page that is known
    /// already, from a sequence that was computed at the same time, takes the place of the one in `pages`: both hold the same
    /// numbers.
    pub fn remember(&mut self, owner: u64, tokens: &[u32], pages: &mut [Page]) {
        self.clock += 1;
        let mut from = From::Owner(owner);
        let (full, begun) = pages.split_at_mut(pages.len().min(tokens.len() / PAGE));
        let rest = tokens.get(full.len() * PAGE..).filter(|rest| rest.len() < PAGE).unwrap_or_default();
        for (tokens, page) in tokens.chunks_exact(PAGE).zip(full) {
            let step = Step { from, tokens: tokens.into() };
            let index = match self.by_tokens.get(&step) {
                Some(&index) => index,
                None => self.know(step, *page),
            };
            if let Some(known) = self.known[index].as_mut() {
                known.used = self.clock;
                let same = known.page;
                if same != *page {
                    *self.holders_of(same) += 1;
                    self.release(std::mem::replace(page, same));
                }
            }
            from = From::Known(index);
        }
        if let Some(&page) = begun.first().filter(|_| !rest.is_empty() && !self.is_begun(from, rest)) {
            self.know(Step { from, tokens: rest.into() }, page);
        }
    }

    /// Says whether something that goes on from there begins with these tokens.
    fn is_begun(&self, from: From, tokens: &[u32]) -> bool {
        let mut after = self.after.get(&from).into_iter().flatten();
        after.any(|&index| {
            self.known[index].as_ref().is_some_and(|known| known.step.tokens.starts_with(tokens))
        })
    }

    /// How many pages can be taken.
    pub fn available(&self) -> usize {
        // Whoever holds a page holds all before it, so every beginning that nobody uses can be forgotten in turn.
        let idle = self.known.iter().flatten().filter(|known| self.holders[known.page.0 as usize] == 1);
        self.free.len() + idle.count()
    }

    /// How many pages are neither free nor kept only as a known beginning.
    pub fn in_use(&self) -> usize {
        self.holders.len() - self.available()
    }

    fn know(&mut self, step: Step, page: Page) -> usize {
        let mut after = self.after.get(&step.from).into_iter().flatten();
        let shorter = after.find(|&&index| {
            self.known[index].as_ref().is_some_and(|known| step.tokens.starts_with(&known.step.tokens))
        });
        if let Some(&shorter) = shorter {
            self.forget(shorter);
        }
        if let From::Known(index) = step.from
            && let Some(known) = self.known[index].as_mut()
        {
            known.longer += 1;
        }
        *self.holders_of(page) += 1;
        let known = Known { step: step.clone(), page, longer: 0, used: self.clock };
        let index = self.unused_known.pop().unwrap_or_else(|| {
            self.known.push(None);
            self.known.len() - 1
        });
        self.known[index] = Some(known);
        self.after.entry(step.from).or_default().push(index);
        self.by_tokens.insert(step, index);
        index
    }

    fn forget_one(&mut self) {
        let idle = self.known.iter().enumerate().filter_map(|(index, known)| {
            let known = known.as_ref()?;
            (known.longer == 0 && self.holders[known.page.0 as usize] == 1).then_some((known.used, index))
        });
        if let Some((_, index)) = idle.min() {
            self.forget(index);
        }
    }

    fn forget(&mut self, index: usize) {
        let Some(known) = self.known[index].take() else { return };
        self.by_tokens.remove(&known.step);
        self.unused_known.push(index);
        if let Some(after) = self.after.get_mut(&known.step.from) {
            after.retain(|&other| other != index);
            if after.is_empty() {
                self.after.remove(&known.step.from);
            }
        }
        if let From::Known(shorter) = known.step.from
            && let Some(shorter) = self.known[shorter].as_mut()
        {
            shorter.longer -= 1;
        }
        self.release(known.page);
    }

    fn holders_of(&mut self, Page(page): Page) -> &mut u32 {
        &mut self.holders[page as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(count: usize, seed: u32) -> Vec<u32> {
        (0..count as u32).map(|index| index * 7 + seed).collect()
    }

    #[test]
    fn beginnings_are_shared_and_forgotten_only_when_nobody_uses_them() {
        let mut pages = Pages::new(4);
        let text = tokens(3 * PAGE, 1);
        let mut held: Vec<Page> = (0..3).filter_map(|_| pages.take()).collect();
        pages.remember(7, &text, &mut held);
        assert_eq!(pages.find(7, &text[..2 * PAGE + 5]), held[..2]);
        assert_eq!(pages.find(8, &text), [], "another owner knows nothing of it");
        assert_eq!(pages.available(), 1);
        // The first holder goes; two pages are still held by the second.
        held.iter().for_each(|&page| pages.release(page));
        assert_eq!(pages.available(), 2);
        let (one, two) = (pages.take(), pages.take());
        assert!(one.is_some() && two == Some(held[2]), "the third page was forgotten for it");
        assert_eq!(pages.take(), None);
        assert_eq!(pages.find(7, &text), held[..2]);
    }

    /// Fills pages for a text, remembers them, and lets go of them.
    fn keep(pages: &mut Pages, text: &[u32]) {
        let mut held = pages.find(0, text);
        while held.len() < text.len().div_ceil(PAGE) {
            held.push(pages.take().expect("a free page"));
        }
        pages.remember(0, text, &mut held);
        held.into_iter().for_each(|page| pages.release(page));
    }

    fn begun(pages: &mut Pages, text: &[u32]) -> usize {
        let full = pages.find(0, text);
        let found = pages.find_begun(0, text, full.len());
        full.into_iter().chain(found.map(|(page, _)| page)).for_each(|page| pages.release(page));
        found.map_or(0, |(_, count)| count)
    }

    #[test]
    fn a_page_that_was_begun_is_found_as_far_as_it_is_alike() {
        let mut pages = Pages::new(4);
        let text = tokens(2 * PAGE, 1);
        let other = |same: usize, len: usize| {
            let mut other = text[..same].to_vec();
            other.resize(len, 999);
            other
        };
        keep(&mut pages, &text[..PAGE + 10]);
        for (same, alike) in [(PAGE, 0), (PAGE + 4, 4), (PAGE + 10, 10), (PAGE + 12, 10)] {
            assert_eq!(begun(&mut pages, &other(same, PAGE + 20)), alike, "{same}");
        }
        assert_eq!(begun(&mut pages, &text[..PAGE - 5]), PAGE - 5, "of a page that is full as well");
        assert_eq!(pages.find_begun(1, &text, 0), None, "another owner knows nothing of it");
        assert_eq!(pages.find_begun(0, &text, 0), None, "what is asked for begins elsewhere");
        // A longer one takes its place, a shorter one adds nothing, and one that goes on otherwise stands beside it.
        keep(&mut pages, &text[..PAGE + 20]);
        keep(&mut pages, &text[..PAGE + 5]);
        keep(&mut pages, &other(PAGE + 5, PAGE + 9));
        assert_eq!(begun(&mut pages, &text), 20);
        assert_eq!(begun(&mut pages, &other(PAGE + 5, PAGE + 12)), 9);
        assert_eq!((pages.free.len(), pages.available()), (1, 4));
        keep(&mut pages, &text);
        assert_eq!(pages.find(0, &text).len(), 2);
        assert_eq!((pages.free.len(), pages.available()), (1, 2));
    }

    #[test]
    fn equal_pages_become_one() {
        let mut pages = Pages::new(2);
        let text = tokens(PAGE, 3);
        let [mut one, mut two] = [[pages.take().expect("free")], [pages.take().expect("free")]];
        pages.remember(0, &text, &mut one);
        pages.remember(0, &text, &mut two);
        assert_eq!(one, two);
        assert_eq!(pages.available(), 1);
    }

    #[test]
    fn everything_comes_back() {
        let mut pages = Pages::new(8);
        for round in 0..50_u32 {
            let text = tokens(PAGE * 2 + round as usize % 33, round % 5);
            let mut held = pages.find(0, &text);
            let begun = pages.find_begun(0, &text, held.len());
            while held.len() < 3 {
                held.push(pages.take().expect("eight pages suffice for four"));
            }
            pages.remember(0, &text, &mut held);
            held.into_iter().chain(begun.map(|(page, _)| page)).for_each(|page| pages.release(page));
        }
        assert_eq!((pages.available(), pages.in_use()), (8, 0));
    }
}
