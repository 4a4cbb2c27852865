use std::collections::BTreeSet;

use athenaeum_inference::constraint::Grammar;
use proptest::prelude::*;

use super::{accepts, check, check_refused, compiled};

fn gbnf(text: &str) -> Grammar {
    Grammar::Gbnf(text.to_owned())
}

#[test]
fn every_kind_of_expression() {
    check(&gbnf("root ::= \"ab\" | [x-z0]+"), &["ab", "x", "0zy"], &["", "abx", "a"]);
    check(&gbnf("root ::= [^a-c\\n]"), &["d", "\t", "é"], &["a", "\n", "dd", ""]);
    check(&gbnf("root ::= . \"!\""), &["a!", "\n!", "日!"], &["!", "ab!"]);
    check(
        &gbnf("root ::= \"a\"{2} \"b\"{1,2} \"c\"{2,} \"d\"{0,1}"),
        &["aabcc", "aabbcccd"],
        &["abcc", "aabc", "aabbbcc"],
    );
    check(&gbnf("root ::= \"ab\"* (\"c\" | \"d\")?"), &["", "abab", "abc", "d"], &["abb", "cd"]);
    check(
        &gbnf("root ::= \"\\x41\\u00e9\\U0001F600\\t\\\"\\\\\" [\\]\\-]"),
        &["Aé😀\t\"\\]", "Aé😀\t\"\\-"],
        &["A"],
    );
    check(
        &gbnf("# first\nroot ::= # here\n  one |\n  (two # there\n two)\none ::= \"1\"\n\ntwo ::= \"2\"\n"),
        &["1", "22"],
        &["2", "12"],
    );
    check(&gbnf("root ::= a-b\r\na-b ::= \"x\" | \"\"\r\n"), &["x", ""], &["xx"]);
}

/// Cutting into the longest lexemes would lose each of these: what goes on could as well begin anew.
#[test]
fn nothing_is_lost_by_lexemes() {
    let sums = "root ::= (sum \"=\" ws term \"\\n\")+\nsum ::= term ([-+*/] term)*\n\
        term ::= word | number | \"(\" ws sum \")\" ws\nword ::= [a-z] [a-z0-9_]* ws\nnumber ::= [0-9]+ ws\nws ::= [ \\t\\n]*";
    check(
        &gbnf(sums),
        &["a=1\n", "(a +b)*c =12\n", "x_1\n=\n\n2\n\n", "a=1\nb=2\n"],
        &["a=1", "=1\n", "a b=1\n", "(a=1\n"],
    );
    let recursive = "root ::= word root \"!\" | word\nword ::= [a-z]+";
    check(&gbnf(recursive), &["a", "ab!", "abc!!"], &["", "!", "a!"]);
    let prefixes = "root ::= (\"a\" | \"ab\") (\"b\" | \"bc\") tail\ntail ::= \"(\" tail \")\" | \"\"";
    check(&gbnf(prefixes), &["ab", "abb", "abc", "abbc", "abc(())"], &["a", "b", "abcc"]);
    let left = "root ::= root \"+\" [0-9]+ | [0-9]+";
    check(&gbnf(left), &["1", "1+22+3"], &["+", "1+"]);
}

#[test]
fn json_as_people_write_it() {
    let json = r#"
        root   ::= object
        value  ::= object | array | string | number | ("true" | "false" | "null") ws
        object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
        array  ::= "[" ws ( value ("," ws value)* )? "]" ws
        string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
        number ::= "-"? ([0-9] | [1-9] [0-9]{0,15}) ("." [0-9]+)? ([eE] [-+]? [0-9]{1,3})? ws
        ws     ::= | " " | "\n" [ \t]{0,20}
    "#;
    let accepted = ["{}", "{ }", "{\n\t\"a\": [1, -2.5e3, \"\\u00e9\\n\", {\"b\": null}],\n  \"c\": true}\n"];
    check(&gbnf(json), &accepted, &["", "[]", "{\"a\"}", "{\"a\": 01}", "{\"a\": tru}", "{}}"]);
}

#[test]
fn what_is_no_grammar_is_told_with_its_line() {
    check_refused(&gbnf(""), "it has no rule `root`");
    check_refused(&gbnf("start ::= \"x\""), "it has no rule `root`");
    check_refused(&gbnf("root ::= other"), "there is no rule `other`");
    check_refused(&gbnf("root ::= \"x\"\nroot2 = \"y\""), "line 2: `::=` is missing");
    check_refused(&gbnf("root ::= \"x"), "line 1: it ends within");
    check_refused(&gbnf("root ::= [a"), "it ends within");
    check_refused(&gbnf("root ::= []"), "brackets that hold nothing");
    check_refused(&gbnf("root ::= (\"x\""), "`)` is missing");
    check_refused(&gbnf("root ::= * \"x\""), "nothing stands before `*`");
    check_refused(&gbnf("root ::= \"x\"{3,2}"), "counts backwards");
    check_refused(&gbnf("root ::= \"x\"{2001}"), "more than 2000");
    check_refused(&gbnf("root ::= \"\\q\""), "an unknown escape");
    check_refused(&gbnf("root ::= \"\\ud800\""), "no character");
    check_refused(&gbnf("root ::= <think> \"x\""), "tokens by name or number are not taken");
}

