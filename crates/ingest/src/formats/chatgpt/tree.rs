use athenaeum_core::Timestamp;
use rustc_hash::FxHashMap;

use super::wire::Node;
use crate::context::Context;

/// The order in which the nodes of a conversation are told.
#[derive(Debug)]
pub(super) struct Walk {
    /// The current branch from its root, then the other branches, parents before children.
    pub(super) steps: Vec<Step>,
    parents: Vec<Option<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Index of the node.
    pub(super) node: usize,
    pub(super) off_branch: bool,
}

impl Walk {
    /// Plans the walk. A `current` that is no node gives way to the newest leaf; a parent that is no node, or
    /// that would close a circle, counts as none; each is noticed.
    pub(super) fn new(nodes: &[Node<'_>], current: &str, context: &mut Context<'_>) -> Self {
        let mut ids = FxHashMap::default();
        ids.reserve(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            if ids.insert(node.id.as_ref(), index).is_some() {
                context.notice("two nodes have the same id");
            }
        }
        let mut parents = find_parents(nodes, &ids, context);
        cut_circles(&mut parents, context);
        let current = ids.get(current).copied().or_else(|| {
            if !current.is_empty() {
                context.notice("the current message is not in the conversation; the newest branch is shown");
            }
            newest_leaf(nodes, &parents)
        });
        let steps = order(&parents, current);
        Self { steps, parents }
    }

    pub(super) fn parent(&self, node: usize) -> Option<usize> {
        self.parents[node]
    }
}

fn find_parents(
    nodes: &[Node<'_>],
    ids: &FxHashMap<&str, usize>,
    context: &mut Context<'_>,
) -> Vec<Option<usize>> {
    let mut parents: Vec<Option<usize>> = vec![None; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        if let Some(parent) = node.parent.filled_ref() {
            parents[index] = ids.get(parent).copied().filter(|parent| *parent != index);
            // Older exports write the root's missing parent as a word.
            if parents[index].is_none() && node.message.0.is_some() && parent != "ROOT" {
                context.notice("the message before a message is missing");
            }
        }
    }
    for (index, node) in nodes.iter().enumerate() {
        let children = node.children.0.iter().filter_map(|child| ids.get(child.as_str()).copied());
        for child in children.filter(|child| *child != index) {
            let named = nodes[child].parent.filled_ref().is_some_and(|parent| ids.contains_key(parent));
            if parents[child].is_none() && !named {
                parents[child] = Some(index);
            }
        }
    }
    parents
}

/// Takes away the parent that closes a circle, so that every way up ends.
fn cut_circles(parents: &mut [Option<usize>], context: &mut Context<'_>) {
    // 0: not seen, otherwise the number of the climb that saw it first.
    let mut climbs = vec![0; parents.len()];
    for start in 0..parents.len() {
        let climb = start + 1;
        let mut at = start;
        while climbs[at] == 0 {
            climbs[at] = climb;
            let Some(parent) = parents[at] else { break };
            if climbs[parent] == climb {
                context.notice("messages follow each other in a circle");
                parents[at] = None;
                break;
            }
            at = parent;
        }
    }
}

fn newest_leaf(nodes: &[Node<'_>], parents: &[Option<usize>]) -> Option<usize> {
    let mut is_parent = vec![false; nodes.len()];
    for parent in parents.iter().flatten() {
        is_parent[*parent] = true;
    }
    let written = |index: usize| -> Option<Timestamp> { nodes[index].message.0.as_ref()?.create_time.0 };
    let leaves = (0..nodes.len()).filter(|index| !is_parent[*index] && nodes[*index].message.0.is_some());
    leaves.max_by_key(|index| written(*index))
}

fn order(parents: &[Option<usize>], current: Option<usize>) -> Vec<Step> {
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
