//! Filters as SQL. Values are always bound, never written into the text.

use athenaeum_core::{Provider, Timestamp};
use athenaeum_tenancy::Scope;
use sqlx::{Sqlite, query_builder::QueryBuilder};

use super::row;
use crate::{Filters, Flag};

/// Adds ` AND …` for every filter that concerns conversations (`c`) alone. Times are compared with the
/// conversation's beginning; one without any time has 0 there and passes none of them.
pub(crate) fn conversations(sql: &mut QueryBuilder<Sqlite>, scope: &Scope, filters: &Filters) {
    sql.push(" c.tenant = ").push_bind(scope.tenant().as_str().to_owned());
    any(sql, "c.provider", false, filters.providers.iter().map(Provider::as_str));
    models(sql, "c.model", false, &filters.models);
    any(sql, "c.user_id", false, filters.users.iter().map(String::as_str));
    if let Some(after) = filters.after {
        sql.push(" AND c.began_at >= ").push_bind(after.as_micros());
    }
    if let Some(before) = filters.before {
        sql.push(" AND c.began_at <> 0 AND c.began_at <= ").push_bind(before.as_micros());
    }
    if let Some(id) = filters.conversation {
        sql.push(" AND c.uid = ").push_bind(id.as_bytes().to_vec());
    }
    if let Some(without) = &filters.without {
        any(sql, "c.provider", true, without.providers.iter().map(Provider::as_str));
        models(sql, "c.model", true, &without.models);
        any(sql, "c.user_id", true, without.users.iter().map(String::as_str));
        not_time(sql, "nullif(c.began_at, 0)", without);
    }
    let flags = flags(&filters.has);
    if flags != 0 || !filters.roles.is_empty() {
        sql.push(" AND EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = c.id");
        has(sql, flags);
        any(sql, "m.role", false, filters.roles.iter().map(|role| role.as_str()));
        sql.push(")");
    }
}

/// Adds ` AND …` for every filter on messages (`m`) and their conversation (`c`). A message without a time of
/// its own has its conversation's.
pub(crate) fn messages(sql: &mut QueryBuilder<Sqlite>, scope: &Scope, filters: &Filters) {
    sql.push(" c.tenant = ").push_bind(scope.tenant().as_str().to_owned());
    any(sql, "c.provider", false, filters.providers.iter().map(Provider::as_str));
    models(sql, "coalesce(m.model, c.model)", false, &filters.models);
    any(sql, "c.user_id", false, filters.users.iter().map(String::as_str));
    any(sql, "m.role", false, filters.roles.iter().map(|role| role.as_str()));
    time(sql, " >= ", filters.after);
    time(sql, " <= ", filters.before);
    has(sql, flags(&filters.has));
    if let Some(id) = filters.conversation {
        sql.push(" AND c.uid = ").push_bind(id.as_bytes().to_vec());
    }
    if !filters.include_hidden {
        sql.push(format!(" AND m.flags & {} = 0", row::HIDDEN));
    }
    if let Some(without) = &filters.without {
        any(sql, "c.provider", true, without.providers.iter().map(Provider::as_str));
        models(sql, "coalesce(m.model, c.model)", true, &without.models);
        any(sql, "c.user_id", true, without.users.iter().map(String::as_str));
        any(sql, "m.role", true, without.roles.iter().map(|role| role.as_str()));
        not_time(sql, row::time_sql!(), without);
        for flag in &without.has {
            sql.push(format!(" AND m.flags & {} = 0", flags(&[*flag])));
        }
    }
}

/// Joins two filters into one that both must pass; `None` where nothing can.
pub(crate) fn both(a: &Filters, b: &Filters) -> Option<Filters> {
    Some(Filters {
        providers: common(&a.providers, &b.providers, |a, b| a == b)?,
        models: common(&a.models, &b.models, |a, b| model_matches(a, b))?,
        roles: common(&a.roles, &b.roles, |a, b| a == b)?,
        users: common(&a.users, &b.users, |a, b| a == b)?,
        after: a.after.max(b.after),
        before: match (a.before, b.before) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
        has: [a.has.clone(), b.has.clone()].concat(),
        without: match (&a.without, &b.without) {
            (Some(a), Some(b)) => Some(Box::new(either(a, b))),
            (a, b) => a.clone().or_else(|| b.clone()),
        },
        conversation: match (a.conversation, b.conversation) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => a.or(b),
        },
        include_hidden: a.include_hidden || b.include_hidden,
    })
}

