//! The ways to read a text in which something may be encoded.
//!
//! Takes a text as glyphs, each with the part of the text that stands for it, and returns what it says when escapes are undone. What is
//! no valid escape stays as it is.

use std::ops::Range;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Stands for an escape that was cut in two.
pub const CUT: char = '\u{1a}';

/// The fewest characters that are looked at as base64: they hold the least beginning of a secret.
const MIN_BASE64: usize = 6;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// A character that a reading gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glyph {
    /// The character.
    pub char: char,
    /// The bytes of the text that stand for it.
    pub range: Range<usize>,
}

/// A part of a text that may be base64.
pub struct Run {
    /// The bytes of the text.
    pub range: Range<usize>,
    /// What it says, for each place at which the base64 may begin.
    pub readings: Vec<Vec<Glyph>>,
}

/// The text as it is.
pub fn plain(text: &str) -> Vec<Glyph> {
    let glyph = |(start, char): (usize, char)| Glyph {
        char,
        range: start..start + char.len_utf8(),
    };
    text.char_indices().map(glyph).collect()
}

/// The text with the escapes of JSON, of URLs and of HTML undone, as far as it has any.
pub fn decoded(glyphs: &[Glyph]) -> Vec<Vec<Glyph>> {
    [('\\', json as Escape), ('%', percent), ('&', html)]
        .into_iter()
        .filter(|(start, _)| glyphs.iter().any(|glyph| glyph.char == *start))
        .map(|(start, escape)| undo(glyphs, start, escape))
        .collect()
}

/// The parts of the text in which all characters are of base64, with those of URLs or without.
pub fn base64_runs(glyphs: &[Glyph]) -> Vec<Run> {
    glyphs
        .chunk_by(|one, next| is_base64(one.char) && is_base64(next.char))
        .filter(|run| run.len() >= MIN_BASE64)
        .map(|run| {
            let range = run[0].range.start..run[run.len() - 1].range.end;
            let text: Vec<u8> = run.iter().filter_map(|glyph| standard(glyph.char)).collect();
            let reading = |start| {
                let text: &[u8] = text.get(start..)?;
                // One character alone holds no whole byte.
                let whole = text.len() - usize::from(text.len() % 4 == 1);
                let bytes = BASE64.decode(&text[..whole]).ok()?;
                Some(characters(bytes.iter().map(|byte| (*byte, range.clone()))))
            };
            Run {
                readings: (0..4).filter_map(reading).collect(),
                range: range.clone(),
            }
        })
        .collect()
}

/// What begins at an escape: its characters and its length, or none if it is no escape.
type Escape = fn(&[Glyph]) -> Option<(Vec<Glyph>, usize)>;

fn undo(glyphs: &[Glyph], start: char, escape: Escape) -> Vec<Glyph> {
    let mut read = Vec::with_capacity(glyphs.len());
    let mut rest = glyphs;
    while let [first, others @ ..] = rest {
        if let Some((chars, length)) = (first.char == start).then(|| escape(rest)).flatten() {
            read.extend(chars);
            rest = &rest[length..];
        } else {
            read.push(first.clone());
            rest = others;
        }
    }
    read
}

/// One glyph for the first ones.
fn one(glyphs: &[Glyph], length: usize, char: char) -> Option<(Vec<Glyph>, usize)> {
    let range = glyphs.first()?.range.start..glyphs.get(length - 1)?.range.end;
    Some((vec![Glyph { char, range }], length))
}

/// A backslash and what follows (RFC 8259, section 7).
fn json(glyphs: &[Glyph]) -> Option<(Vec<Glyph>, usize)> {
    let Some(next) = glyphs.get(1) else {
        return one(glyphs, 1, CUT);
    };
    let char = match next.char {
        'u' => {
            let high = match hex(&glyphs[2..], 4) {
                Digits::Number(high) => high,
                Digits::Cut(length) => return one(glyphs, 2 + length, CUT),
                Digits::None => return None,
            };
            let is_next_escape = matches!(glyphs.get(6..8), Some([a, b]) if (a.char, b.char) == ('\\', 'u'));
            if let (0xd800..=0xdbff, true) = (high, is_next_escape)
                && let Digits::Number(low @ 0xdc00..=0xdfff) = hex(&glyphs[8..], 4)
            {
                let char = char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))?;
                return one(glyphs, 12, char);
            }
            // The first half of a pair whose second half was cut.
            return one(glyphs, 6, char::from_u32(high).unwrap_or(CUT));
        }
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        '.' | '…' => return one(glyphs, 1, CUT),
        other => other,
    };
    one(glyphs, 2, char)
}

