//! The analyser against SQLite's FTS5: the same text in, the same terms out.

use std::{cell::RefCell, collections::HashMap, fmt::Write as _};

use athenaeum_archive::text::{Analyzer, Terms};
use proptest::prelude::*;
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteRow};

/// Characters where the analyser goes its own way on purpose: letters that stand alone, marks, width.
fn as_fts5(c: char) -> bool {
    thread_local!(static ANALYZER: RefCell<Analyzer> = RefCell::new(Analyzer::new()));
    let count = |text: String| {
        let mut count = 0;
        ANALYZER.with_borrow_mut(|analyzer| analyzer.analyze(&text, |_| count += 1));
        count
    };
    let wide = matches!(u32::from(c), 0xFF10..=0xFFDC);
    // Either a letter, which joins and begins a token, or a sign, which does neither.
    !wide && matches!((count(format!("1{c}2")), count(format!("{c}"))), (1, 1) | (2, 0))
}

/// Returns each text's terms, as a real FTS5 table keeps them.
async fn fts5(tokenizer: &str, texts: &[String]) -> Vec<Vec<Vec<u8>>> {
    let mut db = fts5_table(tokenizer).await;
    let mut transaction = db.begin().await.unwrap();
    for (index, text) in texts.iter().enumerate() {
        let insert = sqlx::query("INSERT INTO t(rowid, x) VALUES (?, ?)");
        insert.bind(index as i64).bind(text).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let mut found = vec![Vec::new(); texts.len()];
    let rows = sqlx::query("SELECT doc, offset, CAST(term AS BLOB) FROM v").fetch_all(&mut db).await.unwrap();
    for row in rows {
        let (doc, offset, term): (i64, i64, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
        found[doc as usize].push((offset, term));
    }
    let terms = |mut tokens: Vec<(i64, Vec<u8>)>| {
        tokens.sort();
        tokens.into_iter().map(|(_, term)| term).collect()
    };
    found.into_iter().map(terms).collect()
}

async fn fts5_table(tokenizer: &str) -> SqliteConnection {
    let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let create = format!(
        "CREATE VIRTUAL TABLE t USING fts5(x, content='', tokenize=\"{tokenizer}\");
         CREATE VIRTUAL TABLE v USING fts5vocab(t, instance);"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut db).await.unwrap();
    db
}

const LIKE_OURS: &str = "porter unicode61 remove_diacritics 2";

fn ours(analyzer: &mut Analyzer, text: &str) -> Vec<Vec<u8>> {
    let mut terms = Vec::new();
    analyzer.analyze(text, |token| {
        assert_eq!(token.position as usize, terms.len());
        terms.push(token.term.as_bytes().to_vec());
    });
    terms
}

async fn compare(texts: &[String]) {
    let mut analyzer = Analyzer::new();
    for (text, expected) in texts.iter().zip(fts5(LIKE_OURS, texts).await) {
        // FTS5 cuts some letters in half (see the stemmer's page); such a text says nothing about ours.
        if expected.iter().any(|term| std::str::from_utf8(term).is_err()) {
            continue;
        }
        let printed = |terms: &[Vec<u8>]| -> Vec<String> {
            terms.iter().map(|term| String::from_utf8_lossy(term).into_owned()).collect()
        };
        assert_eq!(printed(&ours(&mut analyzer, text)), printed(&expected), "terms of {text:?}");
    }
}

#[tokio::test]
async fn text_gives_the_terms_of_fts5() {
    let texts = [
        "The quick brown foxes were jumping over 1,234 lazy dogs' tails; naïve café façades, Ångström!",
        "Réunion générale à l'Élysée: où êtes-vous? Ça coûte 12,50 €. Œuvre, cœur, ŒUVRES.",
        "Größenwahn und Straßenbahnen; ÄÖÜ äöü ẞ. Übergrößenträger laufen übers Feld.",
        "Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства. ЁЖ ёж Й й",
        "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ΟΔΥΣΣΕΥΣ Οδυσσεύς ς Σ",
        "Pijamalı hasta yağız şoföre çabucak güvendi. İstanbul ISPARTA ıslak",
        "std::vector<int> foo_bar(baz->qux, 0xFF); // snake_case camelCase HTTPServer2 e.g. user@example.com",
        "https://example.com/a/b?c=d&e=%20f#g C:\\Users\\me\\file.txt 12:30 2024-05-17T08:30:00Z v1.2.3-rc.4",
        "Chữ Việt: Tiếng Việt đặc biệt, ĐƯỜNG đường, Nguyễn; Łódź, Żółć, ČĎŇ, ĳ ŉ ǆ ﬁ ﬂ",
        "cafe\u{301} e\u{301}te\u{301} A\u{30A}ngstro\u{308}m \u{301}alone x\u{301} ½ ² ① Ⅷ ﷺ",
        "relational conditional rationalize predication adjustable formality hopefulness sensibility ties skies",
        "NUL\0inside tab\tand\r\nnewline\u{a0}nbsp\u{2009}thin\u{200b}zero\u{feff}bom “quotes” ‘single’ … — –",
    ];
    compare(&texts.map(str::to_owned)).await;
}

/// Words made of every ending that the stemmer knows, of each length around its limits, in one table.
#[tokio::test]
async fn endings_are_cut_as_fts5_cuts_them() {
    let starts = [
        "", "b", "a", "y", "by", "ay", "str", "tr", "oat", "relat", "hop", "fil", "y2k", "possess", "ll", "é",
    ];
    let ends = [
        "", "s", "es", "ies", "sses", "ss", "ed", "eed", "ing", "ating", "bled", "izing", "lling", "tting",
        "y", "ey", "ational", "tional", "enci", "anci", "izer", "logi", "bli", "alli", "entli", "eli",
        "ousli", "ization", "ation", "ator", "alism", "iveness", "fulness", "ousness", "aliti", "iviti",
        "biliti", "icate", "ative", "alize", "iciti", "ical", "ful", "ness", "al", "ance", "ence", "er",
        "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "sion", "tion", "ou", "ism", "ate",
        "iti", "ous", "ive", "ize", "e", "ll", "le", "ology",
    ];
    let mut texts = Vec::new();
    for start in starts {
        for first in ends {
            let mut text = String::new();
            for second in ends {
                write!(text, "{start}{first}{second} ").unwrap();
            }
            texts.push(text);
        }
    }
    texts.push((60..=64).map(|length| format!("{}ing ", "ab".repeat(40).split_at(length - 3).0)).collect());
    compare(&texts).await;
}

#[test]
fn arbitrary_words_give_the_terms_of_fts5() {
    let word = prop_oneof![
        4 => "[a-z]{1,6}(s|es|ed|ing|y|ly|ational|ization|fulness|ement|ion|ive|ical|able|e|ll)?".boxed(),
        2 => "[A-Za-z0-9]{1,24}".boxed(),
        1 => "[a-zà-ÿĀ-ſа-яΑ-ώ]{1,12}(s|ed|ing|ness)?".boxed(),
        1 => "\\PC{1,8}".boxed(),
    ];
    let text = proptest::collection::vec(word, 1..30).prop_map(|words| {
        let text = words.join(" ");
        text.chars().filter(|&c| as_fts5(c)).collect::<String>()
    });
    let texts = proptest::collection::vec(text, 200);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    proptest!(ProptestConfig::with_cases(3), |(texts in texts)| runtime.block_on(compare(&texts)));
}

/// The committed tables hold what this version of SQLite does with every character of the planes in use.
/// `ATHENAEUM_UPDATE=1 cargo nextest run -p athenaeum-archive tables` writes them anew.
#[tokio::test]
async fn the_tables_are_those_of_fts5() {
    let plain = joined("1", LIKE_OURS).await;
    let marked = joined("1", "unicode61 remove_diacritics 2 categories 'L* N* Co M*'").await;
    // A character that joins "1" and "2" to one token may be a letter or an accent; only a letter begins one.
    let first = joined("", LIKE_OURS).await;

    let (mut letters, mut marks, mut accents, mut folds) = (vec![], vec![], vec![], vec![]);
    for code in CHARACTERS.filter(|&code| char::from_u32(code).is_some()) {
        match plain.get(&code) {
            Some(folded) if first.get(&code).is_some_and(|first| first != "2") => {
                letters.push(code);
                let folded = folded[1..].chars().next().map_or(0, u32::from);
                if folded != code {
                    folds.push((code, folded as i32 - code as i32));
                }
            }
            Some(_) => accents.push(code),
            None if marked.contains_key(&code) => marks.push(code),
            None => {}
        }
    }
    let mut source = String::from(
        "//! What SQLite's `unicode61` does with each character from U+0080 on, as its FTS5 told it.\n\
         //!\n\
         //! Made by the test `the_tables_are_those_of_fts5`, which also holds it against FTS5. Ranges are inclusive.\n\n",
    );
    table(&mut source, "Characters of tokens.", "LETTERS", &ranges(&letters));
    table(&mut source, "Combining marks (categories M*) that end a token there.", "MARKS", &ranges(&marks));
    table(&mut source, "Accents that continue a token.", "ACCENTS", &ranges(&accents));
    source.push_str("/// What is folded: first, last, step between two, what to add.\n#[rustfmt::skip]\n");
    source.push_str("pub(super) const FOLDS: &[(u32, u32, u32, i32)] = &[\n");
    for line in runs(&folds).chunks(3) {
        let cells: Vec<_> =
            line.iter().map(|(a, b, s, d)| format!("(0x{a:X}, 0x{b:X}, {s}, {d}),")).collect();
        writeln!(source, "    {}", cells.join(" ")).unwrap();
    }
    source.push_str("];\n");

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/text/tables.rs");
    if std::env::var_os("ATHENAEUM_UPDATE").is_some() {
        std::fs::write(path, &source).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == source,
        "tables.rs differs from FTS5; run with ATHENAEUM_UPDATE=1 and look at the change"
    );
}

/// Planes 0 to 3 hold every script; planes 15 and 16 are private, and 14 holds tags and selectors.
const CHARACTERS: std::ops::Range<u32> = 0x80..0x4_0000;

/// Writes each character between `before` and a 2 and returns the tokens that hold both, by character.
async fn joined(before: &str, tokenizer: &str) -> HashMap<u32, String> {
    let mut db = fts5_table(tokenizer).await;
    let fill =
        "INSERT INTO t(rowid, x) WITH RECURSIVE n(c) AS (SELECT ? UNION ALL SELECT c + 1 FROM n WHERE c < ?)
                SELECT c, ? || char(c) || '2' FROM n";
    let fill = sqlx::query(fill).bind(CHARACTERS.start).bind(CHARACTERS.end - 1).bind(before);
    fill.execute(&mut db).await.unwrap();
    let whole = "SELECT doc, CAST(term AS BLOB) FROM v WHERE term LIKE ? || '%2'";
    let rows = sqlx::query(whole).bind(before).fetch_all(&mut db).await.unwrap();
    let read = |row: &SqliteRow| (row.get(0), String::from_utf8(row.get(1)).unwrap());
    rows.iter().map(read).filter(|(_, term)| before.is_empty() || term.len() > 1).collect()
}

fn table(source: &mut String, doc: &str, name: &str, ranges: &[(u32, u32)]) {
    writeln!(source, "/// {doc}\n#[rustfmt::skip]\npub(super) const {name}: &[(u32, u32)] = &[").unwrap();
    for line in ranges.chunks(5) {
        let cells: Vec<_> = line.iter().map(|(a, b)| format!("(0x{a:X}, 0x{b:X}),")).collect();
        writeln!(source, "    {}", cells.join(" ")).unwrap();
    }
    source.push_str("];\n\n");
}

fn ranges(codes: &[u32]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &code in codes {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == code => *last = code,
            _ => ranges.push((code, code)),
        }
    }
    ranges
}

/// Joins folds that add the same, one or two characters apart.
fn runs(folds: &[(u32, i32)]) -> Vec<(u32, u32, u32, i32)> {
    let mut runs: Vec<(u32, u32, u32, i32)> = Vec::new();
    for &(code, add) in folds {
        match runs.last_mut() {
            Some((first, last, step, by)) if *by == add && *last == *first && code - *last <= 2 => {
                (*last, *step) = (code, code - *last);
            }
            Some((_, last, step, by)) if *by == add && code - *last == *step => *last = code,
            _ => runs.push((code, code, 1, add)),
        }
    }
    runs
}

fn check(text: &str, expected: &str) {
    let mut terms = Vec::new();
    Analyzer::new().analyze(text, |token| terms.push(format!("{}={}", &text[token.range], token.term)));
    assert_eq!(terms.join(" "), expected);
}

#[test]
fn letters_of_scripts_without_spaces_stand_alone() {
    check("東京text大阪", "東=東 京=京 text=text 大=大 阪=阪");
    check("ありがとう、カメラー", "あ=あ り=り が=が と=と う=う カ=カ メ=メ ラ=ラ ー=ー");
    check("か\u{3099}ｶﾞ ﾊﾟ", "か\u{3099}=が ｶﾞ=ガ ﾊﾟ=パ");
    check("한국어 \u{1112}\u{1161}\u{11AB}", "한=한 국=국 어=어 \u{1112}\u{1161}\u{11AB}=한");
    check("ที่นี่", "ที่=ที่ นี่=นี่");
    check("ＡＢＣ１２３ Ｒｕｎｎｉｎｇ", "ＡＢＣ１２３=abc123 Ｒｕｎｎｉｎｇ=run");
}

#[test]
fn marks_never_break_a_word() {
    check("हिन्दी भाषा", "हिन्दी=हिन्दी भाषा=भाषा");
    check("كِتَاب كتاب", "كِتَاب=كتاب كتاب=كتاب");
    check("שָׁלוֹם", "שָׁלוֹם=שלום");
    check("hy\u{AD}phen", "hy\u{AD}phen=hyphen");
    check("hello👍🏽🤔world", "hello=hello 👍🏽=👍 🤔=🤔 world=world");
}

#[test]
fn long_words_become_short_terms_of_their_own() {
    let mut terms = Vec::new();
    let blob = "aGVsbG8".repeat(2_000);
    for text in [blob.as_str(), &blob.to_uppercase(), &format!("{blob}x"), &"é".repeat(40), &"x".repeat(64)]
    {
        Analyzer::new().analyze(text, |token| terms.push(token.term.to_owned()));
    }
    assert_eq!(terms.len(), 5);
    assert_eq!(terms[0], terms[1]);
    assert_ne!(terms[0], terms[2]);
    assert!(terms[0].starts_with("agvsbg8agvsbg8") && terms[0].len() == 64);
    assert_eq!(terms[3], "e".repeat(40));
    assert_eq!(terms[4], "x".repeat(64));
}

proptest! {
    #[test]
    fn any_text_is_taken(text in "(\\PC|[\\x00-\\u{20}]|[a-zA-Z]{1,20}|[가-힣ก-๛ぁ-ヿ一-鿿\u{300}-\u{36f}\u{900}-\u{97f}]){0,200}") {
        let (mut end, mut count) = (0, 0);
        Analyzer::new().analyze(&text, |token| {
            assert!(!token.term.is_empty() && token.term.len() <= athenaeum_archive::text::TERM_BYTES_MAX);
            assert!(end <= token.range.start && token.range.start < token.range.end);
            assert!(text.get(token.range.clone()).is_some());
            assert_eq!(token.position, count);
            (end, count) = (token.range.end, count + 1);
        });
    }

    /// What the cache of stems has seen before never shows.
    #[test]
    fn a_used_analyser_answers_as_a_new_one(texts in proptest::collection::vec("[a-zA-Z ]{0,80}", 1..20)) {
        let mut used = Analyzer::new();
        for text in &texts {
            prop_assert_eq!(ours(&mut used, text), ours(&mut Analyzer::new(), text));
        }
    }
}

/// Remembers every term by its place in the list.
#[derive(Default)]
struct Numbered {
    terms: Vec<String>,
    taken: Vec<(String, u32)>,
}

impl Terms for Numbered {
    fn take_known(&mut self, memo: u64, position: u32) -> bool {
        let Some(term) = (memo as usize).checked_sub(1).map(|place| &self.terms[place]) else { return false };
        self.taken.push((term.clone(), position));
        true
    }

    fn take(&mut self, term: &str, position: u32) -> u64 {
        self.terms.push(term.to_owned());
        self.taken.push((term.to_owned(), position));
        self.terms.len() as u64
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// So many words in so small a cache push each other out.
    #[test]
    fn known_words_give_the_same_terms(words in prop::collection::vec("[a-d]{1,6}(ing|s|É)?|[A-Za-z0-9]{1,20}|東京", 1..4000)) {
        let text = words.join(" ") + " " + &words.join("-");
        let mut numbered = Numbered::default();
        Analyzer::new().analyze_to(&text, &mut numbered);
        let mut expected = Vec::new();
        Analyzer::new().analyze(&text, |token| expected.push((token.term.to_owned(), token.position)));
        prop_assert_eq!(numbered.taken, expected);
    }
}
