//! Which models are here, by name.
//!
//! ```no_run
//! use athenaeum_inference::{catalog::{Catalog, Settings}, model::Root};
//!
//! let roots = vec![Root::recognised("models".into())];
//! let catalog = Catalog::new(Settings { roots, ..Settings::default() });
//! let entry = catalog.resolve(Some("qwen3:0.6b"))?;
//! println!("{} lies in {}", entry.name, entry.path.display());
//! # Ok::<(), athenaeum_inference::catalog::Unknown>(())
//! ```
//!
//! A name is looked for among what is here and nowhere else: it never becomes a path, so nobody who may name a model
//! can name a file. People and programs write names in many ways; [`Catalog::resolve`] tells which are understood.
//!
//! Headers are read when somebody first asks, and again only where a file has changed. A name that was found before costs
//! one look at its file.

mod names;
mod purpose;
mod scan;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

pub use purpose::Purpose;

use self::{names::Missed, scan::Scan};
use crate::model::{Record, Root, Stamp, Summary};

/// The models in some folders. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct Catalog(Arc<Shared>);

/// Where models are, and what they are called besides their own names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Folders to look in. Of two models with one name, that of the earlier folder has it.
    pub roots: Vec<Root>,
    /// Models outside of them.
    pub files: Vec<Named>,
    /// Other names, and the names that they stand for. They go before names of files.
    pub aliases: BTreeMap<String, String>,
    /// What is meant where none is named.
    pub default: Option<String>,
    /// Names that others answer to: the default and aliases may be among them, and no model here is meant by them.
    pub elsewhere: Vec<String>,
    /// Whether it is meant, too, by names that no model has: for programs that always name one of their own.
    pub any_name: bool,
}

/// A model under a name that somebody gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What it is called.
    pub name: String,
    /// The file or folder to open it by.
    pub path: PathBuf,
}

/// A model that can be used.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is called here; no other is called so. The file's name without `.gguf`, or what the program whose folder
    /// it lies in calls it: `qwen3:0.6b`, `org/name`.
    pub name: String,
    /// What else it is called: in the settings, in the record of where it came from, by its folder.
    pub aliases: Vec<String>,
    /// The file or folder to open it by.
    pub path: PathBuf,
    /// What it is.
    pub summary: Arc<Summary>,
    /// What it is for.
    pub purpose: Purpose,
    /// When its files were last written.
    pub modified: SystemTime,
    /// The folder it was found in; `None` for [`Settings::files`].
    pub root: Option<Root>,
    /// What was noted when it came, where that is so.
    pub record: Option<Record>,
    /// The file that makes rows of pictures for it, where it is a model that sees.
    pub projector: Option<PathBuf>,
    decodes: bool,
    stamp: Stamp,
}

/// Something that looks like a model, or like a folder of them, and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it would be called; empty where it is a folder that could not be looked at.
    pub name: String,
    /// What cannot be used.
    pub path: PathBuf,
    /// Why, in a sentence for people.
    pub reason: String,
}

/// Why a name stands for no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unknown {
    /// There is none at all.
    #[error("no model is here yet; pull one, or put a model file into the folder of models")]
    Nothing,
    /// None has that name.
    #[error("no model is called {:?}{}; there {}", short(name), meant(closest.as_deref()), are(known))]
    NotFound {
        /// What was asked for.
        name: String,
        /// The name that is written most alike, if one is.
        closest: Option<String>,
        /// What there is, by name.
        known: Vec<String>,
    },
    /// The name fits several.
    #[error("{:?} fits several models: {}", short(name), list(fitting))]
    Several {
        /// What was asked for.
        name: String,
        /// Those that it fits, by name.
        fitting: Vec<String>,
    },
    /// None was named, and it is not clear which is meant.
    #[error("which model? None was named, and there {}", are(known))]
    Unnamed {
        /// What there is, by name.
        known: Vec<String>,
    },
    /// It is for something else.
    #[error("the model {name:?} is made to {}, and cannot {}", is_for.as_str(), asked.as_str())]
    OtherPurpose {
        /// What it is called.
        name: String,
        /// What it is for.
        is_for: Purpose,
        /// What was asked of it.
        asked: Purpose,
    },
    /// None is for that.
    #[error("no model that can {} is here yet; pull one, or name one", asked.as_str())]
    NoneFor {
        /// What was asked for.
        asked: Purpose,
    },
    /// There is a file of that name, and it cannot be used.
    #[error("the model {:?} cannot be used: {reason}", short(name))]
    Unusable {
        /// What it is called.
        name: String,
        /// Why.
        reason: String,
    },
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    scan: Mutex<Option<Scan>>,
}

