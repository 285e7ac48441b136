//! An object went away, finalizer and all, while its create was being accepted: what was created is deleted, if its policy says so.
//!
//! Nothing is recorded any more that could outlive this process, so the coordinates are told first.

use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::observe::Pass;
use super::plan::{Intent, View};
use super::remote::Identity;
use super::report;
use crate::api::data_source::DeletionPolicy;
use crate::cloud::{Accepted, Dws, Session};
use crate::runtime::backoff;

/// Begins the removal in the background.
pub fn begin(ctx: &Arc<Context>, pass: &Pass, intent: Intent, accepted: Accepted) {
    let retained = pass.object.spec.deletion_policy == Some(DeletionPolicy::Retain);
    let fate = if retained {
        "it stays, as deletionPolicy Retain asks"
    } else {
        "deleting it"
    };
    let note = format!(
        "The object was removed while data source {} was being created in DWS cluster {} at {}, project {}: {fate}.",
        accepted.id, intent.cluster_id, intent.endpoint, intent.project_id
    );
    tracing::warn!(
        namespace = pass.member.namespace,
        name = pass.member.name,
        uid = pass.member.uid,
        "{note}"
    );
    ctx.events
        .publish(report::reference(&pass.object), true, "Orphaned", &note);
    ctx.metrics.orphaned();
    let Some(session) = pass.session.clone().filter(|_| !retained) else {
        return;
    };
    tokio::spawn(remove(
        Arc::clone(ctx),
        session,
        pass.observation.marks(),
        intent,
        accepted,
    ));
}

/// Deletes until two lists lack the data source, or the time that a job may take is over.
async fn remove(ctx: Arc<Context>, session: Arc<Session>, marker: bool, intent: Intent, accepted: Accepted) {
    let t = ctx.timings;
    let began = ctx.clock.uptime();
    let identity = Identity {
        uid: &intent.uid,
        marker,
        id: Some(&accepted.id),
        name: &intent.name,
        type_: intent.type_,
    };
    let mut tries = 0;
    let mut lacking_since: Option<Duration> = None;
    while ctx.clock.uptime().saturating_sub(began) < t.job_deadline {
        tokio::time::sleep(backoff::delay(
            tries,
            t.backoff_min,
            t.busy_max,
            backoff::jitter(&accepted.id, u64::from(tries)),
        ))
        .await;
        tries = tries.saturating_add(1);
        let asked = ctx.clock.uptime();
        let Ok(listing) = session.list(&intent.cluster_id, intent.type_).await else {
            continue;
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
                    return;
                }
                Some(_) => {}
                None => lacking_since = Some(asked),
            },
        }
    }
    tracing::error!(
        id = accepted.id,
        cluster = intent.cluster_id,
        "the orphan could not be deleted in time"
    );
}
