use proptest::prelude::*;

use super::*;

fn data(pairs: &[(&str, &[u8])]) -> BTreeMap<String, ByteString> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec())))
        .collect()
}

fn error(pairs: &[(&str, &[u8])]) -> String {
    Credentials::access_key(&data(pairs)).err().unwrap().to_string()
}

#[test]
fn permanent_and_temporary_access_keys_are_read() {
    let permanent = data(&[(ACCESS_KEY, b"AK1"), (SECRET_KEY, b"SK/+=")]);
    let read = Credentials::access_key(&permanent).ok().unwrap();
    assert_eq!(read.secrets(), ["AK1", "SK/+="]);
    let temporary = data(&[(ACCESS_KEY, b"AK1"), (SECRET_KEY, b"SK"), (SECURITY_TOKEN, b"T")]);
    let read = Credentials::access_key(&temporary).ok().unwrap();
    assert_eq!(read.secrets(), ["AK1", "SK", "T"]);
}

#[test]
fn error_names_the_key_and_what_is_wrong_with_it() {
    for (pairs, key, what) in [
        (vec![(ACCESS_KEY, b"AK".as_slice())], SECRET_KEY, "no key"),
        (vec![(SECRET_KEY, b"SK")], ACCESS_KEY, "no key"),
        (vec![(ACCESS_KEY, b""), (SECRET_KEY, b"SK")], ACCESS_KEY, "empty"),
        (vec![(ACCESS_KEY, b"AK"), (SECRET_KEY, b"\xff")], SECRET_KEY, "UTF-8"),
        (
            vec![(ACCESS_KEY, b"AK\n"), (SECRET_KEY, b"SK")],
            ACCESS_KEY,
            "line break",
        ),
        (
            vec![(ACCESS_KEY, b"AK"), (SECRET_KEY, b"S\0K")],
            SECRET_KEY,
            "control character",
        ),
        (
            vec![(ACCESS_KEY, b"A\r\nX: y"), (SECRET_KEY, b"SK")],
            ACCESS_KEY,
            "control character",
        ),
        (
            vec![(ACCESS_KEY, b"A, B"), (SECRET_KEY, b"SK")],
            ACCESS_KEY,
            "characters",
        ),
        (
            vec![(ACCESS_KEY, b"A"), (SECRET_KEY, b"SK"), (SECURITY_TOKEN, b"")],
            SECURITY_TOKEN,
            "empty",
        ),
    ] {
        let error = error(&pairs);
        assert!(error.contains(key) && error.contains(what), "{error}");
    }
    let long = vec![b'a'; MAX_BYTES + 1];
    assert!(error(&[(ACCESS_KEY, &long), (SECRET_KEY, b"SK")]).contains("more than"));
}

#[test]
fn principal_is_the_access_key_or_the_user() {
    let key = |secret: &[u8]| {
        let data = data(&[(ACCESS_KEY, b"AK"), (SECRET_KEY, secret)]);
        Credentials::access_key(&data).ok().unwrap().principal()
    };
    assert!(key(b"one") == key(b"two"));
    let user = |domain, user| {
        let data = data(&[(PASSWORD, b"p")]);
        Credentials::password(domain, user, &data).ok().unwrap().principal()
    };
    assert!(user("d", "u") == user("d", "u"));
    assert!(user("d", "u") != user("d", "v"));
    assert!(user("a/b", "c") != user("a", "b/c"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(access in any::<Vec<u8>>(), secret in any::<Vec<u8>>()) {
        let pairs: [(&str, &[u8]); 2] = [(ACCESS_KEY, &access), (SECRET_KEY, &secret)];
        if let Ok(read) = Credentials::access_key(&data(&pairs)) {
            prop_assert!(http::HeaderValue::from_str(read.secrets()[0]).is_ok());
            prop_assert_eq!(read.secrets()[1].as_bytes(), secret);
        }
    }
}
