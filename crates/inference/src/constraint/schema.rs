//! A JSON schema, read keyword by keyword before the library sees it.
//!
//! The library refuses most of what it cannot keep. Not all: it follows references without looking at `$id`, lets
//! some formats and patterns through that it reads more widely than their definitions, drops a keyword of an older
//! draft beside one of a newer, and takes options out of the schema itself. So this makes a schema of its own, of
//! keywords that are kept exactly and in an order that is read right, and refuses all others by name.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Error, at_most, formats, pattern};

/// The most schemas within a schema, references counted once.
const SCHEMAS_MAX: usize = 10_000;
/// How deep schemas may lie within each other, along references as well.
const DEPTH_MAX: usize = 128;
/// The most bytes of all names and values together.
const BYTES_MAX: usize = 1 << 20;
/// From here on integers are rounded where numbers are compared: what has become this one may have been the next.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The schema as the library is given it.
pub(super) fn prepared(schema: &Value) -> Result<Value, Error> {
    let bytes = weigh(schema, DEPTH_MAX)?;
    at_most("the schema in bytes", bytes, BYTES_MAX)?;
    let mut reader = Reader::new(schema);
    let root = reader.schema(schema, "#", 0)?;
    if let (Some(place), true) = (&reader.named_resource, reader.has_references) {
        let reason = "references beside it would have to be resolved against it".to_owned();
        return Err(Error::Unsupported { keyword: "$id".to_owned(), place: place.clone(), reason });
    }
    if let (Some((keyword, place)), true) = (&reader.beyond_zero, reader.has_fractions) {
        // As of 1.9.1 the library then takes 0 itself, too.
        let reason = "above or below 0 is not kept beside limits between -1 and 1".to_owned();
        return Err(Error::Unsupported { keyword: keyword.clone(), place: place.clone(), reason });
    }
    let mut root = match root {
        Value::Object(root) => root,
        Value::Bool(true) => Map::new(),
        _ => {
            let reason = "it holds nothing valid".to_owned();
            return Err(Error::Invalid { what: "the schema", reason });
        }
    };
    let definitions: Map<String, Value> =
        reader.definitions.into_iter().enumerate().map(|(index, schema)| (name_of(index), schema)).collect();
    if !definitions.is_empty() {
        root.insert("$defs".to_owned(), Value::Object(definitions));
    }
    root.insert("x-guidance".to_owned(), options());
    Ok(Value::Object(root))
}

/// How JSON is written. No `\u`: with it a key has several spellings, and one of them would come past what is said
/// of the key. Whitespace only so much that a model cannot write nothing else for ever.
fn options() -> Value {
    json!({ "json_allowed_escapes": "nrbtf\\\"", "whitespace_pattern": "\\x20|\\n[\\x20\\t]{0,40}" })
}

fn name_of(index: usize) -> String {
    format!("r{index}")
}

struct Reader<'s> {
    root: &'s Value,
    /// Read targets of references, by their order.
    definitions: Vec<Value>,
    /// Which target has which number, by the pointer to it.
    numbers: HashMap<String, usize>,
    anchors: HashMap<&'s str, &'s Value>,
    /// Whether an older draft is in force, where `items` beside `prefixItems` means something else.
    legacy: bool,
    schemas: usize,
    /// Where a schema below the root has a name of its own.
    named_resource: Option<String>,
    has_references: bool,
    /// Where a limit leaves 0 itself out, and by which keyword.
    beyond_zero: Option<(String, String)>,
    /// Whether a limit lies between -1 and 1, other than 0.
    has_fractions: bool,
}

impl<'s> Reader<'s> {
    fn new(root: &'s Value) -> Self {
        let draft = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
        let mut anchors = HashMap::new();
        find_anchors(root, &mut anchors);
        Self {
            root,
            definitions: Vec::new(),
            numbers: HashMap::new(),
            anchors,
            legacy: !draft.is_empty() && !draft.contains("2020-12"),
            schemas: 0,
            named_resource: None,
            has_references: false,
            beyond_zero: None,
            has_fractions: false,
        }
    }

