//! The list of filters beside results: what else could be chosen, and how much it would leave.

use athenaeum_archive::{Count, Facets};

use crate::{
    choice::{Choice, Kind, label},
    html::{grouped, shortened},
};

/// Values shown of one kind; the rest are reachable through the query language.
const VALUES_MAX: usize = 12;

/// Filters of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) facets: Vec<Facet>,
}

/// One filter that can be put on or taken off.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facet {
    pub(crate) label: String,
    /// Empty where it is not known.
    pub(crate) count: String,
    pub(crate) chosen: bool,
    pub(crate) href: String,
}

/// Makes the groups for a page of messages.
pub(crate) fn of_messages(choice: &Choice, facets: &Facets, path: &str) -> Vec<Group> {
    let groups = [
        ("Provider", Kind::Provider, &facets.providers),
        ("Speaker", Kind::Role, &facets.roles),
        ("Model", Kind::Model, &facets.models),
    ];
    let mut groups: Vec<Group> =
        groups.into_iter().map(|(title, kind, counts)| group(title, choice, kind, counts, path)).collect();
    let has =
        ["code", "attachment", "tool"].map(|value| facet(choice, Kind::Has, value, String::new(), path));
    groups.push(Group { title: "Only", facets: has.into() });
    groups.retain(|group| !group.facets.is_empty());
    groups
}

/// Makes the one group that counts conversations.
pub(crate) fn of_conversations(choice: &Choice, providers: &[Count], path: &str) -> Vec<Group> {
    let group = group("Provider", choice, Kind::Provider, providers, path);
    if group.facets.is_empty() { Vec::new() } else { vec![group] }
}

fn group(title: &'static str, choice: &Choice, kind: Kind, counts: &[Count], path: &str) -> Group {
    let mut facets: Vec<Facet> = counts
        .iter()
        .filter(|count| !count.value.is_empty())
        .take(VALUES_MAX)
        .map(|count| facet(choice, kind, &count.value, grouped(count.count), path))
        .collect();
    // What is chosen must stay in sight to be taken off, though nothing matches it.
    let chosen = match kind {
        Kind::Provider => &choice.providers,
        Kind::Model => &choice.models,
        Kind::Role => &choice.roles,
        Kind::Has => &choice.has,
    };
    for value in chosen {
        let shown = counts.iter().take(VALUES_MAX).any(|count| count.value == *value);
        if !shown {
            facets.push(facet(choice, kind, value, String::new(), path));
        }
    }
    Group { title, facets }
}

fn facet(choice: &Choice, kind: Kind, value: &str, count: String, path: &str) -> Facet {
    Facet {
        label: shortened(&label(kind, value), 60),
        count,
        chosen: choice.has_value(kind, value),
        href: choice.toggled(kind, value).href(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_stays_in_sight() {
        let choice = Choice::read(&[("q".into(), "x".into()), ("provider".into(), "zed".into())]);
        let counts = [Count { value: "claude".into(), count: 1_200 }];
        let groups = of_conversations(&choice, &counts, "/search");
        let told: Vec<_> = groups[0]
            .facets
            .iter()
            .map(|facet| (facet.label.as_str(), facet.count.as_str(), facet.chosen, facet.href.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("Claude", "1,200", false, "/search?q=x&provider=zed&provider=claude"),
                ("Zed", "", true, "/search?q=x"),
            ]
        );
    }
}
