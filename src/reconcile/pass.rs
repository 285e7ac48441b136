//! One pass over one object: decide, then look, act or report, until the plan is to wait.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::abandon::Unrecorded;
use super::act::{self, Acted};
use super::claims;
use super::context::{Context, Member};
use super::kubernetes::KubernetesError;
use super::memories::{Remembered, Slot};
use super::observe::Pass;
use super::plan::{Look, Memory, Plan, Report, Step, Then};
use super::report::{self, Reported};
use crate::api::conditions::{self, Verdict};
use crate::api::{Condition, ConditionStatus, ConditionType, DwsDataSource, Reason};
use crate::runtime::metrics::ReconcileResult;
use crate::runtime::urgency::{self, Urgency};
use crate::runtime::{backoff, panic_guard};

/// The name of the controller in metrics.
pub const CONTROLLER: &str = "dwsdatasource";
/// More turns than any way through the decisions needs.
const TURNS_MAX: usize = 64;
/// The longest wait after calls to Kubernetes failed.
const KUBERNETES_BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Why a pass ended before its plan was to wait.
enum Ended {
    Wait(Duration),
    Gone,
    Failed(KubernetesError),
    Endless,
}

/// Reconciles one object. It never fails: what went wrong is in the object's status, the log and the metrics.
///
/// # Errors
/// None.
pub async fn reconcile(object: Arc<DwsDataSource>, ctx: Arc<Context>) -> Result<Action, Infallible> {
    let uid = object.uid().unwrap_or_default();
    let urgency = ctx.urgencies.begin(&uid, is_routine(&object));
    // The pass lives on the heap: thousands of them may begin at once.
    let action = urgency::with(urgency, Box::pin(passed(object, &ctx))).await;
    ctx.urgencies.end(&uid);
    Ok(action)
}

/// Whether all that a pass can be about is to compare the cloud with an object that has what it asks for.
pub fn is_routine(object: &DwsDataSource) -> bool {
    let Some(status) = &object.status else { return false };
    let generation = object.metadata.generation;
    let is_ready = |c: &Condition| {
        c.type_ == ConditionType::Ready
            && c.status == ConditionStatus::True
            && Some(c.observed_generation) == generation
    };
    object.metadata.deletion_timestamp.is_none()
        && status.operation.is_none()
        && status.retry.is_none()
        && status.conditions.iter().any(is_ready)
}

async fn passed(object: Arc<DwsDataSource>, ctx: &Arc<Context>) -> Action {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let running = ctx.metrics.begin_pass(CONTROLLER);
    let (action, result) = match Box::pin(Pass::begin(ctx, &namespace, &name)).await {
        Ok(None) => (Action::await_change(), ReconcileResult::Success),
        Ok(Some(pass)) => {
            let slot = ctx.memories.of(&pass.member.uid);
            let mut remembered = slot.remembered.lock().await;
            let uid = pass.member.uid.clone();
            let ran = Box::pin(run(ctx, pass, &slot, &mut remembered)).await;
            forget_if_gone(ctx, &uid);
            ran
        }
        Err(error) => {
            tracing::warn!(namespace, name, %error, "the object could not be read");
            let uid = object.uid().unwrap_or_default();
            let slot = ctx.memories.of(&uid);
            let mut remembered = slot.remembered.lock().await;
            // Whether it can be read again is open; nobody waits for it.
            if let Some(member) = claims::member(&object.metadata) {
                ctx.arrivals.heard(&member);
                give_way(ctx, &member, &remembered.memory);
            }
            let wait = kubernetes_wait(&uid, &mut remembered);
            forget_if_gone(ctx, &uid);
            (Action::requeue(wait), ReconcileResult::Error)
        }
    };
    running.end(result);
    action
}

/// Forgets what is remembered of an object whose end the watch told of before this pass asked for it.
fn forget_if_gone(ctx: &Context, uid: &str) {
    if !ctx.claims.knows(uid) {
        ctx.memories.forget(uid);
    }
}

