//! What a reader chose: the words and filters in a page's address, and the addresses of the choices next to it.

use athenaeum_archive::{Cursor, Filters, Flag, SearchRequest, Sort};
use athenaeum_core::{Provider, Role};

use crate::{address::Address, when::Clock};

/// The part of an address that says what to find. Kept as typed, so that no choice is lost on the next page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) q: String,
    pub(crate) providers: Vec<String>,
    pub(crate) models: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) has: Vec<String>,
    /// First and last day, `2024-05-17`.
    pub(crate) after: String,
    pub(crate) before: String,
    pub(crate) recent: bool,
    /// Where to look: `chats`, `library`, or empty for both.
    pub(crate) within: String,
    pub(crate) cursor: Option<String>,
}

/// A kind of filter with any number of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Provider,
    Model,
    Role,
    Has,
}

impl Kind {
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Role => "role",
            Self::Has => "has",
        }
    }
}

/// A filter that is on, with the address of the same page without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chip {
    pub(crate) label: String,
    pub(crate) without: String,
}

/// Longest query that is looked at, in bytes; a longer one is cut.
const QUERY_BYTES_MAX: usize = 4_096;
/// Most values of one kind.
const VALUES_MAX: usize = 64;

impl Choice {
    /// Reads the parameters of an address; unknown ones are none of ours and are passed over.
    pub(crate) fn read(parameters: &[(String, String)]) -> Self {
        let mut choice = Self::default();
        for (name, value) in parameters {
            let value = value.trim();
            match name.as_str() {
                "q" => choice.q = value[..value.floor_char_boundary(QUERY_BYTES_MAX)].to_owned(),
                "after" => choice.after = value.chars().take(10).collect(),
                "before" => choice.before = value.chars().take(10).collect(),
                "in" if matches!(value, "chats" | "library") => choice.within = value.to_owned(),
                "sort" => choice.recent = value == "recent",
                "cursor" => choice.cursor = (!value.is_empty()).then(|| value.to_owned()),
                "provider" => push(&mut choice.providers, value),
                "model" => push(&mut choice.models, value),
                "role" => push(&mut choice.roles, value),
                "has" => push(&mut choice.has, value),
                _ => {}
            }
        }
        choice
    }

