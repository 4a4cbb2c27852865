//! The index against a reference that looks at every document, and against damage.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use athenaeum_core::{Provider, Role, Timestamp};
use proptest::prelude::*;

use super::{score, *};
use crate::{Filters, Flag, Sort, Total};

mod damage;

/// A small random number generator (xorshift64*), so that one seed replays a run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Debug, Clone)]
struct Doc {
    kind: Kind,
    id: i64,
    conversation: i64,
    time: Option<i64>,
    role: Option<Role>,
    flags: Flags,
    provider: &'static str,
    model: Option<&'static str>,
    words: Vec<(String, u32)>,
    removed: bool,
}

const PROVIDERS: [&str; 3] = ["chatgpt", "claude", "gemini"];
const MODELS: [&str; 3] = ["GPT-4", "gpt-4o", "opus"];

fn word(random: &mut Random, vocabulary: u64) -> String {
    // The product of two makes small numbers frequent.
    let n = random.below(vocabulary) * random.below(vocabulary) / vocabulary;
    format!("{}{}", ["ab", "ac", "b", "c"][(n % 4) as usize], n)
}

fn corpus(random: &mut Random, count: u64, vocabulary: u64) -> Vec<Doc> {
    let mut docs: Vec<Doc> = Vec::new();
    for n in 0..count {
        let conversation = 1 + (n / 5) as i64;
        // One title a conversation: two of the same time would have no order.
        let titled =
            docs.iter().rev().take(5).any(|doc| doc.kind == Kind::Title && doc.conversation == conversation);
        let title = random.one_in(8) && !titled;
        let mut position = 0;
        let len = if title { 1 + random.below(4) } else { random.below(24) };
        let words = (0..len).map(|_| {
            let word = (word(random, vocabulary), position);
            // Sometimes two words share a position, sometimes one is left out.
            position += if random.one_in(12) { random.below(3) as u32 } else { 1 };
            word
        });
        let words = words.collect();
        docs.push(Doc {
            kind: if title { Kind::Title } else { Kind::Message },
            id: if title { 0 } else { 10 + n as i64 },
            conversation,
            time: (!random.one_in(9)).then(|| random.below(500) as i64 * 1_000_000),
            role: (!title).then(|| Role::ALL[random.below(4) as usize]),
            flags: match random.below(8) {
                0 => Flags::HIDDEN,
                1 => Flags::CODE,
                2 => Flags::CODE.with(Flags::TOOL),
                _ => Flags::NONE,
            },
            provider: PROVIDERS[random.below(3) as usize],
            model: (!title && !random.one_in(3)).then(|| MODELS[random.below(3) as usize]),
            words,
            removed: false,
        });
    }
    docs
}

fn document(doc: &Doc) -> Document<'_> {
    Document {
        kind: doc.kind,
        message_id: doc.id,
        conversation: doc.conversation,
        time: doc.time,
        role: doc.role,
        flags: doc.flags,
        provider: doc.provider,
        model: doc.model,
        user: None,
        for_fts5: false,
    }
}

fn add(writer: &mut Writer, doc: &Doc) {
    let push =
        |tokens: &mut Tokens<'_>| doc.words.iter().for_each(|(word, position)| tokens.push(word, *position));
    writer.add(&document(doc), push).unwrap();
}

fn query(random: &mut Random, vocabulary: u64, depth: u32) -> Query {
    let many = |random: &mut Random| {
        (0..1 + random.below(3)).map(|_| query(random, vocabulary, depth + 1)).collect()
    };
    match random.below(if depth > 1 { 4 } else { 9 }) {
        0..=1 => Query::Term(word(random, vocabulary)),
        2 => {
            let mut offset = 0;
            let terms = (0..2 + random.below(2)).map(|_| {
                let term = (offset, word(random, vocabulary));
                offset += 1 + u32::from(random.one_in(5));
                term
            });
            Query::Phrase(terms.collect())
        }
        3 => any_prefix(random, vocabulary),
        4 => Query::Any(many(random)),
        5 => Query::Title(Box::new(query(random, vocabulary, depth + 1))),
        6 => {
            let mut members: Vec<Query> = many(random);
            members.push(Query::Not(Box::new(query(random, vocabulary, depth + 1))));
            Query::All(members)
        }
        _ => Query::All(many(random)),
    }
}

