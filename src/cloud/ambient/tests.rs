use super::*;

#[test]
fn an_agent_is_near_or_proves_itself() {
    for url in [
        "http://169.254.170.23/v1/credentials",
        "http://127.0.0.1:8080/x",
        "http://10.0.0.7/x",
        "http://[fe80::1]/x",
        "http://[fd00::1]:90/x",
        "https://agent.example.com/x",
    ] {
        assert!(AgentUrl::parse(url).is_ok(), "{url}");
    }
    for (url, error) in [
        ("http://agent.example.com/x", NodeUrlError::NotLocal),
        ("http://localhost/x", NodeUrlError::NotLocal),
        ("http://8.8.8.8/x", NodeUrlError::NotLocal),
        ("ftp://127.0.0.1/x", NodeUrlError::Malformed),
        ("http://user@127.0.0.1/x", NodeUrlError::Malformed),
        ("http://127.0.0.1/x?y=z", NodeUrlError::Malformed),
        ("", NodeUrlError::Malformed),
    ] {
        assert_eq!(AgentUrl::parse(url).err(), Some(error), "{url}");
    }
}

#[test]
fn a_metadata_service_is_link_local() {
    assert!(metadata_service("http://169.254.169.254", false).is_ok());
    assert!(metadata_service("http://127.0.0.1:1", true).is_ok());
    let refused = |url: &str, insecure: bool| metadata_service(url, insecure).err().unwrap();
    assert_eq!(refused("http://127.0.0.1:1", false), NodeUrlError::InsecureNotAllowed);
    for url in [
        "http://10.0.0.1",
        "http://metadata.example.com",
        "https://169.254.169.254",
        "http://169.254.169.254/x",
    ] {
        assert_eq!(refused(url, true), NodeUrlError::NotLinkLocal, "{url}");
    }
}

#[tokio::test]
async fn a_token_is_read_anew_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let read = async || {
        use secrecy::ExposeSecret;
        token(&file).await.map(|token| token.expose_secret().to_owned())
    };
    assert!(read().await.unwrap_err().message.contains("cannot be read"));
    std::fs::write(&file, "one\n").unwrap();
    let before = file_version(&file);
    assert_eq!(read().await.unwrap(), "one");
    std::fs::write(&file, " second ").unwrap();
    assert_eq!(read().await.unwrap(), "second");
    assert_ne!(file_version(&file), before);
    for nothing in ["", "\n", "two words"] {
        std::fs::write(&file, nothing).unwrap();
        assert!(read().await.unwrap_err().message.contains("holds no token"));
    }
}
