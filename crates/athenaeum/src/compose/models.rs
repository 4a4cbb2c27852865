//! Which models a server has, and how they run.

use std::{num::NonZeroUsize, path::Path, time::Duration};

use athenaeum_api::Models;
use athenaeum_hardware::{Probe, probe, propose};
use athenaeum_inference::{
    catalog::{self, Catalog},
    engine,
    local::{self, Beginnings},
    residents::{self, Residents, Thresholds},
};

use crate::{
    device::{backends, computing_on},
    settings::Settings,
};

/// Makes the models of a server. Looking at folders and at the machine waits until somebody asks for a model.
pub(super) fn of(catalog: catalog::Settings, data: &Path, settings: &Settings) -> Models {
    let (data, settings) = (data.to_owned(), settings.clone());
    Models::lazily(move || (Catalog::new(catalog), Residents::new(residents(&data, &settings))))
}

/// Returns how much memory is free, for models to give way where it is short.
pub(super) fn free_bytes() -> Option<u64> {
    Probe::default().memory().free_bytes()
}

fn residents(data: &Path, settings: &Settings) -> residents::Settings {
    let models = &settings.models;
    let machine = probe();
    let plan = propose(&machine, &settings.hardware, backends());
    let engine = engine::Settings {
        context_tokens: models.context_tokens,
        sequences_max: models.slots.max(1),
        waiting_max: models.waiting_max,
        cache_bytes: models.cache_mib.saturating_mul(1 << 20),
        threads: NonZeroUsize::new(plan.threads.value as usize).unwrap_or(NonZeroUsize::MIN),
        ..engine::Settings::default()
    };
    residents::Settings {
        load: local::Settings {
            engine,
            beginnings: (models.kept_mib > 0).then(|| Beginnings {
                dir: data.join("beginnings"),
                bytes_max: models.kept_mib.saturating_mul(1 << 20),
            }),
            device: computing_on(plan.device.value),
            ..local::Settings::default()
        },
        budget_bytes: Some(plan.memory_budget_bytes.value),
        keep_alive: Some(models.keep_minutes)
            .filter(|&minutes| minutes > 0)
            .map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
        short_of_memory: match machine.memory.whole_bytes() {
            Some(whole) if models.memory_guard => Thresholds::of_machine(whole),
            _ => Thresholds::NONE,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_what_models_get() {
        let mut settings = Settings::default();
        let data = Path::new("/data");
        let usual = residents(data, &settings);
        assert_eq!((usual.load.beginnings, usual.keep_alive), (None, Some(Duration::from_secs(1800))));
        assert!(usual.short_of_memory.emergency > 0);
        settings.models.kept_mib = 3;
        settings.models.memory_guard = false;
        settings.models.keep_minutes = 0;
        let other = residents(data, &settings);
        let kept = Beginnings { dir: data.join("beginnings"), bytes_max: 3 << 20 };
        assert_eq!((other.load.beginnings, other.keep_alive), (Some(kept), None));
        assert_eq!(other.short_of_memory, Thresholds::NONE);
    }

    #[test]
    fn free_memory_is_known() {
        assert!(free_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