fn any_prefix(random: &mut Random, vocabulary: u64) -> Query {
    Query::Prefix {
        beginning: ["a", "ab", "ac1", "b", "b2", "c7", "ab12", "zz"][random.below(8) as usize].into(),
        stems: (0..random.below(5).saturating_sub(2)).map(|_| word(random, vocabulary)).collect(),
    }
}

fn prefix(beginning: &str) -> Query {
    Query::Prefix { beginning: beginning.into(), stems: Vec::new() }
}

fn filter(random: &mut Random) -> Filter {
    let mut filters = Filters { include_hidden: random.one_in(2), ..Filters::default() };
    if random.one_in(4) {
        filters.providers = vec![Provider::CLAUDE, Provider::GEMINI];
    }
    if random.one_in(6) {
        filters.models = vec!["gpt-4*".into()];
    }
    if random.one_in(6) {
        filters.roles = vec![Role::User, Role::Tool];
    }
    if random.one_in(6) {
        filters.has = vec![Flag::Code];
    }
    if random.one_in(4) {
        filters.after = Some(Timestamp::from_micros(random.below(400) as i64 * 1_000_000));
    }
    if random.one_in(6) {
        filters.before = Some(Timestamp::from_micros(random.below(600) as i64 * 1_000_000));
    }
    if random.one_in(6) {
        filters.without = Some(Box::new(Filters {
            providers: vec![Provider::CLAUDE],
            has: vec![Flag::Tool],
            ..Filters::default()
        }));
    }
    let conversation = random.one_in(10).then(|| 1 + random.below(8) as i64);
    let among = random.one_in(10).then(|| Arc::new((0..4).map(|_| 1 + random.below(8) as i64).collect()));
    Filter { filters, conversation, among }
}

/// Looks at every document.
struct Reference<'a> {
    docs: &'a [Doc],
    kind: Kind,
    documents: u64,
    mean: f64,
    /// Weights of terms and conversations of titles, by query: looked for once.
    idfs: RefCell<BTreeMap<String, f64>>,
    titled: RefCell<BTreeMap<String, BTreeSet<i64>>>,
}

impl<'a> Reference<'a> {
    /// Removed documents count for the statistics until they are merged away.
    fn new(docs: &'a [Doc], kind: Kind) -> Self {
        let own: Vec<_> = docs.iter().filter(|doc| doc.kind == kind).collect();
        let tokens: u64 = own.iter().map(|doc| length(doc)).sum();
        let documents = own.len() as u64;
        let mean = tokens as f64 / documents.max(1) as f64;
        Self { docs, kind, documents, mean, idfs: RefCell::default(), titled: RefCell::default() }
    }

    fn weight(&self, idf: f64, tf: u32, doc: &Doc) -> u64 {
        score::Weight::new(idf, self.mean, self.mean).score(tf, length(doc) as u16)
    }

    fn df(&self, test: impl Fn(&str) -> bool) -> u64 {
        self.docs.iter().filter(|doc| doc.kind == self.kind && doc.words.iter().any(|(w, _)| test(w))).count()
            as u64
    }

    fn idf(&self, term: &str) -> f64 {
        let mut idfs = self.idfs.borrow_mut();
        *idfs
            .entry(term.to_owned())
            .or_insert_with(|| score::idf(self.documents, self.df(|word| word == term)))
    }

    fn prefix_idf(&self, name: &str, of: impl Fn(&str) -> bool) -> f64 {
        let mut idfs = self.idfs.borrow_mut();
        *idfs.entry(name.to_owned()).or_insert_with(|| score::idf(self.documents, self.df(of)))
    }

    fn has_title(&self, inner: &Query, conversation: i64) -> bool {
        let mut titled = self.titled.borrow_mut();
        let rows = titled.entry(format!("{inner:?}")).or_insert_with(|| {
            let titles = Reference::new(self.docs, Kind::Title);
            let open = Filter {
                filters: Filters { include_hidden: true, ..Filters::default() },
                ..Filter::default()
            };
            titles.matches(inner, &open).iter().map(|(_, title)| title.conversation).collect()
        });
        rows.contains(&conversation)
    }

