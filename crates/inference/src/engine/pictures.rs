use std::sync::Arc;

use crate::decoder::{GIVEN, Given};

/// A picture in a prompt.
#[derive(Debug, Clone)]
pub struct Pictured {
    /// At which of the prompt's tokens its rows begin; there is one token for each.
    pub at: usize,
    /// What a decoder takes in place of those tokens.
    pub rows: Arc<Rows>,
}

/// The rows of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// `[row][number]`.
    pub numbers: Vec<f32>,
    /// How many; at least one.
    pub count: usize,
    /// Whether all of them see one another. They are computed in one batch, then, however long that gets.
    pub see_one_another: bool,
}

impl Pictured {
    pub(super) fn end(&self) -> usize {
        self.at + self.rows.count
    }
}

/// Whether every token that stands for a row has one, and the other way round.
pub(super) fn fit(pictures: &[Pictured], prompt: &[u32]) -> bool {
    let mut end = 0;
    let mut rows = 0;
    for picture in pictures {
        let Rows { numbers, count, .. } = &*picture.rows;
        let own = picture.at.checked_add(*count).and_then(|end| prompt.get(picture.at..end));
        let whole = *count > 0 && numbers.len().is_multiple_of(*count) && picture.at >= end;
        if !whole || !own.is_some_and(|own| own.iter().all(|&token| token >= GIVEN)) {
            return false;
        }
        end = picture.end();
        rows += count;
    }
    prompt.iter().filter(|&&token| token >= GIVEN).count() == rows
}

/// Finds the numbers of the row at a position.
pub(super) fn given(pictures: &[Pictured], position: usize, row: usize) -> Option<Given<'_>> {
    let picture = pictures.iter().find(|picture| (picture.at..picture.end()).contains(&position))?;
    let Rows { numbers, count, see_one_another } = &*picture.rows;
    let numbers = numbers.chunks_exact(numbers.len() / count).nth(position - picture.at)?;
    let end = if *see_one_another { picture.end() } else { position + 1 };
    Some(Given { row, numbers, sees_until: u32::try_from(end).ok()? })
}

/// Returns how many tokens from `from` on are computed together, of `count` at most: none of a picture whose rows see one
/// another without all others of it. At least one picture, whatever `count` says.
pub(super) fn whole(pictures: &[Pictured], from: usize, count: usize) -> usize {
    let end = from + count;
    let cut = |picture: &&Pictured| picture.rows.see_one_another && picture.at < end && end < picture.end();
    match pictures.iter().find(cut) {
        Some(picture) if picture.at > from => picture.at - from,
        Some(picture) => picture.end() - from,
        None => count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(at: usize, count: usize, see_one_another: bool) -> Pictured {
        Pictured { at, rows: Arc::new(Rows { numbers: vec![0.0; 2 * count], count, see_one_another }) }
    }

    #[test]
    fn a_picture_whose_rows_see_one_another_is_never_cut() {
        let check = |see, from, count, expected| {
            assert_eq!(whole(&[picture(4, 3, see)], from, count), expected, "{see} {from} {count}");
        };
        check(true, 0, 4, 4);
        check(true, 0, 5, 4);
        check(true, 0, 7, 7);
        check(true, 4, 1, 3);
        check(true, 5, 1, 2);
        check(true, 6, 1, 1);
        check(true, 7, 1, 1);
        check(false, 0, 5, 5);
    }

    #[test]
    fn every_row_has_its_token() {
        let row = GIVEN + 7;
        let check = |pictures: &[Pictured], prompt: &[u32], expected| {
            assert_eq!(fit(pictures, prompt), expected, "{pictures:?} {prompt:?}");
        };
        check(&[], &[1, 2], true);
        check(&[], &[1, row], false);
        check(&[picture(1, 2, false)], &[1, row, row, 3], true);
        check(&[picture(1, 2, false)], &[1, row, 3], false);
        check(&[picture(1, 2, false)], &[1, row, row, row], false);
        check(&[picture(1, 2, false)], &[1, row], false);
        check(&[picture(0, 1, false), picture(0, 1, false)], &[row], false);
        check(&[picture(usize::MAX, 1, false)], &[row], false);
    }
}
