//! Who may import whom: the arrows between the folders of `src/` run one way, and only some files touch the
//! runtime. docs/architecture.md says why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room of `src/`, a folder or a file of its own, with the rooms that it may import. A room imports only those
/// above it, so no circle can be drawn; that is tested, too.
const ROOMS: [(&str, &[&str]); 32] = [
    ("breaker", &[]),
    ("log", &[]),
    ("memory", &[]),
    ("retry", &[]),
    ("time", &[]),
    ("url", &[]),
    ("json", &[]),
    ("published", &[]),
    ("repository", &["json", "url"]),
    ("about", &["repository"]),
    ("route", &["repository", "url"]),
    ("platform", &["memory"]),
    ("signature", &["published", "repository"]),
    ("policy", &["json", "repository"]),
    ("message", &["json", "policy", "repository"]),
    ("build", &["json", "message", "time", "url"]),
    ("github", &["json", "memory", "platform", "repository", "time", "url"]),
    ("ledger", &["build", "github", "message", "platform", "time"]),
    ("journal", &["ledger", "log", "message", "platform", "retry"]),
    ("alerts", &["ledger", "message", "platform", "signature", "time", "url"]),
    ("sending", &["ledger", "message", "platform"]),
    ("leaving", &["ledger", "message", "platform", "retry", "sending"]),
    ("progress", &["build", "github", "ledger", "message", "platform", "sending"]),
    (
        "statuses",
        &[
            "build",
            "github",
            "ledger",
            "message",
            "platform",
            "policy",
            "progress",
            "repository",
            "retry",
        ],
    ),
    ("sweep", &["github", "ledger", "log", "message", "platform", "policy", "repository", "retry"]),
    ("reports", &["build", "log", "platform", "progress", "signature", "url"]),
    (
        "auto_deploy",
        &[
            "github",
            "ledger",
            "message",
            "platform",
            "policy",
            "repository",
            "retry",
            "sending",
            "time",
        ],
    ),
    (
        "jobs",
        &[
            "auto_deploy",
            "github",
            "leaving",
            "ledger",
            "log",
            "message",
            "platform",
            "retry",
            "statuses",
            "sweep",
            "time",
        ],
    ),
    (
        "delivery",
        &[
            "journal",
            "json",
            "ledger",
            "log",
            "memory",
            "message",
            "platform",
            "policy",
            "repository",
            "route",
            "sending",
            "signature",
            "time",
            "url",
        ],
    ),
    (
        "handover",
        &[
            "breaker",
            "build",
            "leaving",
            "ledger",
            "log",
            "message",
            "platform",
            "progress",
            "retry",
            "sending",
            "signature",
            "time",
            "url",
        ],
    ),
    (
        "operator",
        &[
            "breaker",
            "build",
            "github",
            "journal",
            "json",
            "ledger",
            "log",
            "message",
            "platform",
            "policy",
            "progress",
            "published",
            "repository",
            "route",
            "sending",
            "signature",
            "sweep",
            "time",
            "url",
        ],
    ),
    (
        "lib",
        &[
            "about",
            "alerts",
            "auto_deploy",
            "delivery",
            "handover",
            "jobs",
            "journal",
            "log",
            "message",
            "operator",
            "platform",
            "reports",
            "route",
            "sending",
            "statuses",
            "sweep",
            "url",
        ],
    ),
];

/// The rooms that tell a story: of such a folder only `mod.rs` asks the runtime for anything.
const STORIES: [&str; 7] =
    ["alerts", "auto_deploy", "delivery", "handover", "operator", "reports", "statuses"];

/// The rooms through which what comes in gets to its story.
const DOORS: [&str; 2] = ["jobs", "lib"];

/// The crates that are the runtime.
const RUNTIME: [&str; 4] = ["js_sys", "wasm_bindgen", "web_sys", "worker"];

/// A file of the worker's.
struct File {
    path: PathBuf,
    room: String,
    code: String,
}

/// Every file of the worker's, without its comments and its tests.
fn files() -> Vec<File> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // The command-line tool is a program of its own, built on the library.
                if path != source.join("cli") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                let code = text.lines().map(|line| line.split("//").next().unwrap());
                let code = code.collect::<Vec<_>>().join("\n");
                let path = path.strip_prefix(&source).unwrap().to_owned();
                let room = path.iter().next().unwrap().to_str().unwrap();
                let room = room.trim_end_matches(".rs").to_owned();
                files.push(File { path, room, code });
            }
        }
    }
    files
}

