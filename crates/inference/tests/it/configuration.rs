//! What a model says of itself and cannot be.

use std::path::Path;

use athenaeum_inference::{
    decoder::Config,
    model::{self, gguf},
};
use serde_json::{Value as Json, json};

fn tiny(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models").join(name)
}

/// Changes one field of a folder's `config.json`; `null` removes it.
fn check(field: &str, value: Json, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    for file in ["model.safetensors", "config.json", "tokenizer.json"] {
        std::fs::copy(tiny("tiny").join(file), folder.path().join(file)).unwrap();
    }
    let path = folder.path().join("config.json");
    let mut config: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let fields = config.as_object_mut().unwrap();
    if value.is_null() {
        fields.remove(field)
    } else {
        fields.insert(field.to_owned(), value)
    };
    std::fs::write(&path, config.to_string()).unwrap();
    let told = match Config::of(&model::open(folder.path()).unwrap()) {
        Ok(_) => "sound".to_owned(),
        Err(error) => error.to_string(),
    };
    assert!(told.contains(expected), "{field}: {told}");
}

#[test]
fn folders_are_refused_by_the_name_of_the_field() {
    check("bos_token_id", Json::Null, "sound");
    for field in
        ["hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings", "vocab_size"]
    {
        check(field, Json::Null, &format!("lacks \"{field}\""));
        check(field, json!(-1), &format!("{field:?} is -1"));
        check(field, json!(1.5), &format!("{field:?} is 1.5"));
        check(field, json!(1e300), &format!("{field:?} is 1"));
    }
    check("head_dim", json!(33), "\"attention.key_length\" is 33");
    check("num_key_value_heads", json!(3), "\"attention.head_count_kv\" is 3");
    check("rope_scaling", json!({"rope_type": "spiral", "factor": 2.0}), "spiral");
    check("model_type", json!("mamba"), "\"mamba\" is not computed");
    check("model_type", Json::Null, "does not say of which architecture");
}

#[test]
fn files_are_refused_by_the_name_of_the_key() {
    let told = |key: &str, value: gguf::Value| {
        let bytes = std::fs::read(tiny("tiny.gguf")).unwrap();
        let file = gguf::File::from_bytes(&bytes).unwrap();
        let writer = file.metadata.iter().filter(|(known, _)| *known != key);
        let writer = writer.fold(gguf::Writer::new(), |writer, (key, value)| writer.set(key, value));
        let mut changed = Vec::new();
        writer.set(key, &value).write(&mut changed).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changed.gguf");
        std::fs::write(&path, changed).unwrap();
        Config::of(&model::open(&path).unwrap()).unwrap_err().to_string()
    };
    for key in ["embedding_length", "block_count", "attention.head_count", "context_length"] {
        let zero = told(&format!("llama.{key}"), gguf::Value::Unsigned(0));
        assert!(zero.contains(&format!("lacks {key:?}")), "{zero}");
        let odd = told(&format!("llama.{key}"), gguf::Value::Float(0.5));
        assert!(odd.contains(&format!("{key:?} is 0.5")), "{odd}");
    }
}