    /// Returns the score; `None` if the document does not match.
    fn score(&self, query: &Query, doc: &Doc) -> Option<u64> {
        let count = |term: &str| doc.words.iter().filter(|(word, _)| word == term).count() as u32;
        match query {
            Query::Term(term) => (count(term) > 0).then(|| self.weight(self.idf(term), count(term), doc)),
            Query::Phrase(terms) => {
                let has =
                    |term: &str, at: u32| doc.words.iter().any(|(word, place)| word == term && *place == at);
                let last = doc.words.last().map_or(0, |(_, place)| *place);
                let tf =
                    (0..=last).filter(|at| terms.iter().all(|(offset, term)| has(term, at + offset))).count();
                let idf = terms.iter().map(|(_, term)| self.idf(term)).sum();
                (tf > 0).then(|| self.weight(idf, tf as u32, doc))
            }
            Query::Prefix { beginning, stems } => {
                let begins = |word: &str| word.starts_with(beginning);
                let beside = |word: &str| !begins(word) && stems.iter().any(|stem| stem == word);
                let tf =
                    |of: &dyn Fn(&str) -> bool| doc.words.iter().filter(|(word, _)| of(word)).count() as u32;
                // Stems weigh nearly nothing beside a word that is all there.
                if self.idf(beginning) < score::idf(self.documents, 0) {
                    let idf = self.prefix_idf(&format!("{beginning}*"), begins);
                    let (own, beside) = (tf(&begins), tf(&beside));
                    let weigh = |idf, tf| if tf > 0 { self.weight(idf, tf, doc) } else { 0 };
                    return (own + beside > 0).then(|| weigh(idf, own) + weigh(score::IDF_LEAST, beside));
                }
                let of = |word: &str| begins(word) || beside(word);
                let idf = self.prefix_idf(&format!("{query:?}"), of);
                (tf(&of) > 0).then(|| self.weight(idf, tf(&of), doc))
            }
            Query::All(members) => {
                let mut sum = 0;
                for member in members {
                    match member {
                        Query::Not(inner) if self.score(inner, doc).is_some() => return None,
                        Query::Not(_) => {}
                        member => sum += self.score(member, doc)?,
                    }
                }
                Some(sum)
            }
            Query::Any(members) => {
                let scores: Vec<u64> = members.iter().filter_map(|member| self.score(member, doc)).collect();
                (!scores.is_empty()).then(|| scores.iter().sum())
            }
            Query::Not(inner) => self.score(inner, doc).is_none().then_some(0),
            Query::Title(inner) if self.kind == Kind::Title => self.score(inner, doc),
            Query::Title(inner) => self.has_title(inner, doc.conversation).then_some(0),
        }
    }

    fn matches(&self, query: &Query, filter: &Filter) -> Vec<(u64, &'a Doc)> {
        let docs =
            self.docs.iter().filter(|doc| doc.kind == self.kind && !doc.removed && passes(filter, doc));
        docs.filter_map(|doc| Some((self.score(query, doc)?, doc))).collect()
    }
}

/// Tokens, those beside another at one position not counted.
fn length(doc: &Doc) -> u64 {
    let mut places: Vec<u32> = doc.words.iter().map(|(_, place)| *place).collect();
    places.dedup();
    places.len() as u64
}

fn passes(filter: &Filter, doc: &Doc) -> bool {
    let filters = &filter.filters;
    let named = |providers: &[Provider]| providers.iter().any(|provider| provider.as_str() == doc.provider);
    let model = |wanted: &String| {
        doc.model.is_some_and(|model| model.to_lowercase().starts_with(wanted.strip_suffix('*').unwrap()))
    };
    let flag = |flag: &Flag| match flag {
        Flag::Code => doc.flags.has(Flags::CODE),
        Flag::Attachment => doc.flags.has(Flags::ATTACHMENT),
        Flag::Tool => doc.flags.has(Flags::TOOL),
    };
    (filters.include_hidden || !doc.flags.has(Flags::HIDDEN))
        && (filters.providers.is_empty() || named(&filters.providers))
        && (filters.models.is_empty() || filters.models.iter().any(model))
        && (filters.roles.is_empty() || doc.role.is_some_and(|role| filters.roles.contains(&role)))
        && filters.has.iter().all(flag)
        && filters.after.is_none_or(|after| doc.time.is_some_and(|time| time >= after.as_micros()))
        && filters.before.is_none_or(|before| doc.time.is_some_and(|time| time <= before.as_micros()))
        && filter.conversation.is_none_or(|row| doc.conversation == row)
        && filter.among.as_ref().is_none_or(|rows| rows.contains(&doc.conversation))
        && filters.without.as_ref().is_none_or(|not| !named(&not.providers) && !not.has.iter().any(flag))
}