/// Joins what two filters exclude.
fn either(a: &Filters, b: &Filters) -> Filters {
    Filters {
        providers: [a.providers.clone(), b.providers.clone()].concat(),
        models: [a.models.clone(), b.models.clone()].concat(),
        roles: [a.roles.clone(), b.roles.clone()].concat(),
        users: [a.users.clone(), b.users.clone()].concat(),
        after: a.after.or(b.after),
        before: a.before.or(b.before),
        has: [a.has.clone(), b.has.clone()].concat(),
        without: None,
        conversation: a.conversation.or(b.conversation),
        include_hidden: false,
    }
}

/// Returns the values that both lists allow, where an empty one allows all; `None` where there is none.
fn common<T: Clone>(a: &[T], b: &[T], allows: impl Fn(&T, &T) -> bool) -> Option<Vec<T>> {
    if a.is_empty() || b.is_empty() {
        return Some([a, b].concat());
    }
    let narrow = |of: &[T], by: &[T]| -> Vec<T> {
        of.iter().filter(|value| by.iter().any(|pattern| allows(pattern, value))).cloned().collect()
    };
    let mut values = narrow(a, b);
    for value in narrow(b, a) {
        if !values.iter().any(|known| allows(known, &value)) {
            values.push(value);
        }
    }
    (!values.is_empty()).then_some(values)
}

/// Tells whether the pattern, perhaps with a `*` at its end, allows the value, itself perhaps a pattern.
fn model_matches(pattern: &str, value: &str) -> bool {
    let (pattern, value) = (pattern.to_lowercase(), value.to_lowercase());
    pattern.strip_suffix('*').map_or_else(|| pattern == value, |start| value.starts_with(start))
}

fn time(sql: &mut QueryBuilder<Sqlite>, operator: &'static str, bound: Option<Timestamp>) {
    if let Some(bound) = bound {
        sql.push(concat!(" AND ", row::time_sql!())).push(operator).push_bind(bound.as_micros());
    }
}

/// Each excluded bound stands for itself. What has no time was not written in a given span.
fn not_time(sql: &mut QueryBuilder<Sqlite>, column: &'static str, without: &Filters) {
    for (operator, bound) in [(" < ", without.after), (" > ", without.before)] {
        if let Some(bound) = bound {
            sql.push(format!(" AND coalesce({column}{operator}")).push_bind(bound.as_micros()).push(", 1)");
        }
    }
}

fn has(sql: &mut QueryBuilder<Sqlite>, flags: i64) {
    if flags != 0 {
        sql.push(format!(" AND m.flags & {flags} = {flags}"));
    }
}

fn any<'a>(
    sql: &mut QueryBuilder<Sqlite>,
    column: &'static str,
    not: bool,
    values: impl ExactSizeIterator<Item = &'a str>,
) {
    if values.len() == 0 {
        return;
    }
    // A missing value is none of those that must not match.
    sql.push(format!(" AND {}{column}", if not { "coalesce(" } else { "" }));
    sql.push(if not { ", '') NOT IN (" } else { " IN (" });
    let mut list = sql.separated(", ");
    for value in values {
        list.push_bind(value.to_owned());
    }
    sql.push(")");
}

/// Compares without case; a trailing `*` matches any ending.
fn models(sql: &mut QueryBuilder<Sqlite>, column: &'static str, not: bool, models: &[String]) {
    if models.is_empty() {
        return;
    }
    sql.push(if not { " AND NOT (" } else { " AND (" });
    for (i, model) in models.iter().enumerate() {
        sql.push(if i > 0 { " OR " } else { "" });
        sql.push(format!("coalesce({column} LIKE ")).push_bind(like(model)).push(" ESCAPE '\\', 0)");
    }
    sql.push(")");
}

fn like(model: &str) -> String {
    let (text, ending) = model.strip_suffix('*').map_or((model, ""), |start| (start, "%"));
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    escaped + ending
}

fn flags(has: &[Flag]) -> i64 {
    has.iter().fold(0, |flags, flag| {
        flags
            | match flag {
                Flag::Code => row::HAS_CODE,
                Flag::Attachment => row::HAS_ATTACHMENT,
                Flag::Tool => row::HAS_TOOL,
            }
    })
}
