//! GitHub's REST API, as far as the gate uses it: each call as a value, what its answer tells, and what a refusal means.
//!
//! Source: <https://docs.github.com/en/rest?apiVersion=2022-11-28>

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::json::fields::{Fields, FromJson, Json, Want, Wanted, Wrong, quote, read};
use crate::repository::{RepositoryName, Sha};
use crate::time::Moment;

/// The version of the API that is spoken
/// (<https://docs.github.com/en/rest/about-the-rest-api/api-versions?apiVersion=2022-11-28>).
pub const API_VERSION: &str = "2022-11-28";

/// What every call says of itself. GitHub refuses whoever does not say what they are
/// (<https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api?apiVersion=2022-11-28#user-agent>).
pub const HEADERS: [(&str, &str); 3] = [
    ("User-Agent", concat!("buildgate/", env!("CARGO_PKG_VERSION"))),
    ("Accept", "application/vnd.github+json"),
    ("X-GitHub-Api-Version", API_VERSION),
];

/// The most elements that GitHub puts on a page.
const PER_PAGE: &str = "per_page=100";

/// How many check runs are asked for at a time: each may bring tens of kilobytes of text with it.
const RUNS_PER_PAGE: &str = "per_page=30";

/// How long whoever is limited waits where GitHub does not say, in seconds
/// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api?apiVersion=2022-11-28#exceeding-the-rate-limit>).
const LIMITED_FOR: u64 = 60;

/// Longest piece of GitHub's own words that is passed on, in characters.
const LONGEST_MESSAGE: usize = 300;

/// What stands in a path as it is (RFC 3986, section 2.3).
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn escaped(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, IN_A_PATH)
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: &'static str,
    /// The path and the query, after the API's base URL.
    pub path: String,
    /// The body: JSON.
    pub body: Option<String>,
    /// When it is not sent any more, in milliseconds since 1970, however often it is tried: after that, somebody else may
    /// make it.
    pub not_after: Option<u64>,
}

impl Call {
    fn get(path: String) -> Self {
        Self { method: "GET", path, body: None, not_after: None }
    }

    fn send(method: &'static str, path: String, body: &impl Serialize) -> Self {
        // Of a struct of texts, numbers and lists, JSON can always be made.
        let body = Some(serde_json::to_string(body).unwrap_or_default());
        Self { method, path, body, not_after: None }
    }

    /// Asks for a repository: a [`RepositoryFacts`].
    /// <https://docs.github.com/en/rest/repos/repos?apiVersion=2022-11-28#get-a-repository>
    pub fn repository(name: &RepositoryName) -> Self {
        Self::get(format!("/repos/{name}"))
    }

    /// Asks for the statuses of a commit, the newest first: pages of [`CommitStatus`].
    /// <https://docs.github.com/en/rest/commits/statuses?apiVersion=2022-11-28#list-commit-statuses-for-a-reference>
    pub fn statuses(name: &RepositoryName, sha: &Sha) -> Self {
        Self::get(format!("/repos/{name}/commits/{}/statuses?{PER_PAGE}", sha.as_str()))
    }

    /// Asks for the newest check runs of a commit: pages of [`CheckRun`], in a list called `check_runs`.
    /// <https://docs.github.com/en/rest/checks/runs?apiVersion=2022-11-28#list-check-runs-for-a-git-reference>
    pub fn check_runs(name: &RepositoryName, sha: &Sha) -> Self {
        Self::get(format!("/repos/{name}/commits/{}/check-runs?{RUNS_PER_PAGE}", sha.as_str()))
    }

    /// Asks how a commit lies to another, each by its hash or the name of a branch: a [`Comparison`]. (The second page,
    /// for on the first GitHub lists up to 300 files with all that changed in them.)
    /// <https://docs.github.com/en/rest/commits/commits?apiVersion=2022-11-28#compare-two-commits>
    pub fn compare(name: &RepositoryName, base: &str, head: &Sha) -> Self {
        let (base, head) = (escaped(base), head.as_str());
        Self::get(format!("/repos/{name}/compare/{base}...{head}?per_page=1&page=2"))
    }

    /// Asks for a branch: a [`Branch`].
    /// <https://docs.github.com/en/rest/branches/branches?apiVersion=2022-11-28#get-a-branch>
    pub fn branch(name: &RepositoryName, branch: &str) -> Self {
        Self::get(format!("/repos/{name}/branches/{}", escaped(branch)))
    }

    /// Asks for the branches whose newest commit this is: a list of [`Branch`].
    /// <https://docs.github.com/en/rest/commits/commits?apiVersion=2022-11-28#list-branches-for-head-commit>
    pub fn branches_where_head(name: &RepositoryName, sha: &Sha) -> Self {
        Self::get(format!("/repos/{name}/commits/{}/branches-where-head", sha.as_str()))
    }

    /// Asks for the deployments of a commit to an environment, the newest first: pages of [`Deployment`].
    /// <https://docs.github.com/en/rest/deployments/deployments?apiVersion=2022-11-28#list-deployments>
    pub fn deployments(name: &RepositoryName, sha: &Sha, environment: &str) -> Self {
        let (sha, environment) = (sha.as_str(), escaped(environment));
        Self::get(format!(
            "/repos/{name}/deployments?sha={sha}&environment={environment}&{PER_PAGE}"
        ))
    }

    /// Asks for the newest deployment to an environment, whoever made it: a list of at most one [`Deployment`].
    /// <https://docs.github.com/en/rest/deployments/deployments?apiVersion=2022-11-28#list-deployments>
    pub fn newest_deployment(name: &RepositoryName, environment: &str) -> Self {
        let environment = escaped(environment);
        Self::get(format!("/repos/{name}/deployments?environment={environment}&per_page=1"))
    }

