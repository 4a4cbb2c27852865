/// One line of the help about queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Help {
    /// What to type.
    pub example: &'static str,
    /// What it finds: a phrase without a full stop.
    pub finds: &'static str,
}

/// The query language in examples, simplest first. Shown by programs and pages;
/// `docs/query-language.md` holds the same table.
pub const HELP: &[Help] = &[
    help("sourdough starter", "messages with both words, in any form (start, started, starters)"),
    help("\"sourdough starter\"", "these words next to each other, in this order"),
    help("organiz*", "words that begin like this"),
    help("bread OR cake", "messages with either; binds less than the space, so a b OR c is (a b) OR c"),
    help("bread -yeast", "messages with the first word and without the second; also bread NOT yeast"),
    help("(bread OR cake) oven", "parentheses hold together what belongs together"),
    help("title:bread", "the word in the conversation's title; also title:\"…\" and title:(a OR b)"),
    help("provider:claude", "conversations of one service; also provider:claude,chatgpt"),
    help("-provider:claude", "all but this; works with every field"),
    help("model:gpt-4*", "messages by a model; the * stands for any ending; quote names with spaces"),
    help("role:user", "who speaks: user, assistant, system or tool"),
    help("user:ID", "messages of one account, as the export names it"),
    help(
        "after:2024-05-17",
        "on this day or later; also after:2024, after:2024-05, after:7d, after:yesterday",
    ),
    help("before:2024-05", "in this month or earlier; also a day, a year, or a time ago such as 2w, 3m, 1y"),
    help(
        "date:2024-05",
        "in this month; also a day, a year, today, last-week, or date:7d for the last seven days",
    ),
    help("has:code", "messages with code; also has:attachment and has:tool"),
    help("node.js user@example.com", "names, addresses and paths are taken as typed; no need to quote them"),
];

const fn help(example: &'static str, finds: &'static str) -> Help {
    Help { example, finds }
}
