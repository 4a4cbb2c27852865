use serde_json::{Map, Value as Json};

/// Brings a checkpoint's `config.json` into the one shape that is read: what it leaves out is what transformers takes
/// for granted, and positions are told as they were before `rope_parameters` (transformers 5), which may tell them by
/// kind of layer.
pub(super) fn classic(config: &Json, defaults: &[(&str, f64)]) -> Json {
    let mut classic: Map<String, Json> = config.as_object().cloned().unwrap_or_default();
    let parameters = config.get("rope_parameters").filter(|parameters| parameters.is_object());
    let whole = parameters.map(|parameters| parameters.get("full_attention").unwrap_or(parameters));
    let limited = parameters.and_then(|parameters| parameters.get("sliding_attention"));
    let mut put = |name: &str, value: Option<&Json>| {
        let there = classic.get(name).is_some_and(|value| !value.is_null());
        if let (false, Some(value)) = (there, value) {
            classic.insert(name.to_owned(), value.clone());
        }
    };
    put("rope_scaling", whole);
    put("rope_theta", whole.and_then(|whole| whole.get("rope_theta")));
    put("partial_rotary_factor", whole.and_then(|whole| whole.get("partial_rotary_factor")));
    put("rope_local_base_freq", limited.and_then(|limited| limited.get("rope_theta")));
    // What is null is not left out.
    for (name, default) in defaults {
        classic.entry(*name).or_insert_with(|| (*default).into());
    }
    Json::Object(classic)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::classic;

    #[test]
    fn shapes_of_configurations() {
        let defaults = [("head_dim", 256.0), ("sliding_window", 4096.0)];
        let check = |config, expected| assert_eq!(classic(&config, &defaults), expected);
        check(json!({}), json!({ "head_dim": 256.0, "sliding_window": 4096.0 }));
        check(
            json!({ "head_dim": 64, "sliding_window": null }),
            json!({ "head_dim": 64, "sliding_window": null }),
        );
        let scaled = json!({ "rope_type": "linear", "factor": 8.0, "rope_theta": 1e6 });
        let expected = |parameters| {
            json!({
                "head_dim": 64, "sliding_window": 8, "rope_theta": 1e6, "rope_scaling": scaled,
                "rope_parameters": parameters,
            })
        };
        check(
            json!({ "head_dim": 64, "sliding_window": 8, "rope_scaling": null, "rope_parameters": scaled }),
            expected(scaled.clone()),
        );
        let by_layer = json!({ "full_attention": scaled, "sliding_attention": { "rope_type": "default", "rope_theta": 1e4 } });
        let mut with_local = expected(by_layer.clone());
        with_local["rope_local_base_freq"] = json!(1e4);
        check(json!({ "head_dim": 64, "sliding_window": 8, "rope_parameters": by_layer }), with_local);
    }
}
