//! Cutting text into words.

use super::{
    Space, byte_level,
    pattern::{self, Class, Pattern},
};

/// One way to cut a text, or to change what was cut.
#[derive(Debug)]
pub(super) enum Cut {
    Pattern {
        pattern: Pattern,
        keep: Keep,
        /// What lies between counts as what is found, and the other way round.
        inverted: bool,
    },
    /// Runs of digits into groups of three, counted from the right.
    DigitGroups {
        digit: Class,
        /// Only runs that none of these follows.
        unless_before: Option<Class>,
    },
    /// Puts a space before what does not begin with one.
    SpaceBefore,
    /// Writes spaces as this, and puts one before what does not begin with it.
    Metaspace { replacement: String, prepend: Space },
    /// Writes bytes in GPT-2's alphabet.
    ByteLevel,
}

/// What becomes of that which an expression finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// It is a word, and what lies between is one.
    Apart,
    /// It is left out.
    Not,
    /// It ends the word before it.
    WithPrevious,
    /// It begins the word after it.
    WithNext,
    /// Findings next to each other are one word.
    Together,
}

/// Cuts a text one way after another. `begins`: nothing comes before it.
pub(super) fn cut(text: &str, cuts: &[Cut], begins: bool, word: &mut dyn FnMut(&str)) {
    let Some((first, rest)) = cuts.split_first() else {
        if !text.is_empty() {
            word(text);
        }
        return;
    };
    let mut piece = |piece: &str| cut(piece, rest, begins && piece.as_ptr() == text.as_ptr(), word);
    match first {
        Cut::Pattern { pattern, keep: Keep::Apart, .. } => pattern.split(text, &mut |part, _| piece(part)),
        Cut::Pattern { pattern, keep: Keep::Not, inverted } => {
            pattern.split(text, &mut |part, found| {
                if found == *inverted {
                    piece(part);
                }
            });
        }
        Cut::Pattern { pattern, keep, inverted } => joined(pattern, *keep, *inverted, text, &mut piece),
        Cut::DigitGroups { digit, unless_before } => {
            digit_groups(text, digit, unless_before.as_ref(), &mut piece);
        }
        Cut::SpaceBefore if text.starts_with(' ') => piece(text),
        Cut::SpaceBefore => cut(&format!(" {text}"), rest, begins, word),
        Cut::Metaspace { replacement, prepend } => {
            let mut written = text.replace(' ', replacement);
            let prepends = *prepend == Space::Always || *prepend == Space::First && begins;
            if prepends && !written.starts_with(replacement.as_str()) {
                written.insert_str(0, replacement);
            }
            cut(&written, rest, begins, word);
        }
        Cut::ByteLevel => {
            let written: String = text.bytes().map(byte_level::character).collect();
            cut(&written, rest, begins, word);
        }
    }
}

impl Cut {
    pub(super) fn pattern(source: &str, keep: Keep) -> Result<Self, pattern::Error> {
        Pattern::new(source).map(|pattern| Self::Pattern { pattern, keep, inverted: false })
    }

    /// Returns the digit groups that some expressions stand for, which would look at a run of digits from each of
    /// them to its end.
    pub(super) fn digit_groups_like(source: &str) -> Option<Self> {
        match source {
            r"\d{1,3}(?=(?:\d{3})*\b)" => Self::digit_groups(r"\d", true),
            r"(?=(\d{3})+(?!\d))" => Self::digit_groups(r"\d", false),
            r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))" => Self::digit_groups(r"\p{N}", false),
            _ => None,
        }
    }

    /// `digit`: what counts as one; `None` if that is no class.
    pub(super) fn digit_groups(digit: &str, unless_before_word: bool) -> Option<Self> {
        let unless_before = if unless_before_word { Some(Class::parse(r"\w", false)?) } else { None };
        Some(Self::DigitGroups { digit: Class::parse(digit, false)?, unless_before })
    }
}

/// Puts findings to what lies before or after them, or together.
fn joined(pattern: &Pattern, keep: Keep, inverted: bool, text: &str, piece: &mut dyn FnMut(&str)) {
    let (mut start, mut end, mut last) = (0, 0, None::<bool>);
    pattern.split(text, &mut |part, found| {
        let found = found != inverted;
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

fn digit_groups(text: &str, digit: &Class, unless_before: Option<&Class>, piece: &mut dyn FnMut(&str)) {
    let mut told = 0;
    let mut run: Vec<usize> = Vec::new();
    let ends = text.char_indices().map(|(at, character)| (at, Some(character))).chain([(text.len(), None)]);
    for (at, character) in ends {
        if character.is_some_and(|character| digit.contains(character)) {
            run.push(at);
            continue;
        }
        let follows = |next: char| unless_before.is_some_and(|class| class.contains(next));
        if !run.is_empty() && !character.is_some_and(follows) {
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

    fn check(one: &Cut, text: &str, expected: &[&str]) {
        let mut found: Vec<String> = Vec::new();
        cut(text, std::slice::from_ref(one), true, &mut |piece| found.push(piece.to_owned()));
        assert_eq!(found, expected, "{one:?}");
    }

    #[test]
    fn what_is_found_is_kept_in_all_manners() {
        let cut = |keep| Cut::pattern("-", keep).unwrap();
        check(&cut(Keep::Apart), "a-b--c", &["a", "-", "b", "-", "-", "c"]);
        check(&cut(Keep::Not), "a-b--c", &["a", "b", "c"]);
        let pattern = Pattern::new("-").unwrap();
        check(&Cut::Pattern { pattern, keep: Keep::Not, inverted: true }, "a-b--c", &["-", "-", "-"]);
        check(&cut(Keep::WithPrevious), "a-b--c", &["a-", "b-", "-", "c"]);
        check(&cut(Keep::WithNext), "a-b--c", &["a", "-b", "-", "-c"]);
        check(&cut(Keep::Together), "a-b--c", &["a", "-", "b", "--", "c"]);
        check(&cut(Keep::WithPrevious), "-a", &["-", "a"]);
        check(&cut(Keep::Together), "", &[]);
    }

    #[test]
    fn spaces_are_put_before() {
        let metaspace = |prepend| Cut::Metaspace { replacement: "▁".to_owned(), prepend };
        check(&metaspace(Space::Always), "a b", &["▁a▁b"]);
        check(&metaspace(Space::Always), " a", &["▁a"]);
        check(&metaspace(Space::Never), "a b", &["a▁b"]);
        check(&Cut::SpaceBefore, "a", &[" a"]);
        check(&Cut::SpaceBefore, "\na", &[" \na"]);
        check(&Cut::SpaceBefore, " a", &[" a"]);
        let cuts = [Cut::pattern(" ", Keep::Not).unwrap(), metaspace(Space::First)];
        let mut found = Vec::new();
        cut("a b", &cuts, true, &mut |piece| found.push(piece.to_owned()));
        assert_eq!(found, ["▁a", "b"]);
    }

    #[test]
    fn digits_are_grouped_from_the_right() {
        let (any, before_no_word) =
            (Cut::digit_groups(r"\d", false).unwrap(), Cut::digit_groups(r"\d", true).unwrap());
        check(&any, "1234567", &["1", "234", "567"]);
        check(&any, "a123456b12", &["a", "123", "456", "b", "12"]);
        check(&before_no_word, "1234a 1234.", &["1234a ", "1", "234", "."]);
    }
}
