//! The part of a policy that says which deployments the gate makes: to which environments, once which statuses and checks
//! are green, and of which branches.

use crate::json::fields::{Fields, FromJson, Json, Want, Wrong, quote};
use crate::policy::branch_pattern::BranchPattern;
use crate::policy::{BranchPatterns, Policy, Trigger};

/// The context of the commit statuses by which the gate itself says what became of a build.
pub const OWN_CONTEXT: &str = "buildgate";

/// The environment that is meant where neither the policy nor its `auto_deploy` lists any: GitHub's own default
/// (<https://docs.github.com/en/rest/deployments/deployments?apiVersion=2022-11-28#create-a-deployment>).
const PRODUCTION: &str = "production";

/// The most contexts and environments that a policy can list: each environment is a deployment of every green commit.
const MOST: usize = 50;

/// The fields of `auto_deploy`.
pub const FIELDS: [(&str, Want); 3] = [
    ("environments", Want::List(&Want::Scalar)),
    ("contexts", Want::List(&Want::Only(&[("context", Want::Scalar), ("app", Want::Scalar)]))),
    ("branches", Want::List(&Want::Scalar)),
];

/// Which deployments the gate makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoDeploy {
    /// To which environments: one deployment of a commit for each of them, and at least one.
    pub environments: Vec<String>,
    /// What must be there and be green; not given: all that are there, and at least one.
    pub contexts: Option<Vec<Context>>,
    /// The branches whose commits are deployed; not given: the default branch.
    pub branches: Option<BranchPatterns>,
    /// The policy's own branches: a deployment of another one would build nothing.
    within: Option<BranchPatterns>,
}

/// A commit status or a check run, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The status's context, or the check run's name. GitHub compares contexts without regard to case.
    pub name: String,
    /// The slug of the GitHub App that must have said it; not given: whoever may write to the repository.
    pub app: Option<String>,
}

impl Context {
    /// Whether this is meant by a status or a check of that name, which the App with that slug said.
    pub fn is(&self, name: &str, app: Option<&str>) -> bool {
        self.name.eq_ignore_ascii_case(name)
            && self
                .app
                .as_deref()
                .is_none_or(|wanted| app.is_some_and(|app| app.eq_ignore_ascii_case(wanted)))
    }

    /// The name, with the App's where that counts, as it stands in a sentence.
    pub fn shown(&self) -> String {
        match &self.app {
            Some(app) => format!("{} (by {app})", self.name),
            None => self.name.clone(),
        }
    }
}

impl<'a> FromJson<'a> for Context {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        let context = match json {
            Json::Text(name) => Self { name: name.into_owned(), app: None },
            object @ Json::Object(_) => {
                let mut fields = Fields::of(object)?;
                Self { name: fields.take("context")?, app: fields.take("app")? }
            }
            other => {
                return Err(Wrong::expected(
                    "a name, or an object with `context` and `app`",
                    &other,
                ));
            }
        };
        if context.name.trim().is_empty() {
            return Err(Wrong::new("it is empty"));
        }
        if context.app.as_ref().is_some_and(|app| app.trim().is_empty()) {
            return Err(Wrong::new("its `app` is empty: name the App's slug, or leave it out"));
        }
        if context.name.eq_ignore_ascii_case(OWN_CONTEXT) {
            return Err(Wrong::new(format!(
                "`{OWN_CONTEXT}` is what the gate itself says of a build, and comes after it"
            )));
        }
        Ok(context)
    }
}

