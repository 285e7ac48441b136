//! Writes log lines without ever making the caller wait.
//!
//! Takes whole lines into a bounded queue; a thread of its own writes them out. When nobody reads the output, the queue fills and further lines
//! are dropped and counted: the operator goes on working. (The crate `tracing-appender` does this too, but hides how much it drops and how long
//! its end may take.)

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// How many lines may wait; at the usual length of a line this is under 2 MB.
const LINES: usize = 4096;
/// The longest line that is kept whole, in bytes. With the queue it bounds the memory.
const LONGEST: usize = 16 * 1024;

enum Job {
    Line(Vec<u8>),
    /// Everything before it has been written when the sender is dropped.
    Flush(Sender<()>),
}

/// Takes log lines; clones share the queue.
#[derive(Clone, Debug)]
pub struct LogWriter {
    queue: SyncSender<Job>,
    dropped: Counter,
}

impl LogWriter {
    /// Starts the thread that writes to `out`. Lines that are dropped are counted in `dropped`.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(out: impl Write + Send + 'static, dropped: Counter) -> io::Result<Self> {
        let (queue, jobs) = mpsc::sync_channel(LINES);
        let failed = dropped.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&jobs, out, &failed))?;
        Ok(Self { queue, dropped })
    }

    /// Waits until the lines taken so far are written, but no longer than `limit`. Returns whether they are.
    ///
    /// It blocks the thread: call it at the end of the process.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        const PAUSE: Duration = Duration::from_millis(5);
        let deadline = Instant::now() + limit;
        let (done, written) = mpsc::channel();
        let mut job = Job::Flush(done);
        loop {
            match self.queue.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) if Instant::now() < deadline => job = back,
                Err(_) => return false,
            }
            thread::sleep(PAUSE);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        // The thread drops the sender without a word, so the good end is a disconnection.
        matches!(written.recv_timeout(left), Err(mpsc::RecvTimeoutError::Disconnected))
    }
}

fn write_all(jobs: &Receiver<Job>, out: impl Write, failed: &Counter) {
    let mut out = io::BufWriter::new(out);
    while let Ok(first) = jobs.recv() {
        let mut next = Some(first);
        let mut flushes = Vec::new();
        while let Some(job) = next {
            match job {
                Job::Line(line) => {
                    if out.write_all(&line).is_err() {
                        failed.inc();
                    }
                }
                Job::Flush(done) => flushes.push(done),
            }
            next = jobs.try_recv().ok();
        }
        if out.flush().is_err() {
            failed.inc();
        }
    }
}

/// The subscriber writes each event with a single call.
impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut kept = line[..line.len().min(LONGEST)].to_vec();
        if kept.len() < line.len() {
            kept.push(b'\n');
        }
        if self.queue.try_send(Job::Line(kept)).is_err() {
            self.dropped.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// An output that keeps what is written; clones share it.
    #[derive(Clone, Default)]
    pub(in crate::runtime) struct Collected(Arc<Mutex<Vec<u8>>>);

    impl Collected {
        pub(in crate::runtime) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Collected {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn writes_lines_in_order() {
        let (out, dropped) = (Collected::default(), Counter::default());
        let mut writer = LogWriter::start(out.clone(), dropped.clone()).unwrap();
        for n in 0..100 {
            writer.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        assert!(writer.flush(Duration::from_secs(10)));
        let text = out.text();
        assert!(text.lines().eq((0..100).map(|n| format!("line {n}"))), "{text}");
        assert_eq!(dropped.get(), 0);
    }

    #[test]
    fn a_long_line_is_cut() {
        let out = Collected::default();
        let mut writer = LogWriter::start(out.clone(), Counter::default()).unwrap();
        writer.write_all(&vec![b'a'; LONGEST * 2]).unwrap();
        assert!(writer.flush(Duration::from_secs(10)));
        assert_eq!(out.text().len(), LONGEST + 1);
        assert!(out.text().ends_with("a\n"));
    }

    /// A pipe that nobody reads: it blocks until the test lets go.
    struct Blocked(Receiver<()>);

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_blocked_output_drops_lines_but_never_blocks() {
        let (let_go, held) = mpsc::channel();
        let dropped = Counter::default();
        let mut writer = LogWriter::start(Blocked(held), dropped.clone()).unwrap();
        let line = vec![b'a'; 1000];
        for _ in 0..3 * LINES {
            writer.write_all(&line).unwrap();
        }
        assert!(dropped.get() > 0);
        assert!(!writer.flush(Duration::from_millis(50)));
        drop(let_go);
        assert!(writer.flush(Duration::from_secs(10)));
    }

    #[test]
    fn an_output_that_fails_is_counted() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let dropped = Counter::default();
        let mut writer = LogWriter::start(Broken, dropped.clone()).unwrap();
        writer.write_all(b"lost\n").unwrap();
        assert!(writer.flush(Duration::from_secs(10)));
        assert!(dropped.get() > 0);
    }
}
