//! Letters to words, and words that stand beside each other to runs.
//!
//! The distances are those at which poppler's pdftotext (TextOutputDev) tells words apart, as parts of the font's size:
//! what most PDFs have been tried with.

use icu_normalizer::ComposingNormalizerBorrowed;

use super::{bidi, machine::Glyph};

/// Letters this much apart belong to different words while they are drawn.
const DRAWN_APART: f64 = 0.1;
/// A letter this far back begins a new word.
const DRAWN_BACK: f64 = -0.2;
/// Words this much apart on a line have a space between them.
const SPACE: f64 = 0.03;
/// The same between letters that are written without spaces.
const SPACE_DENSE: f64 = 0.3;
/// Words further apart than this begin another run, perhaps another column.
const RUN_APART: f64 = 1.1;
/// The same word drawn again this near is a shadow, or bold made by hand.
const TWICE: f64 = 0.2;

/// Letters that follow each other without a gap. Lengths in points; `u` along the line, `v` downwards.
#[derive(Debug, Clone, PartialEq)]
struct Word {
    clusters: Vec<String>,
    u0: f64,
    u1: f64,
    /// Where its last letter begins.
    last: f64,
    v: f64,
    size: f64,
    /// Its place in the order of drawing.
    place: usize,
    /// A space was drawn after it.
    spaced: bool,
}

/// Words of one line without a wide gap.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) text: String,
    pub(super) u0: f64,
    pub(super) u1: f64,
    /// The baseline.
    pub(super) v: f64,
    pub(super) size: f64,
    pub(super) words: usize,
    pub(super) right_to_left: bool,
}

/// Makes runs of a page's letters of one direction, in no order.
pub(super) fn runs(glyphs: &[Glyph], turns: u8) -> Vec<Run> {
    let mut words = words(glyphs, turns);
    forget_twins(&mut words);
    let mut runs = Vec::new();
    for row in rows(words) {
        let mut row = row.into_iter().peekable();
        while let Some(first) = row.next() {
            let mut end = first.u1;
            let mut size = first.size;
            let mut run = vec![first];
            while let Some(next) = row.next_if(|next| next.u0 - end < RUN_APART * next.size.max(size)) {
                end = end.max(next.u1);
                size = next.size;
                run.push(next);
            }
            runs.extend(self::run(&run));
        }
    }
    runs
}

/// Turns a point so that its line runs to the right, and `v` grows downwards.
fn turned(x: f64, y: f64, turns: u8) -> (f64, f64) {
    match turns {
        0 => (x, -y),
        1 => (y, x),
        2 => (-x, y),
        _ => (-y, -x),
    }
}

fn words(glyphs: &[Glyph], turns: u8) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut open = false;
    for (place, glyph) in glyphs.iter().enumerate().filter(|(_, glyph)| !glyph.vertical) {
        if glyph.turns != turns {
            open = false;
            continue;
        }
        if glyph.text.chars().all(char::is_whitespace) {
            if open && let Some(word) = words.last_mut() {
                word.spaced = true;
            }
            open = false;
            continue;
        }
        let (u, v) = turned(glyph.x, glyph.y, turns);
        let length = turned(glyph.dx, glyph.dy, turns).0;
        let (u0, u1) = (u.min(u + length), u.max(u + length));
        if let Some(word) = words.last_mut().filter(|word| open && joins_mark(word, &glyph.text, u0, u1)) {
            mark(word, &glyph.text, u1);
            continue;
        }
        let again = |word: &&mut Word| {
            let near = (word.last - u0).abs() < (TWICE * glyph.size).min(0.5 * (u1 - u0));
            open && near
                && (word.v - v).abs() < TWICE * glyph.size
                && word.clusters.last() == Some(&glyph.text)
        };
        if words.last_mut().filter(again).is_some() {
            continue;
        }
        if let Some(word) = words.last_mut().filter(|_| open) {
            let gap = u0 - word.u1;
            let goes_on = (DRAWN_BACK * word.size..=DRAWN_APART * word.size).contains(&gap)
                && (v - word.v).abs() < 0.5
                && (glyph.size - word.size).abs() < 0.02 * word.size;
            if goes_on {
                word.clusters.push(glyph.text.clone());
                (word.u1, word.last) = (u1, u0);
                continue;
            }
        }
        open = true;
        let clusters = vec![glyph.text.clone()];
        words.push(Word { clusters, u0, u1, last: u0, v, size: glyph.size, place, spaced: false });
    }
    words
}

