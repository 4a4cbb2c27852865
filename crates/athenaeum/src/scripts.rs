use std::{path::Path, time::Duration};

use athenaeum_inference::catalog;
use athenaeum_script::{Ended, Said, Script, ScriptError, World, run};
use athenaeum_tenancy::Scope;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{compose::open_rooms, settings::Settings};

/// Runs a script over the library in `data`, which is opened, and made where there is none, when the script first wants it. What it
/// prints goes to `print`, a line each time, with what is to be said of it; `library.embedder` is a model of `catalog`.
///
/// # Errors
///
/// Those of [`athenaeum_script::run`].
pub async fn run_script(
    (data, scope): (&Path, &Scope),
    settings: &Settings,
    catalog: catalog::Settings,
    script: Script,
    print: mpsc::Sender<Said>,
    cancel: CancellationToken,
) -> Result<Ended, ScriptError> {
    let world = World { scope: scope.clone(), open: open_rooms(data, settings, catalog), print };
    run(script, world, &script_settings(settings), cancel).await
}

/// Returns what of this machine scripts may use by these settings.
pub fn script_settings(settings: &Settings) -> athenaeum_script::Settings {
    let script = &settings.script;
    athenaeum_script::Settings {
        memory_bytes: usize::try_from(script.memory_mib << 20).unwrap_or(usize::MAX),
        time: Duration::from_secs(script.seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_scripts_own() {
        assert_eq!(script_settings(&Settings::default()), athenaeum_script::Settings::default());
    }
}
