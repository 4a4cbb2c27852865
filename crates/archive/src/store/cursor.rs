//! Places in lists, as text that its holder cannot misuse: a damaged one is refused, a forged one only skips.

use super::error::Error;
use crate::{Cursor, SearchRequest};

/// Reads a place in a list ordered by time and row id, newest first; the top of the list where there is none.
pub(crate) fn decode_place(cursor: Option<&Cursor>) -> Result<(i64, i64), Error> {
    let Some(Cursor(text)) = cursor else { return Ok((i64::MAX, i64::MAX)) };
    let place = text.split_once('_').and_then(|(time, id)| Some((time.parse().ok()?, id.parse().ok()?)));
    place.ok_or(Error::NoPage)
}

pub(crate) fn encode_place(time: i64, id: i64) -> Cursor {
    Cursor(format!("{time}_{id}"))
}

/// Reads how many hits to skip.
pub(crate) fn decode_offset(cursor: Option<&Cursor>) -> Result<usize, Error> {
    let Some(Cursor(text)) = cursor else { return Ok(0) };
    let offset = text.strip_prefix('o').and_then(|offset| offset.parse().ok());
    offset.filter(|offset| *offset <= OFFSET_MAX).ok_or(Error::NoPage)
}

/// Returns `None` beyond [`OFFSET_MAX`].
pub(crate) fn encode_offset(offset: usize) -> Option<Cursor> {
    (offset <= OFFSET_MAX).then(|| Cursor(format!("o{offset}")))
}

/// Bounds how many items a page holds.
pub(crate) fn limit(asked: usize) -> usize {
    if asked == 0 { SearchRequest::LIMIT_DEFAULT } else { asked.min(SearchRequest::LIMIT_MAX) }
}

/// Nobody reads the ten-thousandth hit; ranking them all would cost the machine.
const OFFSET_MAX: usize = 10_000;
