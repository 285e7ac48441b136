//! Waiting for conditions, each with a deadline and a message that tells what was awaited and what was seen last.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use kube::api::Api;
use kube::runtime::watcher::{self, watch_object};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

/// How often something is looked at that cannot be watched.
const LOOK: Duration = Duration::from_millis(50);

/// What a look has found: what was awaited, or what there was instead.
pub trait Look<T> {
    /// The value, or a description of what was seen.
    ///
    /// # Errors
    /// If it is not there yet.
    fn found(self) -> Result<T, String>;
}

impl<T> Look<T> for Option<T> {
    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, S: Debug> Look<T> for Result<T, S> {
    fn found(self) -> Result<T, String> {
        self.map_err(|seen| format!("{seen:?}"))
    }
}

/// Looks again and again until `look` finds what it looks for.
///
/// # Panics
/// If it does not in time.
pub async fn until<T, L: Look<T>>(deadline: Duration, what: &str, mut look: impl AsyncFnMut() -> L) -> T {
    let end = Instant::now() + deadline;
    let mut seen = "nothing".to_owned();
    while let Ok(looked) = timeout_at(end, look()).await {
        match looked.found() {
            Ok(found) => return found,
            Err(instead) => seen = instead,
        }
        if Instant::now() >= end {
            break;
        }
        tokio::time::sleep_until(end.min(Instant::now() + LOOK)).await;
    }
    panic!("{what}: not within {deadline:?}; last seen: {seen}");
}

/// Watches the object `name` until `condition` accepts it; it is `None` while it does not exist.
///
/// # Panics
/// If that does not happen in time; the message shows the object without its secrets.
pub async fn until_object<K>(
    api: &Api<K>,
    name: &str,
    deadline: Duration,
    what: &str,
    condition: impl Fn(Option<&K>) -> bool,
) -> Option<K>
where
    K: kube::Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
{
    let end = Instant::now() + deadline;
    let mut seen = "nothing".to_owned();
    let mut states = std::pin::pin!(watch_object(api.clone(), name));
    loop {
        match timeout_at(end, states.next()).await {
            Ok(Some(Ok(object))) => {
                if condition(object.as_ref()) {
                    return object;
                }
                seen = object.as_ref().map_or_else(|| "no such object".to_owned(), show);
            }
            Ok(Some(Err(error))) => {
                seen = describe(&error);
                tokio::time::sleep_until(end.min(Instant::now() + LOOK)).await;
            }
            Ok(None) | Err(_) => {
                panic!("{what}: {name} is not so within {deadline:?}; last seen: {seen}")
            }
        }
    }
}

fn describe(error: &watcher::Error) -> String {
    format!("an error of the watch: {error}")
}

/// The object as JSON, without what nobody reads and without a Secret's content.
fn show(object: &impl Serialize) -> String {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    if let Value::Object(fields) = &mut value {
        fields.remove("data");
        fields.remove("stringData");
    }
    format!("{value:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_is_repeated_until_it_finds_something() {
        let mut looks = 0;
        let found = until(Duration::from_secs(5), "three looks", async || {
            looks += 1;
            (looks == 3).then_some("found")
        });
        assert_eq!(found.await, "found");
    }

    #[tokio::test]
    #[should_panic(expected = "the moon: not within 20ms; last seen: \"clouds\"")]
    async fn a_wait_in_vain_tells_what_was_seen() {
        until(Duration::from_millis(20), "the moon", async || Err::<(), _>("clouds")).await;
    }
}