    /// Makes a deployment: a [`Deployment`].
    /// <https://docs.github.com/en/rest/deployments/deployments?apiVersion=2022-11-28#create-a-deployment>
    pub fn create_deployment(name: &RepositoryName, deployment: &NewDeployment<'_>) -> Self {
        Self::send("POST", format!("/repos/{name}/deployments"), deployment)
    }

    /// Says what has become of a deployment.
    /// <https://docs.github.com/en/rest/deployments/statuses?apiVersion=2022-11-28#create-a-deployment-status>
    pub fn create_deployment_status(
        name: &RepositoryName,
        deployment: u64,
        status: &NewDeploymentStatus<'_>,
    ) -> Self {
        Self::send("POST", format!("/repos/{name}/deployments/{deployment}/statuses"), status)
    }

    /// Asks what was said of a deployment last: a list of [`DeploymentStatus`].
    /// <https://docs.github.com/en/rest/deployments/statuses?apiVersion=2022-11-28#list-deployment-statuses>
    pub fn deployment_statuses(name: &RepositoryName, deployment: u64) -> Self {
        Self::get(format!("/repos/{name}/deployments/{deployment}/statuses?{PER_PAGE}"))
    }

    /// Says what has become of a commit.
    /// <https://docs.github.com/en/rest/commits/statuses?apiVersion=2022-11-28#create-a-commit-status>
    pub fn create_status(name: &RepositoryName, sha: &Sha, status: &NewStatus<'_>) -> Self {
        Self::send("POST", format!("/repos/{name}/statuses/{}", sha.as_str()), status)
    }

    /// Asks for the deliveries of a webhook, the newest first: pages of [`HookDelivery`].
    /// <https://docs.github.com/en/rest/apps/webhooks?apiVersion=2022-11-28#list-deliveries-for-an-app-webhook>,
    /// <https://docs.github.com/en/rest/repos/webhooks?apiVersion=2022-11-28#list-deliveries-for-a-repository-webhook>
    pub fn deliveries(hook: &Hook) -> Self {
        Self::get(format!("/{}/deliveries?{PER_PAGE}", hook.path()))
    }

    /// Has a webhook deliver something again.
    /// <https://docs.github.com/en/rest/apps/webhooks?apiVersion=2022-11-28#redeliver-a-delivery-for-an-app-webhook>,
    /// <https://docs.github.com/en/rest/repos/webhooks?apiVersion=2022-11-28#redeliver-a-delivery-for-a-repository-webhook>
    pub fn redeliver(hook: &Hook, delivery: u64) -> Self {
        let path = format!("/{}/deliveries/{delivery}/attempts", hook.path());
        Self { method: "POST", path, body: None, not_after: None }
    }

    /// Asks for the webhooks of a repository: a list of [`RepositoryHook`].
    /// <https://docs.github.com/en/rest/repos/webhooks?apiVersion=2022-11-28#list-repository-webhooks>
    pub fn hooks(name: &RepositoryName) -> Self {
        Self::get(format!("/repos/{name}/hooks?{PER_PAGE}"))
    }

    /// As the App, asks for its installation on a repository: an [`Installation`].
    /// <https://docs.github.com/en/rest/apps/apps?apiVersion=2022-11-28#get-a-repository-installation-for-the-authenticated-app>
    pub fn installation(name: &RepositoryName) -> Self {
        Self::get(format!("/repos/{name}/installation"))
    }

    /// As the App, asks for all of its installations: pages of [`Installation`].
    /// <https://docs.github.com/en/rest/apps/apps?apiVersion=2022-11-28#list-installations-for-the-authenticated-app>
    pub fn installations() -> Self {
        Self::get(format!("/app/installations?{PER_PAGE}"))
    }

    /// As the App, asks for itself: an [`AppFacts`].
    /// <https://docs.github.com/en/rest/apps/apps?apiVersion=2022-11-28#get-the-authenticated-app>
    pub fn app() -> Self {
        Self::get("/app".to_owned())
    }

    /// As the App, sets where its events are delivered and what they are signed with.
    /// <https://docs.github.com/en/rest/apps/webhooks?apiVersion=2022-11-28#update-a-webhook-configuration-for-an-app>
    pub fn set_app_hook(hook: &AppHook<'_>) -> Self {
        Self::send("PATCH", "/app/hook/config".to_owned(), hook)
    }

    /// As the App, asks for a token for one repository, with just these permissions: an [`AccessToken`].
    /// <https://docs.github.com/en/rest/apps/apps?apiVersion=2022-11-28#create-an-installation-access-token-for-an-app>
    pub fn access_token(installation: u64, repository: u64, permissions: Permissions) -> Self {
        #[derive(Serialize)]
        struct Body {
            repository_ids: [u64; 1],
            permissions: Permissions,
        }
        let body = Body { repository_ids: [repository], permissions };
        Self::send("POST", format!("/app/installations/{installation}/access_tokens"), &body)
    }
}

/// A deployment to be made.
#[derive(Debug, Serialize)]
pub struct NewDeployment<'a> {
    /// The commit: by its whole hash, for a branch may have moved on from what was tested.
    #[serde(rename = "ref")]
    pub reference: &'a str,
    /// `deploy`
    pub task: &'static str,
    /// False: a hash cannot be merged into.
    pub auto_merge: bool,
    /// None: the gate has looked itself. By itself GitHub would want every context there is to be green.
    pub required_contexts: [&'static str; 0],
    /// What is passed on.
    pub payload: DeploymentPayload<'a>,
    /// Such as `production`.
    pub environment: &'a str,
    /// A sentence for people.
    pub description: &'a str,
}

