//! Which servers TLS proves.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// The address of a server with a certificate for this name, which answers one call.
    fn serve(&self, name: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let tls = ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = StreamOwned::new(tls, stream);
            // A client that does not believe the certificate ends here.
            if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"data_sources\":[]}";
                stream.write_all(answer).unwrap();
            }
        });
        format!("https://localhost:{port}")
    }
}

fn trusting(uri: &str, ca_pem: Option<Vec<u8>>) -> Session {
    Session::connect(SessionConfig { ca_pem, ..config(uri) }).ok().unwrap()
}

#[tokio::test]
async fn server_of_the_given_authority_is_believed() {
    let authority = Authority::new();
    let session = trusting(&authority.serve("localhost"), Some(authority.pem()));
    assert!(list(&session).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn any_other_server_is_refused_before_anything_is_sent() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (uri, roots) in [
        (authority.serve("localhost"), Some(other.pem())),
        (authority.serve("localhost"), None),
        (authority.serve("elsewhere.example"), Some(authority.pem())),
    ] {
        let failure = create(&trusting(&uri, roots)).await.unwrap_err();
        assert_eq!(failure.kind, TRANSIENT);
        assert!(failure.message.contains("certificate"), "{failure}");
    }
}

/// Of the extension `supported_versions` (RFC 8446, section 4.2.1): its number, and TLS 1.2 and 1.3.
const SUPPORTED_VERSIONS: [u8; 2] = [0x00, 0x2b];
const ONLY_1_3_AND_1_2: [u8; 7] = [0x00, 0x05, 0x04, 0x03, 0x04, 0x03, 0x03];

#[tokio::test]
async fn nothing_older_than_tls_1_2_is_offered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let hello = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 5];
        stream.read_exact(&mut head).unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut hello).unwrap();
        hello
    });
    let session = trusting(&uri, Some(Authority::new().pem()));
    assert_eq!(list(&session).await.unwrap_err().kind, TRANSIENT);
    let hello = hello.join().unwrap();
    let offer = [SUPPORTED_VERSIONS.as_slice(), &ONLY_1_3_AND_1_2].concat();
    assert!(hello.windows(offer.len()).any(|window| window == offer));
}
