//! A simulator of the Huawei Cloud DWS API for external data sources and of what issues credentials for it: IAM, STS, and the pod identity
//! agent and metadata service of a node.
//!
//! It serves the calls that a client of external data sources makes, verifies signatures and tokens for real, runs jobs,
//! misbehaves on request and keeps a log of every call.
//!
//! ```no_run
//! use dws_simulator::{Answer, Call, Fault, Settings, Simulator};
//!
//! # async fn example() -> std::io::Result<()> {
//! let simulator = Simulator::start(Settings::default()).await?;
//! let admin = simulator.admin();
//! let fault = admin.add_fault(Fault::on(Call::Create, Answer::error(503, "DWS.0005", "Server failure.")).times(2));
//! println!("point a client at {}", simulator.url());
//! println!("{} calls so far, {} of them hit", admin.log().len(), admin.fault_hits(fault));
//! # Ok(())
//! # }
//! ```
//!
//! A request passes through `exchange` (arrival, fault, effect, answer), `perform` (what a healthy cloud does), `gate` (who
//! calls), and `dws`, `iam` or `temporary` (the calls); `cluster` is the state that it changes.

mod account;
mod admin;
mod admin_http;
mod answer;
mod arrival;
mod call;
mod cloud;
mod cluster;
mod clusters;
mod connection;
mod digest;
mod dws;
mod error_body;
mod exchange;
mod fault;
mod faults;
mod gate;
mod iam;
mod job;
mod jwt;
mod log;
mod perform;
mod reply;
mod request;
mod settings;
mod signature;
mod source;
mod temporary;
mod trust;

use std::future::IntoFuture;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::DropGuard;

pub use account::{
    AccessKey, Account, DEFAULT_ACCESS_KEY, DEFAULT_DOMAIN, DEFAULT_PASSWORD, DEFAULT_PROJECT, DEFAULT_REGION,
    DEFAULT_SECRET_KEY, DEFAULT_USER, User,
};
pub use admin::Admin;
pub use answer::{Answer, Body, Disconnect};
pub use call::Call;
pub use error_body::{Refusal, Shape};
pub use fault::{Fault, FaultId};
pub use job::JobOutcome;
pub use jwt::{Issuer, Jwk};
pub use log::{LogEntry, Timeout};
pub use settings::{
    Busy, Count, DuplicateNames, JobStates, NameSettings, Settings, StateNotation, UnknownClusters, UpdateEffect,
};
pub use source::{Source, SourceSeed, TYPES};
pub use trust::{Agency, IdentityProvider};

use cloud::Cloud;
use connection::{Door, Line};

/// A running simulator. It stops when it is dropped: its port is closed and every connection ends.
pub struct Simulator {
    address: SocketAddr,
    admin: Admin,
    _stop: DropGuard,
}

impl Simulator {
    /// Starts a simulator on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If there is no free port.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into(), settings).await
    }

    /// Starts a simulator on an address. Only a loopback address has the admin endpoint.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(address: SocketAddr, settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self::serve(listener, address, settings))
    }

    /// Serves a listener that clients reach at an address.
    fn serve(listener: TcpListener, address: SocketAddr, settings: Settings) -> Self {
        let cloud = Arc::new(Cloud::new(settings));
        let admin = Admin::new(cloud.clone());
        let administration = if address.ip().is_loopback() {
            admin_http::routes(admin.clone())
        } else {
            admin_http::refused()
        };
        let shutdown = cloud.shutdown.clone();
        let stop = shutdown.clone().drop_guard();
        let app = Router::new()
            .fallback(exchange::serve)
            .with_state(cloud)
            .merge(administration);
        let door = Door {
            listener,
            shutdown: shutdown.clone(),
        };
        let server = axum::serve(door, app.into_make_service_with_connect_info::<Line>());
        tokio::spawn(shutdown.run_until_cancelled_owned(server.into_future()));
        Self {
            address,
            admin,
            _stop: stop,
        }
    }

    /// The base URL of both APIs and of the admin endpoint, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its administration.
    #[must_use]
    pub fn admin(&self) -> Admin {
        self.admin.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn administration_needs_a_loopback_address() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let local = listener.local_addr().unwrap();
        let public = SocketAddr::from((Ipv4Addr::UNSPECIFIED, local.port()));
        let _simulator = Simulator::serve(listener, public, Settings::default());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.get(format!("http://{local}/admin/settings")).send().await.unwrap();
        assert_eq!(answer.status(), 403);
    }
}
