//! Counts the requests to the Kubernetes API as `rest_client_requests_total`.
//!
//! A layer around the client's service: it passes every request on unchanged and never repeats one.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
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
        let CountRequests { metrics, host } = self.count.clone();
        let method = request.method().clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map_or_else(
                |_| "<error>".to_owned(),
                |response| response.status().as_str().to_owned(),
            );
            metrics.rest_request(&code, method.as_str(), &host);
            answer
        })
    }
}
