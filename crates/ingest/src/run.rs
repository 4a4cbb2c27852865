use std::{
    fs::File,
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    rc::Rc,
};

use crate::{
    context::Context,
    detect::{self, Content},
    external,
    file::read_stream,
    format::{Reject, Shape},
    formats,
    options::{Item, Options, Summary},
    source::{Assets, Meter, Tree, ZipFault, each_streamed},
};

/// Archives inside of archives are opened so deep.
const NESTING_MAX: u32 = 2;

/// A source that cannot be looked at at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is there, or it may not be read.
    #[error("cannot open {}; check the path and its permissions", path.display())]
    Open {
        /// As given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The external parser is not there or may not be run.
    #[error("cannot start the parser {}; check that it exists and is executable", program.display())]
    Parser {
        /// As given.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Reads every conversation of a file, a folder or a zip archive and pushes it into `sink`.
///
/// Blocks until the end. When the sink returns [`ControlFlow::Break`] or [`Options::stop`] asks for it, reading stops
/// at the next record, an external parser is ended, and the summary says so. Problems come as [`Item::Problem`]; a source in which nothing is found has at least one.
///
/// # Errors
/// [`Error::Open`] if `path` cannot be opened or listed, [`Error::Parser`] if an external parser cannot be started.
pub fn read(
    path: &Path,
    options: &Options,
    sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> Result<Summary, Error> {
    let failed = |source| Error::Open { path: path.to_owned(), source };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let meter = Rc::new(Meter::default());
    let mut context = Context::new(options, sink, meter.clone());
    context.file.clone_from(&name);
    let mut tree = match path.is_dir() {
        true => Tree::folder(path, &meter, &mut context).map_err(failed)?,
        false => Tree::file(path, &meter).map_err(failed)?,
    };
    if !path.is_dir() {
        File::open(path).map_err(failed)?;
    }
    let total = tree.entries().iter().map(|entry| entry.size).sum();
    context.begin_source(total);
    match &options.parser {
        Some(parser) => external::read(&mut context, parser, path)
            .map_err(|source| Error::Parser { program: parser.program.clone(), source })?,
        None => read_tree(&mut context, &mut tree, "", !path.is_dir(), 0),
    }
    context.begin_file(&name, None);
    say_if_nothing_was_found(&mut context);
    Ok(context.finish(&name))
}

/// Reads one file that is in memory already, such as a small upload, as [`read`] reads one from the disk.
///
/// `name` is what problems call it. An archive or a database must be a file on the disk and is reported.
pub fn read_bytes(
    name: &str,
    bytes: &[u8],
    options: &Options,
    sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> Summary {
    let mut context = Context::new(options, sink, Rc::default());
    context.begin_source(bytes.len() as u64);
    context.begin_file(name, None);
    if read_stream(&mut context, name, Box::new(bytes), true).is_some() {
        context.broken("an archive or a database can only be read from the disk");
    }
    context.begin_file(name, None);
    say_if_nothing_was_found(&mut context);
    context.finish(name)
}

/// Reads all files of a tree: first those that only make sense together, then one by one.
fn read_tree(context: &mut Context<'_>, tree: &mut Tree, prefix: &str, alone: bool, nesting: u32) {
    let outer = std::mem::replace(&mut context.assets, Assets::of(tree.entries()));
    let outer_account = context.account.clone();
    if !alone {
        formats::chatgpt::read_companions(context, tree, prefix);
    }
    let claimed = read_folders(context, tree, prefix);
    for index in 0..tree.entries().len() {
        if context.cancelled() {
            break;
        }
        let entry = &tree.entries()[index];
        if claimed.contains(&index) {
            continue;
        }
        if !alone && is_media(&entry.extension()) {
            context.summary.companions += 1;
            continue;
        }
        let name = entry.name.clone();
        context.begin_file(&format!("{prefix}{name}"), entry.modified);
        let content = match tree.open(index) {
            Ok(source) => read_stream(context, &name, source, alone),
            Err(error) => {
                context.broken(format!("the file cannot be opened: {error}"));
                None
            }
        };
        match content {
            Some(Content::Zip) => read_zip(context, tree, index, prefix, nesting),
            Some(Content::Sqlite) => read_sqlite(context, tree, index, alone),
            _ => {}
        }
    }
    context.assets = outer;
    context.account = outer_account;
}

/// Reads the groups of files that a format claims as a whole; returns the claimed ones.
fn read_folders(context: &mut Context<'_>, tree: &mut Tree, prefix: &str) -> Vec<usize> {
    let provider = context.options.provider.clone();
    let mut claimed = Vec::new();
    for format in detect::candidates(provider.as_ref()) {
        let Shape::Folder { claim, parse } = format.shape else { continue };
        for group in claim(tree.entries()) {
            let Some(first) = group.first().and_then(|index| tree.entries().get(*index)) else { continue };
            if context.cancelled() || group.iter().any(|index| claimed.contains(index)) {
                continue;
            }
            context.begin_file(&format!("{prefix}{}", first.name), first.modified);
            context.begin_format(format.name);
            context.summary.files += group.len() as u64;
            if let Err(Reject(reason)) = parse(context, tree, &group) {
                context.skipped(format!("{reason} (read as {})", format.name));
            }
            claimed.extend(group);
        }
    }
    claimed.sort_unstable();
    claimed
}

fn read_zip(context: &mut Context<'_>, tree: &mut Tree, index: usize, prefix: &str, nesting: u32) {
    if nesting >= NESTING_MAX {
        context.skipped("an archive inside of archives; unpack it first");
        return;
    }
    let inner = format!("{prefix}{}/", tree.entries()[index].name);
    let opened = tree.on_disk(index).and_then(|(path, keep)| Ok((File::open(path)?, keep)));
    let (file, _keep) = match opened {
        Ok(opened) => opened,
        Err(error) => return context.broken(format!("the archive cannot be unpacked: {error}")),
    };
    let meter = context.meter.clone();
    match Tree::zip(file, &meter, context) {
        Ok(mut zipped) => read_tree(context, &mut zipped, &inner, false, nesting + 1),
        Err(fault) => {
            context.broken(fault.to_string());
            if let ZipFault::Directory { file, .. } = fault {
                each_streamed(file, context, &mut |context, entry, source| {
                    context.begin_file(&format!("{inner}{}", entry.name), None);
                    read_stream(context, &entry.name, source, false);
                });
            }
        }
    }
}

fn read_sqlite(context: &mut Context<'_>, tree: &mut Tree, index: usize, alone: bool) {
    let (path, _keep) = match tree.on_disk(index) {
        Ok(found) => found,
        Err(error) => return context.broken(format!("the database cannot be unpacked: {error}")),
    };
    let tables = match crate::source::tables(&path) {
        Ok(tables) => tables,
        Err(error) => return context.broken(format!("the database cannot be read: {error}")),
    };
    let provider = context.options.provider.clone();
    let Some(format) = detect::sqlite_format(&tables, provider.as_ref()) else {
        if alone {
            let tables = tables.iter().take(12).cloned().collect::<Vec<_>>().join(", ");
            context.broken(format!("a database of no known chat program (its tables: {tables})"));
        } else {
            context.summary.companions += 1;
        }
        return;
    };
    let Shape::Sqlite { parse, .. } = format.shape else { return };
    context.summary.files += 1;
    context.begin_format(format.name);
    if let Err(Reject(reason)) = parse(context, &path) {
        context.broken(format!("{reason} (read as {})", format.name));
    }
}

/// "Done, 0 conversations" is never the whole answer.
fn say_if_nothing_was_found(context: &mut Context<'_>) {
    let summary = &context.summary;
    if summary.conversations > 0 || context.cancelled() || summary.problems > 0 {
        return;
    }
    match summary.empty {
        0 => context.broken(format!("no conversations were found; known are {}", detect::known())),
        empty => context.skipped(format!("all {empty} conversations are empty; there is nothing to import")),
    }
}

/// Pictures, sound and the like, which no chat is ever kept in.
fn is_media(extension: &str) -> bool {
    const MEDIA: &[&str] = &[
        "png", "jpg", "jpeg", "gif", "webp", "svg", "bmp", "heic", "avif", "ico", "wav", "mp3", "m4a", "ogg",
        "opus", "flac", "mp4", "mov", "webm", "avi", "mkv", "pdf", "docx", "xlsx", "pptx", "ttf", "otf",
        "woff", "woff2", "css", "js", "exe", "dll", "so", "dylib",
    ];
    MEDIA.contains(&extension)
}
