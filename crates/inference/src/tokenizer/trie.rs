//! Which of many texts begin here.

/// Texts with a number each, by their bytes.
#[derive(Debug)]
pub(super) struct Trie {
    /// By node, its first child; the children of a node lie side by side, those of the next node after them.
    children: Vec<u32>,
    /// By node, the byte that leads to it.
    labels: Vec<u8>,
    /// By node, the number of the text that ends there, or [`NOTHING`].
    values: Vec<u32>,
}

const NOTHING: u32 = u32::MAX;

impl Trie {
    /// Of equal texts the first counts.
    pub(super) fn new(mut texts: Vec<(&[u8], u32)>) -> Self {
        texts.sort_by(|a, b| a.0.cmp(b.0));
        texts.dedup_by(|later, earlier| later.0 == earlier.0);
        let mut trie = Self { children: Vec::new(), labels: vec![0], values: Vec::new() };
        // The texts that begin as a node does, from and to, and how many bytes that is.
        let mut nodes = vec![(0, texts.len(), 0)];
        let mut node = 0;
        while let Some(&(mut from, to, depth)) = nodes.get(node) {
            let ends = texts.get(from).filter(|(text, _)| from < to && text.len() == depth);
            trie.values.push(ends.map_or(NOTHING, |(_, value)| *value));
            from += usize::from(ends.is_some());
            trie.children.push(nodes.len() as u32);
            while from < to {
                let label = texts[from].0[depth];
                let same = texts[from..to].partition_point(|(text, _)| text[depth] == label);
                trie.labels.push(label);
                nodes.push((from, from + same, depth + 1));
                from += same;
            }
            node += 1;
        }
        trie.children.push(nodes.len() as u32);
        trie
    }

    pub(super) fn is_empty(&self) -> bool {
        self.labels.len() == 1 && self.values.first() == Some(&NOTHING)
    }

    /// Calls `found` with the bytes and the number of each text that `text` begins with, shortest first.
    pub(super) fn prefixes(&self, text: &[u8], mut found: impl FnMut(usize, u32)) {
        let mut node = 0;
        for (index, byte) in text.iter().enumerate() {
            let Some(child) = self.child(node, *byte) else { return };
            node = child;
            if self.values[node] != NOTHING {
                found(index + 1, self.values[node]);
            }
        }
    }

    /// Whether a text may begin with this byte.
    pub(super) fn begins(&self, byte: u8) -> bool {
        self.child(0, byte).is_some()
    }

    fn child(&self, node: usize, byte: u8) -> Option<usize> {
        let (first, end) = (self.children[node] as usize, self.children[node + 1] as usize);
        let labels = &self.labels[first..end];
        let place = if labels.len() <= 8 {
            labels.iter().position(|label| *label == byte)
        } else {
            labels.binary_search(&byte).ok()
        };
        place.map(|place| first + place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_texts_that_begin_here_are_found() {
        let trie = Trie::new(vec![(b"ab", 1), (b"a", 2), (b"abcd", 3), (b"b", 4), (b"ab", 5)]);
        let found = |text: &str| {
            let mut found = Vec::new();
            trie.prefixes(text.as_bytes(), |len, value| found.push((len, value)));
            found
        };
        assert_eq!(found("abcde"), [(1, 2), (2, 1), (4, 3)]);
        assert_eq!(found("abc"), [(1, 2), (2, 1)]);
        assert_eq!(found("ca"), []);
        assert_eq!(found(""), []);
        assert!(Trie::new(Vec::new()).is_empty() && !trie.is_empty());
    }
}