    /// Tells whether nothing at all was asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.q.is_empty() && !self.is_filtered()
    }

    /// Tells whether any filter is on.
    pub(crate) fn is_filtered(&self) -> bool {
        let lists = [&self.providers, &self.models, &self.roles, &self.has];
        lists.iter().any(|list| !list.is_empty()) || !self.after.is_empty() || !self.before.is_empty()
    }

    pub(crate) fn has_value(&self, kind: Kind, value: &str) -> bool {
        self.values(kind).iter().any(|chosen| chosen == value)
    }

    /// Returns the filters meant, days in the reader's time zone; values that mean nothing are left out.
    pub(crate) fn filters(&self, clock: &Clock) -> Filters {
        let day = |text: &str| text.parse::<jiff::civil::Date>().ok();
        Filters {
            providers: self.providers.iter().filter_map(|name| name.parse::<Provider>().ok()).collect(),
            models: self.models.clone(),
            roles: self.roles.iter().filter_map(|name| Role::from_name(name)).collect(),
            has: self.has.iter().filter_map(|name| flag(name)).collect(),
            after: day(&self.after).and_then(|day| clock.beginning(day)),
            before: day(&self.before).and_then(|day| clock.end(day)),
            ..Filters::default()
        }
    }

    /// Returns the search meant.
    pub(crate) fn request(&self, clock: &Clock, limit: usize) -> SearchRequest {
        SearchRequest {
            query: self.q.clone(),
            filters: self.filters(clock),
            sort: if self.recent { Sort::Recent } else { Sort::Relevance },
            limit,
            cursor: self.cursor.clone().map(Cursor),
        }
    }

    /// Returns the address of this choice at `path`.
    pub(crate) fn href(&self, path: &str) -> String {
        let mut address = Address::new(path);
        for (name, value) in self.pairs() {
            address.add(name, &value);
        }
        address.finish()
    }

    /// Returns all parameters but the words and the place in the list: what the search form keeps.
    pub(crate) fn hidden(&self) -> Vec<(&'static str, String)> {
        self.pairs().into_iter().filter(|(name, _)| !matches!(*name, "q" | "cursor")).collect()
    }

    /// Returns the parameters that the form for days keeps.
    pub(crate) fn hidden_beside_days(&self) -> Vec<(&'static str, String)> {
        self.pairs().into_iter().filter(|(name, _)| !matches!(*name, "cursor" | "after" | "before")).collect()
    }

    /// Returns this choice with `value` put in, or taken out if it is in already; from the first page on.
    pub(crate) fn toggled(&self, kind: Kind, value: &str) -> Self {
        let mut next = Self { cursor: None, ..self.clone() };
        let values = next.values_mut(kind);
        match values.iter().position(|chosen| chosen == value) {
            Some(at) => {
                values.remove(at);
            }
            None => values.push(value.to_owned()),
        }
        next
    }

    /// Returns this choice in the other order, from the first page on.
    pub(crate) fn sorted(&self, recent: bool) -> Self {
        Self { recent, cursor: None, ..self.clone() }
    }

    /// Returns this choice looking elsewhere, from the first page on.
    pub(crate) fn within(&self, place: &str) -> Self {
        Self { within: place.to_owned(), cursor: None, ..self.clone() }
    }

    /// Tells whether a filter is on that only messages can pass.
    pub(crate) fn is_of_messages(&self) -> bool {
        let lists = [&self.providers, &self.models, &self.roles, &self.has];
        self.within == "chats" || lists.iter().any(|list| !list.is_empty())
    }

    /// Returns the next page of this choice.
    pub(crate) fn continued(&self, cursor: &Cursor) -> Self {
        Self { cursor: Some(cursor.0.clone()), ..self.clone() }
    }

    /// Returns the filters that are on.
    pub(crate) fn chips(&self, path: &str) -> Vec<Chip> {
        let mut chips = Vec::new();
        for kind in [Kind::Provider, Kind::Model, Kind::Role, Kind::Has] {
            for value in self.values(kind) {
                let without = self.toggled(kind, value).href(path);
                chips.push(Chip { label: label(kind, value), without });
            }
        }
        if !self.after.is_empty() {
            let without = Self { after: String::new(), cursor: None, ..self.clone() };
            chips.push(Chip { label: format!("from {}", self.after), without: without.href(path) });
        }
        if !self.before.is_empty() {
            let without = Self { before: String::new(), cursor: None, ..self.clone() };
            chips.push(Chip { label: format!("until {}", self.before), without: without.href(path) });
        }
        chips
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        if !self.q.is_empty() {
            pairs.push(("q", self.q.clone()));
        }
        for kind in [Kind::Provider, Kind::Model, Kind::Role, Kind::Has] {
            pairs.extend(self.values(kind).iter().map(|value| (kind.parameter(), value.clone())));
        }
        if !self.after.is_empty() {
            pairs.push(("after", self.after.clone()));
        }
        if !self.before.is_empty() {
            pairs.push(("before", self.before.clone()));
        }
        if !self.within.is_empty() {
            pairs.push(("in", self.within.clone()));
        }
        if self.recent {
            pairs.push(("sort", "recent".to_owned()));
        }
        if let Some(cursor) = &self.cursor {
            pairs.push(("cursor", cursor.clone()));
        }
        pairs
    }

    fn values(&self, kind: Kind) -> &Vec<String> {
        match kind {
            Kind::Provider => &self.providers,
            Kind::Model => &self.models,
            Kind::Role => &self.roles,
            Kind::Has => &self.has,
        }
    }

    fn values_mut(&mut self, kind: Kind) -> &mut Vec<String> {
        match kind {
            Kind::Provider => &mut self.providers,
            Kind::Model => &mut self.models,
            Kind::Role => &mut self.roles,
            Kind::Has => &mut self.has,
        }
    }
}

