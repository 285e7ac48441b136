//! The header `Retry-After`: seconds, also with a fraction, or an HTTP date (RFC 9110, section 10.2.3).

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// The longest wait that is believed.
pub const MAX_DELAY: Duration = Duration::from_mins(10);

/// How long the header asks to wait, at most [`MAX_DELAY`]; `now` is the server's time if it tells it.
pub fn parse(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        let usable = seconds.is_finite() && seconds >= 0.0;
        return usable.then(|| Duration::from_secs_f64(seconds.min(MAX_DELAY.as_secs_f64())));
    }
    let wait = http_date(value)?.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO).min(MAX_DELAY))
}

/// The instant of an HTTP date.
pub fn http_date(value: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Option<Duration> {
        parse(text, "2026-01-02T03:04:05Z".parse().unwrap())
    }

    #[test]
    fn each_form_is_read() {
        assert_eq!(at("5"), Some(Duration::from_secs(5)));
        assert_eq!(at(" 56.818 "), Some(Duration::from_secs_f64(56.818)));
        assert_eq!(at("Fri, 02 Jan 2026 03:05:05 GMT"), Some(Duration::from_mins(1)));
    }

    #[test]
    fn long_waits_are_clamped_and_past_ones_are_none() {
        assert_eq!(at("1e300"), Some(MAX_DELAY));
        assert_eq!(at("Fri, 02 Jan 2099 03:05:05 GMT"), Some(MAX_DELAY));
        assert_eq!(at("Fri, 02 Jan 2015 03:05:05 GMT"), Some(Duration::ZERO));
    }

    #[test]
    fn nonsense_is_no_wait() {
        for text in ["", "-1", "NaN", "inf", "soon", "Fri, 99 Jan 2026 03:05:05 GMT"] {
            assert_eq!(at(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_bounded(text in any::<String>(), seconds in any::<f64>()) {
            prop_assert!(at(&text).unwrap_or_default() <= MAX_DELAY);
            prop_assert!(at(&seconds.to_string()).unwrap_or_default() <= MAX_DELAY);
        }
    }
}