    fn schema(&mut self, schema: &'s Value, place: &str, depth: usize) -> Result<Value, Error> {
        self.schemas += 1;
        at_most("the number of schemas in the schema", self.schemas, SCHEMAS_MAX)?;
        at_most("the depth of the schema", depth, DEPTH_MAX)?;
        let object = match schema {
            Value::Bool(_) => return Ok(schema.clone()),
            Value::Object(object) => object,
            _ => return invalid(place, "it is neither an object nor a truth value"),
        };
        let at = At { object, place, depth };
        self.refuse_unsupported(&at)?;
        // First what says something of the value itself, all together: the library reads keywords that belong
        // together right only where none of the others stands between them. Then those that bring in other schemas.
        let mut made = Map::new();
        plain(&at, &mut made)?;
        self.limits(&at, &made);
        self.strings(&at, &mut made)?;
        self.arrays(&at, &mut made)?;
        self.objects(&at, &mut made)?;
        self.others(&at, &mut made)?;
        Ok(Value::Object(made))
    }

    fn refuse_unsupported(&mut self, at: &At<'s, '_>) -> Result<(), Error> {
        if let Some(draft) = at.object.get("$schema") {
            if !draft.as_str().is_some_and(known_draft) {
                return at.unsupported("$schema", "it is none of the drafts 4, 6, 7, 2019-09 and 2020-12");
            }
            let legacy = !draft.as_str().unwrap_or_default().contains("2020-12");
            if legacy != self.legacy {
                return at.unsupported("$schema", "it is another draft than the root's");
            }
        }
        let named =
            |key: &str| at.object.get(key).and_then(Value::as_str).is_some_and(|id| !id.starts_with('#'));
        if at.depth > 0 && (named("$id") || named("id")) {
            self.named_resource.get_or_insert_with(|| at.place.to_owned());
        }
        for (keyword, value) in at.object {
            if let Some(reason) = refusal(keyword, value, at.object) {
                return at.unsupported(keyword, reason);
            }
        }
        Ok(())
    }