/// What is to be said of a deployment.
#[derive(Debug, Serialize)]
pub struct NewDeploymentStatus<'a> {
    /// Such as `in_progress`.
    pub state: &'static str,
    /// A sentence for people, of at most 140 characters.
    pub description: &'a str,
    /// Where its log is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_url: Option<&'a str>,
    /// Where what was deployed is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_url: Option<&'a str>,
    /// False: a success of one commit does not take another one away.
    pub auto_inactive: bool,
}

/// What is to be said of a commit.
#[derive(Debug, Serialize)]
pub struct NewStatus<'a> {
    /// `pending`, `success`, `failure` or `error`.
    pub state: &'static str,
    /// A sentence for people, of at most 140 characters.
    pub description: &'a str,
    /// Where there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_url: Option<&'a str>,
    /// Who says so.
    pub context: &'a str,
}

/// What the gate passes on in a deployment: the branch, for its ref is the commit's hash.
#[derive(Debug, Serialize)]
pub struct DeploymentPayload<'a> {
    /// The branch's name.
    pub branch: &'a str,
}

/// Where an App's events are delivered.
#[derive(Debug, Serialize)]
pub struct AppHook<'a> {
    /// The Payload URL.
    pub url: &'a str,
    /// `json`
    pub content_type: &'static str,
    /// The webhook secret.
    pub secret: &'a str,
    /// `0`: the certificate is checked.
    pub insecure_ssl: &'static str,
}

/// Names of permissions, each with `read` or `write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions(pub &'static [(&'static str, &'static str)]);

/// All that the gate needs to be let do at GitHub
/// (<https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps?apiVersion=2022-11-28>).
pub const NEEDED: Permissions = Permissions(&[
    ("checks", "read"),
    ("contents", "read"),
    ("deployments", "write"),
    ("metadata", "read"),
    ("statuses", "write"),
]);

/// What is to be done in a repository. An App has a token for it that can do nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To look at a commit, and make a deployment of it.
    Deploy,
    /// To say what becomes of a deployment.
    TellOfDeployment,
    /// To say what becomes of a commit.
    TellOfCommit,
    /// To see what its webhooks have delivered, and have that delivered again.
    Redeliver,
}

impl Purpose {
    /// The permissions that it takes.
    pub fn needs(self) -> Permissions {
        Permissions(match self {
            Self::Deploy => &[
                ("checks", "read"),
                ("contents", "read"),
                ("deployments", "write"),
                ("metadata", "read"),
                ("statuses", "read"),
            ],
            Self::TellOfDeployment => &[("deployments", "write"), ("metadata", "read")],
            Self::TellOfCommit => &[("metadata", "read"), ("statuses", "write")],
            Self::Redeliver => &[("metadata", "read"), ("repository_hooks", "write")],
        })
    }
}

impl Serialize for Permissions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl Permissions {
    /// Those that are not among what is granted, in words.
    pub fn missing(self, granted: &[(String, String)]) -> Vec<String> {
        let is_granted = |name: &str, level: &str| {
            granted.iter().any(|(granted, have)| {
                granted == name && (have == level || have == "write" || have == "admin")
            })
        };
        let missing = self.0.iter().filter(|(name, level)| !is_granted(name, level));
        missing.map(|(name, level)| format!("{name}: {level}")).collect()
    }
}

/// What an answer tells: the fields that are wanted of it.
pub trait Answer: Sized {
    /// What is wanted of one.
    const WANTED: Wanted;

    /// Takes the fields.
    fn from_fields(fields: Fields) -> Result<Self, String>;
}

/// Reads an answer that is one object. Errors with what is wrong with it.
pub fn object<T: Answer>(body: &[u8]) -> Result<T, String> {
    T::from_fields(Fields::read(body, Want::Object(T::WANTED))?)
}

/// Something of a list.
struct Element<T>(T);

impl<'a, T: Answer> FromJson<'a> for Element<T> {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        Ok(Self(T::from_fields(Fields::of(json)?)?))
    }
}

/// Reads an answer that is a list. Errors with what is wrong with it.
pub fn list<T: Listed>(body: &[u8]) -> Result<Vec<T>, String> {
    let elements = match T::IN {
        None => Vec::from_json(read(body, T::LIST)?).map_err(|wrong| wrong.to_string())?,
        Some(field) => Fields::read(body, T::LIST)?.take::<Vec<Element<T>>>(field)?,
    };
    Ok(elements.into_iter().map(|Element(element)| element).collect())
}

/// What is answered in lists.
pub trait Listed: Answer {
    /// What is wanted of a list.
    const LIST: Want;

    /// The field that the list is in, where the answer is not the list itself.
    const IN: Option<&'static str>;
}

/// A repository, as GitHub tells it.
#[derive(Debug, PartialEq, Eq)]
pub struct RepositoryFacts {
    /// Its id.
    pub id: u64,
    /// The full name as its owner spells it: another one than was asked for where it was renamed.
    pub full_name: RepositoryName,
    /// The name of the default branch.
    pub default_branch: String,
}

impl Answer for RepositoryFacts {
    const WANTED: Wanted =
        &[("id", Want::Scalar), ("full_name", Want::Scalar), ("default_branch", Want::Scalar)];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        Ok(Self {
            id: fields.take("id")?,
            full_name: fields.take("full_name")?,
            default_branch: fields.take("default_branch")?,
        })
    }
}

