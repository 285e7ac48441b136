//! Identifiers that enter a path or a host name.
//!
//! Takes text from a spec, a configuration or an answer and says whether it has the form of an
//! identifier. Nothing that fails here may reach a URL.

use uuid::Uuid;

use super::errors::Failure;

/// The most characters of an identifier that the cloud hands out.
const MAX_ID: usize = 64;

/// Whether the text is an id as the cloud hands them out for data sources and jobs.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Whether the text is the id of a project.
pub fn is_project(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether the text is a region: one lower-case DNS label.
pub fn is_region(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Refuses a cluster id that is not a hyphenated UUID.
pub fn check_cluster(cluster: &str) -> Result<(), Failure> {
    // The parser also takes braces, a URN and no hyphens at all; only this form has 36 characters.
    if cluster.len() == 36 && Uuid::try_parse(cluster).is_ok() {
        Ok(())
    } else {
        Err(Failure::invalid("the cluster id is not a UUID"))
    }
}

/// Refuses the id of a data source that has not the form of one.
pub fn check_data_source(id: &str) -> Result<(), Failure> {
    if is_id(id) {
        Ok(())
    } else {
        Err(Failure::invalid("the data source id is malformed"))
    }
}

/// Refuses the id of a job that has not the form of one.
pub fn check_job(id: &str) -> Result<(), Failure> {
    if is_id(id) {
        Ok(())
    } else {
        Err(Failure::invalid("the job id is malformed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &[&str] = &[
        "", "..", "a/b", "a%2fb", "a@b", "a?b", "a#b", "a\r\nb", "a b", "é", "a.b",
    ];

    #[test]
    fn hostile_text_is_no_identifier() {
        for text in HOSTILE {
            assert!(!is_id(text), "{text:?}");
            assert!(!is_project(text), "{text:?}");
            assert!(!is_region(text), "{text:?}");
            assert!(check_cluster(text).is_err(), "{text:?}");
        }
        assert!(!is_id(&"a".repeat(65)));
    }

    #[test]
    fn identifiers_of_the_documents_are_taken() {
        assert!(is_id("d303f19c-fbd1-4716-ae04-07d1ff358f22"));
        assert!(is_id("2c9081c88418ed420184197c8bc80001"));
        assert!(is_project("89cd04f168b84af6be287f71730fdb4b"));
        assert!(is_region("eu-west-101"));
        assert!(check_cluster("4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90").is_ok());
    }

    #[test]
    fn only_the_hyphenated_form_of_a_uuid_is_a_cluster() {
        assert!(check_cluster("4ca46bf15c6148ffb4f30ad4e5e3ba90").is_err());
        assert!(check_cluster("{4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90}").is_err());
        assert!(check_cluster("urn:uuid:4ca46bf1-5c61-48ff-b4f3-0ad4e5e3ba90").is_err());
    }
}
