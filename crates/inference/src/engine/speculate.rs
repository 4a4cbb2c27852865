/// Guesses what follows from what followed before: finds the longest ending of `tokens`, of up to four tokens, that
/// stands earlier in them, and appends to `out` up to `count` of the tokens behind its last occurrence there.
///
/// Saxena, "Prompt lookup decoding" (2023).
pub(super) fn guess(tokens: &[u32], count: usize, out: &mut Vec<u32>) {
    for len in (2..=ENDING_MAX).rev() {
        let Some(start) = tokens.len().checked_sub(len) else { continue };
        let ending = &tokens[start..];
        let earlier = tokens[..tokens.len() - 1].windows(len).rposition(|window| window == ending);
        if let Some(at) = earlier {
            let behind = &tokens[at + len..];
            out.extend_from_slice(&behind[..count.min(behind.len())]);
            return;
        }
    }
}

const ENDING_MAX: usize = 4;

/// How many tokens are worth guessing from what was said before, by how it went lately.
///
/// A row more costs a seventh of a token's time or less while the weights are read from memory anyway, so what came true
/// whole is followed by twice as much. What did not costs all the same, so after wrong guesses nothing is guessed for some
/// tokens.
#[derive(Debug)]
pub(super) struct Trust {
    count: usize,
    misses: u32,
    pause: usize,
}

impl Trust {
    pub(super) fn new() -> Self {
        Self { count: FEWEST, misses: 0, pause: 0 }
    }

    /// How many to guess next.
    pub(super) fn count(&self) -> usize {
        if self.pause == 0 { self.count } else { 0 }
    }

    /// Learns how many of the last guesses came true.
    pub(super) fn learn(&mut self, guessed: usize, right: usize) {
        if guessed == 0 {
            self.pause = self.pause.saturating_sub(1);
        } else if right == 0 {
            self.misses = (self.misses + 1).min(PAUSE_MAX.ilog2());
            (self.count, self.pause) = (FEWEST, 1 << self.misses);
        } else {
            let count = if right == guessed { 2 * self.count + 1 } else { right };
            (self.count, self.misses) = (count.clamp(FEWEST, GUESSES), 0);
        }
    }
}

/// The most tokens that are guessed at once where nobody says how many.
pub(super) const GUESSES: usize = 15;

const FEWEST: usize = 3;

/// The most tokens without a guess after wrong ones, of which one costs a third of a token's time.
const PAUSE_MAX: usize = 4;

#[cfg(test)]
mod tests {
    fn check(tokens: &[u32], count: usize, expected: &[u32]) {
        let mut out = Vec::new();
        super::guess(tokens, count, &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn trust_grows_with_what_comes_true_and_rests_after_what_does_not() {
        let mut trust = super::Trust::new();
        let mut learn = |guessed, right| {
            trust.learn(guessed, right);
            trust.count()
        };
        assert_eq!([learn(3, 3), learn(7, 7), learn(15, 15), learn(15, 15)], [7, 15, 15, 15]);
        assert_eq!(learn(15, 5), 5);
        assert_eq!([learn(5, 0), learn(0, 0), learn(0, 0)], [0, 0, 3]);
        assert_eq!([learn(3, 0), learn(0, 0), learn(0, 0), learn(0, 0), learn(0, 0)], [0, 0, 0, 0, 3]);
        assert_eq!([learn(3, 0), learn(0, 0), learn(0, 0), learn(0, 0), learn(0, 0)], [0, 0, 0, 0, 3]);
        assert_eq!([learn(3, 1), learn(3, 0), learn(0, 0), learn(0, 0)], [3, 0, 0, 3]);
    }

    #[test]
    fn what_followed_before_follows_again() {
        check(&[1, 2, 3, 4, 5, 9, 2, 3], 2, &[4, 5]);
        check(&[1, 2, 3, 7, 2, 3, 8, 2, 3], 1, &[8]);
        check(&[5, 5, 5], 4, &[5]);
        check(&[1, 2, 3], 4, &[]);
        check(&[], 4, &[]);
    }
}
