//! Stories on a real control plane, with the operator's own binary and rights and the simulated cloud.

#![allow(clippy::unwrap_used, reason = "a story panics where it cannot go on")]
#![allow(
    clippy::items_after_statements,
    reason = "the type of a table's row stands beside the table"
)]
#![allow(clippy::needless_range_loop, reason = "cases are numbered like their clusters")]
#![allow(
    clippy::large_stack_arrays,
    reason = "worlds that run side by side are joined in an array"
)]
#![allow(clippy::too_many_lines, reason = "a table of cases is one story")]

#[path = "stories/world/mod.rs"]
mod world;

#[path = "stories/alone.rs"]
mod alone;
#[path = "stories/api_server.rs"]
mod api_server;
#[path = "stories/auth_ends.rs"]
mod auth_ends;
#[path = "stories/auth_secrets.rs"]
mod auth_secrets;
#[path = "stories/auth_sources.rs"]
mod auth_sources;
#[path = "stories/auth_tenants.rs"]
mod auth_tenants;
#[path = "stories/breaker.rs"]
mod breaker;
#[path = "stories/brownfield.rs"]
mod brownfield;
#[path = "stories/ca_bundle.rs"]
mod ca_bundle;
#[path = "stories/canary.rs"]
mod canary;
#[path = "stories/check.rs"]
mod check;
#[path = "stories/check_installs.rs"]
mod check_installs;
#[path = "stories/check_namespace.rs"]
mod check_namespace;
#[path = "stories/claims.rs"]
mod claims;
#[path = "stories/cluster_providers.rs"]
mod cluster_providers;
#[path = "stories/counts.rs"]
mod counts;
#[path = "stories/counts_idle.rs"]
mod counts_idle;
#[path = "stories/crd_removal.rs"]
mod crd_removal;
#[path = "stories/create.rs"]
mod create;
#[path = "stories/credentials.rs"]
mod credentials;
#[path = "stories/delete.rs"]
mod delete;
#[path = "stories/delete_proof.rs"]
mod delete_proof;
#[path = "stories/delete_waits.rs"]
mod delete_waits;
#[path = "stories/deletion_policy.rs"]
mod deletion_policy;
#[path = "stories/drift.rs"]
mod drift;
#[path = "stories/drift_lists.rs"]
mod drift_lists;
#[path = "stories/drift_states.rs"]
mod drift_states;
#[path = "stories/echo.rs"]
mod echo;
#[path = "stories/endpoints.rs"]
mod endpoints;
#[path = "stories/fence.rs"]
mod fence;
#[path = "stories/force_delete.rs"]
mod force_delete;
#[path = "stories/guard_secrets.rs"]
mod guard_secrets;
#[path = "stories/hostile_answers.rs"]
mod hostile_answers;
#[path = "stories/import.rs"]
mod import;
#[path = "stories/import_rivals.rs"]
mod import_rivals;
#[path = "stories/in_use.rs"]
mod in_use;
#[path = "stories/injection.rs"]
mod injection;
#[path = "stories/isolation.rs"]
mod isolation;
#[path = "stories/jobs.rs"]
mod jobs;
#[path = "stories/kill.rs"]
mod kill;
#[path = "stories/kill_changes.rs"]
mod kill_changes;
#[path = "stories/kill_repairs.rs"]
mod kill_repairs;
#[path = "stories/kill_takeovers.rs"]
mod kill_takeovers;
#[path = "stories/kubectl.rs"]
mod kubectl;
#[path = "stories/lanes.rs"]
mod lanes;
#[path = "stories/lease.rs"]
mod lease;
#[path = "stories/metrics.rs"]
mod metrics;
#[path = "stories/names_of_node.rs"]
mod names_of_node;
#[path = "stories/namespace_end.rs"]
mod namespace_end;
#[path = "stories/namespaces.rs"]
mod namespaces;
#[path = "stories/observability.rs"]
mod observability;
#[path = "stories/observe.rs"]
mod observe;
#[path = "stories/odd_cloud.rs"]
mod odd_cloud;
#[path = "stories/orphans.rs"]
mod orphans;
#[path = "stories/pages.rs"]
mod pages;
#[path = "stories/panics.rs"]
mod panics;
#[path = "stories/partial_lists.rs"]
mod partial_lists;
#[path = "stories/passwords.rs"]
mod passwords;
#[path = "stories/pause.rs"]
mod pause;
#[path = "stories/project_choice.rs"]
mod project_choice;
#[path = "stories/projects.rs"]
mod projects;
#[path = "stories/providers.rs"]
mod providers;
#[path = "stories/rate_limit.rs"]
mod rate_limit;
#[path = "stories/rbac.rs"]
mod rbac;
#[path = "stories/reboot.rs"]
mod reboot;
#[path = "stories/replace.rs"]
mod replace;
#[path = "stories/replacement.rs"]
mod replacement;
#[path = "stories/replacement_bars.rs"]
mod replacement_bars;
#[path = "stories/requests.rs"]
mod requests;
#[path = "stories/restore.rs"]
mod restore;
#[path = "stories/retry.rs"]
mod retry;
#[path = "stories/rotation.rs"]
mod rotation;
#[path = "stories/scale.rs"]
mod scale;
#[path = "stories/shutdown.rs"]
mod shutdown;
#[path = "stories/stale_writes.rs"]
mod stale_writes;
#[path = "stories/tampering.rs"]
mod tampering;
#[path = "stories/tenants.rs"]
mod tenants;
#[path = "stories/two_installs.rs"]
mod two_installs;
#[path = "stories/two_operators.rs"]
mod two_operators;
#[path = "stories/undecodable.rs"]
mod undecodable;
#[path = "stories/unknown.rs"]
mod unknown;
#[path = "stories/unknown_late.rs"]
mod unknown_late;
#[path = "stories/update.rs"]
mod update;
#[path = "stories/urgency.rs"]
mod urgency;
#[path = "stories/verdicts.rs"]
mod verdicts;
#[path = "stories/walks.rs"]
mod walks;
#[path = "stories/watch_rotation.rs"]
mod watch_rotation;
#[path = "stories/watch_secrets.rs"]
mod watch_secrets;
