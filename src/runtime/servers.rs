//! The two HTTP servers of the process: one for probes, one for metrics, on addresses of their own.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::health::Health;
use super::metrics::Metrics;
use super::metrics_server;

/// The running servers; they stop when this is dropped.
#[derive(Debug)]
pub struct Servers {
    /// Where `/livez` and `/readyz` are served.
    pub health_address: SocketAddr,
    /// Where `/metrics` is served.
    pub metrics_address: SocketAddr,
    _stop: DropGuard,
}

impl Servers {
    /// Binds both addresses (port 0 takes a free one), starts serving and logs one line `listening` with the addresses in use.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub async fn start(
        health_at: SocketAddr,
        metrics_at: SocketAddr,
        health: &Health,
        metrics: &Metrics,
    ) -> io::Result<Self> {
        let probes = TcpListener::bind(health_at)
            .await
            .map_err(|error| cannot("--health-address", health_at, &error))?;
        let numbers = TcpListener::bind(metrics_at)
            .await
            .map_err(|error| cannot("--metrics-address", metrics_at, &error))?;
        let (health_address, metrics_address) = (probes.local_addr()?, numbers.local_addr()?);
        let stop = CancellationToken::new();
        for (listener, router) in [(probes, health.router()), (numbers, metrics_server::router(metrics))] {
            let stopped = stop.clone();
            tokio::spawn(async move {
                // axum's server only ends when the token does; a broken connection is its own affair.
                tokio::select! {
                    () = stopped.cancelled() => {}
                    _ = axum::serve(listener, router) => {}
                }
            });
        }
        tracing::info!(%health_address, %metrics_address, "listening");
        Ok(Self {
            health_address,
            metrics_address,
            _stop: stop.drop_guard(),
        })
    }
}

fn cannot(flag: &str, address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address} ({flag}): {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[tokio::test]
    async fn serves_probes_and_metrics_until_dropped() {
        let (health, metrics) = (Health::new(), Metrics::new());
        let servers = Servers::start(loopback(), loopback(), &health, &metrics).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let probe = |path: &str| client.get(format!("http://{}{path}", servers.health_address)).send();
        assert_eq!(probe("/readyz").await.unwrap().status(), 503);
        health.ready("lease", true);
        assert_eq!(probe("/readyz").await.unwrap().status(), 200);
        let verbose = probe("/readyz?verbose").await.unwrap().text().await.unwrap();
        assert_eq!(verbose, "[+]lease ok\nreadyz check passed\n");
        assert_eq!(probe("/livez").await.unwrap().status(), 200);
        assert_eq!(probe("/metrics").await.unwrap().status(), 404);

        let url = format!("http://{}/metrics", servers.metrics_address);
        let answer = client.get(url).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], Metrics::CONTENT_TYPE);
        assert!(answer.text().await.unwrap().ends_with("# EOF\n"));

        let address = servers.health_address;
        drop(servers);
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while TcpListener::bind(address).await.is_err() {
            assert!(tokio::time::Instant::now() < deadline, "still serving");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let taken = TcpListener::bind(loopback()).await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = Servers::start(loopback(), address, &Health::new(), &Metrics::new())
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains(&format!("{address} (--metrics-address)")),
            "{error}"
        );
    }
}
