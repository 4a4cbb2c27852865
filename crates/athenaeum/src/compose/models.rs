//! Which models a server has, and how they run.

use std::{num::NonZeroUsize, time::Duration};

use athenaeum_api::Models;
use athenaeum_hardware::{probe, propose};
use athenaeum_inference::{
    catalog::{self, Catalog},
    engine, local,
    model::Root,
    residents::{self, Residents},
};

use crate::{
    device::{backends, computing_on},
    settings::Settings,
};

/// Makes the models of a server. Looking at folders and at the machine waits until somebody asks for a model.
pub(super) fn of(roots: Vec<Root>, settings: &Settings) -> Models {
    let settings = settings.clone();
    Models::lazily(move || {
        let default = Some(settings.models.default.clone()).filter(|name| !name.is_empty());
        let catalog = Catalog::new(catalog::Settings { roots, default, ..catalog::Settings::default() });
        (catalog, Residents::new(residents(&settings)))
    })
}

fn residents(settings: &Settings) -> residents::Settings {
    let models = &settings.models;
    let plan = propose(&probe(), &settings.hardware, backends());
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
            device: computing_on(plan.device.value),
            ..local::Settings::default()
        },
        budget_bytes: Some(plan.memory_budget_bytes.value),
        keep_alive: Some(models.keep_minutes)
            .filter(|&minutes| minutes > 0)
            .map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
        ..residents::Settings::default()
    }
}
