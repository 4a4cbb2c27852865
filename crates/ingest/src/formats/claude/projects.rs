use athenaeum_core::Provider;
use serde::Deserialize;

use crate::{
    context::Context,
    format::{Fit, Format, Reject, Shape, has_keys},
    lenient::{List, Object, Text},
    sample::Sample,
};

/// `projects.json`: no conversations, but documents that people would miss if nothing was said about them.
pub(crate) const PROJECTS: Format = Format {
    provider: Some(Provider::CLAUDE),
    name: "Claude projects",
    shape: Shape::Record { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let first = sample.first();
    let is_project = has_keys(first, &["uuid", "name"])
        && (has_keys(first, &["docs"]) || has_keys(first, &["prompt_template"]));
    Fit::weak(is_project)
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    #[derive(Deserialize)]
    struct Project<'a> {
        #[serde(borrow, default)]
        name: Text<'a>,
        #[serde(borrow, default)]
        docs: List<Object<Document<'a>>>,
    }
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow, default)]
        content: Text<'a>,
    }

    let project: Project<'_> = serde_json::from_str(text)?;
    let has_text = |document: &&Object<Document<'_>>| {
        document.0.as_ref().is_some_and(|document| document.content.filled_ref().is_some())
    };
    let documents = project.docs.0.iter().filter(has_text).count();
    if documents > 0 {
        let name: String = project.name.as_str().chars().take(80).collect();
        context.notice(format!("the project '{name}' holds {documents} documents, which are not conversations; they were not imported"));
    }
    Ok(())
}
