//! Texts in, vectors out: what is added, cut off, pooled and refused.

use std::{fs, path::Path};

use athenaeum_inference::{
    cache::{Cache, Page},
    decoder::{Decoder, Row, Want},
    embedder::{Embedder, Embedding, Error, LoadError, Norm, Options, Truncate, UsePrompt},
    encoder::{Encoder, Input, Pooling, Work},
    kernels::{Format, Pool},
    model::{self, safetensors::Dtype},
    synthetic,
    tokenizer::{Special, Tokenizer},
    weights::Access,
};
use serde_json::{Value as Json, json};

use crate::encoder::models::{self, Recipe};

const TEXT: &str = "w7 w8 w9";

#[test]
fn a_vector_is_the_average_of_a_texts_tokens_with_those_around_it() {
    for kind in ["folder", "gguf"] {
        let folder = tempfile::tempdir().unwrap();
        let path = written("bert", kind, folder.path());
        let model = model::open(&path).unwrap();
        let [ours] = embed(&path, &[TEXT], &Options::default()).unwrap().try_into().unwrap();
        assert_eq!((ours.tokens, ours.cut_tokens), (5, 0));

        let encoder = Encoder::load(&model, Access::Read).unwrap();
        let input = Input::from(&[2, 7, 8, 9, 3][..]);
        let mut work = Work::default();
        let hidden = encoder.forward(&[input], &mut work, &Pool::new(1));
        let mut mean = vec![0.0; encoder.config().width];
        Pooling::Mean.apply(hidden, &mut mean);
        assert!((cosine(&mean, &ours.vector) - 1.0).abs() < 1e-6, "{kind}");
        assert!((length(&ours.vector) - 1.0).abs() < 1e-6, "{kind}");

        let raw = Options { norm: Some(Norm::None), ..Options::default() };
        assert_eq!(embed(&path, &[TEXT], &raw).unwrap()[0].vector, mean, "{kind}");
    }
}

#[test]
fn a_text_has_the_same_vector_among_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = written("nomic-bert", "gguf", folder.path());
    let long = "w20 ".repeat(40);
    // More than is computed at once.
    let mut texts = vec![long.as_str(); 60];
    texts.extend([TEXT, "", "w11"]);
    let all = embed(&path, &texts, &Options::default()).unwrap();
    for (text, embedding) in texts.iter().zip(&all).skip(59) {
        assert_eq!(embed(&path, &[text], &Options::default()).unwrap()[0], *embedding, "{text:?}");
    }
}

#[test]
fn a_decoder_gives_its_last_token() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = synthetic::find("qwen3").unwrap();
    synthetic::folder(recipe, Dtype::F32, folder.path()).unwrap();
    let model = model::open(folder.path()).unwrap();
    let (pool, options) = (Pool::new(2), Options { norm: Some(Norm::None), ..Options::default() });
    let embedder = Embedder::load(&model, Access::Read).unwrap();
    assert_eq!(embedder.settings().pooling, Pooling::Last);
    let texts = ["a text", "and a much longer text, of more than one page ".repeat(4).leak(), "b"];
    let together = embedder.embed(&texts, &options, &pool).unwrap();

    let tokenizer = Tokenizer::of(&model).unwrap();
    let decoder = Decoder::load(&model, Access::Read, 512).unwrap();
    for (text, embedding) in texts.iter().zip(&together) {
        let mut tokens = tokenizer.encode(text, Special::Text);
        tokens.splice(0..0, tokenizer.bos().filter(|_| tokenizer.adds_bos()));
        tokens.extend(tokenizer.eos().filter(|_| tokenizer.adds_eos()));
        assert_eq!(embedding.tokens, tokens.len());
        let pages: Vec<Page> = (0..16).map(Page).collect();
        let mut cache = Cache::new(decoder.cache_shape(Format::F32), 16).unwrap();
        let row = |(position, token): (usize, &u32)| Row {
            token: *token,
            position: position as u32,
            sequence: 0,
            want: if position + 1 == tokens.len() { Want::Hidden } else { Want::Nothing },
        };
        let rows: Vec<Row> = tokens.iter().enumerate().map(row).collect();
        let mut work = athenaeum_inference::decoder::Work::default();
        let output = decoder.forward(&rows, &[&pages], &mut cache, &mut work, &pool);
        assert_eq!(embedding.vector, output.hidden, "{text:?}");
    }
}

#[test]
fn fewer_dimensions_are_the_first_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = written("bert", "folder", folder.path());
    let whole = embed(&path, &[TEXT], &Options::default()).unwrap();
    let with = |dimensions| Options { dimensions: Some(dimensions), ..Options::default() };
    let part = embed(&path, &[TEXT], &with(16)).unwrap();
    assert!((length(&part[0].vector) - 1.0).abs() < 1e-6);
    assert!((cosine(&whole[0].vector[..16], &part[0].vector) - 1.0).abs() < 1e-6);
    for asked in [0, 65] {
        let refused = embed(&path, &[TEXT], &with(asked)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("vectors of this model have 1 to 64 dimensions, not {asked}")
        );
    }
}

