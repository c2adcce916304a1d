//! Signs that CI may be done with a commit: statuses, check runs and check suites, and pushes of what may have been tested
//! already. Whether it is, nobody says here: a sign is worth a look at GitHub, or surely is not.
//!
//! Source: <https://docs.github.com/en/webhooks/webhook-events-and-payloads#status>, and `check_run` and `check_suite` there

use crate::delivery::decision::{EnabledBranches, Ignored};
use crate::json::fields::{Fields, FromJson, Json, Want, Wanted, Wrong};
use crate::policy::BranchPatterns;
use crate::policy::auto_deploy::{AutoDeploy, Context, OWN_CONTEXT};
use crate::repository::{RepositoryName, Sha};

/// How many branches GitHub tells of a status at most: of a commit that lies on more, it does not tell all.
const MOST_BRANCHES: usize = 10;

/// The action of a check that came to an end.
const COMPLETED: &str = "completed";

/// A `status`, `check_run` or `check_suite` event.
///
/// Most repositories are not deployed by the gate, and of theirs nothing has to be right: so what is wrong with the
/// payload is kept until it is known to matter.
#[derive(Debug)]
pub struct Sign {
    /// The repository.
    pub repository: Option<RepositoryName>,
    /// Its id.
    pub repository_id: Option<u64>,
    /// What it says, or what is wrong with the payload.
    pub said: Result<Said, String>,
}

/// What a sign says.
#[derive(Debug)]
pub struct Said {
    /// What says it.
    kind: Kind,
    /// The commit.
    sha: Sha,
    /// The branches that the commit is said to lie on; none where nothing is said of that.
    branches: Option<Vec<String>>,
    /// The name of the default branch.
    default_branch: String,
    /// The installation of the App by which it came.
    installation: Option<u64>,
}

#[derive(Debug)]
enum Kind {
    Status { context: String, state: String },
    Run { action: String, name: String, app: Option<String>, conclusion: Option<String> },
    Suite { action: String },
}

/// A commit that is worth a look.
#[derive(Debug)]
pub struct WorthALook<'a> {
    /// Its repository.
    pub repository: &'a RepositoryName,
    /// GitHub's id of that.
    pub repository_id: u64,
    /// The commit.
    pub sha: &'a Sha,
    /// The branches that it is said to lie on, as far as they are deployed.
    pub branches: Vec<String>,
    /// The installation of the App by which the sign came.
    pub installation: Option<u64>,
    /// The branches whose commits are deployed.
    pub enabled: EnabledBranches,
    /// What is deployed, and when.
    pub policy: AutoDeploy,
}

const REPOSITORY: Wanted =
    &[("id", Want::Scalar), ("full_name", Want::Scalar), ("default_branch", Want::Scalar)];

/// Where an App is installed, in the payloads that it gets.
pub const INSTALLATION: Want = Want::Object(&[("id", Want::Scalar)]);

/// The fields of a `status` event.
pub const STATUS: Wanted = &[
    ("sha", Want::Scalar),
    ("state", Want::Scalar),
    ("context", Want::Scalar),
    ("branches", Want::List(&Want::Object(&[("name", Want::Scalar)]))),
    ("repository", Want::Object(REPOSITORY)),
    ("installation", INSTALLATION),
];

/// The fields of a `check_run` event.
pub const CHECK_RUN: Wanted = &[
    ("action", Want::Scalar),
    (
        "check_run",
        Want::Object(&[
            ("head_sha", Want::Scalar),
            ("name", Want::Scalar),
            ("conclusion", Want::Scalar),
            ("app", Want::Object(&[("slug", Want::Scalar)])),
            ("check_suite", Want::Object(&[("head_branch", Want::Scalar)])),
        ]),
    ),
    ("repository", Want::Object(REPOSITORY)),
    ("installation", INSTALLATION),
];

/// The fields of a `check_suite` event.
pub const CHECK_SUITE: Wanted = &[
    ("action", Want::Scalar),
    ("check_suite", Want::Object(&[("head_sha", Want::Scalar), ("head_branch", Want::Scalar)])),
    ("repository", Want::Object(REPOSITORY)),
    ("installation", INSTALLATION),
];

/// The id of the installation by which an event came, if it came so.
pub fn installation(fields: &mut Fields) -> Result<Option<u64>, String> {
    match fields.optional_object("installation")? {
        Some(mut installation) => installation.take("id"),
        None => Ok(None),
    }
}

/// The name of a branch in a list of them.
struct Named(String);

impl<'a> FromJson<'a> for Named {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        Ok(Self(Fields::of(json)?.take("name")?))
    }
}

