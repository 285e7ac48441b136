//! The HTTP endpoint of the administration, JSON under `/admin/`.
//!
//! Only a simulator on a loopback address has it. Never shows a secret.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::{AccessKey, User};
use crate::admin::Admin;
use crate::fault::{Fault, FaultId};
use crate::job::JobOutcome;
use crate::log::LogEntry;
use crate::settings::Settings;
use crate::source::{Source, SourceSeed};
use crate::trust::{Agency, IdentityProvider};

type Failure = (StatusCode, String);

/// The endpoint.
pub(crate) fn routes(admin: Admin) -> Router {
    Router::new()
        .route("/admin/settings", get(settings).patch(patch_settings))
        .route("/admin/faults", post(add_fault).delete(clear_faults))
        .route("/admin/faults/{id}", get(fault_hits))
        .route("/admin/log", get(log))
        .route("/admin/clusters", get(clusters))
        .route(
            "/admin/clusters/{cluster}",
            get(cluster).put(add_cluster).delete(remove_cluster),
        )
        .route("/admin/sources/{cluster}", get(sources).post(put_source))
        .route(
            "/admin/sources/{cluster}/{id}",
            delete(remove_source).patch(edit_source),
        )
        .route("/admin/jobs/{id}", put(end_job))
        .route("/admin/access-keys", post(add_access_key))
        .route("/admin/access-keys/{access}", delete(remove_access_key))
        .route("/admin/users", post(set_user))
        .route("/admin/tokens", delete(revoke_tokens))
        .route("/admin/temporary-keys", delete(revoke_temporary_keys))
        .route("/admin/pod-token", put(set_pod_token))
        .route("/admin/node-agency", put(set_node_agency))
        .route("/admin/identity-providers", post(put_identity_provider))
        .route("/admin/agencies", post(put_agency))
        .route("/admin/projects/{name}", put(set_projects))
        .route("/admin/digest", post(digest))
        .with_state(admin)
}

/// What a simulator answers instead that others than this machine can reach.
pub(crate) fn refused() -> Router {
    let refuse = || async { (StatusCode::FORBIDDEN, "administration needs a loopback address\n") };
    Router::new().route("/admin/{*path}", any(refuse))
}

async fn settings(State(admin): State<Admin>) -> Json<Settings> {
    Json(admin.settings())
}

async fn patch_settings(State(admin): State<Admin>, Json(patch): Json<Value>) -> Result<Json<Settings>, Failure> {
    admin.patch_settings(patch).map_err(|error| invalid(&error))?;
    Ok(Json(admin.settings()))
}

async fn add_fault(State(admin): State<Admin>, Json(fault): Json<Fault>) -> Result<Response, Failure> {
    let id = admin.try_add_fault(fault).map_err(|why| invalid(&why))?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))).into_response())
}

async fn clear_faults(State(admin): State<Admin>) -> StatusCode {
    admin.clear_faults();
    StatusCode::NO_CONTENT
}

