use serde_json::{Map, Value};

use crate::dto::search::escape;

/// Renders an OpenAPI document: operations by tag, each with its parameters and answers, then the schemas.
pub(super) fn render(document: &Value) -> String {
    let mut page = Page::default();
    page.raw("<!doctype html><html lang=en><meta charset=utf-8>");
    page.raw("<meta name=viewport content='width=device-width, initial-scale=1'>");
    page.raw("<title>Athenaeum API</title><link rel=stylesheet href=/docs/style.css>");
    page.raw("<header><h1>Athenaeum API</h1>");
    page.element("p", text(&document["info"], "description"));
    page.raw("<p><a href=/openapi.json>openapi.json</a> is the same for programs.</p></header>");
    write_contents(document, &mut page);
    page.raw("<main>");
    for tag in list(&document["tags"]) {
        let name = text(tag, "name");
        page.raw("<section>");
        page.element("h2", name);
        page.element("p", text(tag, "description"));
        for (method, path, operation) in
            operations(document).filter(|(_, _, operation)| has_tag(operation, name))
        {
            write_operation(document, (method, path, operation), &mut page);
        }
        page.raw("</section>");
    }
    page.raw("<section><h2>Schemas</h2>");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        write_schema(name, schema, &mut page);
    }
    page.raw("</section></main></html>");
    page.html
}

fn write_contents(document: &Value, page: &mut Page) {
    page.raw("<nav aria-label=Routes><ul>");
    for (method, path, operation) in operations(document) {
        page.raw("<li><a href='#");
        page.text(&anchor(method, path));
        page.raw("'><code>");
        page.text(&format!("{} {path}", method.to_uppercase()));
        page.raw("</code> ");
        page.text(text(operation, "summary"));
        page.raw("</a></li>");
    }
    page.raw("</ul></nav>");
}

fn write_operation(document: &Value, (method, path, operation): (&str, &str, &Value), page: &mut Page) {
    page.raw("<article id='");
    page.text(&anchor(method, path));
    page.raw("'><h3><code class=method>");
    page.text(&method.to_uppercase());
    page.raw("</code> <code>");
    page.text(path);
    page.raw("</code></h3>");
    page.element("h4", text(operation, "summary"));
    page.element("p", text(operation, "description"));
    let parameters = list(&operation["parameters"]);
    if !parameters.is_empty() {
        page.raw("<table><caption>Parameters</caption><tr><th scope=col>Name<th scope=col>Takes<th scope=col>Meaning");
    }
    for parameter in parameters {
        page.raw("<tr><td><code>");
        page.text(text(parameter, "name"));
        page.raw("</code> <small>");
        page.text(text(parameter, "in"));
        page.raw("</small><td>");
        write_type(&parameter["schema"], page);
        page.raw("<td>");
        page.prose(text(parameter, "description"));
    }
    if !parameters.is_empty() {
        page.raw("</table>");
    }
    write_content("Body", &operation["requestBody"], page);
    page.raw(
        "<table><caption>Answers</caption><tr><th scope=col>Status<th scope=col>Meaning<th scope=col>Body",
    );
    for (status, response) in entries(&operation["responses"]) {
        let response = match text(response, "$ref").strip_prefix('#') {
            Some(address) => document.pointer(address).unwrap_or(response),
            None => response,
        };
        page.raw("<tr><td>");
        page.text(status);
        page.raw("<td>");
        page.prose(text(response, "description"));
        page.raw("<td>");
        write_content("", response, page);
    }
    page.raw("</table></article>");
}

fn write_content(caption: &str, holder: &Value, page: &mut Page) {
    let contents: Vec<_> = entries(&holder["content"]).collect();
    if !caption.is_empty() && !contents.is_empty() {
        page.element("h5", caption);
    }
    for (media_type, content) in contents {
        page.raw("<div><code>");
        page.text(media_type);
        page.raw("</code> ");
        write_type(&content["schema"], page);
        page.raw("</div>");
    }
}