    /// Notes limits that do not go together, wherever in the schema they meet.
    fn limits(&mut self, at: &At<'s, '_>, made: &Map<String, Value>) {
        for keyword in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
            let Some(limit) = made.get(keyword).and_then(Value::as_f64) else { continue };
            self.has_fractions |= limit != 0.0 && limit.abs() < 1.0;
            if limit == 0.0 && keyword.starts_with("exclusive") {
                self.beyond_zero.get_or_insert_with(|| (keyword.to_owned(), at.place.to_owned()));
            }
        }
    }

    fn strings(&mut self, at: &At<'s, '_>, made: &mut Map<String, Value>) -> Result<(), Error> {
        let mut patterns = Vec::new();
        if let Some(value) = at.object.get("pattern") {
            let Some(text) = value.as_str() else { return at.invalid("`pattern` is no text") };
            patterns.push(pattern::translated(text).or_else(|reason| at.unsupported("pattern", reason))?);
        }
        // Formats say something of texts only, and are mere notes beside other types.
        if let Some(value) = at.object.get("format").filter(|_| at.may_be("string")) {
            let Some(format) = value.as_str() else { return at.invalid("`format` is no text") };
            match formats::expression(format) {
                None => return at.unsupported("format", format!("`{format}` is not known")),
                Some(None) => drop(made.insert("format".to_owned(), value.clone())),
                Some(Some(expression)) => patterns.push(
                    pattern::translated(&expression).or_else(|reason| at.unsupported("format", reason))?,
                ),
            }
        }
        let mut patterns = patterns.into_iter();
        if let Some(first) = patterns.next() {
            made.insert("pattern".to_owned(), first.into());
        }
        if let Some(second) = patterns.next() {
            made.insert("allOf".to_owned(), json!([{ "pattern": second }]));
        }
        Ok(())
    }

    /// Tuples have been spelled `items` and `additionalItems`, and now are `prefixItems` and `items`.
    fn arrays(&mut self, at: &At<'s, '_>, made: &mut Map<String, Value>) -> Result<(), Error> {
        let prefix = at.object.get("prefixItems");
        let (prefix, rest) = match (prefix, at.object.get("items")) {
            (Some(_), Some(Value::Array(_))) => {
                return at.invalid("`items` is a list beside `prefixItems`");
            }
            (Some(_), _) if self.legacy => {
                return at.unsupported("prefixItems", "the draft that `$schema` names does not know it");
            }
            (None, items @ Some(Value::Array(_))) => (items, at.object.get("additionalItems")),
            (prefix, items) => (prefix, items),
        };
        if let Some(prefix) = prefix {
            let list = self.list(at, "prefixItems", prefix)?;
            made.insert("prefixItems".to_owned(), list);
        }
        if let Some(rest) = rest {
            made.insert("items".to_owned(), self.below(at, "items", rest)?);
        }
        Ok(())
    }

    fn objects(&mut self, at: &At<'s, '_>, made: &mut Map<String, Value>) -> Result<(), Error> {
        if let Some(properties) = at.object.get("properties") {
            made.insert(
                "properties".to_owned(),
                self.table(at, "properties", properties, |name| Ok(name.to_owned()))?,
            );
        }
        if let Some(properties) = at.object.get("patternProperties") {
            let name = |text: &str| pattern::translated(text);
            made.insert(
                "patternProperties".to_owned(),
                self.table(at, "patternProperties", properties, name)?,
            );
        }
        if let Some(rest) = at.object.get("additionalProperties") {
            made.insert("additionalProperties".to_owned(), self.below(at, "additionalProperties", rest)?);
        }
        Ok(())
    }

    fn others(&mut self, at: &At<'s, '_>, made: &mut Map<String, Value>) -> Result<(), Error> {
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let Some(value) = at.object.get(keyword) else { continue };
            let Value::Array(list) = self.list(at, keyword, value)? else { continue };
            if list.is_empty() {
                return at.invalid(&format!("`{keyword}` is empty"));
            }
            // `allOf` may hold a format's expression already.
            match made.entry(keyword).or_insert_with(|| json!([])) {
                Value::Array(there) => there.extend(list),
                other => *other = Value::Array(list),
            }
        }
        if let Some(reference) = at.object.get("$ref") {
            let Some(reference) = reference.as_str() else { return at.invalid("`$ref` is no text") };
            made.insert("$ref".to_owned(), self.reference(at, reference)?.into());
        }
        Ok(())
    }

    /// Reads what a reference points to, once, and returns where it lies in the schema that is made.
    fn reference(&mut self, at: &At<'s, '_>, reference: &str) -> Result<String, Error> {
        self.has_references = true;
        let own = self.root.get("$id").or_else(|| self.root.get("id")).and_then(Value::as_str);
        let fragment = match (reference.strip_prefix('#'), own) {
            (Some(fragment), _) => fragment,
            (None, Some(own)) => match reference.strip_prefix(own.trim_end_matches('#')) {
                Some("") => "",
                Some(rest) if rest.starts_with('#') => &rest[1..],
                _ => return at.unsupported("$ref", format!("`{reference}` lies outside of the schema")),
            },
            (None, None) => {
                return at.unsupported("$ref", format!("`{reference}` lies outside of the schema"));
            }
        };
        let Some(fragment) = percent_decoded(fragment) else {
            return at.invalid(&format!("`$ref` `{reference}` is not escaped right"));
        };
        if let Some(&number) = self.numbers.get(&fragment) {
            return Ok(format!("#/$defs/{}", name_of(number)));
        }
        let target = if fragment.is_empty() || fragment.starts_with('/') {
            self.crossing_resources(&fragment);
            self.root.pointer(&fragment)
        } else {
            self.anchors.get(fragment.as_str()).copied()
        };
        let Some(target) = target else {
            return at.invalid(&format!("`$ref` `{reference}` points nowhere"));
        };
        // The number is taken before the target is read, which may point back here.
        let number = self.definitions.len();
        self.numbers.insert(fragment.clone(), number);
        self.definitions.push(Value::Null);
        let made = self.schema(target, &format!("#{fragment}"), at.depth + 1)?;
        self.definitions[number] = made;
        Ok(format!("#/$defs/{}", name_of(number)))
    }

    /// Notes where a pointer leads through a schema that has a name of its own.
    fn crossing_resources(&mut self, pointer: &str) {
        for (at, _) in pointer.match_indices('/').skip(1) {
            let passed = self.root.pointer(&pointer[..at]).and_then(|value| value.get("$id"));
            if passed.and_then(Value::as_str).is_some_and(|id| !id.starts_with('#')) {
                self.named_resource.get_or_insert_with(|| format!("#{}", &pointer[..at]));
            }
        }
    }

    fn below(&mut self, at: &At<'s, '_>, keyword: &str, schema: &'s Value) -> Result<Value, Error> {
        self.schema(schema, &format!("{}/{keyword}", at.place), at.depth + 1)
    }

    fn list(&mut self, at: &At<'s, '_>, keyword: &str, list: &'s Value) -> Result<Value, Error> {
        let Some(list) = list.as_array() else { return at.invalid(&format!("`{keyword}` is no list")) };
        let read = list.iter().enumerate().map(|(index, schema)| {
            self.schema(schema, &format!("{}/{keyword}/{index}", at.place), at.depth + 1)
        });
        Ok(Value::Array(read.collect::<Result<_, _>>()?))
    }

    fn table(
        &mut self,
        at: &At<'s, '_>,
        keyword: &str,
        table: &'s Value,
        name: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Value, Error> {
        let Some(table) = table.as_object() else { return at.invalid(&format!("`{keyword}` is no object")) };
        let mut made = Map::new();
        for (key, schema) in table {
            let name = name(key).or_else(|reason| at.unsupported(keyword, reason))?;
            let schema = self.schema(schema, &format!("{}/{keyword}/{key}", at.place), at.depth + 1)?;
            if made.insert(name, schema).is_some() {
                return at.unsupported(keyword, format!("`{key}` says the same as another"));
            }
        }
        Ok(Value::Object(made))
    }
}

