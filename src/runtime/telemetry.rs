//! Logs: JSON or text on standard output, through a writer that never blocks.
//!
//! Installs the process-wide subscriber; where events come from is not its business.

use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};

use prometheus_client::metrics::counter::Counter;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use super::log_writer::LogWriter;
use super::panic_guard;
use super::settings::LogFormat;

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("--log-level: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// There is no thread to write with.
    #[error("cannot start the log writer: {0}")]
    Writer(#[from] io::Error),
    /// A subscriber is installed already.
    #[error("logs are set up already: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends the logs of the process to standard output, and what panics say into the logs. Lines that nobody reads in time are counted in
/// `dropped`. Flush the returned writer at the end of the process.
///
/// # Errors
/// When the filter cannot be read or logs are set up already.
pub fn start(format: LogFormat, filter: &str, dropped: Counter) -> Result<LogWriter, TelemetryError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let writer = LogWriter::start(io::stdout(), dropped)?;
    match format {
        LogFormat::Json => json(filter, writer.clone()).try_init()?,
        LogFormat::Text => text(filter, writer.clone()).try_init()?,
    }
    // The default hook writes to standard error, which may block and is not JSON.
    panic::set_hook(Box::new(log_panic));
    Ok(writer)
}

/// One object a line; the fields of the event stand beside `message`.
fn json<W: for<'a> MakeWriter<'a> + Send + Sync + 'static>(
    filter: EnvFilter,
    writer: W,
) -> impl Subscriber + Send + Sync {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

fn text<W: for<'a> MakeWriter<'a> + Send + Sync + 'static>(
    filter: EnvFilter,
    writer: W,
) -> impl Subscriber + Send + Sync {
    tracing_subscriber::fmt()
        .with_ansi(io::stdout().is_terminal())
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(panic = panic_guard::text(info.payload()), location, "panicked");
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;

    use super::super::log_writer::tests::Collected;
    use super::*;

    #[test]
    fn json_lines_have_the_fields_beside_the_message() {
        let out = Collected::default();
        let made = out.clone();
        with_default(json(EnvFilter::new("info"), move || made.clone()), || {
            let span = tracing::info_span!("reconcile", object = "a/b").entered();
            tracing::info!(health_address = "127.0.0.1:8081", "listening");
            tracing::debug!("hidden");
            drop(span);
        });
        let line: serde_json::Value = serde_json::from_str(&out.text()).unwrap();
        assert_eq!(line["message"], "listening");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["health_address"], "127.0.0.1:8081");
        assert_eq!(line["span"]["object"], "a/b");
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn text_lines_are_plain_outside_a_terminal() {
        let out = Collected::default();
        let made = out.clone();
        with_default(text(EnvFilter::new("warn"), move || made.clone()), || {
            tracing::warn!(n = 7, "careful");
        });
        assert!(out.text().contains("WARN"), "{}", out.text());
        assert!(out.text().contains("careful n=7"), "{}", out.text());
    }

    #[test]
    fn a_wrong_filter_names_its_flag() {
        let error = start(LogFormat::Json, "a=b=c", Counter::default()).unwrap_err();
        assert!(error.to_string().starts_with("--log-level: "), "{error}");
    }
}
