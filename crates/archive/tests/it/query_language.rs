//! The query language: what is typed on the left, how it is understood on the right.

use athenaeum_archive::{
    index::Query,
    query::{self, Expr, HELP, ParsedQuery, lower},
    text::Analyzer,
};
use proptest::prelude::*;

fn parse(text: &str) -> ParsedQuery {
    query::parse_at(text, "2024-05-17T08:30:00Z".parse().unwrap())
}

/// Compares the query, written back, and whether there is anything to remark.
fn check(input: &str, expected: &str) {
    let query = parse(input);
    assert_eq!(query.to_string(), expected, "{input} gives {query:?}");
    assert!(query.notices.is_empty(), "{input}: {:?}", query.notices);
}

/// As [`check`], with the beginnings of the notices.
fn check_noticed(input: &str, expected: &str, notices: &[&str]) {
    let query = parse(input);
    assert_eq!(query.to_string(), expected, "{input} gives {query:?}");
    let begin = |(notice, expected): (&athenaeum_archive::Notice, &&str)| notice.0.starts_with(expected);
    let fits = query.notices.len() == notices.len() && query.notices.iter().zip(notices).all(begin);
    assert!(fits, "{input}: {:?}", query.notices);
}

#[test]
fn words_and_phrases() {
    check("sourdough starter", "sourdough starter");
    check("  Sourdough\tSTARTER \n", "Sourdough STARTER");
    check("\"sourdough   starter\"", "\"sourdough starter\"");
    check("bread \"rye flour\" oven", "bread \"rye flour\" oven");
    check("\"a\"\"b\"", "\"a\" \"b\"");
    check("organiz*", "organiz*");
    check("and or not", "and or not");
    check("naïve Ångström", "naïve Ångström");
    check("東京タワー", "\"東京タワー\"");
    check("東京* 東*", "\"東京\" 東");
    check("한국어", "\"한국어\"");
    check("हिन्दी", "हिन्दी");
}

#[test]
fn punctuation_inside_a_word_makes_a_phrase() {
    check("foo-bar", "\"foo-bar\"");
    check("user@example.com", "\"user@example.com\"");
    check("node.js C++ C#", "\"node.js\" C C");
    check("std::vector<int>", "\"std::vector<int\"");
    check("https://example.com/a?b=c", "\"https://example.com/a?b=c\"");
    check("12:30 3.14", "\"12:30\" \"3.14\"");
    check("C:\\Users\\me", "\"C:\\Users\\me\"");
    check("foo(bar) f(x", "\"foo(bar\" \"f(x\"");
    check("don't", "\"don't\"");
    check("foo-ba*", "foo ba*");
    check("a-b-c*", "\"a-b\" c*");
    check("re: hello, world!", "re hello world");
    check("unknown:value", "\"unknown:value\"");
    check("--verbose -- - +", "verbose");
    check("5\" pipe", "5 pipe");
    check("snake_case", "\"snake_case\"");
}

#[test]
fn operators() {
    check("bread OR cake", "bread OR cake");
    check("a b OR c d", "a b OR c d");
    check("a (b OR c)", "a (b OR c)");
    check("a AND b && c & d", "a b c d");
    check("a | b || c", "a OR b OR c");
    check("(a OR (b OR c))", "a OR b OR c");
    check("((a b) c)", "a b c");
    check("bread -yeast", "bread -yeast");
    check("-yeast bread", "bread -yeast");
    check("bread NOT yeast", "bread -yeast");
    check("bread AND NOT \"dry yeast\"", "bread -\"dry yeast\"");
    check("bread -(dry yeast)", "bread -(dry yeast)");
    check("bread NOT -yeast", "bread yeast");
    check("bread -(-yeast)", "bread yeast");
    check("a -(b OR c) -d", "a -(b OR c) -d");
    check("+bread +\"rye\"", "bread \"rye\"");
    check("a -(b -c)", "a -(b -c)");
}

#[test]
fn fields() {
    check("provider:claude", "provider:claude");
    check("bread provider:OpenAI,claude", "bread provider:chatgpt provider:claude");
    check("model:\"gpt 4\" model:gpt-4*", "model:\"gpt 4\" model:gpt-4*");
    check("ROLE:Human role:assistant", "role:user role:assistant");
    check("user:u-1", "user:u-1");
    check("has:code has:file with:tools", "has:code has:attachment has:tool");
    check("bread -provider:claude -role:tool", "bread -provider:claude -role:tool");
    check("NOT provider:claude bread", "bread -provider:claude");
    check("title:bread", "title:bread");
    check("title:\"rye bread\" flour", "title:\"rye bread\" flour");
    check("intitle:brea* -title:cake", "title:brea* -title:cake");
    check("title:(a OR b) c", "title:(a OR b) c");
    check("title:(a title:b)", "title:(a b)");
    check("title:foo:bar", "title:\"foo:bar\"");
    check("provider:claude model:opus (a OR b)", "(a OR b) provider:claude model:opus");
}

