use athenaeum_archive::{self as archive, Cursor, Filters, Flag, Notice, SearchRequest, Sort, query};
use athenaeum_core::{ConversationId, Provider, Role, Timestamp};
use athenaeum_retrieval::search::{self as retrieval, Mode, Within};
use axum::{
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};

use crate::{
    Api,
    dto::{library::Everything, params, search as dto},
    json,
    params::Params,
    problem::Problem,
};

/// Search messages
///
/// Takes the query language that `/athenaeum/v1/query-language` describes; no text is an error, and what was
/// understood differently than typed stands in `notices`. Parameters filter beside the query: both must hold. With `in`,
/// `mode`, `format`, `rerank` or `min_score`, documents are searched, too, and every hit says what it is (`kind`) and why it is there (`why`).
#[utoipa::path(
    get,
    path = "/athenaeum/v1/search",
    operation_id = "search",
    tag = "search",
    params(params::Query, params::Everywhere, params::Filter, params::Order, params::SearchPage),
    responses((status = 200, description = "The best or newest matches.", body = crate::dto::library::Found)),
)]
pub(crate) async fn search(api: Api, uri: Uri) -> Result<Response, Problem> {
    let known = [
        &["q", "in", "mode", "format", "rerank", "min_score", "conversation", "sort", "limit", "cursor"],
        FILTERS,
    ]
    .concat();
    let params = Params::read(&uri, &known)?;
    if ["in", "mode", "format", "rerank", "min_score"].iter().any(|name| params.all(name).next().is_some()) {
        return json::fresh(StatusCode::OK, &everything(&api, &params).await?);
    }
    json::fresh(StatusCode::OK, &results(&api, &params, "q").await?)
}

/// Searches for what stands in the parameter called `query`.
pub(crate) async fn results(api: &Api, params: &Params, query: &str) -> Result<dto::SearchResults, Problem> {
    let request = SearchRequest {
        limit: params.number("limit", 1..=SearchRequest::LIMIT_MAX, SearchRequest::LIMIT_DEFAULT)?,
        ..request(params, query)?
    };
    Ok(api.archive.search(&api.scope, &request).await?.into())
}

/// Searches conversations and documents, as far as the parameters say.
async fn everything(api: &Api, params: &Params) -> Result<Everything, Problem> {
    let SearchRequest { query, filters, sort, cursor, .. } = request(params, "q")?;
    let offset = cursor.map_or(Ok(0), |cursor| cursor.0.parse::<usize>());
    let offset = offset.ok().filter(|offset| *offset < OFFSET_MAX).ok_or(archive::Error::NoPage)?;
    let limit = params.number("limit", 1..=SearchRequest::LIMIT_MAX, SearchRequest::LIMIT_DEFAULT)?;
    let request = retrieval::Request {
        query,
        within: within(params.one("in")?)?.unwrap_or_default(),
        mode: mode(params.one("mode")?)?.unwrap_or_default(),
        filters,
        formats: params.each("format", "names of formats")?,
        documents: None,
        limit,
        offset,
        rerank: match params.one("rerank")? {
            None => None,
            Some(_) => Some(params.flag("rerank")?),
        },
        score_min: params.score("min_score")?,
    };
    let mut results = api.librarian()?.search(&api.archive, &api.scope, &request).await?;
    if sort == Sort::Recent {
        results.notices.push(Notice(BY_RELEVANCE.into()));
    }
    let next = results.more.then_some(offset + limit);
    Ok(Everything::new(results, next))
}

/// What stands beside results that were to be the newest.
const BY_RELEVANCE: &str =
    "These stand by relevance: only conversations found by their words can stand by time.";

/// Names of where to look.
pub(crate) const PLACES: &[&str] = &["all", "chats", "library"];

/// Names of how to look.
pub(crate) const MODES: &[&str] = &["text", "semantic", "hybrid"];

/// Reads where to look.
pub(crate) fn within(name: Option<&str>) -> Result<Option<Within>, Problem> {
    Ok(match name {
        None => None,
        Some("all") => Some(Within::All),
        Some("chats") => Some(Within::Chats),
        Some("library") => Some(Within::Library),
        Some(_) => return Err(Problem::parameter("in", "all, chats or library")),
    })
}

/// Reads how to look.
pub(crate) fn mode(name: Option<&str>) -> Result<Option<Mode>, Problem> {
    let known =
        |name| Mode::named(name).ok_or_else(|| Problem::parameter("mode", "text, semantic or hybrid"));
    name.map(known).transpose()
}

