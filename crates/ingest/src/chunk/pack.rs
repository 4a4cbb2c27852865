use super::{
    Chunk, Chunking,
    units::{Border, Unit},
};
use crate::document::Reading;

/// A chunk may end this much before it is full, in percent, where there is a better place to end.
const EARLY: usize = 30;
/// The same where structure counts.
const EARLY_STRUCTURED: usize = 50;

/// Fills chunks with units.
pub(super) fn pack(reading: &Reading, chunking: &Chunking, units: &[Unit]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut first = 0;
    // Up to here everything is in a chunk.
    let mut covered = 0;
    while covered < units.len() {
        let end = end(chunking, units, first, covered);
        let tokens = units[first..end].iter().map(|unit| unit.tokens).sum();
        chunks.extend(chunk(reading, units[first].range.start..units[end - 1].range.end, tokens));
        covered = end;
        first = overlap(chunking, units, end, first);
    }
    chunks
}

/// Where the chunk that begins with unit `first` ends; beyond `covered` at least.
fn end(chunking: &Chunking, units: &[Unit], first: usize, covered: usize) -> usize {
    let max = chunking.tokens_max.max(1);
    let mut tokens: usize = units[first..=covered].iter().map(|unit| unit.tokens).sum();
    let mut end = covered + 1;
    while let Some(unit) = units.get(end) {
        if chunking.structure && unit.border == Border::Section && tokens >= chunking.tokens_min.min(max / 2)
        {
            return end;
        }
        if tokens + unit.tokens > max {
            let early = if chunking.structure { EARLY_STRUCTURED } else { EARLY };
            return better(units, covered, end, max * early / 100);
        }
        tokens += unit.tokens;
        end += 1;
    }
    end
}

/// The best place to end in the last part of a full chunk; the last of equals.
fn better(units: &[Unit], covered: usize, full: usize, early: usize) -> usize {
    let mut best = full;
    let mut dropped = 0;
    for end in (covered + 1..full).rev() {
        dropped += units[end].tokens;
        if dropped > early {
            break;
        }
        if units[end].border > units[best].border {
            best = end;
        }
    }
    best
}

/// Where the chunk after the one that ended at `end` begins.
fn overlap(chunking: &Chunking, units: &[Unit], end: usize, first: usize) -> usize {
    let Some(next) = units.get(end) else { return end };
    if chunking.structure && next.border == Border::Section {
        return end;
    }
    // With the next unit it must fit.
    let max = chunking.tokens_max.max(1);
    let room = chunking.overlap.min(max / 2).min(max.saturating_sub(next.tokens));
    let mut begin = end;
    let mut tokens = 0;
    while begin > first + 1 {
        let unit = &units[begin - 1];
        // What is after a word in the middle of a sentence alone says little.
        if tokens + unit.tokens > room {
            break;
        }
        tokens += unit.tokens;
        begin -= 1;
        if chunking.structure && unit.border == Border::Section {
            break;
        }
    }
    begin
}

