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

#[test]
fn echoed_secrets_are_replaced_in_every_form() {
    let redactor = Redactor::new(["pass\"w/ord", ""]);
    let said = redactor.message(r#"raw pass"w/ord json pass\"w/ord url pass%22w%2Ford"#);
    assert_eq!(said, "raw [redacted] json [redacted] url [redacted]");
}

#[test]
fn secret_split_by_control_characters_is_replaced() {
    let redactor = Redactor::new(["password1"]);
    assert_eq!(redactor.message("x pass\u{1b}[1mword1 y"), "x [redacted] y");
}

#[test]
fn beginning_of_a_secret_at_the_end_is_replaced() {
    let redactor = Redactor::new(["password1"]);
    assert_eq!(redactor.message("bad value: passwo..."), "bad value: [redacted]...");
}

#[test]
fn longer_secret_goes_before_the_one_inside_it() {
    let redactor = Redactor::new(["inner", "an-inner-secret"]);
    assert_eq!(redactor.message("an-inner-secret inner"), "[redacted] [redacted]");
}

proptest! {
    #[test]
    fn any_text_becomes_one_short_printable_line(text in any::<String>()) {
        let line = printable(&text, MAX_MESSAGE);
        prop_assert!(line.chars().count() <= MAX_MESSAGE);
        prop_assert!(!line.chars().any(|c| c.is_control() || is_invisible(c)));
    }

    #[test]
    fn no_message_holds_the_secret(
        secret in "[!-~]{12,40}", before in any::<String>(), after in any::<String>()
    ) {
        prop_assume!(!REDACTED.contains(&secret));
        let redactor = Redactor::new([secret.as_str()]);
        let said = redactor.message(&format!("{before}{secret}{after}"));
        prop_assert!(!said.contains(&secret));
    }
}
