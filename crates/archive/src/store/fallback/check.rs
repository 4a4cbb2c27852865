//! Whether a text is what a query asks for.

use rustc_hash::FxHashMap;

use crate::{index::Query, text::Analyzer};

/// Decides texts, one after another.
pub(super) struct Check<'q> {
    query: &'q Query,
    own: Seen<'q>,
    title: Seen<'q>,
}

/// What a text holds of what is asked for.
#[derive(Clone, Default)]
struct Seen<'q> {
    /// Where each term stands, ascending.
    terms: FxHashMap<&'q str, Vec<u32>>,
    /// How often each beginning was met.
    beginnings: Vec<Beginning<'q>>,
    words: u32,
    is_there: bool,
}

/// How often the words of a prefix occur.
#[derive(Clone)]
struct Beginning<'q> {
    beginning: &'q str,
    stems: &'q [String],
    count: u32,
}

impl Beginning<'_> {
    fn is_of(&self, term: &str) -> bool {
        term.starts_with(self.beginning) || self.stems.iter().any(|stem| stem == term)
    }
}

impl<'q> Check<'q> {
    pub(super) fn new(query: &'q Query) -> Self {
        let mut own = Seen::default();
        own.ask(query);
        Self { query, title: own.clone(), own }
    }

    /// Returns the score of a message; `None` where it does not match.
    pub(super) fn message(
        &mut self,
        text: &str,
        title: Option<&str>,
        analyzer: &mut Analyzer,
    ) -> Option<f64> {
        self.own.read(Some(text), analyzer);
        self.title.read(title, analyzer);
        holds(self.query, &self.own, &self.title).then(|| self.own.score())
    }

    /// Returns the score of a title; `None` where it does not match.
    pub(super) fn title(&mut self, title: &str, analyzer: &mut Analyzer) -> Option<f64> {
        self.title.read(Some(title), analyzer);
        holds(self.query, &self.title, &self.title).then(|| self.title.score())
    }
}

impl<'q> Seen<'q> {
    fn ask(&mut self, query: &'q Query) {
        let mut term = |term| {
            self.terms.entry(term).or_default();
        };
        match query {
            Query::Term(text) => term(text),
            Query::Phrase(terms) => terms.iter().for_each(|(_, text)| term(text)),
            Query::Prefix { beginning, stems } => {
                self.beginnings.push(Beginning { beginning, stems, count: 0 });
            }
            Query::All(members) | Query::Any(members) => members.iter().for_each(|member| self.ask(member)),
            Query::Not(inner) | Query::Title(inner) => self.ask(inner),
        }
    }

    fn read(&mut self, text: Option<&str>, analyzer: &mut Analyzer) {
        self.terms.values_mut().for_each(Vec::clear);
        self.beginnings.iter_mut().for_each(|known| known.count = 0);
        self.words = 0;
        self.is_there = text.is_some();
        analyzer.analyze(text.unwrap_or_default(), |token| {
            self.words = self.words.saturating_add(1);
            if let Some(places) = self.terms.get_mut(token.term) {
                places.push(token.position);
            }
            for known in &mut self.beginnings {
                known.count += u32::from(known.is_of(token.term));
            }
        });
    }

    /// BM25 without rarity, which only an index knows, and against a text of 100 words.
    fn score(&self) -> f64 {
        let counts = self.terms.values().map(|places| places.len() as f64);
        let counts = counts.chain(self.beginnings.iter().map(|known| f64::from(known.count)));
        let half = 1.2 * (0.25 + 0.75 * f64::from(self.words) / 100.0);
        counts.map(|count| count / (count + half)).sum()
    }
}

/// As [`Query`] says; nested as deeply as queries can be parsed.
fn holds(query: &Query, own: &Seen<'_>, title: &Seen<'_>) -> bool {
    let places = |term: &str| own.terms.get(term).map_or(&[][..], Vec::as_slice);
    match query {
        Query::Term(term) => !places(term).is_empty(),
        Query::Phrase(terms) => {
            let Some((first, term)) = terms.first() else { return false };
            places(term).iter().any(|place| {
                terms
                    .iter()
                    .all(|(offset, term)| places(term).binary_search(&(place + offset - first)).is_ok())
            })
        }
        Query::Prefix { beginning, stems } => own
            .beginnings
            .iter()
            .any(|known| known.beginning == beginning && known.stems == stems && known.count > 0),
        Query::All(members) => members.iter().all(|member| holds(member, own, title)),
        Query::Any(members) => members.iter().any(|member| holds(member, own, title)),
        Query::Not(inner) => !holds(inner, own, title),
        Query::Title(inner) => title.is_there && holds(inner, title, title),
    }
}
