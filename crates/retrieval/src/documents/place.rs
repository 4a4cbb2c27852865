//! Places in documents, as people name them.

use athenaeum_ingest::document::{Place, Stretch};

/// Returns where a stretch of text stands: `page 3`, `pages 3–4`, `slide 2`, `sheet Costs, rows 5–9`, `lines 12–30`.
/// `None` where the format knows no places.
pub(super) fn for_people(stretch: &Stretch) -> Option<String> {
    let (first, last) = (&stretch.first, &stretch.last);
    let mut parts = Vec::new();
    if let Some(entry) = &first.part.entry {
        parts.push(entry.to_string());
    }
    if let Some(sheet) = &first.part.sheet {
        parts.push(format!("sheet {sheet}"));
    }
    let number = number(first).map(|(what, from)| (what, from, number(last)));
    if let Some((what, from, to)) = number {
        parts.push(match to.filter(|to| *to > (what, from) && to.0 == what) {
            Some((_, to)) => format!("{what}s {from}–{to}"),
            None => format!("{what} {from}"),
        });
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Returns the number that tells a place best, and what it counts.
fn number(place: &Place) -> Option<(&'static str, u32)> {
    let numbered =
        [("page", place.part.page), ("slide", place.part.slide), ("row", place.row), ("line", place.line)];
    numbered.into_iter().find_map(|(what, number)| Some((what, number?)))
}

#[cfg(test)]
mod tests {
    use athenaeum_ingest::document::Part;

    use super::*;

    #[test]
    fn places_are_named_as_people_do() {
        let check = |first: Place, last: Place, expected: Option<&str>| {
            let stretch = Stretch { first, last, bytes: None };
            assert_eq!(for_people(&stretch).as_deref(), expected);
        };
        let line = |line| Place { line: Some(line), ..Place::default() };
        let page = |page| Place { part: Part { page: Some(page), ..Part::default() }, ..line(9) };
        let row = |row| Place {
            row: Some(row),
            part: Part { sheet: Some("Costs".into()), ..Part::default() },
            ..Place::default()
        };
        check(Place::default(), Place::default(), None);
        check(line(3), line(3), Some("line 3"));
        check(line(3), line(8), Some("lines 3–8"));
        check(page(3), page(4), Some("pages 3–4"));
        check(row(5), row(9), Some("sheet Costs, rows 5–9"));
    }
}
