//! Measures.
#[derive(clap::Args)]
/// Measure import, search, size, memory and start-up; beside the neighbour where there is one.
pub(crate) struct Bench {}
impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        Ok(())
    }
}