fn chunk(reading: &Reading, range: std::ops::Range<usize>, tokens: usize) -> Option<Chunk> {
    let text = &reading.text[range.clone()];
    let start = range.start + (text.len() - text.trim_start().len());
    let end = range.start + text.trim_end().len();
    if start >= end {
        return None;
    }
    let headings = reading.places.at(start).headings;
    Some(Chunk { range: start..end, heading: (!headings.is_empty()).then(|| headings.join(" › ")), tokens })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::chunks;
    use super::*;
    use crate::document::{Format, Options, read_bytes};

    fn words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn read(name: &str, text: &str) -> Reading {
        read_bytes(name, text.as_bytes(), &Options::default()).unwrap()
    }

    fn check(name: &str, text: &str, chunking: &Chunking, expected: &[&str]) {
        let reading = read(name, text);
        let found = chunks(&reading, chunking, &words);
        let found: Vec<&str> = found.iter().map(|chunk| &reading.text[chunk.range.clone()]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_window_slides_over_sentences() {
        let window = Chunking { tokens_max: 7, overlap: 3, tokens_min: 1, structure: false };
        check(
            "a.txt",
            "One two three. Four five six. Dr. Seven said 8.5 \"times!\" Nine ten. Eleven twelve thirteen fourteen fifteen sixteen.",
            &window,
            &[
                "One two three. Four five six.",
                "Dr. Seven said 8.5 \"times!\" Nine ten.",
                "Eleven twelve thirteen fourteen fifteen sixteen.",
            ],
        );
        check(
            "a.txt",
            "One two. Three four. Five six. Seven eight. Nine ten.",
            &Chunking { tokens_max: 6, overlap: 2, tokens_min: 1, structure: false },
            &["One two. Three four. Five six.", "Five six. Seven eight. Nine ten."],
        );
    }

    #[test]
    fn headings_begin_chunks() {
        let structured = Chunking { tokens_max: 9, overlap: 2, tokens_min: 4, structure: true };
        check(
            "a.md",
            "# A\n\na b c d e\n\n## B\nx\n# C\nOne two. Three four. Five six. Seven eight. Nine.\n",
            &structured,
            &[
                "# A\n\na b c d e",
                "## B\nx\n# C\nOne two. Three four.",
                "Three four. Five six. Seven eight. Nine.",
            ],
        );
    }

    #[test]
    fn functions_keep_together() {
        let chunking = Chunking { tokens_max: 12, tokens_min: 2, ..Chunking::of(Format::Code) };
        check(
            "a.py",
            "def a():\n    x = 1\n\n    return x\n\ndef b():\n    y = 2\n    return y\n",
            &chunking,
            &["def a():\n    x = 1\n\n    return x", "def b():\n    y = 2\n    return y"],
        );
    }

    #[test]
    fn a_word_without_end_is_cut() {
        let reading = read("a.txt", &"é".repeat(1000));
        let letters = |text: &str| text.chars().count();
        let found = chunks(&reading, &Chunking { tokens_max: 64, ..Chunking::WINDOW }, &letters);
        assert!(
            found.len() >= 16 && found.iter().all(|chunk| letters(&reading.text[chunk.range.clone()]) <= 64)
        );
    }

    proptest! {
        #[test]
        fn all_is_covered_within_limits(
            text in "([a-zé]{1,9}[.!]?[ \n]{0,3}|# [a-z]{1,5}\n|```\n|。世界|    x\\(\\);\n){0,80}",
            name in prop::sample::select(vec!["a.txt", "a.md", "a.rs", "a.html"]),
            tokens_max in 1usize..40,
            overlap in 0usize..30,
            tokens_min in 0usize..20,
            structure: bool,
        ) {
            let reading = read(name, &text);
            let chunking = Chunking { tokens_max, overlap, tokens_min, structure };
            let tokens = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).count().div_ceil(3);
            let found = chunks(&reading, &chunking, &tokens);
            let mut covered = vec![false; reading.text.len()];
            let mut before = 0..0;
            for chunk in &found {
                let text = reading.text.get(chunk.range.clone()).expect("a chunk is cut between characters");
                prop_assert!(!text.is_empty() && text.trim() == text);
                let one = text.chars().count() == 1;
                prop_assert!(one || chunk.tokens <= tokens_max, "{} tokens of {tokens_max}: {text:?}", chunk.tokens);
                prop_assert!(one || tokens(text) <= tokens_max);
                prop_assert!(chunk.range.start >= before.start && chunk.range.end > before.end);
                before = chunk.range.clone();
                covered[chunk.range.clone()].fill(true);
            }
            for (at, letter) in reading.text.char_indices() {
                prop_assert!(covered[at] || letter.is_whitespace(), "{letter} at {at} is in no chunk");
            }
        }
    }
}
