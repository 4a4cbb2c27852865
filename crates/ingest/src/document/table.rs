//! Tables as text: CSV, TSV and their like. A row a line, cells between bars.

use super::{
    Block,
    draft::{At, Draft},
    letters,
    plain::tell_encoding,
};
use crate::csv::Rows;

/// A row longer than this is no row: a quote is missing.
const ROW_BYTES_MAX: usize = 1 << 20;

pub(super) fn read(bytes: &[u8], draft: &mut Draft) {
    let letters = letters::decode(bytes, None);
    tell_encoding(&letters, draft);
    let text = letters.text.as_ref();
    let mut source = text.as_bytes();
    let mut rows = Rows::new(&mut source, ROW_BYTES_MAX).separated_by(separator(text));
    let mut start = 0;
    for number in 1.. {
        let cells = match rows.next_row() {
            Ok(Some(cells)) => cells,
            Ok(None) => break,
            Err(reject) => {
                draft.notice(format!("row {number}"), format!("{}; the rest is kept as it stands", reject.0));
                let rest = text.get(start..).unwrap_or_default();
                let (bytes, exact) = letters.bytes(start..text.len());
                draft.push(rest, At { bytes, exact, ..At::default() });
                break;
            }
        };
        let end = rows.read_so_far().min(text.len());
        let (bytes, _) = letters.bytes(start..end);
        start = end;
        let cells: Vec<String> =
            cells.iter().map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        if cells.iter().all(String::is_empty) {
            continue;
        }
        draft.push(&cells.join(" | "), At { row: number, bytes, ..At::default() });
        draft.line(0);
        if draft.is_full() {
            break;
        }
    }
    draft.block(0, Block::Table);
}

/// What stands between cells: of those that could, the one that is in the first lines equally often.
fn separator(text: &str) -> char {
    let lines: Vec<&str> = text.lines().take(20).filter(|line| !line.is_empty()).collect();
    let score = |separator: char| {
        let counts: Vec<usize> = lines.iter().map(|line| line.matches(separator).count()).collect();
        let usual = counts.iter().copied().max().unwrap_or(0);
        let alike = counts.iter().filter(|count| **count > 0 && **count == counts[0]).count();
        (alike, usual)
    };
    // The first of equals, as `max_by_key` takes the last.
    [',', '|', ';', '\t']
        .into_iter()
        .max_by_key(|separator| score(*separator))
        .filter(|separator| score(*separator).1 > 0)
        .unwrap_or(',')
}

#[cfg(test)]
mod tests {
    use super::super::{Options, read_bytes};

    #[test]
    fn rows_lead_back() {
        for (text, separator) in
            [("a,b\n\"x, 1\",\"y\nz\"\n", ", "), ("a;b\n\"x, 1\";y z\n", ", "), ("a\tb\nx, 1\ty z\n", ", ")]
        {
            let reading = read_bytes("a.csv", text.as_bytes(), &Options::default()).unwrap();
            assert_eq!(reading.text, format!("a | b\nx{separator}1 | y z\n"));
            let place = reading.places.at(reading.text.find('z').unwrap());
            assert_eq!((place.row, place.bytes), (Some(2), Some(4..text.len() as u64)));
        }
    }
}
