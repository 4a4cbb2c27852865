//! Checks what the compiler cannot. Each check returns its complaints; all are printed before the run fails.

use anyhow::bail;

use crate::{
    book,
    shell::{repository, say},
};

mod conformance;
mod layers;
mod manifests;
mod sources;

/// Check what the compiler cannot: layers, documents, lints, leftovers.
#[derive(clap::Args)]
pub(crate) struct Tidy {}

impl Tidy {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let root = repository();
        let mut complaints = Vec::new();
        complaints.extend(layers::check(&root)?);
        complaints.extend(manifests::check(&root)?);
        complaints.extend(conformance::check(&root)?);
        complaints.extend(sources::check(&root)?);
        complaints.extend(book::check(&root)?);
        if complaints.is_empty() {
            say("tidy");
            return Ok(());
        }
        for complaint in &complaints {
            say(complaint);
        }
        bail!("{} untidy places", complaints.len());
    }
}
