//! Cutting text into words.

use super::pattern::{self, Pattern};

/// One way to cut a text.
#[derive(Debug)]
pub(super) enum Cut {
    Pattern {
        pattern: Pattern,
        keep: Keep,
    },
    /// Runs of digits into groups of three, counted from the right.
    DigitGroups {
        /// Only runs that no letter follows.
        before_no_word: bool,
    },
}

/// What becomes of that which an expression finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// It is a word, and what lies between is one.
    Apart,
    /// It is left out.
    Not,
    /// What it does not find is left out.
    Only,
    /// It ends the word before it.
    WithPrevious,
    /// It begins the word after it.
    WithNext,
    /// Findings next to each other are one word.
    Together,
}

/// Cuts a text one way after another.
pub(super) fn cut<'text>(text: &'text str, cuts: &[Cut], word: &mut dyn FnMut(&'text str)) {
    match cuts {
        [] if text.is_empty() => {}
        [] => word(text),
        [first, rest @ ..] => first.cut(text, &mut |piece| cut(piece, rest, word)),
    }
}

impl Cut {
    pub(super) fn pattern(source: &str, keep: Keep) -> Result<Self, pattern::Error> {
        Pattern::new(source).map(|pattern| Self::Pattern { pattern, keep })
    }

    fn cut<'text>(&self, text: &'text str, piece: &mut dyn FnMut(&'text str)) {
        match self {
            Self::Pattern { pattern, keep: Keep::Apart } => pattern.split(text, &mut |part, _| piece(part)),
            Self::Pattern { pattern, keep: Keep::Not } => {
                pattern.split(text, &mut |part, found| {
                    if !found {
                        piece(part);
                    }
                });
            }
            Self::Pattern { pattern, keep: Keep::Only } => {
                pattern.split(text, &mut |part, found| {
                    if found {
                        piece(part);
                    }
                });
            }
            Self::Pattern { pattern, keep } => joined(pattern, *keep, text, piece),
            Self::DigitGroups { before_no_word } => digit_groups(text, *before_no_word, piece),
        }
    }
}

/// Puts findings to what lies before or after them, or together.
fn joined<'text>(pattern: &Pattern, keep: Keep, text: &'text str, piece: &mut dyn FnMut(&'text str)) {
    let (mut start, mut end, mut last) = (0, 0, None::<bool>);
    pattern.split(text, &mut |part, found| {
        let joins = match (keep, last) {
            (_, None) => true,
            (Keep::WithPrevious, Some(last)) => found && !last,
            (Keep::WithNext, Some(last)) => last && !found,
            (_, Some(last)) => found == last,
        };
        if !joins {
            piece(&text[start..end]);
            start = end;
        }
        end += part.len();
        last = Some(found);
    });
    if start < end {
        piece(&text[start..end]);
    }
}

fn digit_groups<'text>(text: &'text str, before_no_word: bool, piece: &mut dyn FnMut(&'text str)) {
    let mut told = 0;
    let mut run: Vec<usize> = Vec::new();
    let ends = text.char_indices().map(|(at, character)| (at, Some(character))).chain([(text.len(), None)]);
    for (at, character) in ends {
        if character.is_some_and(char::is_numeric) {
            run.push(at);
            continue;
        }
        let follows = |next: char| next.is_alphabetic() || next == '_';
        if !(run.is_empty() || before_no_word && character.is_some_and(follows)) {
            // Before each group: as many digits are left as make groups of three.
            for index in (0..run.len()).filter(|index| (run.len() - index).is_multiple_of(3) || *index == 0) {
                if told < run[index] {
                    piece(&text[told..run[index]]);
                }
                told = run[index];
            }
            piece(&text[told..at]);
            told = at;
        }
        run.clear();
    }
    if told < text.len() {
        piece(&text[told..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cut: &Cut, text: &str, expected: &[&str]) {
        let mut found = Vec::new();
        cut.cut(text, &mut |piece| found.push(piece));
        assert_eq!(found, expected, "{cut:?}");
    }

    #[test]
    fn what_is_found_is_kept_in_all_manners() {
        let cut = |keep| Cut::pattern("-", keep).unwrap();
        check(&cut(Keep::Apart), "a-b--c", &["a", "-", "b", "-", "-", "c"]);
        check(&cut(Keep::Not), "a-b--c", &["a", "b", "c"]);
        check(&cut(Keep::Only), "a-b--c", &["-", "-", "-"]);
        check(&cut(Keep::WithPrevious), "a-b--c", &["a-", "b-", "-", "c"]);
        check(&cut(Keep::WithNext), "a-b--c", &["a", "-b", "-", "-c"]);
        check(&cut(Keep::Together), "a-b--c", &["a", "-", "b", "--", "c"]);
        check(&cut(Keep::WithPrevious), "-a", &["-", "a"]);
        check(&cut(Keep::Together), "", &[]);
    }

    #[test]
    fn digits_are_grouped_from_the_right() {
        let (any, before_no_word) =
            (Cut::DigitGroups { before_no_word: false }, Cut::DigitGroups { before_no_word: true });
        check(&any, "1234567", &["1", "234", "567"]);
        check(&any, "a123456b12", &["a", "123", "456", "b", "12"]);
        check(&before_no_word, "1234a 1234.", &["1234a ", "1", "234", "."]);
    }
}
