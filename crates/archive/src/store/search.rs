//! A search from the text typed to the passages shown.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use athenaeum_core::{ConversationId, MessageId, Role};
use athenaeum_tenancy::Scope;
use sqlx::{QueryBuilder, Row, sqlite::SqliteRow};

use super::{
    builder, cursor,
    error::{Error, database},
    fallback, filter,
    open::Files,
    row,
};
use crate::{
    ConversationSummary, Facets, Hit, Notice, Place, Ranking, SearchRequest, SearchResults, Snippet, Sort,
    Total,
    index::{self, Filter, Index, Query, TopDoc, TopDocs},
    query::{self, Expr},
    snippet::{self, Wanted},
    text::Analyzer,
};

/// The indexes that searches have opened, by tenant, and analysers at rest.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    open: Mutex<HashMap<String, Index>>,
    /// Tenants whose index is being mended in the background.
    mending: Mutex<HashSet<String>>,
    analyzers: Mutex<Vec<Analyzer>>,
}

impl Indexes {
    /// Returns the tenant's index as it was last published; `None` where there is none to use.
    pub(crate) fn of(&self, files: &Files, scope: &Scope) -> Option<Index> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let tenant = scope.tenant().as_str();
        let found = match open.get(tenant) {
            Some(index) => index.refresh().map(|_| index.clone()),
            None => Index::open(&files.index_dir(scope)),
        };
        match found {
            Ok(index) => {
                open.insert(tenant.to_owned(), index.clone());
                Some(index)
            }
            Err(error) => {
                tracing::warn!(%error, "the search index cannot be read; searching with SQLite's");
                open.remove(tenant);
                None
            }
        }
    }

    /// Lets go of a tenant's index, which is gone.
    pub(crate) fn forget(&self, scope: &Scope) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(scope.tenant().as_str());
    }

    /// Lets go of the columns of indexes that were not searched for so long.
    pub(crate) fn release_idle(&self, idle: Duration) {
        let open: Vec<_> =
            self.open.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for index in open {
            index.release_idle(idle);
        }
    }

    /// Reads into the index what it lacks, or makes it anew, without anyone waiting for it.
    fn mend_in_background(self: &Arc<Self>, files: &Arc<Files>, scope: &Scope, mend: Mend) {
        let tenant = scope.tenant().as_str().to_owned();
        let mending = move |indexes: &Self, begins: bool| {
            let mut mending = indexes.mending.lock().unwrap_or_else(PoisonError::into_inner);
            if begins { mending.insert(tenant.clone()) } else { mending.remove(&tenant) }
        };
        if !files.is_writable() || !mending(self, true) {
            return;
        }
        let (indexes, files, scope) = (Arc::clone(self), Arc::clone(files), scope.clone());
        let mending = mending.clone();
        tokio::spawn(async move {
            let done = match mend {
                Mend::Follow(watermark) => {
                    builder::follow(&files, &scope, watermark, i64::MAX).await.map(drop)
                }
                Mend::Rebuild => builder::rebuild(&files, &scope).await,
            };
            if let Err(error) = done {
                tracing::warn!(%error, "the search index could not be brought up to date");
            }
            mending(&indexes, false);
        });
    }

    pub(crate) fn with_analyzer<T>(&self, use_it: impl FnOnce(&mut Analyzer) -> T) -> T {
        let lock = || self.analyzers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut analyzer = lock().pop().unwrap_or_default();
        let result = use_it(&mut analyzer);
        let mut resting = lock();
        if resting.len() < ANALYZERS_AT_REST {
            resting.push(analyzer);
        }
        result
    }
}

/// An index that can answer, and what its answers may lack.
struct Usable {
    index: Index,
    notice: Option<&'static str>,
}

/// What an index needs.
#[derive(Debug, Clone, Copy)]
enum Mend {
    /// The rows beyond its watermark.
    Follow(i64),
    /// To be made anew.
    Rebuild,
}

