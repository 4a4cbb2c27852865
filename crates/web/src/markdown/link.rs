//! Where a link may lead, and how its host is told.

use crate::{html::escape_into, marks::Marks};

/// A target that a link of ours may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target<'u> {
    /// The address as written, without surrounding space.
    pub(crate) url: &'u str,
    /// The host (or the mail domain) in lower case, for people to see before they click.
    pub(crate) host: String,
}

/// Reads `url` if it is an absolute `http`, `https` or `mailto` address. Everything else (scripts, data, files,
/// paths that would lead into our own pages) gives `None`.
pub(crate) fn target(url: &str) -> Option<Target<'_>> {
    let url = url.trim();
    if url.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return None;
    }
    if let Some(address) = after_prefix(url, "mailto:") {
        let address = address.split('?').next().unwrap_or(address);
        let host = address.rsplit_once('@').map_or(address, |(_, host)| host);
        return Some(Target { url, host: host.to_lowercase() });
    }
    let rest = after_prefix(url, "https://").or_else(|| after_prefix(url, "http://"))?;
    // Browsers read a backslash as a slash; so must the host that we show.
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let allowed = |char: char| char.is_alphanumeric() || "-._~:[]%".contains(char);
    (!host.is_empty() && host.chars().all(allowed)).then(|| Target { url, host: host.to_lowercase() })
}

fn after_prefix<'u>(url: &'u str, prefix: &str) -> Option<&'u str> {
    let head = url.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &url[prefix.len()..])
}

/// Appends the opening tag of a link to `target`.
pub(crate) fn open_into(out: &mut String, target: &Target<'_>) {
    out.push_str("<a class=\"out\" href=\"");
    escape_into(out, target.url);
    out.push_str("\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">");
}

/// Appends the closing tag; `shown` is the link's text, and the host follows unless that already tells it.
pub(crate) fn close_into(out: &mut String, target: &Target<'_>, shown: &str) {
    out.push_str("</a>");
    // Only a text that *begins* as the address does tells the host; `example.com.evil.org` must not.
    let bare = shown.trim().trim_start_matches("https://").trim_start_matches("http://");
    let told = bare
        .to_lowercase()
        .strip_prefix(target.host.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    if !told {
        out.push_str("<span class=\"host\">");
        escape_into(out, &crate::html::shortened(&target.host, 60));
        out.push_str("</span>");
    }
}

/// Appends plain `text`, its bare `http` and `https` addresses as links.
pub(crate) fn linked_into(out: &mut String, text: &str, marks: &Marks) {
    let mut rest = text;
    while let Some(at) = next_address(rest) {
        let (before, from) = rest.split_at(at);
        let url = &from[..address_length(from)];
        match target(url) {
            Some(target) => {
                marks.write(out, before);
                open_into(out, &target);
                marks.write(out, url);
                close_into(out, &target, url);
            }
            None => marks.write(out, &rest[..at + url.len()]),
        }
        rest = &from[url.len()..];
    }
    marks.write(out, rest);
}

fn next_address(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text[from..].find("http") {
        let at = from + found;
        let rest = &text[at + 4..];
        if rest.starts_with("://") || rest.starts_with("s://") {
            return Some(at);
        }
        from = at + 4;
    }
    None
}

/// Length of the address at the beginning of `text`, without the punctuation of the sentence around it.
fn address_length(text: &str) -> usize {
    let stop =
        |char: char| char.is_whitespace() || char.is_control() || "<>\"`|{}\\^，。）」】".contains(char);
    let mut end = text.find(stop).unwrap_or(text.len()).max(4);
    let mut closing = 0_i64;
    for byte in text[..end].bytes() {
        closing += i64::from(byte == b')') - i64::from(byte == b'(');
    }
    while let Some(last) = text[..end].chars().next_back() {
        let trim = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' | ']' => true,
            ')' if closing > 0 => {
                closing -= 1;
                true
            }
            _ => false,
        };
        if !trim || end <= 4 {
            break;
        }
        end -= last.len_utf8();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, host: Option<&str>) {
        assert_eq!(target(url).map(|target| target.host).as_deref(), host, "{url}");
    }

    #[test]
    fn only_addresses_that_people_can_visit() {
        check("https://Example.com/a", Some("example.com"));
        check("HTTP://example.com:8080", Some("example.com:8080"));
        check("mailto:someone@example.com?subject=x", Some("example.com"));
        check("http://good.org\\@evil.org/", Some("good.org"));
        check("http://good.org@evil.org/", Some("evil.org"));
        check("http://[::1]/", Some("[::1]"));
        for bad in [
            "javascript:alert(1)",
            " JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            "data:text/html,<script>",
            "vbscript:x",
            "file:///etc/passwd",
            "//evil.org",
            "/conversations/1/delete",
            "#top",
            "http://",
            "http://a b/",
            "https://x\"onclick=1",
            "sandbox:/mnt/data/a.csv",
            "",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn addresses_end_before_the_sentence_does() {
        let check = |text: &str, url: &str| assert_eq!(&text[..address_length(text)], url);
        check("https://a.org/b. Then", "https://a.org/b");
        check("https://a.org/b_(c)) and", "https://a.org/b_(c)");
        check("https://a.org/?x=1&y=2, or", "https://a.org/?x=1&y=2");
        check("http", "http");
    }
}
