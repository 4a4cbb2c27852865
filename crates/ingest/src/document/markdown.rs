//! Markdown as it was written, with its headings and code found. The text is the source, so that every byte leads back.

use super::{
    Block,
    draft::{At, Draft},
    letters,
    plain::{lines, tell_encoding},
};

pub(super) fn read(bytes: &[u8], draft: &mut Draft) {
    let letters = letters::decode(bytes, None);
    tell_encoding(&letters, draft);
    let mut scan = Scan::default();
    for line in lines(&letters.text) {
        let start = draft.len();
        line.push(&letters, draft);
        scan.line(line.text.trim_end(), start, draft);
        if draft.is_full() {
            break;
        }
    }
}

/// Adds Markdown that stands inside of another document.
pub(super) fn add(text: &str, draft: &mut Draft) {
    let mut scan = Scan { preface: Preface::Over, ..Scan::default() };
    for line in lines(text) {
        let start = draft.len();
        draft.push(line.text, At::default());
        scan.line(line.text.trim_end(), start, draft);
    }
}

/// Finds headings and code, line by line.
#[derive(Default)]
struct Scan {
    fence: Option<Fence>,
    preface: Preface,
    above: Above,
}

impl Scan {
    /// Looks at a line that was added at `start`.
    fn line(&mut self, text: &str, start: usize, draft: &mut Draft) {
        self.preface = self.preface.next(text, draft);
        if self.preface == Preface::Inside {
            return;
        }
        if let Some(open) = &self.fence {
            draft.block(open.start.min(start), Block::Code);
            if open.is_closed_by(text) {
                self.fence = None;
            }
            return;
        }
        let above = std::mem::take(&mut self.above);
        if let Some((mark, count)) = fence_of(text) {
            self.fence = Some(Fence { mark, count, start });
            draft.block(start, Block::Code);
        } else if let Some((level, title)) = hash_heading(text) {
            draft.heading(start, level, &plain(title));
        } else if let (Some(level), false) = (underline(text), above.title.is_empty()) {
            draft.heading(above.start, level, &plain(&above.title));
        } else {
            self.above = above;
            self.above.take(text, start);
        }
    }
}

/// The single line that an underline would make a heading.
#[derive(Default)]
struct Above {
    title: String,
    start: usize,
    lines: u32,
}

impl Above {
    fn take(&mut self, text: &str, start: usize) {
        let breaks = text.trim().is_empty()
            || text.starts_with("    ")
            || text.trim_start().starts_with(['>', '-', '*', '+', '|', '#']);
        if breaks {
            *self = Self::default();
            return;
        }
        self.lines += 1;
        if self.lines == 1 {
            (self.title, self.start) = (text.to_owned(), start);
        } else {
            self.title.clear();
        }
    }
}

/// A run of `` ` `` or `~` that opened code.
struct Fence {
    mark: u8,
    count: usize,
    start: usize,
}

impl Fence {
    fn is_closed_by(&self, line: &str) -> bool {
        let line = line.trim();
        line.len() >= self.count && line.bytes().all(|byte| byte == self.mark)
    }
}

fn fence_of(line: &str) -> Option<(u8, usize)> {
    let line = line.trim_start();
    let mark = *line.as_bytes().first().filter(|mark| matches!(mark, b'`' | b'~'))?;
    let count = line.bytes().take_while(|byte| *byte == mark).count();
    let inline = mark == b'`' && line[count..].contains('`');
    (count >= 3 && !inline).then_some((mark, count))
}

/// `## Title ##`: CommonMark 4.2.
fn hash_heading(line: &str) -> Option<(u8, &str)> {
    let inner = line.trim_start_matches(' ');
    let level = inner.bytes().take_while(|byte| *byte == b'#').count();
    let rest = &inner[level..];
    if !(1..=6).contains(&level) || line.len() - inner.len() > 3 || !rest.starts_with([' ', '\t']) {
        return None;
    }
    let title = rest.trim();
    let bare = title.trim_end_matches('#');
    let title = if bare.is_empty() || bare.ends_with(' ') { bare.trim_end() } else { title };
    Some((level as u8, title))
}

/// `===` or `---` under a line of text: CommonMark 4.3.
fn underline(line: &str) -> Option<u8> {
    let line = line.trim();
    match line.as_bytes().first()? {
        b'=' if line.bytes().all(|byte| byte == b'=') => Some(1),
        b'-' if line.bytes().all(|byte| byte == b'-') => Some(2),
        _ => None,
    }
}

/// A title without emphasis and links.
fn plain(title: &str) -> String {
    let mut plain = String::with_capacity(title.len());
    let mut rest = title;
    while let Some(found) = rest.find(['*', '`', '[']) {
        plain.push_str(&rest[..found]);
        let after = &rest[found + 1..];
        let link = rest[found..].starts_with('[').then(|| after.split_once("](")).flatten();
        match link.and_then(|(words, target)| Some((words, target.split_once(')')?.1))) {
            Some((words, after)) => {
                plain.push_str(words);
                rest = after;
            }
            None => {
                if rest[found..].starts_with('[') {
                    plain.push('[');
                }
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The lines between `---` at the top, of which title, author and date are kept.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Preface {
    #[default]
    Possible,
    Inside,
    Over,
}

impl Preface {
    fn next(self, line: &str, draft: &mut Draft) -> Self {
        match self {
            Self::Possible if line == "---" => Self::Inside,
            Self::Inside if line == "---" || line == "..." => Self::Over,
            Self::Inside => {
                if let Some((key, value)) = line.split_once(':') {
                    let value = value.trim().trim_matches(['"', '\'']);
                    match key {
                        "title" if !value.is_empty() => draft.title = Some(value.to_owned()),
                        "lang" | "language" => draft.language = Some(value.to_owned()),
                        "author" | "date" | "description" | "tags" => draft.tell(key, value),
                        _ => {}
                    }
                }
                Self::Inside
            }
            _ => Self::Over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, read_bytes};

    fn check(text: &str, headings: &[(u8, &str)]) {
        let reading = read_bytes("a.md", text.as_bytes(), &Options::default()).unwrap();
        let found: Vec<_> = reading.places.headings().iter().map(|h| (h.level, h.title.as_str())).collect();
        assert_eq!(found, headings, "{text}");
        assert_eq!(reading.text, text);
    }

    #[test]
    fn headings() {
        check("# One\n\ntext\n\n## *Two* `x` ##\n", &[(1, "One"), (2, "Two x")]);
        check("One\n===\nTwo\n---\n\na\nb\n---\n", &[(1, "One"), (2, "Two")]);
        check("```\n# no\n```\n# [yes](there)\n#no\n####### no\n", &[(1, "yes")]);
        check("~~~sh\n# no\n```\n# no\n~~~\n\n---\n- a\n---\n", &[]);
    }

    #[test]
    fn preface() {
        let text = "---\ntitle: \"My notes\"\nlang: de\n# no: heading\n---\n# Yes\n";
        let reading = read_bytes("a.md", text.as_bytes(), &Options::default()).unwrap();
        assert_eq!((reading.title.as_deref(), reading.language.as_deref()), (Some("My notes"), Some("de")));
        assert_eq!(reading.places.headings().len(), 1);
    }
}