/// Whether a letter is a mark on the one before it, or the one before it a mark on this.
fn joins_mark(word: &Word, text: &str, u0: f64, u1: f64) -> bool {
    let Some(last) = word.clusters.last() else { return false };
    let own = combining(text);
    if own.is_some_and(|(_, always)| always) {
        return u0 < word.u1 + 0.1 * word.size;
    }
    let overlaps = (u0 + u1) / 2.0 < word.u1 && u1 > word.u0;
    let letter = |text: &str| text.chars().count() == 1 && text.chars().all(char::is_alphabetic);
    overlaps && ((own.is_some() && letter(last)) || (combining(last).is_some() && letter(text)))
}

fn mark(word: &mut Word, text: &str, u1: f64) {
    let Some(last) = word.clusters.last_mut() else { return };
    let (base, accent) = match (combining(text), combining(last)) {
        (Some((accent, _)), _) => (last.clone(), accent),
        (None, Some((accent, _))) => (text.to_owned(), accent),
        (None, None) => return,
    };
    let base = base.replace('ı', "i").replace('ȷ', "j");
    *last = ComposingNormalizerBorrowed::new_nfc().normalize(&format!("{base}{accent}")).into_owned();
    word.u1 = word.u1.max(u1);
}

/// The combining form of an accent, and whether it can be nothing else.
fn combining(text: &str) -> Option<(char, bool)> {
    let mut letters = text.chars();
    let letter = letters.next()?;
    if letters.next().is_some() {
        return None;
    }
    let combined = match letter {
        '`' => '\u{300}',
        '´' => '\u{301}',
        'ˆ' => '\u{302}',
        '˜' => '\u{303}',
        '¯' => '\u{304}',
        '˘' => '\u{306}',
        '˙' => '\u{307}',
        '¨' => '\u{308}',
        '˚' => '\u{30A}',
        '˝' => '\u{30B}',
        'ˇ' => '\u{30C}',
        '¸' => '\u{327}',
        '˛' => '\u{328}',
        '\u{300}'..='\u{36F}'
        | '\u{591}'..='\u{5BD}'
        | '\u{5BF}'..='\u{5C7}'
        | '\u{64B}'..='\u{65F}'
        | '\u{670}' => {
            return Some((letter, true));
        }
        _ => return None,
    };
    Some((combined, false))
}

/// Takes out words that were drawn more than once at the same place.
fn forget_twins(words: &mut Vec<Word>) {
    words.sort_by(|a, b| a.clusters.cmp(&b.clusters).then(a.v.total_cmp(&b.v)));
    let mut twins = vec![false; words.len()];
    for place in 0..words.len() {
        let word = &words[place];
        for (other, later) in words[place + 1..].iter().enumerate().take(50) {
            if later.clusters != word.clusters || later.v - word.v > TWICE * word.size {
                break;
            }
            if (later.u0 - word.u0).abs() < TWICE * word.size
                && (later.size - word.size).abs() < 0.1 * word.size
            {
                let later_drawn = if later.place > word.place { place + 1 + other } else { place };
                twins[later_drawn] = true;
            }
        }
    }
    let mut twins = twins.into_iter();
    words.retain(|_| !twins.next().unwrap_or_default());
}

/// Gathers words whose baselines are nearly the same, left to right.
fn rows(mut words: Vec<Word>) -> Vec<Vec<Word>> {
    words.sort_by(|a, b| a.v.total_cmp(&b.v).then(a.u0.total_cmp(&b.u0)));
    let mut rows: Vec<(f64, f64, Vec<Word>)> = Vec::new();
    for word in words {
        match rows.last_mut() {
            Some((v, size, row))
                if word.v - *v <= 0.5 * size.max(word.size).min(1.6 * size.min(word.size)) =>
            {
                if word.size > *size {
                    (*v, *size) = (word.v, word.size);
                }
                row.push(word);
            }
            _ => rows.push((word.v, word.size, vec![word])),
        }
    }
    rows.into_iter()
        .map(|(_, _, mut row)| {
            row.sort_by(|a, b| a.u0.total_cmp(&b.u0).then(a.place.cmp(&b.place)));
            row
        })
        .collect()
}

