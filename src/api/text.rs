//! Free text for status fields: one line, and short enough for the schema; and bytes as text.

/// The most characters of an id, a code or a state of the cloud in a status.
pub const WORD_MAX: u32 = 128;

/// The most characters of a sentence in a status.
pub const SENTENCE_MAX: u32 = 1024;

/// Bytes as hexadecimal digits in lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    let digits = |byte: &u8| [digit(byte >> 4), digit(byte & 0xf)];
    bytes.iter().flat_map(digits).collect()
}

/// The text in one line of at most `max` characters.
///
/// Line breaks, other control characters and runs of white space become one space each; a text that is cut ends in `...`.
#[must_use]
pub fn one_line(text: &str, max: u32) -> String {
    const ELLIPSIS: &str = "...";
    let max = max as usize;
    let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = printable.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= max {
        return line;
    }
    let kept = max.saturating_sub(ELLIPSIS.len());
    line.chars().take(kept).chain(ELLIPSIS.chars()).take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_text_stays_as_it_is() {
        assert_eq!(one_line("the cloud said: no", SENTENCE_MAX), "the cloud said: no");
    }

    #[test]
    fn breaks_and_tabs_become_one_space() {
        assert_eq!(one_line("a\r\nb\u{2028}c\t\td\u{0}e\n", 20), "a b c d e");
    }

    #[test]
    fn long_text_is_cut_by_characters_and_says_so() {
        assert_eq!(one_line("äöüäöüäöü", 6), "äöü...");
        assert_eq!(one_line("abc", 2), "..");
    }

    proptest! {
        #[test]
        fn the_result_fits_and_is_stable(text in "(?s).{0,80}", max in 0_u32..40) {
            let line = one_line(&text, max);
            prop_assert!(line.chars().count() <= max as usize);
            let has_break = line.chars().any(|c| c.is_control() || c == '\u{2028}' || c == '\u{2029}');
            prop_assert!(!has_break, "{:?}", line);
            prop_assert_eq!(one_line(&line, max), line);
        }
    }
}
