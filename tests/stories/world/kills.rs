//! An operator that is killed at its first write, at its second one and so on: whatever a user asked for comes to the same end.

use std::fmt::Debug;

use dws_testbed::{Action, Api, Call, Operator, Rule, Stage};
use futures::future::join_all;

use super::{SOON, World};

/// More writes than anything has that a user asks for.
const WRITES_MAX: u64 = 24;
/// How many operators are killed side by side.
const AT_ONCE: u64 = 2;

/// A moment at which an operator is killed.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    stage: Stage,
    /// At which of its writes, from 1 on.
    nth: u64,
}

/// Whether a call is a write of the operator: to a data source or its status, or to the cloud.
fn is_write(call: &Call) -> bool {
    match call.api {
        Api::Kube => call.is_write() && call.path.contains("/dwsdatasources/"),
        Api::Cloud => matches!(call.method.as_str(), "POST" | "PUT" | "DELETE"),
    }
}

impl World<'_> {
    /// Goes on with what a user does and waits for; in the midst of it the operator is killed and started again. Returns what the user sees
    /// in the end, or nothing if the operator had fewer writes.
    pub async fn killed<E>(
        &self,
        operator: &mut Operator,
        kill: Option<Kill>,
        user: impl Future<Output = E>,
    ) -> Option<E> {
        let Some(Kill { stage, nth }) = kill else {
            return Some(user.await);
        };
        let rule = Rule::new(stage, Action::Hold, is_write).nth(nth);
        let mut hit = self.namespace.proxy().on(rule);
        let mut user = std::pin::pin!(user);
        tokio::select! {
            _ = hit.reached(SOON * 2) => {}
            _ = &mut user => return None,
        }
        operator.kill().await;
        hit.cut();
        drop(hit);
        operator.restart().await;
        Some(user.await)
    }
}

/// Tells a story without a kill, then with one at each write in turn: the end is the same.
pub async fn survives<E>(stage: Stage, story: impl AsyncFn(Option<Kill>) -> Option<E>)
where
    E: Debug + PartialEq,
{
    let whole = story(None).await.expect("nothing is killed");
    let mut nth = 1;
    loop {
        let kills = (nth..nth + AT_ONCE).map(|nth| Kill { stage, nth });
        let ends = join_all(kills.map(async |kill| (kill, story(Some(kill)).await))).await;
        for (kill, end) in &ends {
            if let Some(end) = end {
                assert_eq!(*end, whole, "{kill:?}");
            }
        }
        if ends.iter().any(|(_, end)| end.is_none()) {
            assert!(nth > 1 || ends[0].1.is_some(), "there is a write to be killed at");
            return;
        }
        nth += AT_ONCE;
        assert!(nth < WRITES_MAX, "it never comes to its end");
    }
}
