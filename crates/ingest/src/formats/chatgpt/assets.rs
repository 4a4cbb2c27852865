use std::collections::{BTreeMap, BTreeSet};

use athenaeum_core::Attachment;
use serde::Deserialize;

use super::{
    attach,
    wire::{Metadata, Upload},
};
use crate::{
    context::Context,
    lenient::{List, Object, Text},
    source::Tree,
};

/// Companion files are small; a larger one is something else.
const COMPANION_BYTES: u64 = 64 << 20;

/// Reads the files that explain an export: the names people gave their files, the account, and the manifest of
/// shards, whose missing ones are reported.
pub(crate) fn read_companions(context: &mut Context<'_>, tree: &mut Tree, prefix: &str) {
    for index in 0..tree.entries().len() {
        let entry = &tree.entries()[index];
        let (base, name) = (entry.base().to_owned(), entry.name.clone());
        if !matches!(
            base.as_str(),
            "conversation_asset_file_names.json" | "user.json" | "export_manifest.json"
        ) {
            continue;
        }
        let Ok(bytes) = tree.read(index, COMPANION_BYTES) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_start_matches('\u{FEFF}');
        match base.as_str() {
            "conversation_asset_file_names.json" => {
                let names: BTreeMap<String, Text<'_>> = serde_json::from_str(text).unwrap_or_default();
                context
                    .assets
                    .name(names.into_iter().filter_map(|(id, name)| Some((id, name.filled()?))).collect());
            }
            "user.json" => context.account = account(text).or(context.account.take()),
            _ => {
                context.begin_file(&format!("{prefix}{name}"), None);
                check_manifest(context, text, &name, tree);
            }
        }
    }
}

/// Makes an attachment of a pointer (`file-service://…`, `sediment://…`) or a bare id.
pub(super) fn attachment(context: &Context<'_>, pointer: &str) -> Attachment {
    let id = bare_id(pointer);
    let path = context.assets.path(id).map(str::to_owned);
    Attachment {
        name: context.assets.given_name(id).map(str::to_owned),
        id: Some(pointer.to_owned()),
        media_type: None,
        size: None,
        path,
    }
}

/// The files that a message lists.
pub(super) fn attachments(context: &Context<'_>, metadata: &Metadata<'_>) -> Vec<Attachment> {
    let mut attachments = Vec::new();
    for upload in metadata.attachments.0.iter().filter_map(|upload| upload.0.as_ref()) {
        attach(&mut attachments, of_upload(context, upload));
    }
    let results = metadata.aggregate_result.0.iter().flat_map(|result| &result.messages.0);
    for url in results.filter_map(|message| message.0.as_ref()?.image_url.filled_ref()) {
        attach(&mut attachments, attachment(context, url));
    }
    attachments
}

/// The id without its scheme and without what follows `#` or `?`.
pub(super) fn bare_id(pointer: &str) -> &str {
    let id = pointer.split_once("://").map_or(pointer, |(_, id)| id);
    id.split(['#', '?']).next().unwrap_or(id)
}

fn of_upload(context: &Context<'_>, upload: &Upload<'_>) -> Attachment {
    let id = upload.id.filled_ref().or(upload.file_id.filled_ref());
    let known = id.map(|id| attachment(context, id)).unwrap_or_default();
    Attachment {
        name: upload.name.filled_ref().map(str::to_owned).or(known.name),
        id: known.id,
        media_type: upload.mime_type.filled_ref().or(upload.mime_type_old.filled_ref()).map(str::to_owned),
        size: upload.size.0.and_then(|size| u64::try_from(size).ok()),
        path: known.path,
    }
}

fn account(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct User<'a> {
        #[serde(borrow, default)]
        id: Text<'a>,
    }

    serde_json::from_str::<User<'_>>(text).ok()?.id.filled()
}

/// Reports each shard that the manifest names and the export lacks.
fn check_manifest(context: &mut Context<'_>, text: &str, name: &str, tree: &Tree) {
    #[derive(Deserialize)]
    struct Manifest<'a> {
        #[serde(borrow, default)]
        logical_files: BTreeMap<String, Object<Logical<'a>>>,
    }
    #[derive(Deserialize)]
    struct Logical<'a> {
        #[serde(borrow, default)]
        files: List<Text<'a>>,
    }

    let Ok(manifest) = serde_json::from_str::<Manifest<'_>>(text) else { return };
    let folder = name.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    let present: BTreeSet<&str> = tree.entries().iter().map(|entry| entry.name.as_str()).collect();
    let logical = manifest.logical_files.iter().filter(|(name, _)| name.starts_with("conversations"));
    for file in logical.filter_map(|(_, logical)| logical.0.as_ref()).flat_map(|logical| &logical.files.0) {
        let Some(file) = file.filled_ref() else { continue };
        if !present.contains(format!("{folder}{file}").as_str()) {
            context.begin_record(file.to_owned());
            context.broken("the manifest names this file, but it is not in the export; download it again");
        }
    }
}
