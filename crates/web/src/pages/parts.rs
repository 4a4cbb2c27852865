use std::ops::Range;

/// How a conversation too long for one page is divided: each part holds at most so many messages and, unless a
/// single one is longer, so much text. A log of a coding agent has few messages and tools that answer in megabytes.
pub(super) struct Parts(Vec<Range<usize>>);

impl Parts {
    /// Divides messages of these sizes, in bytes. There is always a first part, if an empty one.
    pub(super) fn of(sizes: impl Iterator<Item = usize>, messages_max: usize, bytes_max: usize) -> Self {
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut bytes = 0_usize;
        let mut part = 0..0;
        for size in sizes {
            let is_full = part.len() >= messages_max || bytes.saturating_add(size) > bytes_max;
            if is_full && !part.is_empty() {
                parts.push(part.clone());
                part = part.end..part.end;
                bytes = 0;
            }
            part.end += 1;
            bytes = bytes.saturating_add(size);
        }
        parts.push(part);
        Self(parts)
    }

    /// Returns the number of parts; at least 1.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the number of the part that holds the message at `index`, or of the last one.
    pub(super) fn holding(&self, index: usize) -> usize {
        self.0.partition_point(|part| part.end <= index).min(self.0.len() - 1)
    }

    /// Returns the indexes of a part's messages; none where there is no such part.
    pub(super) fn range(&self, part: usize) -> Range<usize> {
        self.0.get(part).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ends` are the indexes that parts end before.
    fn check(sizes: &[usize], ends: &[usize]) {
        let parts = Parts::of(sizes.iter().copied(), 3, 10);
        assert_eq!(parts.0.iter().map(|part| part.end).collect::<Vec<_>>(), ends, "{sizes:?}");
        let mut next = 0;
        for number in 0..parts.count() {
            for index in parts.range(number) {
                assert_eq!((index, parts.holding(index)), (next, number), "{sizes:?}");
                next += 1;
            }
        }
        assert_eq!(next, sizes.len(), "every message is in one part");
        assert_eq!(parts.holding(usize::MAX), parts.count() - 1);
        assert!(parts.range(parts.count()).is_empty());
    }

    #[test]
    fn parts_are_bounded_in_messages_and_in_text() {
        check(&[], &[0]);
        check(&[1, 1, 1], &[3]);
        check(&[1, 1, 1, 1], &[3, 4]);
        check(&[5, 5, 5], &[2, 3]);
        check(&[99, 1, 99], &[1, 2, 3]);
        check(&[0, 0, 0, 0, 0, 0, 0], &[3, 6, 7]);
        check(&[usize::MAX, usize::MAX], &[1, 2]);
    }
}
