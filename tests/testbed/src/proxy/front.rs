//! A listener on loopback and the connections that it accepts.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::Shared;
use super::call::Api;
use super::caller::Caller;
use super::exchange::Exchange;
use super::rule::Next;
use super::upstream::Upstream;
use crate::background;

/// One API's side of a proxy.
pub(super) struct Front {
    pub api: Api,
    pub upstream: Upstream,
    pub shared: Arc<Shared>,
}

/// Serves `front` on a free port until it is aborted, with TLS if a configuration is given.
pub(super) fn listen(front: Front, tls: Option<Arc<ServerConfig>>) -> Result<(SocketAddr, AbortHandle)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening on loopback")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = background::runtime();
    let listener = {
        let _context = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let task = runtime.spawn(accept(listener, Arc::new(front), tls.map(TlsAcceptor::from)));
    Ok((address, task.abort_handle()))
}

/// The connections are this task's: they end with it.
async fn accept(listener: TcpListener, front: Arc<Front>, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted && !front.shared.is_blocked(front.api) {
                    connections.spawn(connection(stream, Arc::clone(&front), tls.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, front: Arc<Front>, tls: Option<TlsAcceptor>) {
    let mut cuts = front.shared.cuts(front.api).subscribe();
    let serve = async {
        // An answer is small; waiting to fill a packet would show as latency of the operator.
        let _ = stream.set_nodelay(true);
        let Ok(caller) = Caller::of(&stream) else { return };
        match tls {
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    serve(stream, caller, front).await;
                }
            }
            None => serve(stream, caller, front).await,
        }
    };
    tokio::select! {
        () = serve => {}
        _ = cuts.changed() => {}
    }
}

/// Owns `caller`, so that a cut closes the socket at once, whatever is still under way upstream.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, caller: Caller, front: Arc<Front>) {
    let (answers, mut reports) = mpsc::unbounded_channel();
    let caller = Arc::new(caller);
    let exchange = Arc::new(Exchange::new(front, Arc::downgrade(&caller), answers));
    let service = service_fn(move |request| Arc::clone(&exchange).call(request));
    let server = http1::Builder::new()
        .preserve_header_case(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut server = std::pin::pin!(server);
    loop {
        tokio::select! {
            // In this order: the turn of the server in which an answer ends also flushes it.
            biased;
            _ = &mut server => return,
            Some(answered) = reports.recv() => {
                for rule in &answered.rules {
                    if let Next::Cut = rule.act(&answered.call).await {
                        return;
                    }
                }
            }
        }
    }
}