pub(crate) async fn search(
    files: &Arc<Files>,
    indexes: &Arc<Indexes>,
    scope: &Scope,
    request: &SearchRequest,
) -> Result<SearchResults, Error> {
    let started = Instant::now();
    let Some(Matches { asked, docs, span, notices }) = matches(files, indexes, scope, request).await? else {
        return Ok(nothing(started, Vec::new()));
    };
    page(files, indexes, scope, &asked, docs, span, notices, started).await
}

/// Orders as [`search`] does, without reading what is to be shown of more than the first few.
pub(crate) async fn rank(
    files: &Arc<Files>,
    indexes: &Arc<Indexes>,
    scope: &Scope,
    request: &SearchRequest,
) -> Result<Ranking, Error> {
    let Some(Matches { asked, docs, span, notices }) = matches(files, indexes, scope, request).await? else {
        return Ok(Ranking::default());
    };
    let known = docs.hits.get(..span.known().min(docs.hits.len())).unwrap_or_default();
    let (head, rest) = known.split_at(span.head.min(known.len()));
    let mut head = ranked(files, indexes, scope, &asked, head).await?;
    lift_as_typed(&mut head);
    let head = head.into_iter().filter_map(|ranked| {
        let hit = ranked.hit?;
        let place = hit.message.map_or(Place::Title(hit.conversation.id), Place::Message);
        Some((place, ranked.score))
    });
    let mut places: Vec<(Place, f64)> = head.collect();
    let there = there(files, scope, rest).await?;
    places.extend(rest.iter().zip(there).filter_map(|(doc, place)| Some((place?, doc.score))));
    let places = places.into_iter().skip(span.offset - span.first).take(span.limit).collect();
    Ok(Ranking { places, notices })
}

/// Returns what stands at these places as a search for `text` would show it, in their order, with 0 for a score. What is
/// not there in this scope is left out.
pub(crate) async fn hits(
    files: &Files,
    indexes: &Indexes,
    scope: &Scope,
    places: &[Place],
    text: &str,
) -> Result<Vec<Hit>, Error> {
    let titles = places.iter().filter_map(|place| match place {
        Place::Title(id) => Some(*id),
        Place::Message(_) => None,
    });
    let titles = conversation_rows(files, scope, titles).await?;
    let docs = places.iter().filter_map(|place| match place {
        Place::Title(id) => {
            let row = *titles.get(id)?;
            Some(TopDoc { message_id: 0, conversation_row: row, score: 0.0, is_title: true })
        }
        Place::Message(id) => {
            Some(TopDoc { message_id: id.0, conversation_row: 0, score: 0.0, is_title: false })
        }
    });
    let docs: Vec<TopDoc> = docs.collect();
    let parsed = query::parse(text);
    let asked = Asked {
        expr: parsed.expr,
        query: Query::Any(Vec::new()),
        filter: Filter::default(),
        notices: Vec::new(),
    };
    let ranked = ranked(files, indexes, scope, &asked, &docs).await?;
    Ok(ranked.into_iter().filter_map(|ranked| ranked.hit).collect())
}

/// What matches, in the index's order.
struct Matches {
    asked: Asked,
    docs: TopDocs,
    span: Span,
    notices: Vec<Notice>,
}