async fn fault_hits(State(admin): State<Admin>, Path(id): Path<u64>) -> Json<Value> {
    Json(json!({"id": id, "hits": admin.fault_hits(FaultId(id))}))
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn log(State(admin): State<Admin>, Query(Since { since }): Query<Since>) -> Json<Vec<LogEntry>> {
    Json(admin.log_since(since))
}

async fn clusters(State(admin): State<Admin>) -> Json<Vec<String>> {
    Json(admin.clusters())
}

async fn cluster(State(admin): State<Admin>, Path(cluster): Path<String>) -> Result<Json<Value>, Failure> {
    if !admin.clusters().contains(&cluster) {
        return Err(absent());
    }
    let sources = admin.sources(&cluster).len();
    Ok(Json(
        json!({"id": cluster, "sources": sources, "restarts": admin.restarts(&cluster)}),
    ))
}

async fn add_cluster(State(admin): State<Admin>, Path(cluster): Path<String>) -> StatusCode {
    admin.add_cluster(&cluster);
    StatusCode::NO_CONTENT
}

async fn remove_cluster(State(admin): State<Admin>, Path(cluster): Path<String>) -> Result<StatusCode, Failure> {
    found(admin.remove_cluster(&cluster))
}

async fn sources(State(admin): State<Admin>, Path(cluster): Path<String>) -> Json<Vec<Source>> {
    Json(admin.sources(&cluster))
}

async fn put_source(
    State(admin): State<Admin>,
    Path(cluster): Path<String>,
    Json(seed): Json<SourceSeed>,
) -> (StatusCode, Json<Value>) {
    let id = admin.put_source(&cluster, seed);
    (StatusCode::CREATED, Json(json!({"id": id})))
}

async fn remove_source(
    State(admin): State<Admin>,
    Path((cluster, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    found(admin.remove_source(&cluster, &id))
}

async fn edit_source(
    State(admin): State<Admin>,
    Path((cluster, id)): Path<(String, String)>,
    Json(patch): Json<serde_json::Map<String, Value>>,
) -> Result<StatusCode, Failure> {
    let mut outcome = Ok(());
    let was_there = admin.edit_source(&cluster, &id, |source| outcome = source.patch(patch));
    outcome.map_err(|error| invalid(&error))?;
    found(was_there)
}

async fn end_job(
    State(admin): State<Admin>,
    Path(id): Path<String>,
    Json(outcome): Json<JobOutcome>,
) -> Result<StatusCode, Failure> {
    found(admin.end_job(&id, outcome))
}

async fn add_access_key(State(admin): State<Admin>, Json(key): Json<AccessKey>) -> StatusCode {
    admin.add_access_key(key);
    StatusCode::NO_CONTENT
}

async fn remove_access_key(State(admin): State<Admin>, Path(access): Path<String>) -> StatusCode {
    admin.remove_access_key(&access);
    StatusCode::NO_CONTENT
}

async fn set_user(State(admin): State<Admin>, Json(user): Json<User>) -> StatusCode {
    admin.set_user(&user.domain, &user.name, &user.password);
    StatusCode::NO_CONTENT
}

async fn revoke_tokens(State(admin): State<Admin>) -> StatusCode {
    admin.revoke_tokens();
    StatusCode::NO_CONTENT
}

async fn revoke_temporary_keys(State(admin): State<Admin>) -> StatusCode {
    admin.revoke_temporary_keys();
    StatusCode::NO_CONTENT
}

async fn set_pod_token(State(admin): State<Admin>, Json(token): Json<Option<String>>) -> StatusCode {
    admin.set_pod_token(token.as_deref());
    StatusCode::NO_CONTENT
}

async fn set_node_agency(State(admin): State<Admin>, Json(has_one): Json<bool>) -> StatusCode {
    admin.set_node_agency(has_one);
    StatusCode::NO_CONTENT
}

async fn put_identity_provider(State(admin): State<Admin>, Json(provider): Json<IdentityProvider>) -> StatusCode {
    admin.put_identity_provider(provider);
    StatusCode::NO_CONTENT
}

async fn put_agency(State(admin): State<Admin>, Json(agency): Json<Agency>) -> StatusCode {
    admin.put_agency(agency);
    StatusCode::NO_CONTENT
}

async fn set_projects(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Json(ids): Json<Vec<String>>,
) -> StatusCode {
    admin.set_projects(&name, ids);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Secret {
    value: String,
}

async fn digest(State(admin): State<Admin>, Json(secret): Json<Secret>) -> Json<Value> {
    Json(json!({"digest": admin.digest(&secret.value)}))
}

fn found(was_there: bool) -> Result<StatusCode, Failure> {
    if was_there {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(absent())
    }
}

fn absent() -> Failure {
    (StatusCode::NOT_FOUND, "not found\n".to_owned())
}

fn invalid(why: &impl ToString) -> Failure {
    (StatusCode::BAD_REQUEST, format!("{}\n", why.to_string()))
}
