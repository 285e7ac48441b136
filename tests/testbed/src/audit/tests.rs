//! The log as it stands in the file.

use super::*;

const ARRIVED: &str = r#"{"auditID":"a","stage":"RequestReceived","verb":"patch","requestURI":"/x","user":{"username":"op"},"objectRef":{"resource":"dwsdatasources","subresource":"status","namespace":"n","name":"lake"}}"#;
const ANSWERED: &str = r#"{"auditID":"a","stage":"ResponseComplete","verb":"patch","requestURI":"/x","user":{"username":"op"},"objectRef":{"resource":"dwsdatasources","subresource":"status","namespace":"n","name":"lake"},"responseStatus":{"code":200}}"#;
const MARKER: &str = r#"{"auditID":"m","stage":"RequestReceived","verb":"get","requestURI":"/version?marker=1","user":{"username":"admin"}}"#;

fn log(lines: &[&str]) -> Vec<Line> {
    parse(&format!("{}\n", lines.join("\n")))
}

#[test]
fn a_log_is_complete_once_marker_and_earlier_answers_are_there() {
    let marker = "/version?marker=1";
    assert!(!is_complete(&log(&[ARRIVED, ANSWERED]), marker), "no marker");
    assert!(
        !is_complete(&log(&[ARRIVED, MARKER]), marker),
        "a write without its answer"
    );
    assert!(
        is_complete(&log(&[ARRIVED, MARKER, ANSWERED]), marker),
        "the answer may come after the marker"
    );
    let refused = ANSWERED.replace("ResponseComplete", "ResponseStarted");
    assert!(
        is_complete(&log(&[ARRIVED, &refused, MARKER]), marker),
        "an unknown user's answer is never completed"
    );
    assert!(
        is_complete(&log(&[MARKER, ARRIVED]), marker),
        "a later write does not count"
    );
}

#[test]
fn a_write_counts_once_and_a_half_written_line_not_at_all() {
    let text = format!("{ARRIVED}\n{ANSWERED}\n{}", &ANSWERED[..40]);
    let writes: Vec<Request> = parse(&text).into_iter().filter_map(Request::from_line).collect();
    let expected = (
        "dwsdatasources/status".to_owned(),
        "lake".to_owned(),
        "patch".to_owned(),
    );
    assert_eq!(count(&writes), BTreeMap::from([(expected, 1)]));
    assert!(writes[0].is_accepted() && writes[0].is_write());
}

#[test]
fn a_watch_counts_once_when_it_begins() {
    const WATCH: &str = r#"{"auditID":"w","stage":"STAGE","verb":"watch","requestURI":"/x","user":{"username":"op"},"objectRef":{"resource":"dwsdatasources"},"responseStatus":{"code":200}}"#;
    let lines = ["RequestReceived", "ResponseStarted", "ResponseComplete"].map(|stage| WATCH.replace("STAGE", stage));
    let watches: Vec<Request> = log(&lines.each_ref().map(String::as_str))
        .into_iter()
        .filter_map(Request::from_line)
        .collect();
    assert_eq!(watches.len(), 1);
    assert!(!watches[0].is_write());
}

/// A log that somebody cut or replaced is no log of what happened since.
#[test]
fn a_log_that_lost_lines_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let write = |path: &Path, lines: &[&str]| std::fs::write(path, lines.join("\n")).unwrap();
    write(&path, &[ARRIVED, ANSWERED]);
    let admin = Config::new("http://127.0.0.1:9".parse().unwrap());
    let log = AuditLog::from_now(&path, admin).unwrap();
    write(&path, &[ARRIVED, ANSWERED, MARKER]);
    assert_eq!(log.read().unwrap().trim(), MARKER);
    write(&path, &[ARRIVED]);
    assert!(log.read().is_err(), "cut");
    let next = folder.path().join("next.log");
    write(&next, &[ARRIVED, ANSWERED, MARKER]);
    std::fs::rename(&next, &path).unwrap();
    assert!(log.read().is_err(), "replaced");
}
