use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use athenaeum_hardware::{Backends, Overrides, Probe, propose};
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};
use tokio::sync::Mutex;

use crate::{
    Api,
    dto::hardware::Hardware,
    json,
    params::Params,
    problem::{Kind, Problem},
};

/// What the machine can do
///
/// Processors, caches, memory, limits and GPUs, and what of them is used, with reasons. At most a minute old.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/hardware",
    operation_id = "readHardware",
    tag = "operation",
    responses((status = 200, description = "The machine and the plan.", body = Hardware)),
)]
pub(crate) async fn describe(api: Api, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    json::fresh(StatusCode::OK, &*api.machine.look().await?)
}

/// The machine as it was seen last. It is looked at when somebody asks, at most once a minute and never twice at
/// once, because looking may start a program.
pub(crate) struct Machine {
    probe: Probe,
    overrides: Overrides,
    backends: Backends,
    seen: Arc<Mutex<Option<Seen>>>,
}

struct Seen {
    at: Instant,
    hardware: Arc<Hardware>,
}

impl Machine {
    pub(crate) fn new(probe: Probe, overrides: Overrides, backends: Backends) -> Self {
        Self { probe, overrides, backends, seen: Arc::default() }
    }

    async fn look(&self) -> Result<Arc<Hardware>, Problem> {
        let mut seen = self.seen.clone().lock_owned().await;
        if let Some(Seen { at, hardware }) = &*seen
            && at.elapsed() < REFRESH
        {
            return Ok(hardware.clone());
        }
        let (probe, overrides, backends) = (self.probe.clone(), self.overrides.clone(), self.backends);
        // The lock goes along: a client that leaves does not let the next one start another look beside this one.
        let looked = tokio::task::spawn_blocking(move || {
            let report = probe.look();
            let plan = propose(&report, &overrides, backends);
            let hardware = Arc::new(Hardware::new(report, plan));
            *seen = Some(Seen { at: Instant::now(), hardware: hardware.clone() });
            hardware
        });
        looked.await.map_err(|error| {
            tracing::error!(%error, "looking at the machine ended early");
            Problem::new(
                Kind::Internal,
                "The machine could not be looked at; the server's log has the reason.",
            )
        })
    }
}

/// How old the report may be.
const REFRESH: Duration = Duration::from_secs(60);
