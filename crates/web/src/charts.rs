//! Pictures of numbers, drawn on the server as SVG: no script, no inline style, colours from the style sheet.
//!
//! Each picture is hidden from screen readers; the page puts a table of the same numbers beside it.

mod calendar;
mod columns;

pub(crate) use calendar::{Year, calendar};
pub(crate) use columns::columns;

use athenaeum_archive::Count;

use crate::html::grouped;

/// One row of a table whose last cell is its own bar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    /// What is counted, for people.
    pub(crate) label: String,
    /// The pages' address for it, if it has one.
    pub(crate) href: Option<String>,
    /// `12,431`
    pub(crate) count: String,
    /// `38 %` of all; `<1 %` for what is there but little.
    pub(crate) share: String,
    /// Length of the bar in thousandths of the longest.
    pub(crate) length: u64,
}

/// Makes rows of `counts`; `name` gives label and address of a value.
pub(crate) fn bars(counts: &[Count], name: impl Fn(&str) -> (String, Option<String>)) -> Vec<Bar> {
    let total: u64 = counts.iter().map(|count| count.count).sum();
    let most = counts.iter().map(|count| count.count).max().unwrap_or(0);
    counts
        .iter()
        .map(|count| {
            let (label, href) = name(&count.value);
            Bar {
                label,
                href,
                count: grouped(count.count),
                share: share(count.count, total),
                length: per_mille(count.count, most),
            }
        })
        .collect()
}

fn share(count: u64, total: u64) -> String {
    let percent = 100.0 * count as f64 / total.max(1) as f64;
    if count > 0 && percent < 1.0 { "<1 %".into() } else { format!("{percent:.0} %") }
}

fn per_mille(count: u64, most: u64) -> u64 {
    if most == 0 { 0 } else { (1_000.0 * count as f64 / most as f64).ceil() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_measured_against_the_longest() {
        let count = |value: &str, count| Count { value: value.into(), count };
        let rows = bars(&[count("a", 3_000), count("b", 1_000), count("c", 1)], |value| (value.into(), None));
        let told: Vec<_> =
            rows.iter().map(|row| (row.count.as_str(), row.share.as_str(), row.length)).collect();
        assert_eq!(told, [("3,000", "75 %", 1_000), ("1,000", "25 %", 334), ("1", "<1 %", 1)]);
        assert_eq!(bars(&[], |value| (value.into(), None)), []);
        assert_eq!(bars(&[count("a", 0)], |value| (value.into(), None))[0].length, 0);
        assert_eq!(bars(&[count("a", u64::MAX / 2)], |value| (value.into(), None))[0].length, 1_000);
    }
}
