//! What an operator has set for a repository in Workers KV: the trigger, which branches and environments count, when a
//! deployment is built, and whether the gate makes deployments itself.

pub mod auto_deploy;
pub mod branch_pattern;
pub mod command;
pub mod lookup;
pub mod told;

use std::fmt;

use serde::Serialize;

use crate::json::fields::{Fields, FromJson, Json, Want, Wrong, cut, quote};
use crate::policy::auto_deploy::AutoDeploy;
use crate::policy::branch_pattern::BranchPattern;

/// GitHub Pages makes deployments of its own, which nobody wants a container built for.
const GITHUB_PAGES: &str = "github-pages";

/// Longest description of what is wrong with a policy, in characters.
const LONGEST_PROBLEM: usize = 300;

/// What a value in KV may be, in the middle of a sentence.
pub const ALLOWED: &str = "one of the words `commit`, `deployment` and `manual`, or a JSON object with the field \
    `trigger` and, if wanted, the lists `environments` and `branches`, `repository_id`, `build_when` and `auto_deploy`, \
    an object that may have the lists `environments`, `contexts` and `branches`";

/// What starts a repository's builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// Every push to an enabled branch.
    Commit,
    /// Deployments only: the push that comes along is ignored.
    Deployment,
    /// No webhook at all.
    Manual,
}

impl Trigger {
    /// Every trigger, as the operator is told them.
    pub const ALL: [Self; 3] = [Self::Commit, Self::Deployment, Self::Manual];

    /// The word that stands for it in KV.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Deployment => "deployment",
            Self::Manual => "manual",
        }
    }

    fn from_word(word: &str) -> Result<Self, String> {
        if word.is_empty() {
            return Err("it is empty".to_owned());
        }
        Self::ALL
            .into_iter()
            .find(|trigger| trigger.as_str() == word)
            .ok_or_else(|| format!("`{}` is not a trigger", quote(word)))
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a deployment waits for until it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildWhen {
    /// For nothing: it is built when it is created.
    Created,
    /// For its status `in_progress`: a GitHub Actions job's comes once the job has begun, so after whoever has to
    /// approve it has.
    InProgress,
    /// For its status `success`.
    Success,
}

impl BuildWhen {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Created, Self::InProgress, Self::Success];

    /// The word that stands for it in a policy, and is the deployment status's state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::InProgress => "in_progress",
            Self::Success => "success",
        }
    }
}

impl fmt::Display for BuildWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'a> FromJson<'a> for BuildWhen {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        let word = String::from_json(json)?;
        Self::ALL.into_iter().find(|when| when.as_str() == word).ok_or_else(|| {
            Wrong::new(format!("`{}` is none of created, in_progress and success", quote(&word)))
        })
    }
}

impl<'a> FromJson<'a> for Trigger {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        Self::from_word(&String::from_json(json)?).map_err(Wrong::new)
    }
}

/// The fields of a policy's JSON.
const FIELDS: [(&str, Want); 6] = [
    ("trigger", Want::Scalar),
    ("environments", Want::List(&Want::Scalar)),
    ("branches", Want::List(&Want::Scalar)),
    ("repository_id", Want::Scalar),
    ("build_when", Want::Scalar),
    ("auto_deploy", Want::Only(&auto_deploy::FIELDS)),
];

/// A repository's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What starts its builds.
    pub trigger: Trigger,
    /// The environments whose deployments count, also those that a pull request made; not given: all but
    /// `github-pages`, and none of a pull request's.
    pub environments: Option<Vec<String>>,
    /// The branches that count; not given: under `commit` the default branch, under `deployment` all.
    pub branches: Option<BranchPatterns>,
    /// The `repository.id` that the policy is for; not given: any. A name can be given up and registered anew by
    /// somebody else, an id never is.
    pub repository_id: Option<u64>,
    /// What every deployment waits for; not given: [`BuildWhen::InProgress`] for those that a GitHub Actions job
    /// made, [`BuildWhen::Created`] for all others.
    pub build_when: Option<BuildWhen>,
    /// Which deployments the gate makes; not given: none.
    pub auto_deploy: Option<AutoDeploy>,
}

/// The patterns of a policy, of which a branch has to match one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchPatterns(Vec<BranchPattern>);

impl<'a> FromJson<'a> for BranchPattern {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        let pattern = String::from_json(json)?;
        let wrong =
            |problem| Wrong::new(format!("`{}` is not a pattern: {problem}", quote(&pattern)));
        Self::parse(&pattern).map_err(wrong)
    }
}

impl<'a> FromJson<'a> for BranchPatterns {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        Vec::from_json(json).map(Self)
    }
}

impl BranchPatterns {
    /// Whether `branch` matches one of them.
    pub fn matches(&self, branch: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(branch))
    }

    /// The patterns as they were written.
    pub fn patterns(&self) -> Vec<String> {
        self.0.iter().map(|pattern| pattern.as_str().to_owned()).collect()
    }
}

/// A value in KV that is neither a trigger word nor a policy. It tells what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidPolicy(pub String);

impl Policy {
    /// Reads a value from KV: a trigger word, white space around it or not, or a JSON object such as
    /// `{"trigger":"deployment","environments":["production"],"branches":["main","release/*"]}`.
    pub fn parse(value: &str) -> Result<Self, InvalidPolicy> {
        let value = value.trim();
        if !value.starts_with('{') {
            let trigger = Trigger::from_word(value).map_err(InvalidPolicy)?;
            return Ok(Self {
                trigger,
                environments: None,
                branches: None,
                repository_id: None,
                build_when: None,
                auto_deploy: None,
            });
        }
        let read = || {
            let mut fields = Fields::read(value.as_bytes(), Want::Only(&FIELDS))?;
            let mut policy = Self {
                trigger: fields.take("trigger")?,
                environments: fields.take("environments")?,
                branches: fields.take("branches")?,
                repository_id: fields.take("repository_id")?,
                build_when: fields.take("build_when")?,
                auto_deploy: None,
            };
            if let Some(fields) = fields.optional_object("auto_deploy")? {
                policy.auto_deploy = Some(AutoDeploy::from_fields(fields, &policy)?);
            }
            Ok(policy)
        };
        read().map_err(|problem: String| InvalidPolicy(cut(&problem, LONGEST_PROBLEM)))
    }

    /// The names of the fields that a policy can have.
    pub fn field_names() -> [&'static str; FIELDS.len()] {
        FIELDS.map(|(name, _)| name)
    }

    /// The fields that are given and change nothing under its trigger.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let given = [
            ("environments", self.environments.is_some(), self.trigger == Trigger::Deployment),
            ("branches", self.branches.is_some(), self.trigger != Trigger::Manual),
            ("build_when", self.build_when.is_some(), self.trigger == Trigger::Deployment),
        ];
        let idle = given.iter().filter(|(_, is_given, has_effect)| *is_given && !has_effect);
        idle.map(|(name, ..)| *name).collect()
    }

    /// Whether deployments to `environment` count. GitHub compares environments without regard to
    /// case
    /// (<https://docs.github.com/en/actions/reference/workflows-and-actions/deployments-and-environments>);
    /// here that is so for the letters A to Z, because the tables of all others are large.
    pub fn enables_environment(&self, environment: &str) -> bool {
        match &self.environments {
            Some(enabled) => enabled.iter().any(|name| name.eq_ignore_ascii_case(environment)),
            None => !environment.eq_ignore_ascii_case(GITHUB_PAGES),
        }
    }
}
