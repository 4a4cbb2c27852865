use std::path::Path;

use athenaeum_archive::{Archive, Import};
use athenaeum_core::{ImportId, Provider, Timestamp};
use athenaeum_ingest::{ExternalParser, Options};
use athenaeum_tenancy::Scope;
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Progress, Report,
    chats::Twins,
    intake::{Ending, Intake},
    reader::Reader,
};

/// What an import is told beside its path.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The format's provider; `None` recognises it by content.
    pub provider: Option<Provider>,
    /// A program that reads the source instead of the parsers built in.
    pub parser: Option<ExternalParser>,
    /// What the source is called in the records, where its path says nothing to its person (an upload).
    pub display_name: Option<String>,
    /// The id under which whoever began it speaks of it. [`Imports`](crate::Imports) tells it to those who watch; the archive
    /// does not record it.
    pub correlation_id: Option<String>,
}

/// Imports a file, a folder or an archive, from its bytes to searchable conversations.
///
/// Memory stays bounded whatever the size of the source. `progress` is called about ten times a second and
/// once at the end. The run is recorded in the archive whichever way it ends.
///
/// # Cancellation
///
/// `cancel` ends the import cleanly: conversations stored so far are committed whole and the run is recorded as
/// failed. Dropping the future instead leaves the last whole batch and a run that never ended.
///
/// # Errors
///
/// [`Error::NothingFound`] where not one conversation with a message was found: an import never succeeds with
/// nothing. [`Error::Source`] and [`Error::Archive`] where reading or storing failed.
pub async fn import(
    archive: &Archive,
    scope: &Scope,
    path: &Path,
    options: ImportOptions,
    progress: impl FnMut(&Progress) + Send,
    cancel: CancellationToken,
) -> Result<Report, Error> {
    let run = begin(archive, scope, ImportId::mint(Timestamp::now()), path, &options).await?;
    carry_on(archive, scope, path, options, run, progress, cancel).await
}

/// Records the beginning of a run.
pub(crate) async fn begin(
    archive: &Archive,
    scope: &Scope,
    id: ImportId,
    path: &Path,
    options: &ImportOptions,
) -> Result<Import, Error> {
    let name = source_name(path, options);
    let begun = archive.begin_import_as(scope, id, &name, options.provider.clone()).await;
    begun.map_err(|source| Error::Archive { report: None, source })
}

/// Takes a run that has begun to its end, and records how it ended.
pub(crate) async fn carry_on(
    archive: &Archive,
    scope: &Scope,
    path: &Path,
    options: ImportOptions,
    import: Import,
    progress: impl FnMut(&Progress) + Send,
    cancel: CancellationToken,
) -> Result<Report, Error> {
    let report = Report::new(import.id(), source_name(path, &options));
    let twins = Twins::of(archive, scope).await;
    let twins = twins.map_err(|source| Error::Archive { report: None, source })?;
    let mut intake = Intake::new(archive, scope, import, report, twins, progress);
    // All problems come one by one: the report counts them itself.
    let read = Options {
        provider: options.provider,
        parser: options.parser,
        problems_max: usize::MAX,
        ..Options::default()
    };
    let mut reader = Reader::start(path, read, &cancel);
    let ending = intake.take_all(&mut reader, &cancel).await;
    let read = reader.finish().await;
    let ending = ending.map(|cancelled| match (cancelled, read) {
        (true, _) => Ending::Cancelled,
        (false, Some(Ok(summary))) => Ending::Read(summary),
        (false, Some(Err(error))) => Ending::Unreadable(error),
        (false, None) => Ending::Panicked,
    });
    intake.finish(path, ending).await
}

pub(crate) fn source_name(path: &Path, options: &ImportOptions) -> String {
    options.display_name.clone().unwrap_or_else(|| path.display().to_string())
}
