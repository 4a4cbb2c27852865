use axum::{Router, routing::MethodRouter};

use crate::Api;

/// Routes that can tell their own templates, which axum's router cannot.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Api>,
    paths: Vec<&'static str>,
}

impl Routes {
    /// Adds what answers at `path`. A template that is there already gets further methods.
    pub(crate) fn route(mut self, path: &'static str, methods: MethodRouter<Api>) -> Self {
        self.router = self.router.route(path, methods);
        self.paths.push(path);
        self
    }

    /// Adds all of `others`.
    pub(crate) fn merge(mut self, others: Self) -> Self {
        self.router = self.router.merge(others.router);
        self.paths.extend(others.paths);
        self
    }

    /// Lays something around all that were added so far.
    pub(crate) fn map(mut self, change: impl FnOnce(Router<Api>) -> Router<Api>) -> Self {
        self.router = change(self.router);
        self
    }

    /// Returns the templates in the order in which they were added.
    pub(crate) fn paths(&self) -> &[&'static str] {
        &self.paths
    }

    pub(crate) fn into_router(self) -> Router<Api> {
        self.router
    }
}
