//! The style sheet, the scripts and the icon: part of the program, served under names that change with them.

use std::{
    hash::{DefaultHasher, Hasher},
    sync::LazyLock,
};

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

/// One file.
struct Asset {
    /// `name-0123456789abcdef.css`
    file_name: String,
    media_type: &'static str,
    bytes: &'static [u8],
    etag: String,
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("reading-room", "css", "text/css; charset=utf-8", include_bytes!("../assets/reading-room.css"))
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "reading-room",
        "js",
        "text/javascript; charset=utf-8",
        include_bytes!("../assets/reading-room.js"),
    )
});
static THEME: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("theme", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/theme.js"))
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../assets/icon.svg")));

/// Returns the address of the style sheet.
pub(crate) fn style() -> String {
    STYLE.href()
}

/// Returns the address of the script that pages load last.
pub(crate) fn script() -> String {
    SCRIPT.href()
}

/// Returns the address of the script that puts the chosen theme on before anything is painted.
pub(crate) fn theme() -> String {
    THEME.href()
}

/// Returns the address of the icon.
pub(crate) fn icon() -> String {
    ICON.href()
}

/// Answers `GET /assets/{file_name}`. A name holds the hash of its content, so caches may keep it for good.
pub(crate) async fn serve(Path(file_name): Path<String>, headers: HeaderMap) -> Response {
    let assets = [&*STYLE, &*SCRIPT, &*THEME, &*ICON];
    let Some(asset) = assets.into_iter().find(|asset| asset.file_name == file_name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let caching =
        [(header::ETAG, asset.etag.as_str()), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == asset.etag.as_bytes());
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, asset.media_type)], asset.bytes).into_response()
}

impl Asset {
    fn new(name: &str, extension: &str, media_type: &'static str, bytes: &'static [u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        let hash = hasher.finish();
        Self {
            file_name: format!("{name}-{hash:016x}.{extension}"),
            media_type,
            bytes,
            etag: format!("\"{hash:016x}\""),
        }
    }

    fn href(&self) -> String {
        format!("/assets/{}", self.file_name)
    }
}
