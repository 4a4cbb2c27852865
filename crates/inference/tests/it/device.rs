#[cfg(feature = "candle")]
mod candle;

use std::sync::Arc;

use athenaeum_inference::{
    decoder::Decoder,
    device::{self, Device, Error},
    kernels::Format,
    model, synthetic,
    weights::Access,
};

const CONTEXT: usize = 512;

/// The file of a model of random weights.
fn file(recipe: &str, storage: &str) -> Vec<u8> {
    let (_, storage) = synthetic::STORAGES.iter().find(|(name, _)| *name == storage).unwrap();
    synthetic::gguf(synthetic::find(recipe).unwrap(), *storage).unwrap()
}

fn decoder(file: &[u8]) -> Arc<Decoder> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    std::fs::write(&path, file).unwrap();
    Arc::new(Decoder::load(&model::open(&path).unwrap(), Access::Read, CONTEXT).unwrap())
}

#[test]
fn a_device_that_the_program_was_not_built_for_is_refused_by_the_feature_it_lacks() {
    for (device, feature, built) in [
        (Device::Candle, "candle", cfg!(feature = "candle")),
        (Device::Cuda(0), "cuda", cfg!(feature = "cuda")),
        (Device::Metal, "metal", cfg!(feature = "metal")),
    ] {
        let refused = device::backend(device, decoder(&file("llama", "F32")), Format::F16, 4, 1).err();
        match refused {
            Some(error @ Error::NotBuilt { .. }) => {
                assert!(!built && error.to_string().contains(&format!("{feature:?}")), "{error}");
            }
            other => assert!(built, "{device}: {other:?}"),
        }
    }
}
