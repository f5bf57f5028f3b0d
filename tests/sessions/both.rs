//! What both stores promise of server sessions. `a` and `b` share their sessions: two replicas on one Redis, or one
//! store in memory.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_gateway::{
    clock,
    exchange::SessionId,
    mcp::Revision,
    sessions::{Found, LOCK_LIFE, OpenFailure, Opened, ServerSession},
};
use tokio::{sync::oneshot, task::JoinSet, time::Instant};

use crate::setting::{
    GITHUB, SESSION, SOON, eventually, in_an_hour, open, opens, ready_with, session, start, start_stuck,
    stores, within,
};

#[tokio::test]
async fn a_session_is_found_once_it_was_opened() {
    for (a, b) in stores().await.pairs() {
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Missing));
        assert_eq!(open(a, None, "s1").await, Ok(ready_with("s1")));
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Session(session("s1"))));
        assert_eq!(b.find(SESSION, "mcp-test/other").await, Ok(Found::Missing));
        assert_eq!(b.find(SESSION, "").await, Ok(Found::Missing));
        assert_eq!(b.find(SessionId([8; 16]), GITHUB).await, Ok(Found::Missing));
        assert_eq!(open(b, None, "s2").await, Ok(ready_with("s1")), "what is there is not replaced");
    }
}

#[tokio::test]
async fn a_server_without_sessions_is_remembered() {
    let none = ServerSession::without_id(Revision::V2025_03_26);
    for (a, b) in stores().await.pairs() {
        let opener = ready(Ok::<_, String>(none.clone()));
        let opened = a.open(SESSION, in_an_hour(), GITHUB, None, opener).await.unwrap();
        assert_eq!(opened.session, Some(none.clone()));
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Session(none.clone())));
    }
}

#[tokio::test]
async fn a_hundred_calls_open_one_session() {
    for (a, b) in stores().await.pairs() {
        let opened = Arc::new(AtomicUsize::new(0));
        let mut calls = JoinSet::new();
        for call in 0..100 {
            let (store, opened) = (Arc::clone(if call % 2 == 0 { a } else { b }), Arc::clone(&opened));
            calls.spawn(async move {
                let opener = async {
                    opened.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Ok::<_, String>(session(&format!("s{call}")))
                };
                store.open(SESSION, in_an_hour(), GITHUB, None, opener).await.unwrap().session.unwrap()
            });
        }
        let sessions = calls.join_all().await;
        assert_eq!(opened.load(Ordering::SeqCst), 1);
        assert!(sessions.iter().all(|session| *session == sessions[0]));
    }
}

#[tokio::test]
async fn calls_to_different_servers_and_sessions_do_not_wait_for_each_other() {
    for (a, b) in stores().await.pairs() {
        let stuck = start_stuck(a, None).await;
        let other_server = b.open(SESSION, in_an_hour(), "mcp-test/other", None, opens("s1"));
        assert_eq!(within(SOON, other_server).await, Ok(ready_with("s1")));
        let other_session = b.open(SessionId([8; 16]), in_an_hour(), GITHUB, None, opens("s2"));
        assert_eq!(within(SOON, other_session).await, Ok(ready_with("s2")));
        stuck.abort();
    }
}