#[test]
fn dates() {
    check("after:2024", "after:2024-01-01T00:00:00Z");
    check("before:2024-05", "before:2024-05-31T23:59:59.999999Z");
    check(
        "after:2024-05-17 before:2024-05-17",
        "after:2024-05-17T00:00:00Z before:2024-05-17T23:59:59.999999Z",
    );
    check("date:2024-02", "after:2024-02-01T00:00:00Z before:2024-02-29T23:59:59.999999Z");
    check("on:yesterday", "after:2024-05-16T00:00:00Z before:2024-05-16T23:59:59.999999Z");
    check("after:7d", "after:2024-05-10T08:30:00Z");
    check("date:7d", "after:2024-05-10T08:30:00Z before:2024-05-17T08:30:00Z");
    check("since:2024-05-17T10:30:00+02:00", "after:2024-05-17T08:30:00Z");
    check(
        "after:2023 after:2024 before:2026 until:2025",
        "after:2024-01-01T00:00:00Z before:2025-12-31T23:59:59.999999Z",
    );
    check("-after:2024", "before:2023-12-31T23:59:59.999999Z");
    check("-before:2024", "after:2025-01-01T00:00:00Z");
}

#[test]
fn what_people_paste() {
    check("“rye bread” «dark flour» „malt“", "\"rye bread\" \"dark flour\" \"malt\"");
    check("「東京」", "\"東京\"");
    check("（a OR b） c", "(a OR b) c");
    check("provider：claude ｂｒｅａｄ＊", "ｂｒｅａｄ* provider:claude");
    check("bread\u{3000}flour", "bread flour");
    check("bread －yeast", "bread -yeast");
    check("it’s", "\"it’s\"");
    check("", "");
    check(" \n ", "");
}

#[test]
fn anything_else_is_taken_as_well_as_it_can_be() {
    check_noticed("\"rye bread", "\"rye bread\"", &["A quotation mark was closed"]);
    check_noticed("(a OR b", "a OR b", &["A parenthesis was closed"]);
    check_noticed("a ) b", "a b", &["A closing parenthesis"]);
    check_noticed("a)", "a", &[]);
    check_noticed("bread OR", "bread", &["OR at the end"]);
    check_noticed("OR bread", "bread", &["OR needs"]);
    check_noticed("a OR OR b", "a OR b", &["OR needs"]);
    check_noticed("AND", "and", &["AND needs", "AND at the end", "There was nothing else"]);
    check_noticed("NOT", "not", &["NOT at the end", "There was nothing else"]);
    check_noticed("-v", "v", &["An exclusion needs", "There was nothing else"]);
    check_noticed("-a provider:claude", "provider:claude", &["An exclusion needs"]);
    check_noticed("a OR -b", "a", &["An exclusion needs"]);
    check_noticed("a OR (-b -c)", "a", &["An exclusion needs"]);
    check_noticed("bread !!!!", "bread", &["'!!!!' holds no letters"]);
    check_noticed("\"\" bread", "bread", &[]);
    check_noticed("*", "", &["The query holds no letters"]);
    check_noticed("()", "", &["The query holds no letters"]);
    check_noticed("f*o bar*", "\"f*o\" bar*", &["A * stands"]);
    check_noticed("role:king", "\"role:king\"", &["role:king is not understood; expected user"]);
    check_noticed("after:party", "\"after:party\"", &["after:party is not understood"]);
    check_noticed("has:fun x", "\"has:fun\" x", &["has:fun is not understood"]);
    check_noticed("provider: claude", "provider claude", &["provider: was searched as a word"]);
    check_noticed("provider:\"../x\"", "\"provider: ../x\"", &["provider:../x is not understood"]);
    check_noticed("provider:claude OR bread", "bread provider:claude", &["A field beside OR"]);
    check_noticed("bread OR role:user", "bread role:user", &["A field beside OR"]);
    check_noticed("a OR has:code b", "(a OR b) has:code", &["A field beside OR"]);
}

#[test]
fn everything_is_bounded() {
    let many = "word ".repeat(200);
    assert_eq!(parse(&many).to_string(), "word ".repeat(64).trim());
    assert!(parse(&many).notices[0].0.starts_with("Only the first 64 words"));

    let deep = format!("{}a{}", "(b ".repeat(500), ")".repeat(500));
    assert!(parse(&deep).notices.iter().any(|notice| notice.0.starts_with("Parentheses more than 32")));

    let long = "é".repeat(1_000_000);
    assert!(parse(&long).notices[0].0.starts_with("Only the first 4096 bytes"));
    let denials = "-(".repeat(2_000);
    assert!(parse(&denials).expr.is_none());
}

