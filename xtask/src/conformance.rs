//! Other people's files: each must import with the counts that a reader of the file expects.
#[derive(clap::Args)]
/// Run other people's files through the parsers and compare with what a reader of them expects.
pub(crate) struct Conformance {}
impl Conformance {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        Ok(())
    }
}
