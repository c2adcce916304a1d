//! A stand-in for GitHub's REST API, to try `link`, `unlink` and `check` without GitHub: it has a few
//! repositories, keeps their webhooks in memory and really delivers their pings. It is the
//! one of the end-to-end tests.

#[path = "../tests/support/fixtures.rs"]
#[allow(dead_code)]
mod fixtures;
#[path = "../tests/support/github/mod.rs"]
#[allow(dead_code)]
mod github;

const ADDRESS: &str = "127.0.0.1:8789";

fn main() {
    if std::net::TcpStream::connect(ADDRESS).is_ok() {
        eprintln!(
            "error: something else listens on {ADDRESS}, maybe another stand-in: stop it first"
        );
        std::process::exit(1);
    }
    let github = github::GitHub::start(ADDRESS);
    let names = github::REPOSITORIES.map(|(name, _)| name).join(", ");
    println!("GitHub's stand-in has {names}. In the shell that is to use it:");
    println!("export GITHUB_API_URL={} GITHUB_TOKEN={}", github.api, github::TOKEN);
    loop {
        std::thread::park();
    }
}