/// Percent signs with two digits each, as many as follow one another: together they are UTF-8.
fn percent(glyphs: &[Glyph]) -> Option<(Vec<Glyph>, usize)> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some([first, digits @ ..]) = glyphs.get(length..)
        && first.char == '%'
    {
        match hex(digits, 2) {
            Digits::Number(byte) => {
                let range = first.range.start..digits[1].range.end;
                bytes.push((u8::try_from(byte).ok()?, range));
                length += 3;
            }
            Digits::Cut(cut) if length == 0 => return one(glyphs, 1 + cut, CUT),
            Digits::Cut(_) | Digits::None => break,
        }
    }
    (length > 0).then(|| (characters(bytes.into_iter()), length))
}

/// A character reference of HTML, by number or by one of the names that escaping needs.
fn html(glyphs: &[Glyph]) -> Option<(Vec<Glyph>, usize)> {
    const LONGEST: usize = 9;
    let body = &glyphs[1..glyphs.len().min(1 + LONGEST)];
    let end = body
        .iter()
        .position(|glyph| !(glyph.char.is_ascii_alphanumeric() || glyph.char == '#'));
    let Some(end) = end else {
        return (body.len() < LONGEST)
            .then(|| one(glyphs, 1 + body.len(), CUT))
            .flatten();
    };
    let name: String = body[..end].iter().map(|glyph| glyph.char).collect();
    match body[end].char {
        ';' => {}
        '.' | '…' => return one(glyphs, 1 + end, CUT),
        _ => return None,
    }
    let char = match name.as_str() {
        "quot" => '"',
        "apos" => '\'',
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(number) => u32::from_str_radix(number, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?)?
        }
    };
    one(glyphs, 2 + end, char)
}

enum Digits {
    Number(u32),
    /// So many digits, and then the text ends or is cut.
    Cut(usize),
    None,
}

/// The hexadecimal number of so many digits.
fn hex(glyphs: &[Glyph], length: usize) -> Digits {
    let digits = glyphs.iter().take(length).map_while(|glyph| glyph.char.to_digit(16));
    let (count, number) = digits.fold((0, 0), |(count, number), digit| (count + 1, number << 4 | digit));
    match glyphs.get(count).map(|glyph| glyph.char) {
        _ if count == length => Digits::Number(number),
        None | Some('.' | '…') => Digits::Cut(count),
        Some(_) => Digits::None,
    }
}

/// Bytes as UTF-8, what is none as Latin-1, and the beginning of a character at their end as [`CUT`].
fn characters(bytes: impl Iterator<Item = (u8, Range<usize>)>) -> Vec<Glyph> {
    let (bytes, ranges): (Vec<u8>, Vec<Range<usize>>) = bytes.unzip();
    let mut glyphs = Vec::new();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().chars().map(|char| (char, char.len_utf8()));
        // Only at the end: in between, what follows tells that no more was to come.
        let is_cut = str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
        let char_of = |byte: &u8| if is_cut { CUT } else { char::from(*byte) };
        let invalid = chunk.invalid().iter().map(|byte| (char_of(byte), 1));
        for (char, length) in valid.chain(invalid) {
            let range = ranges[at].start..ranges[at + length - 1].end;
            glyphs.push(Glyph { char, range });
            at += length;
        }
    }
    glyphs
}

fn is_base64(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '+' | '/' | '-' | '_' | '=')
}

/// The character in the first of the two alphabets; padding is nothing.
fn standard(char: char) -> Option<u8> {
    match char {
        '-' => Some(b'+'),
        '_' => Some(b'/'),
        '=' => None,
        other => u8::try_from(other).ok(),
    }
}
