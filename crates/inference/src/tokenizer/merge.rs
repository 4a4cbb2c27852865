//! Joining symbols pair by pair, best pair first: what SentencePiece's BPE and GPT-2's have in common.

use std::{cmp::Reverse, collections::BinaryHeap};

/// A part of a word that will be a token, or part of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol {
    /// Byte of the word at which it begins.
    pub(super) start: u32,
    /// Bytes.
    pub(super) len: u32,
    /// Its number, or [`NONE`].
    pub(super) id: u32,
}

/// No symbol is numbered so.
pub(super) const NONE: u32 = u32::MAX;

/// From here on a heap is faster than looking through all pairs.
const MANY: usize = 48;

/// Joins neighbours, those of the lowest rank first and of equal ones the leftmost, until no pair can be joined.
///
/// `join` returns rank and number of what two neighbours become. For a word of *n* symbols it is called at most 3 *n*
/// times, and the rest takes time in proportion to *n* log *n*.
pub(super) fn merge(symbols: &mut Vec<Symbol>, join: impl Fn(Symbol, Symbol) -> Option<(u32, u32)>) {
    if symbols.len() < MANY { merge_few(symbols, join) } else { merge_many(symbols, join) }
}

fn merge_few(symbols: &mut Vec<Symbol>, join: impl Fn(Symbol, Symbol) -> Option<(u32, u32)>) {
    let mut pairs = [(NONE, NONE); MANY];
    for (pair, two) in pairs.iter_mut().zip(symbols.windows(2)) {
        *pair = join(two[0], two[1]).unwrap_or((NONE, NONE));
    }
    let mut len = symbols.len();
    while len > 1 {
        let lowest = pairs[..len - 1].iter().enumerate().min_by_key(|(_, (rank, _))| *rank);
        let Some((at, (_, id))) = lowest.filter(|(_, (_, id))| *id != NONE) else { break };
        symbols[at] =
            Symbol { start: symbols[at].start, len: symbols[at].len + symbols[at + 1].len, id: *id };
        symbols.copy_within(at + 2..len, at + 1);
        pairs.copy_within(at + 1..len - 1, at);
        len -= 1;
        if at > 0 {
            pairs[at - 1] = join(symbols[at - 1], symbols[at]).unwrap_or((NONE, NONE));
        }
        if at + 1 < len {
            pairs[at] = join(symbols[at], symbols[at + 1]).unwrap_or((NONE, NONE));
        }
    }
    symbols.truncate(len);
}

fn merge_many(symbols: &mut Vec<Symbol>, join: impl Fn(Symbol, Symbol) -> Option<(u32, u32)>) {
    let count = symbols.len() as u32;
    let mut next: Vec<u32> = (1..=count).collect();
    let mut previous: Vec<u32> = (0..count).map(|index| index.wrapping_sub(1)).collect();
    let pair = |symbols: &[Symbol], left: u32, right: u32| {
        let (left_symbol, right_symbol) = (symbols[left as usize], symbols[right as usize]);
        let (rank, id) = join(left_symbol, right_symbol)?;
        Some(Reverse((rank, left, left_symbol.len + right_symbol.len, id)))
    };
    let mut heap: BinaryHeap<_> = (1..count).filter_map(|right| pair(symbols, right - 1, right)).collect();
    while let Some(Reverse((_, left, len, id))) = heap.pop() {
        let right = next[left as usize];
        // Symbols that were joined into others have no length; a length that differs means that one side has grown.
        if right == count || symbols[left as usize].len + symbols[right as usize].len != len {
            continue;
        }
        if symbols[left as usize].len == 0 || symbols[right as usize].len == 0 {
            continue;
        }
        symbols[left as usize] = Symbol { start: symbols[left as usize].start, len, id };
        symbols[right as usize].len = 0;
        let after = next[right as usize];
        next[left as usize] = after;
        if after < count {
            previous[after as usize] = left;
            heap.extend(pair(symbols, left, after));
        }
        let before = previous[left as usize];
        if before < count {
            heap.extend(pair(symbols, before, left));
        }
    }
    symbols.retain(|symbol| symbol.len > 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Joins letters as the table says, `ab` before `bc` if it comes first.
    fn check(word: &str, table: &[&str], expected: &str) {
        let symbols = |repeat: usize| -> Vec<Symbol> {
            (0..(word.len() * repeat) as u32).map(|start| Symbol { start, len: 1, id: 0 }).collect()
        };
        let joined = |repeat: usize, few: bool| {
            let text = word.repeat(repeat);
            let join = |left: Symbol, right: Symbol| {
                let part = &text[left.start as usize..(right.start + right.len) as usize];
                table.iter().position(|entry| *entry == part).map(|rank| (rank as u32, 1))
            };
            let mut symbols = symbols(repeat);
            if few {
                merge_few(&mut symbols, join);
            } else {
                merge_many(&mut symbols, join);
            }
            let parts = symbols.iter().map(|symbol| &text[symbol.start as usize..][..symbol.len as usize]);
            parts.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(joined(1, true), expected);
        assert_eq!(joined(1, false), expected);
        let most = (MANY - 1) / word.len();
        assert_eq!(joined(most, true), joined(most, false));
    }

    #[test]
    fn best_pairs_come_first_and_of_equals_the_leftmost() {
        check("abc", &["ab", "bc"], "ab c");
        check("abc", &["bc", "ab"], "a bc");
        check("aaa", &["aa"], "aa a");
        check("aaaa", &["aa", "aaaa"], "aaaa");
        check("aaaaa", &["aa", "aaa"], "aa aaa");
        check("abcab", &["ab", "abc", "cab"], "abc ab");
        check("x", &["ab"], "x");
    }
}