/// A commit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitStatus {
    /// Its id: the newer one's is larger.
    pub id: u64,
    /// Its name.
    pub context: String,
    /// `success`, `pending`, `failure` or `error`.
    pub state: String,
    /// A sentence for people.
    pub description: Option<String>,
    /// The login of whoever set it; an App's is its slug and `[bot]`.
    pub creator: Option<String>,
    /// When it was set.
    pub updated_at: Option<Moment>,
}

impl Answer for CommitStatus {
    const WANTED: Wanted = &[
        ("id", Want::Scalar),
        ("context", Want::Scalar),
        ("state", Want::Scalar),
        ("description", Want::Scalar),
        ("creator", Want::Object(&[("login", Want::Scalar)])),
        ("updated_at", Want::Scalar),
    ];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let creator = fields.optional_object("creator")?;
        Ok(Self {
            id: fields.take("id")?,
            context: fields.take("context")?,
            state: fields.take("state")?,
            description: fields.take("description")?,
            creator: creator.map(|mut creator| creator.take("login")).transpose()?,
            updated_at: moment(&mut fields, "updated_at")?,
        })
    }
}

impl Listed for CommitStatus {
    const LIST: Want = Want::List(&Want::Object(Self::WANTED));
    const IN: Option<&'static str> = None;
}

/// A check run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRun {
    /// Its id: the newer one's is larger.
    pub id: u64,
    /// Its name; of GitHub Actions, that of the job.
    pub name: String,
    /// `completed`, or what it waits for.
    pub status: String,
    /// What it came to, once it is completed.
    pub conclusion: Option<String>,
    /// The slug of the App that runs it.
    pub app: Option<String>,
    /// When it was completed, or else begun.
    pub at: Option<Moment>,
}

impl Answer for CheckRun {
    const WANTED: Wanted = &[
        ("id", Want::Scalar),
        ("name", Want::Scalar),
        ("status", Want::Scalar),
        ("conclusion", Want::Scalar),
        ("app", Want::Object(&[("slug", Want::Scalar)])),
        ("started_at", Want::Scalar),
        ("completed_at", Want::Scalar),
    ];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let app = fields.optional_object("app")?;
        let completed_at = moment(&mut fields, "completed_at")?;
        Ok(Self {
            id: fields.take("id")?,
            name: fields.take("name")?,
            status: fields.take("status")?,
            conclusion: fields.take("conclusion")?,
            app: match app {
                Some(mut app) => app.take("slug")?,
                None => None,
            },
            at: completed_at.or(moment(&mut fields, "started_at")?),
        })
    }
}

impl Listed for CheckRun {
    const LIST: Want = Want::Object(&[("check_runs", Want::List(&Want::Object(Self::WANTED)))]);
    const IN: Option<&'static str> = Some("check_runs");
}

/// How a commit, the head, lies to another, the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The base is one of those that the head was made after.
    Ahead,
    /// The head is one of those that the base was made after.
    Behind,
    /// They are the same.
    Identical,
    /// Each was made without the other.
    Diverged,
}

impl Answer for Comparison {
    const WANTED: Wanted = &[("status", Want::Scalar)];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let status: String = fields.take("status")?;
        match status.as_str() {
            "ahead" => Ok(Self::Ahead),
            "behind" => Ok(Self::Behind),
            "identical" => Ok(Self::Identical),
            "diverged" => Ok(Self::Diverged),
            other => Err(format!("`status`: `{}` is no comparison's", quote(other))),
        }
    }
}

/// A branch.
#[derive(Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its name.
    pub name: String,
    /// Its newest commit.
    pub tip: Sha,
}

impl Answer for Branch {
    const WANTED: Wanted =
        &[("name", Want::Scalar), ("commit", Want::Object(&[("sha", Want::Scalar)]))];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        Ok(Self { name: fields.take("name")?, tip: fields.object("commit")?.take("sha")? })
    }
}

impl Listed for Branch {
    const LIST: Want = Want::List(&Want::Object(Self::WANTED));
    const IN: Option<&'static str> = None;
}

/// A deployment, as far as the gate tells its own by it.
#[derive(Debug, PartialEq, Eq)]
pub struct Deployment {
    /// GitHub's id of it.
    pub id: u64,
    /// The commit's hash.
    pub sha: Sha,
    /// A sentence for people.
    pub description: Option<String>,
}

impl Answer for Deployment {
    const WANTED: Wanted =
        &[("id", Want::Scalar), ("sha", Want::Scalar), ("description", Want::Scalar)];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        Ok(Self {
            id: fields.take("id")?,
            sha: fields.take("sha")?,
            description: fields.take("description")?,
        })
    }
}

impl Listed for Deployment {
    const LIST: Want = Want::List(&Want::Object(Self::WANTED));
    const IN: Option<&'static str> = None;
}

/// An App's installation.
#[derive(Debug, PartialEq, Eq)]
pub struct Installation {
    /// GitHub's id of it.
    pub id: u64,
    /// The login of whose account it is on.
    pub account: Option<String>,
    /// Whether it is on `all` of the account's repositories, or on `selected` ones.
    pub repositories: String,
    /// When it was suspended, if it is.
    pub suspended_at: Option<String>,
    /// What it is granted, with `read` or `write`.
    pub permissions: Vec<(String, String)>,
    /// The events that it gets.
    pub events: Vec<String>,
}

/// The permissions that matter to the gate; others are not looked at.
const PERMISSIONS: Wanted = &[
    ("checks", Want::Scalar),
    ("contents", Want::Scalar),
    ("deployments", Want::Scalar),
    ("metadata", Want::Scalar),
    ("repository_hooks", Want::Scalar),
    ("statuses", Want::Scalar),
];

