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

#[cfg(test)]
mod tests {
    fn check(tokens: &[u32], count: usize, expected: &[u32]) {
        let mut out = Vec::new();
        super::guess(tokens, count, &mut out);
        assert_eq!(out, expected);
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
