use std::path::{Path, PathBuf};

use athenaeum_kernels::Bytes;

use super::{File, Metadata, Refusal, Tensor};
use crate::model::source::Opened;

/// A model in one GGUF file or in several.
#[derive(Debug)]
pub struct Model {
    /// At least one; the first holds the metadata.
    pub parts: Vec<Part>,
}

/// One file of a model.
#[derive(Debug)]
pub struct Part {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub file: File,
    /// All of it, where it is no file on the disk.
    pub bytes: Option<Bytes>,
}

/// llama.cpp writes the number of parts in 16 bits; no model has nearly as many.
const PARTS_MAX: u64 = 4_096;

impl Model {
    /// Opens a file, and all parts of the model that it is a part of.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if any part is missing, unsound, or not what its name says.
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        let file = File::read(&Opened::open(path).map_err(Refusal::Io)?)?;
        let count = split_key(&file.metadata, "split.count")?.unwrap_or(1);
        if count <= 1 {
            return Ok(Self { parts: vec![Part { path: path.to_owned(), file, bytes: None }] });
        }
        if count > PARTS_MAX {
            return Err(Refusal::SplitKey { key: "split.count" });
        }
        let name = path.file_name().and_then(|name| name.to_str()).and_then(part_name);
        let Some((stem, number, named_count)) = name else { return Err(Refusal::SplitName { count }) };
        check_number(&file, number, named_count)?;
        let mut given = Some(file);
        let mut parts = Vec::new();
        for part in 1..=count {
            let name = format!("{stem}-{part:05}-of-{count:05}.gguf");
            let path = path.with_file_name(&name);
            let file = match given.take_if(|_| part == number) {
                Some(file) => file,
                None => read_part(&path, &name, part, count)?,
            };
            parts.push(Part { path, file, bytes: None });
        }
        let model = Self { parts };
        model.check_tensors()?;
        Ok(model)
    }

    /// Takes a file that is in memory, under the name that errors have for it.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if it is unsound, or a part of a model in several files.
    pub fn from_bytes(name: &Path, bytes: Bytes) -> Result<Self, Refusal> {
        let file = File::from_bytes(&bytes)?;
        if let Some(count) = split_key(&file.metadata, "split.count")?.filter(|count| *count > 1) {
            return Err(Refusal::SplitName { count });
        }
        Ok(Self { parts: vec![Part { path: name.to_owned(), file, bytes: Some(bytes) }] })
    }

    /// Returns the metadata, which the first part holds.
    pub fn metadata(&self) -> &Metadata {
        static NONE: std::sync::LazyLock<Metadata> = std::sync::LazyLock::new(Metadata::default);
        self.parts.first().map_or(&NONE, |part| &part.file.metadata)
    }

    /// Goes through the tensors of all parts.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.parts.iter().flat_map(|part| &part.file.tensors)
    }

    fn check_tensors(&self) -> Result<(), Refusal> {
        let found = self.tensors().count() as u64;
        if let Some(expected) = split_key(self.metadata(), "split.tensors.count")?
            && expected != found
        {
            return Err(Refusal::SplitTensors { found, expected });
        }
        let mut names: Vec<&str> = self.tensors().map(|tensor| tensor.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Refusal::DuplicateTensor { name: pair[0].to_owned() }),
            None => Ok(()),
        }
    }
}

/// Splits `NAME-00002-of-00005.gguf` into name, number (from 1) and count.
pub(crate) fn part_name(name: &str) -> Option<(&str, u64, u64)> {
    let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let five_digits = |text: &str| {
        (text.len() == 5)
            .then(|| text.bytes().all(|byte| byte.is_ascii_digit()))?
            .then(|| text.parse().ok())?
    };
    let (number, count) = (five_digits(number)?, five_digits(count)?);
    (number >= 1 && number <= count).then_some((stem, number, count))
}

fn read_part(path: &Path, name: &str, part: u64, count: u64) -> Result<File, Refusal> {
    let opened = Opened::open(path).map_err(|source| Refusal::SplitPart { name: name.to_owned(), source })?;
    let file = File::read(&opened).and_then(|file| check_number(&file, part, count).map(|()| file));
    file.map_err(|source| Refusal::SplitRefused { name: name.to_owned(), source: Box::new(source) })
}

fn check_number(file: &File, named: u64, named_count: u64) -> Result<(), Refusal> {
    let number = split_key(&file.metadata, "split.no")?.ok_or(Refusal::SplitKey { key: "split.no" })?;
    let found_count = split_key(&file.metadata, "split.count")?.unwrap_or(1);
    let found = number.saturating_add(1);
    match (found, found_count) == (named, named_count) {
        true => Ok(()),
        false => Err(Refusal::SplitNumber { found, found_count, named, named_count }),
    }
}

fn split_key(metadata: &Metadata, key: &'static str) -> Result<Option<u64>, Refusal> {
    match metadata.get(key) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(Refusal::SplitKey { key }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_names() {
        assert_eq!(part_name("a-b-00002-of-00005.gguf"), Some(("a-b", 2, 5)));
        for other in [
            "a.gguf",
            "a-00000-of-00005.gguf",
            "a-00006-of-00005.gguf",
            "a-2-of-5.gguf",
            "a-+0002-of-00005.gguf",
        ] {
            assert_eq!(part_name(other), None, "{other}");
        }
    }
}
