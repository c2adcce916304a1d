//! The gate's own word for the operator's routes: `docs/openapi.json`, which every answer to a test is held against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use super::fixtures::PROJECT;

/// The description.
pub static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read_to_string(format!("{PROJECT}/docs/openapi.json")).unwrap();
    serde_json::from_str(&text).unwrap()
});

/// The operations that have answered something.
static ANSWERED: Mutex<BTreeSet<(String, u16)>> = Mutex::new(BTreeSet::new());

/// Each operation, by its id: its method, the template of its path, and what is said of it.
pub fn operations() -> BTreeMap<&'static str, (String, &'static str, &'static Value)> {
    let paths = DESCRIPTION["paths"].as_object().unwrap();
    let of_path = |(template, item): (&'static String, &'static Value)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, operation)| {
            let id = operation["operationId"].as_str().unwrap();
            (id, (method.to_uppercase(), template.as_str(), operation))
        })
    };
    paths.iter().flat_map(of_path).collect()
}

/// What a reference refers to, or the value itself.
pub fn followed(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DESCRIPTION.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// Whether a path is one of a template's.
fn is_of(path: &str, template: &str) -> bool {
    let (path, template): (Vec<&str>, Vec<&str>) =
        (path.split('/').collect(), template.split('/').collect());
    // A build's id has slashes.
    let is_long = template == ["", "-", "builds", "{id}"] && path.len() > template.len();
    (is_long || path.len() == template.len())
        && path.iter().zip(&template).all(|(part, of)| of.starts_with('{') || part == of)
}

/// The ids of the operations that have answered with a status, or with any success.
pub fn have_answered(status: Option<u16>) -> BTreeSet<String> {
    let answered = ANSWERED.lock().unwrap();
    let wanted = |of: u16| status.map_or(of < 400, |status| of == status);
    answered.iter().filter(|(_, status)| wanted(*status)).map(|(id, _)| id.clone()).collect()
}

/// Holds an answer against the description. What the description does not know may only be refused.
pub fn hold(method: &str, path_and_query: &str, status: u16, body: &str) {
    let path = path_and_query.split('?').next().unwrap();
    let fits = |(_, (of, template, _)): &(&str, (String, &str, &Value))| {
        of == method && is_of(path, template)
    };
    // One that names a segment goes before one that takes any.
    let operation = operations()
        .into_iter()
        .filter(fits)
        .min_by_key(|(_, (_, template, _))| template.matches('{').count());
    let what = format!("{method} {path_and_query} {status}");
    let Some((id, (_, _, operation))) = operation else {
        assert!(matches!(status, 401 | 404 | 405), "{what} is not described");
        return;
    };
    ANSWERED.lock().unwrap().insert((id.to_owned(), status));
    let response = &operation["responses"][status.to_string()];
    assert!(!response.is_null(), "{what} is not described: {body}");
    let response = followed(response);
    let Some(schema) = response["content"]["application/json"]["schema"]["$ref"].as_str() else {
        assert!(body.is_empty(), "{what} has a body that is not described: {body}");
        return;
    };
    let value: Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{what}: {why}"));
    let validator = validator(schema);
    let wrong: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{what}: {wrong:?} in {body}");
}

fn validator(schema: &'static str) -> Arc<Validator> {
    static MADE: Mutex<BTreeMap<&str, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let make = || {
        let schema = json!({"$ref": schema, "components": DESCRIPTION["components"]});
        let options = jsonschema::options().with_draft(Draft::Draft202012);
        Arc::new(options.should_validate_formats(true).build(&schema).unwrap())
    };
    Arc::clone(MADE.lock().unwrap().entry(schema).or_insert_with(make))
}
