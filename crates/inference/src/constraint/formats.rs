//! Formats of strings whose own definition is stricter than the library's.

/// An exact expression for a format that the library takes too much for; [`Some`] of nothing where it takes the right
/// thing, [`None`] for formats that are not kept.
///
/// Leap seconds are never written, which is allowed; the 29th of February only in leap years.
pub(super) fn expression(format: &str) -> Option<Option<String>> {
    let date = date();
    let time =
        r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
    match format {
        "date" => Some(Some(format!("^({date})$"))),
        "time" => Some(Some(format!("^({time})$"))),
        "date-time" => Some(Some(format!("^({date})T({time})$"))),
        "duration" | "ipv4" | "ipv6" | "uuid" | "email" | "hostname" | "uri" => Some(None),
        _ => None,
    }
}

fn date() -> String {
    let leap = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)";
    let long = "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])";
    let short = "(0[469]|11)-(0[1-9]|[12][0-9]|30)";
    let february = "02-(0[1-9]|1[0-9]|2[0-8])";
    format!("[0-9]{{4}}-({long}|{short}|{february})|{leap}-02-29")
}