/// `None` where nothing can match.
async fn matches(
    files: &Arc<Files>,
    indexes: &Arc<Indexes>,
    scope: &Scope,
    request: &SearchRequest,
) -> Result<Option<Matches>, Error> {
    let Some(asked) = Asked::new(files, indexes, scope, request).await? else { return Ok(None) };
    let Usable { index, notice } = match asked.index(files, indexes, scope).await? {
        Ok(usable) => usable,
        Err(notice) => return by_sqlite(files, scope, request, asked, notice).await.map(Some),
    };
    let span = Span::of(request)?;
    let mut notices = asked.notices.clone();
    notices.extend(notice.map(|notice| Notice(notice.to_owned())));
    let (sort, filter) = (request.sort, asked.filter.clone());
    let ask = async |query: Query| {
        let (index, filter) = (index.clone(), filter.clone());
        // Bounded work, but milliseconds of it: not on a thread that serves others.
        let found = tokio::task::spawn_blocking(move || {
            index.search(&query, &filter, sort, span.wanted(), span.first)
        });
        found.await.map_err(|error| Error::Internal { what: error.to_string() })
    };
    let mut found = ask(asked.query.clone()).await?;
    if let (Ok(TopDocs { hits, total: Total::Exactly(0), .. }), Some(any)) = (&found, asked.relaxed())
        && hits.is_empty()
    {
        found = ask(any).await?;
        if found.as_ref().is_ok_and(|found| !found.hits.is_empty()) {
            notices.push(Notice(SOME_WORDS.into()));
        }
    }
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "the search index cannot be read; searching with SQLite's");
            if matches!(error, index::Error::Damaged { .. }) {
                indexes.mend_in_background(files, scope, Mend::Rebuild);
            }
            return by_sqlite(files, scope, request, asked, UNREADABLE).await.map(Some);
        }
    };
    if found.approximate {
        notices.push(Notice(
            "The beginning stands for very many words; the most frequent were looked for.".into(),
        ));
    }
    Ok(Some(Matches { asked, docs: found, span, notices }))
}

/// Which of the hits a page shows, and which must be known for it.
#[derive(Debug, Clone, Copy)]
struct Span {
    offset: usize,
    limit: usize,
    /// The first that must be known.
    first: usize,
    /// From `first` on, those whose order is only known when all of them are.
    head: usize,
}

impl Span {
    fn of(request: &SearchRequest) -> Result<Self, Error> {
        let offset = cursor::decode_offset(request.cursor.as_ref())?;
        let limit = cursor::limit(request.limit);
        let in_head = request.sort == Sort::Relevance && offset < HEAD;
        let (first, head) = if in_head { (0, HEAD) } else { (offset, 0) };
        Ok(Self { offset, limit, first, head })
    }

    /// How many hits must be known, without the one that tells whether there are more.
    fn known(self) -> usize {
        self.end().max(self.head)
    }

    fn wanted(self) -> usize {
        self.known() + 1
    }

    /// Where the page ends among the hits that are known.
    fn end(self) -> usize {
        self.offset - self.first + self.limit
    }
}

/// Orders the first hits so that those which hold the words as typed have a tenth more.
///
/// Always the same hits, wherever a page begins, and always the same order: a page neither repeats nor misses one.
fn lift_as_typed(head: &mut [Ranked]) {
    for ranked in head.iter_mut() {
        ranked.score *= 1.0 + AS_TYPED * f64::from(ranked.as_typed);
        if let Some(hit) = &mut ranked.hit {
            hit.score = ranked.score;
        }
    }
    head.sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// A document found, to be shown.
struct Ranked {
    /// `None` where its row is gone, or another tenant's.
    hit: Option<Hit>,
    score: f64,
    /// The share of what was looked for that it holds as typed.
    as_typed: f32,
}

/// Shows what was found.
#[expect(clippy::too_many_arguments, reason = "the end of two ways to search")]
async fn page(
    files: &Files,
    indexes: &Indexes,
    scope: &Scope,
    asked: &Asked,
    found: TopDocs,
    span: Span,
    notices: Vec<Notice>,
    started: Instant,
) -> Result<SearchResults, Error> {
    let known = found.hits.get(..span.known().min(found.hits.len())).unwrap_or_default();
    let mut ranked = ranked(files, indexes, scope, asked, known).await?;
    let gone = ranked.iter().filter(|ranked| ranked.hit.is_none()).count();
    if span.head > 0 {
        let head = span.head.min(ranked.len());
        lift_as_typed(&mut ranked[..head]);
    }
    let more = found.hits.len() > span.end();
    let hits = ranked.into_iter().skip(span.offset - span.first).take(span.limit);
    Ok(SearchResults {
        total: match found.total {
            // Rows that are gone are not counted; whoever deleted them could not reach the index.
            Total::Exactly(count) if !more => Total::Exactly(count.saturating_sub(gone as u64)),
            total => total,
        },
        hits: hits.filter_map(|ranked| ranked.hit).collect(),
        notices,
        next: if more { cursor::encode_offset(span.offset + span.limit) } else { None },
        elapsed: started.elapsed(),
    })
}

pub(crate) async fn facets(
    files: &Arc<Files>,
    indexes: &Arc<Indexes>,
    scope: &Scope,
    request: &SearchRequest,
) -> Result<Facets, Error> {
    let Some(asked) = Asked::new(files, indexes, scope, request).await? else { return Ok(Facets::default()) };
    let Ok(Usable { index, .. }) = asked.index(files, indexes, scope).await? else {
        return facets_by_sqlite(files, scope, &asked).await;
    };
    let (query, relaxed, filter) = (asked.query.clone(), asked.relaxed(), asked.filter.clone());
    let counted = tokio::task::spawn_blocking(move || {
        let counts = index.facets(&query, &filter)?;
        // As the search itself does where nothing holds all words.
        if let (0, Some(any)) = (counts.total, relaxed) { index.facets(&any, &filter) } else { Ok(counts) }
    });
    match counted.await {
        Ok(Ok(counts)) => Ok(counts.facets),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the search index cannot be read; searching with SQLite's");
            facets_by_sqlite(files, scope, &asked).await
        }
        Err(error) => Err(Error::Internal { what: error.to_string() }),
    }
}

