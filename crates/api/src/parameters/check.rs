use serde_json::{Map, Value};

use super::{Holds, Parameter, Standing, Takes, Warning};
use crate::problem::Problem;

/// Holds an object against its table. `path` is what stands before its parameters' names.
pub(super) fn object(
    path: &str,
    object: &Map<String, Value>,
    table: &[Parameter],
    warnings: &mut Vec<Warning>,
) -> Result<(), Problem> {
    let absent = |parameter: &&Parameter| object.get(parameter.name).is_none_or(Value::is_null);
    if let Some(missing) =
        table.iter().filter(|parameter| matches!(parameter.standing, Standing::Required)).find(absent)
    {
        return Err(Problem::missing_parameter(&format!("{path}{}", missing.name), accepted(missing.takes)));
    }
    for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        let at = format!("{path}{name}");
        let Some(parameter) = table.iter().find(|parameter| parameter.name == name) else {
            warn(warnings, &at, "it is not known here");
            continue;
        };
        check(&at, value, parameter.takes, warnings)?;
        match parameter.standing {
            Standing::Honoured | Standing::Required => {}
            Standing::NoEffect(reason) => warn(warnings, &at, reason),
            Standing::Only(values, reason) => {
                let same =
                    |text: &&str| serde_json::from_str::<Value>(text).is_ok_and(|known| known == *value);
                if !values.iter().any(same) {
                    warn(warnings, &at, reason);
                }
            }
        }
    }
    Ok(())
}

/// A request of a thousand messages with an unknown field each is told of it a few times, and that there are more.
fn warn(warnings: &mut Vec<Warning>, parameter: &str, reason: &str) {
    const WARNINGS_MAX: usize = 32;
    if warnings.len() < WARNINGS_MAX {
        warnings.push(Warning { parameter: shortened(parameter), reason: reason.to_owned() });
    } else if warnings.len() == WARNINGS_MAX {
        warnings.push(Warning { parameter: "…".to_owned(), reason: "there are more of these".to_owned() });
    }
}

fn check(at: &str, value: &Value, takes: Takes, warnings: &mut Vec<Warning>) -> Result<(), Problem> {
    let right = match (takes, value) {
        (Takes::Any, _) | (Takes::Bool, Value::Bool(_)) => true,
        (Takes::Integer(min, max), Value::Number(_)) => {
            integer(value).is_some_and(|number| (min..=max).contains(&number))
        }
        (Takes::Number(min, max), Value::Number(number)) => {
            number.as_f64().is_some_and(|number| (min..=max).contains(&number))
        }
        (Takes::Text(max) | Takes::Like(max, ..), Value::String(text)) => text.len() <= max,
        (Takes::OneOf(names), Value::String(text)) => names.contains(&text.as_str()),
        (Takes::List(of, max), Value::Array(elements)) if elements.len() <= max => {
            for (index, element) in elements.iter().enumerate() {
                check(&format!("{at}[{index}]"), element, *of, warnings)?;
            }
            true
        }
        (Takes::Object(table), Value::Object(fields)) => {
            object(&format!("{at}."), fields, table, warnings)?;
            true
        }
        (Takes::ObjectWhere(table, conditions), Value::Object(fields)) => {
            object(&format!("{at}."), fields, table, warnings)?;
            conditions.iter().try_for_each(|conditions| one_holds(at, fields, table, conditions))?;
            true
        }
        (Takes::Map(of), Value::Object(fields)) => {
            for (name, value) in fields {
                check(&format!("{at}.{name}"), value, *of, warnings)?;
            }
            true
        }
        (Takes::Filled(of), value) => {
            check(at, value, *of, warnings)?;
            true
        }
        (Takes::Either(choices), value) => {
            let Some(choice) = choices.iter().find(|choice| has_type(**choice, value)) else {
                return Err(Problem::parameter(&shortened(at), accepted(takes)));
            };
            check(at, value, *choice, warnings)?;
            true
        }
        _ => false,
    };
    if right { Ok(()) } else { Err(Problem::parameter(&shortened(at), accepted(takes))) }
}

