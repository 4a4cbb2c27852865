//! What this machine can do, and what of it to use.
//!
//! ```
//! use athenaeum_hardware::{Backends, Overrides, probe, propose};
//!
//! let report = probe();
//! let plan = propose(&report, &Overrides::default(), Backends::default());
//! assert!(plan.threads.value >= 1);
//! println!("{} threads, because {}", plan.threads.value, plan.threads.reason);
//! ```
//!
//! [`probe`] looks at processors, caches, memory, limits and GPUs and returns a [`Report`]; [`propose`] makes a
//! [`Plan`] of it, each part with its reason, under the person's [`Overrides`]. [`Probe`] looks at a tree of files
//! that stands in for `/proc` and `/sys`, as tests need it.
//!
//! On Linux the report comes from `/proc` and `/sys`, elsewhere from `sysinfo`, which knows less. Looking costs some
//! milliseconds, and seconds at worst where a GPU's driver must wake up, so callers keep the report.
//!
//! **Invariants:** what cannot be found out is unknown with a reason, never an error or a panic; no file is read
//! beyond a limit of bytes, and no process runs beyond a limit of time; nothing runs before somebody asks.

mod bounded;
#[cfg(any(test, not(target_os = "linux")))]
mod elsewhere;
mod features;
mod gap;
mod linux;
mod nvidia;
mod overrides;
mod plan;
mod probe;
mod process;
mod report;

pub use overrides::{Device, Kernel, NotKnown, Overrides};
pub use plan::{Backends, Choice, Plan, Source, propose};
pub use probe::{Probe, probe};
pub use process::resident_bytes;
pub use report::{Cache, CacheKind, Cpu, Gpu, Memory, NumaNode, Report, Unknown, Vendor};
