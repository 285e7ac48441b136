//! The stages know only what they may: read off their source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(of: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/reconcile").join(of);
    if path.is_file() {
        return vec![path];
    }
    let entries = fs::read_dir(&path).expect("the stage exists");
    let files = entries.map(|entry| entry.expect("readable").path());
    files
        .filter(|file| file.extension().is_some_and(|end| end == "rs"))
        .collect()
}

fn code(of: &str) -> String {
    let text = sources(of)
        .into_iter()
        .map(|file| fs::read_to_string(file).expect("readable"));
    let lines = text.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The names that follow a path in the code, in any place.
fn names_after(code: &str, path: &str) -> BTreeSet<String> {
    let word = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let ends = code.match_indices(path).map(|(at, _)| at + path.len());
    ends.flat_map(|end| match code[end..].strip_prefix('{') {
        Some(group) => {
            let group = &group[..group.find('}').expect("closed")];
            group.split(',').map(|name| word(name.trim())).collect::<Vec<_>>()
        }
        None => vec![word(&code[end..])],
    })
    .filter(|name| !name.is_empty())
    .collect()
}

fn roots(code: &str) -> BTreeSet<String> {
    let uses = code.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("pub use ").or_else(|| line.strip_prefix("use "))
    });
    let root = |path: &str| path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    uses.map(root).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_decision_knows_the_api_the_plan_and_the_arithmetic_of_backoff() {
    let code = code("decide");
    assert_eq!(roots(&code), set(&["crate", "attempts", "jiff", "std", "super"]));
    assert_eq!(names_after(&code, "super::super::"), set(&["plan"]));
    assert_eq!(names_after(&code, "crate::"), set(&["api", "runtime"]));
    assert_eq!(names_after(&code, "crate::runtime::"), set(&["backoff"]));
    assert_eq!(names_after(&code, "std::"), set(&["time"]));
    assert_eq!(names_after(&code, "std::time::"), set(&["Duration"]), "no clock");
    for effect in ["async", "await", "tracing", "Timestamp::now", "Uuid", "unsafe"] {
        assert!(!code.contains(effect), "{effect}");
    }
}

#[test]
fn what_folds_knows_the_plan_and_whose_an_item_is() {
    let code = code("fold.rs");
    assert_eq!(roots(&code), set(&["std", "super"]));
    assert_eq!(names_after(&code, "super::"), set(&["plan", "remote"]));
}

#[test]
fn whoever_acts_never_decides() {
    assert!(!code("act.rs").contains("decide"));
}

#[test]
fn whoever_reports_never_calls_the_cloud() {
    let code = code("report.rs");
    assert!(!code.contains("cloud") && !code.contains("session"));
}

#[test]
fn names_are_found_in_groups_and_alone() {
    let code = "use crate::{api, cloud::Session};\nlet x = crate::runtime::backoff::delay();";
    assert_eq!(names_after(code, "crate::"), set(&["api", "cloud", "runtime"]));
}
