//! The threads that serve Envoy: each has a runtime of its own, and a connection stays with the thread it is given to.
//!
//! An exchange is a few microseconds of work and three waits. On threads that take work from each other, waking the
//! next one costs more than that work.

use std::{
    io, net,
    num::NonZero,
    os::unix::net as unix,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    net::{TcpStream, UnixStream},
    runtime,
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Bound, Router, connection};

/// Connections at once, of all Envoys; one more is closed.
const MAX_CONNECTIONS: usize = 4096;

/// Pause when no connection can be taken (file descriptors, memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves `router` until `stop`, then until the exchanges in flight have ended. Health (`grpc.health.v1`) says SERVING
/// while `ready` is true.
///
/// # Errors
/// No thread can be started.
pub async fn serve(
    bound: Bound,
    router: Router,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
) -> io::Result<()> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let start = |number| Worker::start(number, &router, &ready, &stop);
    let workers = (0..threads).map(start).collect::<io::Result<Vec<_>>>()?;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = bound.accept() => accepted,
        };
        match accepted {
            Ok(connection) => hand_over(connection, &workers),
            Err(error) => {
                tracing::warn!(%error, "Envoy's connection cannot be taken");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(bound);
    for worker in workers {
        worker.ended().await;
    }
    Ok(())
}

/// To the one that has the fewest.
fn hand_over(connection: Connection, workers: &[Worker]) {
    let counts = || workers.iter().map(|worker| worker.count.load(Ordering::Relaxed));
    let all: usize = counts().sum();
    let Some(worker) = workers.iter().min_by_key(|worker| worker.count.load(Ordering::Relaxed)) else {
        return;
    };
    if all >= MAX_CONNECTIONS {
        return tracing::warn!(limit = MAX_CONNECTIONS, "too many connections: one is closed");
    }
    worker.count.fetch_add(1, Ordering::Relaxed);
    if worker.connections.try_send(connection).is_err() {
        worker.count.fetch_sub(1, Ordering::Relaxed);
        tracing::warn!("a thread of the router does not take connections: one is closed");
    }
}

/// An accepted connection, between two runtimes.
#[derive(Debug)]
pub(super) enum Connection {
    Tcp(net::TcpStream),
    Unix(unix::UnixStream),
}

/// A thread that serves connections.
struct Worker {
    connections: mpsc::Sender<Connection>,
    /// Those that it has.
    count: Arc<AtomicUsize>,
    end: mpsc::Receiver<()>,
}

impl Worker {
    fn start(
        number: usize,
        router: &Router,
        ready: &watch::Receiver<bool>,
        stop: &CancellationToken,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (connections, mut taken) = mpsc::channel::<Connection>(MAX_CONNECTIONS);
        let (ended, end) = mpsc::channel::<()>(1);
        let count = Arc::new(AtomicUsize::new(0));
        let (router, ready, stop, counted) =
            (router.clone(), ready.clone(), stop.clone(), Arc::clone(&count));
        let work = async move {
            let tasks = TaskTracker::new();
            while let Some(connection) = taken.recv().await {
                let (router, ready, stop) = (router.clone(), ready.clone(), stop.clone());
                let counted = Counted(Arc::clone(&counted));
                tasks.spawn(async move {
                    let _counted = counted;
                    if let Err(error) = connection.serve(router, ready, stop).await {
                        tracing::debug!(%error, "a connection was lost on its way to its thread");
                    }
                });
            }
            tasks.close();
            tasks.wait().await;
            drop(ended);
        };
        thread::Builder::new().name(format!("router-{number}")).spawn(move || runtime.block_on(work))?;
        Ok(Self { connections, count, end })
    }

    /// Waits until all its connections have ended; it gets no more.
    async fn ended(self) {
        let Self { connections, count: _, mut end } = self;
        drop(connections);
        end.recv().await;
    }
}

impl Connection {
    async fn serve(
        self,
        router: Router,
        ready: watch::Receiver<bool>,
        stop: CancellationToken,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_nodelay(true)?;
                connection::serve(TcpStream::from_std(stream)?, router, ready, stop).await;
            }
            Self::Unix(stream) => {
                connection::serve(UnixStream::from_std(stream)?, router, ready, stop).await;
            }
        }
        Ok(())
    }
}

/// One connection of a worker.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