/// A schema and where it lies.
struct At<'s, 'p> {
    object: &'s Map<String, Value>,
    place: &'p str,
    depth: usize,
}

impl At<'_, '_> {
    fn unsupported<T>(&self, keyword: &str, reason: impl Into<String>) -> Result<T, Error> {
        let (keyword, place) = (keyword.to_owned(), self.place.to_owned());
        Err(Error::Unsupported { keyword, place, reason: reason.into() })
    }

    fn invalid<T>(&self, reason: &str) -> Result<T, Error> {
        invalid(self.place, reason)
    }

    fn may_be(&self, kind: &str) -> bool {
        match self.object.get("type") {
            Some(Value::String(only)) => only == kind,
            Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
            _ => true,
        }
    }
}

fn invalid<T>(place: &str, reason: &str) -> Result<T, Error> {
    Err(Error::Invalid { what: "the schema", reason: format!("at {place}: {reason}") })
}

/// Keywords that hold plain values: each of them is checked and taken over.
fn plain(at: &At<'_, '_>, made: &mut Map<String, Value>) -> Result<(), Error> {
    for (keyword, value) in at.object {
        let value = match keyword.as_str() {
            "type" => kinds(at, value)?,
            "const" => constant(at, keyword, value).map(|()| value.clone())?,
            "enum" => match value.as_array() {
                Some(list) if !list.is_empty() => {
                    list.iter().try_for_each(|one| constant(at, keyword, one)).map(|()| value.clone())?
                }
                _ => return at.invalid("`enum` is no list of values"),
            },
            "minimum" | "maximum" | "multipleOf" => number(at, keyword, value)?,
            "exclusiveMinimum" | "exclusiveMaximum" if value.is_number() => number(at, keyword, value)?,
            // Draft 4 says so of the limit beside it.
            "exclusiveMinimum" | "exclusiveMaximum" => match value {
                Value::Bool(true) => {
                    let limit = if keyword == "exclusiveMinimum" { "minimum" } else { "maximum" };
                    let Some(limit) = at.object.get(limit) else { continue };
                    number(at, keyword, limit)?
                }
                Value::Bool(false) => continue,
                _ => return at.invalid(&format!("`{keyword}` is no number")),
            },
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
                count(at, keyword, value)?.into()
            }
            "required" => match value.as_array() {
                Some(names) if names.iter().all(Value::is_string) => value.clone(),
                _ => return at.invalid("`required` is no list of names"),
            },
            _ => continue,
        };
        made.insert(keyword.clone(), value);
    }
    // Nothing keeps a model from writing the same key twice, which makes one property of two.
    let required = at.object.get("required").and_then(Value::as_array).map_or(0, Vec::len);
    let least = made.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
    if least > required as u64 + 1 {
        return at.unsupported("minProperties", "it asks for more than one beyond those required");
    }
    Ok(())
}

fn kinds(at: &At<'_, '_>, value: &Value) -> Result<Value, Error> {
    let known = |kind: &Value| {
        let kinds = ["null", "boolean", "integer", "number", "string", "array", "object"];
        kind.as_str().is_some_and(|kind| kinds.contains(&kind))
    };
    let sound = match value {
        Value::Array(kinds) => !kinds.is_empty() && kinds.iter().all(known),
        one => known(one),
    };
    if sound { Ok(value.clone()) } else { at.invalid("`type` names none, or one that there is not") }
}

fn number(at: &At<'_, '_>, keyword: &str, value: &Value) -> Result<Value, Error> {
    let Some(number) = value.as_f64() else { return at.invalid(&format!("`{keyword}` is no number")) };
    if number.abs() >= EXACT_MAX {
        return at.unsupported(keyword, "numbers from 2^53 on are not compared exactly");
    }
    if keyword == "multipleOf" && number <= 0.0 {
        return at.invalid("`multipleOf` is not above 0");
    }
    Ok(value.clone())
}

