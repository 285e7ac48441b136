//! The secrets of a request, kept out of what a server says about it.
//!
//! Takes what a server wrote and returns one short printable line without the secrets, however the server wrote them: as they are, escaped
//! as in JSON, a URL or HTML, in base64, any of these inside another, broken up by control characters, or cut. It redacts before it cuts.

use std::ops::Range;

use super::errors::MAX_MESSAGE;
use crate::runtime::text::{clean, shorten};
use readings::{CUT, Glyph};

mod readings;

const REDACTED: &str = "[redacted]";

/// The most characters of a text that are looked at; a message shows far fewer.
const MAX_TEXT: usize = 4096;

/// The fewest characters of a cut secret that are taken for one; after [`ELLIPSIS`], which cuts for certain, one is enough.
const MIN_PREFIX: usize = 4;

/// What [`shorten`] puts at the end of a text that it cuts.
const ELLIPSIS: char = '…';

/// How many encodings may lie inside one another.
const DEPTH: u32 = 3;

/// Replaces secrets.
pub struct Redactor {
    /// Each as it is, and as a line shows it.
    secrets: Vec<Vec<char>>,
}

/// A message of at most [`MAX_MESSAGE`] printable characters without these secrets.
pub fn without_secrets<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    Redactor::new(secrets).message(text)
}

impl Redactor {
    /// For these secrets; empty ones are ignored.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets: Vec<Vec<char>> = secrets
            .into_iter()
            .flat_map(|secret| [secret.to_owned(), clean(secret)])
            .filter(|secret| !secret.is_empty())
            .map(|secret| secret.chars().collect())
            .collect();
        secrets.sort_unstable();
        secrets.dedup();
        Self { secrets }
    }

    /// A message of at most [`MAX_MESSAGE`] printable characters without a secret.
    pub fn message(&self, text: &str) -> String {
        // Twice: control characters may be part of a secret, or may have been put into an echo of one.
        let line = self.redact(&clean(&self.redact(text)));
        shorten(&line, MAX_MESSAGE)
    }

    /// Whether the text has one of the secrets in it.
    pub fn finds_secret_in(&self, text: &str) -> bool {
        !self.hidden(&readings::plain(text), DEPTH).is_empty()
    }

    /// As much of the text as is looked at, without the secrets; neither printable nor short.
    pub fn redact(&self, text: &str) -> String {
        let end = text.char_indices().nth(MAX_TEXT).map_or(text.len(), |(end, _)| end);
        let text = &text[..end];
        let mut hidden = self.hidden(&readings::plain(text), DEPTH);
        hidden.sort_unstable_by_key(|range| (range.start, range.end));
        let mut redacted = String::new();
        let mut shown = 0;
        for range in hidden {
            if range.start > shown || (shown == 0 && range.start == 0) {
                redacted.push_str(&text[shown..range.start]);
                redacted.push_str(REDACTED);
            }
            shown = shown.max(range.end);
        }
        redacted + &text[shown..]
    }

    /// The parts of the text that hold a secret, in this reading of it or in one behind it.
    fn hidden(&self, glyphs: &[Glyph], depth: u32) -> Vec<Range<usize>> {
        let mut hidden: Vec<Range<usize>> = self
            .secrets
            .iter()
            .flat_map(|secret| occurrences(glyphs, secret))
            .collect();
        let Some(depth) = depth.checked_sub(1) else {
            return hidden;
        };
        for reading in readings::decoded(glyphs) {
            hidden.extend(self.hidden(&reading, depth));
        }
        for run in readings::base64_runs(glyphs) {
            let holds_secret = |reading: &Vec<Glyph>| !self.hidden(reading, depth).is_empty();
            if run.readings.iter().any(holds_secret) {
                hidden.push(run.range);
            }
        }
        hidden
    }
}

/// Where the secret is, or the beginning of one that was cut.
fn occurrences(glyphs: &[Glyph], secret: &[char]) -> Vec<Range<usize>> {
    let end = glyphs
        .iter()
        .rposition(|glyph| !is_cut(glyph.char))
        .map_or(0, |last| last + 1);
    let found = |start: usize| {
        let said = glyphs[start..].iter().zip(secret);
        let length = said.take_while(|(glyph, char)| is_same(glyph.char, **char)).count();
        let rest = &glyphs[start + length..];
        let whole = length == secret.len();
        (length > 0 && (whole || is_beginning(length, start + length >= end, rest))).then(|| {
            // Half an escape tells half a character.
            let halves = rest.iter().take_while(|glyph| glyph.char == CUT && !whole).count();
            glyphs[start].range.start..glyphs[start + length + halves - 1].range.end
        })
    };
    (0..glyphs.len()).filter_map(found).collect()
}

/// A form writes a space as a plus.
fn is_same(said: char, secret: char) -> bool {
    said == secret || (said == '+' && secret == ' ')
}

/// Whether so many characters of a secret, with this behind them, are what is left of a cut one.
fn is_beginning(length: usize, at_end: bool, rest: &[Glyph]) -> bool {
    let behind = || rest.iter().map(|glyph| glyph.char).skip_while(|char| *char == CUT);
    let ellipsis = behind().next() == Some(ELLIPSIS);
    let certain = ellipsis && behind().count() == 1;
    let dots = behind().take(3).eq("...".chars());
    certain || length >= MIN_PREFIX && (at_end || dots || ellipsis)
}

fn is_cut(char: char) -> bool {
    matches!(char, '.' | ELLIPSIS | CUT | ' ' | '"' | '\'')
}

#[cfg(test)]
mod tests;
