//! What the pages say is so: links lead somewhere, and the names of settings and codes are those of the source.

#[path = "support/fixtures.rs"]
#[allow(dead_code)]
mod fixtures;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fixtures::PROJECT;

/// The largest that README.md may be, in bytes: two minutes of reading.
const LARGEST_README: usize = 7_000;

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(PROJECT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files with an ending in a folder of the project and below, without what is installed or built.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(PROJECT).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !name.starts_with('.') && !["build", "node_modules", "target"].contains(&name) {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                files.push(path);
            }
        }
    }
    files
}

/// A page's lines outside of its code blocks.
fn prose(page: &str) -> Vec<&str> {
    let mut in_code = false;
    let prose = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    });
    prose.collect()
}

/// The anchors of a page: its headings, as GitHub makes links of them
/// (<https://docs.github.com/en/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax#section-links>).
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).into_iter().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| -> String {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        text.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

/// The targets of a page's links and pictures. A link may go over a line's end.
fn links(page: &str) -> Vec<String> {
    let text = prose(page).join("\n");
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = files(".", ".md");
    assert!(pages.len() >= 10, "{pages:?}");
    let mut checked = 0;
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').map_or((&*link, None), |(f, a)| (f, Some(a)));
            let target =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let shown = page.display();
            assert!(target.exists(), "{shown} links to {link}, which is not there");
            if let Some(anchor) = anchor {
                let anchors = anchors(&fs::read_to_string(target).unwrap());
                assert!(anchors.contains(anchor), "{shown} links to {link}: no such heading");
            }
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} links were found");
}

#[test]
fn every_page_is_reached_from_the_readme() {
    let mut reached = BTreeSet::from([PathBuf::from("README.md")]);
    let mut waiting = vec![PathBuf::from("README.md")];
    while let Some(page) = waiting.pop() {
        for link in links(&read(&page)).iter().filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap();
            let Ok(target) =
                Path::new(PROJECT).join(page.parent().unwrap()).join(file).canonicalize()
            else {
                continue;
            };
            let target = target.strip_prefix(PROJECT).unwrap().to_owned();
            if file.ends_with(".md") && reached.insert(target.clone()) {
                waiting.push(target);
            }
        }
    }
    for page in files(".", ".md") {
        let page = page.strip_prefix(format!("{PROJECT}/.")).unwrap();
        assert!(reached.contains(page), "{} is reached from no page", page.display());
    }
}

#[test]
fn the_readme_is_read_in_two_minutes() {
    let bytes = read("README.md").len();
    assert!(bytes <= LARGEST_README, "README.md has {bytes} bytes");
}

/// Whether a text is a name such as `ORIGIN_URL`.
fn is_setting(text: &str) -> bool {
    let methods = ["DELETE", "PATCH"];
    text.len() > 4
        && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        && !methods.contains(&text)
        && !text.starts_with("CARGO_")
        && !["OUT_DIR", "POLICY", "BRANCH"].contains(&text)
}

/// What the worker reads by name: the strings of its source that look like a setting's.
fn settings_of_the_source() -> BTreeSet<String> {
    let mut settings = BTreeSet::new();
    for file in files("src", ".rs") {
        if file.starts_with(format!("{PROJECT}/src/cli")) {
            continue;
        }
        let code = fs::read_to_string(file).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
        let strings = code.split('"').skip(1).step_by(2).map(str::to_owned);
        settings.extend(strings.filter(|text| is_setting(text)));
    }
    settings
}

/// The first column of the rows of a page's tables, between backticks.
fn first_column(page: &str) -> Vec<String> {
    let rows = prose(page).into_iter().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect()
}

#[test]
fn every_setting_is_documented_and_every_documented_one_is_read() {
    let read_by_the_worker = settings_of_the_source();
    assert!(read_by_the_worker.contains("WEBHOOK_SECRET"), "{read_by_the_worker:?}");
    let documented = first_column(&read("docs/deploy.md"));
    let unique: BTreeSet<String> = documented.iter().cloned().collect();
    assert_eq!(unique.len(), documented.len(), "a setting is documented twice");
    assert_eq!(unique, read_by_the_worker);
}

#[test]
fn what_is_set_up_for_the_worker_is_read_by_it() {
    let config: toml::Table = read("wrangler.toml").parse().unwrap();
    let settings = settings_of_the_source();
    let bindings = [
        config["kv_namespaces"].as_array().unwrap(),
        config["queues"]["producers"].as_array().unwrap(),
        config["d1_databases"].as_array().unwrap(),
    ];
    let bindings = bindings.into_iter().flatten().map(|one| one["binding"].as_str().unwrap());
    let variables = config["vars"].as_table().unwrap().keys().map(String::as_str);
    let local = read(".dev.vars.example");
    let local = local.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    for name in bindings.chain(variables).chain(local.filter(|name| !name.starts_with('#'))) {
        assert!(settings.contains(name), "{name} is set and not read");
    }
}

#[test]
fn each_code_has_a_heading_and_each_heading_below_is_a_code() {
    let page = read("docs/answers.md");
    let rows = page.lines().filter(|line| {
        let status = line.strip_prefix("| ").and_then(|row| row.get(..3));
        status.is_some_and(|status| status.bytes().all(|b| b.is_ascii_digit()))
    });
    let codes: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(codes.len() > 20, "{codes:?}");
    assert_eq!(codes, headings);
}

/// The codes in the source of a file: the strings that `=>` leads to.
fn codes_of(file: &str) -> BTreeSet<String> {
    let code = read(file);
    let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
    let arms = code.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap());
    arms.filter(|arm| arm.contains('-')).map(str::to_owned).collect()
}

#[test]
fn every_code_of_a_handover_is_documented_and_the_other_way_round() {
    let codes = codes_of("src/handover/attempt.rs");
    assert!(codes.contains("origin-accepted"), "{codes:?}");
    let page = read("docs/operate.md");
    // The table of the log has all; that of the dead letters has all that end as one.
    let mut documented: BTreeMap<String, usize> = BTreeMap::new();
    for code in first_column(&page) {
        *documented.entry(code).or_default() += 1;
    }
    for code in &codes {
        let times = if code == "origin-accepted" { 1 } else { 2 };
        assert_eq!(documented.get(code), Some(&times), "{code} in docs/operate.md");
    }
    for code in documented.keys().filter(|code| code.contains('-') && !code.contains(' ')) {
        assert!(codes.contains(code), "{code} of docs/operate.md is no code");
    }
}
