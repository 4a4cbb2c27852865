//! Signing in with a key, and out again. What the forms ask for is done by the guards in front of these pages.

use askama::Template;
use athenaeum_tenancy::Caller;
use axum::{
    Extension,
    extract::{Query, State},
    response::{Html, IntoResponse, Redirect, Response},
};

use super::{Parameters, parameter};
use crate::{Desk, error::Error};

/// Answers `GET /sign-in`; where no key is asked for, there is nothing to sign in to.
pub(crate) async fn show(State(desk): State<Desk>, Query(parameters): Parameters) -> Result<Response, Error> {
    if !desk.keys.are_required() {
        return Ok(Redirect::to("/").into_response());
    }
    let next = parameter(&parameters, "next").to_owned();
    let wrong = !parameter(&parameters, "wrong").is_empty();
    Ok(Html(SignIn { next, wrong, signed_in: None }.render()?).into_response())
}

/// Answers `GET /sign-out`: tells who is signed in, and asks first.
pub(crate) async fn leave(caller: Option<Extension<Caller>>) -> Result<Response, Error> {
    let name = caller.and_then(|Extension(caller)| caller.key_name().map(str::to_owned));
    let Some(name) = name else { return Ok(Redirect::to("/").into_response()) };
    Ok(Html(SignIn { next: String::new(), wrong: false, signed_in: Some(name) }.render()?).into_response())
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    /// Where to go afterwards; checked by whoever goes there.
    next: String,
    wrong: bool,
    /// The key's name.
    signed_in: Option<String>,
}