fn text_parts(query: &Query, inside_title: bool) -> (bool, bool) {
    match query {
        Query::Term(_) | Query::Phrase(_) | Query::Prefix { .. } => (true, !inside_title),
        Query::Title(inner) => text_parts(inner, true),
        Query::Not(_) => (false, false),
        Query::All(members) | Query::Any(members) => members.iter().fold((false, false), |sum, member| {
            let part = text_parts(member, inside_title);
            (sum.0 || part.0, sum.1 || part.1)
        }),
    }
}

/// Searches by reference: `(message id or 0, conversation, score)` in order, and how many match.
fn expected(docs: &[Doc], query: &Query, filter: &Filter, sort: Sort) -> (Vec<(i64, i64, f64)>, u64) {
    let ranked = text_parts(query, false).0;
    let sort = if ranked { sort } else { Sort::Recent };
    let titles = Reference::new(docs, Kind::Title);
    let titles = if ranked { titles.matches(query, filter) } else { Vec::new() };
    let mut messages = match query.is_title_only() {
        true => Vec::new(),
        false => Reference::new(docs, Kind::Message).matches(query, filter),
    };
    let total = (titles.len() + messages.len()) as u64;
    let lift = |doc: &Doc| {
        let own = titles.iter().filter(|(_, title)| title.conversation == doc.conversation);
        own.map(|(score, _)| *score).max().unwrap_or(0)
    };
    let mut all: Vec<(u64, i64, i64, i64, u64)> = Vec::new();
    // Only the best messages are lifted.
    messages.sort_unstable_by_key(|(score, doc)| std::cmp::Reverse((*score, doc.time, doc.id)));
    for (place, (score, doc)) in messages.into_iter().enumerate() {
        let lifted = sort == Sort::Relevance && place < search::LIFTED;
        let score = if lifted { score + lift(doc) } else { score };
        all.push((score, doc.time.unwrap_or(i64::MIN), doc.id, doc.conversation, score));
    }
    for (score, doc) in &titles {
        let score = if sort == Sort::Relevance { score / 2 * 5 } else { *score };
        all.push((score, doc.time.unwrap_or(i64::MIN), i64::MIN, doc.conversation, score));
    }
    if sort == Sort::Recent {
        all.iter_mut().for_each(|hit| hit.0 = (hit.1 as u64) ^ (1 << 63));
    }
    all.sort_unstable_by(|a, b| b.cmp(a));
    let row = |hit: (u64, i64, i64, i64, u64)| (hit.2.max(0), hit.3, score::plain(hit.4));
    (all.into_iter().map(row).collect(), total)
}

/// What is scored anew, against the words themselves.
#[test]
fn candidates_count_with_what_stands_around_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::rebuild(dir.path()).unwrap();
    // Conversation 1: rows 1 to 4; conversation 2: row 5, in another segment.
    let texts = [(1, "bread oven"), (1, "flour"), (1, "water salt"), (1, "stone"), (2, "bread flour")];
    for (row, (conversation, text)) in (1..).zip(texts) {
        let words = (0..).zip(text.split(' ')).map(|(at, word)| (word.to_owned(), at)).collect();
        let doc = Doc {
            kind: Kind::Message,
            id: row,
            conversation,
            time: None,
            role: None,
            flags: Flags::NONE,
            provider: "claude",
            model: None,
            words,
            removed: false,
        };
        add(&mut writer, &doc);
        if row == 4 {
            writer.publish(4).unwrap();
        }
    }
    writer.publish(5).unwrap();
    let index = Index::open(dir.path()).unwrap();
    let any = Query::Any(vec![Query::Term("bread".into()), Query::Term("stone".into())]);
    let candidates = index.candidates(&any, &Filter::default(), 10).unwrap();
    let mut rows = candidates.rows().to_vec();
    rows.sort_unstable();
    assert_eq!(rows, [1, 4, 5]);
    assert!((candidates.share("flour").unwrap() - 0.4).abs() < 1e-12);

    let scores = candidates.score([("flour", 2.0)]).unwrap();
    let score = |row: i64| scores[candidates.rows().iter().position(|&other| other == row).unwrap()];
    let idf = 2.0 * (1.0 + (5.0 - 2.0 + 0.5) / (2.0 + 0.5_f64)).ln();
    let part = |len: f64, mean: f64| 2.0 / (1.0 + 0.25 + 0.75 * len / mean);
    // Around row 1 stand rows 1 to 3, around row 4 rows 2 to 4, around row 5 nothing else.
    let mean = (5.0 + 4.0 + 2.0) / 3.0;
    let close = |score: f64, expected: f64| assert!((score - expected).abs() < 1e-9, "{score} {expected}");
    close(score(1), idf * 0.7 * part(5.0, mean));
    close(score(4), idf * 0.7 * part(4.0, mean));
    close(score(5), idf * (0.7 * part(2.0, mean) + 0.3 * part(2.0, 8.0 / 5.0)));
}