async fn run(ctx: &Arc<Context>, pass: Pass, slot: &Slot, remembered: &mut Remembered) -> (Action, ReconcileResult) {
    let member = pass.member.clone();
    let mut pass = pass;
    pass.sent_passwords.clone_from(&remembered.sent_passwords);
    if pass.observation.object.finalizer {
        slot.keep(pass.object.metadata.resource_version.as_ref());
    }
    let turns = AssertUnwindSafe(turns(ctx, &mut pass, slot, remembered.memory.clone()));
    let turned = Box::pin(panic_guard::guard(turns)).await;
    // Whoever has not asked for a lane by now holds nobody up.
    ctx.arrivals.heard(&member);
    ctx.claims.redeem(&member.uid);
    remembered.sent_passwords.clone_from(&pass.sent_passwords);
    remembered.unrecorded = Unrecorded::of(&pass, remembered.unrecorded.take());
    match turned {
        Ok(ended) => {
            remembered.memory = pass.observation.memory.clone();
            if !matches!(ended, Ended::Failed(_)) {
                remembered.kubernetes_failures = 0;
            }
            match ended {
                Ended::Wait(wait) => (Action::requeue(wait), ReconcileResult::RequeueAfter),
                Ended::Gone => {
                    ctx.leave_lane(&member);
                    (Action::await_change(), ReconcileResult::Success)
                }
                Ended::Failed(error) => {
                    tracing::warn!(namespace = member.namespace, name = member.name, uid = member.uid, %error, "the API server failed");
                    give_way(ctx, &member, &remembered.memory);
                    let wait = kubernetes_wait(&member.uid, remembered);
                    (Action::requeue(wait), ReconcileResult::Error)
                }
                Ended::Endless => {
                    tracing::error!(
                        namespace = member.namespace,
                        name = member.name,
                        uid = member.uid,
                        "the decisions about this object do not end"
                    );
                    ctx.leave_lane(&member);
                    confess(ctx, &pass.object).await
                }
            }
        }
        Err(panic) => {
            tracing::error!(namespace = member.namespace, name = member.name, uid = member.uid, %panic, "a pass panicked");
            ctx.metrics.reconcile_panicked(CONTROLLER);
            // What this process knew may be half of the truth: the next pass starts from what is written down, as a new process does, and
            // as if the last write had only just ended.
            remembered.memory = Memory {
                written: Some(ctx.clock.uptime()),
                ..Memory::default()
            };
            ctx.leave_lane(&member);
            confess(ctx, &pass.object).await
        }
    }
}

/// Gives the place in the lane back, unless an operation is under way in the cloud that no status holds yet.
fn give_way(ctx: &Context, member: &Member, memory: &Memory) {
    if !memory.is_under_way(ctx.clock.now(), ctx.timings.job_deadline) {
        ctx.leave_lane(member);
    }
}

async fn turns(ctx: &Arc<Context>, pass: &mut Pass, slot: &Slot, memory: Memory) -> Ended {
    for freed in ctx.claims.renew(&pass.object) {
        ctx.wakes.wake(&freed);
    }
    pass.recall(memory);
    if pass.observation.claimed_elsewhere().is_none() {
        ctx.installs.forget(ctx, &pass.member);
    }
    let generation = pass.observation.object.generation;
    for _ in 0..TURNS_MAX {
        pass.find_way(ctx).await;
        pass.tick(ctx);
        let plan = (ctx.decide)(&pass.observation);
        tracing::debug!(
            namespace = pass.member.namespace,
            name = pass.member.name,
            uid = pass.member.uid,
            ?plan,
            "decided"
        );
        if matches!(plan, Plan::Act(_) | Plan::Look(Look::Lane(_))) {
            // Others may wait for what it is about to do.
            Urgency::current().hurry();
        }
        let turn = match plan {
            Plan::Look(look) => {
                pass.look(ctx, look).await;
                Ok(None)
            }
            // A process that is asked to end starts nothing new; the next one goes on from here.
            Plan::Act(_) if ctx.shutdown.is_cancelled() => return Ended::Wait(ctx.timings.stalled_recheck),
            Plan::Act(step) => act_on(ctx, pass, slot, step).await,
            Plan::Report(report) => report_on(ctx, pass, report).await,
        };
        match turn {
            // What was read for another spec does not count: the next pass begins at once. What a write brought is recorded first.
            Ok(None)
                if pass.observation.object.generation != generation && pass.observation.memory.outcome.is_none() =>
            {
                return Ended::Wait(Duration::ZERO);
            }
            Ok(None) => {}
            Ok(Some(ended)) => return ended,
            Err(error) => return Ended::Failed(error),
        }
    }
    Ended::Endless
}