fn head_branch(fields: &mut Fields) -> Result<Option<Vec<String>>, String> {
    let branch: Option<String> = fields.take("head_branch")?;
    Ok(branch.map(|branch| vec![branch]))
}

impl Sign {
    /// Takes the fields of a `status` event.
    pub fn of_status(fields: Fields) -> Self {
        Self::from_fields(fields, |fields| {
            let branches: Vec<Named> = fields.take::<Option<_>>("branches")?.unwrap_or_default();
            let branches: Vec<String> = branches.into_iter().map(|Named(name)| name).collect();
            let tells_all = (1..MOST_BRANCHES).contains(&branches.len());
            let kind =
                Kind::Status { context: fields.take("context")?, state: fields.take("state")? };
            Ok((kind, fields.take("sha")?, tells_all.then_some(branches)))
        })
    }

    /// Takes the fields of a `check_run` event.
    pub fn of_check_run(fields: Fields) -> Self {
        Self::from_fields(fields, |fields| {
            let action = fields.take("action")?;
            let mut run = fields.object("check_run")?;
            let app = match run.optional_object("app")? {
                Some(mut app) => app.take("slug")?,
                None => None,
            };
            let branches = match run.optional_object("check_suite")? {
                Some(mut suite) => head_branch(&mut suite)?,
                None => None,
            };
            let (name, conclusion) = (run.take("name")?, run.take("conclusion")?);
            Ok((Kind::Run { action, name, app, conclusion }, run.take("head_sha")?, branches))
        })
    }

    /// Takes the fields of a `check_suite` event.
    pub fn of_check_suite(fields: Fields) -> Self {
        Self::from_fields(fields, |fields| {
            let action = fields.take("action")?;
            let mut suite = fields.object("check_suite")?;
            let branches = head_branch(&mut suite)?;
            Ok((Kind::Suite { action }, suite.take("head_sha")?, branches))
        })
    }

    fn from_fields(
        mut fields: Fields,
        said: impl FnOnce(&mut Fields) -> Result<(Kind, Sha, Option<Vec<String>>), String>,
    ) -> Self {
        let mut repository = fields.optional_object("repository").ok().flatten();
        let name = repository.as_mut().and_then(|fields| fields.take("full_name").ok());
        let id = repository.as_mut().and_then(|fields| fields.take("id").ok());
        let said = said(&mut fields).and_then(|(kind, sha, branches)| {
            let mut repository = repository.ok_or("missing field `repository`")?;
            Ok(Said {
                kind,
                sha,
                branches,
                default_branch: repository.take("default_branch")?,
                installation: installation(&mut fields)?,
            })
        });
        Self { repository: name, repository_id: id, said }
    }

    /// What is wrong with the payload, if something is.
    pub fn problem(&self) -> Option<&str> {
        match (&self.said, &self.repository, self.repository_id) {
            (Err(problem), ..) => Some(problem),
            (_, None, _) => Some("`repository.full_name` is missing, or no repository's name"),
            (_, _, None) => Some("`repository.id` is missing, or no whole number"),
            (Ok(_), Some(_), Some(_)) => None,
        }
    }

    /// Says whether the commit is worth a look under a policy that deploys, or why it surely is not. Nothing follows from a
    /// payload with a [`Self::problem`].
    pub fn judge(&self, policy: &AutoDeploy) -> Result<WorthALook<'_>, Ignored> {
        let (Ok(said), Some(repository), Some(repository_id)) =
            (&self.said, &self.repository, self.repository_id)
        else {
            return Err(Ignored::EventNotUsed);
        };
        if let Some(why) = said.does_not_count(policy) {
            return Err(why);
        }
        let enabled = |branch: &&String| policy.enables_branch(branch, &said.default_branch);
        let branches: Option<Vec<String>> =
            said.branches.as_ref().map(|all| all.iter().filter(enabled).cloned().collect());
        if let (Some([]), Some([branch, ..])) = (branches.as_deref(), said.branches.as_deref()) {
            return Err(Ignored::CommitOfAnotherBranch {
                branch: branch.clone(),
                enabled: EnabledBranches::of(policy.branches.as_ref(), &said.default_branch),
                builds_nothing_under: policy
                    .builds_nothing_of(branch)
                    .filter(|_| policy.lists_branch(branch, &said.default_branch))
                    .map(BranchPatterns::patterns),
                is_success: said.is_no_success(policy).is_none(),
            });
        }
        if let Some(why) = said.is_no_success(policy) {
            return Err(why);
        }
        Ok(WorthALook {
            repository,
            repository_id,
            sha: &said.sha,
            branches: branches.unwrap_or_default(),
            installation: said.installation,
            enabled: EnabledBranches::of(policy.branches.as_ref(), &said.default_branch),
            policy: policy.clone(),
        })
    }
}