fn check(index: &Index, docs: &[Doc], random: &mut Random, query: &Query) {
    let filter = filter(random);
    let sort = if random.one_in(3) { Sort::Recent } else { Sort::Relevance };
    let (limit, offset) = (1 + random.below(30) as usize, random.below(10) as usize);
    let (hits, total) = expected(docs, query, &filter, sort);
    let found = index.search(query, &filter, sort, limit, offset).unwrap();
    let hits: Vec<_> = hits.into_iter().skip(offset).take(limit).collect();
    let got: Vec<_> =
        found.hits.iter().map(|hit| (hit.message_id, hit.conversation_row, hit.score)).collect();
    assert_eq!(got, hits, "{query:?} {filter:?} {sort:?} {limit} {offset}");
    match found.total {
        Total::Exactly(count) => assert_eq!(count, total, "{query:?} {filter:?}"),
        Total::AtLeast(count) => assert!(count <= total, "{query:?} {filter:?}"),
    }
    let facets = index.facets(query, &filter).unwrap();
    let messages = Reference::new(docs, Kind::Message).matches(query, &filter).len() as u64;
    assert_eq!(facets.total, messages, "{query:?} {filter:?}");
    assert_eq!(facets.facets.providers.iter().map(|count| count.count).sum::<u64>(), messages);
}

type Draw = fn(&mut Random, u64) -> Query;

fn any_query(random: &mut Random, vocabulary: u64) -> Query {
    if random.one_in(12) { Query::All(Vec::new()) } else { query(random, vocabulary, 0) }
}

/// A prefix alone, and beside others.
fn prefix_query(random: &mut Random, vocabulary: u64) -> Query {
    let mut members = vec![any_prefix(random, vocabulary)];
    for _ in 0..random.below(3) {
        let term = Query::Term(word(random, vocabulary));
        let denied = Query::Not(Box::new(any_prefix(random, vocabulary)));
        members.push([term, denied, any_prefix(random, vocabulary)][random.below(3) as usize].clone());
    }
    let denies = members.iter().any(|member| matches!(member, Query::Not(_)));
    match members.len() {
        1 => members.remove(0),
        _ if denies || random.one_in(2) => Query::All(members),
        _ => Query::Any(members),
    }
}

/// Builds from the documents in several pieces, searches, removes some, searches, merges, searches.
fn run(draw: Draw, seed: u64, count: u64, vocabulary: u64, memory: usize, queries: usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(seed | 1);
    let mut docs = corpus(&mut random, count, vocabulary);
    let mut writer = Writer::open(dir.path()).unwrap().with_memory(memory);
    let index = Index::open(dir.path()).unwrap();
    for (n, doc) in docs.iter().enumerate() {
        add(&mut writer, doc);
        if random.one_in(count / 3 + 1) {
            writer.publish(n as i64).unwrap();
        }
    }
    writer.publish(count as i64).unwrap();
    assert!(index.refresh().unwrap());
    assert!(!index.refresh().unwrap());
    assert_eq!(index.watermark(), count as i64);
    for _ in 0..queries {
        let query = draw(&mut random, vocabulary);
        check(&index, &docs, &mut random, &query);
    }

    let (ids, row) = remove(&mut docs, &mut random);
    writer.remove_messages(&ids).unwrap();
    writer.remove_conversations(&[row]).unwrap();
    writer.publish(count as i64 + 1).unwrap();
    index.refresh().unwrap();
    let gone = docs.iter().filter(|doc| doc.removed).count() as u64;
    if index.stats().removed == gone {
        for _ in 0..queries {
            let query = draw(&mut random, vocabulary);
            check(&index, &docs, &mut random, &query);
        }
    }

    while writer.merge_step().unwrap() {}
    index.refresh().unwrap();
    if index.stats().removed == 0 {
        docs.retain(|doc| !doc.removed);
    }
    if index.stats().removed == 0 || index.stats().removed == gone {
        for _ in 0..queries {
            let query = draw(&mut random, vocabulary);
            check(&index, &docs, &mut random, &query);
        }
    }
    writer.clear().unwrap();
    index.refresh().unwrap();
    assert_eq!(index.stats(), IndexStats::default());
}

