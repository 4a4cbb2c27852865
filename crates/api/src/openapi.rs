#![expect(unused_qualifications, reason = "the macro repeats the paths that it was given")]

mod answers;

use utoipa::{
    Modify, OpenApi, PartialSchema, ToSchema,
    openapi::{
        self, Content, ContentBuilder, HeaderBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Required,
        ResponseBuilder, Schema, SchemaFormat,
        path::{Operation, Parameter},
        request_body::RequestBodyBuilder,
        schema::{AdditionalProperties, AnyOfBuilder, SchemaType, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    Settings, anthropic, asking, conversations, dialect::Dialect, dto, events, hardware, health, imports,
    library, llamacpp, memories, models, ollama, openai, parameters, problem::Kind, pulls, query_language,
    resume, search, socket, topics,
};

/// Builds the OpenAPI 3.1 description from the routes' own annotations.
///
/// The committed `openapi/athenaeum.json` is this, written out; a test compares the two, and the server answers
/// with the committed text.
pub fn document() -> openapi::OpenApi {
    let mut document = Document::openapi();
    document.merge(anthropic::Description::openapi());
    document.merge(openai::Description::openapi());
    document.merge(llamacpp::Description::openapi());
    document.merge(ollama::Description::openapi());
    Requests.modify(&mut document);
    Refusals.modify(&mut document);
    document
}

/// The committed description, as `/openapi.json` answers it.
pub(crate) const COMMITTED: &str = include_str!("../../../openapi/athenaeum.json");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Athenaeum",
        description = "A private library of your conversations with language models: search, read, import. \
            Times are RFC 3339 in UTC. Unknown parameters are refused, so that a filter is never silently \
            ignored. Every failure is an `application/problem+json` object. The server answers only to its own \
            names (Host) and to its own pages or programs without a browser (Origin).",
    ),
    tags(
        (name = "search", description = "Find messages."),
        (name = "conversations", description = "Read, export and delete conversations."),
        (name = "library", description = "Keep documents, and ask questions."),
        (name = "memories", description = "Remember things."),
        (name = "imports", description = "Bring exports in and follow them."),
        (name = "models", description = "See, fetch, load and remove models."),
        (name = "operation", description = "How the server and its archive are."),
    ),
    paths(
        search::search,
        search::facets,
        search::suggestions,
        query_language::describe,
        conversations::list,
        conversations::one,
        conversations::messages,
        conversations::raw,
        conversations::export,
        conversations::delete,
        conversations::message,
        imports::start,
        imports::list,
        imports::one,
        imports::cancel,
        events::follow,
        library::status,
        library::follow,
        library::add,
        library::files,
        library::forget,
        library::retry,
        library::pause,
        library::documents,
        library::document,
        asking::ask,
        asking::verify,
        topics::list,
        memories::remember,
        memories::list,
        memories::forget,
        models::list,
        models::one,
        models::load,
        models::unload,
        models::measure,
        models::remove,
        pulls::start,
        pulls::list,
        pulls::one,
        pulls::cancel,
        pulls::follow,
        health::statistics,
        hardware::describe,
        health::alive,
        health::ready,
        health::metrics,
        resume::go_on,
        socket::open,
    ),
    components(schemas(
        dto::problem::ProblemBody,
        dto::conversation::Role,
        dto::import::Progress,
        ProviderName,
        Moment,
        FlagName,
        SortName,
        DirectionName,
        FormatName,
        PlaceName,
        ModeName,
        StateName,
        TierName,
    )),
)]
struct Document;

/// What the bodies of requests may say, by path.
pub(crate) fn bodies() -> Vec<(&'static str, &'static [parameters::Parameter])> {
    let own = vec![
        ("/athenaeum/v1/pulls", pulls::PARAMETERS),
        ("/athenaeum/v1/ask", asking::PARAMETERS),
        ("/athenaeum/v1/memories", memories::PARAMETERS),
    ];
    [own, anthropic::bodies(), openai::bodies(), ollama::bodies(), llamacpp::bodies()].concat()
}

/// What must hold of these bodies beside, by path: of each list one.
fn conditions() -> Vec<(&'static str, parameters::Conditions)> {
    [openai::conditions(), ollama::conditions(), llamacpp::conditions()].concat()
}

/// Adds the bodies of requests, from the tables that they are read against.
struct Requests;

