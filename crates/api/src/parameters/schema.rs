use serde_json::{Map, Value, json};

use super::{Holds, Parameter, Standing, Takes};

/// Describes a table as a JSON schema of the body.
fn schema(table: &[Parameter]) -> Value {
    let mut properties = Map::new();
    for row in table {
        let mut property = of(row.takes);
        let about = match row.standing {
            Standing::NoEffect(reason) => format!("Accepted without effect: {reason}."),
            Standing::Only(values, reason) => {
                format!("Takes effect as {} only: {reason}.", values.join(", "))
            }
            _ => row.about.to_owned(),
        };
        if let Some(property) = property.as_object_mut() {
            property.insert("description".to_owned(), about.into());
        }
        let required = matches!(row.standing, Standing::Required);
        let property = match (required, row.takes) {
            (true, Takes::Any) => without_null(property),
            (true, _) => property,
            (false, _) => or_null(property),
        };
        properties.insert(row.name.to_owned(), property);
    }
    let required: Vec<&str> =
        table.iter().filter(|row| matches!(row.standing, Standing::Required)).map(|row| row.name).collect();
    let mut object = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// The same for a body whose unknown parameters are refused.
pub(crate) fn schema_of_known(table: &[Parameter]) -> Value {
    let mut schema = schema(table);
    schema["additionalProperties"] = false.into();
    schema
}

/// The same for a body of which, of each of these lists, one holds.
pub(crate) fn schema_where(table: &[Parameter], conditions: &[&[Holds]]) -> Value {
    if conditions.is_empty() {
        return schema(table);
    }
    let any = |conditions: &&[Holds]| {
        let conditions = conditions.iter().map(|condition| condition_of(table, *condition));
        json!({ "anyOf": conditions.collect::<Vec<_>>() })
    };
    let all: Vec<Value> = std::iter::once(schema(table)).chain(conditions.iter().map(any)).collect();
    json!({ "allOf": all })
}

fn condition_of(table: &[Parameter], condition: Holds) -> Value {
    let (name, property) = match condition {
        Holds::Fits(name, takes) => {
            return json!({ "type": "object", "properties": { name: or_null(of(*takes)) } });
        }
        Holds::Lacks(name) => {
            return json!({ "type": "object", "properties": { name: { "type": "null" } } });
        }
        // Without the `null` that stands for leaving out.
        Holds::Has(name) => {
            (name, table.iter().find(|row| row.name == name).map_or(json!({}), |row| of(row.takes)))
        }
        Holds::Says(name, text) => (name, json!({ "type": "string", "enum": [text] })),
    };
    json!({ "type": "object", "properties": { name: property }, "required": [name] })
}

/// What must be there is anything but `null`.
fn without_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
    }
    schema
}

/// Leaving out and `null` are the same.
fn or_null(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").and_then(Value::as_str).map(str::to_owned) {
        if let Some(names) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            names.push(Value::Null);
        }
        schema["type"] = json!([kind, "null"]);
    } else if let Some(choices) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        choices.push(json!({ "type": "null" }));
    }
    schema
}

fn of(takes: Takes) -> Value {
    match takes {
        Takes::Bool => json!({ "type": "boolean" }),
        Takes::Integer(min, max) => {
            let mut schema = json!({ "type": "integer" });
            if min != i64::MIN {
                schema["minimum"] = min.into();
            }
            if max != i64::MAX {
                schema["maximum"] = max.into();
            }
            schema
        }
        Takes::Number(min, max) => {
            let mut schema = json!({ "type": "number" });
            if min > f64::MIN {
                schema["minimum"] = min.into();
            }
            if max < f64::MAX {
                schema["maximum"] = max.into();
            }
            schema
        }
        Takes::Text(max) => {
            let mut schema = json!({ "type": "string" });
            // Bytes, not characters: a text within this many characters may still be too long.
            if max < 1 << 20 {
                schema["maxLength"] = max.into();
            }
            schema
        }
        Takes::Like(max, pattern, _) => json!({ "type": "string", "maxLength": max, "pattern": pattern }),
        Takes::OneOf(names) => json!({ "type": "string", "enum": names }),
        Takes::List(element, max) => json!({ "type": "array", "items": of(*element), "maxItems": max }),
        Takes::Object(table) => schema(table),
        Takes::ObjectWhere(table, conditions) => schema_where(table, conditions),
        Takes::Filled(takes) => {
            let mut schema = of(*takes);
            if schema["type"] == "array" {
                schema["minItems"] = 1.into();
            } else {
                schema["minLength"] = 1.into();
                schema["pattern"] = r"\S".into();
            }
            schema
        }
        Takes::Map(value) => json!({ "type": "object", "additionalProperties": of(*value) }),
        Takes::Either(choices) => {
            let choices: Vec<Value> = choices.iter().map(|choice| of(*choice)).collect();
            json!({ "anyOf": choices })
        }
        // utoipa reads no schema without a type.
        Takes::Any => json!({ "type": ["object", "array", "string", "number", "boolean", "null"] }),
    }
}
