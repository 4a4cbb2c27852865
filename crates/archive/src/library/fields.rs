//! How much a document's title and headings count when it is searched by word.
//!
//! A search index knows one text of each chunk. What counts twice stands in it twice, as if its author had said so: the
//! term frequency that BM25F (Robertson, Zaragoza and Taylor, "Simple BM25 Extension to Multiple Weighted Fields", CIKM
//! 2004) weighs by field. So weights cost a search nothing, and other weights need another index.

use std::{fs, io::ErrorKind, path::Path};

use crate::{Error, store::error::io};

/// How often what stands above a text counts as having been said. A text's own words count once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// The document's title, in each of its chunks. 1 to 8.
    pub title: u8,
    /// The headings that a chunk stands under. 1 to 8.
    pub heading: u8,
}

impl Default for Fields {
    fn default() -> Self {
        Self::ONCE
    }
}

impl Fields {
    /// The most that either counts.
    pub const MOST: u8 = 8;

    /// What an index without a marker was made with.
    const ONCE: Self = Self { title: 1, heading: 1 };

    fn within_range(self) -> Self {
        Self { title: self.title.clamp(1, Self::MOST), heading: self.heading.clamp(1, Self::MOST) }
    }

    /// Returns what the index is told of a chunk. `searched` has title and headings once.
    pub(super) fn weighed(self, title: Option<&str>, heading: Option<&str>, mut searched: String) -> String {
        let Self { title: titles, heading: headings } = self.within_range();
        for (line, times) in [(title, titles), (heading, headings)] {
            for line in line.into_iter().flat_map(|line| std::iter::repeat_n(line, usize::from(times) - 1)) {
                searched.push('\n');
                searched.push_str(line);
            }
        }
        searched
    }

    /// Removes the indexes in the folder `search` where they were made with other weights, so that they are made anew.
    pub(super) fn settle(self, search: &Path) -> Result<(), Error> {
        let (marker, fields) = (search.join(MARKER), self.within_range());
        let made_with = match fs::read_to_string(&marker) {
            Ok(text) => Self::read(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => Some(Self::ONCE),
            Err(error) => return Err(io("read", &marker)(error)),
        };
        if made_with == Some(fields) {
            return Ok(());
        }
        match fs::remove_dir_all(search) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(io("remove the old search index", search)(error));
            }
            _ => fs::create_dir_all(search).map_err(io("make", search))?,
        }
        fs::write(&marker, fields.written()).map_err(io("write", &marker))
    }

    fn written(self) -> String {
        format!("title {}\nheading {}\n", self.title, self.heading)
    }

    fn read(text: &str) -> Option<Self> {
        let (title, heading) = text.strip_prefix("title ")?.trim_end().split_once("\nheading ")?;
        Some(Self { title: title.parse().ok()?, heading: heading.parse().ok()? })
    }
}

/// Says which weights the indexes beside it were made with; no tenant is called so.
const MARKER: &str = "fields.txt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_twice_is_said_twice() {
        let check = |title, heading, expected: &str| {
            let fields = Fields { title, heading };
            assert_eq!(fields.weighed(Some("T"), Some("H"), "T\nH\ntext".to_owned()), expected);
        };
        check(1, 1, "T\nH\ntext");
        check(3, 1, "T\nH\ntext\nT\nT");
        check(1, 2, "T\nH\ntext\nH");
        check(0, 0, "T\nH\ntext");
        check(u8::MAX, 1, &format!("T\nH\ntext{}", "\nT".repeat(7)));
        let fields = Fields { title: 2, heading: 1 };
        assert_eq!(fields.weighed(None, Some("H"), "H\ntext".to_owned()), "H\ntext");
    }

    #[test]
    fn indexes_of_other_weights_go() {
        let dir = tempfile::tempdir().unwrap();
        let search = dir.path().join("search");
        let made = |fields: Fields| {
            fields.settle(&search).unwrap();
            let index = search.join("local");
            let was_there = index.exists();
            fs::create_dir_all(index).unwrap();
            was_there
        };
        let twice = Fields { title: 2, heading: 1 };
        assert!(!made(Fields::ONCE));
        assert!(made(Fields::ONCE), "an index without a marker has each once");
        assert!(!made(twice));
        assert!(made(twice));
        assert!(!made(Fields { title: 2, heading: 2 }));
        assert!(!made(Fields { title: 0, heading: 1 }));
        assert!(made(Fields::ONCE), "what is out of range is the nearest in it");
        fs::write(search.join(MARKER), "title two").unwrap();
        assert!(!made(Fields::ONCE), "what is not understood is made anew");
    }
}
