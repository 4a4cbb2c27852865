use std::{path::PathBuf, time::Duration};

use crate::report::{Memory, Report};

/// Looks at this machine. Blocks for some milliseconds; where a GPU's driver must be asked, for up to five seconds.
pub fn probe() -> Report {
    Probe::default().look()
}

/// Where to look and how long.
#[derive(Debug, Clone)]
pub struct Probe {
    /// What stands for `/`: the files of Linux are sought under it.
    pub root: PathBuf,
    /// The program that knows NVIDIA's GPUs; run only where their driver is there.
    pub nvidia_smi: PathBuf,
    /// How long that program may take.
    pub time_limit: Duration,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/"),
            nvidia_smi: PathBuf::from("nvidia-smi"),
            time_limit: Duration::from_secs(5),
        }
    }
}

impl Probe {
    /// Looks, and says of each thing that it cannot find out why. Blocks.
    pub fn look(&self) -> Report {
        #[cfg(not(target_os = "linux"))]
        if self.root == std::path::Path::new("/") {
            return crate::elsewhere::look(self);
        }
        crate::linux::look(self)
    }

    /// Looks at memory and its limits alone, which takes less than a millisecond on Linux and is cheap enough to be done
    /// every now and then. Blocks.
    pub fn memory(&self) -> Memory {
        #[cfg(not(target_os = "linux"))]
        if self.root == std::path::Path::new("/") {
            return crate::elsewhere::memory().unwrap_or_default();
        }
        crate::linux::memory(self)
    }
}
