//! Where a model is computed: on the processor by our own kernels, or on a graphics processor by candle.
//!
//! [`backend`] makes what the engine computes with. All but [`Device::Processor`] are behind features of this crate, off
//! by default: `cuda`, `metal`, and `candle` for candle's own processor, on which the tests run.
//!
//! Models on a device are those of dense feed-forward parts; experts are refused when loading. Matrices stay quantized
//! there in the formats that candle knows, and become 16-bit floats in others. Keys and values lie there too, in pages
//! as on the processor, and are not kept on the disk.
//!
//! Sums on a device depend on what is computed together. So the same prompt need not give the same text to the last
//! word whatever runs beside it, as it does on the processor; where two tokens are as good as equal, either may come.

#[cfg(feature = "candle")]
mod candle;

use std::{fmt, sync::Arc};

use athenaeum_kernels::Format;

use crate::{
    decoder::Decoder,
    engine::{Backend, Cpu, UnfitFormat},
};

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor, by our own kernels.
    #[default]
    Processor,
    /// The processor, by candle: slower, and for tests.
    Candle,
    /// One of NVIDIA's graphics processors, by its number from 0.
    Cuda(usize),
    /// Apple's graphics processor.
    Metal,
}

/// Why a model cannot be computed on a device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program cannot do it.
    #[error(
        "{device} needs a program that was built with the feature {feature:?} (`cargo build --release --features \
         {feature}`); build it so, or compute on the processor"
    )]
    NotBuilt {
        /// What was asked for.
        device: Device,
        /// The feature of this crate.
        feature: &'static str,
    },
    /// The device is not there, or does not answer.
    #[error("{device} cannot be used")]
    Open {
        /// What was asked for.
        device: Device,
        /// What the system says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The model does not get there, most often for lack of memory.
    #[error("the model cannot be brought to {device}")]
    Load {
        /// What was asked for.
        device: Device,
        /// What the system says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The model has feed-forward parts of experts.
    #[error("models of experts are not computed on {device}; compute it on the processor")]
    Experts {
        /// What was asked for.
        device: Device,
    },
    /// Keys and values are not stored like that there.
    #[error("keys and values cannot be stored as {} on {device}; choose F16 or F32", format.name())]
    CacheFormat {
        /// What was asked for.
        device: Device,
        /// How they were to be stored.
        format: Format,
    },
    /// Keys and values cannot be stored like that.
    #[error(transparent)]
    UnfitFormat(#[from] UnfitFormat),
}

/// Brings a model to a device, with room for `pages` pages of keys and values. `threads` are those of the processor.
///
/// # Errors
///
/// If the program was not built for the device, it is not there, or the model or its cache cannot be computed on it.
pub fn backend(
    device: Device,
    decoder: Arc<Decoder>,
    format: Format,
    pages: usize,
    threads: usize,
) -> Result<Box<dyn Backend>, Error> {
    if device == Device::Processor {
        return Ok(Box::new(Cpu::new(decoder, format, pages, threads)?));
    }
    if let Some(feature) = device.missing_feature() {
        return Err(Error::NotBuilt { device, feature });
    }
    #[cfg(feature = "candle")]
    return Ok(Box::new(candle::Candle::load(device, decoder, format, pages)?));
    #[cfg(not(feature = "candle"))]
    Err(Error::NotBuilt { device, feature: "candle" })
}

impl Device {
    /// Says whether the program was built with what computes there.
    pub fn is_built(self) -> bool {
        self.missing_feature().is_none()
    }

    /// Returns the feature that the program would have to be built with.
    fn missing_feature(self) -> Option<&'static str> {
        let (feature, built) = match self {
            Self::Processor => return None,
            Self::Candle => ("candle", cfg!(feature = "candle")),
            Self::Cuda(_) => ("cuda", cfg!(feature = "cuda")),
            Self::Metal => ("metal", cfg!(feature = "metal")),
        };
        (!built).then_some(feature)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processor => f.write_str("the processor"),
            Self::Candle => f.write_str("the processor by candle"),
            Self::Cuda(number) => write!(f, "the CUDA device {number}"),
            Self::Metal => f.write_str("the Metal device"),
        }
    }
}
