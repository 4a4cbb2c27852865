//! Encoders of every family, against golden values and against themselves.

pub(crate) mod models;

use athenaeum_inference::{
    encoder::{Encoder, Input, Work},
    kernels::Pool,
    model,
    weights::Access,
};
use models::{Recipe, texts};
use serde_json::Value as Json;

#[test]
fn a_text_is_the_same_in_any_batch_and_on_any_number_of_threads() {
    for recipe in models::ALL {
        for (kind, encoder) in both(recipe) {
            let texts = texts();
            let (together, alone) = (Pool::new(3), Pool::new(1));
            let all = vectors(&encoder, &texts, &together);
            let one_by_one: Vec<f32> =
                texts.iter().flat_map(|text| vectors(&encoder, std::slice::from_ref(text), &alone)).collect();
            assert!(all.iter().all(|number| number.is_finite()), "{} as {kind}", recipe.name);
            assert_eq!(bits(&all), bits(&one_by_one), "{} as {kind}", recipe.name);
        }
    }
}

#[test]
fn every_family_computes_what_the_references_compute() {
    let golden: Json = serde_json::from_str(include_str!("../golden/encoders.json")).unwrap();
    for recipe in models::ALL {
        for (kind, encoder) in both(recipe) {
            for (reference, values) in golden["models"][recipe.name].as_object().unwrap() {
                // llama.cpp takes an approximation for GELU, in 16 bits; transformers sums up in another order.
                let approximate = reference == "llama.cpp" && recipe.name != "nomic-bert";
                let tolerance = if approximate { 3e-3 } else { 2e-5 };
                let what = format!("{} as {kind}, as {reference} has it", recipe.name);
                check_golden(&encoder, &golden["dims"], values, tolerance, &what);
            }
        }
    }
}

fn check_golden(encoder: &Encoder, dims: &Json, values: &Json, tolerance: f64, what: &str) {
    let pool = Pool::new(2);
    let width = encoder.config().width;
    for (text, golden) in texts().iter().zip(values.as_array().unwrap()) {
        let close = |ours: f32, golden: &Json, what: &str| {
            let (ours, golden) = (f64::from(ours), golden.as_f64().unwrap());
            assert!((ours - golden).abs() <= tolerance, "{what}: {ours} instead of {golden}");
        };
        let ours = vectors(encoder, std::slice::from_ref(text), &pool);
        for (place, numbers) in
            golden["places"].as_array().unwrap().iter().zip(golden["numbers"].as_array().unwrap())
        {
            let place = place.as_u64().unwrap() as usize;
            for (dim, number) in dims.as_array().unwrap().iter().zip(numbers.as_array().unwrap()) {
                let number_of_ours = ours[place * width + dim.as_u64().unwrap() as usize];
                close(number_of_ours, number, &format!("{what}, token {place} of {}", text.len()));
            }
        }
        let mean = ours.iter().map(|number| number * number).sum::<f32>() / ours.len() as f32;
        close(mean.sqrt(), &golden["root_mean_square"], what);
        for (key, second_from) in [("score", text.len()), ("pair_score", text.len() / 2)] {
            if let Some(score) = golden.get(key) {
                let input = Input { second_from, ..Input::from(&text[..]) };
                let ours = encoder.scores(&[input], &mut Work::default(), &pool)[0];
                close(ours, score, &format!("{what}, the {key} of {} tokens", text.len()));
            }
        }
    }
}

#[test]
fn both_kinds_of_file_give_the_same() {
    for recipe in models::ALL {
        let encoders = both(recipe);
        let [(_, checkpoint), (_, gguf)] = encoders.as_slice() else { continue };
        let pool = Pool::new(2);
        let [ours, theirs] = [gguf, checkpoint].map(|encoder| vectors(encoder, &texts(), &pool));
        assert_eq!(bits(&ours), bits(&theirs), "{}", recipe.name);
        let [ours, theirs] = [gguf, checkpoint].map(|encoder| scores(encoder, &texts(), &pool));
        assert_eq!(bits(&ours), bits(&theirs), "{}", recipe.name);
        assert_eq!(!ours.is_empty(), recipe.has_head());
    }
}

/// Loads a model from each kind of file that it can be written as.
fn both(recipe: &Recipe) -> Vec<(&'static str, Encoder)> {
    let folder = tempfile::tempdir().unwrap();
    let mut encoders = Vec::new();
    let mut load = |kind, path: &std::path::Path| {
        let model = model::open(path).unwrap();
        encoders.push((kind, Encoder::load(&model, Access::Read).unwrap()));
    };
    if recipe.has_checkpoint() {
        recipe.folder(folder.path()).unwrap();
        load("a folder", folder.path());
    }
    if !recipe.gguf.is_empty() {
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, recipe.gguf().unwrap()).unwrap();
        load("a GGUF file", &path);
    }
    encoders
}

fn vectors(encoder: &Encoder, texts: &[Vec<u32>], pool: &Pool) -> Vec<f32> {
    encoder.forward(&inputs(texts), &mut Work::default(), pool).to_vec()
}

fn scores(encoder: &Encoder, texts: &[Vec<u32>], pool: &Pool) -> Vec<f32> {
    encoder.scores(&inputs(texts), &mut Work::default(), pool).to_vec()
}

fn inputs(texts: &[Vec<u32>]) -> Vec<Input<'_>> {
    texts.iter().map(|text| Input::from(&text[..])).collect()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}
