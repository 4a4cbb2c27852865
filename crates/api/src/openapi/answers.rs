//! What an answer holds, as `/athenaeum/v1/ask` gives it and `/athenaeum/v1/verify` takes it.

use utoipa::{
    Number,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{AllOfBuilder, ArrayBuilder, OneOfBuilder, SchemaType, Type},
    },
};

use super::text;

/// A sentence of an answer.
pub(super) fn sentence() -> Schema {
    let object = ObjectBuilder::new()
        .property("range", range("Bytes of the answer's text."))
        .property(
            "citations",
            list(whole(0_usize, u32::MAX as usize)).description(Some("The passages that it names.")),
        )
        .property(
            "supported",
            ObjectBuilder::new()
                .schema_type(Type::Boolean)
                .description(Some("Whether the words of these passages bear it out.")),
        );
    object.required("range").required("citations").required("supported").into()
}

/// A passage that an answer rests on.
pub(super) fn citation() -> Schema {
    let common = ObjectBuilder::new()
        .property("number", whole(0_usize, u32::MAX as usize).description(Some("From 1; what `[n]` names.")))
        .property("title", optional("Title of document or conversation."))
        .property("text", text().description(Some("The passage to the letter.")))
        .property("text_blake3", text().description(Some("BLAKE3 of the passage, in hexadecimal digits.")))
        .required("number")
        .required("text")
        .required("text_blake3");
    let place = OneOfBuilder::new().item(document()).item(message());
    AllOfBuilder::new().item(common).item(place).into()
}

fn document() -> ObjectBuilder {
    ObjectBuilder::new()
        .property("origin", text().enum_values(Some(["document"])))
        .property("document_id", text().description(Some("The document.")))
        .property("chunk_ids", list(text()).description(Some("The chunks that it is made of.")))
        .property("path", optional("A file that holds it."))
        .property("format", text().description(Some("Name of its format.")))
        .property("place", optional("Where in the document, for people: `page 3`."))
        .property("text_range", range("Bytes of the document's text."))
        .property("source_range", range_or_null("Bytes of the source, where that is text."))
        .property(
            "source_blake3",
            text().description(Some("BLAKE3 of the whole source, in hexadecimal digits.")),
        )
        .property("source_bytes", count().description(Some("Length of the source.")))
        .required("origin")
        .required("document_id")
        .required("chunk_ids")
        .required("format")
        .required("text_range")
        .required("source_blake3")
        .required("source_bytes")
}

fn message() -> ObjectBuilder {
    ObjectBuilder::new()
        .property("origin", text().enum_values(Some(["message"])))
        .property("conversation_id", text().description(Some("The conversation.")))
        .property("message_id", whole(isize::MIN, isize::MAX).description(Some("The message.")))
        .property("role", text().description(Some("Who spoke.")))
        .property("created_at", optional("When: RFC 3339."))
        .property("text_range", range("Bytes of the message."))
        .required("origin")
        .required("conversation_id")
        .required("message_id")
        .required("role")
        .required("text_range")
}

fn range(about: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .property("start", count())
        .property("end", count())
        .required("start")
        .required("end")
        .description(Some(about))
}

fn range_or_null(about: &str) -> ObjectBuilder {
    range(about).schema_type(SchemaType::Array(vec![Type::Object, Type::Null]))
}

/// A length, a place or a number of something, from 0.
pub(super) fn count() -> ObjectBuilder {
    whole(0_usize, usize::MAX)
}

fn whole(min: impl Into<Number>, max: impl Into<Number>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(min)).maximum(Some(max))
}

fn optional(about: &str) -> ObjectBuilder {
    super::text_or_null().description(Some(about))
}

fn list(of: impl Into<RefOr<Schema>>) -> ArrayBuilder {
    ArrayBuilder::new().items(of.into())
}
