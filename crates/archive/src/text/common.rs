/// Tells whether a term, as the analyser makes it, is an English word that tells nothing of what a text is about.
pub fn is_common(term: &str) -> bool {
    COMMON.binary_search(&term).is_ok()
}

/// In the order of the alphabet.
const COMMON: &[&str] = &[
    "a", "about", "after", "all", "also", "an", "and", "ani", "ar", "are", "as", "at", "be", "been", "but",
    "by", "can", "could", "did", "do", "doe", "for", "from", "ha", "had", "have", "he", "her", "hi", "how",
    "i", "if", "in", "into", "is", "it", "just", "let", "mai", "me", "more", "must", "my", "no", "not", "of",
    "on", "onc", "or", "other", "our", "out", "over", "per", "same", "she", "should", "so", "some", "such",
    "than", "that", "the", "thei", "their", "them", "then", "there", "these", "thi", "to", "under", "up",
    "veri", "wa", "we", "were", "what", "when", "where", "which", "who", "why", "will", "with", "would",
    "you", "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_are_sorted_and_known() {
        assert!(COMMON.is_sorted());
        assert!(is_common("the") && is_common("doe") && !is_common("dough"));
    }
}
