use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

/// With a character for each kind of escape.
const SECRET: &str = "pä\"s\\s/w <\u{1f511}>+&'1";

type Encode = fn(&str) -> String;

fn each<T>(parts: impl Iterator<Item = T>, encode: impl Fn(T) -> String) -> String {
    parts.map(encode).collect::<Vec<String>>().concat()
}

/// JSON with all but ASCII as UTF-16 escapes, and with what HTML would take for its own.
fn ascii_json(text: &str) -> String {
    let mut json = String::new();
    for char in text.chars() {
        match char {
            '"' | '\\' | '/' => json.extend(['\\', char]),
            ' '..='~' if !"<>&'=+".contains(char) => json.push(char),
            _ => {
                let mut units = [0; 2];
                let units = char.encode_utf16(&mut units).iter();
                json += &each(units, |unit| format!("\\u{unit:04x}"));
            }
        }
    }
    json
}

fn json(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

fn percent(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn html_names(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn html_numbers(text: &str) -> String {
    each(text.chars(), |char| format!("&#{};", u32::from(char)))
}

fn html_hex(text: &str) -> String {
    each(text.chars(), |char| format!("&#x{:x};", u32::from(char)))
}

const ENCODINGS: [(&str, Encode); 12] = [
    ("plain", str::to_owned),
    ("JSON", json),
    ("ASCII JSON", ascii_json),
    ("JSON in JSON", |text| ascii_json(&json(text))),
    ("percent", percent),
    ("percent in lower case", |text| {
        each(text.bytes(), |byte| format!("%{byte:02x}"))
    }),
    ("form", |text| percent(text).replace("%20", "+")),
    ("percent twice", |text| percent(&percent(text))),
    ("HTML by name", html_names),
    ("HTML by number", html_numbers),
    ("HTML by hexadecimal number", html_hex),
    ("HTML in JSON", |text| json(&html_names(text))),
];

const BASE64: [(&str, Encode); 2] = [
    ("base64", |text| STANDARD.encode(text)),
    ("base64 of URLs", |text| URL_SAFE_NO_PAD.encode(text)),
];

#[test]
fn echoed_secret_is_replaced_in_every_encoding() {
    let redactor = Redactor::new([SECRET]);
    for (name, encode) in ENCODINGS {
        let said = redactor.message(&format!("the value \"{}\" is bad", encode(SECRET)));
        assert_eq!(said, "the value \"[redacted]\" is bad", "{name}");
    }
}

#[test]
fn secret_in_base64_is_replaced_wherever_it_lies() {
    let redactor = Redactor::new([SECRET]);
    for (name, base64) in BASE64 {
        for (inner, encode) in ENCODINGS {
            for before in ["", "a", "ab", "abc"] {
                let coded = base64(&format!("{before}{}\"}}", encode(SECRET)));
                let said = redactor.message(&format!("bad: {coded} of line 1"));
                assert_eq!(said, "bad: [redacted] of line 1", "{name} {inner} {before:?}");
                let said = redactor.message(&format!("token={coded}"));
                assert_eq!(said, "[redacted]", "{name} {inner} {before:?}");
            }
        }
    }
}

#[test]
fn secret_that_was_cut_in_any_encoding_leaves_nothing_at_the_end() {
    let redactor = Redactor::new([SECRET]);
    for (name, encode) in ENCODINGS {
        let coded = encode(SECRET);
        // Less than the first character tells nothing.
        let first = encode("p").len();
        for (length, _) in coded.char_indices().filter(|(length, _)| *length >= first) {
            for end in ["…", "...", ""] {
                let said = redactor.message(&format!("bad: {}{end}", &coded[..length]));
                let left = said.trim_start_matches("bad: ").trim_end_matches(['.', '…']);
                let is_short = length < 4 * encode("&").len().max(encode("ä").len());
                let fine = left == "[redacted]" || (end != "…" && is_short);
                assert!(fine, "{name} {end:?}: {said}");
            }
        }
    }
}

#[test]
fn secret_is_looked_for_before_a_text_is_cut() {
    let redactor = Redactor::new([SECRET]);
    for (name, encode) in ENCODINGS.into_iter().chain(BASE64) {
        for before in 200..=MAX_MESSAGE {
            let said = redactor.message(&format!("{} {} z", ".".repeat(before), encode(SECRET)));
            let shown = said.trim_start_matches('.').trim();
            let fine = shown.is_empty() || "[redacted] z".starts_with(shown.trim_end_matches('…'));
            assert!(fine, "{name} {before}: {said}");
        }
    }
}

#[test]
fn what_was_cut_before_the_secret_was_known_leaves_no_character_of_it() {
    let secret = "Qwxyz-Qwxyz";
    for before in 240..MAX_MESSAGE {
        let cut = Redactor::new([]).message(&format!("{}{secret} and more", "a".repeat(before)));
        let said = Redactor::new([secret]).message(&cut);
        assert!(!said.contains(['Q', 'w', 'x', 'y', 'z']), "{said}");
    }
}

#[test]
fn secret_is_found_in_a_line_whose_spaces_were_joined() {
    let secret = "two  spaces\u{a0}\u{200b}here ";
    let line = Redactor::new([]).message(&format!("bad: {secret}, said the cloud"));
    assert_eq!(
        Redactor::new([secret]).message(&line),
        "bad: [redacted] , said the cloud"
    );
}

#[test]
fn ordinary_words_stay() {
    let redactor = Redactor::new([SECRET, "password1", "ggpjbi1ub3J0aC00EXAMPLE/token+with=chars"]);
    for said in [
        "The parameter data_source_name is invalid: 100% & more \\ /v1.0/4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90/x",
        "limit:200,time:5 minute&#x;%zz\\u12",
        "DWS.0047: Cluster does not exist...",
    ] {
        assert_eq!(redactor.message(said), said);
    }
}

#[test]
fn beginning_of_a_secret_in_the_middle_is_replaced_where_dots_say_that_it_was_cut() {
    let redactor = Redactor::new(["password1"]);
    assert_eq!(
        redactor.message("bad: 'passwo...' in line 1"),
        "bad: '[redacted]...' in line 1"
    );
    assert_eq!(redactor.message("a password is needed"), "a password is needed");
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
    fn no_message_holds_the_secret_in_any_encoding(
        secret in "[A-Z!-@äé世🔑\\[-`]{8,24}", before in "[a-z ]{0,300}", after in "[a-z ]{0,20}",
        outer in 0..ENCODINGS.len(), inner in 0..ENCODINGS.len(), base64 in 0..3_usize,
    ) {
        let (_, outer) = ENCODINGS[outer];
        let mut coded = outer(&secret);
        // Two encodings inside each other use up the depth that is looked at.
        if let Some((_, base64)) = BASE64.get(base64) {
            coded = base64(&format!("{before}{coded}{after}"));
        } else if !ENCODINGS[inner].0.contains(['2']) {
            coded = json(&coded);
        }
        let said = Redactor::new([secret.as_str()]).message(&format!("{before} {coded} {after}"));
        prop_assert!(said.chars().count() <= MAX_MESSAGE);
        let rest = said.replace(REDACTED, "");
        let alien = |char: char| !matches!(char, 'a'..='z' | ' ' | '…' | '[');
        prop_assert!(!rest.contains(alien), "{}", said);
    }

    #[test]
    fn any_text_and_any_secret_are_survived(
        text in any::<String>(), noise in "[%&\\\\u#xX;0-9a-fA-F+/=_.…-]{0,200}", secret in any::<String>(),
    ) {
        let redactor = Redactor::new([secret.as_str()]);
        for text in [text.clone(), noise.clone(), format!("{text}{secret}{noise}"), format!("{noise}{secret}")] {
            let said = redactor.message(&text);
            prop_assert_eq!(&said, &redactor.message(&text));
            prop_assert!(said.chars().count() <= MAX_MESSAGE);
            prop_assert!(!said.chars().any(char::is_control));
            if secret.len() > REDACTED.len() {
                prop_assert!(!said.contains(&secret));
            }
        }
    }
}
