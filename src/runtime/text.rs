//! Text from outside, made fit for a status field, an event or a log line.
//!
//! Takes what a server, a user or a panic wrote and returns one short printable line. It keeps no secret: that is `cloud::redact`'s work.

const ESCAPE: char = '\u{1b}';

/// One line of at most `max` characters, as [`clean`] and [`shorten`] make it.
#[must_use]
pub fn one_line(text: &str, max: usize) -> String {
    shorten(&clean(text), max)
}

/// Without terminal sequences, control and invisible characters, and with one space where white space was.
#[must_use]
pub fn clean(text: &str) -> String {
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

/// At most `max` characters of a line; `…` tells that there were more.
#[must_use]
pub fn shorten(line: &str, max: usize) -> String {
    if line.chars().count() <= max {
        return line.to_owned();
    }
    let kept = line.chars().take(max.saturating_sub(1));
    kept.chain(['…']).take(max).collect()
}

#[cfg(test)]
mod tests;
