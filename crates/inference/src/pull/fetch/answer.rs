//! What the head of an answer and its first bytes say.

use athenaeum_outbound::reqwest::{
    Response, StatusCode,
    header::{self, HeaderMap},
};

use crate::pull::{Error, net::host, part::Part, plan::Wanted};

/// Where an answer goes on.
pub(super) enum Begin {
    /// The answer goes on where the part ends.
    On,
    /// The answer is the file from its start.
    Anew { version: String, bytes_total: Option<u64> },
    /// The answer fits nothing that is there.
    Unfit,
}

/// Looks at the head of an answer: where it begins, and whether it can be the file.
pub(super) fn begin(response: &Response, wanted: &Wanted, part: &Part) -> Result<Begin, Error> {
    let headers = response.headers();
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let odd = |reason: &str| Error::Answer {
        host: host(response.url()),
        what: wanted.path.to_string(),
        reason: reason.to_owned(),
    };
    if text(header::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(odd("it comes compressed, though that was not asked for"));
    }
    let version = strong_etag(headers);
    let (begin, bytes_total) = match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = text(header::CONTENT_RANGE).and_then(range);
            let (from, bytes_total) =
                range.ok_or_else(|| odd("it does not say which part of the file it is"))?;
            let is_other = !version.is_empty() && !part.version().is_empty() && version != part.version();
            if from != part.bytes()
                || is_other
                || part.bytes_total().is_some_and(|total| total != bytes_total)
            {
                return Ok(Begin::Unfit);
            }
            (Begin::On, Some(bytes_total))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => return Ok(Begin::Unfit),
        _ => {
            let bytes_total = response.content_length();
            (Begin::Anew { version, bytes_total }, bytes_total)
        }
    };
    if let (Some(expected), Some(found)) = (wanted.bytes, bytes_total)
        && expected != found
    {
        return Err(Error::Length { file: wanted.path.to_string(), expected, found });
    }
    Ok(begin)
}

/// Returns the version that a server calls an answer by, if two answers of the same version are equal byte for byte
/// (RFC 9110, 8.8.3); empty if it has none.
fn strong_etag(headers: &HeaderMap) -> String {
    let etag = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()).unwrap_or_default();
    if etag.starts_with('"') && etag.len() <= 1024 { etag.to_owned() } else { String::new() }
}

/// Reads `bytes 5-9/10` as 5 and 10 (RFC 9110, 14.4). The end has to be that of the file.
fn range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, to) = range.split_once('-')?;
    let (from, to, total): (u64, u64, u64) = (from.parse().ok()?, to.parse().ok()?, total.parse().ok()?);
    (from <= to && to.checked_add(1)? == total).then_some((from, total))
}

/// Looks at the first bytes, so that nobody waits for gigabytes of something else.
pub(super) fn look(first: &[u8], response: &Response, wanted: &Wanted) -> Result<(), Error> {
    let other = |what| Err(Error::Other { file: wanted.path.to_string(), what });
    let is_kind = |ending: &str| wanted.path.as_str().to_ascii_lowercase().ends_with(ending);
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_page = kind.is_some_and(|kind| kind.starts_with("text/html"));
    let text = first.trim_ascii_start();
    let is_markup = text.first() == Some(&b'<');
    match (is_kind(".gguf"), is_kind(".safetensors")) {
        (true, _) | (_, true) if is_page || is_markup => other("a web page"),
        (true, _) if text.starts_with(b"version https://git-lfs") => {
            other("a note of where the file is (Git LFS)")
        }
        (true, _) if first.len() >= 4 && !first.starts_with(b"GGUF") => {
            other("something else: it does not begin as GGUF")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_meant() {
        assert_eq!(range("bytes 5-9/10"), Some((5, 10)));
        for wrong in [
            "bytes 5-8/10",
            "bytes 5-10/10",
            "bytes 9-5/10",
            "bytes */10",
            "bytes 5-9/*",
            "5-9/10",
            "bytes 5-9",
            "bytes 5-18446744073709551615/0",
            "bytes -1-9/10",
            "",
        ] {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }
}