impl AutoDeploy {
    /// Reads the fields of the `auto_deploy` of a policy whose other fields are read.
    pub fn from_fields(mut fields: Fields, policy: &Policy) -> Result<Self, String> {
        let given: Option<Vec<String>> = fields.take("environments")?;
        let contexts: Option<Vec<Context>> = fields.take("contexts")?;
        let branches: Option<BranchPatterns> = fields.take("branches")?;
        if policy.trigger != Trigger::Deployment {
            return Err(format!(
                "`auto_deploy` makes deployments, and under the trigger `{}` those build nothing",
                policy.trigger
            ));
        }
        let environments = given
            .or_else(|| policy.environments.clone())
            .unwrap_or_else(|| vec![PRODUCTION.to_owned()]);
        if environments.is_empty() {
            return Err("`auto_deploy` has no environment to deploy to".to_owned());
        }
        if let Some(other) = environments.iter().find(|name| !policy.enables_environment(name)) {
            return Err(format!(
                "`auto_deploy.environments`: deployments to `{}` build nothing, for the policy's `environments` leave \
                 it out",
                quote(other)
            ));
        }
        if let (Some(own), Some(listed)) = (&policy.branches, &branches) {
            let BranchPatterns(listed) = listed;
            let is_left_out = |name: &&BranchPattern| name.is_name() && !own.matches(name.as_str());
            if let Some(other) = listed.iter().find(is_left_out) {
                return Err(format!(
                    "`auto_deploy.branches`: deployments of `{}` build nothing, for the policy's `branches` leave it out",
                    quote(other.as_str())
                ));
            }
        }
        if contexts.as_ref().is_some_and(Vec::is_empty) {
            return Err(
                "`auto_deploy.contexts` is empty: list at least one, or leave it out".to_owned()
            );
        }
        if environments.len().max(contexts.as_ref().map_or(0, Vec::len)) > MOST {
            return Err(format!("`auto_deploy` has a list of more than {MOST}"));
        }
        Ok(Self { environments, contexts, branches, within: policy.branches.clone() })
    }

    /// Whether commits of a branch are deployed, in a repository with that default branch.
    pub fn enables_branch(&self, branch: &str, default_branch: &str) -> bool {
        self.lists_branch(branch, default_branch) && self.builds_nothing_of(branch).is_none()
    }

    /// Whether a branch is among those whose commits are to be deployed, also where that would build nothing.
    pub fn lists_branch(&self, branch: &str, default_branch: &str) -> bool {
        match &self.branches {
            Some(listed) => listed.matches(branch),
            None => branch == default_branch,
        }
    }

    /// The policy's own branches, where they leave a branch out: a deployment of it would build nothing.
    pub fn builds_nothing_of(&self, branch: &str) -> Option<&BranchPatterns> {
        self.within.as_ref().filter(|own| !own.matches(branch))
    }