fn permissions(fields: &mut Fields) -> Result<Vec<(String, String)>, String> {
    let mut granted = fields.object("permissions")?;
    let mut permissions = Vec::new();
    for (name, _) in PERMISSIONS {
        if let Some(level) = granted.take::<Option<String>>(name)? {
            permissions.push(((*name).to_owned(), level));
        }
    }
    Ok(permissions)
}

impl Answer for Installation {
    const WANTED: Wanted = &[
        ("id", Want::Scalar),
        ("account", Want::Object(&[("login", Want::Scalar)])),
        ("repository_selection", Want::Scalar),
        ("suspended_at", Want::Scalar),
        ("permissions", Want::Object(PERMISSIONS)),
        ("events", Want::List(&Want::Scalar)),
    ];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let account = fields.optional_object("account")?;
        Ok(Self {
            id: fields.take("id")?,
            account: match account {
                Some(mut account) => account.take("login")?,
                None => None,
            },
            repositories: fields.take("repository_selection")?,
            suspended_at: fields.take("suspended_at")?,
            permissions: permissions(&mut fields)?,
            events: fields.take("events")?,
        })
    }
}

impl Listed for Installation {
    const LIST: Want = Want::List(&Want::Object(Self::WANTED));
    const IN: Option<&'static str> = None;
}

/// An App, as GitHub tells it.
#[derive(Debug, PartialEq, Eq)]
pub struct AppFacts {
    /// Its number.
    pub id: u64,
    /// The name that its URLs have.
    pub slug: Option<String>,
    /// Its page.
    pub html_url: String,
    /// What it asks for, with `read` or `write`: an installation may not have accepted all of it yet.
    pub permissions: Vec<(String, String)>,
    /// The events that it gets.
    pub events: Vec<String>,
}

impl Answer for AppFacts {
    const WANTED: Wanted = &[
        ("id", Want::Scalar),
        ("slug", Want::Scalar),
        ("html_url", Want::Scalar),
        ("permissions", Want::Object(PERMISSIONS)),
        ("events", Want::List(&Want::Scalar)),
    ];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        Ok(Self {
            id: fields.take("id")?,
            slug: fields.take("slug")?,
            html_url: fields.take("html_url")?,
            permissions: permissions(&mut fields)?,
            events: fields.take("events")?,
        })
    }
}

/// What was said of a deployment.
#[derive(Debug, PartialEq, Eq)]
pub struct DeploymentStatus {
    /// Its id: the newer one's is larger.
    pub id: u64,
    /// Such as `in_progress`.
    pub state: String,
    /// A sentence for people.
    pub description: Option<String>,
}

impl Answer for DeploymentStatus {
    const WANTED: Wanted =
        &[("id", Want::Scalar), ("state", Want::Scalar), ("description", Want::Scalar)];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        Ok(Self {
            id: fields.take("id")?,
            state: fields.take("state")?,
            description: fields.take("description")?,
        })
    }
}

impl Listed for DeploymentStatus {
    const LIST: Want = Want::List(&Want::Object(Self::WANTED));
    const IN: Option<&'static str> = None;
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The App's own.
    App,
    /// A repository's.
    Repository {
        /// The repository.
        name: RepositoryName,
        /// GitHub's id of the webhook.
        hook: u64,
    },
}

impl Hook {
    /// Its path in the API, without a slash at its beginning.
    pub fn path(&self) -> String {
        match self {
            Self::App => "app/hook".to_owned(),
            Self::Repository { name, hook } => format!("repos/{name}/hooks/{hook}"),
        }
    }

    /// The webhook of a path.
    pub fn from_path(path: &str) -> Option<Self> {
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["app", "hook"] => Some(Self::App),
            ["repos", owner, name, "hooks", hook] => Some(Self::Repository {
                name: format!("{owner}/{name}").parse().ok()?,
                hook: hook.parse().ok()?,
            }),
            _ => None,
        }
    }
}

/// A delivery of a webhook, as GitHub lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookDelivery {
    /// Its id.
    pub id: u64,
    /// The event's GUID: that of all of its deliveries.
    pub guid: String,
    /// When it was delivered.
    pub delivered_at: Moment,
    /// What it was answered: 0 where nobody answered.
    pub status_code: u16,
    /// The event, such as `push`.
    pub event: String,
    /// Whether it was delivered before.
    pub redelivery: bool,
}

impl HookDelivery {
    /// Whether it was taken.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status_code)
    }
}

impl Answer for HookDelivery {
    const WANTED: Wanted = &[
        ("id", Want::Scalar),
        ("guid", Want::Scalar),
        ("delivered_at", Want::Scalar),
        ("status_code", Want::Scalar),
        ("event", Want::Scalar),
        ("redelivery", Want::Scalar),
    ];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let delivered_at = moment(&mut fields, "delivered_at")?;
        let status_code: Option<u64> = fields.take("status_code")?;
        Ok(Self {
            id: fields.take("id")?,
            guid: fields.take("guid")?,
            delivered_at: delivered_at.ok_or("missing field `delivered_at`")?,
            status_code: status_code.and_then(|code| code.try_into().ok()).unwrap_or_default(),
            event: fields.take("event")?,
            redelivery: fields.take::<Option<bool>>("redelivery")?.unwrap_or_default(),
        })
    }
}

impl Listed for HookDelivery {
    const LIST: Want = Want::List(&Want::Object(Self::WANTED));
    const IN: Option<&'static str> = None;
}

