//! The runtime of everything that outlives a single test: supervisors, proxies, recorders.
//!
//! A test's own runtime ends with the test and stands still while the test blocks; what the test is watched by must do neither.

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// The runtime itself, started at first use and kept until the process ends.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("testbed")
            .enable_all()
            .build()
            .expect("the testbed's runtime starts")
    })
}

/// Runs `future` on the background runtime and blocks until it is done, also inside an asynchronous test and in `drop`.
///
/// # Panics
/// If `future` panics.
pub(crate) fn block_on<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    runtime().spawn(async move {
        // The receiver waits below for as long as this task lives.
        let _ = sender.send(future.await);
    });
    receiver.recv().expect("the background task ends without a panic")
}