fn push(values: &mut Vec<String>, value: &str) {
    let value: String = value.chars().take(200).collect();
    if !value.is_empty() && values.len() < VALUES_MAX && !values.contains(&value) {
        values.push(value);
    }
}

fn flag(name: &str) -> Option<Flag> {
    match name {
        "code" => Some(Flag::Code),
        "attachment" => Some(Flag::Attachment),
        "tool" => Some(Flag::Tool),
        _ => None,
    }
}

/// Tells a value of a filter for people.
pub(crate) fn label(kind: Kind, value: &str) -> String {
    match (kind, value) {
        (Kind::Provider, _) => provider_title(value),
        (Kind::Role, "user") => "You".into(),
        (Kind::Role, "assistant") => "Model".into(),
        (Kind::Role, "system") => "System".into(),
        (Kind::Role, "tool") => "Tool".into(),
        (Kind::Has, "code") => "with code".into(),
        (Kind::Has, "attachment") => "with attachments".into(),
        (Kind::Has, "tool") => "with tools".into(),
        _ => value.to_owned(),
    }
}

/// Returns the name that people know a provider by.
pub(crate) fn provider_title(name: &str) -> String {
    name.parse::<Provider>().map_or_else(|_| name.to_owned(), |provider| provider.title().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &[(&str, &str)]) -> Choice {
        let owned: Vec<_> =
            parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Choice::read(&owned)
    }

    #[test]
    fn an_address_reads_back() {
        let choice = read(&[
            ("q", " rye & \"bread\" "),
            ("provider", "claude"),
            ("provider", "chatgpt"),
            ("provider", "claude"),
            ("model", "gpt-4o"),
            ("after", "2024-01-01"),
            ("sort", "recent"),
            ("cursor", "abc"),
            ("utm_source", "x"),
        ]);
        assert_eq!(
            choice.href("/search"),
            "/search?q=rye%20%26%20%22bread%22&provider=claude&provider=chatgpt&model=gpt-4o&after=2024-01-01&sort=recent&cursor=abc"
        );
        assert_eq!(choice.providers, ["claude", "chatgpt"]);
    }

    #[test]
    fn a_choice_toggles_and_begins_again_at_the_first_page() {
        let choice = read(&[("q", "x"), ("role", "user"), ("cursor", "abc")]);
        assert_eq!(choice.toggled(Kind::Role, "user").href("/search"), "/search?q=x");
        assert_eq!(choice.toggled(Kind::Has, "code").href("/search"), "/search?q=x&role=user&has=code");
        assert_eq!(choice.chips("/search"), [Chip { label: "You".into(), without: "/search?q=x".into() }]);
    }

    #[test]
    fn values_that_mean_nothing_filter_nothing() {
        let clock = Clock::now(Some("UTC"));
        let choice =
            read(&[("provider", "../x"), ("role", "king"), ("has", "wings"), ("after", "soon"), ("q", "")]);
        assert_eq!(choice.filters(&clock), Filters::default());
        let day = read(&[("after", "2024-02-29"), ("before", "2024-02-29")]).filters(&clock);
        assert_eq!(day.after.unwrap().to_string(), "2024-02-29T00:00:00Z");
        assert_eq!(day.before.unwrap().to_string(), "2024-02-29T23:59:59.999999Z");
    }

    #[test]
    fn long_queries_are_cut_between_characters() {
        let choice = read(&[("q", &"é".repeat(5_000))]);
        assert!(choice.q.len() <= QUERY_BYTES_MAX && choice.q.chars().all(|char| char == 'é'));
    }
}