/// Marks some messages and one conversation as removed.
fn remove(docs: &mut [Doc], random: &mut Random) -> (Vec<i64>, i64) {
    let row = 1 + random.below(3) as i64;
    let mut ids = Vec::new();
    for doc in docs {
        if doc.kind == Kind::Message && random.one_in(5) {
            ids.push(doc.id);
            doc.removed = true;
        }
        doc.removed |= doc.conversation == row;
    }
    (ids, row)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn small_archives_answer_like_the_reference(
        seed: u64, count in 1_u64..80, memory in prop::sample::select(vec![1, 50_000, 40 << 20]),
    ) {
        run(any_query, seed, count, 12, memory, 12);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn prefixes_count_as_one_term(
        seed: u64, count in 1_u64..300, memory in prop::sample::select(vec![1, 50_000, 40 << 20]),
    ) {
        run(prefix_query, seed, count, 40, memory, 6);
    }
}

/// Terms of many blocks, so that bounds, skips and merges come into play.
#[test]
fn larger_archives_answer_like_the_reference() {
    for seed in 1..4 {
        run(any_query, seed * 7919, 2_500, 30, 90_000, 30);
        run(prefix_query, seed * 7919, 2_500, 30, 90_000, 30);
    }
}

/// All words of a prefix together are more postings than are read for one query: the rarest are left out.
#[test]
fn the_most_frequent_words_of_a_prefix_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path()).unwrap();
    let mut random = Random(5);
    for n in 0..2200 {
        let mut doc = corpus(&mut random, 1, 9).remove(0);
        (doc.kind, doc.id, doc.flags) = (Kind::Message, n, Flags::NONE);
        let words = if n == 7 { vec![199] } else { (0..=n % 200).collect() };
        doc.words = words.iter().map(|w| (format!("w{w:03}"), *w as u32)).collect();
        add(&mut writer, &doc);
    }
    writer.publish(1).unwrap();
    let index = Index::open(dir.path()).unwrap();
    let search =
        |beginning| index.search(&prefix(beginning), &Filter::default(), Sort::Recent, 1, 0).unwrap();
    assert_eq!((search("w").total, search("w").approximate), (Total::Exactly(2199), true));
    assert_eq!((search("w1").total, search("w1").approximate), (Total::Exactly(1101), false));
}

#[test]
fn prefixes_find_the_most_frequent_terms() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path()).unwrap();
    let mut random = Random(5);
    for n in 0..300 {
        let mut doc = corpus(&mut random, 1, 9).remove(0);
        doc.kind = Kind::Message;
        doc.words = (0..=n % 200).map(|w| (format!("w{w:03}"), w)).collect();
        add(&mut writer, &doc);
    }
    writer.publish(1).unwrap();
    let index = Index::open(dir.path()).unwrap();
    let terms = index.terms_with_prefix("w", 3).unwrap();
    assert_eq!(terms, [("w000".to_owned(), 300), ("w001".to_owned(), 298), ("w002".to_owned(), 296)]);
    assert_eq!(index.terms_with_prefix("w19", 2).unwrap(), [("w190".to_owned(), 10), ("w191".to_owned(), 9)]);
    assert_eq!(index.terms_with_prefix("x", 2).unwrap(), []);
}

#[test]
fn there_is_one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::open(dir.path()).unwrap();
    assert!(matches!(Writer::open(dir.path()), Err(Error::Busy { .. })));
    drop(writer);
    Writer::open(dir.path()).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