/// Joins words, with spaces where there are gaps.
fn run(words: &[Word]) -> Option<Run> {
    let first = words.first()?;
    let (u0, place) = (first.u0, words.iter().max_by(|a, b| a.size.total_cmp(&b.size))?);
    let (v, size) = (place.v, place.size);
    let u1 = words.iter().map(|word| word.u1).fold(f64::NEG_INFINITY, f64::max);
    let least = least_gap(words);
    let mut clusters: Vec<String> = Vec::new();
    let mut count = 1;
    let mut before: Option<(f64, &Word)> = None;
    for word in words {
        if let Some((end, before)) = before {
            let gap = word.u0 - end;
            let drawn = before.spaced && gap > SPACE * word.size / 2.0;
            let dense =
                before.clusters.last().is_some_and(|text| is_dense(text)) && is_dense(&word.clusters[0]);
            let least = if dense { SPACE_DENSE * word.size } else { least };
            if drawn || gap >= least {
                clusters.push(" ".to_owned());
                count += 1;
            }
        }
        clusters.extend(word.clusters.iter().cloned());
        before = Some((before.map_or(word.u1, |(end, _)| word.u1.max(end)), word));
    }
    let (text, right_to_left) = bidi::logical(&clusters);
    let text = compatible(&text);
    (!text.trim().is_empty()).then_some(Run { text, u0, u1, v, size, words: count, right_to_left })
}

/// From which gap on there is a space. Letters that were spaced out one by one get one only where the gap is wider than
/// usual.
fn least_gap(words: &[Word]) -> f64 {
    let usual = SPACE * words[0].size;
    if words.len() < 3 || words.iter().any(|word| word.clusters.len() > 1) {
        return usual;
    }
    let gaps = || words.windows(2).map(|pair| pair[1].u0 - pair[0].u1);
    let (narrow, wide) = (gaps().fold(f64::INFINITY, f64::min), gaps().fold(f64::NEG_INFINITY, f64::max));
    let size = words[0].size;
    match () {
        () if narrow <= 0.0 || narrow > 0.4 * size => usual,
        () if wide - narrow < 0.07 * size => wide + 0.1 * size,
        () if wide > 1.3 * narrow => f64::midpoint(narrow, wide),
        () => usual,
    }
}

/// Letters that need no spaces between words.
fn is_dense(text: &str) -> bool {
    text.chars().next().is_some_and(|letter| matches!(letter, '\u{2E80}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FFEF}' | '\u{20000}'..='\u{3FFFF}'))
}

/// Ligatures and the forms that letters of Arabic take within a word, as the letters that they are.
fn compatible(text: &str) -> String {
    let form = |letter: char| matches!(letter, '\u{FB00}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFE}' | '\u{2F00}'..='\u{2FDF}' | '\u{132}' | '\u{133}');
    let normalizer = ComposingNormalizerBorrowed::new_nfkc();
    let mut plain = String::with_capacity(text.len());
    let mut bytes = [0; 4];
    for letter in text.chars() {
        match letter {
            letter if form(letter) => plain.push_str(&normalizer.normalize(letter.encode_utf8(&mut bytes))),
            '\0'..='\u{1F}' | '\u{7F}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}' => {}
            '\u{A0}' => plain.push(' '),
            // Drawn, it is one.
            '\u{AD}' => plain.push('-'),
            letter => plain.push(letter),
        }
    }
    plain
}

/// Lines that run from above to below, in the order in which they are drawn.
pub(super) fn vertical(glyphs: &[Glyph]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut before: Option<&Glyph> = None;
    for glyph in glyphs.iter().filter(|glyph| glyph.vertical) {
        let goes_on = before.is_some_and(|before| {
            let drop = before.y - glyph.y;
            (before.x - glyph.x).abs() < 0.5 * glyph.size && (0.0..2.5 * glyph.size).contains(&drop)
        });
        match lines.last_mut() {
            Some(line) if goes_on => line.push_str(&glyph.text),
            _ => lines.push(glyph.text.clone()),
        }
        before = Some(glyph);
    }
    lines.iter().map(|line| compatible(line)).filter(|line| !line.trim().is_empty()).collect()
}