fn check_terms(input: &str, expected: &str) {
    fn print(query: &Query) -> String {
        let list = |members: &[Query]| members.iter().map(print).collect::<Vec<_>>().join(" ");
        match query {
            Query::Term(term) => term.clone(),
            Query::Phrase(terms) => {
                let terms: Vec<_> = terms.iter().map(|(offset, term)| format!("{term}@{offset}")).collect();
                format!("[{}]", terms.join(" "))
            }
            Query::Prefix { beginning, stems } => {
                stems.iter().fold(format!("{beginning}*"), |sum, stem| format!("{sum}|{stem}"))
            }
            Query::All(members) => format!("all({})", list(members)),
            Query::Any(members) => format!("any({})", list(members)),
            Query::Not(inner) => format!("-{}", print(inner)),
            Query::Title(inner) => format!("title({})", print(inner)),
        }
    }
    let expr = parse(input).expr.unwrap();
    assert_eq!(
        lower(&expr, &mut Analyzer::new()).as_ref().map(print).unwrap_or_default(),
        expected,
        "{expr:?}"
    );
}

#[test]
fn terms() {
    check_terms("Running", "run");
    check_terms("\"Running shoes\"", "[run@0 shoe@1]");
    check_terms("foo-bar -\"x\"", "all([foo@0 bar@1] -x)");
    check_terms("title:(cafés OR bars)", "title(any(cafe bar))");
    check_terms("東京", "[東@0 京@1]");
    check_terms("runni*", "runni*|run");
    check_terms("Organiz*", "organiz*|organ");
    check_terms("br*", "br*");
}

/// Exclusions within a group came back in another order than they went. Found by fuzzing.
#[test]
fn exclusions_come_last_wherever_they_stood() {
    check("(a -b c) d", "a c d -b");
    check("(-a b -c) (d -e)", "b d -a -c -e");
    let query = parse("azd\" (-bz OR i\"zd\"  ()-a -b title;f) proa(-R*eb -*\" \"");
    let again = parse(&query.to_string());
    assert_eq!((query.expr, query.filters), (again.expr, again.filters));
}

proptest! {
    /// A person who types the beginning of a word finds the word.
    #[test]
    fn a_beginning_finds_every_word_that_begins_so(
        root in "[a-z]{3,7}",
        ending in "(s|es|ed|ing|y|ly|er|ation|ational|ization|izing|ity|al|ally|ism|ive|iveness|ness|ful|fulness|ous|ously|able|ability|ible|ment|ements|ent|ence|ance|ant|ic|ical|icate|ology|ll|lling)?",
        cut in 0_usize..20,
    ) {
        let word = format!("{root}{ending}");
        let prefix = &word[..(3 + cut).min(word.len())];
        let mut analyzer = Analyzer::new();
        let mut stem = String::new();
        analyzer.analyze(&word, |token| stem = token.term.to_owned());
        let wanted = analyzer.prefix(prefix).unwrap();
        prop_assert!(
            stem.starts_with(&wanted.folded) || wanted.stems.contains(&stem),
            "{word} ({stem}) by {prefix}: {wanted:?}"
        );
    }

    #[test]
    fn a_query_reads_back_as_it_was_understood(
        text in "([a-z]{1,3}|\\PC{1,3}|AND|OR|NOT|[ ()\"*:,+|&-]|title:|provider:|model:|role:|-|after:|before:|has:code|2024|7d|東京|“|）){0,40}",
    ) {
        let query = parse(&text);
        let again = parse(&query.to_string());
        prop_assert_eq!((&query.expr, &query.filters), (&again.expr, &again.filters), "{} {:?}", query, again.notices);
        prop_assert!(again.notices.is_empty(), "{} {:?}", query, again.notices);
        if let Some(expr) = &query.expr {
            prop_assert!(lower(expr, &mut Analyzer::new()).is_some());
        }
    }

    #[test]
    fn any_text_is_a_query(text in "(\\PC|[\\x00-\\u{20}\"()*:-]){0,300}") {
        let query = parse(&text);
        prop_assert!(query.expr.is_some() || text.trim().is_empty() || query != ParsedQuery::default());
    }
}

/// The page and the program teach the same language, and what they teach is understood.
#[test]
fn the_help_is_true() {
    let page = include_str!("../../../../docs/query-language.md");
    for line in HELP {
        let query = parse(line.example);
        assert!(query.notices.is_empty(), "{}: {:?}", line.example, query.notices);
        let row = format!("| `{}` | {} |", line.example, line.finds);
        assert!(page.contains(&row), "docs/query-language.md lacks the line\n{row}");
    }
    assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), HELP.len());
}

#[test]
fn an_expression_can_be_made_by_hand() {
    let expr =
        Expr::All(vec![Expr::Word("bread".into()), Expr::Not(Box::new(Expr::Phrase("dry yeast".into())))]);
    assert_eq!(expr.to_string(), "bread -\"dry yeast\"");
}
