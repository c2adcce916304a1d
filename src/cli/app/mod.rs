//! `app`: the GitHub App that the gate is at GitHub.

mod check;
pub mod create;
mod loopback;
mod manifest;
mod store;

use std::error::Error;
use std::process::ExitCode;

use clap::{Args, Subcommand};

pub use check::set_hook_of_app;
use check::{Check, SetHook};
use create::Create;

/// Make the GitHub App that the gate is at GitHub, and look after it.
///
/// A gate that makes deployments has to be somebody at GitHub: an App, or else whoever has its GITHUB_TOKEN.
#[derive(Args)]
pub struct App {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Create(Box<Create>),
    Check(Check),
    SetHook(SetHook),
}

impl App {
    /// Does what is asked for.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        match self.action {
            Action::Create(create) => create.run(),
            Action::Check(check) => check.run(),
            Action::SetHook(set_hook) => set_hook.run(),
        }
    }
}
