//! Every request that is answered: its method, its path as GitHub's description writes it, what it takes to be allowed
//! it, and whose story it is.

use percent_encoding::percent_decode_str;

use super::access::Needs::{self, Jwt, Metadata, Nothing, Permission, Person};
use super::server::{Answer, Asked};
use super::{State, app, checks, commits, deployments, hooks, manifest, repositories, statuses};

pub struct Route {
    pub method: &'static str,
    pub template: &'static str,
    pub needs: Needs,
    pub handler: fn(&mut State, &Asked) -> Answer,
}

const fn route(
    method: &'static str,
    template: &'static str,
    needs: Needs,
    handler: fn(&mut State, &Asked) -> Answer,
) -> Route {
    Route { method, template, needs, handler }
}

const READ_HOOKS: Needs = Permission("repository_hooks", "read");
const WRITE_HOOKS: Needs = Permission("repository_hooks", "write");
const READ_CONTENTS: Needs = Permission("contents", "read");
const WRITE_CONTENTS: Needs = Permission("contents", "write");
const READ_STATUSES: Needs = Permission("statuses", "read");
const READ_CHECKS: Needs = Permission("checks", "read");
const WRITE_CHECKS: Needs = Permission("checks", "write");
const READ_DEPLOYMENTS: Needs = Permission("deployments", "read");
const WRITE_DEPLOYMENTS: Needs = Permission("deployments", "write");

/// The first that fits is taken: `commits/{ref}` would take every path below it, for a branch may have slashes.
#[rustfmt::skip]
const ROUTES: &[Route] = &[
    route("GET", "/orgs/{org}/repos", Metadata, repositories::of_organization),
    route("GET", "/user/repos", Person, repositories::of_user),
    route("GET", "/installation/repositories", Metadata, repositories::of_installation),
    route("GET", "/repos/{owner}/{repo}", Metadata, repositories::get),

    route("GET", "/repos/{owner}/{repo}/hooks", READ_HOOKS, hooks::list),
    route("POST", "/repos/{owner}/{repo}/hooks", WRITE_HOOKS, hooks::create),
    route("PATCH", "/repos/{owner}/{repo}/hooks/{hook_id}", WRITE_HOOKS, hooks::update),
    route("DELETE", "/repos/{owner}/{repo}/hooks/{hook_id}", WRITE_HOOKS, hooks::delete),
    route("POST", "/repos/{owner}/{repo}/hooks/{hook_id}/pings", WRITE_HOOKS, hooks::ping),
    route("GET", "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries", READ_HOOKS, hooks::deliveries),
    route("GET", "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}", READ_HOOKS, hooks::delivery),
    route("POST", "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}/attempts", WRITE_HOOKS, hooks::attempt),

    route("GET", "/repos/{owner}/{repo}/branches", READ_CONTENTS, commits::branches),
    route("GET", "/repos/{owner}/{repo}/branches/{branch}", READ_CONTENTS, commits::branch),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/statuses", READ_STATUSES, statuses::list),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/status", READ_STATUSES, statuses::combined),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs", READ_CHECKS, checks::runs),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/check-suites", READ_CHECKS, checks::suites),
    route("GET", "/repos/{owner}/{repo}/commits/{commit_sha}/branches-where-head", READ_CONTENTS, commits::where_head),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}", READ_CONTENTS, commits::get),
    route("GET", "/repos/{owner}/{repo}/compare/{basehead}", READ_CONTENTS, commits::compare),
    route("PUT", "/repos/{owner}/{repo}/contents/{path}", WRITE_CONTENTS, commits::put_contents),
    route("POST", "/repos/{owner}/{repo}/git/commits", WRITE_CONTENTS, commits::create),
    route("POST", "/repos/{owner}/{repo}/git/refs", WRITE_CONTENTS, commits::create_ref),
    route("PATCH", "/repos/{owner}/{repo}/git/refs/{ref}", WRITE_CONTENTS, commits::update_ref),
    route("DELETE", "/repos/{owner}/{repo}/git/refs/{ref}", WRITE_CONTENTS, commits::delete_ref),

    route("POST", "/repos/{owner}/{repo}/statuses/{sha}", Permission("statuses", "write"), statuses::create),
    route("POST", "/repos/{owner}/{repo}/check-runs", WRITE_CHECKS, checks::create),
    route("GET", "/repos/{owner}/{repo}/check-runs/{check_run_id}", READ_CHECKS, checks::get),
    route("PATCH", "/repos/{owner}/{repo}/check-runs/{check_run_id}", WRITE_CHECKS, checks::update),
    route("GET", "/repos/{owner}/{repo}/deployments", READ_DEPLOYMENTS, deployments::list),
    route("POST", "/repos/{owner}/{repo}/deployments", WRITE_DEPLOYMENTS, deployments::create),
    route("GET", "/repos/{owner}/{repo}/deployments/{deployment_id}", READ_DEPLOYMENTS, deployments::get),
    route("GET", "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", READ_DEPLOYMENTS, deployments::statuses),
    route("POST", "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", WRITE_DEPLOYMENTS, deployments::create_status),

    route("GET", "/app", Jwt, app::get),
    route("GET", "/app/hook/config", Jwt, app::hook_config),
    route("PATCH", "/app/hook/config", Jwt, app::set_hook_config),
    route("GET", "/app/hook/deliveries", Jwt, hooks::deliveries),
    route("GET", "/app/hook/deliveries/{delivery_id}", Jwt, hooks::delivery),
    route("POST", "/app/hook/deliveries/{delivery_id}/attempts", Jwt, hooks::attempt),
    route("GET", "/app/installations", Jwt, app::installations),
    route("GET", "/app/installations/{installation_id}", Jwt, app::installation),
    route("GET", "/repos/{owner}/{repo}/installation", Jwt, app::installation_of),
    route("POST", "/app/installations/{installation_id}/access_tokens", Jwt, app::create_token),
    route("POST", "/app-manifests/{code}/conversions", Nothing, manifest::convert),
];

/// The parts of a path that its template gives names to.
pub type Parameters = Vec<(&'static str, String)>;

/// Finds the route of a request.
pub fn find(method: &str, path: &str) -> Option<(&'static Route, Parameters)> {
    let path: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    ROUTES.iter().filter(|route| route.method == method).find_map(|route| {
        let template: Vec<&str> = route.template[1..].split('/').collect();
        Some((route, matched(&template, &path)?))
    })
}

fn matched(template: &[&'static str], path: &[&str]) -> Option<Parameters> {
    let Some((first, template)) = template.split_first() else {
        return path.is_empty().then(Vec::new);
    };
    let Some(name) = first.strip_prefix('{').map(|name| name.trim_end_matches('}')) else {
        let (part, path) = path.split_first()?;
        return if part == first { matched(template, path) } else { None };
    };
    // A branch, and a file's path, may have slashes, and be sent with them as they are.
    let longest =
        if matches!(name, "branch" | "ref" | "basehead" | "path") { path.len() } else { 1 };
    (1..=longest.min(path.len())).find_map(|length| {
        let (part, path) = path.split_at(length);
        let mut parameters = matched(template, path)?;
        let part = percent_decode_str(&part.join("/")).decode_utf8().ok()?.into_owned();
        parameters.push((name, part));
        Some(parameters)
    })
}
