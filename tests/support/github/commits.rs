//! Commits and branches: how a person pushes a commit, and what can be asked of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::described::{example, recorded, with};
use super::repositories::Repository;
use super::server::{Answer, Asked, created, invalid, no_content, not_found, ok, refused};
use super::{GitHub, State, digits, milliseconds};

/// What stands for a commit where there is none.
const NONE: &str = "0000000000000000000000000000000000000000";

pub struct Commit {
    pub parents: Vec<String>,
    pub message: String,
    /// The file that it changes.
    pub file: String,
    /// The later it was made, the more. A parent has less than its children.
    pub order: usize,
    pub date: String,
}

impl GitHub {
    /// Pushes a new commit on top of a branch, which is made where there is none.
    pub fn push(&self, repository: &str, branch: &str) -> String {
        let mut state = self.state();
        let of = state.repository(repository);
        let tip = of.branches.get(branch).unwrap_or(&of.branches[&of.default_branch]).clone();
        let sha =
            state.repository_mut(repository).commit(vec![tip], "Fix all the bugs", "file.txt");
        state.set_branch(repository, branch, Some(&sha), "octocat");
        sha
    }

    /// A commit on no branch, as those of a fork are.
    pub fn commit(&self, repository: &str, parents: &[&str]) -> String {
        let parents = parents.iter().map(|sha| (*sha).to_owned()).collect();
        self.state().repository_mut(repository).commit(parents, "From a fork", "file.txt")
    }

    /// Pushes a commit that is there to a branch, wherever that was.
    pub fn set_branch(&self, repository: &str, branch: &str, sha: &str) {
        self.state().set_branch(repository, branch, Some(sha), "octocat");
    }

    pub fn delete_branch(&self, repository: &str, branch: &str) {
        self.state().set_branch(repository, branch, None, "octocat");
    }

    pub fn tip(&self, repository: &str, branch: &str) -> String {
        self.state().repository(repository).branches[branch].clone()
    }

    pub fn set_default_branch(&self, repository: &str, branch: &str) {
        self.state().repository_mut(repository).default_branch = branch.to_owned();
    }
}

impl Repository {
    /// The commit that a branch, the name of a reference or a SHA stands for.
    pub fn resolved(&self, reference: &str) -> Option<String> {
        let branch = match reference {
            "HEAD" => &self.default_branch,
            _ => reference.trim_start_matches("refs/").strip_prefix("heads/").unwrap_or(reference),
        };
        let known = |sha: &str| self.commits.contains_key(sha).then(|| sha.to_owned());
        self.branches.get(branch).cloned().or_else(|| known(&reference.to_lowercase()))
    }

    /// A commit and all that it stands on.
    pub fn ancestry(&self, sha: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut left = vec![sha.to_owned()];
        while let Some(sha) = left.pop() {
            if found.insert(sha.clone()) {
                left.extend(self.commits[&sha].parents.iter().cloned());
            }
        }
        found
    }

    /// The commits that one has and another has not, the oldest first.
    fn between(&self, base: &str, head: &str) -> Vec<String> {
        let base = self.ancestry(base);
        let mut commits: Vec<String> =
            self.ancestry(head).into_iter().filter(|sha| !base.contains(sha)).collect();
        commits.sort_by_key(|sha| self.commits[sha].order);
        commits
    }

    /// The branches that a commit is on.
    pub fn branches_with(&self, sha: &str) -> Vec<String> {
        let with = self.branches.iter().filter(|(_, tip)| self.ancestry(tip).contains(sha));
        with.map(|(name, _)| name.clone()).collect()
    }

    /// The branches that a commit is the tip of, the default branch first.
    pub fn branches_at(&self, sha: &str) -> Vec<String> {
        let at = self.branches.iter().filter(|(_, tip)| *tip == sha);
        let mut names: Vec<String> = at.map(|(name, _)| name.clone()).collect();
        names.sort_by_key(|name| *name != self.default_branch);
        names
    }
}

