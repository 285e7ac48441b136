//! One line of the report.

use std::fmt;

use crate::api::text::{self, SENTENCE_MAX};

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    wrong: bool,
    subject: String,
    text: String,
}

impl Finding {
    /// All is well.
    pub fn ok(subject: impl Into<String>, text: impl AsRef<str>) -> Self {
        Self::new(false, subject.into(), text.as_ref())
    }

    /// Something is wrong; the text says what, and what to do about it.
    pub fn wrong(subject: impl Into<String>, text: impl AsRef<str>) -> Self {
        Self::new(true, subject.into(), text.as_ref())
    }

    /// Whether something is wrong.
    pub fn is_wrong(&self) -> bool {
        self.wrong
    }

    fn new(wrong: bool, subject: String, text: &str) -> Self {
        Finding {
            wrong,
            subject,
            text: text::one_line(text, SENTENCE_MAX),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.wrong { "wrong" } else { "ok" };
        write!(f, "{word:<5}  {}: {}", self.subject, self.text)
    }
}