/// The words that stand before `::` in some code, each with what follows it.
fn paths(code: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices("::").map(move |(at, _)| {
        let before = &code[..at];
        let start = before.rfind(|c| !is_word(c)).map_or(0, |end| end + 1);
        (&before[start..], &code[at + 2..])
    })
}

/// The first word of a path, or each of those in braces.
fn first_words(path: &str) -> Vec<&str> {
    let first = |text: &str| -> usize {
        text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())
    };
    match path.strip_prefix('{') {
        Some(list) => {
            let mut depth = 0;
            let mut words = Vec::new();
            let mut begins = true;
            for (at, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => begins = true,
                    c if depth == 0 && begins && !c.is_whitespace() => {
                        words.push(&list[at..at + first(&list[at..])]);
                        begins = false;
                    }
                    _ => {}
                }
            }
            words
        }
        None => vec![&path[..first(path)]],
    }
}

/// The rooms that a file imports.
fn imports(file: &File) -> BTreeSet<&str> {
    let rooms: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let mut imports = BTreeSet::new();
    for (word, rest) in paths(&file.code) {
        if word == "crate" {
            imports.extend(first_words(rest));
        } else if file.room == "lib" && rooms.contains(word) {
            // Where the modules are declared, they are named without `crate`.
            imports.insert(word);
        }
    }
    imports.remove(file.room.as_str());
    imports
}

#[test]
fn every_room_is_in_the_table() {
    let found: BTreeSet<String> = files().into_iter().map(|file| file.room).collect();
    let listed: BTreeSet<String> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(found, listed);
}

#[test]
fn a_room_imports_only_what_stands_above_it_in_the_table() {
    for (number, (room, allowed)) in ROOMS.iter().enumerate() {
        let above: Vec<&str> = ROOMS[..number].iter().map(|(room, _)| *room).collect();
        for import in *allowed {
            assert!(above.contains(import), "{room} may import {import}, which is not above it");
        }
    }
}

#[test]
fn no_story_imports_another() {
    for (room, allowed) in ROOMS.iter().filter(|(room, _)| !DOORS.contains(room)) {
        for story in STORIES {
            assert!(!allowed.contains(&story), "{room} may import the story {story}");
        }
    }
}

#[test]
fn the_rooms_import_just_what_the_table_says() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files() {
        let imports = imports(&file).into_iter().map(str::to_owned);
        found.entry(file.room.clone()).or_default().extend(imports);
    }
    for (room, allowed) in ROOMS {
        let allowed: BTreeSet<String> = allowed.iter().map(|room| (*room).to_owned()).collect();
        assert_eq!(found[room], allowed, "what {room} imports is not what the table says");
    }
}

/// By `super` a file would reach what its neighbours import, past the table.
#[test]
fn only_platform_says_super() {
    for file in files().iter().filter(|file| file.room != "platform") {
        for (word, _) in paths(&file.code) {
            assert!(word != "super", "{} says super", file.path.display());
        }
    }
    for file in files() {
        assert!(!file.code.contains("super::super"), "{}", file.path.display());
    }
}

/// Under another name, a room or the runtime would not be seen here.
#[test]
fn nothing_is_named_otherwise() {
    for file in files() {
        let path = file.path.display();
        assert!(!file.code.contains("extern crate"), "{path}");
        for statement in file.code.split("use ").skip(1) {
            let first = first_words(statement)[0];
            let renamed = statement[first.len()..].trim_start().starts_with("as ");
            let is_runtime = file.room != "platform" && RUNTIME.contains(&first);
            assert!(!renamed && !is_runtime, "{path} gives {first} another name");
        }
    }
}

#[test]
fn only_platform_names_the_runtime() {
    for file in files().iter().filter(|file| file.room != "platform") {
        for (word, _) in paths(&file.code) {
            assert!(!RUNTIME.contains(&word), "{} names {word}", file.path.display());
        }
    }
}

#[test]
fn only_mod_rs_of_a_story_asks_the_runtime_for_anything() {
    for file in files().iter().filter(|file| STORIES.contains(&file.room.as_str())) {
        if !file.path.ends_with("mod.rs") {
            for door in ["platform", "ledger"] {
                let path = file.path.display();
                assert!(!imports(file).contains(door), "{path} is not pure: it imports {door}");
            }
        }
    }
}
