//! What models are called in this format: each has a tag.

use athenaeum_inference::catalog::Entry;

/// Returns a model's name with a tag; `latest` where it has none.
pub(super) fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

/// Returns what an answer calls its model: as whoever asked called it, where that leaves no doubt.
pub(super) fn answering(entry: &Entry, asked: &str) -> String {
    match tagged(asked) == tagged(&entry.name) {
        true => asked.to_owned(),
        false => tagged(&entry.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_tag_get_one() {
        for (name, expected) in [
            ("tiny", "tiny:latest"),
            ("qwen3:0.6b", "qwen3:0.6b"),
            ("org/name", "org/name:latest"),
            ("host:80/name", "host:80/name:latest"),
        ] {
            assert_eq!(tagged(name), expected);
        }
    }
}
