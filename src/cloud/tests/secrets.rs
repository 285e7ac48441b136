//! What holds secrets cannot be printed.

use std::fmt::{Debug, Display};
use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::*;

/// Tells whether a type can be printed: an inherent constant goes before that of a trait, where its bound holds.
struct Printable<T>(PhantomData<T>);

trait NotPrintable {
    const DEBUG: bool = false;
    const DISPLAY: bool = false;
    const SERIALIZE: bool = false;
}

impl<T> NotPrintable for Printable<T> {}

impl<T: Debug> Printable<T> {
    const DEBUG: bool = true;
}

impl<T: Display> Printable<T> {
    const DISPLAY: bool = true;
}

impl<T: serde::Serialize> Printable<T> {
    const SERIALIZE: bool = true;
}

macro_rules! is_printable {
    ($type:ty) => {
        Printable::<$type>::DEBUG || Printable::<$type>::DISPLAY || Printable::<$type>::SERIALIZE
    };
}

#[test]
fn what_holds_secrets_cannot_be_printed() {
    assert_eq!(
        [
            is_printable!(Credentials),
            is_printable!(credentials::Principal),
            is_printable!(SessionConfig),
            is_printable!(Session),
            is_printable!(credential_cache::Held),
            is_printable!(issued::Issued),
            is_printable!(request::Call<'_>),
            is_printable!(transport::Request<'_>),
            is_printable!(transport::Answer),
            is_printable!(redact::Redactor),
            is_printable!(credential_cache::CredentialCache),
            is_printable!(AccessKey),
            is_printable!(issued::Bearer),
            is_printable!(Limits),
            is_printable!(Breakers<credentials::Principal>),
            is_printable!(breaker::Gate),
            is_printable!(sign::Unsigned<'_>),
            is_printable!(judge::Success<'_>),
        ],
        [false; 18]
    );
    assert_eq!([is_printable!(String)], [true]);
}

/// The Rust files of a folder and of those in it, but for tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !path.ends_with("tests"))
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// The types that a source defines: each with its name, what stands before it and what it is made of.
fn types(source: &str) -> Vec<(String, String, String)> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code = source.lines().filter(is_code).collect::<Vec<_>>().join("\n");
    let mut types = Vec::new();
    for keyword in ["struct ", "enum "] {
        for (at, _) in code.match_indices(keyword) {
            let line = code[..at].rsplit('\n').next().unwrap_or_default().trim();
            if !(line.is_empty() || line.starts_with("pub")) {
                continue;
            }
            let rest = &code[at + keyword.len()..];
            let name = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
            let before = &code[..at];
            let before = &before[before.rfind(['}', ';']).map_or(0, |end| end + 1)..];
            types.push((name, before.to_owned(), body(rest).to_owned()));
        }
    }
    types
}

/// A definition up to its end: the brace that closes it, or the semicolon where there is none.
fn body(definition: &str) -> &str {
    let mut depth = 0;
    for (at, c) in definition.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return &definition[..at],
            '}' => depth -= 1,
            ';' if depth == 0 => return &definition[..at],
            _ => {}
        }
    }
    definition
}

/// Every type with a secret in it, also one that is added later: none of them derives what could print it, so that no type around it can.
#[test]
fn no_type_with_a_secret_derives_a_way_to_print_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut holders = Vec::new();
    for file in files(&root) {
        for (name, attributes, body) in types(&fs::read_to_string(&file).unwrap()) {
            if !["SecretString", "ByteString", "Secret>"]
                .iter()
                .any(|secret| body.contains(secret))
            {
                continue;
            }
            for printing in ["Debug", "Display", "Serialize"] {
                assert!(
                    !attributes.contains(printing),
                    "{}: {name} derives {printing}",
                    file.display()
                );
            }
            holders.push(name);
        }
    }
    for known in ["Credentials", "AccessKey", "Bearer", "Answer"] {
        assert!(
            holders.iter().any(|name| name == known),
            "{known} is not among {holders:?}"
        );
    }
}

#[test]
fn types_are_read_off_a_source() {
    let source = "
/// A struct Fake { in a comment }
#[derive(Clone, Debug)]
pub struct Loud { a: SecretString, b: Vec<u8> }
pub(super) struct Pair(SecretString, u8);
#[derive(Clone)]
enum Kind { A { b: SecretString }, C }
";
    let seen = types(source)
        .into_iter()
        .map(|(name, attributes, body)| (name, attributes.contains("Debug"), body.matches("SecretString").count()));
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [
            ("Loud".to_owned(), true, 1),
            ("Pair".to_owned(), false, 1),
            ("Kind".to_owned(), false, 1)
        ]
    );
}
