//! Whether the operator still waits at its end of a connection.

use std::io::{ErrorKind, Result};
use std::net::TcpStream;
use std::os::fd::AsFd;

/// A second handle on the socket of a connection. The socket stays open as long as this lives.
pub(super) struct Caller(TcpStream);

impl Caller {
    /// The operator at the other end of `stream`.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub fn of(stream: &tokio::net::TcpStream) -> Result<Self> {
        Ok(Self(stream.as_fd().try_clone_to_owned()?.into()))
    }

    /// Asks the kernel, not the runtime: the runtime hears of an end only in its next turn, and a rule that is released right
    /// after a kill would let the call of a dead operator through. HTTP/1.1 without pipelining has nothing to read between a
    /// request and its answer but an end.
    pub fn is_waiting(&self) -> bool {
        matches!(self.0.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}