/// A request, understood.
struct Asked {
    expr: Option<Expr>,
    query: Query,
    filter: Filter,
    notices: Vec<Notice>,
}

impl Asked {
    /// `None` where the filters exclude each other, or name a conversation that this scope does not have.
    async fn new(
        files: &Files,
        indexes: &Indexes,
        scope: &Scope,
        request: &SearchRequest,
    ) -> Result<Option<Self>, Error> {
        let parsed = query::parse(&request.query);
        let Some(filters) = filter::both(&request.filters, &parsed.filters) else { return Ok(None) };
        let mut filter = Filter { filters, conversation: None, among: None };
        if let Some(id) = filter.filters.conversation {
            filter.conversation = conversation_row(files, scope, id).await?;
            if filter.conversation.is_none() {
                return Ok(None);
            }
        }
        let lowered =
            parsed.expr.as_ref().map(|expr| indexes.with_analyzer(|analyzer| query::lower(expr, analyzer)));
        let query = match lowered {
            // No words: everything that the filters let pass, newest first.
            None => Query::All(Vec::new()),
            // Words that hold no letter: nothing can match.
            Some(None) => Query::Any(Vec::new()),
            Some(Some(query)) => query,
        };
        Ok(Some(Self { expr: parsed.expr, query, filter, notices: parsed.notices }))
    }

    /// Returns the index where it can answer, or what to tell when it cannot.
    async fn index(
        &self,
        files: &Arc<Files>,
        indexes: &Arc<Indexes>,
        scope: &Scope,
    ) -> Result<Result<Usable, &'static str>, Error> {
        let Some(mut index) = indexes.of(files, scope) else {
            indexes.mend_in_background(files, scope, Mend::Rebuild);
            return Ok(Err(UNREADABLE));
        };
        let behind = builder::behind(files, index.watermark()).await?;
        let mut lacks = behind > 0;
        if behind > TAIL_ROWS {
            indexes.mend_in_background(files, scope, Mend::Follow(index.watermark()));
        } else if lacks && builder::follow(files, scope, index.watermark(), TAIL_ROWS).await? {
            let Some(fresh) = indexes.of(files, scope) else { return Ok(Err(UNREADABLE)) };
            lacks = fresh.watermark() < index.watermark() + behind;
            index = fresh;
        }
        let notice = lacks.then_some(LAGGING);
        if index.watermark() > 0 {
            return Ok(Ok(Usable { index, notice }));
        }
        let empty = sqlx::query("SELECT 1 FROM conversations WHERE tenant = ? LIMIT 1")
            .bind(scope.tenant().as_str())
            .fetch_optional(&files.readers)
            .await
            .map_err(database("looking for conversations"))?
            .is_none();
        Ok(if empty { Ok(Usable { index, notice: None }) } else { Err(UNBUILT) })
    }

    fn relaxed(&self) -> Option<Query> {
        relaxed(&self.query)
    }
}

