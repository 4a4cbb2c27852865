use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What the person wants instead of what would be proposed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Threads that compute. 0 to 1024; 0 proposes.
    pub threads: u32,
    /// What computes; `auto` proposes.
    #[serde(with = "auto")]
    pub device: Option<Device>,
    /// Family of kernels; `auto` proposes.
    #[serde(with = "auto")]
    pub kernel: Option<Kernel>,
    /// Mebibytes that models may take. 0 to 16777216; 0 proposes.
    pub memory_budget_mib: u64,
}

/// What computes: `cpu`, `cuda` with a GPU's number (`cuda:1`; `cuda` is the first), `metal`, or `candle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU, by the number that its driver gives it.
    Cuda(u32),
    /// Apple's GPU.
    Metal,
    /// The processor, by candle instead of our own kernels: slower, to try what GPUs are given.
    Candle,
}

/// A family of kernels: the instruction sets that they are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Plain code for any processor.
    Scalar,
    /// 128-bit vectors.
    Sse41,
    /// 256-bit vectors with fused multiplication.
    Avx2,
    /// 256-bit vectors with dot products of bytes.
    AvxVnni,
    /// 512-bit vectors.
    Avx512,
    /// 512-bit vectors with dot products of bytes.
    Avx512Vnni,
    /// 128-bit vectors.
    Neon,
    /// 128-bit vectors with dot products of bytes.
    NeonDotprod,
    /// 128-bit vectors with products of byte matrices.
    NeonI8mm,
}

/// A name that names no such thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is none of {accepted}")]
pub struct NotKnown {
    /// What was given.
    pub name: String,
    /// What can be given.
    pub accepted: &'static str,
}

impl Kernel {
    /// All families, from the one that every processor runs to the fastest of each architecture.
    pub const ALL: [Self; 9] = [
        Self::Scalar,
        Self::Sse41,
        Self::Avx2,
        Self::AvxVnni,
        Self::Avx512,
        Self::Avx512Vnni,
        Self::Neon,
        Self::NeonDotprod,
        Self::NeonI8mm,
    ];

    /// Returns its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Sse41 => "sse4.1",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512 => "avx512",
            Self::Avx512Vnni => "avx512-vnni",
            Self::Neon => "neon",
            Self::NeonDotprod => "neon-dotprod",
            Self::NeonI8mm => "neon-i8mm",
        }
    }

    /// Returns the features that a processor must have to run it.
    pub fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Scalar => &[],
            Self::Sse41 => &["sse4_1"],
            Self::Avx2 => &["avx2", "fma", "f16c"],
            Self::AvxVnni => &["avx2", "fma", "f16c", "avx_vnni"],
            Self::Avx512 => &["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq"],
            Self::Avx512Vnni => {
                &["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni"]
            }
            Self::Neon => &["neon"],
            Self::NeonDotprod => &["neon", "dotprod"],
            Self::NeonI8mm => &["neon", "dotprod", "i8mm"],
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kernel {
    type Err = NotKnown;

    fn from_str(name: &str) -> Result<Self, NotKnown> {
        let known = Self::ALL.into_iter().find(|kernel| kernel.as_str() == name);
        known.ok_or_else(|| NotKnown {
            name: name.chars().take(64).collect(),
            accepted: "auto, scalar, sse4.1, avx2, avx-vnni, avx512, avx512-vnni, neon, neon-dotprod, neon-i8mm",
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Metal => f.write_str("metal"),
            Self::Candle => f.write_str("candle"),
        }
    }
}

impl FromStr for Device {
    type Err = NotKnown;

    fn from_str(name: &str) -> Result<Self, NotKnown> {
        let index = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|index| plain && *index < GPUS_MAX)
        };
        let known = match name {
            "cpu" => Some(Self::Cpu),
            "metal" => Some(Self::Metal),
            "candle" => Some(Self::Candle),
            "cuda" => Some(Self::Cuda(0)),
            name => name.strip_prefix("cuda:").and_then(index).map(Self::Cuda),
        };
        known.ok_or_else(|| NotKnown {
            name: name.chars().take(64).collect(),
            accepted: "auto, cpu, cuda, cuda:0 to cuda:63, metal, candle",
        })
    }
}

/// GPUs that one machine can have, as far as names for them go.
const GPUS_MAX: u32 = 64;

/// Reads and writes `auto` for what is not set.
mod auto {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_str("auto"),
        }
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(from)?;
        if text == "auto" { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, expected: Result<&str, &str>| {
            let device = name.parse::<Device>().map(|device| device.to_string());
            let kernel = name.parse::<Kernel>().map(|kernel| kernel.to_string());
            match (device.or(kernel), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (found, _) => panic!("{name}: {found:?}"),
            }
        };
        check("cpu", Ok("cpu"));
        check("cuda", Ok("cuda:0"));
        check("cuda:3", Ok("cuda:3"));
        check("metal", Ok("metal"));
        check("candle", Ok("candle"));
        check("cuda:64", Err("none of auto, scalar"));
        check("cuda:+1", Err("'cuda:+1'"));
        check("cuda:", Err("'cuda:'"));
        check("CPU", Err("'CPU'"));
        for kernel in Kernel::ALL {
            check(kernel.as_str(), Ok(kernel.as_str()));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = "threads = 0\ndevice = \"auto\"\nkernel = \"auto\"\nmemory_budget_mib = 0\n";
        assert_eq!(toml::to_string(&Overrides::default()).unwrap(), written);
        assert_eq!(toml::from_str::<Overrides>(written).unwrap(), Overrides::default());
        let set = written.replacen("auto", "cuda:1", 1).replacen("auto", "avx512-vnni", 1);
        let read: Overrides = toml::from_str(&set).unwrap();
        assert_eq!((read.device, read.kernel), (Some(Device::Cuda(1)), Some(Kernel::Avx512Vnni)));
        assert_eq!(toml::to_string(&read).unwrap(), set);
        let error = toml::from_str::<Overrides>(&written.replacen("auto", "gpu", 1)).unwrap_err().to_string();
        assert!(error.contains("'gpu' is none of auto, cpu"), "{error}");
    }
}
