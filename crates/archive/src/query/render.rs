//! A query written back the way it was understood.

use std::fmt::{self, Display, Formatter};

use super::{Expr, ParsedQuery};
use crate::{Filters, Flag};

/// Writes the query so that [`parse`](super::parse) reads the same expression and filters from it.
impl Display for ParsedQuery {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let no_filters = self.filters == Filters::default();
        if let Some(expr) = &self.expr {
            // Beside an OR, a filter would seem to belong to one side.
            let bare = no_filters || !matches!(expr, Expr::Any(_));
            parts.push(if bare { expr.to_string() } else { format!("({expr})") });
        }
        filters(&self.filters, "", &mut parts);
        if let Some(without) = &self.filters.without {
            filters(without, "-", &mut parts);
        }
        f.write_str(&parts.join(" "))
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Phrase(phrase) => write!(f, "\"{phrase}\""),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::All(members) => join(f, members, " ", |member| matches!(member, Self::Any(_))),
            Self::Any(members) => join(f, members, " OR ", |_| false),
            Self::Not(inner) => {
                f.write_str("-")?;
                grouped(f, inner, is_group(inner))
            }
            Self::Title(inner) => {
                f.write_str("title:")?;
                grouped(f, inner, is_group(inner))
            }
        }
    }
}

fn is_group(expr: &Expr) -> bool {
    matches!(expr, Expr::All(_) | Expr::Any(_) | Expr::Not(_))
}

fn join(f: &mut Formatter<'_>, members: &[Expr], between: &str, group: fn(&Expr) -> bool) -> fmt::Result {
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        grouped(f, member, group(member))?;
    }
    Ok(())
}

fn grouped(f: &mut Formatter<'_>, expr: &Expr, group: bool) -> fmt::Result {
    if group { write!(f, "({expr})") } else { write!(f, "{expr}") }
}

fn filters(filters: &Filters, sign: &str, parts: &mut Vec<String>) {
    let mut push = |name: &str, value: &str| parts.push(format!("{sign}{name}:{value}"));
    filters.providers.iter().for_each(|provider| push("provider", provider.as_str()));
    filters.models.iter().for_each(|model| push("model", &value(model)));
    filters.roles.iter().for_each(|role| push("role", role.as_str()));
    filters.users.iter().for_each(|user| push("user", &value(user)));
    filters.after.iter().for_each(|time| push("after", &time.to_string()));
    filters.before.iter().for_each(|time| push("before", &time.to_string()));
    for flag in &filters.has {
        push(
            "has",
            match flag {
                Flag::Code => "code",
                Flag::Attachment => "attachment",
                Flag::Tool => "tool",
            },
        );
    }
}

fn value(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-_.:/@*".contains(c);
    if text.chars().all(bare) { text.to_owned() } else { format!("\"{text}\"") }
}
