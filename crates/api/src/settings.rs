use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The limits and names of a server, as data. Every field has a default that suits one person's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Names by which this server may be called besides `localhost` and loopback addresses, without port
    /// (`archive.home.arpa`). A request for any other `Host` is refused.
    pub allowed_hosts: Vec<String>,
    /// Longest request target (path and query) in bytes.
    pub target_bytes_max: usize,
    /// Largest sum of header names and values in bytes.
    pub header_bytes_max: usize,
    /// Largest request body in bytes: what one upload may hold.
    pub upload_bytes_max: u64,
    /// Uploads received at once; further ones are told to come back later.
    pub uploads_max: usize,
    /// Where uploads rest until they are imported; `None` is the system's directory for temporary files.
    pub upload_dir: Option<PathBuf>,
    /// Requests worked on at once; further ones wait up to two seconds and are then told to come back later.
    pub requests_max: usize,
    /// Event streams open at once.
    pub streams_max: usize,
    /// Seconds until a request that carries no upload is given up.
    pub timeout_seconds: u64,
    /// Bytes of a request to a model at most: texts, tools, and pictures in base64.
    pub request_bytes_max: usize,
    /// Pictures that one request may show.
    pub pictures_max: usize,
    /// Bytes of one picture, as its file has them.
    pub picture_bytes_max: usize,
    /// Pixels of all pictures of one request together; three bytes each while they are looked at.
    pub picture_pixels_max: u64,
    /// Seconds that an answer of a model may take, from its request to its end.
    pub answer_seconds: u64,
    /// Seconds that a resumable stream goes on while nobody listens.
    pub resume_seconds: u64,
    /// Answers that are kept of each kind for clients to come back to; the oldest go first.
    pub kept_max: u32,
    /// Refuses requests of which something would be left undone, instead of warning. A client may say so itself by the
    /// header `x-athenaeum-strict: true`, or `false`.
    pub strict: bool,
    /// Seconds that an upload may pause before it is given up.
    pub upload_idle_seconds: u64,
    /// Searches a second that one client address may make in the long run.
    pub searches_per_second: u32,
    /// Searches that one client address may make at once before the rate applies.
    pub searches_burst: u32,
    /// Route templates whose requests count as searches.
    pub search_paths: Vec<String>,
    /// Route templates that need no key even where keys are asked for.
    pub open_paths: Vec<String>,
    /// Wrong keys a minute that one client address may show in the long run.
    pub wrong_keys_per_minute: u32,
    /// Wrong keys that one client address may show at once before the rate applies.
    pub wrong_keys_burst: u32,
    /// Other sites whose pages may ask this server: origins (`https://app.example`), `localhost` for every page of this
    /// machine, or `*` for all. The program sets it from its own settings (`server.allowed_origins`).
    #[serde(skip)]
    pub allowed_origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            target_bytes_max: 8 * 1024,
            header_bytes_max: 32 * 1024,
            upload_bytes_max: 8 * 1024 * 1024 * 1024,
            uploads_max: 4,
            upload_dir: None,
            requests_max: 64,
            streams_max: 32,
            timeout_seconds: 30,
            request_bytes_max: 32 * 1024 * 1024,
            pictures_max: 32,
            picture_bytes_max: 20 * 1024 * 1024,
            picture_pixels_max: 64_000_000,
            answer_seconds: 3600,
            resume_seconds: 60,
            kept_max: 10_000,
            strict: false,
            upload_idle_seconds: 60,
            searches_per_second: 30,
            searches_burst: 60,
            search_paths: [
                "/athenaeum/v1/search",
                "/athenaeum/v1/facets",
                "/athenaeum/v1/suggestions",
                "/athenaeum/v1/topics",
                "/search",
                "/search/results",
            ]
            .map(str::to_owned)
            .to_vec(),
            open_paths: ["/healthz", "/readyz", "/health", "/v1/health", "/sign-in", "/assets/{file_name}"]
                .map(str::to_owned)
                .to_vec(),
            wrong_keys_per_minute: 10,
            wrong_keys_burst: 20,
            allowed_origins: Vec::new(),
        }
    }
}
