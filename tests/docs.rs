//! The documentation says what the program does: its tables of flags are those of the command line, and its links lead somewhere.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "docs/reference.rs"]
mod reference;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory};
use dws_operator::runtime::settings::Cli;

const CONFIGURATION: &str = "docs/configuration.md";
const REFERENCE: &str = "docs/reference.md";
const SECURITY: &str = "docs/security.md";
/// Set it to write the tables instead of comparing them.
const UPDATE: &str = "UPDATE_DOCS";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A table of the flags of a command that `wanted` picks, in the order of `--help`.
fn table(command: &Command, wanted: impl Fn(&Arg) -> bool) -> String {
    let mut table = "| Flag | Environment | Default | Meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set() && wanted(arg)) {
        let code = |text: String| if text.is_empty() { text } else { format!("`{text}`") };
        let flag = arg.get_long().map(|long| format!("--{long}")).unwrap_or_default();
        let env = arg.get_env().unwrap_or_default().to_string_lossy().into_owned();
        let defaults: Vec<_> = arg
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        writeln!(
            table,
            "| {} | {} | {} | {}. |",
            code(flag),
            code(env),
            code(defaults.join(",")),
            help.trim_end_matches('.').replace('|', "\\|"),
        )
        .unwrap();
    }
    table
}

/// The tables of the configuration guide, each with the name of its place there.
fn tables() -> [(&'static str, String); 3] {
    let mut cli = Cli::command();
    cli.build();
    let command = |name| cli.find_subcommand(name).unwrap();
    let (run, check) = (command("run"), command("check"));
    let shared = |arg: &Arg| check.get_arguments().any(|other| other.get_id() == arg.get_id());
    let timing = |arg: &Arg| arg.get_help_heading() == Some("Timings");
    let built_in = |arg: &Arg| ["help", "version"].contains(&arg.get_id().as_str());
    [
        ("shared", table(check, |arg| !built_in(arg))),
        ("run", table(run, |arg| !shared(arg) && !timing(arg) && !built_in(arg))),
        ("timings", table(run, timing)),
    ]
}

/// The text with what stands between the marks of a place replaced.
fn with_table(text: &str, place: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {place} -->\n"), format!("<!-- end of {place} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{begin} is missing"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{end} is missing"));
    format!("{before}{begin}{table}{end}{after}")
}

#[test]
fn the_tables_of_flags_are_those_of_the_command_line() {
    let text = std::fs::read_to_string(root().join(CONFIGURATION)).unwrap();
    let current = tables()
        .iter()
        .fold(text, |text, (place, table)| with_table(&text, place, table));
    is_current(CONFIGURATION, &current);
}

/// Compares a page with what it should be, or writes it.
fn is_current(page: &str, current: &str) {
    let file = root().join(page);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, current).unwrap();
    } else {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            text == current,
            "{page} is stale: run `{UPDATE}=1 cargo test --test docs`"
        );
    }
}

#[test]
fn the_reference_is_that_of_the_definitions() {
    is_current(REFERENCE, &reference::page(root()));
}

/// What stands between backticks in a page.
fn code_in(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2)
}

/// Whether a word is written like the name of a story.
fn is_story(word: &str) -> bool {
    word.matches('_').count() >= 2 && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[test]
fn every_story_that_the_security_page_names_exists() {
    let page = std::fs::read_to_string(root().join(SECURITY)).unwrap();
    let mut stories = String::new();
    let (mut files, mut count) = (0, 0);
    for word in code_in(&page) {
        if word.starts_with("tests/stories/") {
            assert!(count >= files, "no story is named before {word}");
            let file = root().join(word);
            stories = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{word}: {error}"));
            files += 1;
        } else if is_story(word) {
            let is_there = ["async fn", "fn"].map(|head| format!("]\n{head} {word}() {{"));
            assert!(
                is_there.iter().any(|head| stories.contains(head)),
                "no test is named {word}"
            );
            count += 1;
        }
    }
    assert!(
        count >= files && files > 0,
        "{count} stories in {files} files are named"
    );
}

/// The Markdown files of the project.
fn pages() -> Vec<PathBuf> {
    fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_page = path.extension().is_some_and(|extension| extension == "md");
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                collect(&path, pages);
            } else if is_page {
                pages.push(path);
            }
        }
    }
    let mut pages = Vec::new();
    collect(root(), &mut pages);
    pages
}

/// A page without what stands between backticks.
fn prose(page: &str) -> String {
    page.split('`').step_by(2).collect()
}

/// The targets of the links in a page, without those that lead out of the project.
fn links(prose: &str) -> impl Iterator<Item = &str> {
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
}

#[test]
fn every_link_leads_to_a_file_of_the_project() {
    let mut checked = 0;
    for page in pages() {
        let text = prose(&std::fs::read_to_string(&page).unwrap());
        for target in links(&text) {
            let file = page.parent().unwrap().join(target);
            assert!(
                file.exists(),
                "{} links to {target}, which does not exist",
                page.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 0, "no links were found");
}