/// A webhook of a repository, as GitHub lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryHook {
    /// Its id.
    pub id: u64,
    /// Where it delivers to.
    pub url: String,
    /// Whether it does.
    pub is_active: bool,
}

impl Answer for RepositoryHook {
    const WANTED: Wanted = &[
        ("id", Want::Scalar),
        ("active", Want::Scalar),
        ("config", Want::Object(&[("url", Want::Scalar)])),
    ];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let url: Option<String> = fields.object("config")?.take("url")?;
        Ok(Self {
            id: fields.take("id")?,
            url: url.unwrap_or_default(),
            is_active: fields.take::<Option<bool>>("active")?.unwrap_or_default(),
        })
    }
}

impl Listed for RepositoryHook {
    const LIST: Want = Want::List(&Want::Object(Self::WANTED));
    const IN: Option<&'static str> = None;
}

/// A token of an App's installation. (What it looks like is GitHub's affair, and changes.)
pub struct AccessToken {
    /// The token.
    pub token: secrecy::SecretString,
    /// When it ends.
    pub expires_at: Moment,
}

impl Answer for AccessToken {
    const WANTED: Wanted = &[("token", Want::Scalar), ("expires_at", Want::Scalar)];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let token: String = fields.take("token")?;
        let expires_at = moment(&mut fields, "expires_at")?;
        Ok(Self {
            token: token.into(),
            expires_at: expires_at.ok_or("missing field `expires_at`")?,
        })
    }
}

fn moment(fields: &mut Fields, name: &str) -> Result<Option<Moment>, String> {
    let text: Option<String> = fields.take(name)?;
    Ok(text.as_deref().and_then(Moment::from_rfc3339))
}

/// Why GitHub did not do what it was asked, or cannot have been asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer came, or none that can be read.
    Unreachable(String),
    /// Something is wrong at GitHub.
    Broken {
        /// The status: 500 or above.
        status: u16,
    },
    /// Too much was asked.
    Limited {
        /// In how many seconds GitHub may be asked again.
        seconds: u64,
    },
    /// The token, or the App's key, is not good.
    Unauthorized,
    /// What was asked is not permitted.
    Forbidden {
        /// GitHub's own words.
        message: String,
    },
    /// There is no such thing, or whoever asks may not know of it.
    NotFound,
    /// The App is not installed on the repository.
    NotInstalled,
    /// The App's installation is suspended.
    Suspended,
    /// The App's installation is not granted all that is needed.
    Lacks {
        /// What it is not granted, such as `deployments: write`.
        permissions: Vec<String>,
    },
    /// GitHub will not do it.
    Refused {
        /// The status.
        status: u16,
        /// GitHub's own words.
        message: String,
    },
}

impl Failure {
    /// Judges a refusal: a status of 300 and above, with its headers and its body. `now` is in seconds since 1970.
    pub fn of(
        status: u16,
        header: impl Fn(&'static str) -> Option<String>,
        body: &[u8],
        now: u64,
    ) -> Self {
        let message = message(body);
        let seconds = |name| header(name).and_then(|value| value.trim().parse::<u64>().ok());
        let is_used_up = seconds("x-ratelimit-remaining") == Some(0);
        let is_limited = status == 429
            || status == 403
                && (is_used_up
                    || seconds("retry-after").is_some()
                    || message.to_ascii_lowercase().contains("rate limit"));
        if is_limited {
            let at_the_reset = || {
                let reset = seconds("x-ratelimit-reset").filter(|_| is_used_up)?;
                Some(reset.saturating_sub(now).max(1))
            };
            let seconds = seconds("retry-after").or_else(at_the_reset).unwrap_or(LIMITED_FOR);
            return Self::Limited { seconds };
        }
        match status {
            401 => Self::Unauthorized,
            403 => Self::Forbidden { message },
            404 => Self::NotFound,
            500.. => Self::Broken { status },
            _ => Self::Refused { status, message },
        }
    }

    /// In how many seconds at the earliest it may go well. What is forbidden somebody may permit meanwhile.
    pub fn again_in(&self) -> u64 {
        match self {
            Self::Limited { seconds } => *seconds,
            _ => 0,
        }
    }

    /// Whether it will go wrong until somebody changes something.
    pub fn is_lasting(&self) -> bool {
        !matches!(self, Self::Unreachable(_) | Self::Broken { .. } | Self::Limited { .. })
    }

    /// The code that stands for it in the log and with a dead letter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "github-unreachable",
            Self::Broken { .. } => "github-broken",
            Self::Limited { .. } => "github-limited",
            Self::Unauthorized => "github-unauthorized",
            Self::Forbidden { .. } => "github-forbidden",
            Self::NotFound => "github-not-found",
            Self::NotInstalled => "app-not-installed",
            Self::Suspended => "app-suspended",
            Self::Lacks { .. } => "app-lacks-permission",
            Self::Refused { .. } => "github-refused",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(detail) => write!(f, "GitHub cannot be asked: {detail}"),
            Self::Broken { status } => write!(f, "GitHub answers {status}"),
            Self::Limited { seconds } => {
                write!(f, "GitHub's rate limit is reached; it ends in {seconds} s")
            }
            Self::Unauthorized => f.write_str(
                "GitHub does not accept the token, or the App's key: it is wrong, has expired or was revoked",
            ),
            Self::Forbidden { message } => write!(f, "GitHub forbids it: {message}"),
            Self::NotFound => f.write_str(
                "GitHub knows no such thing, or the App or the token has no access to the repository",
            ),
            Self::NotInstalled => f.write_str(
                "the GitHub App is not installed on the repository: install it, or add the repository to those that it is \
                 installed on",
            ),
            Self::Suspended => f.write_str(
                "the GitHub App's installation is suspended: whoever suspended it can end that in its settings",
            ),
            Self::Lacks { permissions } => write!(
                f,
                "the GitHub App's installation lacks the permission {}: grant it in the App's settings, and accept it where \
                 the App is installed",
                permissions.join(", ")
            ),
            Self::Refused { status, message } => write!(f, "GitHub answers {status}: {message}"),
        }
    }
}

