use std::path::{Path, PathBuf};

use athenaeum_inference::{
    catalog::{self, Named},
    model::{Root, known_roots},
    shelf::Shelf,
};

use super::{Error, Settings};

/// Where this system keeps a person's settings and data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// The settings file, which need not exist.
    pub config: Option<PathBuf>,
    /// The data folder, which need not exist.
    pub data: Option<PathBuf>,
    home: Option<PathBuf>,
}

impl Places {
    /// Follows the XDG base directories where their variables are set, else the platform's habit. `variable`
    /// looks up an environment variable; relative paths in XDG variables are ignored, as the specification
    /// asks.
    pub fn find(variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
        let home = absolute(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
        let under_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let (config, data) = if cfg!(windows) {
            (absolute("APPDATA"), absolute("LOCALAPPDATA"))
        } else if cfg!(target_os = "macos") {
            (under_home("Library/Application Support"), under_home("Library/Application Support"))
        } else {
            (under_home(".config"), under_home(".local/share"))
        };
        Self {
            config: absolute("XDG_CONFIG_HOME").or(config).map(|folder| folder.join("athenaeum/config.toml")),
            data: absolute("XDG_DATA_HOME").or(data).map(|folder| folder.join("athenaeum")),
            home,
        }
    }

    /// Returns the data folder that `settings` name, or this system's own.
    ///
    /// # Errors
    ///
    /// [`Error::NoDataFolder`] where neither knows one.
    pub fn data_folder(&self, settings: &Settings) -> Result<PathBuf, Error> {
        if settings.data.as_os_str().is_empty() {
            return self.data.clone().ok_or(Error::NoDataFolder);
        }
        Ok(self.expand(&settings.data))
    }

    /// Returns the file for the log; `None` where it goes to stderr.
    pub fn log_file(&self, settings: &Settings) -> Option<PathBuf> {
        let is_given = !settings.log_file.as_os_str().is_empty();
        is_given.then(|| self.expand(&settings.log_file))
    }

    /// Returns the folders of documents that `settings` name.
    pub fn document_folders(&self, settings: &Settings) -> Vec<PathBuf> {
        settings.library.folders.iter().map(|folder| self.expand(folder)).collect()
    }

    /// Returns our own folder of models, in the data folder.
    ///
    /// # Errors
    ///
    /// As [`Places::data_folder`].
    pub fn shelf(&self, settings: &Settings) -> Result<Shelf, Error> {
        Ok(Shelf::at(self.data_folder(settings)?.join("models")))
    }

    /// Lists the folders to look for models in: `models` in the data folder, those that `settings` name, and those of
    /// other programs as far as they are there. `variable` looks up an environment variable.
    ///
    /// # Errors
    ///
    /// [`Error::NoDataFolder`] where neither settings nor system know the data folder.
    pub fn model_roots(
        &self,
        settings: &Settings,
        variable: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Vec<Root>, Error> {
        let own = self.shelf(settings)?.folder().to_owned();
        let mut roots = if own.is_dir() { vec![Root::recognised(own)] } else { Vec::new() };
        roots.extend(settings.models.folders.iter().map(|folder| Root::recognised(self.expand(folder))));
        if settings.models.other_programs {
            roots.extend(known_roots(self.home.as_deref(), variable));
        }
        Ok(roots)
    }

    /// Returns what makes the catalogue of the models in these folders. A default that is a path is in it by its file's name.
    /// Nothing is read yet.
    ///
    /// # Errors
    ///
    /// As [`Places::model_roots`].
    pub fn catalog(
        &self,
        settings: &Settings,
        variable: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<catalog::Settings, Error> {
        let mut known = catalog::Settings {
            roots: self.model_roots(settings, variable)?,
            aliases: settings.models.aliases.clone(),
            elsewhere: settings.models.remote.keys().cloned().collect(),
            ..catalog::Settings::default()
        };
        let default = settings.models.default.as_str();
        let path = self.expand(Path::new(default));
        if !default.is_empty() && path.exists() {
            let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            known.default = Some(name.clone());
            known.files.push(Named { name, path });
        } else if !default.is_empty() {
            known.default = Some(default.to_owned());
        }
        Ok(known)
    }

    /// Replaces a leading `~/`, which no shell expands in a settings file.
    fn expand(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], config: Option<&str>, data: Option<&str>) {
        let places = Places::find(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| PathBuf::from(value))
        });
        assert_eq!(places.config.as_deref(), config.map(Path::new));
        assert_eq!(places.data.as_deref(), data.map(Path::new));
    }

    #[test]
    fn xdg_wins_over_home() {
        check(&[("HOME", "/h")], Some("/h/.config/athenaeum/config.toml"), Some("/h/.local/share/athenaeum"));
        let all = [("HOME", "/h"), ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d")];
        check(&all, Some("/c/athenaeum/config.toml"), Some("/d/athenaeum"));
        check(&[("XDG_DATA_HOME", "relative")], None, None);
    }

    #[test]
    fn settings_name_the_data_folder() {
        let places = Places::find(|name| (name == "HOME").then(|| "/h".into()));
        let folder = |data: &str| places.data_folder(&Settings { data: data.into(), ..Settings::default() });
        assert_eq!(folder("").unwrap(), Path::new("/h/.local/share/athenaeum"));
        assert_eq!(folder("~/chats").unwrap(), Path::new("/h/chats"));
        assert_eq!(folder("/srv/x").unwrap(), Path::new("/srv/x"));
        assert!(Places::default().data_folder(&Settings::default()).is_err());
    }

    #[test]
    fn a_default_that_is_a_path_has_a_name() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("some.gguf"), b"").unwrap();
        let places = Places::find(|name| (name == "HOME").then(|| home.path().into()));
        let mut settings = Settings { data: "~/data".into(), ..Settings::default() };
        let mut check = |default: &str, expected: Option<&str>, files: usize| {
            settings.models.default = default.to_owned();
            let known = places.catalog(&settings, |_| None).unwrap();
            assert_eq!((known.default.as_deref(), known.files.len()), (expected, files), "{default}");
        };
        check("", None, 0);
        check("qwen3:8b", Some("qwen3:8b"), 0);
        check("~/some.gguf", Some("some"), 1);
        check("~/none.gguf", Some("~/none.gguf"), 0);
    }

    #[test]
    fn models_are_where_the_settings_say() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::find(|name| (name == "HOME").then(|| home.path().into()));
        let mut settings = Settings { data: "~/data".into(), ..Settings::default() };
        settings.models.folders = vec!["~/weights".into(), "/srv/models".into()];
        settings.models.other_programs = false;
        let roots = || places.model_roots(&settings, |_| None).unwrap().into_iter().map(|root| root.path);
        let named = [home.path().join("weights"), "/srv/models".into()];
        assert_eq!(roots().collect::<Vec<_>>(), named);
        std::fs::create_dir_all(home.path().join("data/models")).unwrap();
        assert_eq!(roots().next(), Some(home.path().join("data/models")));
    }
}
