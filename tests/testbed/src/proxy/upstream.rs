//! The server behind the proxy.

use std::sync::Arc;

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::Uri;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A server's address, and how to verify it.
pub(super) struct Upstream {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A connection that sends one request after the other.
pub(super) type Connection = SendRequest<Full<Bytes>>;

impl Upstream {
    /// The server at `url`; https needs a configuration that says whom to trust.
    pub fn new(url: &str, tls: Option<Arc<ClientConfig>>) -> Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("the URL {url}"))?;
        let host = uri
            .host()
            .with_context(|| format!("the URL {url} has no host"))?
            .trim_matches(['[', ']'])
            .to_owned();
        let port = uri.port_u16().with_context(|| format!("the URL {url} has no port"))?;
        let tls = match tls {
            Some(config) => Some((TlsConnector::from(config), ServerName::try_from(host.clone())?)),
            None => None,
        };
        Ok(Self { host, port, tls })
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            Some((connector, name)) => handshake(connector.connect(name.clone(), stream).await?).await,
            None => handshake(stream).await,
        }
    }
}

async fn handshake(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Connection> {
    let (sender, connection) = http1::Builder::new()
        .preserve_header_case(true)
        .handshake(TokioIo::new(stream))
        .await?;
    // Ends with its sender and its last response; what goes wrong shows in the response.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
