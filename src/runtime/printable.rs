//! Text from outside, made safe to show in a log, an event or a status.

/// The first 256 printable characters of `text`; line breaks and other control characters are left out.
#[must_use]
pub fn cut(text: &str) -> String {
    const LONGEST: usize = 256;
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
