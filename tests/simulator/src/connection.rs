//! TCP connections that can be cut, reset or slowed down from within a request.
//!
//! hyper owns the socket, so a request reaches it through the [`Line`] that belongs to its connection. Never knows HTTP.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::answer::Disconnect;

/// Accepts connections that all end when the simulator does.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) shutdown: CancellationToken,
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers may be delayed by Nagle's algorithm");
        }
        (Wire::new(stream, self.shutdown.child_token()), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A request's hold on its connection.
#[derive(Clone)]
pub(crate) struct Line(Arc<State>);

struct State {
    cut: CancellationToken,
    reset: AtomicBool,
    drip: OnceLock<Duration>,
}

impl Line {
    /// Ends the connection at once. Nothing that was not sent yet will be.
    pub(crate) fn cut(&self, how: Disconnect) {
        self.0.reset.store(how == Disconnect::Reset, Ordering::SeqCst);
        self.0.cut.cancel();
    }

    /// From now on, sends one byte at a time with a pause after each. The first pause set stays.
    pub(crate) fn drip(&self, pause: Duration) {
        self.0.drip.get_or_init(|| pause);
    }
}

impl Connected<IncomingStream<'_, Door>> for Line {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().line.clone()
    }
}

/// The socket as hyper sees it.
pub(crate) struct Wire {
    stream: TcpStream,
    line: Line,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        let waiting = Box::pin(cut.clone().cancelled_owned());
        let line = Line(Arc::new(State {
            cut,
            reset: AtomicBool::new(false),
            drip: OnceLock::new(),
        }));
        Self {
            stream,
            line,
            cut: waiting,
            pause: None,
        }
    }

    /// An error once the connection is cut; until then it has the task woken for it.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.line.0.cut.is_cancelled() || self.cut.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.line.0.reset.load(Ordering::SeqCst)
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::warn!(%error, "a connection is closed instead of reset");
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let Some(&pause) = self.line.0.drip.get() else {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        };
        if let Some(running) = &mut self.pause {
            ready!(running.as_mut().poll(cx));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &buf[..buf.len().min(1)]))?;
        self.pause = Some(Box::pin(tokio::time::sleep(pause)));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
