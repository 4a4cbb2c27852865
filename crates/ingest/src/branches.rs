//! The order in which the messages of a branching conversation are told.

use athenaeum_core::Timestamp;

/// One message of the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Index of the node.
    pub(crate) node: usize,
    pub(crate) off_branch: bool,
}

/// Takes away each parent that closes a circle, so that every way up ends. Returns whether there was one.
pub(crate) fn cut_circles(parents: &mut [Option<usize>]) -> bool {
    let mut found = false;
    // 0: not seen, otherwise the number of the climb that saw it first.
    let mut climbs = vec![0; parents.len()];
    for start in 0..parents.len() {
        let climb = start + 1;
        let mut at = start;
        while climbs[at] == 0 {
            climbs[at] = climb;
            let Some(parent) = parents[at] else { break };
            if climbs[parent] == climb {
                found = true;
                parents[at] = None;
                break;
            }
            at = parent;
        }
    }
    found
}

/// Finds the message that nothing follows and that was written last; the later one on a tie. `written` gives
/// its time, and `None` for what is no message.
pub(crate) fn newest_leaf(
    parents: &[Option<usize>],
    written: impl Fn(usize) -> Option<Option<Timestamp>>,
) -> Option<usize> {
    let mut is_parent = vec![false; parents.len()];
    for parent in parents.iter().flatten() {
        is_parent[*parent] = true;
    }
    let leaves = (0..parents.len()).filter(|index| !is_parent[*index]);
    let leaves = leaves.filter_map(|index| Some((written(index)?, index)));
    leaves.max().map(|(_, index)| index)
}

/// Puts the branch that ends in `current` first, from its root down, then every other message, parents before
/// children and otherwise in the order given. `parents` must be free of circles.
pub(crate) fn order(parents: &[Option<usize>], current: Option<usize>) -> Vec<Step> {
    let mut on_branch = vec![false; parents.len()];
    let mut branch = Vec::new();
    let mut at = current;
    while let Some(node) = at {
        on_branch[node] = true;
        branch.push(node);
        at = parents[node];
    }
    let mut steps: Vec<Step> =
        branch.iter().rev().map(|node| Step { node: *node, off_branch: false }).collect();
    if steps.len() == parents.len() {
        return steps;
    }
    // Children by parent in the order of the file: counted, then placed (a list of lists without the lists).
    let mut starts = vec![0; parents.len() + 1];
    for parent in parents.iter().flatten() {
        starts[parent + 1] += 1;
    }
    for index in 1..starts.len() {
        starts[index] += starts[index - 1];
    }
    let mut children = vec![0; starts.last().copied().unwrap_or(0)];
    let mut filled = starts.clone();
    for (child, parent) in parents.iter().enumerate().filter_map(|(child, parent)| Some((child, (*parent)?)))
    {
        children[filled[parent]] = child;
        filled[parent] += 1;
    }
    let mut waiting: Vec<usize> = (0..parents.len()).rev().filter(|node| parents[*node].is_none()).collect();
    while let Some(node) = waiting.pop() {
        if !on_branch[node] {
            steps.push(Step { node, off_branch: true });
        }
        waiting.extend(children[starts[node]..starts[node + 1]].iter().rev());
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parents: &[Option<usize>], current: usize, expected: &str) {
        let steps = order(parents, Some(current));
        let shown: Vec<String> = steps
            .iter()
            .map(|step| format!("{}{}", step.node, if step.off_branch { "'" } else { "" }))
            .collect();
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn the_current_branch_comes_first() {
        check(&[None, Some(0), Some(1)], 2, "0 1 2");
        check(&[None, Some(0), Some(0), Some(1), Some(2)], 3, "0 1 3 2' 4'");
        check(&[Some(1), None, None, Some(2)], 0, "1 0 2' 3'");
        check(&[None, Some(0), Some(1)], 1, "0 1 2'");
    }
}
