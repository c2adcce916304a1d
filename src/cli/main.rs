//! The command-line tool: what an operator or a developer does from a terminal. It is built from the
//! same crate as the worker, so that both agree on every name.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod app;
mod auto_deployments;
mod builds;
mod chain;
mod check;
mod correction;
mod dead_letters;
mod deliver;
mod deliveries;
mod deploy;
mod dev_vars;
mod explain;
mod gate;
mod github;
mod link;
mod local;
mod secret;
mod signed;
mod steps;
mod sweep;
mod target;
mod triggers;
mod unlink;
mod wrangler;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The gate between GitHub and a container build service.
#[derive(Parser)]
#[command(name = "buildgate", bin_name = "cargo run --", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Link(Box<link::Link>),
    Unlink(Box<unlink::Unlink>),
    Check(Box<check::Check>),
    App(app::App),
    Deploy(Box<deploy::Deploy>),
    Deliver(deliver::Deliver),
    Deliveries(deliveries::Deliveries),
    DeadLetters(dead_letters::DeadLetters),
    AutoDeployments(auto_deployments::AutoDeployments),
    Builds(builds::Builds),
    Sweep(sweep::Sweep),
    Explain(explain::Explain),
    Secret(secret::Secret),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Link(link) => link.run(),
        Command::Unlink(unlink) => unlink.run(),
        Command::Check(check) => check.run(),
        Command::App(app) => app.run(),
        Command::Deploy(deploy) => deploy.run(),
        Command::Deliver(deliver) => deliver.run(),
        Command::Deliveries(deliveries) => deliveries.run(),
        Command::DeadLetters(dead_letters) => dead_letters.run(),
        Command::AutoDeployments(auto_deployments) => auto_deployments.run(),
        Command::Builds(builds) => builds.run(),
        Command::Sweep(sweep) => sweep.run(),
        Command::Explain(explain) => explain.run(),
        Command::Secret(secret) => secret.run(),
    };
    match result {
        Ok(exit_code) => exit_code,
        Err(error) => {
            local::complain(error);
            ExitCode::from(2)
        }
    }
}
