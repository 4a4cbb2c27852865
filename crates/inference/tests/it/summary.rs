use std::path::Path;

use athenaeum_inference::model::{self, Summary};

use crate::write::{Gguf, causes, safetensors};

#[test]
fn a_gguf_file_tells_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, Gguf::small().bytes()).unwrap();
    let model = model::open(&path).unwrap();
    insta::assert_json_snapshot!("summary_of_a_gguf_file", model.summary());
    is_read_back(&model.summary());
    insta::assert_json_snapshot!("metadata_as_json", model.metadata_json());
    let metadata: Vec<String> =
        model.metadata().into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
    insta::assert_snapshot!("metadata_to_read", metadata.join("\n"));
}

fn repository(folder: &Path) {
    let config = r#"{"architectures":["LlamaForCausalLM"],"max_position_embeddings":2048,"hidden_size":4,
        "num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,"vocab_size":3}"#;
    std::fs::write(folder.join("config.json"), config).unwrap();
    let one = r#"{"a":{"dtype":"BF16","shape":[3,4],"data_offsets":[0,24]}}"#;
    let two = r#"{"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    std::fs::write(folder.join("model-00001-of-00002.safetensors"), safetensors(one, 24)).unwrap();
    std::fs::write(folder.join("model-00002-of-00002.safetensors"), safetensors(two, 16)).unwrap();
    let index = r#"{"metadata":{"total_size":40},"weight_map":{
        "a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#;
    std::fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
    std::fs::write(folder.join("tokenizer.json"), r#"{"version":"1.0","model":{"type":"BPE","vocab":{}}}"#)
        .unwrap();
    let template =
        r#"{"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}"#;
    std::fs::write(folder.join("tokenizer_config.json"), template).unwrap();
}

#[test]
fn a_hugging_face_folder_tells_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path());
    let summary = model::open(folder.path()).unwrap().summary();
    insta::assert_json_snapshot!("summary_of_a_folder", summary);
    is_read_back(&summary);
}

/// What was written of a model is the same model once it is read.
fn is_read_back(summary: &Summary) {
    let json = serde_json::to_string(summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), *summary);
    assert!(serde_json::from_str::<Summary>(&json.replace("\"bytes\"", "\"octets\"")).is_err());
}

/// Changes one file of a repository; `None` removes it.
fn check(name: &str, content: Option<&str>, reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path());
    let path = folder.path().join(name);
    match content {
        Some(content) => std::fs::write(path, content).unwrap(),
        None => std::fs::remove_file(path).unwrap(),
    }
    let error = model::open(folder.path()).unwrap_err();
    let told = causes(&error);
    assert!(told.contains(reason), "expected '{reason}', was told '{told}'");
}

#[test]
fn folders_that_lack_something_are_refused() {
    const INDEX: &str = "model.safetensors.index.json";
    check("config.json", None, "there is no config.json");
    check("config.json", Some("{"), "config.json cannot be understood");
    check("tokenizer.json", Some("[1]"), "tokenizer.json cannot be understood");
    check("tokenizer_config.json", Some("nothing"), "tokenizer_config.json cannot be understood");
    check(INDEX, Some("{}"), "index.json cannot be understood");
    check("model-00002-of-00002.safetensors", None, "model-00002-of-00002.safetensors is missing");
    check("model-00002-of-00002.safetensors", Some("x"), "model-00002-of-00002.safetensors cannot be used");
    for name in ["../x.safetensors", "/etc/x.safetensors", "..\\\\x.safetensors", "a/b.safetensors", "passwd"]
    {
        check(INDEX, Some(&format!(r#"{{"weight_map":{{"a":"{name}"}}}}"#)), "no name of a file beside it");
    }
    let twice = r#"{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}"#;
    check(INDEX, Some(twice), "stands there twice");
    let elsewhere = r#"{"weight_map":{"a":"model-00002-of-00002.safetensors"}}"#;
    check(INDEX, Some(elsewhere), "\"a\" should be in model-00002-of-00002.safetensors, and is not");
    check(
        "model-00002-of-00002.safetensors",
        Some(
            &String::from_utf8(safetensors(r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 1))
                .unwrap(),
        ),
        "is in model-00001-of-00002.safetensors and in model-00002-of-00002.safetensors",
    );
}