impl State {
    /// Moves, makes or deletes a branch, and tells of it.
    pub fn set_branch(&mut self, repository: &str, branch: &str, to: Option<&str>, by: &str) {
        let of = self.repository_mut(repository);
        let before = match to {
            Some(sha) => {
                assert!(of.commits.contains_key(sha), "{sha}");
                of.branches.insert(branch.to_owned(), sha.to_owned())
            }
            None => of.branches.remove(branch),
        };
        of.pushed_at = milliseconds() / 1000;
        if before.as_deref() == to {
            return;
        }
        let is_forced = match (&before, to) {
            (Some(before), Some(to)) => !of.ancestry(to).contains(before),
            _ => false,
        };
        let news = match (&before, to) {
            (Some(before), Some(to)) => of.between(before, to),
            _ => vec![],
        };
        let before_or_none = before.as_deref().unwrap_or(NONE);
        let after = to.unwrap_or(NONE);
        let commits: Vec<Value> =
            news.iter().map(|sha| self.commit_in_payload(repository, sha)).collect();
        let head = to.map(|sha| self.commit_in_payload(repository, sha));
        let compare = format!("{}/{repository}/compare/{before_or_none}...{after}", self.web);
        let payload = with(
            recorded("push", None),
            json!({
                "ref": format!("refs/heads/{branch}"), "before": before_or_none, "after": after,
                "created": before.is_none(), "deleted": to.is_none(), "forced": is_forced,
                "base_ref": null, "compare": compare, "commits": commits, "head_commit": head,
                "pusher": {"name": by, "email": format!("{by}@github.com")},
            }),
        );
        self.emit(repository, "push", payload, by);
    }

    /// A commit as a push shows it.
    pub fn commit_in_payload(&self, repository: &str, sha: &str) -> Value {
        let commit = &self.repository(repository).commits[sha];
        let person =
            json!({"name": "Monalisa Octocat", "email": "mona@github.com", "username": "octocat"});
        json!({
            "id": sha, "tree_id": digits(sha), "distinct": true, "message": commit.message,
            "timestamp": commit.date, "url": format!("{}/{repository}/commit/{sha}", self.web),
            "author": person, "committer": person,
            "added": [], "removed": [], "modified": [commit.file],
        })
    }

    /// A commit as GitHub shows it.
    pub fn full_commit(&self, repository: &str, sha: &str) -> Value {
        let of = &self.repository(repository).commits[sha];
        let example = example("commit").to_string();
        let example = example.replace("6dcb09b5b57875f334f61aebed695e2e4193db5e", sha);
        let mut commit = self.of_repository(repository, &serde_json::from_str(&example).unwrap());
        commit["commit"]["message"] = of.message.clone().into();
        for who in ["author", "committer"] {
            commit["commit"][who]["date"] = of.date.clone().into();
            commit[who] = self.user("octocat");
        }
        commit["commit"]["tree"]["sha"] = digits(sha).into();
        commit["parents"] = self.parents(repository, sha);
        commit["files"] = json!([self.file(repository, &of.file, sha)]);
        commit
    }

    fn parents(&self, repository: &str, sha: &str) -> Value {
        let parents = self.repository(repository).commits[sha].parents.iter();
        let shown = parents.map(|sha| {
            json!({
                "sha": sha, "url": format!("{}/repos/{repository}/commits/{sha}", self.base),
                "html_url": format!("{}/{repository}/commit/{sha}", self.web),
            })
        });
        shown.collect()
    }

    fn file(&self, repository: &str, name: &str, sha: &str) -> Value {
        let example = example("commit-comparison")["files"][0].to_string();
        let example = example.replace("6dcb09b5b57875f334f61aebed695e2e4193db5e", sha);
        let example = example.replace("file1.txt", name);
        let file = self.of_repository(repository, &serde_json::from_str(&example).unwrap());
        with(file, json!({"sha": digits(&format!("{sha}{name}"))}))
    }

    /// A commit as the API for Git shows it.
    fn git_commit(&self, repository: &str, sha: &str) -> Value {
        let of = &self.repository(repository).commits[sha];
        let example = example("git-commit").to_string();
        let example = example.replace("7638417db6d59f3c431d3e1f261cc637155684cd", sha);
        let mut commit = self.of_repository(repository, &serde_json::from_str(&example).unwrap());
        commit["message"] = of.message.clone().into();
        commit["parents"] = self.parents(repository, sha);
        for who in ["author", "committer"] {
            commit[who]["date"] = of.date.clone().into();
        }
        commit
    }