/// Returns the query with its words joined by "or", where that asks for more.
pub(crate) fn relaxed(query: &Query) -> Option<Query> {
    let Query::All(members) = query else { return None };
    let (excluded, wanted): (Vec<_>, Vec<_>) =
        members.iter().cloned().partition(|member| matches!(member, Query::Not(_)));
    if wanted.len() < 2 {
        return None;
    }
    let any = Query::Any(wanted);
    Some(if excluded.is_empty() { any } else { Query::All([vec![any], excluded].concat()) })
}

async fn by_sqlite(
    files: &Files,
    scope: &Scope,
    request: &SearchRequest,
    asked: Asked,
    notice: &str,
) -> Result<Matches, Error> {
    let span = Span::of(request)?;
    let range = (span.wanted(), span.first);
    let filters = &asked.filter.filters;
    let mut notices = asked.notices.clone();
    let mut found = fallback::search(files, scope, &asked.query, filters, request.sort, range).await?;
    if let (Total::Exactly(0), Some(any)) = (found.docs.total, asked.relaxed()) {
        found = fallback::search(files, scope, &any, filters, request.sort, range).await?;
        if !found.docs.hits.is_empty() {
            notices.push(Notice(SOME_WORDS.into()));
        }
    }
    notices.extend(std::iter::once(notice).chain(found.notice).map(|notice| Notice(notice.to_owned())));
    Ok(Matches { asked, docs: found.docs, span, notices })
}

/// Counts by SQLite alone what [`by_sqlite`] finds.
async fn facets_by_sqlite(files: &Files, scope: &Scope, asked: &Asked) -> Result<Facets, Error> {
    let filters = &asked.filter.filters;
    let facets = fallback::facets(files, scope, &asked.query, filters).await?;
    match asked.relaxed() {
        Some(any) if facets.roles.is_empty() => fallback::facets(files, scope, &any, filters).await,
        _ => Ok(facets),
    }
}

/// Finds the rows of conversations.
async fn conversation_rows(
    files: &Files,
    scope: &Scope,
    ids: impl Iterator<Item = ConversationId>,
) -> Result<HashMap<ConversationId, i64>, Error> {
    let failed = database("looking for conversations");
    let ids: Vec<Vec<u8>> = ids.map(|id| id.as_bytes().to_vec()).collect();
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new("SELECT c.uid, c.id FROM conversations c WHERE c.uid IN (");
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(id.clone());
        }
        sql.push(") AND c.tenant = ").push_bind(scope.tenant().as_str().to_owned());
        for row in sql.build().fetch_all(&files.readers).await.map_err(&failed)? {
            found.insert(ConversationId::from_bytes(row::uid(&row, 0)?), row.try_get(1).map_err(&failed)?);
        }
    }
    Ok(found)
}

/// Tells of each document where it stands; `None` where its row is gone, or another tenant's.
async fn there(files: &Files, scope: &Scope, docs: &[TopDoc]) -> Result<Vec<Option<Place>>, Error> {
    let failed = database("reading the hits");
    let mut titles = HashMap::new();
    let mut messages = HashSet::new();
    for (is_title, what) in [(true, TITLES_THERE), (false, MESSAGES_THERE)] {
        let of_kind: Vec<&TopDoc> = docs.iter().filter(|doc| doc.is_title == is_title).collect();
        for docs in of_kind.chunks(IDS_MAX) {
            let mut sql = QueryBuilder::new(what);
            let mut list = sql.separated(", ");
            for doc in docs {
                list.push_bind(if is_title { doc.conversation_row } else { doc.message_id });
            }
            sql.push(") AND c.tenant = ").push_bind(scope.tenant().as_str().to_owned());
            for row in sql.build().fetch_all(&files.readers).await.map_err(&failed)? {
                let number: i64 = row.try_get(1).map_err(&failed)?;
                if is_title {
                    titles.insert(number, ConversationId::from_bytes(row::uid(&row, 0)?));
                } else {
                    messages.insert(number);
                }
            }
        }
    }
    let place = |doc: &TopDoc| match doc.is_title {
        true => titles.get(&doc.conversation_row).map(|id| Place::Title(*id)),
        false => messages.contains(&doc.message_id).then_some(Place::Message(MessageId(doc.message_id))),
    };
    Ok(docs.iter().map(place).collect())
}