impl Modify for Requests {
    fn modify(&self, document: &mut openapi::OpenApi) {
        for (path, table) in bodies() {
            let operation = document
                .paths
                .paths
                .get_mut(path)
                .and_then(|item| item.post.as_mut().or(item.delete.as_mut()));
            let own = Dialect::of(path) == Dialect::Own;
            let among = conditions().into_iter().find(|(of, _)| *of == path).map_or(&[][..], |(_, all)| all);
            let schema = match own {
                true => parameters::schema_of_known(table),
                false => parameters::schema_where(table, among),
            };
            let schema = serde_json::from_value::<RefOr<Schema>>(schema).ok();
            if let Some(operation) = operation {
                let content = ContentBuilder::new().schema(schema).build();
                let body = RequestBodyBuilder::new().content("application/json", content);
                operation.request_body = Some(RefOr::T(body.required(Some(Required::True)).build()));
                if STREAMED.contains(&path) {
                    add_stream(operation);
                }
            }
        }
    }
}

/// Where `stream` has the answer come as events. Ollama's lines are described beside their routes.
const STREAMED: [&str; 6] =
    ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses", "/completion", "/infill"];

fn add_stream(operation: &mut Operation) {
    if let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200") {
        let events = text().description(Some("Server-sent events, where `stream` is true."));
        let content = ContentBuilder::new().schema(Some(events.build())).build();
        answer.content.insert("text/event-stream".to_owned(), RefOr::T(content));
    }
}

/// Adds to every operation the refusals that it can give, and the headers that all answers carry.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, document: &mut openapi::OpenApi) {
        document.info.license = None;
        document.info.contact = None;
        let components = document.components.get_or_insert_default();
        for (name, schema) in failures() {
            components.schemas.insert(name.to_owned(), RefOr::T(Schema::from(schema)));
        }
        for dialect in [Dialect::Own, Dialect::OpenAi, Dialect::Anthropic, Dialect::Ollama, Dialect::LlamaCpp]
        {
            for kind in Kind::ALL {
                components.responses.insert(refusal_name(dialect, kind), RefOr::T(refusal(dialect, kind)));
            }
        }
        let schemes = [("bearer", bearer()), ("x-api-key", bare_key("x-api-key"))];
        components.security_schemes.extend(schemes.map(|(name, scheme)| (name.to_owned(), RefOr::T(scheme))));
        for (path, item) in &mut document.paths.paths {
            let operations = [&mut item.get, &mut item.post, &mut item.delete];
            for (at, operation) in operations.into_iter().enumerate() {
                if let Some(operation) = operation {
                    add_refusals(path, at == 1, operation);
                    drop_unnamed(operation);
                }
            }
        }
    }
}

fn add_refusals(path: &str, uploads: bool, operation: &mut Operation) {
    let mut kinds = vec![
        Kind::BadParameter,
        Kind::ForeignHost,
        Kind::TargetTooLong,
        Kind::HeadersTooLarge,
        Kind::Internal,
        Kind::Busy,
    ];
    if !Settings::default().open_paths.iter().any(|open| open == path) {
        kinds.extend([Kind::Unauthorized, Kind::WrongKeys]);
        operation.security = Some(ways_in());
    }
    if path.contains('{') || pages(operation) {
        kinds.push(Kind::NotFound);
    }
    if ["/search", "/facets", "/suggestions"].iter().any(|end| path.ends_with(end)) {
        kinds.push(Kind::RateLimited);
    }
    let dialect = Dialect::of(path);
    if dialect != Dialect::Own {
        kinds.extend([Kind::NotFound, Kind::TooLarge, Kind::MediaType, Kind::Unprocessable]);
        kinds.extend([Kind::QueueFull, Kind::Elsewhere]);
    } else if path.ends_with("/ask") {
        kinds.extend([Kind::QueueFull, Kind::Elsewhere]);
    } else if uploads {
        kinds.extend([Kind::UploadStalled, Kind::TooLarge, Kind::MediaType, Kind::Unprocessable]);
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.headers.insert("x-request-id".to_owned(), RefOr::T(id_header()));
            response.headers.insert("x-correlation-id".to_owned(), RefOr::T(correlation_header()));
        }
    }
    for kind in kinds {
        let status = kind.parts().0;
        let response = Ref::new(format!("#/components/responses/{}", refusal_name(dialect, kind)));
        operation.responses.responses.insert(status.as_str().to_owned(), RefOr::Ref(response));
    }
}

/// Says whether an operation answers page by page: a cursor of another list is not found.
fn pages(operation: &Operation) -> bool {
    let named = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(one) if one.name == "cursor");
    operation.parameters.iter().flatten().any(named)
}

/// None, where no key exists; or one of the headers that can carry one.
fn ways_in() -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    vec![
        SecurityRequirement::default(),
        SecurityRequirement::new("bearer", none),
        SecurityRequirement::new("x-api-key", none),
    ]
}

