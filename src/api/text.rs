//! Free text for status fields: how long it may be by the schema.

use crate::runtime::text;

/// The most characters of an id, a code or a state of the cloud in a status.
pub const WORD_MAX: u32 = 128;

/// The most characters of a sentence in a status.
pub const SENTENCE_MAX: u32 = 1024;

/// The text in one printable line of at most `max` characters.
#[must_use]
pub fn one_line(text: &str, max: u32) -> String {
    text::one_line(text, max as usize)
}
