use std::{io, net::SocketAddr, path::PathBuf};

/// Why the library could not be opened or served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive could not be opened.
    #[error("cannot open the archive in {}", path.display())]
    Open {
        /// The data folder.
        path: PathBuf,
        /// Why.
        source: athenaeum_archive::Error,
    },
    /// Something cannot be set so.
    #[error(transparent)]
    Settings(#[from] crate::settings::Error),
    /// The vectors could not be opened.
    #[error("cannot open the vectors in {}", path.display())]
    Vectors {
        /// Their folder.
        path: PathBuf,
        /// Why.
        source: athenaeum_vector::Error,
    },
    /// The vectors could not be compared with what was put back from a backup.
    #[error("cannot compare the vectors in {} with what was put back", path.display())]
    Compare {
        /// Their folder.
        path: PathBuf,
        /// Why.
        source: athenaeum_retrieval::meaning::MeaningError,
    },
    /// The setting `library.embedder` names no model.
    #[error("the setting library.embedder names '{name}', which makes no vectors here")]
    NoEmbedder {
        /// What it says.
        name: String,
        /// Why that is no model.
        source: athenaeum_inference::catalog::Unknown,
    },
    /// The model of another engine that `library.embedder` names cannot be asked as it is set.
    #[error("the setting library.embedder names a model of another engine that cannot be asked")]
    RemoteEmbedder(#[source] crate::settings::Error),
    /// The setting `library.reranker` names no model.
    #[error("the setting library.reranker names '{name}', which orders no texts here")]
    NoReranker {
        /// What it says.
        name: String,
        /// Why that is no model.
        source: athenaeum_inference::catalog::Unknown,
    },
    /// The model that orders hits cannot be used.
    #[error("cannot use the model that orders hits")]
    Reranker(#[source] athenaeum_inference::local_embedder::OpenError),
    /// The model that makes vectors cannot be used.
    #[error("cannot use the embedding model")]
    Embedder(#[source] athenaeum_inference::local_embedder::OpenError),
    /// The data folder could not be made.
    #[error("cannot make the data folder {}; name another one with --data", path.display())]
    Folder {
        /// The data folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Other machines could reach the address, and there is no key to ask them for.
    #[error(
        "{0} can be reached from other machines, and there is no key to ask them for; make one with `athenaeum keys add \
         NAME` (or set ATHENAEUM_SERVER_API_KEYS), or use an address of this machine such as 127.0.0.1:7878"
    )]
    NoKeys(SocketAddr),
    /// The keys cannot be read.
    #[error("cannot read the keys of those who may use the server")]
    Keys(#[from] athenaeum_tenancy::Error),
    /// The file with keys that the settings name cannot be read.
    #[error("cannot read the keys in {}, which server.api_keys_file names", path.display())]
    KeysFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else listens there.
    #[error(
        "{0} is taken by another program, perhaps by an Athenaeum that runs already: open http://{0} and see, or \
         choose another port with --addr 127.0.0.1:0"
    )]
    Taken(SocketAddr),
    /// The system refused the address.
    #[error("cannot listen on {addr}")]
    Listen {
        /// What was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The file for the log cannot be written to.
    #[error("cannot write the log to {}, which the setting log_file names", path.display())]
    LogFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What servers say of themselves could not be written or read.
    #[error("cannot tell which servers run by the files in {}", path.display())]
    Announce {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A server cannot be asked to end.
    #[error(
        "cannot ask process {pid} to end; if it runs in a container or belongs to another user, end it from there"
    )]
    Unreachable {
        /// The number of the process.
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
    /// What is to be written to stderr cannot be understood.
    #[error("'{filter}' is no filter for the log; expected for example warn or warn,athenaeum_archive=debug")]
    Log {
        /// What was given.
        filter: String,
    },
    /// The sample could not be laid out.
    #[error("cannot write the sample to {}", path.display())]
    Sample {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The sample could not be imported.
    #[error("cannot import the sample")]
    SampleImport(#[source] athenaeum_retrieval::Error),
}
