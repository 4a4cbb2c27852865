//! The Porter stemmer as SQLite's FTS5 applies it.
//!
//! The algorithm is M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980. FTS5's version
//! differs in small ways that users of FTS5 can observe, and this one follows it: words under 3 and over 64
//! bytes stay as they are, a suffix never takes the whole word, `logi` becomes `log`, `bli` becomes `ble`,
//! and the test for "holds a vowel" takes every `y` but a first one for a vowel. One thing it does not follow:
//! FTS5 can cut a letter outside ASCII in half where its last two bytes are equal; here such a letter stays whole.

/// Words longer than this, in bytes, are not stemmed.
pub(super) const STEMMED_BYTES_MAX: usize = 64;

/// Replaces a folded word by its stem. Letters outside ASCII count as consonants.
pub(super) fn stem(word: &mut Vec<u8>) {
    if word.len() < 3 || word.len() > STEMMED_BYTES_MAX {
        return;
    }
    plural(word);
    past_and_gerund(word);
    if word.last() == Some(&b'y') && has_vowel(&word[..word.len() - 1]) {
        replace_end(word, 1, b"i");
    }
    apply(STEP_2, word);
    apply(STEP_3, word);
    apply(STEP_4, word);
    final_e(word);
    if word.ends_with(b"ll") && measure(&word[..word.len() - 1]) > 1 {
        word.pop();
    }
}

/// Step 1a: `caresses` → `caress`, `ponies` → `poni`, `cats` → `cat`, `caress` stays.
fn plural(word: &mut Vec<u8>) {
    let length = word.len();
    if word[length - 1] != b's' || word[length - 2] == b's' {
        return;
    }
    let two = (length > 4 && word.ends_with(b"sses")) || (length > 3 && word.ends_with(b"ies"));
    word.truncate(length - if two { 2 } else { 1 });
}

/// Step 1b: `agreed` → `agree`, `plastered` → `plaster`, `hopping` → `hop`, `filing` → `file`.
fn past_and_gerund(word: &mut Vec<u8>) {
    let length = word.len();
    if length > 3 && word.ends_with(b"eed") {
        if measure(&word[..length - 3]) > 0 {
            word.pop();
        }
        return;
    }
    let ending = match word.as_slice() {
        [_, .., b'e', b'd'] => 2,
        [_, .., b'i', b'n', b'g'] => 3,
        _ => return,
    };
    if !has_vowel(&word[..length - ending]) {
        return;
    }
    word.truncate(length - ending);
    match word.as_slice() {
        [_, .., b'a', b't'] | [_, .., b'b', b'l'] | [_, .., b'i', b'z'] => word.push(b'e'),
        [.., before, last] if before == last && last.is_ascii() && !b"aeioulsz".contains(last) => {
            word.pop();
        }
        _ if measure(word) == 1 && ends_short(word) => word.push(b'e'),
        _ => {}
    }
}

/// Step 5a: `probate` → `probat`, `rate` stays, `cease` → `ceas`.
fn final_e(word: &mut Vec<u8>) {
    if let Some((b'e', rest)) = word.split_last() {
        let measure = measure(rest);
        if measure > 1 || (measure == 1 && !ends_short(rest)) {
            word.pop();
        }
    }
}

struct Rule {
    suffix: &'static [u8],
    becomes: &'static [u8],
    /// The suffix as [`end_of`] reads it, and the bits of that which it fills.
    end: u64,
    mask: u64,
}

struct Step {
    /// The measure that what stands before the suffix must exceed.
    measure: u32,
    /// The first whose suffix fits decides, even where the measure then forbids it.
    rules: &'static [Rule],
}

fn apply(step: &Step, word: &mut Vec<u8>) {
    let end = end_of(word);
    let fits = |rule: &&Rule| end & rule.mask == rule.end && word.len() > rule.suffix.len();
    let Some(rule) = step.rules.iter().find(fits) else { return };
    let rest = &word[..word.len() - rule.suffix.len()];
    // "-ion" only goes after s or t: "adoption", but not "onion".
    let allowed = rule.suffix != b"ion" || matches!(rest.last(), Some(b's' | b't'));
    if allowed && measure(rest) > step.measure {
        replace_end(word, rule.suffix.len(), rule.becomes);
    }
}

/// The last eight bytes as a number, the last one lowest; zeros stand before a shorter word.
const fn end_of(word: &[u8]) -> u64 {
    let mut end = 0;
    let mut at = word.len().saturating_sub(8);
    while at < word.len() {
        end = end << 8 | word[at] as u64;
        at += 1;
    }
    end
}

fn replace_end(word: &mut Vec<u8>, count: usize, by: &[u8]) {
    word.truncate(word.len().saturating_sub(count));
    word.extend_from_slice(by);
}

