//! Graphs over vectors.

use std::ops::RangeInclusive;

use athenaeum_vector::Hnsw;
use serde::{Deserialize, Serialize};

/// Which vectors get a graph, and how good a one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// Vectors in a segment from which on it gets a graph; 0: none does.
    pub from: u64,
    /// Neighbours that a new row is given. 2 to 128.
    pub m: u64,
    /// Rows that these are chosen among. 2 to 4096.
    pub ef_construction: u64,
    /// Rows that a quick search keeps on its way. 1 to 4096.
    pub ef_search: u64,
}

impl Graph {
    pub(super) const DEFAULT: Self = Self {
        from: 0,
        m: Hnsw::BALANCED.m as u64,
        ef_construction: Hnsw::BALANCED.ef_construction as u64,
        ef_search: Hnsw::BALANCED.ef_search as u64,
    };

    /// Lists its numbers, each with what is accepted.
    pub(super) fn ranges(&self) -> [(&'static str, u64, RangeInclusive<u64>); 4] {
        [
            ("library.graph.from", self.from, 0..=1 << 30),
            ("library.graph.m", self.m, 2..=128),
            ("library.graph.ef_construction", self.ef_construction, 2..=4_096),
            ("library.graph.ef_search", self.ef_search, 1..=4_096),
        ]
    }

    /// What `vector` is told; `None` where nothing gets a graph.
    pub(crate) fn hnsw(&self) -> Option<Hnsw> {
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        (self.from > 0).then(|| Hnsw {
            rows_min: number(self.from),
            m: number(self.m),
            ef_construction: number(self.ef_construction),
            ef_search: number(self.ef_search),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn numbers_reach_the_vectors() {
        let read = |flags: &[(&str, String)]| Settings::layered(None, false, |_| None, flags);
        assert_eq!(read(&[]).unwrap().settings.library.graph.hnsw(), None);
        let flags = [("library.graph.from", "70000".to_owned()), ("library.graph.m", "24".to_owned())];
        let hnsw = read(&flags).unwrap().settings.library.graph.hnsw();
        assert_eq!(hnsw, Some(Hnsw { rows_min: 70_000, m: 24, ..Hnsw::BALANCED }));
        let error = read(&[("library.graph.m", "1".to_owned())]).unwrap_err();
        assert!(error.to_string().contains("library.graph.m"), "{error}");
    }
}
