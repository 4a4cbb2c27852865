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
fn signs_of_markdown_are_left_out() {
    let whole = |text: &str, query: &str, expected: &str| check(text, query, 240, expected);
    // Emphasis, within words too where they are not code.
    whole("It is **very _old_ rye** and ~~not~~ *new*.", "rye", "It is very old [rye] and not new.");
    whole("这是**重要**的面包", "面包", "这是重要的[面包]");
    whole("**rye** bread", "\"rye bread\"", "[rye bread]");
    for typed in [
        "rye = 2**3 + 4**5 * 6*7 and x**y**z",
        "rye snake_case_name and __init__ and *args, **kwargs",
        "rye in src/*/foo/* or *.rs and **/*.rs",
        "rye f*** off ***** or a_b_",
        "rye [1] and [x] or [a](see this) or ](",
        "rye `open and **bold",
    ] {
        whole(typed, "rye", &typed.replacen("rye", "[rye]", 1));
    }
    whole(r"rye \*not\* C:\dir\_x", "rye", r"[rye] *not* C:\dir_x");
    // Headings, quotes, rules, lists.
    whole("## Rye\n\nIt grows.\n\n---\n# Oats\n#bread", "rye", "[Rye] It grows. Oats #bread");
    whole("> **Note:** rye\n>> deep\n\nTitle\n=====\nx", "rye", "Note: [rye] deep Title x");
    whole("- flour\n- rye\n  * salt\n1. mix\n2. bake\n- ", "rye", "flour • [rye] • salt 1. mix 2. bake -");
    // Tables.
    whole(
        "Here:\n| Name | Rye |\n|:--|--:|\n| Anna | 3 |\n\n| grep x",
        "rye",
        "Here: · Name · [Rye] · Anna · 3 · | grep x",
    );
    whole("|a||b|<br>c|\nrye a<br />b", "rye", "a · b · c · [rye] a b");
    // Code.
    whole("Run `rye **x**`, ``a ` b`` now", "rye", "Run [rye] **x**, a ` b now");
    whole(
        "Do:\n```rust\n# rye\n* _a_ [b](c)\n```\n# Then **rest**",
        "rye",
        "Do: # [rye] * _a_ [b](c) Then rest",
    );
    whole("Do:\n```rust\nlet a = 1;\n```", "rust", "Do: [rust] let a = 1;");
    whole("~~~\n```\n**rye**\n~~~\n**b**", "rye", "``` **[rye]** b");
    whole("use a<br>b or c", "br", "use a<[br]>b or c");
    // Links.
    whole(
        "See [the *rye* page](https://example.com/a_(b)_c \"Title\") and ![photo](x.png)!",
        "rye",
        "See the [rye] page and photo!",
    );
    whole("See [this page](https://rye.example/a) now", "rye", "See this page (https://[rye].example/a) now");
    whole("[a](<b c>) rye https://example.com/a_b_c", "rye", "a [rye] https://example.com/a_b_c");
}

/// What is left out makes room for more text, and says nothing of a cut.
#[test]
fn passages_of_markdown() {
    let links = "[word](https://example.com/a/very/long/address) ".repeat(40);
    check(&format!("**rye** {links}"), "rye", 40, "[rye] word word word word word word word…");
    check("# Bread\n\n**rye and more**", "rye", 40, "Bread [rye] and more");
    let filler = "Lorem ipsum dolor sit amet. ".repeat(20);
    check(&format!("```\n{filler}\n# rye _x_ is\n```"), "rye", 20, "…# [rye] _x_ is");
    let blob = "A".repeat(100_000);
    check(&format!("rye ![x](data:image/png;base64,{blob}) after"), "rye", 40, "[rye] x…");
}

/// Signs without a partner cost no more than others.
#[test]
fn hostile_markdown_is_read_in_linear_time() {
    let started = std::time::Instant::now();
    for sign in ["[", "](", "[](", "`", "`` ", "**a ", "*a_", "|", "> ", "\n```", "<br", "[a](b c ", "\\"] {
        let text = format!("rye {}", sign.repeat(200_000));
        assert_eq!(cut(&text, "rye", 240).marks.len(), 1, "{sign}");
        let text = format!("{} rye", sign.repeat(200_000));
        assert_eq!(cut(&text, "rye", 240).marks.len(), 1, "{sign}");
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
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
    fn marks_of_markdown_stand_on_what_was_looked_for(
        text in "(rye|oven|東京|é|\\*|\\*\\*|_|~~|`|```|\n|\n```|\n# |\n- |\n> |\\|| |\\[|\\]|\\]\\(|\\)|!\\[|<br>|\\\\|\\PC){0,60}",
        query in "(rye|oven|東|é|br|rye oven|\"rye oven\")",
        chars_max in 20_usize..60,
    ) {
        let found = cut(&text, &query, chars_max);
        prop_assert!(found.text.chars().count() <= chars_max + 2 + 8, "{:?}", found);
        let mut analyzer = Analyzer::new();
        let wanted = Wanted::in_text(query::parse(&query).expr.as_ref(), &mut analyzer);
        let any = !marks(&text, &wanted, &mut analyzer).is_empty();
        prop_assert_eq!(any, !found.marks.is_empty(), "{:?}", found);
        for mark in &found.marks {
            let shown = &found.text[mark.clone()];
            prop_assert!(!marks(shown, &wanted, &mut analyzer).is_empty() || query.contains('"'), "{:?}", found);
        }
    }

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
