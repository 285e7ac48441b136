//! An object went away, finalizer and all: what it leaves behind in the cloud is told, once. What this process has just created for it, and
//! could record nowhere any more, is deleted again if its policy says so.
//!
//! Takes what is known of the object when the last pass over it has ended. Nothing is recorded any more that could outlive this process, so
//! the coordinates are told first, and again if it is not certain in the end that nothing stays. It never touches a data source that was
//! recorded: others may use it by now.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::claims::Leftover;
use super::context::{Context, Member};
use super::memories::Slot;
use super::observe::Pass;
use super::plan::{AttemptState, DefinitionView, FailureKind, Intent, Memory, Observation, Outcome, View};
use super::remote::Identity;
use super::report;
use jiff::Timestamp;

use crate::cloud::{Accepted, Dws, Session};
use crate::runtime::backoff;

/// A data source that the cloud agreed to create and that no status holds yet.
pub struct Unrecorded {
    member: Member,
    /// What the pass knew last; it tells whether the data source may be deleted.
    observation: Box<Observation>,
    session: Option<Arc<Session>>,
    marker: bool,
    intent: Intent,
    accepted: Accepted,
}

impl Unrecorded {
    /// What a pass leaves unrecorded, if anything; `before` is what the pass before it left, and may know the way to the cloud that this one
    /// did not find.
    pub fn of(pass: &Pass, before: Option<Self>) -> Option<Self> {
        let Some(Outcome::Posted {
            intent,
            result: Ok(accepted),
            ..
        }) = &pass.observation.memory.outcome
        else {
            return None;
        };
        let before = before.filter(|before| before.accepted == *accepted && pass.session.is_none());
        let (session, marker) = match before {
            Some(before) => (before.session, before.marker),
            None => (pass.session.clone(), pass.observation.marks()),
        };
        Some(Unrecorded {
            member: pass.member.clone(),
            observation: Box::new(pass.observation.clone()),
            session,
            marker,
            intent: intent.clone(),
            accepted: accepted.clone(),
        })
    }

    fn abandon(self, ctx: &Arc<Context>) {
        if let Some(why) = self.observation.kept() {
            return self.stays(ctx, &format!("it stays, {why}"));
        }
        match self.session.clone() {
            None => self.stays(ctx, "it stays, since its provider leads nowhere any more"),
            Some(_) if ctx.shutdown.is_cancelled() => self.stays(ctx, "it stays, since the operator was ending"),
            Some(session) => {
                let ctx = Arc::clone(ctx);
                ctx.tasks
                    .clone()
                    .spawn(async move { Box::pin(self.undo(&ctx, &session)).await });
            }
        }
    }

    /// Deletes it, unless the definition of the kind is being deleted, or the Namespace wants it to stay by now. What is not proven to be gone, when the time is over or this process is to end, may stay.
    async fn undo(mut self, ctx: &Context, session: &Session) {
        let now = ctx.clock.uptime();
        self.observation.around.namespace = ctx.namespaces.view(&self.member.namespace, now).await;
        if let Some(why) = self.observation.kept() {
            return self.stays(ctx, &format!("it stays, {why}"));
        }
        if ctx.definition.view(now).await != DefinitionView::Stays {
            return self.stays(
                ctx,
                "it stays, since the definition of the kind is being deleted, or may be",
            );
        }
        tell(ctx, &self.member, "CreateUndone", &self.note("it is deleted again"));
        let mut removal = pin!(remove(ctx, session, self.marker, &self.intent, &self.accepted));
        let is_gone = tokio::select! {
            // The removal ends with the shutdown too, and would say that it failed.
            biased;
            () = ctx.shutdown.cancelled() => None,
            is_gone = &mut removal => Some(is_gone),
        };
        match is_gone {
            Some(true) => {}
            Some(false) => self.stays(ctx, "it could not be deleted, and may stay"),
            None => {
                self.stays(
                    ctx,
                    "the operator ended before it was proven to be gone, and it may stay",
                );
                // A request that is under way may still be answered.
                removal.await;
            }
        }
    }

    fn stays(&self, ctx: &Context, fate: &str) {
        tell(ctx, &self.member, "Orphaned", &self.note(fate));
    }

    fn note(&self, fate: &str) -> String {
        let (intent, id) = (&self.intent, &self.accepted.id);
        format!(
            "The object was removed while data source {id} ({}) was being created in DWS cluster {} at {}, project {}: {fate}.",
            intent.name, intent.cluster_id, intent.endpoint, intent.project_id
        )
    }
}

