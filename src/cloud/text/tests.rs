use proptest::prelude::*;

use super::*;

#[test]
fn terminal_sequences_and_controls_are_removed() {
    assert_eq!(
        printable("a\u{1b}[31mred\u{1b}[0m\r\n\tb\u{1b}]0;title\u{7}c\u{0}d\u{202e}e", 99),
        "ared bc de"
    );
}

#[test]
fn template_syntax_stays_text() {
    assert_eq!(printable("{{.Values}} $(id)", 99), "{{.Values}} $(id)");
}

#[test]
fn long_text_is_cut() {
    let cut = printable(&"é".repeat(10_000), MAX_MESSAGE);
    assert_eq!(cut.chars().count(), MAX_MESSAGE);
    assert!(cut.ends_with('…'));
}

proptest! {
    #[test]
    fn any_text_becomes_one_short_printable_line(text in any::<String>()) {
        let line = printable(&text, MAX_MESSAGE);
        prop_assert!(line.chars().count() <= MAX_MESSAGE);
        prop_assert!(!line.chars().any(|c| c.is_control() || is_invisible(c)));
    }
}
