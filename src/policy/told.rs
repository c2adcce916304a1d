//! What a policy comes to, in words: what the operator is told before a policy is set, and what a repository's page says.

use serde::{Deserialize, Serialize};

use crate::policy::auto_deploy::Context;
use crate::policy::{BranchPatterns, BuildWhen, Policy, Trigger};

/// What becomes of what happens in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What a push comes to.
    pub push: String,
    /// What a deployment comes to.
    pub deployment: String,
    /// What it comes to that a commit is green.
    pub green: String,
}

/// What changes with another policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What happens: `push`, `deployment`, or `green` for a commit that is.
    pub what: String,
    /// What it comes to now.
    pub before: String,
    /// What it comes to with the other policy.
    pub after: String,
}

/// Tells what a policy comes to; none where the repository has none.
pub fn told(policy: Option<&Policy>) -> Told {
    let Some(policy) = policy else {
        return Told {
            push: "is refused: no policy is set".to_owned(),
            deployment: "is refused: no policy is set".to_owned(),
            green: "is not deployed".to_owned(),
        };
    };
    let whose = match policy.repository_id {
        Some(id) => format!(" (of the repository whose id is {id}; any other is refused)"),
        None => String::new(),
    };
    let push = match policy.trigger {
        Trigger::Commit => format!(
            "builds{}{whose}",
            of_branches(" if it is to ", policy.branches.as_ref(), "the default branch")
        ),
        Trigger::Deployment => "builds nothing: deployments do".to_owned(),
        Trigger::Manual => "builds nothing: no webhook does".to_owned(),
    };
    let deployment = match policy.trigger {
        Trigger::Commit => "builds nothing: pushes do".to_owned(),
        Trigger::Manual => "builds nothing: no webhook does".to_owned(),
        Trigger::Deployment => {
            let environments = match &policy.environments {
                Some(listed) => format!("if it is to {}", either(listed)),
                None => "unless it is to github-pages or of a pull request".to_owned(),
            };
            let branches = match &policy.branches {
                Some(_) => of_branches(" and of ", policy.branches.as_ref(), ""),
                None => String::new(),
            };
            let when = match policy.build_when {
                None => {
                    "when it is made, and one that a GitHub Actions job made once the job has begun"
                }
                Some(BuildWhen::Created) => "when it is made",
                Some(BuildWhen::InProgress) => "once its status is in_progress",
                Some(BuildWhen::Success) => "once its status is success",
            };
            format!("builds {environments}{branches}, {when}{whose}")
        }
    };
    let green = match &policy.auto_deploy {
        None => "is not deployed by the gate".to_owned(),
        Some(auto) => {
            let what = match &auto.contexts {
                Some(contexts) => {
                    let names: Vec<String> = contexts.iter().map(Context::shown).collect();
                    format!(
                        "once {} {} green",
                        all(&names),
                        if names.len() == 1 { "is" } else { "are" }
                    )
                }
                None => "once all its statuses and checks are green, at least one".to_owned(),
            };
            format!(
                "is deployed to {} {what}{}",
                all(&auto.environments),
                of_branches(", if it lies on ", auto.branches.as_ref(), "the default branch")
            )
        }
    };
    Told { push, deployment, green }
}

/// What changes from one policy to another, of what [`told`] tells.
pub fn changes(before: Option<&Policy>, after: Option<&Policy>) -> Vec<Change> {
    let (before, after) = (told(before), told(after));
    let all = [
        ("push", before.push, after.push),
        ("deployment", before.deployment, after.deployment),
        ("green", before.green, after.green),
    ];
    let changed = all.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(what, before, after)| Change { what: what.to_owned(), before, after }).collect()
}

fn of_branches(lead: &str, patterns: Option<&BranchPatterns>, otherwise: &str) -> String {
    match patterns {
        Some(patterns) => format!("{lead}{}", either(&patterns.patterns())),
        None => format!("{lead}{otherwise}"),
    }
}

/// `a, b or c`.
fn either(names: &[String]) -> String {
    listed(names, " or ")
}

/// `a, b and c`.
fn all(names: &[String]) -> String {
    listed(names, " and ")
}

fn listed(names: &[String], last: &str) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., end] => format!("{}{last}{end}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(policy: &str) -> Told {
        told(Some(&Policy::parse(policy).unwrap()))
    }

    #[test]
    fn each_policy_is_told_in_words() {
        for (policy, push, deployment, green) in [
            (
                "commit",
                "builds if it is to the default branch",
                "builds nothing: pushes do",
                "is not deployed by the gate",
            ),
            (
                "manual",
                "builds nothing: no webhook does",
                "builds nothing: no webhook does",
                "is not deployed by the gate",
            ),
            (
                "deployment",
                "builds nothing: deployments do",
                "builds unless it is to github-pages or of a pull request, when it is made, and one that a GitHub Actions \
                 job made once the job has begun",
                "is not deployed by the gate",
            ),
            (
                r#"{"trigger":"commit","branches":["main","release/*"],"repository_id":7}"#,
                "builds if it is to main or release/* (of the repository whose id is 7; any other is refused)",
                "builds nothing: pushes do",
                "is not deployed by the gate",
            ),
            (
                r#"{"trigger":"deployment","environments":["a","b","c"],"branches":["main"],"build_when":"success",
                    "auto_deploy":{"environments":["a"],"contexts":["build","test"]}}"#,
                "builds nothing: deployments do",
                "builds if it is to a, b or c and of main, once its status is success",
                "is deployed to a once build and test are green, if it lies on the default branch",
            ),
            (
                r#"{"trigger":"deployment","environments":[],"auto_deploy":{"environments":["x"]}}"#,
                "",
                "",
                "",
            ),
        ] {
            if push.is_empty() {
                assert!(Policy::parse(policy).is_err());
                continue;
            }
            let Told { push: p, deployment: d, green: g } = of(policy);
            assert_eq!((&*p, &*d, &*g), (push, deployment, green), "{policy}");
        }
        assert!(told(None).push.starts_with("is refused"));
    }

    #[test]
    fn only_what_changes_is_told() {
        let policy = |value| Policy::parse(value).unwrap();
        let (commit, manual) = (policy("commit"), policy("manual"));
        assert_eq!(changes(Some(&commit), Some(&policy(r#"{"trigger":"commit"}"#))), []);
        let changed = changes(Some(&commit), Some(&manual));
        let what: Vec<&str> = changed.iter().map(|change| &*change.what).collect();
        assert_eq!(what, ["push", "deployment"]);
        assert_eq!(changed[0].after, "builds nothing: no webhook does");
        assert_eq!(changes(None, Some(&manual)).len(), 3);
    }
}
