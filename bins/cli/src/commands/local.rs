//! Finding, loading and asking a model of this machine.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, anyhow};
use athenaeum::{
    hardware,
    inference::{
        catalog::{Catalog, Purpose, Unknown},
        constraint::Grammar,
        engine::{self, Reason},
        local::{self, LocalModel},
        sampling,
        vision::{Limits, Picture},
        weights::Access,
    },
    retrieval::CancellationToken,
};

use super::{Context, note};
use crate::args::engine::{CacheFormat, Guessing, Running, Sampling, Shape};

/// Loads the model that was named, with the draft that was named.
pub(super) fn load(
    context: &Context,
    name: Option<&str>,
    draft: Option<&str>,
    running: &Running,
) -> anyhow::Result<LocalModel> {
    load_to_see(context, (name, draft), None, running)
}

/// The same with the projector that was named.
pub(super) fn load_to_see(
    context: &Context,
    (name, draft): (Option<&str>, Option<&str>),
    projector: Option<PathBuf>,
    running: &Running,
) -> anyhow::Result<LocalModel> {
    let path = find(context, name, Purpose::Generate)?;
    let draft = draft.map(|draft| find(context, Some(draft), Purpose::Generate)).transpose()?;
    let settings = local::Settings { draft, projector, ..settings(context, running) };
    LocalModel::load(&path, &settings).with_context(|| format!("cannot use {}", path.display()))
}

/// Finds a model: a path, or a name as the catalogue knows it.
pub(super) fn find(context: &Context, name: Option<&str>, purpose: Purpose) -> anyhow::Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let settings = &context.settings.settings;
    let known = context.places.catalog(settings, variable)?;
    let settled = Some(settings.models.default.as_str()).filter(|_| purpose == Purpose::Generate);
    let meant = name.or(settled).filter(|name| !Path::new(name).exists());
    if let Some(meant) = meant.and_then(|name| known.elsewhere(name)) {
        let made_for = match settings.models.remote.get(meant) {
            Some(remote) if remote.dimensions > 0 => "it can be the setting library.embedder",
            _ => {
                "`athenaeum serve` answers with it, in the browser and over every format, and `athenaeum ask` writes with it"
            }
        };
        anyhow::bail!("{meant} runs on another engine; {made_for}");
    }
    Catalog::new(known).resolve_or_path(name, purpose).map_err(|unknown| match (unknown, name) {
        (Unknown::Nothing, Some(name)) => {
            anyhow!("there is no file {name}, and no model in any of the folders")
        }
        (Unknown::Nothing, None) => {
            anyhow!("no model is here yet; `athenaeum models pull` brings one, --model PATH names a file")
        }
        (unknown @ Unknown::Unnamed { .. }, _) => anyhow!("{unknown}; name one with --model"),
        (unknown, _) => unknown.into(),
    })
}

fn settings(context: &Context, running: &Running) -> local::Settings {
    let usual = engine::Settings::default();
    let threads = running.threads.unwrap_or_else(|| threads(context).unwrap_or(usual.threads));
    let engine = engine::Settings {
        context_tokens: running.context.map_or(0, std::num::NonZeroUsize::get),
        cache_format: running.cache.into(),
        threads,
        ..usual
    };
    let access = if running.no_map { Access::Read } else { Access::Map };
    let device = athenaeum::computing_on(device(context, running));
    local::Settings { access, engine, device, ..local::Settings::default() }
}

/// What computes: what was typed, what the settings say, or the best that this program reaches.
pub(super) fn device(context: &Context, running: &Running) -> hardware::Device {
    let settled = &context.settings.settings.hardware;
    let wanted = hardware::Overrides { device: running.device.or(settled.device), ..settled.clone() };
    athenaeum::device(&wanted, hardware::probe)
}

/// What the settings say, or one thread for each physical core.
pub(super) fn threads(context: &Context) -> Option<std::num::NonZeroUsize> {
    let overrides = &context.settings.settings.hardware;
    let plan = hardware::propose(&hardware::probe(), overrides, athenaeum::backends());
    std::num::NonZeroUsize::new(plan.threads.value as usize)
}

impl From<CacheFormat> for athenaeum::inference::kernels::Format {
    fn from(format: CacheFormat) -> Self {
        match format {
            CacheFormat::F32 => Self::F32,
            CacheFormat::F16 => Self::F16,
            CacheFormat::Q8 => Self::Q8_0,
        }
    }
}

/// Reads a picture from a file.
pub(super) fn picture(path: &Path) -> anyhow::Result<Arc<Picture>> {
    let limits = Limits::default();
    let failed = || format!("cannot show {}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(failed)?;
    file.take(limits.bytes as u64 + 1).read_to_end(&mut bytes).with_context(failed)?;
    Ok(Arc::new(Picture::read(&bytes, limits).with_context(failed)?))
}

/// Makes a request of a prompt and what was typed.
pub(super) fn request(prompt: Vec<u32>, typed: &Sampling, guessing: &Guessing) -> engine::Request {
    let sampling = sampling::Sampling {
        temperature: typed.temperature,
        top_k: typed.top_k,
        top_p: typed.top_p,
        min_p: typed.min_p,
        repeat_penalty: typed.repeat_penalty,
        seed: typed.seed.unwrap_or_else(sampling::fresh_seed),
        ..sampling::Sampling::default()
    };
    engine::Request {
        sampling,
        stops: typed.stops.clone(),
        tokens_max: typed.max_tokens,
        guesses: guessing.guess,
        ..engine::Request::new(prompt)
    }
}

/// Reads what the answer must look like.
pub(super) fn grammar(shape: &Shape) -> anyhow::Result<Option<Grammar>> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
    };
    if let Some(path) = &shape.json_schema {
        let schema = serde_json::from_str(&read(path)?);
        let schema = schema.with_context(|| format!("{} is not JSON", path.display()))?;
        return Ok(Some(Grammar::JsonSchema(schema)));
    }
    if let Some(path) = &shape.grammar {
        let is_lark = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("lark"));
        let text = read(path)?;
        return Ok(Some(if is_lark { Grammar::Lark(text) } else { Grammar::Gbnf(text) }));
    }
    Ok(shape.regex.clone().map(Grammar::Regex))
}

/// Says why an answer ended, where it did not end by itself.
pub(super) fn tell_ending(reason: &Reason) -> ExitCode {
    match reason {
        Reason::Ended | Reason::Stop(_) | Reason::Length => ExitCode::SUCCESS,
        Reason::Deadline => {
            note(&"its time was over");
            ExitCode::FAILURE
        }
        Reason::Failed(why) => {
            super::complain(&why);
            ExitCode::FAILURE
        }
    }
}

/// The name of a reason for programs.
pub(super) fn reason_name(reason: &Reason) -> &'static str {
    match reason {
        Reason::Ended => "ended",
        Reason::Stop(_) => "stop",
        Reason::Length => "length",
        Reason::Deadline => "deadline",
        Reason::Failed(_) => "failed",
    }
}

/// Waits for the next event, or for the person to have had enough.
pub(super) async fn next(
    generation: &mut engine::Generation,
    enough: &CancellationToken,
) -> Option<engine::Event> {
    tokio::select! {
        event = generation.next() => event,
        () = enough.cancelled() => None,
    }
}