async fn act_on(ctx: &Context, pass: &mut Pass, slot: &Slot, step: Step) -> Result<Option<Ended>, KubernetesError> {
    if let Step::DropFinalizer { note } = &step {
        slot.let_go(note.clone(), pass.object.resource_version());
    }
    match act::carry_out(ctx, pass, step).await? {
        Acted::Done => Ok(None),
        Acted::Gone => {
            if let Some(Some(note)) = slot.was_let_go() {
                report::last_words(ctx, report::reference(&pass.object), &note);
            }
            Ok(Some(Ended::Gone))
        }
        Acted::Stale => {
            slot.keep(None);
            let api = ctx.kubernetes.within::<DwsDataSource>(&pass.member.namespace);
            match ctx.kubernetes.call(api.get_opt(&pass.member.name)).await? {
                Some(object) if object.metadata.uid.as_deref() == Some(&pass.member.uid) => {
                    pass.renew(ctx, object);
                    Ok(None)
                }
                _ => Ok(Some(Ended::Gone)),
            }
        }
    }
}

async fn report_on(ctx: &Context, pass: &mut Pass, report: Report) -> Result<Option<Ended>, KubernetesError> {
    match report::publish(ctx, pass, &report).await? {
        Reported::Stale => Ok(None),
        Reported::Gone => Ok(Some(Ended::Gone)),
        Reported::Done => match report.then {
            Then::Again => Ok(None),
            Then::Wait {
                at_most,
                keep_lane,
                firm,
            } => {
                if !keep_lane {
                    pass.leave_lane(ctx);
                }
                pass.observation.note_wait(at_most, firm);
                Ok(Some(Ended::Wait(at_most)))
            }
        },
    }
}

fn kubernetes_wait(uid: &str, remembered: &mut Remembered) -> Duration {
    let failures = remembered.kubernetes_failures;
    remembered.kubernetes_failures = failures.saturating_add(1);
    backoff::delay(
        failures,
        Duration::from_secs(1),
        KUBERNETES_BACKOFF_MAX,
        backoff::jitter(uid, u64::from(failures)),
    )
}

/// Tells the user of a defect; the next look is as far off as with anything that does not end by itself.
async fn confess(ctx: &Context, object: &DwsDataSource) -> (Action, ReconcileResult) {
    let wait = ctx.timings.stalled_recheck;
    let generation = object.metadata.generation.unwrap_or_default();
    let before = object.status.clone().unwrap_or_default();
    let mut status = before.clone();
    let message = "The operator failed on this object; its log has the details. Please report this.".to_owned();
    let verdict = Verdict::Stalled(Reason::InternalError, message);
    status.conditions = conditions::conditions(&status.conditions, &verdict, generation, ctx.clock.now());
    status.observed_generation = Some(generation);
    if status.is_news(&before) {
        match report::write(ctx, object, &status).await {
            Ok(_) => report::tell(ctx, object, &before, &status, &[]),
            Err(error) => tracing::warn!(name = object.name_any(), %error, "the status could not be written"),
        }
    }
    (Action::requeue(wait), ReconcileResult::Error)
}