async fn conversation_row(files: &Files, scope: &Scope, id: ConversationId) -> Result<Option<i64>, Error> {
    sqlx::query_scalar("SELECT id FROM conversations WHERE uid = ? AND tenant = ?")
        .bind(&id.as_bytes()[..])
        .bind(scope.tenant().as_str())
        .fetch_optional(&files.readers)
        .await
        .map_err(database("looking for the conversation"))
}

/// Fetches what is shown of the hits, each in its place.
async fn ranked(
    files: &Files,
    indexes: &Indexes,
    scope: &Scope,
    asked: &Asked,
    page: &[TopDoc],
) -> Result<Vec<Ranked>, Error> {
    let failed = database("reading the hits");
    // Lists and not lazy iterators: a closure over a borrow that lives across a wait keeps servers from seeing that
    // this future may move between threads.
    let (titles, texts): (Vec<&TopDoc>, Vec<&TopDoc>) = page.iter().partition(|doc| doc.is_title);
    let titles: Vec<i64> = titles.iter().map(|doc| doc.conversation_row).collect();
    let texts: Vec<i64> = texts.iter().map(|doc| doc.message_id).collect();
    let conversations = fetch(files, scope, CONVERSATIONS, titles.into_iter()).await?;
    let messages = fetch(files, scope, MESSAGES, texts.into_iter()).await?;
    let found: HashMap<(bool, i64), &SqliteRow> = conversations
        .iter()
        .map(|row| (true, row))
        .chain(messages.iter().map(|row| (false, row)))
        .map(|(is_title, row)| Ok(((is_title, row.try_get(9).map_err(&failed)?), row)))
        .collect::<Result<_, Error>>()?;
    indexes.with_analyzer(|analyzer| {
        let in_text = Wanted::in_text(asked.expr.as_ref(), analyzer);
        let in_title = Wanted::in_title(asked.expr.as_ref(), analyzer);
        let mut shared = HashMap::new();
        let mut hits = Vec::with_capacity(page.len());
        for doc in page {
            let key = if doc.is_title { doc.conversation_row } else { doc.message_id };
            let score = doc.score;
            let Some(row) = found.get(&(doc.is_title, key)) else {
                hits.push(Ranked { hit: None, score, as_typed: 0.0 });
                continue;
            };
            let id = row::uid(row, 0)?;
            let (conversation, title_marks) = match shared.get(&id) {
                Some((conversation, marks)) => (Arc::clone(conversation), Vec::clone(marks)),
                None => {
                    let conversation = Arc::new(row::summary(row)?);
                    let title = conversation.title.as_deref().unwrap_or_default();
                    let marks = snippet::marks(title, &in_title, analyzer);
                    shared.insert(id, (Arc::clone(&conversation), marks.clone()));
                    (conversation, marks)
                }
            };
            let (hit, as_typed) = if doc.is_title {
                let title = conversation.title.clone().unwrap_or_default();
                let as_typed = snippet::as_typed(&title, &in_title, analyzer);
                (title_hit(conversation, title_marks, score), as_typed)
            } else {
                let text: &str = row.try_get(15).map_err(&failed)?;
                let (snippet, as_typed) = snippet::passage(text, &in_text, analyzer, SNIPPET_CHARS);
                (message_hit(row, conversation, title_marks, score, snippet)?, as_typed)
            };
            hits.push(Ranked { hit: Some(hit), score, as_typed });
        }
        Ok(hits)
    })
}

