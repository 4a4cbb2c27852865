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
static CHAT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("chat", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/chat.js"))
});
static MODELS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("models", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/models.js"))
});
static LIBRARY: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("library", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/library.js"))
});
static ASK: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("ask", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/ask.js"))
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

/// Returns the address of the chat page's own script.
pub(crate) fn chat() -> String {
    CHAT.href()
}

/// Returns the address of the models page's own script.
pub(crate) fn models() -> String {
    MODELS.href()
}

/// Returns the address of the library page's own script.
pub(crate) fn library() -> String {
    LIBRARY.href()
}

/// Returns the address of the ask page's own script.
pub(crate) fn ask() -> String {
    ASK.href()
}

/// Returns the address of the icon.
pub(crate) fn icon() -> String {
    ICON.href()
}

/// Answers `GET /assets/{file_name}`. A name holds the hash of its content, so caches may keep it for good.
pub(crate) async fn serve(Path(file_name): Path<String>, headers: HeaderMap) -> Response {
    let assets = [&*STYLE, &*SCRIPT, &*THEME, &*CHAT, &*MODELS, &*LIBRARY, &*ASK, &*ICON];
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    const STYLE: &str = include_str!("../assets/reading-room.css");

    /// Reads the colours of the first rule whose selector contains `selector`.
    fn palette(selector: &str) -> HashMap<&'static str, [f64; 3]> {
        let from = STYLE.find(selector).unwrap();
        let rule = &STYLE[from..from + STYLE[from..].find('}').unwrap()];
        let colour = |declaration: &'static str| {
            let (name, value) = declaration.split_once(": #")?;
            let channel = |at: usize| u8::from_str_radix(value.get(at..at + 2)?, 16).ok().map(f64::from);
            Some((name.trim().trim_start_matches('{').trim(), [channel(0)?, channel(2)?, channel(4)?]))
        };
        rule.split(';').filter_map(colour).collect()
    }

    /// Contrast as WCAG 2.2 defines it, <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>.
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let luminance = |colour: [f64; 3]| {
            let linear = colour.map(|channel| {
                let channel = channel / 255.0;
                if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (a, b) = (luminance(one), luminance(other));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Level AA: 4.5 to 1 for text, in both themes.
    #[test]
    fn text_stands_out_from_its_ground() {
        const TEXTS: &[(&str, &[&str])] = &[
            ("--ink", &["--paper", "--page", "--tint", "--code"]),
            ("--ink-soft", &["--paper", "--page", "--tint", "--code"]),
            ("--accent", &["--paper", "--page", "--tint"]),
            ("--on-accent", &["--accent", "--accent-deep"]),
            ("--on-mark", &["--mark"]),
            ("--good", &["--paper"]),
            ("--bad", &["--paper", "--page"]),
        ];
        const CODE: [&str; 7] = ["--hc", "--hs", "--hn", "--hk", "--ht", "--hf", "--hm"];
        for selector in [":root {", ":root:not([data-theme=\"light\"]) {", ":root[data-theme=\"dark\"] {"] {
            let palette = palette(selector);
            let code = CODE.map(|text| (text, &["--code"][..]));
            for (text, grounds) in TEXTS.iter().copied().chain(code) {
                for ground in grounds {
                    let ratio = contrast(palette[text], palette[ground]);
                    assert!(ratio >= 4.5, "{text} on {ground} in {selector}: {ratio:.2}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_fetched_from_a_style_sheet() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("//"));
    }
}
