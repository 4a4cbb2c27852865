//! Any of several terms and prefixes, a window of documents at a time.
//!
//! In each window the terms whose bounds together cannot reach the floor are set aside; the others' scores are
//! summed in an array, term by term; only documents that could still reach the floor are looked up in the
//! terms set aside. (MaxScore, Turtle and Flood 1995, with bounds by block.)

use super::{Context, Counted, Node, TermNode};
use crate::index::{error::Result, score::Fixed};

/// Documents in a window: the sums of one fit the first-level cache.
const WINDOW: u32 = 2048;

/// Calls `each` with the documents from `start` to before `end` that match one of the nodes, terms and prefixes, ascending, and their scores.
/// Documents that score less than `floor()` may be left out; returns whether some were.
pub(in crate::index) fn each_match(
    terms: &mut [Node<'_>],
    context: &Context<'_>,
    (start, end): (u32, u32),
    mut each: impl FnMut(u32, Fixed) -> Result<Fixed>,
    mut floor: Fixed,
) -> Result<bool> {
    let mut skipped = false;
    let mut sums = vec![0; WINDOW as usize];
    let mut touched = [0_u64; WINDOW as usize / 64];
    let mut order: Vec<(Fixed, usize)> = Vec::with_capacity(terms.len());
    let mut from = start;
    while from < end {
        let to = from.saturating_add(WINDOW).min(end);
        order.clear();
        let mut nearest = end;
        for (i, term) in terms.iter_mut().enumerate() {
            // A cursor that was set aside may stand behind; its bounds are those of the window all the same.
            if term.doc() < to {
                order.push((term.bound_between(from, to - 1), i));
            } else {
                nearest = nearest.min(term.doc());
            }
        }
        if order.is_empty() {
            from = nearest;
            continue;
        }
        order.sort_unstable();
        let mut aside = 0;
        let mut aside_sum = 0;
        while let Some((bound, _)) = order.get(aside)
            && aside_sum + bound < floor
        {
            aside_sum += bound;
            aside += 1;
        }
        skipped |= aside > 0;
        for &(_, i) in &order[aside..] {
            match &mut terms[i] {
                Node::Term(term) => sum(term, context, (from, to), &mut sums, &mut touched),
                Node::Prefix(prefix) => sum_counted(prefix, context, (from, to), &mut sums, &mut touched),
                _ => {}
            }
        }
        for (word, bits) in touched.iter_mut().enumerate() {
            let mut rest = std::mem::take(bits);
            while rest != 0 {
                let at = word * 64 + rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let mut score = std::mem::take(&mut sums[at]);
                let doc = from + at as u32;
                let mut left = aside_sum;
                for &(bound, i) in order[..aside].iter().rev() {
                    if score + left < floor {
                        break;
                    }
                    left -= bound;
                    let term = &mut terms[i];
                    if term.seek(doc, 0) == doc {
                        score += term.score(context);
                    }
                }
                if score + left >= floor {
                    floor = each(doc, score)?;
                } else {
                    skipped = true;
                }
            }
        }
        from = to;
    }
    Ok(skipped)
}

fn sum(
    term: &mut TermNode<'_>,
    context: &Context<'_>,
    (from, to): (u32, u32),
    sums: &mut [Fixed],
    touched: &mut [u64],
) {
    let weight = term.weight;
    let lengths = context.lengths.as_slice();
    term.cursor.seek(from);
    while term.cursor.doc() < to {
        term.cursor.take_block(to, |docs, tfs| {
            for (&doc, &tf) in docs.iter().zip(tfs) {
                let at = doc.wrapping_sub(from) as usize;
                let length = lengths.get(doc as usize).copied().unwrap_or(0);
                if let Some(sum) = sums.get_mut(at) {
                    *sum += weight.score(tf, length);
                    touched[at / 64] |= 1 << (at % 64);
                }
            }
        });
    }
}

fn sum_counted(
    prefix: &mut Counted<'_>,
    context: &Context<'_>,
    (from, to): (u32, u32),
    sums: &mut [Fixed],
    touched: &mut [u64],
) {
    let mut doc = prefix.seek(from);
    while doc < to {
        let at = (doc - from) as usize;
        if let Some(sum) = sums.get_mut(at) {
            *sum += prefix.score(context);
            touched[at / 64] |= 1 << (at % 64);
        }
        doc = prefix.seek(doc + 1);
    }
}