fn title_hit(
    conversation: Arc<ConversationSummary>,
    title_marks: Vec<std::ops::Range<usize>>,
    score: f64,
) -> Hit {
    Hit {
        title_marks,
        message: None,
        position: 0,
        role: Role::User,
        model: conversation.model.clone(),
        created_at: conversation.created_at,
        score,
        snippet: Snippet::default(),
        off_branch: false,
        conversation,
    }
}

fn message_hit(
    row: &SqliteRow,
    conversation: Arc<ConversationSummary>,
    title_marks: Vec<std::ops::Range<usize>>,
    score: f64,
    snippet: Snippet,
) -> Result<Hit, Error> {
    let failed = database("reading a hit");
    let flags: i64 = row.try_get(14).map_err(&failed)?;
    Ok(Hit {
        conversation,
        title_marks,
        message: Some(MessageId(row.try_get(9).map_err(&failed)?)),
        position: row.try_get(10).map_err(&failed)?,
        role: row::role(row.try_get(11).map_err(&failed)?)
            .ok_or_else(|| Error::damaged("a message's role"))?,
        model: row.try_get(12).map_err(&failed)?,
        created_at: row::time(row, 13)?,
        score,
        snippet,
        off_branch: flags & row::OFF_BRANCH != 0,
    })
}

const TITLES_THERE: &str = "SELECT c.uid, c.id FROM conversations c WHERE c.id IN (";

const MESSAGES_THERE: &str =
    "SELECT c.uid, m.id FROM messages m JOIN conversations c ON c.id = m.conversation_id
     WHERE m.id IN (";

/// Ids in one statement.
const IDS_MAX: usize = 1_000;

/// What stands behind the columns of the summary, from the row's id on.
const CONVERSATIONS: &str = "c.id FROM conversations c WHERE c.id IN (";

const MESSAGES: &str = "m.id, m.position, m.role, m.model, m.created_at, m.flags, m.content
     FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.id IN (";

async fn fetch(
    files: &Files,
    scope: &Scope,
    what: &'static str,
    ids: impl Iterator<Item = i64>,
) -> Result<Vec<SqliteRow>, Error> {
    let mut ids = ids.peekable();
    if ids.peek().is_none() {
        return Ok(Vec::new());
    }
    let mut sql = QueryBuilder::new(format!("SELECT {}, {what}", row::SUMMARY));
    let mut list = sql.separated(", ");
    for id in ids {
        list.push_bind(id);
    }
    sql.push(") AND c.tenant = ").push_bind(scope.tenant().as_str().to_owned());
    sql.build().fetch_all(&files.readers).await.map_err(database("reading the hits"))
}

fn nothing(started: Instant, notices: Vec<Notice>) -> SearchResults {
    SearchResults {
        hits: Vec::new(),
        total: Total::Exactly(0),
        notices,
        next: None,
        elapsed: started.elapsed(),
    }
}

const SOME_WORDS: &str = "No message holds all of these words; these hold some of them.";

const UNREADABLE: &str =
    "The search index cannot be read, so this was searched the slow way; it is being made anew.";

const LAGGING: &str = "The newest messages are still being indexed; some may be missing here.";

const UNBUILT: &str = "The search index is still being made, so this was searched the slow way.";

/// So many messages that the index does not have yet are read into it before a search answers.
const TAIL_ROWS: i64 = 2_000;

/// So many of the best hits are ordered by how they hold the words, too: the ten best stay the ten best.
const HEAD: usize = 10;

/// How much more a hit has that holds all words as typed (`docs/decisions/0033`).
const AS_TYPED: f64 = 0.1;

/// Characters of a passage: two to three lines.
const SNIPPET_CHARS: usize = 240;

/// 100 KiB each.
const ANALYZERS_AT_REST: usize = 4;
