//! When to stop: SIGTERM (Kubernetes) and SIGINT (Ctrl-C).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code after a second signal, as a shell reports a process that SIGINT ended.
pub const INTERRUPTED: i32 = 130;

/// Returns a token that is cancelled by the first SIGTERM or SIGINT. A second one ends the process at once with [`INTERRUPTED`]: somebody
/// does not want to wait.
///
/// Must be called within a Tokio runtime.
///
/// # Errors
/// When the operating system refuses a signal handler.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let stopping = token.clone();
    tokio::spawn(async move {
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping");
        stopping.cancel();
        either(&mut terminate, &mut interrupt).await;
        std::process::exit(INTERRUPTED);
    });
    Ok(token)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    /// Not a test of its own: the process that `a_second_signal_exits_at_once` sends signals to.
    #[tokio::test]
    #[ignore = "runs as a child of another test"]
    async fn child_that_never_ends() {
        let token = on_signal().unwrap();
        println!("\nwaiting");
        token.cancelled().await;
        println!("\nstopping");
        std::future::pending::<()>().await;
    }

    fn send(signal: &str, pid: u32) {
        assert!(
            Command::new("kill")
                .args([signal, &pid.to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    #[test]
    fn a_second_signal_exits_at_once() {
        for (first, second) in [("-TERM", "-TERM"), ("-INT", "-TERM")] {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "runtime::shutdown::tests::child_that_never_ends",
                    "--ignored",
                    "--nocapture",
                ])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
            assert!(lines.any(|line| line == "waiting"));
            send(first, child.id());
            assert!(lines.any(|line| line == "stopping"));
            assert_eq!(child.try_wait().unwrap(), None, "the first signal must not end it");
            send(second, child.id());
            assert_eq!(child.wait().unwrap().code(), Some(INTERRUPTED));
        }
    }
}
