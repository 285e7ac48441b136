//! What the proxy does to a call besides passing it on, and how a story takes part in it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::call::Call;

/// When a rule acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The request has arrived and is not forwarded.
    Before,
    /// The server has answered, and the answer is not passed on.
    Applied,
    /// The answer has been passed on.
    Answered,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Closes the connection.
    Cut,
    /// Goes on after this time.
    Delay(Duration),
    /// Answers with this status and JSON body.
    Answer(u16, Value),
    /// Stands still until the story decides. After an answer was passed on, it is every later call that stands still, so
    /// that nothing follows the call until the story has decided.
    Hold,
}

/// A stage, an action, and the calls that they are for: by default the first one that matches.
#[must_use = "a rule does nothing until it is given to `Proxy::on`"]
pub struct Rule {
    stage: Stage,
    action: Action,
    predicate: Box<dyn Fn(&Call) -> bool + Send + Sync>,
    first: u64,
    times: u64,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stage,
            action,
            first,
            times,
            ..
        } = self;
        write!(f, "{stage:?} {action:?} from match {first} on, {times} times")
    }
}

impl Rule {
    /// A rule for the first call that `predicate` accepts; it sees the call as it arrived, without an answer.
    ///
    /// # Panics
    /// If the action comes too late: an answer that was passed on can neither be delayed nor replaced.
    pub fn new(stage: Stage, action: Action, predicate: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        let late = stage == Stage::Answered && matches!(action, Action::Delay(_) | Action::Answer(..));
        assert!(!late, "{action:?} comes too late for an answer that was passed on");
        Self {
            stage,
            action,
            predicate: Box::new(predicate),
            first: 1,
            times: 1,
        }
    }

    /// Acts on the n-th match, counted from 1, instead of the first.
    pub fn nth(mut self, n: u64) -> Self {
        self.first = n;
        self
    }

    /// Acts on this many matches in a row.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Acts on every match.
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Undecided,
    Released,
    Cut,
}

/// What a call has to do next.
#[derive(Debug)]
pub(super) enum Next {
    GoOn,
    Cut,
    Answer(u16, Value),
}

/// A rule that is in force.
pub(super) struct Armed {
    rule: Rule,
    matches: AtomicU64,
    hits: mpsc::UnboundedSender<Call>,
    verdict: watch::Sender<Verdict>,
}

impl Armed {
    pub fn stage(&self) -> Stage {
        self.rule.stage
    }

    fn is_due(&self, call: &Call) -> bool {
        if !(self.rule.predicate)(call) {
            return false;
        }
        let n = self.matches.fetch_add(1, Ordering::Relaxed) + 1;
        n >= self.rule.first && n - self.rule.first < self.rule.times
    }

    /// Acts on a call that has reached the rule's stage.
    pub async fn act(&self, call: &Call) -> Next {
        // The story may not care about the moment.
        let _ = self.hits.send(call.clone());
        match &self.rule.action {
            Action::Cut => Next::Cut,
            Action::Answer(status, body) => Next::Answer(*status, body.clone()),
            Action::Delay(time) => {
                tokio::time::sleep(*time).await;
                Next::GoOn
            }
            Action::Hold if self.stage() == Stage::Answered => Next::GoOn,
            Action::Hold => match self.decided().await {
                Verdict::Cut => Next::Cut,
                _ => Next::GoOn,
            },
        }
    }

    async fn decided(&self) -> Verdict {
        let mut verdict = self.verdict.subscribe();
        // The sender is this rule's own: it cannot be gone.
        verdict
            .wait_for(|verdict| *verdict != Verdict::Undecided)
            .await
            .map_or(Verdict::Cut, |verdict| *verdict)
    }

    fn decide(&self, decision: Verdict) {
        self.verdict.send_replace(decision);
    }

    fn is_decided(&self) -> bool {
        *self.verdict.borrow() != Verdict::Undecided
    }
}

/// All rules in force, and the gate that some of them close.
#[derive(Default)]
pub(super) struct Rules {
    armed: Mutex<Vec<Arc<Armed>>>,
    gate: Mutex<Vec<Arc<Armed>>>,
}

impl Rules {
    pub fn add(self: &Arc<Self>, rule: Rule) -> Hit {
        let (hits, reached) = mpsc::unbounded_channel();
        let (verdict, _) = watch::channel(Verdict::Undecided);
        let armed = Arc::new(Armed {
            rule,
            matches: AtomicU64::new(0),
            hits,
            verdict,
        });
        lock(&self.armed).push(Arc::clone(&armed));
        Hit {
            armed,
            rules: Arc::clone(self),
            reached,
        }
    }

    /// The rules that act on `call`; each counts the call once.
    pub fn due(&self, call: &Call) -> Vec<Arc<Armed>> {
        lock(&self.armed)
            .iter()
            .filter(|rule| rule.is_due(call))
            .cloned()
            .collect()
    }

    /// Lets no further call pass until the story has decided, if the rule is a hold.
    pub fn close_gate(&self, rule: &Arc<Armed>) {
        if rule.rule.action == Action::Hold && !rule.is_decided() {
            lock(&self.gate).push(Arc::clone(rule));
        }
    }

    /// Waits while the gate is closed; false if the call that waited is to be cut.
    pub async fn pass_gate(&self) -> bool {
        loop {
            let Some(rule) = lock(&self.gate).first().cloned() else {
                return true;
            };
            let verdict = rule.decided().await;
            lock(&self.gate).retain(|rule| !rule.is_decided());
            if verdict == Verdict::Cut {
                return false;
            }
        }
    }
}

/// A rule that was given to a proxy. It is in force until this value is dropped; calls that it holds are then cut.
#[must_use = "the rule ends when this value is dropped"]
pub struct Hit {
    armed: Arc<Armed>,
    rules: Arc<Rules>,
    reached: mpsc::UnboundedReceiver<Call>,
}

impl Hit {
    /// Waits until the rule has acted on a call, or on the next one if it was asked before. A call that is held stands still
    /// now: the story may kill the operator, and then release or cut the call.
    ///
    /// # Panics
    /// If that does not happen in time.
    pub async fn reached(&mut self, deadline: Duration) -> Call {
        match tokio::time::timeout(deadline, self.reached.recv()).await {
            Ok(Some(call)) => call,
            _ => panic!("no call within {deadline:?} for the rule: {:?}", self.armed.rule),
        }
    }

    /// How many calls have matched the predicate.
    #[must_use]
    pub fn matches(&self) -> u64 {
        self.armed.matches.load(Ordering::Relaxed)
    }

    /// Lets held calls go on; the rule holds no further ones. A call whose caller is gone is not forwarded.
    pub fn release(&self) {
        self.armed.decide(Verdict::Released);
    }

    /// Closes the connections of held calls.
    pub fn cut(&self) {
        self.armed.decide(Verdict::Cut);
    }
}

impl Drop for Hit {
    fn drop(&mut self) {
        lock(&self.rules.armed).retain(|rule| !Arc::ptr_eq(rule, &self.armed));
        if !self.armed.is_decided() {
            self.cut();
        }
        lock(&self.rules.gate).retain(|rule| !Arc::ptr_eq(rule, &self.armed));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
