//! Durations as Go and Kubernetes write them (`45s`, `1m30s`, `500ms`): takes and returns text, nothing else.

use std::time::Duration;

use jiff::SignedDuration;

/// The longest wait that a setting may name: one year. Sums of waits and times stay far from any overflow.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Reads a duration such as `45s`, `1m30s`, `500ms` or `0s`.
///
/// # Errors
/// Says what is wrong when the text has no unit, is negative, is longer than a year or is no duration at all.
pub fn parse(text: &str) -> Result<Duration, String> {
    let units = |c: char| c.is_ascii_digit() || ".hmnsuµ".contains(c);
    if !text.chars().all(units) {
        return Err(format!("`{text}` is not a duration such as 45s, 1m30s or 500ms"));
    }
    let signed: SignedDuration = text
        .parse()
        .map_err(|error| format!("`{text}` is not a duration: {error}"))?;
    let duration = Duration::try_from(signed).map_err(|_| format!("`{text}` is negative"))?;
    if duration > LONGEST {
        return Err(format!("`{text}` is longer than a year (8760h)"));
    }
    Ok(duration)
}

/// Writes a duration in the form that [`parse`] reads.
#[must_use]
pub fn format(duration: Duration) -> String {
    match SignedDuration::try_from(duration) {
        Ok(signed) => format!("{signed:#}").replace(' ', ""),
        // Longer than the universe is old; no setting gets here.
        Err(_) => format!("{}s", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_kubernetes_users_write() {
        for (text, milliseconds) in [
            ("45s", 45_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("0s", 0),
            ("1h", 3_600_000),
            ("1.5s", 1_500),
            ("1h0m5s", 3_605_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in [
            "",
            "5",
            "-5s",
            "5 s",
            "five",
            "s",
            "8761h",
            "99999999999999999999h",
            "1h ago",
            "PT5S",
            "1s1h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn writes_the_short_form() {
        assert_eq!(format(Duration::from_secs(90)), "1m30s");
        assert_eq!(format(Duration::ZERO), "0s");
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(milliseconds in 0u64..31_536_000_000) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn never_panics(text in ".{0,20}") {
            let _ = parse(&text);
        }
    }
}
