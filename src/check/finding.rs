//! One line of the report.

use std::fmt;

use crate::api::text::{self, SENTENCE_MAX};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Unverified,
    Wrong,
}

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    verdict: Verdict,
    subject: String,
    text: String,
}

impl Finding {
    /// All is well.
    pub fn ok(subject: impl Into<String>, text: impl AsRef<str>) -> Self {
        Self::new(Verdict::Ok, subject.into(), text.as_ref())
    }

    /// Something may be wrong, and the check may not find out; the text says why.
    pub fn unverified(subject: impl Into<String>, text: impl AsRef<str>) -> Self {
        Self::new(Verdict::Unverified, subject.into(), text.as_ref())
    }

    /// Something is wrong; the text says what, and what to do about it.
    pub fn wrong(subject: impl Into<String>, text: impl AsRef<str>) -> Self {
        Self::new(Verdict::Wrong, subject.into(), text.as_ref())
    }

    /// Whether something is wrong.
    pub fn is_wrong(&self) -> bool {
        self.verdict == Verdict::Wrong
    }

    /// Whether nobody knows whether something is wrong.
    pub fn is_unverified(&self) -> bool {
        self.verdict == Verdict::Unverified
    }

    fn new(verdict: Verdict, subject: String, text: &str) -> Self {
        Finding {
            verdict,
            subject,
            text: text::one_line(text, SENTENCE_MAX),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Unverified => "?",
            Verdict::Wrong => "wrong",
        };
        write!(f, "{word:<5}  {}: {}", self.subject, self.text)
    }
}
