//! Passages and marks: a text and a query on the left, the passage with `[marks]` on the right.

use athenaeum_archive::{
    Snippet, query,
    snippet::{Wanted, marks, snippet},
    text::Analyzer,
};
use proptest::prelude::*;

fn marked(text: &str, marks: &[std::ops::Range<usize>]) -> String {
    let mut out = String::new();
    let mut at = 0;
    for mark in marks {
        out += &format!("{}[{}]", &text[at..mark.start], &text[mark.clone()]);
        at = mark.end;
    }
    out + &text[at..]
}

fn cut(text: &str, query: &str, chars_max: usize) -> Snippet {
    let mut analyzer = Analyzer::new();
    let wanted = Wanted::in_text(query::parse(query).expr.as_ref(), &mut analyzer);
    snippet(text, &wanted, &mut analyzer, chars_max)
}

fn check(text: &str, query: &str, chars_max: usize, expected: &str) {
    let snippet = cut(text, query, chars_max);
    assert_eq!(marked(&snippet.text, &snippet.marks), expected);
}

fn check_marks(text: &str, query: &str, expected: &str) {
    let mut analyzer = Analyzer::new();
    let wanted = Wanted::in_title(query::parse(query).expr.as_ref(), &mut analyzer);
    assert_eq!(marked(text, &marks(text, &wanted, &mut analyzer)), expected);
}

#[test]
fn matches_of_a_whole_text() {
    check_marks("The dough rises; rising takes hours.", "rise", "The dough [rises]; [rising] takes hours.");
    check_marks("rye bread, bread of rye", "\"rye bread\"", "[rye bread], bread of rye");
    check_marks("a b a b a", "\"a b a\"", "[a b a b a]");
    check_marks("Organizing organs", "organiz*", "[Organizing] organs");
    check_marks("Running and runners, not run", "runn*", "[Running] and [runners], not run");
    check_marks("bread and yeast", "bread -yeast", "[bread] and yeast");
    check_marks("Bread for cats", "title:bread cat", "[Bread] for [cats]");
    check_marks("东京塔和东京湾", "东京", "[东京]塔和[东京]湾");
    check_marks("use node.js or Node JS", "node.js", "use [node.js] or [Node JS]");
    check_marks("café CAFE", "cafés", "[café] [CAFE]");
    check_marks("nothing here", "bread", "nothing here");
}

#[test]
fn passages() {
    check("Short text with bread.", "bread", 240, "Short text with [bread].");
    check("One.\n\n  Two\tbread \n three.", "bread", 240, "One. Two [bread] three.");
    let filler = "Lorem ipsum dolor sit amet consectetur. ".repeat(20);
    let text = format!("{filler}Now we bake bread in the oven. {filler}");
    check(&text, "bread", 60, "…Now we bake [bread] in the oven. Lorem ipsum dolor sit amet…");
    check(
        &text,
        "\"bread in the oven\"",
        60,
        "…Now we bake [bread in the oven]. Lorem ipsum dolor sit amet…",
    );
    check(&format!("bread {filler} oven {filler} bread oven"), "bread oven", 40, "…[bread] [oven]");
    check(&format!("Breads. {filler} One bread."), "bread", 30, "…One [bread].");
    check(&filler, "title:bread", 30, "Lorem ipsum dolor sit amet…");
    check("", "bread", 30, "");
    check("bread", "", 0, "…");
}

#[test]
fn the_weightier_word_wins() {
    let filler = "Lorem ipsum dolor sit amet. ".repeat(20);
    let text = format!("The usual thing. {filler} A sourdough thing.");
    let mut analyzer = Analyzer::new();
    let mut wanted = Wanted::in_text(query::parse("usual OR sourdough").expr.as_ref(), &mut analyzer);
    wanted.weigh(|terms| if terms == ["sourdough"] { 5.0 } else { 1.0 });
    let found = snippet(&text, &wanted, &mut analyzer, 40);
    assert_eq!(marked(&found.text, &found.marks), "…A [sourdough] thing.");
}

#[test]
fn words_longer_than_the_passage_are_cut() {
    let blob = "QUJD".repeat(3_000);
    let found = cut(&format!("The data: {blob} and more."), &blob[..4_000], 40);
    assert!(found.marks.is_empty());
    let found = cut(&format!("The data: {blob} and more."), "qujd*", 40);
    assert_eq!(found.marks.len(), 1);
    assert!(found.text.chars().count() <= 42);
    check(&"東".repeat(500), "東京", 10, "東東東東東東東東東東…");
    check(&format!("{}京{}", "東".repeat(500), "北".repeat(500)), "東京", 9, "…東東[東京]北北北北北…");
}

/// A megabyte of hits is read once and no further than needed.
#[test]
fn huge_texts() {
    let text = "bread and breads ".repeat(100_000);
    let found = cut(&text, "bread oven \"and breads\" rye*", 240);
    assert!(found.text.chars().count() <= 242 && found.marks.len() > 10);
    let mut analyzer = Analyzer::new();
    let wanted = Wanted::in_text(query::parse("bread").expr.as_ref(), &mut analyzer);
    assert_eq!(marks(&text, &wanted, &mut analyzer).len(), 10_000);
}

proptest! {
    #[test]
    fn marks_lie_between_whole_characters(
        text in "(bread|rye|oven|a|東京|é|e\u{301}|ที่|한국| |\n|\\. |\\PC|[\\x00-\u{20}]){0,80}",
        query in "(bread|rye|br\\*|\"rye bread\"|東|東京|ที่|한국어|-|e| ){0,6}",
        chars_max in 0_usize..60,
    ) {
        let found = cut(&text, &query, chars_max);
        prop_assert!(found.text.chars().count() <= chars_max + 2 + 8, "{:?}", found);
        let mut end = 0;
        for mark in &found.marks {
            prop_assert!(mark.start >= end && mark.start < mark.end && found.text.get(mark.clone()).is_some());
            end = mark.end;
        }
        let mut analyzer = Analyzer::new();
        let wanted = Wanted::in_title(query::parse(&query).expr.as_ref(), &mut analyzer);
        let mut end = 0;
        for mark in marks(&text, &wanted, &mut analyzer) {
            prop_assert!(mark.start >= end && mark.start < mark.end && text.get(mark.clone()).is_some());
            end = mark.end;
        }
        // What the whole text shows, some passage shows too, if it has the room.
        if end > 0 && chars_max > 30 {
            let in_text = Wanted::in_text(query::parse(&query).expr.as_ref(), &mut analyzer);
            if !marks(&text, &in_text, &mut analyzer).is_empty() {
                prop_assert!(!found.marks.is_empty(), "{:?}", found);
            }
        }
    }
}
