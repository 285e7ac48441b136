//! Serves `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use super::metrics::Metrics;

/// Serves the metrics as `OpenMetrics` text at `/metrics`.
pub fn router(metrics: &Metrics) -> Router {
    Router::new().route("/metrics", get(show)).with_state(metrics.clone())
}

async fn show(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], metrics.encode())
}
