use std::{io::Write, path::Path, process::ExitCode};

use anyhow::Context as _;
use athenaeum::settings::{Origin, Settings, variable_name};
use serde::Serialize;

use super::{Context, Outcome};
use crate::{args::Config, output::Style};

#[derive(Debug, Serialize)]
struct Setting<'a> {
    name: &'a str,
    value: &'a str,
    origin: String,
    variable: String,
}

#[derive(Debug, Serialize)]
struct Paths {
    config: Option<String>,
    config_exists: bool,
    data: String,
}

pub(super) fn run(context: &mut Context, args: &Config) -> Outcome {
    match args {
        Config::Show { origin } => show(context, *origin),
        Config::Path => path(context),
        Config::Init => init(context),
    }
}

fn show(context: &mut Context, with_origin: bool) -> Outcome {
    let output = &mut context.output;
    for (name, value, origin) in context.settings.values() {
        let variable = variable_name(&name);
        if output.json {
            output.object(&Setting { name: &name, value: &value, origin: origin.to_string(), variable })?;
            continue;
        }
        let told = match (with_origin, &origin) {
            (false, _) => String::new(),
            (true, Origin::Environment) => format!("  # from {variable}"),
            (true, Origin::File(file)) => format!("  # from {}", file.display()),
            (true, other) => format!("  # from {other}"),
        };
        let told = output.paint(Style::Faint, &told);
        output.line(format_args!("{name} = {value}{told}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn path(context: &mut Context) -> Outcome {
    let data = context.data()?.display().to_string();
    let file = context.config_file.as_deref();
    let config_exists = file.is_some_and(Path::is_file);
    let config = file.map(|file| file.display().to_string());
    if context.output.json {
        context.output.object(&Paths { config, config_exists, data })?;
    } else {
        let absent = if config_exists { "" } else { " (not there; `athenaeum config init` writes it)" };
        context.output.line(format_args!("settings: {}{absent}", config.as_deref().unwrap_or("nowhere")))?;
        context.output.line(format_args!("data:     {data}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes every setting with its meaning, commented out, so that later defaults keep their effect.
fn init(context: &mut Context) -> Outcome {
    let file =
        context.config_file.clone().context("no place for settings is known; name a file with --config")?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let commented: String = Settings::DEFAULTS
        .lines()
        .map(|line| {
            let is_value = !line.is_empty() && !line.starts_with(['#', '[']);
            if is_value { format!("#{line}\n") } else { format!("{line}\n") }
        })
        .collect();
    let mut created =
        std::fs::File::create_new(&file).with_context(|| format!("cannot write {}", file.display()))?;
    created.write_all(commented.as_bytes())?;
    context.output.line(file.display())?;
    Ok(ExitCode::SUCCESS)
}