/// What is missing is named by the first parameter that would do.
fn one_holds(
    at: &str,
    fields: &Map<String, Value>,
    table: &[Parameter],
    conditions: &[Holds],
) -> Result<(), Problem> {
    let holds = |condition: &Holds| match *condition {
        Holds::Has(name) => fields.get(name).is_some_and(|value| !value.is_null()),
        Holds::Says(name, text) => fields.get(name).is_some_and(|value| value == text),
        Holds::Fits(..) | Holds::Lacks(_) => true,
    };
    let wanted = conditions.iter().find_map(|condition| match condition {
        Holds::Has(name) => table.iter().find(|row| row.name == *name),
        Holds::Says(..) | Holds::Fits(..) | Holds::Lacks(_) => None,
    });
    match wanted {
        Some(wanted) if !conditions.iter().any(holds) => {
            let name = shortened(&format!("{at}.{}", wanted.name));
            Err(Problem::missing_parameter(&name, accepted(wanted.takes)))
        }
        _ => Ok(()),
    }
}

fn has_type(takes: Takes, value: &Value) -> bool {
    match takes {
        Takes::Any => true,
        Takes::Bool => value.is_boolean(),
        Takes::Integer(..) | Takes::Number(..) => value.is_number(),
        Takes::Text(_) | Takes::Like(..) | Takes::OneOf(_) => value.is_string(),
        Takes::List(of, _) => {
            // Lists of different things are told apart by their first element.
            value.as_array().is_some_and(|elements| elements.first().is_none_or(|first| has_type(*of, first)))
        }
        Takes::Filled(of) => has_type(*of, value),
        Takes::Object(_) | Takes::ObjectWhere(..) | Takes::Map(_) => value.is_object(),
        Takes::Either(choices) => choices.iter().any(|choice| has_type(*choice, value)),
    }
}

/// A whole number, however it is written: many clients write `100.0`.
pub(super) fn integer(value: &Value) -> Option<i64> {
    /// Up to here every whole number has a place of its own among the floating-point ones.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= EXACT)?;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
        Some(number as i64)
    })
}

/// What a parameter accepts, in words that follow "accepts".
pub(super) fn accepted(takes: Takes) -> String {
    match takes {
        Takes::Bool => "true or false".to_owned(),
        Takes::Integer(min, i64::MAX) => format!("a whole number from {min} up"),
        Takes::Integer(i64::MIN, max) => format!("a whole number up to {max}"),
        Takes::Integer(min, max) => format!("a whole number from {min} to {max}"),
        Takes::Number(min, max) => match (min == f64::MIN, max == f64::MAX) {
            (true, true) => "a number".to_owned(),
            (true, false) => format!("a number up to {max}"),
            (false, true) => format!("a number from {min} up"),
            (false, false) => format!("a number from {min} to {max}"),
        },
        Takes::Text(usize::MAX) => "text".to_owned(),
        Takes::Text(max) => format!("text of at most {max} bytes"),
        Takes::Like(max, _, words) => format!("{words}, in at most {max} bytes"),
        Takes::OneOf(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            names.join(" or ")
        }
        Takes::List(of, max) if max >= 1 << 20 => format!("a list, each element {}", accepted(*of)),
        Takes::List(of, max) => format!("a list of at most {max}, each element {}", accepted(*of)),
        Takes::Filled(of) => accepted(*of),
        Takes::Object(table) | Takes::ObjectWhere(table, _) => {
            let required = table.iter().filter(|row| matches!(row.standing, Standing::Required));
            let names: Vec<&str> = required.map(|row| row.name).collect();
            if names.is_empty() {
                "an object".to_owned()
            } else {
                format!("an object with {}", names.join(", "))
            }
        }
        Takes::Map(of) => format!("an object, each value {}", accepted(*of)),
        Takes::Either(choices) => {
            let choices: Vec<String> = choices.iter().map(|choice| accepted(*choice)).collect();
            choices.join(", or ")
        }
        Takes::Any => "any value".to_owned(),
    }
}

fn shortened(path: &str) -> String {
    path.chars().take(96).collect()
}
