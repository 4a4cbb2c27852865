use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// The way to a file within a folder, written with `/`, that cannot lead out of it on any system.
///
/// Every name that comes from the network, or from a file that somebody else may have written, becomes one of these
/// before it meets the disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SafePath(String);

/// Why a name is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is not taken as the name of a file: {reason}")]
pub struct UnsafePath {
    path: String,
    reason: &'static str,
}

/// Letters that may stand within a name.
macro_rules! inner {
    () => {
        r#"[^\x00-\x1f\x7f-\x9f/\\:<>"|?*\u202a-\u202e\u2066-\u2069]"#
    };
}

/// Letters that it may begin and end with.
macro_rules! outer {
    () => {
        r#"[^\x00-\x1f\x7f-\x9f/\\:<>"|?*\u202a-\u202e\u2066-\u2069.\s]"#
    };
}

impl SafePath {
    /// What such names look like, as a regular expression of JSON schemas; nothing is none. Names of devices, and of what
    /// Athenaeum keeps beside files, look so as well, and are refused.
    pub const NAME_PATTERN: &str = concat!("^(", outer!(), "(", inner!(), "*", outer!(), ")?)?$");

    /// Takes the name of something directly in a folder.
    ///
    /// # Errors
    ///
    /// [`UnsafePath`] also for what is the way to something deeper.
    pub fn from_name(name: &str) -> Result<Self, UnsafePath> {
        let path: Self = name.parse()?;
        match path.is_name() {
            true => Ok(path),
            false => Err(UnsafePath { path: path.0, reason: "a slash parts folders" }),
        }
    }

    /// Returns it with `/` between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns where it lies in `folder`.
    pub fn within(&self, folder: &Path) -> PathBuf {
        self.0.split('/').fold(folder.to_owned(), |path, part| path.join(part))
    }

    /// Whether it is the name of something directly in the folder.
    pub fn is_name(&self) -> bool {
        !self.0.contains('/')
    }

    /// Returns its last part.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Returns its last part alone, to lie directly in a folder.
    pub fn to_name(&self) -> Self {
        Self(self.name().to_owned())
    }
}

impl FromStr for SafePath {
    type Err = UnsafePath;

    fn from_str(path: &str) -> Result<Self, UnsafePath> {
        let refused = |reason| UnsafePath { path: path.chars().take(200).collect(), reason };
        if path.split('/').count() > PARTS_MAX {
            return Err(refused("it lies too deep"));
        }
        match path.split('/').find_map(obstacle) {
            Some(reason) => Err(refused(reason)),
            None => Ok(Self(path.to_owned())),
        }
    }
}

impl fmt::Display for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SafePath {
    type Error = UnsafePath;

    fn try_from(path: String) -> Result<Self, UnsafePath> {
        path.parse()
    }
}

impl From<SafePath> for String {
    fn from(path: SafePath) -> Self {
        path.0
    }
}

/// Says what keeps a part of a path from being one.
fn obstacle(part: &str) -> Option<&'static str> {
    let stem = part.split('.').next().unwrap_or(part).trim_end();
    let is_device = |name: &&str| stem.eq_ignore_ascii_case(name);
    let is_numbered = || {
        stem.len() == 4
            && stem.get(..3).is_some_and(|port| ["com", "lpt"].iter().any(|p| port.eq_ignore_ascii_case(p)))
            && stem.ends_with(|c: char| c.is_ascii_digit())
    };
    match part {
        "" => Some("a part of it is empty"),
        _ if part.starts_with('.') => Some("a part of it begins with a dot"),
        _ if part.len() > PART_BYTES_MAX => Some("a part of it is too long"),
        _ if part.ends_with(['.', ' ']) || part.starts_with(' ') => {
            Some("a part of it begins or ends in a way that some systems do not keep")
        }
        _ if part.contains(|c: char| c.is_control() || INVISIBLE.contains(&c)) => {
            Some("there are control characters in it")
        }
        _ if part.contains(['\\', ':', '<', '>', '"', '|', '?', '*']) => {
            Some("there are signs in it that mean something else to some systems")
        }
        // https://learn.microsoft.com/windows/win32/fileio/naming-a-file
        _ if ["con", "prn", "aux", "nul"].iter().any(is_device) || is_numbered() => {
            Some("some systems have a device of that name")
        }
        _ if RESERVED.iter().any(|ending| part.ends_with(ending)) => {
            Some("Athenaeum keeps its own notes under such names")
        }
        _ => None,
    }
}

const PARTS_MAX: usize = 4;
/// File systems take 255 bytes, and the notes beside a file have longer names than the file.
const PART_BYTES_MAX: usize = 200;
/// What a download lays beside its files.
const RESERVED: [&str; 4] = [".part", ".part.json", ".lock", super::record::FILE_NAME];
/// Marks that turn the direction of writing, so that a name reads as another.
const INVISIBLE: [char; 9] = [
    '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}',
];

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::{prelude::*, string::string_regex};

    use super::*;

    #[test]
    fn names_of_files_are_taken() {
        for path in
            ["model.gguf", "Qwen3-0.6B-Q4_K_M.gguf", "1_Pooling/config.json", "größe.gguf", "a b+c@d.gguf"]
        {
            assert_eq!(path.parse::<SafePath>().map(|path| path.to_string()), Ok(path.to_owned()));
        }
        let path: SafePath = "a/b.gguf".parse().unwrap();
        assert_eq!((path.name(), path.is_name()), ("b.gguf", false));
        assert_eq!(path.within(Path::new("/m")), Path::new("/m/a/b.gguf"));
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        let long = "x".repeat(201);
        for path in [
            "",
            ".",
            "..",
            "/",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a/./b",
            "a//b",
            "a/",
            "..\\x",
            "C:\\x",
            "C:x",
            "\\\\server\\share",
            "x\0",
            "x\n",
            "x\u{202e}fugg",
            ".hidden",
            ".partial",
            "nul",
            "NUL.gguf",
            "com1",
            "LPT9.txt",
            "con .gguf",
            "x.",
            "x ",
            "a/b/c/d/e",
            "x.part",
            "x.part.json",
            "x.lock",
            "athenaeum-model.json",
            "x:stream",
            &long,
        ] {
            assert!(path.parse::<SafePath>().is_err(), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn what_looks_like_a_name_is_one(name in string_regex(SafePath::NAME_PATTERN.trim_matches(['^', '$'])).unwrap()) {
            let told = SafePath::from_name(&name);
            prop_assert!(told.is_ok() || name.is_empty() || name.len() > PART_BYTES_MAX, "{:?} {:?}", name, told);
        }
    }

    proptest! {
        #[test]
        fn nothing_leads_out_of_the_folder(path in r"(\.|/|\\|:|\PC|[a-z]|\x00|~|%2e%2f){0,12}") {
            let folder = Path::new("/models/m");
            if let Ok(safe) = path.parse::<SafePath>() {
                let joined = safe.within(folder);
                prop_assert!(joined.starts_with(folder) && joined != folder);
                let rest = joined.strip_prefix(folder).unwrap();
                prop_assert!(rest.components().all(|part| matches!(part, Component::Normal(_))));
                prop_assert!(!joined.to_string_lossy().contains('\\'));
            }
        }
    }
}
