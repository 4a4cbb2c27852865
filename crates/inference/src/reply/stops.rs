//! Texts that end a reply, wherever its pieces are cut.

/// Watches for stop strings; holds back only what may become one.
#[derive(Debug, Clone, Default)]
pub struct Stops {
    stops: Vec<String>,
    held: String,
    stopped: bool,
}

/// What came through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Text that no stop string can begin in any more; ends before the stop string where there was one.
    pub text: String,
    /// Which stop string ended it, by its place among those given; the longest where several end together.
    pub stop: Option<usize>,
}

impl Stops {
    /// Empty ones never stop anything.
    #[must_use]
    pub fn new(stops: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { stops: stops.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Reads on; after a stop nothing passes any more.
    pub fn push(&mut self, text: &str) -> Passed {
        let mut passed = Passed::default();
        if !text.is_empty() && !self.stopped {
            passed.text.reserve(self.held.len() + text.len());
        }
        for letter in text.chars() {
            if self.stopped {
                break;
            }
            self.held.push(letter);
            let ended = self.stops.iter().enumerate().filter(|(_, stop)| !stop.is_empty());
            let ended = ended.filter(|(_, stop)| self.held.ends_with(stop.as_str()));
            if let Some((index, stop)) = ended.max_by_key(|(index, stop)| (stop.len(), usize::MAX - index)) {
                passed.text += &self.held[..self.held.len() - stop.len()];
                passed.stop = Some(index);
                self.held.clear();
                self.stopped = true;
                break;
            }
            let free = self.free();
            passed.text.extend(self.held.drain(..free));
        }
        passed
    }

    /// What was held back, when nothing more comes.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes of what is held that cannot be the beginning of a stop string.
    fn free(&self) -> usize {
        let begins = |from: &usize| {
            let rest = &self.held[*from..];
            self.stops.iter().any(|stop| stop.len() > rest.len() && stop.starts_with(rest))
        };
        let starts = self.held.char_indices().map(|(at, _)| at);
        starts.into_iter().find(begins).unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_string_is_found_across_pieces() {
        let check = |stops: &[&str], pieces: &[&str], text: &str, stop: Option<usize>| {
            let mut watch = Stops::new(stops.iter().copied());
            let mut all = Passed::default();
            for piece in pieces {
                let passed = watch.push(piece);
                all.text += &passed.text;
                all.stop = all.stop.or(passed.stop);
            }
            all.text += &watch.finish();
            assert_eq!((all.text.as_str(), all.stop), (text, stop), "{stops:?} {pieces:?}");
        };
        check(&["END"], &["a E", "N", "D b"], "a ", Some(0));
        check(&["END"], &["a EN", "E", "ND"], "a EN", Some(0));
        check(&["END"], &["a EN"], "a EN", None);
        check(&["aab"], &["aaa", "ab"], "aa", Some(0));
        check(&["b", "ab"], &["a", "b"], "", Some(1));
        check(&["\n\n", "é"], &["x\n", "y é"], "x\ny ", Some(1));
        check(&["", "x"], &["ab"], "ab", None);
        check(&[], &["ab", "c"], "abc", None);
    }

    #[test]
    fn nothing_is_held_back_without_need() {
        let mut watch = Stops::new(["\nUser:"]);
        assert_eq!(watch.push("Hello\nUs").text, "Hello");
        assert_eq!(watch.push("eful").text, "\nUseful");
    }
}
