//! Names of the cloud's endpoints, resolved to addresses that an endpoint of the cloud can have.
//!
//! Takes a host name and returns its addresses without those of the node itself: the metadata service and the pod identity agent have
//! link-local addresses, and whoever can make an allowed name resolve to them must not be able to have credentials, or anything, sent there.
//! A proxy (`--use-proxy-env`) resolves names itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves a name.
type Lookup = fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

/// Resolves names, and filters.
pub struct CloudResolver(Lookup);

impl CloudResolver {
    /// By the system.
    pub fn system() -> Self {
        Self(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }))
    }
}

impl Resolve for CloudResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let found = (self.0)(name.clone());
        Box::pin(async move { Ok(usable(&name, found.await?)?) })
    }
}

/// The addresses that may be called.
fn usable(name: &str, mut found: Vec<SocketAddr>) -> io::Result<Addrs> {
    found.retain(|address| !is_off_limits(address.ip()));
    if found.is_empty() {
        let why = format!("{name} resolves to no address that an endpoint of the cloud can have");
        return Err(io::Error::other(why));
    }
    Ok(Box::new(found.into_iter()))
}

/// Whether an address is of the node itself or of nobody, in any of its notations.
fn is_off_limits(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_off_limits_v4(v4),
        IpAddr::V6(v6) => {
            let [.., high, low] = v6.segments();
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            // Mapped, compatible and NAT64 (RFC 6052) addresses lead to the IPv4 address at their end.
            let leads_to_v4 = v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] || v6.to_ipv4().is_some();
            let embedded = leads_to_v4.then(|| Ipv4Addr::new(a, b, c, d));
            v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || (!v6.is_loopback() && embedded.is_some_and(is_off_limits_v4))
        }
    }
}

fn is_off_limits_v4(address: Ipv4Addr) -> bool {
    address.is_link_local() || address.octets()[0] == 0 || address.is_broadcast() || address.is_multicast()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::endpoints::EndpointPolicy;
    use super::super::transport::{ConnectionSettings, Request, Transport, TransportError};
    use super::*;

    #[test]
    fn addresses_of_the_node_are_left_out_in_every_notation() {
        for address in [
            "169.254.169.254",
            "169.254.170.23",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "fe80::1",
            "febf::a9fe:a9fe",
            "::",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
        ] {
            assert!(is_off_limits(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "100.125.0.1",
            "159.138.0.1",
            "::1",
            "fd00::1",
            "2407:c080::1",
            "::ffff:159.138.0.1",
        ] {
            assert!(!is_off_limits(address.parse().unwrap()), "{address}");
        }
    }

    fn at(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 0)
    }

    #[test]
    fn a_name_is_resolved_to_what_is_left() {
        let left = usable("dws.example.com", vec![at("169.254.169.254"), at("10.0.0.1")]).unwrap();
        assert_eq!(left.collect::<Vec<_>>(), [at("10.0.0.1")]);
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_resolved() {
        let name = "localhost".parse().unwrap();
        let addresses = CloudResolver::system().resolve(name).await.ok().unwrap();
        assert!(
            addresses
                .map(|address| address.ip())
                .all(|address| address.is_loopback())
        );
    }

    /// An allowed name that leads to the metadata service: nothing is sent, and the failure says why.
    #[tokio::test]
    async fn a_name_that_leads_to_the_node_is_not_called() {
        let policy = EndpointPolicy {
            allowed_domains: vec!["example.com".to_owned()],
            allow_insecure: false,
        };
        let endpoint = policy.check("https://dws.example.com").unwrap();
        let lookup: Lookup = |_| Box::pin(async { Ok(vec![at("169.254.169.254"), at("fe80::1")]) });
        let settings = ConnectionSettings {
            to_node: false,
            ..ConnectionSettings::to_node()
        };
        let transport = Transport::resolving(settings, CloudResolver(lookup)).unwrap();
        let request = Request {
            method: http::Method::GET,
            endpoint: &endpoint,
            path: "/openstack/latest/securitykey".to_owned(),
            query: String::new(),
            headers: http::HeaderMap::new(),
            body: Vec::new(),
        };
        let sent = transport.send(request, Duration::from_secs(10)).await;
        let Err(TransportError::NotSent { cause, .. }) = sent else {
            panic!("something was sent")
        };
        assert!(cause.contains("dws.example.com resolves to no address"), "{cause}");
    }
}