    /// Whether a status or a check of that name, which the App with that slug said, counts; all do where none are named.
    pub fn names(&self, name: &str, app: Option<&str>) -> bool {
        self.contexts.as_ref().is_none_or(|named| named.iter().any(|context| context.is(name, app)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::InvalidPolicy;

    fn parse(policy: &str) -> Result<AutoDeploy, String> {
        let policy = Policy::parse(policy).map_err(|InvalidPolicy(problem)| problem)?;
        policy.auto_deploy.ok_or_else(|| "none".to_owned())
    }

    #[test]
    fn what_is_not_given_is_as_the_docs_say() {
        for (policy, environments) in [
            (r#"{"trigger":"deployment","auto_deploy":{}}"#, &["production"][..]),
            (r#"{"trigger":"deployment","environments":["a","b"],"auto_deploy":{}}"#, &["a", "b"]),
            (
                r#"{"trigger":"deployment","environments":["a","B"],"auto_deploy":{"environments":["b"]}}"#,
                &["b"],
            ),
            (r#"{"trigger":"deployment","auto_deploy":{"environments":["x"]}}"#, &["x"]),
        ] {
            let found = parse(policy).unwrap();
            assert_eq!(found.environments, environments, "{policy}");
            assert!(found.contexts.is_none() && found.names("whatever", None));
            assert!(found.enables_branch("trunk", "trunk") && !found.enables_branch("x", "trunk"));
        }
        assert_eq!(parse(r#"{"trigger":"deployment","auto_deploy":null}"#), Err("none".into()));
    }

    #[test]
    fn what_is_given_counts() {
        let found = parse(
            r#"{"trigger":"deployment","auto_deploy":{"branches":["main","release/*"],
            "contexts":["CI/build",{"context":"test","app":"github-actions"}]}}"#,
        );
        let found = found.unwrap();
        for (branch, enabled) in [("main", true), ("release/1", true), ("trunk", false)] {
            assert_eq!(found.enables_branch(branch, "trunk"), enabled, "{branch}");
        }
        let within = parse(r#"{"trigger":"deployment","branches":["release/*"],"auto_deploy":{}}"#);
        assert!(!within.unwrap().enables_branch("main", "main"));
        for (name, app, counts) in [
            ("CI/build", None, true),
            ("ci/BUILD", Some("circleci"), true),
            ("test", None, false),
            ("test", Some("other"), false),
            ("Test", Some("GitHub-Actions"), true),
            ("lint", None, false),
        ] {
            assert_eq!(found.names(name, app), counts, "{name} {app:?}");
        }
        let shown: Vec<_> = found.contexts.iter().flatten().map(Context::shown).collect();
        assert_eq!(shown, ["CI/build", "test (by github-actions)"]);
    }

    #[test]
    fn what_would_deploy_nothing_is_an_error() {
        for (policy, problem) in [
            (r#"{"trigger":"commit","auto_deploy":{}}"#, "under the trigger `commit`"),
            (r#"{"trigger":"manual","auto_deploy":{}}"#, "under the trigger `manual`"),
            (
                r#"{"trigger":"deployment","auto_deploy":true}"#,
                "`auto_deploy`: expected a JSON object",
            ),
            (
                r#"{"trigger":"deployment","auto_deploy":{"context":["a"]}}"#,
                "unknown field `context` in `auto_deploy`",
            ),
            (r#"{"trigger":"deployment","auto_deploy":{"environments":[]}}"#, "no environment"),
            (r#"{"trigger":"deployment","environments":[],"auto_deploy":{}}"#, "no environment"),
            (
                r#"{"trigger":"deployment","environments":["a"],"auto_deploy":{"environments":["b"]}}"#,
                "deployments to `b` build nothing",
            ),
            (
                r#"{"trigger":"deployment","auto_deploy":{"environments":["github-pages"]}}"#,
                "deployments to `github-pages` build nothing",
            ),
            (
                r#"{"trigger":"deployment","auto_deploy":{"contexts":[]}}"#,
                "is empty: list at least one",
            ),
            (
                r#"{"trigger":"deployment","auto_deploy":{"contexts":["a"," "]}}"#,
                "contexts[1]`: it is empty",
            ),
            (
                r#"{"trigger":"deployment","auto_deploy":{"contexts":["Buildgate"]}}"#,
                "the gate itself",
            ),
            (
                r#"{"trigger":"deployment","auto_deploy":{"contexts":[{"app":"a"}]}}"#,
                "missing field `context`",
            ),
            (
                r#"{"trigger":"deployment","auto_deploy":{"contexts":[{"context":"a","by":"b"}]}}"#,
                "unknown field `by` in `contexts` in `auto_deploy`",
            ),
            (
                r#"{"trigger":"deployment","auto_deploy":{"contexts":[7]}}"#,
                "contexts[0]`: expected a name",
            ),
            (r#"{"trigger":"deployment","auto_deploy":{"branches":["!main"]}}"#, "branches[0]`"),
            (
                r#"{"trigger":"deployment","branches":["release/*"],"auto_deploy":{"branches":["release/1","main"]}}"#,
                "deployments of `main` build nothing",
            ),
            (
                r#"{"trigger":"deployment","auto_deploy":{"contexts":[{"context":"a","app":""}]}}"#,
                "contexts[0]`: its `app` is empty",
            ),
        ] {
            let error = parse(policy).unwrap_err();
            assert!(error.contains(problem), "{policy}: {error}");
        }
    }
}
