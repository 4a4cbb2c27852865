//! Making a response, with somebody waiting or not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use athenaeum_tenancy::TenantId;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    kept::Record,
    object::{Events, Growing, logprob},
};
use crate::{
    Api,
    serving::{Answer, Said},
};

/// Responses that are being made. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<String, (TenantId, CancellationToken)>>>);

impl Running {
    /// Says whether a response is being made for whoever asks.
    pub(super) fn has(&self, api: &Api, id: &str) -> bool {
        self.lock().get(id).is_some_and(|(tenant, _)| tenant == api.scope.tenant())
    }

    /// Calls a response off, and says whether it was being made.
    pub(super) fn cancel(&self, api: &Api, id: &str) -> bool {
        let running = self.lock();
        let Some((_, cancelled)) = running.get(id).filter(|(tenant, _)| tenant == api.scope.tenant()) else {
            return false;
        };
        cancelled.cancel();
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (TenantId, CancellationToken)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A response and all that is needed to make it.
pub(super) struct Run {
    pub(super) api: Api,
    pub(super) growing: Growing,
    pub(super) answer: Answer,
    /// What the request said.
    pub(super) input: Vec<Value>,
    /// Whether it is kept.
    pub(super) store: bool,
    /// Whether it goes on when nobody waits for it.
    pub(super) background: bool,
}

/// One that can be asked for.
pub(super) struct Begun {
    run: Run,
    cancelled: CancellationToken,
    _listed: Listed,
}

impl Run {
    /// Lists and keeps it, before anybody hears of it: whoever does can ask for it.
    pub(super) async fn begin(self) -> Begun {
        let cancelled = CancellationToken::new();
        let id = self.growing.id().to_owned();
        let tenant = self.api.scope.tenant().clone();
        self.api.running.lock().insert(id.clone(), (tenant, cancelled.clone()));
        let listed = Listed(self.api.running.clone(), id);
        keep(&self.api.clone(), self.record()).await;
        Begun { run: self, cancelled, _listed: listed }
    }

    /// What is kept of it as it is now.
    fn record(&self) -> Option<Record> {
        self.store.then(|| Record { response: self.growing.object(), input: self.input.clone() })
    }
}

impl Begun {
    /// Makes it, and returns it, with what is told of it meanwhile. Ends early when nobody waits for that, unless it
    /// runs in the background.
    pub(super) async fn make(mut self, events: mpsc::Sender<Events>) -> Value {
        let (run, cancelled) = (&mut self.run, &self.cancelled);
        let mut out = Events::new();
        run.growing.begin(&mut out);
        tell(&events, out).await;
        let mut logprobs = Vec::new();
        loop {
            let said = tokio::select! {
                said = run.answer.next() => said,
                () = cancelled.cancelled() => {
                    run.growing.cancel();
                    break;
                }
                () = events.closed(), if !run.background => {
                    run.growing.cancel();
                    break;
                }
            };
            let Some((_, said)) = said else { break };
            let mut out = Events::new();
            match said {
                Said::Progress { .. } | Said::Begun { .. } => {}
                Said::Token { events: heard, logprobs: of, .. } => {
                    logprobs.extend(of.map(|of| logprob(&run.answer.model, &of)));
                    heard.into_iter().for_each(|event| run.growing.hear(event, &mut logprobs, &mut out));
                }
                Said::Ended(mut ended) => {
                    let rest = std::mem::take(&mut ended.events);
                    rest.into_iter().for_each(|event| run.growing.hear(event, &mut logprobs, &mut out));
                    run.growing.close(&mut out);
                    match ended.check() {
                        Ok(()) => run.growing.end(&run.answer, &ended),
                        Err(problem) => run.growing.fail(&problem),
                    }
                }
            }
            tell(&events, out).await;
        }
        let mut out = Events::new();
        run.growing.close(&mut out);
        // Before its end is told: whoever hears of it may go on from it at once.
        keep(&run.api.clone(), run.record()).await;
        run.growing.finish(&mut out);
        tell(&events, out).await;
        run.growing.object()
    }
}

async fn tell(events: &mpsc::Sender<Events>, out: Events) {
    if !out.is_empty() {
        // Nobody listens: what that means is decided where the next word is waited for.
        let _ = events.send(out).await;
    }
}

async fn keep(api: &Api, record: Option<Record>) {
    let Some(record) = record else { return };
    if let Err(problem) = record.keep(api).await {
        tracing::error!(detail = problem.detail(), "a response cannot be kept");
    }
}

/// Takes a response off the list, however its making ends.
struct Listed(Running, String);

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}
