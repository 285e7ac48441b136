use proptest::prelude::*;

use super::*;

#[test]
fn terminal_sequences_and_controls_are_removed() {
    assert_eq!(
        one_line("a\u{1b}[31mred\u{1b}[0m\r\n\tb\u{1b}]0;title\u{7}c\u{0}d\u{202e}e", 99),
        "ared bc de"
    );
}

#[test]
fn template_syntax_stays_text() {
    assert_eq!(one_line("{{.Values}} $(id)", 99), "{{.Values}} $(id)");
}

#[test]
fn long_text_is_cut() {
    for (max, line) in [(6, "äöüäö…"), (9, "äöüäöüäöü"), (1, "…"), (0, "")] {
        assert_eq!(one_line("äöüäöüäöü", max), line);
    }
}

proptest! {
    #[test]
    fn any_text_becomes_one_short_printable_line_that_stays_so(text in any::<String>(), max in 0_usize..40) {
        let line = one_line(&text, max);
        prop_assert!(line.chars().count() <= max);
        let is_break = |c: char| c != ' ' && c.is_whitespace();
        prop_assert!(!line.chars().any(|c| c.is_control() || is_break(c) || is_invisible(c)), "{:?}", line);
        prop_assert_eq!(one_line(&line, max), line);
    }
}
