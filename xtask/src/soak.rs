use crate::shell::run;

/// Keep the small model busy for an hour, and fail if anything is held or has grown at the end.
#[derive(clap::Args)]
pub(crate) struct Soak {
    /// For how long; the first twelfth is for warming up.
    #[arg(long, default_value = "60")]
    minutes: String,
}

impl Soak {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let program = ["--package", "athenaeum-inference", "--example", "soak", "--", &self.minutes];
        run("cargo", &[&["run", "--profile", "profiling"], program.as_slice()].concat())
    }
}
