use std::ops::Range;

use athenaeum_archive as archive;
use serde::Serialize;
use utoipa::ToSchema;

use super::conversation::{ConversationSummary, Role, time};

/// The answer to a search.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SearchResults {
    /// In the order asked for.
    pub(crate) hits: Vec<Hit>,
    /// How many messages match.
    pub(crate) total: Total,
    /// What was understood differently than typed, or bounded; one sentence each, for people.
    pub(crate) notices: Vec<String>,
    /// Give it as `cursor` for the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
    /// Milliseconds spent in the archive.
    pub(crate) elapsed_ms: f64,
}

/// How many there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Total {
    /// The number counted.
    pub(crate) count: u64,
    /// Whether that is all; false where counting stopped.
    pub(crate) exact: bool,
}

/// One message that matches, or a conversation whose title does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hit {
    /// The conversation it stands in.
    pub(crate) conversation: ConversationSummary,
    /// The title with its matches; null where there is no title.
    pub(crate) title: Option<Marked>,
    /// The message; null where only the title matches.
    pub(crate) message_id: Option<i64>,
    /// Index of the message in its conversation.
    pub(crate) position: u32,
    /// Who speaks.
    pub(crate) role: Role,
    /// The model that wrote it.
    pub(crate) model: Option<String>,
    /// When it was written.
    #[schema(format = "date-time")]
    pub(crate) created_at: Option<String>,
    /// Higher is better; comparable within one answer only.
    pub(crate) score: f64,
    /// The passage around the best match.
    pub(crate) snippet: Marked,
    /// Stands in a branch that is not the current one.
    pub(crate) off_branch: bool,
}

/// A passage and the matches in it.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Marked {
    /// Plain text.
    pub(crate) text: String,
    /// The matches as start and end in Unicode scalar values (not bytes, not UTF-16 units), ascending and
    /// disjoint.
    #[schema(value_type = Vec<Vec<u32>>, examples(json!([[0, 9]])))]
    pub(crate) marks: Vec<[usize; 2]>,
    /// The same, escaped for HTML, with every match in `<mark>`.
    #[schema(examples("<mark>Sourdough</mark> &amp; rye"))]
    pub(crate) html: String,
}

/// How the matches spread, most frequent first (months oldest first).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Facets {
    /// Messages by provider.
    pub(crate) providers: Vec<Count>,
    /// Messages by model.
    pub(crate) models: Vec<Count>,
    /// Messages by role.
    pub(crate) roles: Vec<Count>,
    /// Messages by month (`2024-05`).
    pub(crate) months: Vec<Count>,
}

/// One value and how often it occurs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Count {
    /// A provider, a model, a role, a month, a day.
    pub(crate) value: String,
    /// Messages (conversations where the field says so).
    pub(crate) count: u64,
}

/// Titles that begin like the text asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Suggestions {
    /// Newest first.
    pub(crate) suggestions: Vec<ConversationSummary>,
}

impl From<archive::SearchResults> for SearchResults {
    fn from(results: archive::SearchResults) -> Self {
        let (count, exact) = match results.total {
            archive::Total::Exactly(count) => (count, true),
            archive::Total::AtLeast(count) => (count, false),
        };
        Self {
            hits: results.hits.into_iter().map(Into::into).collect(),
            total: Total { count, exact },
            notices: results.notices.into_iter().map(|notice| notice.0).collect(),
            next_cursor: results.next.map(|cursor| cursor.0),
            elapsed_ms: results.elapsed.as_secs_f64() * 1e3,
        }
    }
}

impl From<archive::Hit> for Hit {
    fn from(hit: archive::Hit) -> Self {
        let title = hit.conversation.title.as_deref().map(|title| Marked::new(title, &hit.title_marks));
        Self {
            conversation: hit.conversation.as_ref().into(),
            title,
            message_id: hit.message.map(|id| id.0),
            position: hit.position,
            role: hit.role.into(),
            model: hit.model,
            created_at: time(hit.created_at),
            score: if hit.score.is_finite() { hit.score } else { 0.0 },
            snippet: Marked::new(&hit.snippet.text, &hit.snippet.marks),
            off_branch: hit.off_branch,
        }
    }
}

impl From<archive::Facets> for Facets {
    fn from(facets: archive::Facets) -> Self {
        Self {
            providers: counts(facets.providers),
            models: counts(facets.models),
            roles: counts(facets.roles),
            months: counts(facets.months),
        }
    }
}

pub(crate) fn counts(counts: Vec<archive::Count>) -> Vec<Count> {
    counts.into_iter().map(|count| Count { value: count.value, count: count.count }).collect()
}

impl Marked {
    /// Converts marks from bytes to characters and renders them. A mark that does not fit the text is left out.
    pub(crate) fn new(text: &str, marks: &[Range<usize>]) -> Self {
        let mut html = String::with_capacity(text.len() + 13 * marks.len());
        let (mut byte, mut chars, mut counted) = (0, 0, Vec::with_capacity(marks.len()));
        for mark in marks {
            let (Some(before), Some(inside)) = (text.get(byte..mark.start), text.get(mark.clone())) else {
                continue;
            };
            let start = chars + before.chars().count();
            let end = start + inside.chars().count();
            escape(before, &mut html);
            html.push_str("<mark>");
            escape(inside, &mut html);
            html.push_str("</mark>");
            counted.push([start, end]);
            (byte, chars) = (mark.end, end);
        }
        escape(text.get(byte..).unwrap_or_default(), &mut html);
        Self { text: text.to_owned(), marks: counted, html }
    }
}

/// Appends `text` so that it is only text, in an element or in a quoted attribute.
pub(crate) fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_count_characters_and_html_is_escaped() {
        let text = "é <b>naïve</b> & 日本";
        let of = |part: &str| {
            let start = text.find(part).unwrap();
            start..start + part.len()
        };
        let marked = Marked::new(text, &[of("naïve"), of("日本")]);
        assert_eq!(marked.marks, [[5, 10], [17, 19]]);
        assert_eq!(marked.html, "é &lt;b&gt;<mark>naïve</mark>&lt;/b&gt; &amp; <mark>日本</mark>");
    }

    proptest! {
        #[test]
        fn no_text_and_no_marks_make_markup(
            text in "[a-c<>&'\"é日😀]{0,40}",
            marks in prop::collection::vec((0usize..60, 0usize..60), 0..6),
        ) {
            let marks: Vec<Range<usize>> = marks.into_iter().map(|(start, end)| start..end).collect();
            let marked = Marked::new(&text, &marks);
            let length = text.chars().count();
            prop_assert!(marked.marks.iter().all(|[start, end]| start <= end && *end <= length));
            prop_assert!(marked.marks.windows(2).all(|pair| pair[0][1] <= pair[1][0]));
            let bare = marked.html.replace("<mark>", "").replace("</mark>", "");
            prop_assert!(!bare.contains(['<', '>', '"', '\'']));
            let read = bare.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
            prop_assert_eq!(read.replace("&amp;", "&"), text);
        }
    }

    #[test]
    fn marks_that_do_not_fit_do_no_harm() {
        let marked = Marked::new("é'\"", &[1..2, 0..2, 0..1, 3..99]);
        assert_eq!(marked.marks, [[0, 1]]);
        assert_eq!(marked.html, "<mark>é</mark>&#39;&quot;");
    }
}