/// Counts the changes from vowel to consonant: Porter's m, in `[C](VC)^m[V]`.
fn measure(stem: &[u8]) -> u32 {
    let (mut count, mut consonant, mut seen_vowel) = (0, false, false);
    for &byte in stem {
        consonant = !is_vowel(byte, consonant);
        count += u32::from(consonant && seen_vowel);
        seen_vowel = !consonant;
    }
    count
}

fn has_vowel(stem: &[u8]) -> bool {
    stem.iter().enumerate().any(|(index, &byte)| is_vowel(byte, index > 0))
}

/// Porter's *o: ends consonant, vowel, consonant, and the last is not w, x or y.
fn ends_short(stem: &[u8]) -> bool {
    if matches!(stem.last(), None | Some(b'w' | b'x' | b'y')) {
        return false;
    }
    let (mut pattern, mut consonant) = (0_u8, false);
    for &byte in stem {
        consonant = !is_vowel(byte, consonant);
        pattern = (pattern << 1) | u8::from(consonant);
    }
    pattern & 0b111 == 0b101
}

fn is_vowel(byte: u8, y_is_vowel: bool) -> bool {
    matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u') || (y_is_vowel && byte == b'y')
}

const fn rule(suffix: &'static [u8], becomes: &'static [u8]) -> Rule {
    assert!(suffix.len() < 8);
    Rule { suffix, becomes, end: end_of(suffix), mask: (1 << (8 * suffix.len())) - 1 }
}

const STEP_2: &Step = &Step {
    measure: 0,
    rules: &[
        rule(b"ational", b"ate"),
        rule(b"tional", b"tion"),
        rule(b"enci", b"ence"),
        rule(b"anci", b"ance"),
        rule(b"izer", b"ize"),
        rule(b"logi", b"log"),
        rule(b"bli", b"ble"),
        rule(b"alli", b"al"),
        rule(b"entli", b"ent"),
        rule(b"eli", b"e"),
        rule(b"ousli", b"ous"),
        rule(b"ization", b"ize"),
        rule(b"ation", b"ate"),
        rule(b"ator", b"ate"),
        rule(b"alism", b"al"),
        rule(b"iveness", b"ive"),
        rule(b"fulness", b"ful"),
        rule(b"ousness", b"ous"),
        rule(b"aliti", b"al"),
        rule(b"iviti", b"ive"),
        rule(b"biliti", b"ble"),
    ],
};

const STEP_3: &Step = &Step {
    measure: 0,
    rules: &[
        rule(b"ical", b"ic"),
        rule(b"ness", b""),
        rule(b"icate", b"ic"),
        rule(b"iciti", b"ic"),
        rule(b"ful", b""),
        rule(b"ative", b""),
        rule(b"alize", b"al"),
    ],
};

const STEP_4: &Step = &Step {
    measure: 1,
    rules: &[
        rule(b"al", b""),
        rule(b"ance", b""),
        rule(b"ence", b""),
        rule(b"er", b""),
        rule(b"ic", b""),
        rule(b"able", b""),
        rule(b"ible", b""),
        rule(b"ant", b""),
        rule(b"ement", b""),
        rule(b"ment", b""),
        rule(b"ent", b""),
        rule(b"ion", b""),
        rule(b"ou", b""),
        rule(b"ism", b""),
        rule(b"ate", b""),
        rule(b"iti", b""),
        rule(b"ous", b""),
        rule(b"ive", b""),
        rule(b"ize", b""),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)]) {
        for (word, expected) in pairs {
            let mut bytes = word.as_bytes().to_vec();
            stem(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), *expected, "stem of {word}");
        }
    }

    #[test]
    fn examples_of_each_step() {
        check(&[("caresses", "caress"), ("ponies", "poni"), ("cats", "cat"), ("running", "run")]);
        check(&[("agreed", "agre"), ("filing", "file"), ("sized", "size"), ("happy", "happi")]);
        check(&[("relational", "relat"), ("organization", "organ"), ("formality", "formal")]);
        check(&[
            ("triplicate", "triplic"),
            ("adoption", "adopt"),
            ("onion", "onion"),
            ("controlling", "control"),
        ]);
    }

    #[test]
    fn short_long_and_foreign_words_stay_whole() {
        check(&[("is", "is"), ("as", "as"), ("ø", "ø"), ("aed", "a"), ("мама", "мама")]);
        let long = "ings".repeat(17);
        check(&[(&long, &long)]);
        // The last two bytes of U+2040 are 81 80, those of U+3000 are both 80.
        check(&[("a\u{3000}ing", "a\u{3000}")]);
    }
}
