//! Keeps a panic inside the one piece of work that caused it.
//!
//! Takes a future and returns its output, or what the panic said. It may never resume the panic: one object that trips over a defect must not
//! end the work for all others.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::text::one_line;

/// The most characters of what a panic said.
const LONGEST: usize = 256;

/// What a panic said, as one printable line of at most 256 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanicMessage(String);

impl fmt::Display for PanicMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PanicMessage {}

/// Runs `work` to its end.
///
/// # Errors
/// The message of the panic, if `work` panicked.
pub async fn guard<F: Future>(work: F) -> Result<F::Output, PanicMessage> {
    // What the work shares with others is behind locks that ignore poisoning or in the cluster, so it is sound to look at it afterwards.
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|payload| PanicMessage(text(payload.as_ref())))
}

/// The text of a panic's payload, as one printable line of at most 256 characters.
pub(super) fn text(payload: &(dyn Any + Send)) -> String {
    let said = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    said.map_or_else(|| "a panic without a text".to_owned(), |said| one_line(said, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_the_output_through() {
        assert_eq!(guard(async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn turns_a_panic_into_its_message() {
        let result: Result<(), _> = guard(async {
            tokio::task::yield_now().await;
            panic!("object {} is \u{1b}[31mbad\n", "a/b")
        })
        .await;
        assert_eq!(result.unwrap_err().to_string(), "object a/b is bad");
    }

    #[tokio::test]
    async fn a_panic_ends_only_the_work_that_caused_it() {
        // As passes run: side by side, in one task.
        let works = (0..3).map(|n| {
            guard(async move {
                for _ in 0..=n {
                    tokio::task::yield_now().await;
                }
                assert_ne!(n, 1, "a bug");
                n
            })
        });
        let ended: Vec<_> = futures::future::join_all(works).await;
        assert_eq!((&ended[0], &ended[2]), (&Ok(0), &Ok(2)));
        assert!(ended[1].is_err());
    }

    #[tokio::test]
    async fn cuts_long_messages() {
        let result: Result<(), _> = guard(async { std::panic::panic_any("é".repeat(1000)) }).await;
        assert_eq!(result.unwrap_err().to_string(), "é".repeat(255) + "…");
    }

    #[tokio::test]
    async fn names_a_payload_that_is_no_text() {
        let result: Result<(), _> = guard(async { std::panic::panic_any(7) }).await;
        assert_eq!(result.unwrap_err().to_string(), "a panic without a text");
    }
}