/// Nobody reads further; every list is asked for so many.
const OFFSET_MAX: usize = 10_000;

/// Count matches
///
/// Counts all matches of a search by provider, model, role and month.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/facets",
    operation_id = "countMatches",
    tag = "search",
    params(params::Query, params::Filter),
    responses((status = 200, description = "How the matches spread.", body = dto::Facets)),
)]
pub(crate) async fn facets(api: Api, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &[&["q", "conversation"], FILTERS].concat())?;
    let facets = api.archive.facets(&api.scope, &request(&params, "q")?).await?;
    json::tagged(&headers, &dto::Facets::from(facets))
}

/// Complete a title
///
/// Lists conversations whose title begins with the text, newest first.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/suggestions",
    operation_id = "suggestTitles",
    tag = "search",
    params(params::Suggestion),
    responses((status = 200, description = "The titles found.", body = dto::Suggestions)),
)]
pub(crate) async fn suggestions(api: Api, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["prefix", "limit"])?;
    let limit = params.number("limit", 1..=50, 10)?;
    let found = api.archive.suggest(&api.scope, params.one("prefix")?.unwrap_or_default(), limit).await?;
    json::tagged(&headers, &dto::Suggestions { suggestions: found.iter().map(Into::into).collect() })
}

/// The parameters that [`filters`] reads.
pub(crate) const FILTERS: &[&str] =
    &["provider", "model", "role", "user", "after", "before", "has", "hidden"];

/// Reads the filters that lists and searches share.
pub(crate) fn filters(params: &Params) -> Result<Filters, Problem> {
    let roles: Result<_, _> = params
        .all("role")
        .map(|name| {
            Role::from_name(name).ok_or_else(|| Problem::parameter("role", "user, assistant, system or tool"))
        })
        .collect();
    let has: Result<_, _> = params
        .all("has")
        .map(|name| match name {
            "code" => Ok(Flag::Code),
            "attachment" => Ok(Flag::Attachment),
            "tool" => Ok(Flag::Tool),
            _ => Err(Problem::parameter("has", "code, attachment or tool")),
        })
        .collect();
    Ok(Filters {
        providers: params.each::<Provider>("provider", "1 to 32 of a-z, 0-9, '-', '_', '.'")?,
        models: params.each("model", "any text")?,
        roles: roles?,
        users: params.each("user", "any text")?,
        after: moment(params, "after")?,
        before: moment(params, "before")?,
        has: has?,
        without: None,
        conversation: None,
        include_hidden: params.flag("hidden")?,
    })
}

/// Reads where the last page ended. What it means is the archive's business.
pub(crate) fn cursor(params: &Params) -> Result<Option<Cursor>, Problem> {
    Ok(params.one("cursor")?.filter(|text| !text.is_empty()).map(|text| Cursor(text.to_owned())))
}

/// Reads what to search for, in the parameter called `query`; how many to return is left to the caller.
pub(crate) fn request(params: &Params, query: &str) -> Result<SearchRequest, Problem> {
    let conversation: Option<ConversationId> = params
        .one("conversation")?
        .map(|text| {
            text.parse().map_err(|_| Problem::parameter("conversation", "a conversation's id (a UUID)"))
        })
        .transpose()?;
    Ok(SearchRequest {
        query: params.one(query)?.unwrap_or_default().to_owned(),
        filters: Filters { conversation, ..filters(params)? },
        sort: match params.one("sort")? {
            None | Some("relevance") => Sort::Relevance,
            Some("recent") => Sort::Recent,
            Some(_) => return Err(Problem::parameter("sort", "relevance or recent")),
        },
        cursor: cursor(params)?,
        ..SearchRequest::default()
    })
}

/// Reads a time as the query language does: a period's first moment after, its last moment before.
fn moment(params: &Params, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = params.one(name)? else { return Ok(None) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:.+/".contains(&byte);
    let found = if !text.is_empty() && text.len() <= 40 && text.bytes().all(plain) {
        let filters = query::parse(&format!("{name}:{text}")).filters;
        filters.after.or(filters.before)
    } else {
        None
    };
    let accepted = "a time: 2024, 2024-05, 2024-05-17, 2024-05-17T08:30:00Z, today, last-month, 7d";
    found.map(Some).ok_or_else(|| Problem::parameter(name, accepted))
}