impl Said {
    /// Why it is nothing under a policy, red or not.
    fn does_not_count(&self, policy: &AutoDeploy) -> Option<Ignored> {
        let (name, counts) = match &self.kind {
            // Who set a status GitHub says only when it is asked.
            Kind::Status { context, .. } => {
                let is = |named: &Context| named.name.eq_ignore_ascii_case(context);
                let is_named = policy.contexts.as_ref().is_none_or(|named| named.iter().any(is));
                (context, is_named && !context.eq_ignore_ascii_case(OWN_CONTEXT))
            }
            Kind::Run { action, .. } | Kind::Suite { action } if action != COMPLETED => {
                return Some(Ignored::CheckNotCompleted { action: action.clone() });
            }
            Kind::Run { name, app, .. } => (name, policy.names(name, app.as_deref())),
            Kind::Suite { .. } => return None,
        };
        (!counts).then(|| Ignored::ContextNotUsed { context: name.clone(), named: shown(policy) })
    }

    /// Why it is no sign of success.
    fn is_no_success(&self, policy: &AutoDeploy) -> Option<Ignored> {
        let (of, state) = match &self.kind {
            Kind::Status { context, state } if state != "success" => {
                (format!("The status {context}"), state.as_str())
            }
            Kind::Run { name, conclusion, .. } => match conclusion.as_deref() {
                Some("success" | "neutral" | "skipped") => return None,
                other => (format!("The check {name}"), other.unwrap_or("nothing")),
            },
            // Of a suite that is red, what the policy names may be green.
            Kind::Status { .. } | Kind::Suite { .. } => return None,
        };
        Some(Ignored::NotASuccess {
            of,
            state: state.to_owned(),
            commit: self.sha.short().to_owned(),
            named: policy.contexts.as_ref().map(|_| shown(policy)),
        })
    }
}

