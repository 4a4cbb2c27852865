use std::path::PathBuf;

use crate::{
    Error,
    settings::{Layered, Places, Settings},
};

/// What every program begins with.
#[derive(Debug)]
pub struct Start {
    /// What is set, and by whom.
    pub settings: Layered,
    /// Where its things lie.
    pub places: Places,
    /// The settings file, whether it is there or not; `None` where the system has no place for one.
    pub config_file: Option<PathBuf>,
}

impl Start {
    /// Reads the settings of a program that was called with a settings file, perhaps, and with flags: names of settings, and the
    /// values of those that were given. A file that was named, by the flag or by the variable `ATHENAEUM_CONFIG`, has to be there.
    /// From now on the crates tell on stderr, or in the file of the setting `log_file`, what the setting `log` lets through.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] for what cannot be set so, [`Error::Log`] for a filter that cannot be understood, [`Error::LogFile`] for a file that cannot be written to.
    pub fn of<'n>(
        config: Option<PathBuf>,
        flags: impl IntoIterator<Item = (&'n str, Option<String>)>,
    ) -> Result<Self, Error> {
        let places = Places::find(|name| std::env::var_os(name).map(PathBuf::from));
        let flags: Vec<_> = flags.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let given = config.or_else(|| std::env::var_os("ATHENAEUM_CONFIG").map(PathBuf::from));
        let is_given = given.is_some();
        let config_file = given.or_else(|| places.config.clone());
        let variable = |name: &str| std::env::var(name).ok();
        let settings = Settings::layered(config_file.as_deref(), is_given, variable, &flags)?;
        crate::telemetry(&settings.settings.log, places.log_file(&settings.settings).as_deref())?;
        crate::settle_kernel(&settings.settings.hardware);
        Ok(Self { settings, places, config_file })
    }
}
