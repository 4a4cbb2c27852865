//! A server that is started as llama.cpp's is, by its flags, and answers for one model at the same addresses.
//!
//! `cargo xtask conformance` runs that server's own tests against it. It keeps nothing: its archive lies in a temporary
//! folder.

use std::{collections::BTreeMap, error::Error, num::NonZeroUsize, path::PathBuf, time::Duration};

use athenaeum::{
    api::{Api, LlamaServer, Models, Settings, app, llamacpp::Metrics},
    archive::Archive,
    inference::{
        catalog::{self, Catalog, Named},
        encoder::Pooling,
        engine, local, model,
        residents::{self, Residents},
    },
    retrieval::Imports,
    tenancy::{GivenKey, Keys},
};
use axum::{Router, extract::ConnectInfo};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let Flags { hosts, port, model, names, load, keep_alive, key, settings, server } =
        Flags::read(std::env::args().skip(1))?;
    let folder = tempfile::tempdir()?;
    let archive = Archive::open(folder.path(), &Default::default()).await?;
    let keys = Keys::open(folder.path(), GivenKey::parse(key.as_deref().unwrap_or_default())?).await?;
    let models = models(model, names, load, keep_alive)?;
    tokio::spawn(models.clone().sweep(|| None));
    let api = Api::new(archive.clone(), Imports::new(archive), settings);
    let app = app(api.with_keys(keys).with_models(models).with_llama_server(server), Router::new());
    let mut serving = tokio::task::JoinSet::new();
    for host in hosts {
        let listener = TcpListener::bind((host.as_str(), port)).await?;
        serving.spawn(serve(listener, app.clone()));
    }
    while let Some(ended) = serving.join_next().await {
        ended??;
    }
    Ok(())
}

/// Writes names of headers in capitals, for clients that do not know that these do not matter.
async fn serve(listener: TcpListener, app: Router) -> std::io::Result<()> {
    loop {
        let (stream, from) = listener.accept().await?;
        let app = app.clone().layer(axum::Extension(ConnectInfo(from)));
        tokio::spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.title_case_headers(true);
            let service = TowerToHyperService::new(app);
            // Whoever hangs up is no error of ours.
            let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

/// The one model, under the first of its names; any other name means it, too.
fn models(
    model: Option<PathBuf>,
    mut names: Vec<String>,
    mut load: local::Settings,
    keep_alive: Option<Duration>,
) -> Result<Models> {
    let mut catalog = catalog::Settings::default();
    if let Some(path) = model {
        names.sort();
        if names.is_empty() {
            names.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        }
        if load.template.is_none() && model::open(&path)?.summary().chat_template.is_none() {
            load.template = Some("chatml".to_owned());
        }
        let name = names.remove(0);
        catalog.aliases = names.into_iter().map(|alias| (alias, name.clone())).collect::<BTreeMap<_, _>>();
        catalog.default = Some(name.clone());
        catalog.any_name = true;
        catalog.files = vec![Named { name, path }];
    }
    let residents = residents::Settings { load, keep_alive, ..residents::Settings::default() };
    Ok(Models::new(Catalog::new(catalog), Residents::new(residents)))
}

/// What the command line says.
struct Flags {
    hosts: Vec<String>,
    port: u16,
    model: Option<PathBuf>,
    names: Vec<String>,
    load: local::Settings,
    keep_alive: Option<Duration>,
    key: Option<String>,
    settings: Settings,
    server: LlamaServer,
}

impl Flags {
    /// Reads flags as llama.cpp's server has them; those that ask for something that is not here are refused.
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let engine =
            engine::Settings { sequences_max: 4, context_tokens: 4096, ..engine::Settings::default() };
        let mut flags = Self {
            hosts: vec!["127.0.0.1".to_owned()],
            port: 8080,
            model: None,
            names: Vec::new(),
            load: local::Settings { engine, ..local::Settings::default() },
            keep_alive: None,
            key: None,
            settings: Settings { allowed_origins: vec!["*".to_owned()], ..Settings::default() },
            server: LlamaServer { metrics: Metrics::Off, ..LlamaServer::default() },
        };
        let (mut context, mut unified) = (4096, false);
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{flag} wants a value"));
            match flag.as_str() {
                "--host" => flags.hosts = list(&value()?),
                "--port" => flags.port = value()?.parse()?,
                "--model" | "-m" => flags.model = Some(value()?.into()),
                "--alias" | "-a" => flags.names = list(&value()?),
                "--tags" => flags.server.tags = list(&value()?),
                "--ctx-size" | "-c" => context = value()?.parse()?,
                "--parallel" | "-np" => flags.load.engine.sequences_max = value()?.parse()?,
                "--kv-unified" => unified = true,
                "--batch-size" | "-b" => flags.load.engine.batch_tokens = value()?.parse()?,
                "--threads" | "-t" => {
                    let threads: usize = value()?.parse()?;
                    flags.load.engine.threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
                }
                "--n-predict" | "-n" => {
                    flags.server.tokens_max = usize::try_from(value()?.parse::<i64>()?).ok();
                }
                "--temp" => flags.server.temperature = Some(value()?.parse()?),
                "--seed" => flags.server.seed = u64::try_from(value()?.parse::<i64>()?).ok(),
                "--api-key" => flags.key = Some(value()?),
                "--cors-origins" => flags.settings.allowed_origins = list(&value()?),
                "--chat-template" => flags.load.template = Some(value()?),
                "--chat-template-file" => flags.load.template = Some(std::fs::read_to_string(value()?)?),
                "--pooling" => flags.load.pooling = pooling(&value()?)?,
                "--reasoning" => {
                    flags.server.reasoning = match value()?.as_str() {
                        "on" => Some(true),
                        "off" => Some(false),
                        _ => None,
                    }
                }
                "--metrics" => flags.server.metrics = Metrics::LlamaCpp,
                "--slots" => flags.server.slots = true,
                "--no-slots" => flags.server.slots = false,
                "--verbose" | "-v" => flags.server.verbose = true,
                "--sleep-idle-seconds" => flags.keep_alive = Some(Duration::from_secs(value()?.parse()?)),
                // What each of these asks for is so anyway.
                "--embedding"
                | "--reranking"
                | "--cont-batching"
                | "--jinja"
                | "--no-jinja"
                | "--offline"
                | "--no-ui"
                | "--swa-full"
                | "--no-cache-idle-slots"
                | "--no-models-autoload" => {}
                // These change how it computes, not what it says.
                "--ubatch-size" | "-fa" | "--cache-ram" | "--n-gpu-layers" | "--models-max" => drop(value()?),
                "--backend_sampling" => {}
                _ => return Err(format!("{flag} is not known here").into()),
            }
        }
        let slots = if unified { 1 } else { flags.load.engine.sequences_max.max(1) };
        flags.load.engine.context_tokens = context / slots;
        Ok(flags)
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

fn pooling(name: &str) -> Result<Option<Pooling>> {
    match name {
        "mean" => Ok(Some(Pooling::Mean)),
        "cls" => Ok(Some(Pooling::First)),
        "last" => Ok(Some(Pooling::Last)),
        _ => Err(format!("--pooling {name} is not known here").into()),
    }
}