#[test]
fn what_is_cut_off_is_told_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = written("bert", "folder", folder.path());
    let long = "w7 ".repeat(60);
    let embedding = &embed(&path, &[TEXT, &long], &Options::default()).unwrap()[1];
    assert_eq!((embedding.tokens, embedding.cut_tokens), (48, 14));
    let exact = embed(&path, &["w7 ".repeat(46).as_str()], &Options::default()).unwrap();
    assert_eq!((exact[0].tokens, exact[0].cut_tokens), (48, 0));
    assert_eq!(embedding.vector, exact[0].vector);

    let refuse = Options { truncate: Truncate::Refuse, ..Options::default() };
    let refused = embed(&path, &[TEXT, &long], &refuse).unwrap_err();
    assert!(matches!(refused, Error::TooLong { index: 1, tokens: 62, tokens_max: 48 }), "{refused}");
}

#[test]
fn files_of_sentence_transformers_are_heeded() {
    let folder = tempfile::tempdir().unwrap();
    let path = written("bert", "folder", folder.path());
    put(
        &path,
        "1_Pooling/config.json",
        &json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}),
    );
    put(
        &path,
        "modules.json",
        &json!([
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ]),
    );
    put(&path, "sentence_bert_config.json", &json!({"max_seq_length": 8, "do_lower_case": false}));
    put(
        &path,
        "config_sentence_transformers.json",
        &json!({"prompts": {"query": "w30 w31 ", "passage": ""}, "default_prompt_name": "query"}),
    );

    let embedder = load(&path).unwrap();
    let settings = embedder.settings();
    assert_eq!((settings.pooling, settings.normalises, settings.tokens_max), (Pooling::First, false, 8));
    let embed = |text: &str, prompt| {
        let options = Options { prompt, ..Options::default() };
        embedder.embed(&[text], &options, &Pool::new(1))
    };
    let usual = embed("w7", UsePrompt::Usual).unwrap();
    assert_eq!(usual, embed("w7", UsePrompt::Named("query".to_owned())).unwrap());
    assert_eq!(usual, embed("w7", UsePrompt::Text("w30 w31 ".to_owned())).unwrap());
    assert_eq!(usual, embed("w30 w31 w7", UsePrompt::None).unwrap());
    assert_ne!(usual, embed("w7", UsePrompt::Named("passage".to_owned())).unwrap());
    assert!((length(&usual[0].vector) - 1.0).abs() > 1e-3, "nothing asks for length 1");
    let unknown = embed("w7", UsePrompt::Named("title".to_owned())).unwrap_err();
    assert_eq!(unknown.to_string(), "the model has no prompt called \"title\"; it has passage, query");
    let too_much = embed("w7", UsePrompt::Text("w7 ".repeat(9))).unwrap_err();
    assert!(matches!(too_much, Error::NoRoom { tokens: 9, tokens_max: 6, .. }), "{too_much}");
}

#[test]
fn what_cannot_be_honoured_is_refused_when_loading() {
    let folder = tempfile::tempdir().unwrap();
    let path = written("bert", "folder", folder.path());
    put(&path, "modules.json", &json!([{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]));
    check_refused(
        &path,
        "the model asks for the module \"Dense\" of sentence-transformers, which is not computed",
    );
    put(
        &path,
        "modules.json",
        &json!([{"path": "../1_Pooling", "type": "sentence_transformers.models.Pooling"}]),
    );
    check_refused(
        &path,
        "the model asks for pooling as described in \"../1_Pooling\", which is not computed",
    );
    put(&path, "modules.json", &json!([{"path": "1_Pooling", "type": "x.Pooling"}]));
    put(
        &path,
        "1_Pooling/config.json",
        &json!({"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true}),
    );
    check_refused(&path, "the model asks for several ways of pooling side by side, which is not computed");

    let scores = written("xlm-roberta-scores", "gguf", folder.path());
    check_refused(&scores, "the model scores pairs of texts and makes no vectors; use it to rerank");
}

fn check_refused(path: &Path, expected: &str) {
    assert_eq!(load(path).unwrap_err().to_string(), expected);
}

/// Writes a synthetic model as either kind of file, and returns where it is.
pub(crate) fn written(name: &str, kind: &str, folder: &Path) -> std::path::PathBuf {
    let recipe: &Recipe = models::ALL.iter().find(|recipe| recipe.name == name).unwrap();
    let path = folder.join(format!("{name}.{kind}"));
    match kind {
        "gguf" => fs::write(&path, recipe.gguf().unwrap()).unwrap(),
        _ => recipe.folder(&path).unwrap(),
    }
    path
}

fn load(path: &Path) -> Result<Embedder, LoadError> {
    Embedder::load(&model::open(path).unwrap(), Access::Read)
}

fn embed(path: &Path, texts: &[&str], options: &Options) -> Result<Vec<Embedding>, Error> {
    load(path).unwrap().embed(texts, options, &Pool::new(2))
}

fn put(folder: &Path, name: &str, json: &Json) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, json.to_string()).unwrap();
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / length(a) / length(b)
}