/// What GitHub says in the body of a refusal, on one line.
fn message(body: &[u8]) -> String {
    let message = Fields::read(body, Want::Object(&[("message", Want::Scalar)]))
        .and_then(|mut fields| fields.take::<String>("message"));
    let text = message.unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned());
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    crate::json::fields::cut(&line, LONGEST_MESSAGE)
}

/// The next page of a list, by the header `Link`: its path and query, after the API's base URL `api`. None on the last
/// page.
///
/// Errors with the URL where it leads away from the API: whoever is asked there would get the token, and to take this page
/// for the last would be to overlook what is on the next.
///
/// Source: <https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api?apiVersion=2022-11-28>
pub fn next_page<'a>(link: &'a str, api: &str) -> Result<Option<&'a str>, &'a str> {
    let Some(next) = link.split(',').find(|link| link.contains("rel=\"next\"")) else {
        return Ok(None);
    };
    let url = next.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    let url = url.map_or(next, |(url, _)| url);
    within(url, api).map(Some).ok_or(url)
}

/// Where a redirection leads, which has this `Location`: the path and query after the API's base URL. None where it leads
/// away from it.
///
/// Source: <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api?apiVersion=2022-11-28#follow-redirects>
pub fn redirected<'a>(status: u16, location: Option<&'a str>, api: &str) -> Option<&'a str> {
    if matches!(status, 301 | 302 | 307 | 308) { within(location?, api) } else { None }
}

