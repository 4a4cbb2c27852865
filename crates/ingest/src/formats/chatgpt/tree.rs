use rustc_hash::FxHashMap;

use super::wire::Node;
use crate::{
    branches::{Step, cut_circles, newest_leaf, order},
    context::Context,
};

/// The order in which the nodes of a conversation are told.
#[derive(Debug)]
pub(super) struct Walk {
    /// The current branch from its root, then the other branches, parents before children.
    pub(super) steps: Vec<Step>,
    parents: Vec<Option<usize>>,
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
        if cut_circles(&mut parents) {
            context.notice("messages follow each other in a circle");
        }
        // Without any link the order of the file is all there is.
        if parents.iter().all(Option::is_none) && !ids.contains_key(current) {
            parents = (0..nodes.len()).map(|index| index.checked_sub(1)).collect();
        }
        let current = ids.get(current).copied().or_else(|| {
            if !current.is_empty() {
                context.notice("the current message is not in the conversation; the newest branch is shown");
            }
            newest_leaf(&parents, |index| {
                let message = nodes[index].message.0.as_ref()?;
                Some(message.create_time.0)
            })
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
