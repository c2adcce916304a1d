//! `deploy`
use std::error::Error;
use std::process::ExitCode;
/// Deploy.
#[derive(clap::Args)]
pub struct Deploy {}
impl Deploy {
    /// Deploys.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        Ok(ExitCode::SUCCESS)
    }
}
