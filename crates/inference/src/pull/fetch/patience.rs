use std::time::Duration;

use super::{Fetching, stopped};
use crate::pull::{
    Error, Phase,
    net::{Again, Failure},
};

/// How often something failed in a row.
#[derive(Debug, Default)]
pub(in crate::pull) struct Patience {
    failures: u32,
    /// Something had come.
    pub(super) has_begun: bool,
}

impl Patience {
    /// Waits until it can be tried again, or gives the error back where that is of no use.
    pub(in crate::pull) async fn wait(
        &mut self,
        failure: Failure,
        fetching: &Fetching<'_>,
    ) -> Result<(), Error> {
        self.failures += 1;
        let most = fetching.settings.retries_max;
        let most = match failure.again {
            Again::No => 0,
            Again::Few if !self.has_begun => most.min(FEW),
            _ => most,
        };
        if self.failures > most {
            return Err(failure.error);
        }
        let wait = match failure.again {
            Again::After(wait) => wait,
            _ => fetching.settings.retry_wait.saturating_mul(1 << (self.failures - 1).min(16)).min(WAIT_MAX),
        };
        fetching.tracker.phase(Phase::Waiting { wait, reason: failure.error.to_string() });
        tokio::select! {
            () = fetching.cancel.cancelled() => Err(stopped()),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}

/// Tries to connect to a server that was never reached.
const FEW: u32 = 2;
const WAIT_MAX: Duration = Duration::from_secs(30);