/// What a policy names, as it stands in a sentence.
fn shown(policy: &AutoDeploy) -> Vec<String> {
    policy.contexts.iter().flatten().map(Context::shown).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::delivery::event::Event;
    use crate::policy::Policy;

    const SHA: &str = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e";

    fn payload(fields: Value) -> Value {
        let mut payload = json!({"repository": {
            "id": 7, "full_name": "octocat/Hello-World", "default_branch": "main",
        }});
        payload.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        payload
    }

    fn status(context: &str, state: &str, branches: &[&str]) -> Value {
        let branches: Vec<Value> = branches.iter().map(|name| json!({ "name": name })).collect();
        payload(json!({"sha": SHA, "context": context, "state": state, "branches": branches}))
    }

    fn run(action: &str, name: &str, conclusion: Value, head_branch: Value) -> Value {
        payload(json!({"action": action, "check_run": {
            "head_sha": SHA, "name": name, "conclusion": conclusion, "app": {"slug": "actions"},
            "check_suite": {"head_branch": head_branch},
        }}))
    }

    fn suite(action: &str, conclusion: &str, head_branch: Value) -> Value {
        payload(json!({"action": action, "check_suite": {
            "head_sha": SHA, "conclusion": conclusion, "head_branch": head_branch,
        }}))
    }

    /// The branches of a commit that is worth a look, or the code of the answer.
    fn judged(
        event: &str,
        payload: &Value,
        auto_deploy: &str,
    ) -> Result<Vec<String>, &'static str> {
        let policy = format!("{{\"trigger\":\"deployment\",\"auto_deploy\":{auto_deploy}}}");
        let policy = Policy::parse(&policy).unwrap().auto_deploy.unwrap();
        let event = Event::parse(event, payload.to_string().as_bytes()).unwrap();
        let Event::Sign(sign) = event else { panic!("{event:?}") };
        assert_eq!(sign.problem(), None);
        let look = sign.judge(&policy).map_err(|why| why.code())?;
        assert_eq!((look.repository_id, look.sha.as_str()), (7, SHA));
        Ok(look.branches)
    }

    #[test]
    fn the_whole_table() {
        let (named, all) = (r#"{"contexts":["build",{"context":"test","app":"actions"}]}"#, "{}");
        let listed = r#"{"branches":["release/*"]}"#;
        let main = || Ok(vec!["main".to_owned()]);
        let unknown = || Ok(vec![]);
        let eleven: Vec<String> = (0..10).map(|number| format!("b{number}")).collect();
        let ten: Vec<&str> = eleven.iter().map(String::as_str).collect();
        for (event, payload, policy, expected) in [
            ("status", status("build", "success", &["main"]), named, main()),
            ("status", status("BUILD", "success", &["x", "main"]), named, main()),
            // Who set it GitHub says only when it is asked.
            ("status", status("test", "success", &["main"]), named, main()),
            ("status", status("lint", "success", &["main"]), named, Err("context-not-used")),
            ("status", status("lint", "success", &["main"]), all, main()),
            ("status", status("build", "pending", &["main"]), named, Err("not-a-success")),
            ("status", status("lint", "pending", &["main"]), named, Err("context-not-used")),
            ("status", status("lint", "failure", &["main"]), all, Err("not-a-success")),
            ("status", status("build", "error", &["main"]), all, Err("not-a-success")),
            // What the gate itself says of a build.
            ("status", status("buildgate", "success", &["main"]), all, Err("context-not-used")),
            ("status", status("build", "success", &["fix"]), all, Err("branch-not-enabled")),
            ("status", status("build", "pending", &["fix"]), all, Err("branch-not-enabled")),
            ("status", status("build", "success", &["main"]), listed, Err("branch-not-enabled")),
            (
                "status",
                status("build", "success", &["main", "release/1"]),
                listed,
                Ok(vec!["release/1".to_owned()]),
            ),
            // None says nothing, and neither do as many as GitHub lists at most.
            ("status", status("build", "success", &[]), all, unknown()),
            ("status", status("build", "success", &ten), all, unknown()),
            (
                "check_run",
                run("completed", "build", json!("success"), json!("main")),
                named,
                main(),
            ),
            (
                "check_run",
                run("completed", "build", json!("neutral"), json!("main")),
                named,
                main(),
            ),
            ("check_run", run("completed", "test", json!("skipped"), json!("main")), named, main()),
            (
                "check_run",
                run("completed", "lint", json!("success"), json!("main")),
                named,
                Err("context-not-used"),
            ),
            (
                "check_run",
                run("completed", "build", json!("failure"), json!("main")),
                named,
                Err("not-a-success"),
            ),
            (
                "check_run",
                run("completed", "build", Value::Null, json!("main")),
                all,
                Err("not-a-success"),
            ),
            (
                "check_run",
                run("created", "build", Value::Null, json!("main")),
                all,
                Err("action-not-used"),
            ),
            (
                "check_run",
                run("completed", "build", json!("success"), json!("fix")),
                all,
                Err("branch-not-enabled"),
            ),
            ("check_run", run("completed", "build", json!("success"), Value::Null), all, unknown()),
            // A suite always is one: of one that is red, what is named may be green.
            ("check_suite", suite("completed", "success", json!("main")), named, main()),
            ("check_suite", suite("completed", "failure", json!("main")), named, main()),
            ("check_suite", suite("completed", "success", Value::Null), all, unknown()),
            ("check_suite", suite("requested", "", json!("main")), all, Err("action-not-used")),
            (
                "check_suite",
                suite("completed", "success", json!("fix")),
                all,
                Err("branch-not-enabled"),
            ),
        ] {
            assert_eq!(judged(event, &payload, policy), expected, "{event} {payload} {policy}");
        }
    }

    #[test]
    fn pinned_to_another_app_a_run_is_nothing() {
        let payload = run("completed", "test", json!("success"), json!("main"));
        let pinned =
            |app: &str| format!("{{\"contexts\":[{{\"context\":\"test\",\"app\":\"{app}\"}}]}}");
        assert!(judged("check_run", &payload, &pinned("Actions")).is_ok());
        assert_eq!(judged("check_run", &payload, &pinned("other")), Err("context-not-used"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let complete = status("build", "success", &["main"]);
        for (field, problem) in [
            ("/sha", "missing field `sha`"),
            ("/state", "missing field `state`"),
            ("/context", "missing field `context`"),
            ("/repository/id", "`repository.id` is missing"),
            ("/repository/full_name", "`repository.full_name` is missing"),
            ("/repository/default_branch", "missing field `repository.default_branch`"),
        ] {
            let mut payload = complete.clone();
            let (parent, name) = field.rsplit_once('/').unwrap();
            payload.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
            let event = Event::parse("status", payload.to_string().as_bytes()).unwrap();
            let Event::Sign(sign) = event else { panic!("{event:?}") };
            assert!(sign.problem().unwrap().starts_with(problem), "{:?}", sign.problem());
        }
    }
}