fn bearer() -> SecurityScheme {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A key that `athenaeum keys add` made; asked for as soon as there is one."));
    SecurityScheme::Http(scheme.build())
}

fn bare_key(header: &str) -> SecurityScheme {
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
        header,
        "The same, as Anthropic's clients send it.",
    )))
}

fn refusal_name(dialect: Dialect, kind: Kind) -> String {
    let name = kind.parts().1;
    match dialect {
        Dialect::Own => name.to_owned(),
        Dialect::OpenAi => format!("openai.{name}"),
        Dialect::Anthropic => format!("anthropic.{name}"),
        Dialect::Ollama => format!("ollama.{name}"),
        Dialect::LlamaCpp => format!("llamacpp.{name}"),
    }
}

fn refusal(dialect: Dialect, kind: Kind) -> openapi::Response {
    let description = match kind {
        Kind::ForeignHost => "The request was sent to another name, or comes from another site.".to_owned(),
        kind => format!("{}.", kind.parts().2),
    };
    let mut response = ResponseBuilder::new()
        .description(description)
        .content(if dialect == Dialect::Own { PROBLEM } else { "application/json" }, failure_content(dialect))
        .header("x-request-id", id_header())
        .header("x-correlation-id", correlation_header());
    if matches!(
        kind,
        Kind::Busy | Kind::TimedOut | Kind::RateLimited | Kind::QueueFull | Kind::NoRoom | Kind::WrongKeys
    ) {
        response = response.header("retry-after", seconds_header());
    }
    if kind == Kind::Unauthorized {
        let how = HeaderBuilder::new().schema(Some(text().build())).description(Some("How to show a key."));
        response = response.header("www-authenticate", how.build());
    }
    response.build()
}

/// The macro sees a path's parameter a second time, in the function's own; that one has no description.
fn drop_unnamed(operation: &mut Operation) {
    if let Some(parameters) = &mut operation.parameters {
        parameters.retain(|parameter| match parameter {
            RefOr::T(parameter) => parameter.description.is_some(),
            RefOr::Ref(_) => true,
        });
    }
}

fn failure_content(dialect: Dialect) -> Content {
    let schema = match dialect {
        Dialect::Own => "Problem",
        Dialect::OpenAi => "openai.Failure",
        Dialect::Anthropic => "anthropic.Failure",
        Dialect::Ollama => "ollama.Failure",
        Dialect::LlamaCpp => "llamacpp.Failure",
    };
    ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name(schema)))).build()
}

/// What failures look like in the dialects of others.
fn failures() -> [(&'static str, ObjectBuilder); 4] {
    let wrapped = |error: ObjectBuilder| ObjectBuilder::new().property("error", error).required("error");
    let said = || {
        let object = ObjectBuilder::new().property("message", text()).property("type", text());
        object.required("message").required("type")
    };
    let anthropic = wrapped(said()).property("type", text().enum_values(Some(["error"]))).required("type");
    [
        ("openai.Failure", wrapped(said().required("param").required("code"))),
        ("anthropic.Failure", anthropic),
        ("ollama.Failure", ObjectBuilder::new().property("error", text()).required("error")),
        ("llamacpp.Failure", wrapped(said().required("code"))),
    ]
}

fn seconds_header() -> openapi::Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build()))
        .description(Some("Seconds until it is worth trying again."))
        .build()
}

fn id_header() -> openapi::Header {
    HeaderBuilder::new()
        .schema(Some(text().build()))
        .description(Some("Finds the request in the server's log; a sane one that the client sent is kept."))
        .build()
}

fn correlation_header() -> openapi::Header {
    let about = "What the client does several things under, where it sent that: x-correlation-id, or the trace id of \
                 traceparent. It stands in the server's log as well.";
    HeaderBuilder::new().schema(Some(text().build())).description(Some(about)).build()
}

const PROBLEM: &str = "application/problem+json";