/// A grammar over `a` and `b`, with rules that refer to any of the three.
#[derive(Clone, Debug)]
enum Expression {
    Text(String),
    Class(String),
    Rule(usize),
    Sequence(Vec<Expression>),
    Choice(Vec<Expression>),
    Repeat(Box<Expression>, usize, usize),
}

impl Expression {
    fn written(&self) -> String {
        let all = |list: &[Self], by: &str| list.iter().map(Self::written).collect::<Vec<_>>().join(by);
        match self {
            Self::Text(text) => format!("\"{text}\""),
            Self::Class(set) => format!("[{set}]"),
            Self::Rule(0) => "root".to_owned(),
            Self::Rule(number) => format!("r{number}"),
            Self::Sequence(list) => format!("({})", all(list, " ")),
            Self::Choice(list) => format!("({})", all(list, " | ")),
            Self::Repeat(inner, 0, 9) => format!("{}*", inner.written()),
            Self::Repeat(inner, least, most) => format!("{}{{{least},{most}}}", inner.written()),
        }
    }

    /// All texts of at most four letters, given those of the rules so far.
    fn texts(&self, rules: &[BTreeSet<String>]) -> BTreeSet<String> {
        match self {
            Self::Text(text) => BTreeSet::from([text.clone()]),
            Self::Class(set) => set.chars().map(String::from).collect(),
            Self::Rule(number) => rules[*number].clone(),
            Self::Choice(list) => list.iter().flat_map(|one| one.texts(rules)).collect(),
            Self::Sequence(list) => {
                list.iter().fold(BTreeSet::from([String::new()]), |all, one| joined(&all, &one.texts(rules)))
            }
            Self::Repeat(inner, least, most) => {
                let inner = inner.texts(rules);
                let (mut all, mut times) = (BTreeSet::new(), BTreeSet::from([String::new()]));
                for count in 0..=*most {
                    if count >= *least {
                        all.extend(times.iter().cloned());
                    }
                    times = joined(&times, &inner);
                }
                all
            }
        }
    }
}

fn joined(before: &BTreeSet<String>, after: &BTreeSet<String>) -> BTreeSet<String> {
    let all = before.iter().flat_map(|a| after.iter().map(move |b| format!("{a}{b}")));
    all.filter(|text| text.len() <= 4).collect()
}

fn any_expression() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![
        "[ab]{0,3}".prop_map(Expression::Text),
        prop_oneof![Just("a"), Just("b"), Just("ab")].prop_map(|set| Expression::Class(set.to_owned())),
        (0usize..3).prop_map(Expression::Rule),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Expression::Sequence),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Expression::Choice),
            (inner, prop_oneof![Just((0, 9)), Just((0, 1)), Just((1, 2))])
                .prop_map(|(inner, (least, most))| Expression::Repeat(Box::new(inner), least, most)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Every text of up to four letters is let through exactly if the rules make it, however ambiguous they are.
    #[test]
    fn grammars_are_followed_exactly(rules in prop::collection::vec(any_expression(), 3)) {
        let text = rules.iter().enumerate().map(|(number, rule)| match number {
            0 => format!("root ::= {}\n", rule.written()),
            number => format!("r{number} ::= {}\n", rule.written()),
        }).collect::<String>();
        let mut made = vec![BTreeSet::new(); 3];
        loop {
            let grown: Vec<BTreeSet<String>> = rules.iter().map(|rule| rule.texts(&made)).collect();
            if grown == made {
                break;
            }
            made = grown;
        }
        let constraint = match compiled(&gbnf(&text)) {
            Ok(constraint) => constraint,
            // Rules that never end make nothing.
            Err(error) => {
                prop_assert!(made[0].is_empty(), "{}: {}", error, text);
                return Ok(());
            }
        };
        let mut all = vec![String::new()];
        for length in 0..=4 {
            for text_of in all.iter().filter(|text| text.len() == length) {
                prop_assert_eq!(accepts(&constraint, text_of), made[0].contains(text_of), "{:?} in\n{}", text_of, text);
            }
            let longer: Vec<String> = all.iter().filter(|t| t.len() == length).flat_map(|t| [format!("{t}a"), format!("{t}b")]).collect();
            all.extend(longer);
        }
    }
}
