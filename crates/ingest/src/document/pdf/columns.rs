//! In which order the runs of a page are read: columns one after the other, the rows of tables across.

use super::words::Run;

/// Pages with more runs are read row by row.
const RUNS_MAX: usize = 6_000;
/// Cuts inside of cuts.
const DEPTH_MAX: u32 = 60;
/// Gaps between columns are at least this wide, in parts of the letters' size.
const GUTTER: f64 = 0.7;
/// The ascent and the descent of letters, in parts of their size.
const ASCENT: f64 = 0.75;
const DESCENT: f64 = 0.22;

/// Sorts the runs of a page into reading order; `true` with those that begin a block.
pub(super) fn ordered(runs: Vec<Run>) -> Vec<(Run, bool)> {
    let mut order = Vec::with_capacity(runs.len());
    let all: Vec<usize> = (0..runs.len()).collect();
    if runs.len() > RUNS_MAX {
        leaf(&runs, all, &mut order);
    } else {
        cut(&runs, all, 0, &mut order);
    }
    let mut runs: Vec<Option<Run>> = runs.into_iter().map(Some).collect();
    order.into_iter().filter_map(|(place, begins)| Some((runs[place].take()?, begins))).collect()
}

fn cut(runs: &[Run], mut some: Vec<usize>, depth: u32, order: &mut Vec<(usize, bool)>) {
    if some.len() < 2 || depth > DEPTH_MAX {
        return leaf(runs, some, order);
    }
    if let Some(columns) = columns(runs, &mut some) {
        for column in columns {
            cut(runs, column, depth + 1, order);
        }
        return;
    }
    // Rows of one run each have one order only.
    some.sort_by(|a, b| runs[*a].v.total_cmp(&runs[*b].v));
    let beside = some.windows(2).any(|pair| runs[pair[1]].v - runs[pair[0]].v < 0.5 * runs[pair[0]].size);
    if !beside {
        return leaf(runs, some, order);
    }
    match widest_gap(runs, &some) {
        Some(at) => {
            let below = some.split_off(at);
            cut(runs, some, depth + 1, order);
            cut(runs, below, depth + 1, order);
        }
        None => leaf(runs, some, order),
    }
}

/// Row by row, each from its left, or from its right where that is how it is read.
fn leaf(runs: &[Run], mut some: Vec<usize>, order: &mut Vec<(usize, bool)>) {
    some.sort_by(|a, b| runs[*a].v.total_cmp(&runs[*b].v));
    let first = order.len();
    let mut row: Vec<usize> = Vec::new();
    let mut flush = |row: &mut Vec<usize>| {
        let right = row.iter().filter(|run| runs[**run].right_to_left).count() * 2 > row.len();
        row.sort_by(|a, b| runs[*a].u0.total_cmp(&runs[*b].u0));
        if right {
            row.reverse();
        }
        order.extend(row.drain(..).map(|run| (run, false)));
    };
    for run in some {
        if row
            .first()
            .is_some_and(|begun| runs[run].v - runs[*begun].v > 0.4 * runs[run].size.min(runs[*begun].size))
        {
            flush(&mut row);
        }
        row.push(run);
    }
    flush(&mut row);
    if let Some(begin) = order.get_mut(first) {
        begin.1 = true;
    }
}

/// Cuts at the gaps that go through from top to bottom, if what is between them looks like columns of text.
fn columns(runs: &[Run], some: &mut [usize]) -> Option<Vec<Vec<usize>>> {
    some.sort_by(|a, b| runs[*a].u0.total_cmp(&runs[*b].u0));
    let size = median(some.iter().map(|run| runs[*run].size).collect());
    let mut columns: Vec<Vec<usize>> = Vec::new();
    let mut end = f64::INFINITY;
    for run in some.iter() {
        if columns.is_empty() || runs[*run].u0 - end > GUTTER * size {
            columns.push(Vec::new());
            end = f64::NEG_INFINITY;
        }
        columns.last_mut()?.push(*run);
        end = end.max(runs[*run].u1);
    }
    if columns.len() < 2 {
        return None;
    }
    let prose: Vec<usize> = columns.iter().filter(|column| is_prose(runs, column)).map(Vec::len).collect();
    let enough = prose.len() >= 2 && prose.iter().sum::<usize>() * 10 >= some.len() * 6;
    if enough && columns.iter().flatten().filter(|run| runs[**run].right_to_left).count() * 2 > some.len() {
        columns.reverse();
    }
    enough.then_some(columns)
}

/// Whether most lines of a column go from edge to edge and have several words.
fn is_prose(runs: &[Run], column: &[usize]) -> bool {
    let left = column.iter().map(|run| runs[*run].u0).fold(f64::INFINITY, f64::min);
    let right = column.iter().map(|run| runs[*run].u1).fold(f64::NEG_INFINITY, f64::max);
    let width = median(column.iter().map(|run| runs[*run].u1 - runs[*run].u0).collect());
    let words: usize = column.iter().map(|run| runs[*run].words).sum();
    let letters: usize = column.iter().map(|run| runs[*run].text.chars().count()).sum();
    column.len() >= 3
        && width > 0.5 * (right - left)
        && (words * 2 >= column.len() * 5 || letters >= column.len() * 15)
}

/// Where there is the most room between rows; the place of the first run beneath it.
fn widest_gap(runs: &[Run], some: &[usize]) -> Option<usize> {
    let mut bottom = f64::NEG_INFINITY;
    let mut widest: Option<(f64, usize)> = None;
    for (place, run) in some.iter().enumerate() {
        let run = &runs[*run];
        let gap = run.v - ASCENT * run.size - bottom;
        if place > 0 && gap > 0.05 * run.size && widest.is_none_or(|(most, _)| gap > most) {
            widest = Some((gap, place));
        }
        bottom = bottom.max(run.v + DESCENT * run.size);
    }
    widest.map(|(_, place)| place)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