macro_rules! described {
    ($($(#[doc = $doc:literal])* $name:ident: $schema:expr;)*) => {
        $(
            $(#[doc = $doc])*
            pub(crate) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    RefOr::T(Schema::from($schema))
                }
            }

            impl ToSchema for $name {}
        )*
    };
}

described! {
    /// A provider's name.
    ProviderName: text().pattern(Some("^[A-Za-z0-9._-]{1,32}$"));
    /// What a message can have.
    FlagName: text().enum_values(Some(["code", "attachment", "tool"]));
    /// Order of hits.
    SortName: text().enum_values(Some(["relevance", "recent"]));
    /// Which way round a list is.
    DirectionName: text().enum_values(Some(["asc", "desc"]));
    /// Form of an export.
    FormatName: text().enum_values(Some(["md", "json", "text"]));
    /// Where to look.
    PlaceName: text().enum_values(Some(search::PLACES.iter().copied()));
    /// How to look.
    ModeName: text().enum_values(Some(search::MODES.iter().copied()));
    /// How readily a memory is found; `found` is hot and warm.
    TierName: text().enum_values(Some(["found", "hot", "warm", "cold", "all"]));
    /// What became of a file.
    StateName: text().enum_values(Some(["waiting", "kept", "failed", "skipped", "gone"]));
    /// An answer that says of every sentence what it rests on. It is what `/athenaeum/v1/verify` takes.
    AnswerObject: ObjectBuilder::new()
        .property("question", text().description(Some("What was asked.")))
        .property("kind", text().enum_values(Some(["extractive", "generated", "nothing"])).description(Some(
            "The best sentences word for word, written by a model, or nothing was found.",
        )))
        .property("model", text_or_null().description(Some("The model that wrote it.")))
        .property("created_at", text().description(Some("When: RFC 3339.")))
        .property("text", text().description(Some("The answer, with `[n]` behind what rests on passage n.")))
        .property("sentences", list_of(RefOr::T(answers::sentence()), "Its sentences, in order."))
        .property("citations", list_of(RefOr::T(answers::citation()), "What it rests on."))
        .required("question").required("kind").required("created_at").required("text").required("sentences")
        .required("citations");
    /// One event of an answer that comes.
    AnswerEvent: ObjectBuilder::new()
        .property("event", text().enum_values(Some(["citations", "delta", "answer", "failed"])).description(Some(
            "The last one is answer or failed.",
        )))
        .property("data", text().content_media_type("application/json").description(Some(
            "For citations an object with these; for delta one with `text`; for answer the answer; for failed a problem.",
        )))
        .required("event")
        .required("data");
    /// What came of checking an answer.
    VerificationObject: ObjectBuilder::new()
        .property("holds", ObjectBuilder::new().schema_type(Type::Boolean).description(Some(
            "Everything that can be checked without an archive holds.",
        )))
        .property("citations", list(
            "Objects with `number`, `verdict` (`holds`, `moved`, `missing`, `forged`, `unseen`) and `said`, for people.",
        ))
        .property("unsupported", list_of(
            RefOr::T(answers::count().into()),
            "Sentences that their passages do not bear out, by index.",
        ))
        .required("holds").required("citations").required("unsupported");
    /// One event of the library.
    LibraryEvent: ObjectBuilder::new()
        .property("event", text().enum_values(Some(["activity"])).description(Some("There is one kind.")))
        .property("data", text().content_media_type("application/json").description(Some(
            "What `activity` is in the description of the library.",
        )))
        .required("event")
        .required("data");
    /// A time as in the query language: a year, a month, a day, a moment, a word, or a time ago.
    Moment: AnyOfBuilder::new()
        .item(text().pattern(Some("^(19|20)[0-9]{2}(-(0[1-9]|1[0-2]))?$")))
        .item(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))))
        .item(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))))
        .item(text().pattern(Some("^(today|yesterday|(this|last)-(week|month|year)|[1-9][0-9]?[hdwmy])$")));
    /// A file's bytes.
    FileBody: file();
    /// A form with files.
    FormBody: ObjectBuilder::new()
        .property("file", file().description(Some("A file; the field may be repeated.")))
        .required("file")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    /// One event of a model that is fetched.
    PullEvent: ObjectBuilder::new()
        .property("event", text().enum_values(Some(["progress", "completed", "failed", "cancelled"])).description(Some(
            "All but progress are the last.",
        )))
        .property("data", text().content_media_type("application/json").description(Some(
            "The object that reading the pull gives.",
        )))
        .required("event")
        .required("data");
    /// One event of an import.
    ImportEvent: ObjectBuilder::new()
        .property("event", text().enum_values(Some(["progress", "completed", "failed"])).description(Some(
            "The last one is completed or failed.",
        )))
        .property("id", text().description(Some("A number that grows; `end` for the last event.")))
        .property("data", text().content_media_type("application/json").description(Some(
            "For progress, the object of that name; for completed, the report; for failed, error and report. With \
             `correlation_id`, where whoever began the import sent one.",
        )))
        .required("event")
        .required("data");
}

fn file() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary))).min_length(Some(1))
}

fn list_of(items: RefOr<Schema>, about: &str) -> openapi::schema::ArrayBuilder {
    openapi::schema::ArrayBuilder::new().items(items).description(Some(about))
}

fn list(about: &str) -> openapi::schema::ArrayBuilder {
    openapi::schema::ArrayBuilder::new().items(ObjectBuilder::new()).description(Some(about))
}

fn text_or_null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
