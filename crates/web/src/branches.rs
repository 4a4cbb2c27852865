//! Which way through a conversation is shown, and where it forks.

use athenaeum_archive::StoredMessage;

/// A conversation's messages as a tree.
///
/// Messages of the current branch follow one another whatever their source says of their parents; messages of
/// other branches hang where their source hung them.
pub(crate) struct Branches {
    parents: Vec<Option<u32>>,
    /// Positions by parent; the last entry holds the first messages.
    children: Vec<Vec<u32>>,
    off_branch: Vec<bool>,
}

/// A fork on the way that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fork {
    /// Number of the way taken, from 1.
    pub(crate) number: usize,
    /// How many ways there are; at least 2.
    pub(crate) count: usize,
    /// The message that begins the way before this one.
    pub(crate) previous: Option<u32>,
    /// The message that begins the way after this one.
    pub(crate) next: Option<u32>,
}

impl Branches {
    /// Reads the tree, in time proportional to the number of messages.
    pub(crate) fn of(messages: &[StoredMessage]) -> Self {
        let count = messages.len();
        let mut parents = Vec::with_capacity(count);
        let mut children = vec![Vec::new(); count + 1];
        let mut previous = None;
        for (position, stored) in (0_u32..).zip(messages) {
            let parent = if stored.message.off_branch {
                stored.message.parent.filter(|parent| *parent < position)
            } else {
                previous.replace(position)
            };
            children[parent.map_or(count, |parent| parent as usize)].push(position);
            parents.push(parent);
        }
        let off_branch = messages.iter().map(|stored| stored.message.off_branch).collect();
        Self { parents, children, off_branch }
    }

    /// Returns the positions to show, in reading order: the current branch, or the one that goes through
    /// `through`. Below it the way follows the current branch where it can, and the newest message elsewhere.
    pub(crate) fn path(&self, through: Option<u32>) -> Vec<u32> {
        let Some(through) = through.filter(|position| (*position as usize) < self.parents.len()) else {
            return self.current();
        };
        if !self.off_branch[through as usize] {
            return self.current();
        }
        let mut path = vec![through];
        while let Some(parent) = self.parents[path[path.len() - 1] as usize] {
            path.push(parent);
        }
        path.reverse();
        let mut last = through;
        while let Some(child) = self.preferred_child(last) {
            path.push(child);
            last = child;
        }
        path
    }

    /// Returns the position of the message before this one in its branch.
    pub(crate) fn parent(&self, position: u32) -> Option<u32> {
        *self.parents.get(position as usize)?
    }

    /// Returns the fork that `position` begins a way of, if it does.
    pub(crate) fn fork(&self, position: u32) -> Option<Fork> {
        let parent = *self.parents.get(position as usize)?;
        let ways = &self.children[parent.map_or(self.parents.len(), |parent| parent as usize)];
        if ways.len() < 2 {
            return None;
        }
        let at = ways.iter().position(|way| *way == position)?;
        Some(Fork {
            number: at + 1,
            count: ways.len(),
            previous: at.checked_sub(1).map(|before| ways[before]),
            next: ways.get(at + 1).copied(),
        })
    }

    fn current(&self) -> Vec<u32> {
        (0_u32..).zip(&self.off_branch).filter(|(_, off)| !**off).map(|(position, _)| position).collect()
    }

    fn preferred_child(&self, position: u32) -> Option<u32> {
        let children = &self.children[position as usize];
        children.iter().find(|child| !self.off_branch[**child as usize]).or(children.last()).copied()
    }
}

#[cfg(test)]
mod tests {
    use athenaeum_core::{Block, Message, MessageId, Role};

    use super::*;

    /// Messages from `parent` and `*` for those of other branches, for example `- 0 0* 2*`.
    fn tree(text: &str) -> Branches {
        let message = |(position, word): (usize, &str)| {
            let mut message = Message::new(Role::User, vec![Block::text(word)]);
            message.off_branch = word.ends_with('*');
            message.parent = word.trim_end_matches('*').parse().ok();
            StoredMessage { id: MessageId(position as i64 + 1), message }
        };
        Branches::of(&text.split(' ').enumerate().map(message).collect::<Vec<_>>())
    }

    fn check(messages: &str, through: Option<u32>, expected: &[u32]) {
        assert_eq!(tree(messages).path(through), expected, "{messages} through {through:?}");
    }

    #[test]
    fn the_way_goes_through_the_message_asked_for() {
        check("- 0 1 2", None, &[0, 1, 2, 3]);
        check("- 0 1 0* 3*", None, &[0, 1, 2]);
        check("- 0 1 0* 3*", Some(3), &[0, 3, 4]);
        check("- 0 1 0* 3*", Some(4), &[0, 3, 4]);
        check("- 0 1 0* 3*", Some(1), &[0, 1, 2]);
        check("- 0 1 0* 3* 3*", Some(3), &[0, 3, 5]);
        // An edited first message is a way of its own from the very beginning.
        check("- 0 -* 2*", Some(2), &[2, 3]);
        // Sources without parents, parents that point forward, positions out of range.
        check("- - - -", None, &[0, 1, 2, 3]);
        check("- 0 9*", Some(2), &[2]);
        check("- 0", Some(7), &[0, 1]);
    }

    #[test]
    fn forks_count_their_ways() {
        let tree = tree("- 0 1 0* 0*");
        let fork = |number, previous, next| Some(Fork { number, count: 3, previous, next });
        assert_eq!(tree.fork(0), None);
        assert_eq!(tree.fork(1), fork(1, None, Some(3)));
        assert_eq!(tree.fork(3), fork(2, Some(1), Some(4)));
        assert_eq!(tree.fork(4), fork(3, Some(3), None));
        assert_eq!(tree.fork(2), None);
        assert_eq!(tree.fork(99), None);
    }
}