    pub fn short_branch(&self, repository: &str, branch: &str) -> Value {
        let sha = &self.repository(repository).branches[branch];
        let url = format!("{}/repos/{repository}/commits/{sha}", self.base);
        json!({"name": branch, "commit": {"sha": sha, "url": url}, "protected": false})
    }

    fn reference(&self, repository: &str, branch: &str) -> Value {
        let sha = &self.repository(repository).branches[branch];
        let api = format!("{}/repos/{repository}/git", self.base);
        json!({
            "ref": format!("refs/heads/{branch}"), "node_id": "MDM6UmVmcmVmcw==",
            "url": format!("{api}/refs/heads/{branch}"),
            "object": {"type": "commit", "sha": sha, "url": format!("{api}/commits/{sha}")},
        })
    }

    /// The commit that is asked for in the path, or that there is none.
    pub fn commit_asked(&self, asked: &Asked, parameter: &str) -> Result<String, Answer> {
        let reference = asked.parameter(parameter);
        let found = self.repository(asked.repository).resolved(reference);
        found.ok_or_else(|| refused(422, &format!("No commit found for SHA: {reference}")))
    }
}

pub fn branches(state: &mut State, asked: &Asked) -> Answer {
    let names = state.repository(asked.repository).branches.keys();
    asked.list(names.map(|name| state.short_branch(asked.repository, name)).collect())
}

pub fn branch(state: &mut State, asked: &Asked) -> Answer {
    let name = asked.parameter("branch");
    let Some(sha) = state.repository(asked.repository).branches.get(name) else {
        return refused(404, "Branch not found");
    };
    let mut branch = state.of_repository(asked.repository, &example("branch-get"));
    branch["name"] = name.into();
    branch["commit"] = state.full_commit(asked.repository, sha);
    branch["_links"]["self"] = asked.url.clone().into();
    branch["_links"]["html"] = format!("{}/{}/tree/{name}", state.web, asked.repository).into();
    branch["protection_url"] = format!("{}/protection", asked.url).into();
    ok(branch)
}

pub fn get(state: &mut State, asked: &Asked) -> Answer {
    match state.commit_asked(asked, "ref") {
        Ok(sha) => ok(state.full_commit(asked.repository, &sha)),
        Err(answer) => answer,
    }
}

pub fn where_head(state: &mut State, asked: &Asked) -> Answer {
    match state.commit_asked(asked, "commit_sha") {
        Ok(sha) => {
            let names = state.repository(asked.repository).branches_at(&sha);
            ok(names.iter().map(|name| state.short_branch(asked.repository, name)).collect())
        }
        Err(answer) => answer,
    }
}

pub fn compare(state: &mut State, asked: &Asked) -> Answer {
    let basehead = asked.parameter("basehead");
    let of = state.repository(asked.repository);
    let Some((base_name, head_name)) = basehead.split_once("...") else { return not_found() };
    let (Some(base), Some(head)) = (of.resolved(base_name), of.resolved(head_name)) else {
        return not_found();
    };
    let common = &of.ancestry(&base) & &of.ancestry(&head);
    let Some(merge_base) = common.iter().max_by_key(|sha| of.commits[*sha].order) else {
        return refused(404, &format!("No common ancestor between {base_name} and {head_name}."));
    };
    let ahead = of.between(&base, &head);
    let behind = of.between(&head, &base).len();
    let status = match (ahead.len(), behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    };
    let shown = |sha: &String| state.full_commit(asked.repository, sha);
    let (commits, link) = asked.page(ahead.iter().map(shown).collect(), 250);
    let html = format!("{}/{}/compare/{basehead}", state.web, asked.repository);
    let mut comparison = json!({
        "url": asked.url, "html_url": html, "permalink_url": html,
        "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
        "base_commit": shown(&base), "merge_base_commit": shown(merge_base),
        "status": status, "ahead_by": ahead.len(), "behind_by": behind,
        "total_commits": ahead.len(), "commits": commits,
    });
    if matches!(asked.query("page"), None | Some("1")) {
        let changed = ahead.iter().map(|sha| (of.commits[sha].file.clone(), sha));
        let files: std::collections::BTreeMap<String, &String> = changed.collect();
        comparison["files"] =
            files.iter().map(|(name, sha)| state.file(asked.repository, name, sha)).collect();
    }
    Answer { link, ..ok(comparison) }
}

