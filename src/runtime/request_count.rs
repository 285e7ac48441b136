//! Counts the requests to the Kubernetes API as `rest_client_requests_total`.
//!
//! A layer around the client's service: it passes every request on unchanged and never repeats one.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use tower::{Layer, Service};

use super::metrics::Metrics;

/// The layer; see the module.
#[derive(Clone, Debug)]
pub(super) struct CountRequests {
    metrics: Metrics,
    host: String,
}

impl CountRequests {
    /// Counts for requests to `host`.
    pub(super) fn new(metrics: Metrics, host: String) -> Self {
        Self { metrics, host }
    }
}

impl<S> Layer<S> for CountRequests {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            count: self.clone(),
        }
    }
}

/// A service whose requests are counted.
#[derive(Clone, Debug)]
pub(super) struct Counted<S> {
    inner: S,
    count: CountRequests,
}

impl<S, A, B> Service<Request<A>> for Counted<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let pending = Pending {
            count: self.count.clone(),
            method: request.method().clone(),
            code: None,
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            pending.ended(answer.as_ref().ok().map(Response::status));
            answer
        })
    }
}

/// A request that is counted when it ends: answered, failed, or given up by the caller.
struct Pending {
    count: CountRequests,
    method: Method,
    code: Option<StatusCode>,
}

impl Pending {
    /// Counts the request, with the status of the answer if there is one.
    fn ended(mut self, code: Option<StatusCode>) {
        self.code = code;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // The word of client-go for a request without an answer.
        let code = self.code.as_ref().map_or("<error>", StatusCode::as_str);
        let CountRequests { metrics, host } = &self.count;
        metrics.rest_request(code, self.method.as_str(), host);
    }
}
