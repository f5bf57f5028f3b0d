//! One connection of Envoy: HTTP/2, a task for each stream.

use std::{future::poll_fn, pin::pin, time::Duration};

use bytes::Bytes;
use h2::{Ping, PingPong, server};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Router;

/// Most exchanges at once on one connection.
const MAX_STREAMS: u32 = 100_000;

/// Streams that may be given up before they are looked at. Each client that leaves Envoy gives one up; over the limit
/// the whole connection is closed, and with it the calls of all others.
const MAX_RESETS: usize = MAX_STREAMS as usize;

/// Bytes that a stream and a connection may have on their way to us.
const WINDOWS: (u32, u32) = (1 << 20, 16 << 20);

/// Bytes of one stream that may wait for the peer.
const MAX_SEND_BUFFER: usize = 400 << 10;

/// Largest head of a gRPC request, in bytes.
const MAX_HEAD: u32 = 16 << 10;

/// How long the other side may take until it speaks HTTP/2.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// How often it is asked whether it is still there, and how long it may take to say so.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// Serves `io` until the other side closes it; after `stop`, until the streams that there are have ended.
pub(super) async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    let mut settings = server::Builder::new();
    settings
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .initial_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_send_buffer_size(MAX_SEND_BUFFER)
        .max_header_list_size(MAX_HEAD);
    let Ok(Ok(mut connection)) = timeout(HANDSHAKE_DEADLINE, settings.handshake::<_, Bytes>(io)).await else {
        tracing::debug!("a connection that does not speak HTTP/2");
        return;
    };
    let mut silence = pin!(silence(connection.ping_pong()));
    let mut stopped = pin!(stop.cancelled());
    let mut is_stopping = false;
    let streams = TaskTracker::new();
    loop {
        tokio::select! {
            biased;
            () = &mut stopped, if !is_stopping => {
                is_stopping = true;
                connection.graceful_shutdown();
            }
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    // a panic there ends that stream, and no other
                    streams.spawn(router.clone().serve(request, respond, ready.clone()));
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "a connection has broken");
                    break;
                }
                None => break,
            },
            () = &mut silence => {
                tracing::warn!("Envoy does not answer any more: its connection is closed");
                break;
            }
        }
    }
    drop(connection);
    streams.close();
    streams.wait().await;
}

/// Ends when the other side has not answered a ping in time.
async fn silence(ping: Option<PingPong>) {
    let Some(mut ping) = ping else { return std::future::pending().await };
    loop {
        sleep(KEEPALIVE.0).await;
        if ping.send_ping(Ping::opaque()).is_err() {
            return;
        }
        let pong = timeout(KEEPALIVE.1, poll_fn(|cx| ping.poll_pong(cx)));
        if !matches!(pong.await, Ok(Ok(_))) {
            return;
        }
    }
}
