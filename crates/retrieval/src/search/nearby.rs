//! What is near in meaning, under a search's filters.

use std::{collections::HashMap, sync::Arc};

use athenaeum_archive::{
    Archive, Filters, SearchRequest,
    library::Library,
    query::{Expr, ParsedQuery},
};
use athenaeum_core::{
    ChunkId, MessageId, Timestamp,
    vector::{Condition, Filter, Span},
};
use athenaeum_tenancy::Scope;

use super::{Request, SearchError};
use crate::meaning::{NearMessage, Question, flag_name};

/// Returns what of a query has a meaning; `None` where it has only filters. A question is taken to the letter.
pub(super) fn words(text: &str, parsed: &ParsedQuery) -> Option<String> {
    let expr = parsed.expr.as_ref()?;
    if parsed.filters == Filters::default() && expr.is_plain() {
        return Some(text.trim().to_owned());
    }
    let mut words = Vec::new();
    gather(expr, &mut words);
    (!words.is_empty()).then(|| words.join(" "))
}

fn gather<'e>(expr: &'e Expr, words: &mut Vec<&'e str>) {
    match expr {
        Expr::Word(word) | Expr::Phrase(word) | Expr::Prefix(word) => words.push(word),
        Expr::All(members) | Expr::Any(members) => members.iter().for_each(|member| gather(member, words)),
        // What is not wanted has no place in what is; a title is demanded, not looked for.
        Expr::Not(_) | Expr::Title(_) => {}
    }
}

/// Returns the chunks nearest to a question.
pub(super) async fn chunks(
    library: &Library,
    scope: &Scope,
    question: &Question,
    request: &Request,
    filters: &Filters,
    depth: usize,
) -> Result<Vec<(ChunkId, f64)>, SearchError> {
    let mut tags = Vec::new();
    if !request.formats.is_empty() {
        tags.push(Condition::any("format", request.formats.iter().cloned()));
    }
    match &request.documents {
        // A condition without values would let all pass.
        Some(documents) if documents.is_empty() => return Ok(Vec::new()),
        Some(documents) => tags.push(Condition::any("document", documents.iter().map(ToString::to_string))),
        None => {}
    }
    let filter = Filter { tags, valid: span(filters), ..Filter::default() };
    let mut near = question.chunks_near(filter, depth).await?;
    // What is gone from the library takes no rank from what is there.
    let ids: Vec<ChunkId> = near.iter().map(|(id, _)| *id).collect();
    let known = library.known(scope, &ids).await?;
    near.retain(|(id, _)| known.contains(id));
    Ok(near)
}

/// Returns the messages nearest to a question that the request lets pass. What the vectors know is asked of them; for the
/// rest the rows are, and more vectors, until enough have passed.
pub(super) async fn messages(
    archive: &Archive,
    scope: &Scope,
    question: &Question,
    request: &SearchRequest,
    filters: &Filters,
    depth: usize,
) -> Result<Vec<NearMessage>, SearchError> {
    let mut filter = Filter { tags: conditions(filters), valid: span(filters), ..Filter::default() };
    if let Some(conversation) = filters.conversation {
        filter.keys = Some(Arc::new(question.keys_of(conversation).await?));
    }
    let mut limit = depth * PIECES_A_MESSAGE;
    let mut passed: HashMap<MessageId, bool> = HashMap::new();
    loop {
        let (mut near, more) = question.messages_near(filter.clone(), limit).await?;
        let fresh: Vec<MessageId> =
            near.iter().map(|near| near.id).filter(|id| !passed.contains_key(id)).collect();
        let passing = archive.passing(scope, request, &fresh).await?;
        passed.extend(fresh.into_iter().map(|id| (id, passing.contains(&id))));
        near.retain(|near| passed[&near.id]);
        if near.len() >= depth || !more || limit >= LOOKED_AT {
            near.truncate(depth);
            return Ok(near);
        }
        limit = (limit * 4).min(LOOKED_AT);
    }
}

/// Says what of the filters the vectors' tags know.
fn conditions(filters: &Filters) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let providers = |filters: &Filters| filters.providers.iter().map(|one| one.as_str().to_owned()).collect();
    let roles = |filters: &Filters| filters.roles.iter().map(|one| one.as_str().to_owned()).collect();
    let mut any = |name: &str, values: Vec<String>, negated: bool| {
        if !values.is_empty() {
            let condition = Condition::any(name, values);
            conditions.push(Condition { negated, ..condition });
        }
    };
    any("provider", providers(filters), false);
    any("role", roles(filters), false);
    for flag in &filters.has {
        any("has", vec![flag_name(*flag).to_owned()], false);
    }
    if let Some(without) = &filters.without {
        any("provider", providers(without), true);
        any("role", roles(without), true);
        any("has", without.has.iter().map(|flag| flag_name(*flag).to_owned()).collect(), true);
    }
    conditions
}

fn span(filters: &Filters) -> Option<Span> {
    let until = filters.before.map(|before| Timestamp::from_micros(before.as_micros().saturating_add(1)));
    let span = Span { from: filters.after, until };
    (span != Span::ALWAYS).then(|| match span.from {
        // What has no time lies before all time, and is in no span.
        None => Span { from: Some(Timestamp::from_micros(i64::MIN + 2)), ..span },
        Some(_) => span,
    })
}

/// Long messages may come up several times.
const PIECES_A_MESSAGE: usize = 2;

/// Vectors looked at for one search at most. Only a filter that the vectors know nothing of, and that hardly anything passes,
/// comes so far.
const LOOKED_AT: usize = 65_536;

#[cfg(test)]
mod tests {
    use athenaeum_archive::query;

    use super::*;

    #[test]
    fn a_question_is_taken_to_the_letter_and_filters_are_not() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(words(text, &query::parse(text)).as_deref(), expected, "{text}");
        };
        check("How long does it rise?", Some("How long does it rise?"));
        check("dough provider:claude", Some("dough"));
        check("\"rises slowly\" -yeast OR brea*", Some("rises slowly brea"));
        check("title:bread", None);
        check("after:2024 role:user", None);
        check("", None);
    }
}