#[tokio::test]
async fn a_failure_is_not_shared_with_the_calls_that_waited() {
    for (a, b) in stores().await.pairs() {
        let (fail, failing) = oneshot::channel();
        let first = start(a, None, async move { Err(failing.await.unwrap()) }).await;
        let second = tokio::spawn({
            let b = Arc::clone(b);
            async move { open(&b, None, "s2").await }
        });
        fail.send("401".to_owned()).unwrap();
        assert_eq!(first.await.unwrap(), Err(OpenFailure::Opener("401".to_owned())));
        assert_eq!(within(SOON, second).await.unwrap(), Ok(ready_with("s2")));
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_lets_the_next_one_open() {
    for (a, b) in stores().await.pairs() {
        let given_up = start_stuck(a, None).await;
        given_up.abort();
        let began = Instant::now();
        assert_eq!(within(SOON, open(b, None, "s2")).await, Ok(ready_with("s2")));
        assert!(began.elapsed() < LOCK_LIFE, "the lock was let go of, it did not expire");
    }
}

#[tokio::test]
async fn exactly_the_lost_session_is_replaced() {
    for (a, b) in stores().await.pairs() {
        open(a, None, "s1").await.unwrap();
        assert_eq!(open(a, Some("s1"), "s2").await, Ok(ready_with("s2")));
        assert_eq!(open(b, Some("s1"), "s3").await, Ok(ready_with("s2")), "another call has replaced it");
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Session(session("s2"))));
    }
}

#[tokio::test]
async fn calls_that_lost_one_session_open_one_in_its_place() {
    for (a, b) in stores().await.pairs() {
        open(a, None, "s1").await.unwrap();
        let (opened, opening) = oneshot::channel();
        let first = start(a, Some("s1"), async move { Ok(opening.await.unwrap()) }).await;
        let second = tokio::spawn({
            let b = Arc::clone(b);
            async move { open(&b, Some("s1"), "s3").await }
        });
        opened.send(session("s2")).unwrap();
        assert_eq!(first.await.unwrap(), Ok(ready_with("s2")));
        assert_eq!(within(SOON, second).await.unwrap(), Ok(ready_with("s2")));
    }
}

#[tokio::test]
async fn a_revoked_session_stays_revoked_and_names_what_to_close() {
    for (a, b) in stores().await.pairs() {
        open(a, None, "s1").await.unwrap();
        a.open(SESSION, in_an_hour(), "mcp-test/other", None, opens("s2")).await.unwrap();
        let mut to_close = b.revoke(SESSION, in_an_hour()).await.unwrap();
        to_close.sort_by(|(one, _), (other, _)| one.cmp(other));
        assert_eq!(to_close, [(GITHUB.into(), session("s1")), ("mcp-test/other".into(), session("s2"))]);
        for server in [GITHUB, "mcp-test/other", "mcp-test/new", ""] {
            assert_eq!(a.find(SESSION, server).await, Ok(Found::Revoked));
        }
        assert_eq!(open(a, None, "s3").await, Ok(Opened { session: None, stray: None }));
        assert_eq!(a.revoke(SESSION, in_an_hour()).await, Ok(vec![]));
        assert_eq!(a.find(SESSION, GITHUB).await, Ok(Found::Revoked));
        assert_eq!(a.find(SessionId([8; 16]), GITHUB).await, Ok(Found::Missing));
    }
}

#[tokio::test]
async fn a_session_opened_while_it_is_revoked_is_handed_back_to_close() {
    for (a, b) in stores().await.pairs() {
        let (opened, opening) = oneshot::channel();
        let call = start(a, None, async move { Ok(opening.await.unwrap()) }).await;
        assert_eq!(b.revoke(SESSION, in_an_hour()).await, Ok(vec![]));
        opened.send(session("s1")).unwrap();
        assert_eq!(call.await.unwrap(), Ok(Opened { session: None, stray: Some(session("s1")) }));
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Revoked));
    }
}

#[tokio::test]
async fn everything_is_forgotten_when_the_gateway_session_ends() {
    for (a, b) in stores().await.pairs() {
        let (revoked, soon) = (SessionId([8; 16]), clock::now().plus(Duration::from_secs(2)));
        a.open(SESSION, soon, GITHUB, None, opens("s1")).await.unwrap();
        b.revoke(revoked, soon).await.unwrap();
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Session(session("s1"))));
        assert_eq!(a.find(revoked, GITHUB).await, Ok(Found::Revoked));
        eventually(async || b.find(SESSION, GITHUB).await == Ok(Found::Missing)).await;
        eventually(async || a.find(revoked, GITHUB).await == Ok(Found::Missing)).await;
    }
}