/// Deals with the end of an object that this process may not have let go, as soon as no pass over it runs any more: that pass knows best what
/// came of its last request. `leaves` is what the object itself told last.
pub fn ended(ctx: &Arc<Context>, member: &Member, slot: Option<Arc<Slot>>, leaves: Option<Leftover>) {
    // What another install worked on, that one let go.
    let is_own = |leftover: &Leftover| {
        leftover
            .controller
            .as_ref()
            .is_none_or(|by| by.is_empty() || *by == ctx.install)
    };
    let leaves = leaves.filter(is_own);
    let Some(slot) = slot else {
        // No pass ever looked at it.
        if let Some(leftover) = leaves.filter(|leftover| may_exist(leftover, &Memory::default(), ctx.clock.now())) {
            tell(ctx, member, "Orphaned", &stays(&leftover));
        }
        return;
    };
    let (ctx, member) = (Arc::clone(ctx), member.clone());
    ctx.tasks.clone().spawn(async move {
        let mut remembered = slot.remembered.lock().await;
        if let Some(note) = slot.was_let_go() {
            if let Some(note) = note {
                // The answer to the patch that took the finalizer off was lost.
                report::last_words(&ctx, report::named(&member), &note);
            }
            return;
        }
        if let Some(unrecorded) = remembered.unrecorded.take() {
            unrecorded.abandon(&ctx);
        } else if let Some(leftover) =
            leaves.filter(|leftover| may_exist(leftover, &remembered.memory, ctx.clock.now()))
        {
            tell(&ctx, &member, "Orphaned", &stays(&leftover));
        }
    });
}

/// Whether it is not certain that there is no such data source.
fn may_exist(leftover: &Leftover, memory: &Memory, now: Timestamp) -> bool {
    if let Some(until) = leftover.until {
        return now < until;
    }
    let unsent = memory
        .attempt
        .as_ref()
        .is_some_and(|attempt| attempt.state == AttemptState::Unsent);
    let rejected = matches!(&memory.outcome, Some(Outcome::Posted { result: Err(failure), .. })
        if !matches!(failure.kind, FailureKind::UnknownOutcome { .. }));
    leftover.id.is_some() || !(unsent || rejected)
}

fn stays(leftover: &Leftover) -> String {
    let Leftover { id, name, at, .. } = leftover;
    let what = match id {
        Some(id) => format!("data source {id} ({name}) stays"),
        None => format!("a create request for data source {name} may have taken effect, or still may; look for it"),
    };
    format!(
        "The object was removed without its finalizer; {what} in DWS cluster {} at {}, project {}.",
        at.cluster_id, at.endpoint, at.project_id
    )
}

fn tell(ctx: &Context, member: &Member, reason: &str, note: &str) {
    tracing::error!(
        namespace = member.namespace,
        object = member.name,
        uid = member.uid,
        reason,
        "{note}"
    );
    ctx.events.publish(report::named(member), true, reason, note);
}

/// Deletes until two lists lack the data source; fails when the time that a job may take is over, or this process is to end.
async fn remove(ctx: &Context, session: &Session, marker: bool, intent: &Intent, accepted: &Accepted) -> bool {
    let t = ctx.timings;
    let began = ctx.clock.uptime();
    let identity = Identity {
        uid: &intent.uid,
        marker,
        id: Some(&accepted.id),
        is_taken: false,
        import: None,
        name: &intent.name,
        type_: intent.type_,
    };
    let mut tries = 0;
    let mut lacking_since: Option<Duration> = None;
    while ctx.clock.uptime().saturating_sub(began) < t.job_deadline {
        let jitter = backoff::jitter(&accepted.id, u64::from(tries));
        tokio::select! {
            () = tokio::time::sleep(backoff::delay(tries, t.backoff_min, t.busy_max, jitter)) => {}
            () = ctx.shutdown.cancelled() => return false,
        }
        tries = tries.saturating_add(1);
        let asked = ctx.clock.uptime();
        let listing = match session.list(&intent.cluster_id, intent.type_).await {
            // A list in which something cannot be read proves nothing absent.
            Ok(listing) if listing.dropped == 0 => listing,
            Ok(_) | Err(_) => continue,
        };
        match identity.view(&listing.items) {
            View::Ours { item, .. } => {
                lacking_since = None;
                if let Some(guard) = ctx.leadership.begin_write(t.write_deadline + t.lease_margin) {
                    if let Err(failure) = session.delete(&intent.cluster_id, &item.id).await {
                        tracing::info!(
                            id = item.id,
                            code = failure.code,
                            message = failure.message,
                            "the orphan could not be deleted yet"
                        );
                    }
                    guard.finish();
                }
            }
            View::Leaving { .. } => lacking_since = None,
            View::Absent | View::Foreign { .. } => match lacking_since {
                Some(since) if asked >= since + t.deleted_gap && asked >= began + t.list_lag => {
                    tracing::info!(
                        id = accepted.id,
                        cluster = intent.cluster_id,
                        "the orphan is gone from the cloud"
                    );
                    return true;
                }
                Some(_) => {}
                None => lacking_since = Some(asked),
            },
        }
    }
    false
}
