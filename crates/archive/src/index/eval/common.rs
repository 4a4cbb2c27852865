//! All of several terms: the rarest leads, and a document is only looked up in the others while it can still
//! reach the floor.

use super::{Context, TermNode};
use crate::index::{error::Result, score::Fixed};

/// Calls `each` with the documents from `start` to before `end` that hold all terms (rarest first), ascending,
/// and their scores. Documents that score less than the floor, which `each` returns anew, may be left out;
/// returns whether some were.
pub(in crate::index) fn each_common(
    terms: &mut [TermNode<'_>],
    context: &Context<'_>,
    (start, end): (u32, u32),
    mut each: impl FnMut(u32, Fixed) -> Result<Fixed>,
    mut floor: Fixed,
) -> Result<bool> {
    let Some((lead, others)) = terms.split_first_mut() else { return Ok(false) };
    let mut skipped = false;
    let mut bounds = vec![0; others.len()];
    let mut others_sum = 0;
    // The bounds hold for documents before this one; none are looked at while there is no floor.
    let mut known = 0;
    let mut doc = lead.cursor.seek(start);
    'candidates: while doc < end {
        if floor > 0 && doc >= known {
            let (lead_bound, mut until) = lead.cursor.bound_at(doc);
            others_sum = 0;
            for (other, bound) in others.iter_mut().zip(&mut bounds) {
                let (stored, last) = other.cursor.bound_at(doc);
                *bound = other.weight.bound(stored);
                others_sum += *bound;
                until = until.min(last);
            }
            known = until.saturating_add(1);
            if lead.weight.bound(lead_bound) + others_sum < floor {
                skipped = true;
                doc = lead.cursor.seek(known);
                continue;
            }
        }
        let mut score = lead.score(context);
        let mut left = others_sum;
        for (other, bound) in others.iter_mut().zip(&bounds) {
            if floor > 0 && score + left < floor {
                skipped = true;
                doc = lead.cursor.advance();
                continue 'candidates;
            }
            left -= if floor > 0 { *bound } else { 0 };
            let at = other.cursor.seek(doc);
            if at != doc {
                doc = lead.cursor.seek(at);
                continue 'candidates;
            }
            score += other.score(context);
        }
        if score >= floor {
            floor = each(doc, score)?;
        } else {
            skipped = true;
        }
        doc = lead.cursor.advance();
    }
    Ok(skipped)
}
