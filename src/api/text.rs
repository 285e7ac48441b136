//! Free text for status fields: how long it may be by the schema; and bytes as text.

use crate::runtime::text;

/// The most characters of an id, a code or a state of the cloud in a status.
pub const WORD_MAX: u32 = 128;

/// The most characters of a key of a Secret.
pub const KEY_MAX: u32 = 253;

/// The most characters of a sentence in a status.
pub const SENTENCE_MAX: u32 = 1024;

/// Bytes as hexadecimal digits in lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    let digits = |byte: &u8| [digit(byte >> 4), digit(byte & 0xf)];
    bytes.iter().flat_map(digits).collect()
}

/// The text in one printable line of at most `max` characters.
#[must_use]
pub fn one_line(text: &str, max: u32) -> String {
    text::one_line(text, max as usize)
}
