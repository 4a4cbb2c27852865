//! From the order in which letters stand on the page, left to right, to the order in which they are read.

/// What direction a letter has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Left,
    Right,
    Number,
    Neutral,
}

/// Puts the letters of a line in reading order; says whether the line is read from the right.
pub(super) fn logical(clusters: &[String]) -> (String, bool) {
    let directions: Vec<Direction> = clusters.iter().map(|cluster| direction(cluster)).collect();
    let count = |wanted: Direction| directions.iter().filter(|direction| **direction == wanted).count();
    let rights = count(Direction::Right);
    if rights == 0 {
        return (clusters.concat(), false);
    }
    if rights >= count(Direction::Left) {
        (from_right(clusters, &directions), true)
    } else {
        (from_left(clusters, &directions), false)
    }
}

/// The whole line backwards, but for words and numbers that are read from the left.
fn from_right(clusters: &[String], directions: &[Direction]) -> String {
    let mut text = String::new();
    let mut end = clusters.len();
    while end > 0 {
        let last = end - 1;
        if !matches!(directions[last], Direction::Left | Direction::Number) {
            text.push_str(&clusters[last]);
            end = last;
            continue;
        }
        // As far as it goes on to the left, with the signs and spaces in between.
        let mut start = last;
        for place in (0..last).rev() {
            match directions[place] {
                Direction::Left | Direction::Number => start = place,
                Direction::Neutral if is_inner(&clusters[place], directions[last]) => {}
                _ => break,
            }
        }
        clusters[start..end].iter().for_each(|cluster| text.push_str(cluster));
        end = start;
    }
    text
}

/// Each stretch of letters that are read from the right backwards, the rest as it stands.
fn from_left(clusters: &[String], directions: &[Direction]) -> String {
    let mut text = String::new();
    let mut start = 0;
    while start < clusters.len() {
        if directions[start] != Direction::Right {
            text.push_str(&clusters[start]);
            start += 1;
            continue;
        }
        let mut end = start + 1;
        for (place, direction) in directions.iter().enumerate().skip(start + 1) {
            match direction {
                Direction::Right => end = place + 1,
                Direction::Left => break,
                Direction::Neutral | Direction::Number => {}
            }
        }
        text.push_str(&from_right(&clusters[start..end], &directions[start..end]));
        start = end;
    }
    text
}

/// What may stand within a number, or between two words.
fn is_inner(cluster: &str, last: Direction) -> bool {
    match last {
        Direction::Number => matches!(cluster, "." | "," | ":" | "/" | "-" | "%" | "+"),
        _ => true,
    }
}

fn direction(cluster: &str) -> Direction {
    let Some(letter) = cluster.chars().next() else { return Direction::Neutral };
    match letter {
        '\u{590}'..='\u{65F}'
        | '\u{66A}'..='\u{6EF}'
        | '\u{6FA}'..='\u{8FF}'
        | '\u{FB1D}'..='\u{FDFF}'
        | '\u{FE70}'..='\u{FEFC}' => Direction::Right,
        '0'..='9' | '\u{660}'..='\u{669}' | '\u{6F0}'..='\u{6F9}' => Direction::Number,
        letter if letter.is_alphabetic() => Direction::Left,
        _ => Direction::Neutral,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seen: &str, read: &str) {
        let clusters: Vec<String> = seen.chars().map(String::from).collect();
        assert_eq!(logical(&clusters).0, read);
    }

    #[test]
    fn lines_of_both_directions() {
        check("abc 12 (d)", "abc 12 (d)");
        check("םולש", "שלום");
        check("12.5 םולש", "שלום 12.5");
        check("ab cd םולש", "שלום ab cd");
        check("abc אב 12 גד def", "abc דג 12 בא def");
    }
}