fn within<'a>(url: &'a str, api: &str) -> Option<&'a str> {
    url.strip_prefix(api).filter(|path| path.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_795_378_320;

    fn failure(status: u16, headers: &[(&str, &str)], message: &str) -> Failure {
        let header = |name: &'static str| {
            let found = headers.iter().find(|(header, _)| *header == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let body = serde_json::json!({ "message": message }).to_string();
        Failure::of(status, header, body.as_bytes(), NOW)
    }

    #[test]
    fn limits_are_obeyed_in_githubs_order() {
        let used_up = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795378400")];
        for (status, headers, message, seconds) in [
            (403, &[("retry-after", "7")][..], "secondary", 7),
            (429, &[("retry-after", "7")], "", 7),
            (403, &used_up, "", 80),
            (429, &used_up, "", 80),
            (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], "", 1),
            (403, &[("x-ratelimit-remaining", "0")], "", 60),
            (429, &[], "", 60),
            (
                403,
                &[("x-ratelimit-remaining", "9")],
                "You have exceeded a secondary rate limit",
                60,
            ),
        ] {
            assert_eq!(failure(status, headers, message), Failure::Limited { seconds }, "{status}");
        }
    }

    #[test]
    fn each_refusal_is_what_it_is() {
        let remaining = [("x-ratelimit-remaining", "4999")];
        for (status, expected, is_lasting) in [
            (401, Failure::Unauthorized, true),
            (403, Failure::Forbidden { message: "no".into() }, true),
            (404, Failure::NotFound, true),
            (301, Failure::Refused { status: 301, message: "no".into() }, true),
            (409, Failure::Refused { status: 409, message: "no".into() }, true),
            (422, Failure::Refused { status: 422, message: "no".into() }, true),
            (500, Failure::Broken { status: 500 }, false),
            (502, Failure::Broken { status: 502 }, false),
        ] {
            let found = failure(status, &remaining, "no");
            assert_eq!((&found, found.is_lasting()), (&expected, is_lasting));
        }
        // What is no JSON is passed on, on one line and not all of it.
        let page = format!("<html>\n{}</html>", "x".repeat(9_000));
        let Failure::Forbidden { message } = Failure::of(403, |_| None, page.as_bytes(), NOW)
        else {
            panic!("forbidden")
        };
        assert!(message.starts_with("<html> x") && message.chars().count() <= 301, "{message}");
    }

    #[test]
    fn a_list_goes_on_where_it_says_and_nowhere_else() {
        let api = "https://api.github.com";
        for (link, next) in [
            (
                "<https://api.github.com/a?page=2>; rel=\"next\", <https://api.github.com/a?page=9>; rel=\"last\"",
                Some("/a?page=2"),
            ),
            ("<https://api.github.com/a?page=1>; rel=\"prev\"", None),
            ("", None),
        ] {
            assert_eq!(next_page(link, api), Ok(next), "{link}");
        }
        for link in [
            "<https://evil.example/a?page=2>; rel=\"next\"",
            "<https://api.github.com.evil.example/>; rel=\"next\"",
            "<https://api.github.com@evil.example/>; rel=\"next\"",
            "<https://API.github.com/a?page=2>; rel=\"next\"",
            "rel=\"next\"",
        ] {
            assert!(next_page(link, api).is_err(), "{link}");
        }
        for (status, location, to) in [
            (301, Some("https://api.github.com/repositories/7"), Some("/repositories/7")),
            (307, Some("https://api.github.com/repositories/7"), Some("/repositories/7")),
            (200, Some("https://api.github.com/repositories/7"), None),
            (302, Some("https://evil.example/"), None),
            (302, None, None),
        ] {
            assert_eq!(redirected(status, location, api), to, "{location:?}");
        }
    }

    #[test]
    fn what_has_another_meaning_in_a_url_is_escaped() {
        let name = "octocat/Hello-World".parse().unwrap();
        let sha: Sha = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e".parse().unwrap();
        let call = Call::compare(&name, "feat/ä#?%...x", &sha);
        assert_eq!(
            call.path,
            "/repos/octocat/Hello-World/compare/feat%2F%C3%A4%23%3F%25...x...\
             f95f852bd8fca8fcc58a9a2d6c842781e32a215e?per_page=1&page=2"
        );
        assert!(Call::deployments(&name, &sha, "a&b=c").path.contains("environment=a%26b%3Dc&"));
    }

    #[test]
    fn a_webhook_is_known_by_its_path() {
        let of_repository =
            Hook::Repository { name: "octocat/Hello-World".parse().unwrap(), hook: 7 };
        for hook in [Hook::App, of_repository] {
            assert_eq!(Hook::from_path(&hook.path()), Some(hook));
        }
        for none in ["", "app", "app/hook/deliveries", "repos/o/n/hooks/x", "repos/o/../hooks/7"] {
            assert_eq!(Hook::from_path(none), None, "{none}");
        }
    }

    #[test]
    fn deliveries_and_webhooks_are_read() {
        let body = br#"[{"id":24081517883,"guid":"g","delivered_at":"2026-11-25T00:00:00Z","redelivery":false,
            "duration":0.1,"status":"OK","status_code":202,"event":"push","action":null,"repository_id":7},
            {"id":1,"guid":"g","delivered_at":"2026-11-25T00:00:01.5Z","redelivery":true,"status_code":504,"event":"push"}]"#;
        let listed: Vec<HookDelivery> = list(body).unwrap();
        let found: Vec<(u64, bool, bool)> =
            listed.iter().map(|one| (one.id, one.is_success(), one.redelivery)).collect();
        assert_eq!(found, [(24_081_517_883, true, false), (1, false, true)]);
        let body = br#"[{"id":7,"active":true,"config":{"url":"https://gate.example/o/n"}},{"id":8,"config":{}}]"#;
        let listed: Vec<RepositoryHook> = list(body).unwrap();
        let found: Vec<(u64, &str, bool)> =
            listed.iter().map(|one| (one.id, &*one.url, one.is_active)).collect();
        assert_eq!(found, [(7, "https://gate.example/o/n", true), (8, "", false)]);
    }

    #[test]
    fn a_token_is_asked_for_with_just_what_is_needed() {
        let call = Call::access_token(7, 9, Purpose::Deploy.needs());
        assert_eq!((call.method, &*call.path), ("POST", "/app/installations/7/access_tokens"));
        assert_eq!(
            call.body.as_deref(),
            Some(
                "{\"repository_ids\":[9],\"permissions\":{\"checks\":\"read\",\"contents\":\"read\",\
                 \"deployments\":\"write\",\"metadata\":\"read\",\"statuses\":\"read\"}}"
            )
        );
        let granted = NEEDED.0.iter().map(|(name, level)| ((*name).into(), (*level).into()));
        let granted: Vec<(String, String)> = granted.collect();
        for purpose in [Purpose::Deploy, Purpose::TellOfDeployment, Purpose::TellOfCommit] {
            assert!(purpose.needs().missing(&granted).is_empty(), "{purpose:?}");
        }
        let granted = |all: &[(&str, &str)]| -> Vec<(String, String)> {
            all.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect()
        };
        let some = granted(&[("checks", "write"), ("contents", "read"), ("deployments", "read")]);
        assert_eq!(
            NEEDED.missing(&some),
            ["deployments: write", "metadata: read", "statuses: write"]
        );
    }

    #[test]
    fn answers_are_read_with_just_what_is_used_of_them() {
        let runs = br#"{"total_count":1,"check_runs":[{"id":4,"name":"t","status":"completed",
            "conclusion":"success","app":{"slug":"a","x":[]},"started_at":"2026-11-22T20:11:00Z",
            "completed_at":"2026-11-22T20:12:00Z","output":{"text":"y"}},
            {"id":5,"name":"u","status":"queued","conclusion":null,"app":null}]}"#;
        let runs: Vec<CheckRun> = list(runs).unwrap();
        assert_eq!(runs[0].at, Moment::from_seconds(NOW));
        assert_eq!((runs[1].conclusion.as_deref(), runs[1].app.as_deref()), (None, None));
        let statuses: Vec<CommitStatus> =
            list(br#"[{"id":1,"context":"c","state":"success","creator":null}]"#).unwrap();
        assert_eq!(statuses[0].creator, None);
        assert_eq!(object(br#"{"status":"ahead","files":[{}]}"#), Ok(Comparison::Ahead));
        for (body, problem) in [
            (&b"[]"[..], "expected a JSON object"),
            (b"{\"status\":\"sideways\"}", "`sideways` is no comparison's"),
            (b"<html>", "expected value"),
        ] {
            let error = object::<Comparison>(body).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
        let error = list::<CommitStatus>(br#"[{"id":1},{"id":2}]"#).unwrap_err();
        assert_eq!(error, "`[0]`: missing field `context`");
    }

    proptest! {
        #[test]
        fn no_answer_panics(body: Vec<u8>, link: String, status in 300..600_u16) {
            let _ = (object::<Installation>(&body), list::<CheckRun>(&body), list::<Branch>(&body));
            let _ = (next_page(&link, "https://a.example"), Failure::of(status, |_| None, &body, 0));
        }
    }
}
