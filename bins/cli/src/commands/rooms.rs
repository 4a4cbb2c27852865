use std::process::ExitCode;

use anyhow::bail;
use athenaeum::{
    archive::library::RoomEntry,
    retrieval::{rooms::Rooms, search::Searcher},
    tenancy::Room,
};
use serde::Serialize;

use super::{Context, Outcome};
use crate::output::{counted, one_line};

/// A line of `library rooms --json`.
#[derive(Debug, Serialize)]
struct Told<'a> {
    kind: &'a str,
    id: &'a str,
    documents: u64,
    chunks: u64,
    made_at: String,
    ttl_seconds: Option<f64>,
}

pub(super) async fn run(context: &mut Context, remove: Option<&Room>) -> Outcome {
    if !context.has_library()? {
        return none(context, remove);
    }
    let library = context.library().await?;
    if let Some(room) = remove {
        let meaning = if context.has_vectors()? { context.meaning().await? } else { None };
        let searcher = Searcher::new(None, Some(library.clone()), None);
        let removed = Rooms::new(library.clone(), meaning, searcher).remove(&context.scope, room).await?;
        library.close().await;
        let Some(documents) = removed else { return none(context, remove) };
        context.output.line(format_args!("{} removed", counted(documents, "document")))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rooms = library.rooms(&context.scope).await?;
    library.close().await;
    if rooms.is_empty() {
        return none(context, None);
    }
    for room in &rooms {
        tell(context, room)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(context: &mut Context, entry: &RoomEntry) -> std::io::Result<()> {
    let RoomEntry { room, documents, chunks, .. } = entry;
    let ttl_seconds = entry.ttl.map(|ttl| ttl.as_secs_f64());
    if context.output.json {
        let made_at = entry.made_at.to_string();
        let (kind, id) = (room.kind(), room.id());
        let told = Told { kind, id, documents: *documents, chunks: *chunks, made_at, ttl_seconds };
        return context.output.object(&told);
    }
    let stays = ttl_seconds.map_or_else(String::new, |seconds| format!(", each for {seconds} s"));
    let name = format!("{}:{}", room.kind(), one_line(room.id(), ID_SHOWN));
    context.output.line(format_args!("{name}  {}{stays}", counted(*documents, "document")))
}

fn none(context: &mut Context, remove: Option<&Room>) -> Outcome {
    if let Some(room) = remove {
        bail!("there is no room {}:{}; `athenaeum library rooms` lists them", room.kind(), room.id());
    }
    if !context.output.json {
        context.output.line("There are no rooms; scripts make them (athenaeum run).")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Characters of an id that are shown.
const ID_SHOWN: usize = 80;
