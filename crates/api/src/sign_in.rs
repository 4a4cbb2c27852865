//! How a browser gets in: a form takes a key once, and a cookie with a session's token stands for it.

use athenaeum_tenancy::Caller;
use axum::{
    Form,
    body::Body,
    extract::{DefaultBodyLimit, Extension, Request},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{self, MethodRouter},
};
use serde::Deserialize;

use crate::{
    Api,
    access::SESSION_COOKIE,
    origin::Asker,
    problem::{Kind, Problem},
    protect::client_of,
};

/// What the form holds.
#[derive(Deserialize)]
struct SignIn {
    #[serde(default)]
    key: String,
    /// The page that was wanted.
    #[serde(default)]
    next: String,
}

/// Answers `POST /sign-in`.
pub(crate) fn post() -> MethodRouter<Api> {
    routing::post(begin).layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}

async fn begin(api: Api, request: Request) -> Result<Response, Problem> {
    let client = client_of(&request);
    let secure = is_encrypted(request.headers());
    let form = axum::RequestExt::extract::<Form<SignIn>, _>(request).await;
    let Ok(Form(form)) = form else {
        return Err(Problem::new(Kind::BadRequest, "The form needs the fields key and next."));
    };
    let next = own_address(&form.next);
    let Some(token) = api.access.sign_in(form.key.trim(), client).await? else {
        return Ok(see(&format!("{SIGN_IN}?wrong=1&next={}", encoded(next))));
    };
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!(
        "{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={SESSION_SECONDS}{secure}"
    );
    Ok(with_cookie(see(next), &cookie))
}

/// Answers `POST /sign-out`.
pub(crate) async fn end(api: Api, caller: Option<Extension<Caller>>) -> Response {
    if let Some(Extension(caller)) = caller {
        api.access.sign_out(&caller);
    }
    let cookie = format!("{SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    with_cookie(see(SIGN_IN), &cookie)
}

/// Sends a person without a session to the form, and back to `wanted` afterwards.
///
/// A browser keeps the cookie to itself when a link on another site is followed. Then the person may have a session
/// all the same: the answer is a page of ours that goes to the same address, now with the cookie.
pub(crate) fn ask(wanted: &Uri, asker: Asker) -> Response {
    let wanted = wanted.path_and_query().map_or("/", |wanted| wanted.as_str());
    let next = own_address(wanted);
    if asker == Asker::Own {
        return see(&format!("{SIGN_IN}?next={}", encoded(next)));
    }
    let mut page = "<!doctype html><html lang=en><meta charset=utf-8><title>One moment</title>\
                    <meta http-equiv=refresh content=\"0; url="
        .to_owned();
    crate::dto::search::escape(next, &mut page);
    page.push_str("\"></html>");
    let media_type = HeaderValue::from_static("text/html; charset=utf-8");
    ([(header::CONTENT_TYPE, media_type)], page).into_response()
}

/// Keeps to this server: a path, and nothing that a browser takes for another host.
fn own_address(address: &str) -> &str {
    let mut bytes = address.bytes();
    let begins = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
    let plain = address.bytes().all(|byte| byte.is_ascii_graphic());
    if begins && plain && address.len() <= ADDRESS_BYTES_MAX { address } else { "/" }
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The form's own page tells by which scheme it came, whatever stands between it and this server.
fn is_encrypted(headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

fn see(address: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let address = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, address);
    response
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Where the form is.
const SIGN_IN: &str = "/sign-in";

/// How long a browser keeps the cookie; the session goes earlier when it is not used for as long.
const SESSION_SECONDS: u32 = 30 * 24 * 3_600;

const FORM_BYTES_MAX: usize = 16 * 1_024;

const ADDRESS_BYTES_MAX: usize = 4 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_sent_back_to_this_server_only() {
        let check = |address: &str, expected: &str| assert_eq!(own_address(address), expected, "{address}");
        check("/search?q=a&b", "/search?q=a&b");
        for elsewhere in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:x",
            "/a\nb",
            "/é",
            "a",
        ] {
            check(elsewhere, "/");
        }
        check(&format!("/{}", "a".repeat(5_000)), "/");
        assert_eq!(encoded("/search?q=a&b#c"), "/search%3Fq%3Da%26b%23c");
    }
}