fn count(at: &At<'_, '_>, keyword: &str, value: &Value) -> Result<u64, Error> {
    let whole = |number: f64| number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX);
    match value.as_f64() {
        Some(number) if whole(number) => Ok(number as u64),
        _ => at.invalid(&format!("`{keyword}` is no whole number from 0 to 4294967295")),
    }
}

/// Whether a constant can be written just so.
fn constant(at: &At<'_, '_>, keyword: &str, value: &Value) -> Result<(), Error> {
    let unwritable = |c: char| c.is_control() && c.is_ascii() && !"\u{8}\u{c}\n\r\t".contains(c);
    match value {
        Value::Number(_) => number(at, keyword, value).map(drop),
        Value::String(text) if text.contains(unwritable) => {
            at.unsupported(keyword, "it holds control characters, which are not written")
        }
        Value::Array(list) => list.iter().try_for_each(|one| constant(at, keyword, one)),
        Value::Object(table) => table.values().try_for_each(|one| constant(at, keyword, one)),
        _ => Ok(()),
    }
}

/// Why a keyword cannot be kept; [`None`] where it is kept, says nothing, or is unknown to every draft and so a note.
fn refusal(keyword: &str, value: &Value, beside: &Map<String, Value>) -> Option<&'static str> {
    let not_kept = Some("it is not kept while text is generated");
    let empty = || value.as_object().is_some_and(Map::is_empty);
    match keyword {
        "not" if *value == Value::Bool(false) => None,
        "uniqueItems" if *value == Value::Bool(false) => None,
        "unevaluatedItems" | "unevaluatedProperties" | "propertyNames" if *value == Value::Bool(true) => None,
        "dependentRequired" | "dependentSchemas" | "dependencies" if empty() => None,
        "if" if !beside.contains_key("then") && !beside.contains_key("else") => None,
        "not"
        | "uniqueItems"
        | "unevaluatedItems"
        | "unevaluatedProperties"
        | "propertyNames"
        | "dependentRequired"
        | "dependentSchemas"
        | "dependencies"
        | "if"
        | "contains"
        | "$dynamicRef"
        | "$recursiveRef"
        | "$dynamicAnchor"
        | "$recursiveAnchor"
        | "$vocabulary" => not_kept,
        "x-guidance" => Some("options of the library are not taken from a schema"),
        _ => None,
    }
}

fn known_draft(draft: &str) -> bool {
    matches!(
        draft.trim_end_matches('#'),
        "https://json-schema.org/draft/2020-12/schema"
            | "https://json-schema.org/draft/2019-09/schema"
            | "http://json-schema.org/draft-07/schema"
            | "http://json-schema.org/draft-06/schema"
            | "http://json-schema.org/draft-04/schema"
    )
}

/// Every `$anchor`, wherever it stands; of two with one name the later is left out, as is what lies in constants.
fn find_anchors<'s>(value: &'s Value, anchors: &mut HashMap<&'s str, &'s Value>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| find_anchors(value, anchors)),
        Value::Object(object) => {
            let name = object.get("$anchor").and_then(Value::as_str);
            let older = object.get("$id").and_then(Value::as_str).and_then(|id| id.strip_prefix('#'));
            if let Some(name) = name.or(older) {
                anchors.entry(name).or_insert(value);
            }
            let within =
                object.iter().filter(|(key, _)| !matches!(key.as_str(), "const" | "enum" | "default"));
            within.for_each(|(_, value)| find_anchors(value, anchors));
        }
        _ => {}
    }
}

/// Roughly the bytes that a value holds; refuses what is nested deeper than `left`.
fn weigh(value: &Value, left: usize) -> Result<usize, Error> {
    let Some(left) = left.checked_sub(1) else {
        return Err(Error::TooLarge {
            what: "the depth of the schema",
            got: DEPTH_MAX + 1,
            limit: DEPTH_MAX,
        });
    };
    Ok(match value {
        Value::String(text) => text.len() + 2,
        Value::Array(list) => list.iter().map(|value| weigh(value, left)).sum::<Result<usize, _>>()? + 2,
        Value::Object(table) => {
            let pairs = table.iter().map(|(key, value)| Ok(key.len() + 4 + weigh(value, left)?));
            pairs.sum::<Result<usize, Error>>()? + 2
        }
        _ => 8,
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        bytes.push((digit()? * 16 + digit()?) as u8);
    }
    String::from_utf8(bytes).ok()
}
