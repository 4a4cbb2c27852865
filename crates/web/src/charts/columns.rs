use std::fmt::Write as _;

use athenaeum_archive::Count;

use crate::html::{counted, escape, grouped};

const HEIGHT: u64 = 180;
const TOP: u64 = 14;
const WIDTH: u64 = 960;
/// Columns drawn at most, the newest; thinner ones could not be told apart.
const COLUMNS_MAX: usize = 240;

/// Draws a column for each month of `months` (`2024-05`, oldest first; months without messages may be missing and
/// are drawn as gaps). Each links to its month's conversations.
pub(crate) fn columns(months: &[Count]) -> String {
    let months = without_gaps(months);
    let months = &months[months.len().saturating_sub(COLUMNS_MAX)..];
    let most = months.iter().map(|month| month.count).max().unwrap_or(0).max(1);
    let pitch = WIDTH as f64 / months.len().max(12) as f64;
    let mut svg = format!(
        "<svg class=\"columns\" viewBox=\"0 0 {WIDTH} {}\" aria-hidden=\"true\" focusable=\"false\">",
        HEIGHT + TOP + 22
    );
    let base = TOP + HEIGHT;
    let _ = write!(svg, "<text class=\"tick\" x=\"0\" y=\"10\">{}</text>", grouped(most));
    let _ = write!(svg, "<line class=\"rule\" x1=\"0\" y1=\"{TOP}.5\" x2=\"{WIDTH}\" y2=\"{TOP}.5\"/>");
    for (i, month) in months.iter().enumerate() {
        let x = i as f64 * pitch;
        let height = HEIGHT as f64 * month.count as f64 / most as f64;
        let height = if month.count > 0 { height.max(2.0) } else { 0.0 };
        let told =
            format!("{}: {}", crate::when::month(&month.value), counted(month.count, "message", "messages"));
        let column = format!(
            "<rect class=\"column\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{}</title></rect>",
            x + pitch * 0.1,
            base as f64 - height,
            pitch * 0.8,
            escape(&told),
        );
        let _ = match span(&month.value) {
            Some((first, last)) if month.count > 0 => {
                write!(
                    svg,
                    "<a href=\"/conversations?after={first}&amp;before={last}\" tabindex=\"-1\">{column}</a>"
                )
            }
            _ => write!(svg, "{column}"),
        };
        if is_labelled(months, i, pitch) {
            let year = month.value.get(..4).unwrap_or_default();
            let _ =
                write!(svg, "<text class=\"tick\" x=\"{x:.1}\" y=\"{}\">{}</text>", base + 16, escape(year));
        }
    }
    let _ =
        write!(svg, "<line class=\"rule\" x1=\"0\" y1=\"{base}.5\" x2=\"{WIDTH}\" y2=\"{base}.5\"/></svg>");
    svg
}

/// Tells whether a year stands under this column: under each January, and under the first unless a January follows
/// too closely.
fn is_labelled(months: &[Count], index: usize, pitch: f64) -> bool {
    const LABEL_WIDTH: f64 = 34.0;
    let january = |month: &Count| month.value.ends_with("-01");
    let columns_covered = (LABEL_WIDTH / pitch) as usize;
    january(&months[index]) || index == 0 && !months.iter().take(columns_covered + 1).any(january)
}

/// Returns first and last day of a month.
fn span(month: &str) -> Option<(jiff::civil::Date, jiff::civil::Date)> {
    let first: jiff::civil::Date = format!("{month}-01").parse().ok()?;
    Some((first, first.last_of_month()))
}

fn without_gaps(months: &[Count]) -> Vec<Count> {
    let mut whole: Vec<Count> = Vec::with_capacity(months.len());
    for month in months {
        while let Some(next) = whole.last().and_then(|last| following(&last.value)) {
            if next >= month.value || whole.len() >= 10_000 {
                break;
            }
            whole.push(Count { value: next, count: 0 });
        }
        whole.push(month.clone());
    }
    whole
}

fn following(month: &str) -> Option<String> {
    let (_, last) = span(month)?;
    Some(last.tomorrow().ok()?.strftime("%Y-%m").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(value: &str, count: u64) -> Count {
        Count { value: value.into(), count }
    }

    #[test]
    fn months_without_messages_are_gaps() {
        let svg = columns(&[count("2023-11", 10), count("2024-02", 5)]);
        assert_eq!(svg.matches("class=\"column\"").count(), 4);
        assert!(svg.contains("<title>November 2023: 10 messages</title>"));
        assert!(svg.contains("height=\"180.0\"") && svg.contains("height=\"90.0\""));
        assert!(svg.contains("href=\"/conversations?after=2024-02-01&amp;before=2024-02-29\""));
    }

    #[test]
    fn odd_values_do_no_harm() {
        assert_eq!(columns(&[]).matches("class=\"column\"").count(), 0);
        let svg = columns(&[count("<b>", 1), count("9999-12", 1), count("é", 0)]);
        assert!(!svg.contains("<b>"));
    }
}
