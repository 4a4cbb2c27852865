//! Conversations as resources: `athenaeum://conversation/ID`, and `?start=N&offset=N` to begin further on.

use athenaeum_archive::{ConversationSummary, Cursor, Filters};
use athenaeum_core::ConversationId;
use rmcp::model::{
    CacheScope, ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};

use super::{
    Asker, Mcp,
    reading::{Place, read as read_page},
};
use crate::problem::{Kind, Problem};

/// Names a conversation from message `start` on (from 1; 0 is its head), past `offset` characters of that.
pub(super) fn uri(id: ConversationId, start: u32, offset: usize) -> String {
    match (start, offset) {
        (0, 0) => format!("{BASE}{id}"),
        (start, 0) => format!("{BASE}{id}?start={start}"),
        (start, offset) => format!("{BASE}{id}?start={start}&offset={offset}"),
    }
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(format!("{BASE}{{id}}{{?start,offset}}"), "conversation")
            .with_title("A conversation")
            .with_description(
                "A conversation as Markdown, by its id; `start` is the number of the message to begin with. Long \
                 ones come in parts, each of which ends with the address of the next.",
            )
            .with_mime_type(MARKDOWN),
    ]
}

/// Lists conversations, newest first.
pub(super) async fn list(
    mcp: &Mcp,
    asker: &Asker,
    after: Option<String>,
) -> Result<ListResourcesResult, Problem> {
    let after = after.map(Cursor);
    let page =
        mcp.archive.conversations(&asker.scope, &Filters::default(), after.as_ref(), ON_A_PAGE).await?;
    let mut list = ListResourcesResult::with_all_items(page.items.iter().map(resource).collect());
    list.next_cursor = page.next.map(|cursor| cursor.0);
    Ok(list.with_ttl_ms(0).with_cache_scope(CacheScope::Private))
}

/// Reads a conversation, or the part of it that the address names.
pub(super) async fn read(mcp: &Mcp, asker: &Asker, address: &str) -> Result<ReadResourceResult, Problem> {
    let (id, start, offset) = parse(address).ok_or_else(|| {
        let shown: String = address.chars().take(200).collect();
        Problem::new(
            Kind::NotFound,
            format!("Nothing has the address '{shown}'; there are {BASE}ID, {BASE}ID?start=N."),
        )
    })?;
    let page = read_page(mcp, asker, id, Place::At { start, offset }, PART).await?;
    let mut text = page.markdown;
    if let Some((start, offset)) = page.next {
        text.push_str(&format!("\n---\nThe conversation goes on in {}\n", uri(id, start, offset)));
    }
    let contents = ResourceContents::text(text, address).with_mime_type(MARKDOWN);
    Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(0).with_cache_scope(CacheScope::Private))
}

fn parse(address: &str) -> Option<(ConversationId, u32, usize)> {
    let rest = address.strip_prefix(BASE)?;
    let (id, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (mut start, mut offset) = (0, 0);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=')? {
            ("start", number) => start = number.parse().ok()?,
            ("offset", number) => offset = number.parse().ok()?,
            _ => return None,
        }
    }
    Some((id.parse().ok()?, start, offset))
}

fn resource(about: &ConversationSummary) -> Resource {
    let title = about.title.as_deref().unwrap_or("Untitled conversation");
    let day =
        about.created_at.map(|time| time.to_string()).and_then(|time| time.get(..10).map(str::to_owned));
    let count = about.message_count;
    let plural = if count == 1 { "" } else { "s" };
    let description = format!(
        "{} · {} · {count} message{plural}",
        about.provider.title(),
        day.as_deref().unwrap_or("undated")
    );
    Resource::new(uri(about.id, 0, 0), title)
        .with_title(title)
        .with_description(description)
        .with_mime_type(MARKDOWN)
}

const BASE: &str = "athenaeum://conversation/";
const MARKDOWN: &str = "text/markdown";
/// Resources on a page of the list.
const ON_A_PAGE: usize = 50;
/// Characters of a part. A person chose this conversation, so it comes whole unless it is very long.
const PART: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        let id: ConversationId = "01900000-0000-7000-8000-000000000001".parse().unwrap();
        for place in [(0, 0), (7, 0), (7, 20_000), (0, 5)] {
            assert_eq!(parse(&uri(id, place.0, place.1)), Some((id, place.0, place.1)));
        }
        for other in ["", "athenaeum://conversation/", "athenaeum://conversation/x", "file:///etc/passwd"] {
            assert_eq!(parse(other), None, "{other}");
        }
        for query in ["?start=-1", "?start", "?end=1", "?start=99999999999"] {
            assert_eq!(parse(&format!("{BASE}{id}{query}")), None, "{query}");
        }
    }
}