fn write_schema(name: &str, schema: &Value, page: &mut Page) {
    page.raw("<article id='schema-");
    page.text(name);
    page.raw("'><h3>");
    page.text(name);
    page.raw("</h3>");
    page.element("p", text(schema, "description"));
    let parts: Vec<&Value> = list(&schema["allOf"]).iter().chain([schema]).collect();
    let fields: Vec<_> = parts.iter().flat_map(|part| entries(&part["properties"])).collect();
    for part in list(&schema["allOf"]).iter().filter(|part| part["$ref"].is_string()) {
        page.raw("<p>All of ");
        write_type(part, page);
        page.raw(", and:</p>");
    }
    if fields.is_empty() {
        page.raw("<p>");
        write_type(schema, page);
        page.raw("</p>");
    } else {
        page.raw("<table><tr><th scope=col>Field<th scope=col>Holds<th scope=col>Meaning");
        for (name, field) in fields {
            page.raw("<tr><td><code>");
            page.text(name);
            page.raw("</code><td>");
            write_type(field, page);
            page.raw("<td>");
            page.prose(text(field, "description"));
        }
        page.raw("</table>");
    }
    page.raw("</article>");
}

/// Writes what a schema accepts in a few words; named schemas as links.
fn write_type(schema: &Value, page: &mut Page) {
    if let Some(name) = schema["$ref"].as_str().and_then(|address| address.rsplit('/').next()) {
        page.raw("<a href='#schema-");
        page.text(name);
        page.raw("'>");
        page.text(name);
        page.raw("</a>");
        return;
    }
    let choices = [list(&schema["oneOf"]), list(&schema["anyOf"])].concat();
    for (at, choice) in choices.iter().enumerate() {
        page.text(if at > 0 { " or " } else { "" });
        write_type(choice, page);
    }
    if schema["items"].is_object() {
        page.text("list of ");
        write_type(&schema["items"], page);
        return;
    }
    let kinds = match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    };
    page.text(&kinds);
    for (key, label) in [
        ("format", ""),
        ("pattern", "matching "),
        ("minimum", "from "),
        ("maximum", "to "),
        ("default", "default "),
    ] {
        match &schema[key] {
            Value::Null => {}
            Value::String(value) => page.text(&format!(", {label}{value}")),
            value => page.text(&format!(", {label}{value}")),
        }
    }
    let values: Vec<&str> = list(&schema["enum"]).iter().filter_map(Value::as_str).collect();
    if !values.is_empty() {
        page.text(&format!(": {}", values.join(", ")));
    }
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    entries(&document["paths"]).flat_map(|(path, item)| {
        entries(item)
            .filter(|(_, operation)| operation["responses"].is_object())
            .map(move |(method, operation)| (method, path, operation))
    })
}

fn has_tag(operation: &Value, name: &str) -> bool {
    list(&operation["tags"]).iter().any(|tag| tag == name)
}

fn anchor(method: &str, path: &str) -> String {
    format!("{method}{}", path.replace(['/', '{', '}'], "-"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(key, value)| (key.as_str(), value))
}

#[derive(Default)]
struct Page {
    html: String,
}

impl Page {
    fn raw(&mut self, html: &str) {
        self.html.push_str(html);
    }

    fn text(&mut self, text: &str) {
        escape(text, &mut self.html);
    }

    /// Writes what stands between backticks as code.
    fn prose(&mut self, text: &str) {
        for (at, part) in text.split('`').enumerate() {
            self.html.push_str(match at {
                0 => "",
                at if at % 2 == 1 => "<code>",
                _ => "</code>",
            });
            self.text(part);
        }
        if text.matches('`').count() % 2 == 1 {
            self.html.push_str("</code>");
        }
    }

    /// Writes nothing for an empty text.
    fn element(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.html.push_str(&format!("<{name}>"));
        self.prose(text);
        self.html.push_str(&format!("</{name}>"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_in_the_document_becomes_markup() {
        let document = json!({
            "info": { "description": "<script>" },
            "tags": [{ "name": "t", "description": "<b>" }],
            "paths": { "/x/{id}": { "get": {
                "tags": ["t"],
                "summary": "Read & weep",
                "description": "`<u>` and `odd",
                "parameters": [{ "name": "q", "in": "query", "description": "'><i>", "schema": { "type": "string" } }],
                "responses": { "200": { "description": "ok", "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/X" } } } } },
            } } },
            "components": { "schemas": { "X": { "properties": { "a": { "type": ["string", "null"] } } } } },
        });
        let html = render(&document);
        assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains("<i>"));
        assert!(html.contains("<p><code>&lt;u&gt;</code> and <code>odd</code></p>"));
        assert!(html.contains("Read &amp; weep") && html.contains("href='#schema-X'"));
        assert!(html.contains("string or null") && html.contains("id='get-x--id-'"));
    }
}