/// How long a list of what is there is taken for true.
const FRESH: Duration = Duration::from_secs(5);
/// The same where somebody asks for what is not in it.
const FRESH_WHERE_MISSED: Duration = Duration::from_secs(1);

impl Settings {
    /// Returns which of the names that others answer to is meant by `name`, which may be an alias of it or be written in other
    /// case.
    #[must_use]
    pub fn elsewhere(&self, name: &str) -> Option<&str> {
        self.elsewhere.iter().map(String::as_str).find(|known| self.means(name, known))
    }

    /// Says whether whoever asks for one name means a model of another: by an alias, in other case, with `:latest`.
    #[must_use]
    pub fn means(&self, asked: &str, name: &str) -> bool {
        names::plain(scan::meant(self, asked)) == names::plain(name)
    }
}

impl Catalog {
    /// Takes note of where to look; looks when somebody asks.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Shared { settings, scan: Mutex::default() }))
    }

    /// Lists what can be used, by name. Blocks.
    pub fn list(&self) -> Vec<Entry> {
        let scan = self.scan(FRESH);
        scan.as_ref().map(|scan| scan.entries().to_vec()).unwrap_or_default()
    }

    /// Lists what cannot be used, by path. Blocks.
    pub fn problems(&self) -> Vec<Problem> {
        let scan = self.scan(FRESH);
        scan.as_ref().map(|scan| scan.problems().to_vec()).unwrap_or_default()
    }

    /// Finds what somebody calls `name`; `None` is the default, or the only model that generates. Blocks, as long as a look
    /// at one file where the name was found before.
    ///
    /// Understood are, the first that is there: an alias of the settings; the name as listed; the name in other case or with
    /// `.gguf`, `:latest`, `hf.co/`, `hf:` or `ollama:` about it; another of [`Entry::aliases`]; `name:tag` where the tag is
    /// how numbers are stored or another part of the name; and any part of a name that is in no other model's.
    ///
    /// # Errors
    ///
    /// [`Unknown`], which says what there is.
    pub fn resolve(&self, name: Option<&str>) -> Result<Entry, Unknown> {
        let asked = name.or(self.default());
        let known = asked.and_then(|asked| {
            let scan = self.lock();
            let entry = scan.as_ref()?.exact(&self.0.settings, asked)?.clone();
            entry.is_unchanged().then_some(entry)
        });
        if let Some(entry) = known {
            return Ok(entry);
        }
        let look = |fresh| {
            let scan = self.scan(fresh);
            scan.as_ref().map_or(Err(Missed::Nothing), |scan| scan.find(&self.0.settings, asked).cloned())
        };
        let found = look(FRESH).or_else(|_| look(FRESH_WHERE_MISSED));
        match found {
            Err(Missed::Nothing) if self.0.settings.any_name && name.is_some() => self.resolve(None),
            found => found.map_err(|missed| self.unknown(asked, missed)),
        }
    }

    /// The same for something that not every model can do. Nothing stands for the default if it can, or the only one that is
    /// for it, or the only one that can.
    ///
    /// # Errors
    ///
    /// As [`Catalog::resolve`], and [`Unknown::OtherPurpose`].
    pub fn resolve_for(&self, name: Option<&str>, purpose: Purpose) -> Result<Entry, Unknown> {
        let named = |name| {
            let entry = self.resolve(Some(name))?;
            if entry.can(purpose) {
                return Ok(entry);
            }
            Err(Unknown::OtherPurpose { name: entry.name, is_for: entry.purpose, asked: purpose })
        };
        if let Some(name) = name {
            return named(name);
        }
        match self.default().map(named) {
            None | Some(Err(Unknown::OtherPurpose { .. })) => {}
            Some(decided) => return decided,
        }
        let mut entries = self.list();
        entries.retain(|entry| entry.can(purpose));
        if let [only] = entries.iter().filter(|entry| entry.purpose == purpose).collect::<Vec<_>>()[..] {
            return Ok(only.clone());
        }
        match entries.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Unknown::NoneFor { asked: purpose }),
            several => {
                Err(Unknown::Unnamed { known: several.iter().map(|entry| entry.name.clone()).collect() })
            }
        }
    }

    /// The same for callers whose words may name any file: what is a path is one. Not for names that come from others.
    ///
    /// # Errors
    ///
    /// As [`Catalog::resolve`].
    pub fn resolve_or_path(&self, name: Option<&str>, purpose: Purpose) -> Result<PathBuf, Unknown> {
        match name.map(Path::new).filter(|path| path.exists()) {
            Some(path) => Ok(path.to_owned()),
            None => self.resolve_for(name, purpose).map(|entry| entry.path),
        }
    }

    /// Forgets the list, so that the next who asks learns of what has just come or gone. Headers of files that did not
    /// change stay known.
    pub fn refresh(&self) {
        if let Some(scan) = &mut *self.lock() {
            scan.expire();
        }
    }

    /// Returns what it was made with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn default(&self) -> Option<&str> {
        let settings = &self.0.settings;
        let default = settings.default.as_deref().filter(|name| !name.is_empty());
        default.filter(|name| settings.elsewhere(name).is_none())
    }

    fn scan(&self, fresh: Duration) -> MutexGuard<'_, Option<Scan>> {
        let mut scan = self.lock();
        if !scan.as_ref().is_some_and(|scan| scan.is_fresh(fresh)) {
            *scan = Some(Scan::of(&self.0.settings, scan.take()));
        }
        scan
    }

    fn unknown(&self, asked: Option<&str>, missed: Missed) -> Unknown {
        let scan = self.lock();
        let entries = scan.as_ref().map(Scan::entries).unwrap_or_default();
        let known = || entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>();
        let name = asked.unwrap_or_default().to_owned();
        match missed {
            Missed::Several(fitting) => Unknown::Several { name, fitting },
            Missed::Unusable { name, reason } => Unknown::Unusable { name, reason },
            _ if entries.is_empty() => Unknown::Nothing,
            Missed::Nothing if asked.is_some() => {
                let closest = names::closest(&name, entries.iter().map(|entry| entry.name.as_str()));
                Unknown::NotFound { name, closest: closest.map(str::to_owned), known: known() }
            }
            Missed::Nothing => Unknown::Unnamed { known: known() },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Scan>> {
        self.0.scan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether it can be used for that. A decoder can make vectors of texts as well, whatever it is for.
    pub fn can(&self, purpose: Purpose) -> bool {
        self.purpose == purpose || purpose == Purpose::Embed && self.decodes
    }

    fn is_unchanged(&self) -> bool {
        Stamp::of(&self.path).is_ok_and(|stamp| stamp == self.stamp)
    }
}

/// Names in a sentence, at most so many.
const LISTED: usize = 20;
/// Characters of a name that somebody asked for.
const SHOWN: usize = 100;

fn short(name: &str) -> String {
    name.chars().take(SHOWN).collect()
}

fn meant(closest: Option<&str>) -> String {
    closest.map(|name| format!("; perhaps {name:?} is meant")).unwrap_or_default()
}

fn are(known: &[String]) -> String {
    format!("{} {}", if known.len() == 1 { "is" } else { "are" }, list(known))
}

fn list(names: &[String]) -> String {
    let mut list = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        list += &format!(", and {} more", names.len() - LISTED);
    }
    list
}
