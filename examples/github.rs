//! A stand-in for GitHub's REST API, to try `link`, `unlink` and `check` without GitHub: it has one
//! repository, octocat/Hello-World, keeps its webhooks in memory and really delivers their pings. It is the
//! one of the end-to-end tests.

#[path = "../tests/support/fixtures.rs"]
#[allow(dead_code)]
mod fixtures;
#[path = "../tests/support/github.rs"]
#[allow(dead_code)]
mod github;

fn main() {
    let github = github::GitHub::start("127.0.0.1:8789");
    println!("GitHub's stand-in has octocat/Hello-World. In the shell that is to use it:");
    println!("export GITHUB_API_URL={} GITHUB_TOKEN={}", github.api, github::TOKEN);
    loop {
        std::thread::park();
    }
}
