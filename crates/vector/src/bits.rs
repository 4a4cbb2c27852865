/// A set of rows, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
    count: usize,
}

impl Bits {
    pub(crate) fn none(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(64)], count: 0 }
    }

    pub(crate) fn all(rows: usize) -> Self {
        let mut words = vec![!0; rows / 64];
        if !rows.is_multiple_of(64) {
            words.push((1 << (rows % 64)) - 1);
        }
        Self { words, count: rows }
    }

    /// How many rows there are in it.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// How many of the rows from one up to another, not included, there are in it.
    pub(crate) fn count_in(&self, start: usize, end: usize) -> usize {
        let end = end.min(64 * self.words.len());
        if start >= end {
            return 0;
        }
        let (first, last) = (start / 64, (end - 1) / 64);
        let words = self.words[first..=last].iter().enumerate();
        let masked = words.map(|(index, word)| {
            let low = if index == 0 { !0 << (start % 64) } else { !0 };
            let high = if first + index == last { !0 >> (63 - (end - 1) % 64) } else { !0 };
            (word & low & high).count_ones() as usize
        });
        masked.sum()
    }

    /// Adds a row; one beyond the end is none.
    pub(crate) fn insert(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            self.count += usize::from(*word >> (row % 64) & 1 == 0);
            *word |= 1 << (row % 64);
        }
    }

    pub(crate) fn remove(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            self.count -= usize::from(*word >> (row % 64) & 1 == 1);
            *word &= !(1 << (row % 64));
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for row in self.rows() {
            if !keep(row as usize) {
                self.remove(row as usize);
            }
        }
    }

    /// Keeps what is in both.
    pub(crate) fn intersect(&mut self, other: &Self) {
        self.combine(other, |a, b| a & b);
    }

    /// Keeps what is not in the other.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.combine(other, |a, b| a & !b);
    }

    fn combine(&mut self, other: &Self, with: impl Fn(u64, u64) -> u64) {
        self.count = 0;
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word = with(*word, *other);
            self.count += word.count_ones() as usize;
        }
    }

    /// Lists the rows in their order.
    pub(crate) fn rows(&self) -> Vec<u32> {
        let mut rows = Vec::with_capacity(self.count);
        for (index, word) in self.words.iter().enumerate() {
            let mut word = *word;
            while word != 0 {
                rows.push((64 * index) as u32 + word.trailing_zeros());
                word &= word - 1;
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(
            rows in 1_usize..200,
            steps in proptest::collection::vec((0_usize..200, any::<bool>()), 0..80),
            range in (0_usize..220, 0_usize..220),
            other in proptest::collection::vec(0_usize..200, 0..80),
        ) {
            let (mut bits, mut set) = (Bits::all(rows), (0..rows).collect::<BTreeSet<_>>());
            let mut others = Bits::none(rows);
            other.iter().filter(|row| **row < rows).for_each(|row| others.insert(*row));
            for (row, add) in steps.into_iter().filter(|(row, _)| *row < rows) {
                if add { bits.insert(row); set.insert(row); } else { bits.remove(row); set.remove(&row); }
            }
            let listed = |bits: &Bits| bits.rows().into_iter().map(|row| row as usize).collect::<BTreeSet<_>>();
            prop_assert_eq!((listed(&bits), bits.count()), (set.clone(), set.len()));
            let (mut both, mut without) = (bits.clone(), bits.clone());
            both.intersect(&others);
            without.subtract(&others);
            prop_assert_eq!(both.count() + without.count(), bits.count());
            prop_assert!(both.rows().iter().all(|row| other.contains(&(*row as usize))));
            let (start, end) = range;
            let within = set.iter().filter(|row| (start..end).contains(*row)).count();
            prop_assert_eq!(bits.count_in(start, end), within);
            bits.retain(|row| row % 2 == 0);
            prop_assert_eq!(bits.count(), set.iter().filter(|row| *row % 2 == 0).count());
        }
    }
}
