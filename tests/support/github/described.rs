//! GitHub's own word for it: its OpenAPI description, which every request and every answer is held against, and the
//! recorded payloads of its webhooks. What the stand-in answers and delivers starts from these, so that a field
//! nobody here thought of is there, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::super::fixtures::PROJECT;

fn read(package: &str) -> Value {
    let path = format!("{PROJECT}/tests/e2e/node_modules/@octokit/{package}");
    let text = std::fs::read_to_string(path)
        .expect("GitHub's descriptions are not there: run the tests with `npm test`");
    serde_json::from_str(&text).unwrap()
}

/// GitHub's OpenAPI description.
pub fn description() -> &'static Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| read("openapi/generated/api.github.com.json"))
}

/// An example of an answer.
pub fn example(name: &str) -> Value {
    let example = &description()["components"]["examples"][name]["value"];
    assert!(!example.is_null(), "{name}");
    example.clone()
}

/// A recorded payload of an event: one that a repository's webhook got, not an App's.
pub fn recorded(event: &str, action: Option<&str>) -> Value {
    static EVENTS: OnceLock<Value> = OnceLock::new();
    let events = EVENTS.get_or_init(|| read("webhooks-examples/api.github.com/index.json"));
    let of_event = events.as_array().unwrap().iter().find(|of| of["name"] == event).unwrap();
    let mut examples = of_event["examples"].as_array().unwrap().iter();
    let fits = |payload: &&Value| {
        payload["action"].as_str() == action
            && payload.get("installation").is_none()
            && payload.get("organization").is_none()
    };
    examples.find(fits).unwrap().clone()
}

/// Changes the fields of an object that are named in another.
pub fn with(mut value: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("{fields}") };
    value.as_object_mut().unwrap().extend(fields);
    value
}

/// What a `$ref` refers to, or the value itself.
pub fn followed(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => description().pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// Where `value` is not as `schema`, a part of the description, says.
pub fn violation(what: &str, schema: &'static Value, value: &Value) -> Option<String> {
    // Some of them are large: each is made once, and known by where it lies.
    static VALIDATORS: OnceLock<Mutex<HashMap<usize, Arc<Validator>>>> = OnceLock::new();
    if schema.is_null() {
        return Some(format!("{what} is not described"));
    }
    let validator = {
        let mut validators = VALIDATORS.get_or_init(Mutex::default).lock().unwrap();
        let made = || Arc::new(jsonschema::validator_for(&resolved(schema)).unwrap());
        Arc::clone(validators.entry(std::ptr::from_ref(schema) as usize).or_insert_with(made))
    };
    let wrong = validator.validate(value).err();
    wrong.map(|error| format!("{what}: {error} at {}", error.instance_path()))
}

/// An OpenAPI 3.0 schema as JSON Schema: references put in their place, and `nullable` as a type.
fn resolved(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                return resolved(description().pointer(reference.trim_start_matches('#')).unwrap());
            }
            let nullable = object.get("nullable") == Some(&Value::Bool(true));
            let without =
                object.iter().filter(|(name, _)| !matches!(name.as_str(), "nullable" | "example"));
            // The account of an installation is a user or an enterprise; in a list of them, the description says
            // that it is both at once.
            let all: Vec<&Value> =
                object.get("allOf").and_then(Value::as_array).into_iter().flatten().collect();
            let is_both = all.iter().any(|schema| schema["title"] == "Simple User")
                && all.iter().any(|schema| schema["title"] == "Enterprise");
            let name =
                |name: &str| if is_both && name == "allOf" { "anyOf" } else { name }.to_owned();
            let schema: Value = Value::Object(
                without.map(|(known, value)| (name(known), resolved(value))).collect(),
            );
            if nullable { json!({"anyOf": [schema, {"type": "null"}]}) } else { schema }
        }
        Value::Array(items) => items.iter().map(resolved).collect(),
        other => other.clone(),
    }
}
