//! Text from outside, made fit for a status field, an event or a log line.
//!
//! Takes what a server wrote and returns one short printable line without the secrets of the request.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The most characters of a message.
pub const MAX_MESSAGE: usize = 256;

const REDACTED: &str = "[redacted]";

/// The fewest characters of a cut secret at the end of a text that are taken for one.
const MIN_PREFIX: usize = 4;

const ESCAPE: char = '\u{1b}';

/// One line of at most `max` characters: no terminal sequences, control or invisible characters.
pub fn printable(text: &str, max: usize) -> String {
    shorten(&one_line(text), max)
}

/// The secrets of a request, to be kept out of what the server said about it.
pub struct Redactor<'a> {
    secrets: Vec<&'a str>,
}

/// A message of at most [`MAX_MESSAGE`] printable characters without these secrets.
pub fn without_secrets<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    Redactor::new(secrets).message(text)
}

impl<'a> Redactor<'a> {
    /// For these secrets; empty ones are ignored.
    pub fn new(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets: Vec<&str> = secrets.into_iter().filter(|s| !s.is_empty()).collect();
        // A secret that contains another one goes first, or its rest would stay.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets }
    }

    /// A message of at most [`MAX_MESSAGE`] printable characters without a secret.
    pub fn message(&self, text: &str) -> String {
        // Twice: control characters may be part of a secret, or may have been put into an echo of one.
        let line = self.redact(&one_line(&self.redact(text)));
        shorten(&line, MAX_MESSAGE)
    }

    /// Whether the text has one of the secrets in it.
    pub fn finds_secret_in(&self, text: &str) -> bool {
        self.redact(text) != text
    }

    fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            for form in forms(secret) {
                if text.contains(&form) {
                    text = text.replace(&form, REDACTED);
                }
            }
        }
        for secret in &self.secrets {
            cut_prefix_at_end(&mut text, secret);
        }
        text
    }
}

/// The secret as it is, inside JSON, and inside a URL.
fn forms(secret: &str) -> Vec<String> {
    let json = serde_json::Value::from(secret).to_string();
    let mut forms = vec![
        secret.to_owned(),
        json.trim_matches('"').to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
    ];
    forms.retain(|form| !form.is_empty());
    forms.dedup();
    forms
}

/// A server that shortens what it echoes leaves the beginning of a secret at the end.
fn cut_prefix_at_end(text: &mut String, secret: &str) {
    let end = text.trim_end_matches(['.', '…', ' ']).len();
    let longest = secret
        .char_indices()
        .map(|(index, char)| index + char.len_utf8())
        .skip(MIN_PREFIX - 1)
        .filter(|length| text[..end].ends_with(&secret[..*length]))
        .last();
    if let Some(length) = longest {
        text.replace_range(end - length..end, REDACTED);
    }
}

fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == ESCAPE {
            skip_sequence(&mut chars);
        } else if char.is_whitespace() || char.is_control() {
            if !line.is_empty() && !line.ends_with(' ') {
                line.push(' ');
            }
        } else if !is_invisible(char) {
            line.push(char);
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// Skips the rest of a terminal sequence (ECMA-48): CSI up to its final byte, OSC up to BEL or ST.
fn skip_sequence(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        Some('[') => {
            chars.find(|char| matches!(*char, '@'..='~'));
        }
        Some(']') => {
            let end = chars.find(|char| matches!(*char, '\u{7}' | ESCAPE));
            if end == Some(ESCAPE) {
                chars.next();
            }
        }
        _ => {}
    }
}

/// Zero-width and direction-changing characters, which make a line read as something else.
fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn shorten(line: &str, max: usize) -> String {
    if line.chars().count() <= max {
        return line.to_owned();
    }
    let kept: String = line.chars().take(max - 1).collect();
    kept + "…"
}

#[cfg(test)]
mod tests;
