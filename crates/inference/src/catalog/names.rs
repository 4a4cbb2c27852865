use super::Entry;
use crate::model::gguf;

/// Why nothing was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// Nothing fits, or nothing was asked for and it is not clear what is meant.
    Nothing,
    /// These fit.
    Several(Vec<String>),
    /// It is there and cannot be used.
    Unusable { name: String, reason: String },
}

/// More than any name has.
const BYTES_MAX: usize = 1024;

/// Returns a name without what people may add or leave out. Two names that become the same are the same.
pub(super) fn plain(name: &str) -> String {
    let mut name = name.trim().to_lowercase();
    const BEFORE: &[&str] =
        &["hf:", "ollama:", "hf.co/", "huggingface.co/", "registry.ollama.ai/", "library/"];
    while let Some(rest) = BEFORE.iter().find_map(|more| name.strip_prefix(more)) {
        name = rest.to_owned();
    }
    let name = name.strip_suffix(":latest").unwrap_or(&name);
    stem(name).to_owned()
}

/// Returns a file's name without what says how it is stored.
pub(super) fn stem(name: &str) -> &str {
    let stem = name.strip_suffix(".gguf").or_else(|| name.strip_suffix(".safetensors")).unwrap_or(name);
    let whole = gguf::part_name(&format!("{stem}.gguf")).map(|(stem, ..)| stem.len());
    whole.and_then(|len| stem.get(..len)).unwrap_or(stem)
}

/// Finds the one that has a name, in one of the ways that leave no doubt.
pub(super) fn exact<'a>(entries: &'a [Entry], asked: &str) -> Result<&'a Entry, Missed> {
    let plainly = if asked.len() > BYTES_MAX { String::new() } else { plain(asked) };
    if plainly.is_empty() {
        return Err(Missed::Nothing);
    }
    only(entries, |entry| entry.name == asked)
        .or_else(|missed| missed.then(|| only(entries, |entry| plain(&entry.name) == plainly)))
        .or_else(|missed| {
            missed.then(|| only(entries, |entry| all(entry).any(|name| plain(name) == plainly)))
        })
        .or_else(|missed| missed.then(|| only(entries, |entry| has_tag(entry, &plainly))))
}

/// Finds the one that a part of a name fits.
pub(super) fn part<'a>(entries: &'a [Entry], asked: &str) -> Result<&'a Entry, Missed> {
    let plainly = if asked.len() > BYTES_MAX { String::new() } else { plain(asked) };
    if plainly.is_empty() {
        return Err(Missed::Nothing);
    }
    only(entries, |entry| all(entry).any(|name| plain(name).contains(&plainly)))
}

/// Returns the name that is written most like `asked`, if one is at all like it.
pub(super) fn closest<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const CHARACTERS_MAX: usize = 64;
    let characters = |name: &str| plain(name).chars().take(CHARACTERS_MAX).collect::<Vec<_>>();
    let asked = characters(&asked.chars().take(BYTES_MAX).collect::<String>());
    let far = |name: &'a str| (distance(&asked, &characters(name)), name);
    let (distance, name) = names.map(far).min()?;
    (distance <= (asked.len() / 3).max(2) && distance < asked.len()).then_some(name)
}

fn all(entry: &Entry) -> impl Iterator<Item = &str> {
    std::iter::once(entry.name.as_str()).chain(entry.aliases.iter().map(String::as_str))
}

/// Whether `name:tag` means it: it has the name, and the tag is how its numbers are stored, or in its own name.
fn has_tag(entry: &Entry, asked: &str) -> bool {
    let Some((base, tag)) = asked.rsplit_once(':').filter(|(base, tag)| !base.is_empty() && !tag.is_empty())
    else {
        return false;
    };
    let stored = entry.summary.quantization.as_deref().is_some_and(|stored| stored.to_lowercase() == tag);
    let named = |name: &str| {
        let name = plain(name);
        let rest = name.strip_prefix(base).and_then(|rest| rest.strip_prefix(['-', '_', '.', '/', ':']));
        name == base && stored
            || rest.is_some_and(|rest| rest == tag)
            || name == base && plain(&entry.name).contains(tag)
    };
    all(entry).any(named)
}

fn only(entries: &[Entry], fits: impl Fn(&Entry) -> bool) -> Result<&Entry, Missed> {
    let fitting: Vec<&Entry> = entries.iter().filter(|entry| fits(entry)).collect();
    match fitting.as_slice() {
        [only] => Ok(only),
        [] => Err(Missed::Nothing),
        several => Err(Missed::Several(several.iter().map(|entry| entry.name.clone()).collect())),
    }
}

impl Missed {
    /// Looks further, unless too much was found already.
    fn then<'a>(self, further: impl FnOnce() -> Result<&'a Entry, Missed>) -> Result<&'a Entry, Missed> {
        if self == Self::Nothing { further() } else { Err(self) }
    }
}

/// How many characters have to be put in, left out or changed to make one of the other (Levenshtein's distance).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, a) in one.iter().enumerate() {
        let mut before = index;
        row[0] = index + 1;
        for (column, b) in other.iter().enumerate() {
            let changed = before + usize::from(a != b);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_add_or_leave_out_makes_no_difference() {
        for (name, expected) in [
            ("Tiny.GGUF", "tiny"),
            (" tiny:latest ", "tiny"),
            ("hf.co/Org/Name", "org/name"),
            ("hf:Org/Name:Q8_0", "org/name:q8_0"),
            ("registry.ollama.ai/library/tiny:1b", "tiny:1b"),
            ("big-00001-of-00002.gguf", "big"),
            ("big-00001-of-00001.gguf", "big"),
            ("Big-00001-of-00002", "big"),
            ("model.safetensors", "model"),
            (":latest", ""),
            ("tiny.ggufx", "tiny.ggufx"),
        ] {
            assert_eq!(plain(name), expected, "{name:?}");
        }
    }

    #[test]
    fn names_are_as_far_apart_as_has_to_be_changed() {
        let far = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|name| name.chars().collect::<Vec<_>>());
            distance(&one, &other)
        };
        assert_eq!([far("", ""), far("", "ab"), far("ab", ""), far("kitten", "sitting")], [0, 2, 2, 3]);
        assert_eq!(far("äö", "äo"), 1);
    }
}