pub fn put_contents(state: &mut State, asked: &Asked) -> Answer {
    let path = asked.parameter("path");
    let of = state.repository(asked.repository);
    let branch = asked.text("branch").unwrap_or(&of.default_branch).to_owned();
    let Some(tip) = of.branches.get(&branch).cloned() else {
        return refused(404, &format!("Branch {branch} not found"));
    };
    let is_there = of.ancestry(&tip).iter().any(|sha| of.commits[sha].file == path);
    let message = asked.text("message").unwrap_or_default();
    let sha = state.repository_mut(asked.repository).commit(vec![tip], message, path);
    let by = state.login(asked.who);
    state.set_branch(asked.repository, &branch, Some(&sha), &by);
    let example = example("file-commit-example-for-creating-a-file");
    let text = example.to_string().replace("notes/hello.txt", path);
    let mut answer = state.of_repository(asked.repository, &serde_json::from_str(&text).unwrap());
    answer["content"]["name"] = path.rsplit('/').next().into();
    answer["content"]["sha"] = digits(&format!("{sha}{path}")).into();
    answer["commit"] = state.git_commit(asked.repository, &sha);
    if is_there { ok(answer) } else { created(answer) }
}

pub fn create(state: &mut State, asked: &Asked) -> Answer {
    let parents = asked.body["parents"].as_array().cloned().unwrap_or_default();
    let parents: Vec<String> =
        parents.iter().filter_map(|sha| sha.as_str().map(str::to_owned)).collect();
    let of = state.repository_mut(asked.repository);
    if parents.iter().any(|sha| !of.commits.contains_key(sha)) {
        return refused(422, "Parent SHA does not exist or is not a commit object");
    }
    let sha = of.commit(parents, asked.text("message").unwrap_or_default(), "file.txt");
    created(state.git_commit(asked.repository, &sha))
}

pub fn create_ref(state: &mut State, asked: &Asked) -> Answer {
    let reference = asked.text("ref").unwrap_or_default();
    let Some(branch) = reference.strip_prefix("refs/heads/") else {
        return invalid("Reference", "ref", "only branches are supported here");
    };
    let of = state.repository(asked.repository);
    let sha = asked.text("sha").unwrap_or_default();
    if of.branches.contains_key(branch) {
        return refused(422, "Reference already exists");
    }
    if !of.commits.contains_key(sha) {
        return refused(422, "Object does not exist");
    }
    let by = state.login(asked.who);
    state.set_branch(asked.repository, branch, Some(sha), &by);
    created(state.reference(asked.repository, branch))
}

pub fn update_ref(state: &mut State, asked: &Asked) -> Answer {
    let sha = asked.text("sha").unwrap_or_default();
    let of = state.repository(asked.repository);
    let branch = asked.parameter("ref").strip_prefix("heads/").unwrap_or_default();
    let Some(tip) = of.branches.get(branch) else {
        return refused(422, "Reference does not exist");
    };
    if !of.commits.contains_key(sha) {
        return refused(422, "Object does not exist");
    }
    if asked.body["force"] != true && !of.ancestry(sha).contains(tip) {
        return refused(422, "Update is not a fast forward");
    }
    let by = state.login(asked.who);
    state.set_branch(asked.repository, branch, Some(sha), &by);
    ok(state.reference(asked.repository, branch))
}

pub fn delete_ref(state: &mut State, asked: &Asked) -> Answer {
    let branch = asked.parameter("ref").strip_prefix("heads/").unwrap_or_default();
    if !state.repository(asked.repository).branches.contains_key(branch) {
        return refused(422, "Reference does not exist");
    }
    let by = state.login(asked.who);
    state.set_branch(asked.repository, branch, None, &by);
    no_content()
}
