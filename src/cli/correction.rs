//! What a policy that cannot be used was probably meant to be: as little as possible is changed, and nothing is left
//! out, for a policy that says less builds more.

use buildgate::policy::auto_deploy;
use buildgate::policy::{BuildWhen, Policy, Trigger};
use serde_json::{Map, Value};

/// How many letters a misspelt word may be from the one that was meant.
const FARTHEST: usize = 2;

/// The policy that was meant, where that can be told; none where the policy is good, too.
pub fn correction(policy: &str) -> Option<String> {
    let policy = policy.trim();
    if Policy::parse(policy).is_ok() {
        return None;
    }
    let triggers = Trigger::ALL.map(Trigger::as_str);
    let moments = BuildWhen::ALL.map(BuildWhen::as_str);
    let known = Policy::field_names();
    let corrected = match serde_json::from_str(policy) {
        Ok(Value::Object(fields)) => {
            let mut corrected = Map::new();
            for (name, value) in fields {
                let name =
                    if known.contains(&name.as_str()) { name } else { nearest(&name, &known)? };
                let value = match (name.as_str(), value) {
                    ("trigger", Value::String(word)) => nearest(&word, &triggers)?.into(),
                    ("build_when", Value::String(word)) => nearest(&word, &moments)?.into(),
                    ("repository_id", Value::String(id)) => id.trim().parse::<u64>().ok()?.into(),
                    ("branches", value) => branches(value),
                    ("environments", Value::String(one)) => Value::Array(vec![one.into()]),
                    ("auto_deploy", Value::Object(fields)) => auto_deploy(fields)?.into(),
                    (_, value) => value,
                };
                // Two fields that would be one: it cannot be told which is meant.
                if corrected.insert(name, value).is_some() {
                    return None;
                }
            }
            Value::Object(corrected).to_string()
        }
        // A word, in quotes or not.
        Ok(Value::String(word)) => nearest(&word, &triggers)?,
        _ => nearest(policy, &triggers)?,
    };
    Policy::parse(&corrected).is_ok().then_some(corrected)
}

/// The fields of `auto_deploy`, with the names and the lists that were meant.
fn auto_deploy(fields: Map<String, Value>) -> Option<Map<String, Value>> {
    let known = auto_deploy::FIELDS.map(|(name, _)| name);
    let mut corrected = Map::new();
    for (name, value) in fields {
        let name = if known.contains(&name.as_str()) { name } else { nearest(&name, &known)? };
        let value = match (name.as_str(), value) {
            ("branches", value) => branches(value),
            (_, one @ (Value::String(_) | Value::Object(_))) => Value::Array(vec![one]),
            (_, value) => value,
        };
        if corrected.insert(name, value).is_some() {
            return None;
        }
    }
    Some(corrected)
}

/// Branches as a list, each as it is called.
fn branches(value: Value) -> Value {
    let list = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    let name = |branch: Value| match &branch {
        Value::String(text) => text.strip_prefix("refs/heads/").unwrap_or(text).trim().into(),
        _ => branch,
    };
    list.into_iter().map(name).collect()
}

/// The one of the words that another is, or was meant to be: none where several may have been.
fn nearest(word: &str, words: &[&str]) -> Option<String> {
    let word = word.trim().to_lowercase();
    let distances: Vec<(usize, &str)> =
        words.iter().map(|known| (strsim::damerau_levenshtein(&word, known), *known)).collect();
    let least =
        distances.iter().map(|(distance, _)| *distance).min().filter(|least| *least <= FARTHEST);
    // A longer word of which it is the beginning, such as `deploy`, is meant, too.
    let begun = || {
        words
            .iter()
            .filter(|known| word.len() >= 4 && known.starts_with(&word))
            .map(|known| (0, *known))
    };
    let found: Vec<&str> = match least {
        Some(least) => {
            distances.iter().filter(|(d, _)| *d == least).map(|(_, known)| *known).collect()
        }
        None => begun().map(|(_, known)| known).collect(),
    };
    match found.as_slice() {
        [one] => Some((*one).to_owned()),
        _ => None,
    }
}

/// What to say of a policy that cannot be used.
pub fn advice(policy: &str) -> String {
    match correction(policy) {
        Some(corrected) => {
            format!("did you mean {}?", buildgate::policy::command::quoted(&corrected))
        }
        None => format!("allowed is {}", buildgate::policy::ALLOWED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_one_edit_away_and_nothing_is_left_out() {
        for (policy, corrected) in [
            ("deploy", Some("deployment")),
            ("Deployment ", Some("deployment")),
            ("comit", Some("commit")),
            ("\"manual\"", Some("manual")),
            ("nonsense", None),
            ("", None),
            ("deployment", None),
            (
                r#"{"trigger":"deployment","branch":["main"]}"#,
                Some(r#"{"trigger":"deployment","branches":["main"]}"#),
            ),
            (
                r#"{"triger":"deployment","environment":"production","repository_id":"7"}"#,
                Some(r#"{"trigger":"deployment","environments":["production"],"repository_id":7}"#),
            ),
            (
                r#"{"trigger":"commit","branches":["refs/heads/main","release/*"]}"#,
                Some(r#"{"trigger":"commit","branches":["main","release/*"]}"#),
            ),
            (
                r#"{"trigger":"deploy","build_when":"in-progress"}"#,
                Some(r#"{"trigger":"deployment","build_when":"in_progress"}"#),
            ),
            (
                r#"{"trigger":"deployment","auto_deploy":{"contxts":"build"}}"#,
                Some(r#"{"trigger":"deployment","auto_deploy":{"contexts":["build"]}}"#),
            ),
            (
                r#"{"trigger":"deployment","auto_deploy":{"branch":["refs/heads/main"]}}"#,
                Some(r#"{"trigger":"deployment","auto_deploy":{"branches":["main"]}}"#),
            ),
            (r#"{"trigger":"deployment","auto_deploy":{"colour":1}}"#, None),
            (r#"{"trigger":"commit","branches":["!main"]}"#, None),
            (r#"{"trigger":"commit","environmentss":[],"environments":[]}"#, None),
            (r#"{"trigger":"commit","colour":"red"}"#, None),
            (r#"{"trigger":"commit","#, None),
            ("[]", None),
        ] {
            assert_eq!(correction(policy).as_deref(), corrected, "{policy}");
        }
    }
}
