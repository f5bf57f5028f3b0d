//! What the store in memory does by itself.

use std::sync::Arc;

use mcp_gateway::{
    clock,
    exchange::SessionId,
    sessions::{Found, OPEN_WAIT, OpenFailure, Store, StoreError},
};
use tokio::time::Instant;

use crate::setting::{GITHUB, eventually, in_an_hour, open, opens, start_stuck};

#[tokio::test(start_paused = true)]
async fn a_call_does_not_wait_for_ever_for_another_one() {
    let store = Arc::new(Store::memory(10, clock::now));
    let stuck = start_stuck(&store, None).await;
    let began = Instant::now();
    assert_eq!(open(&store, None, "s2").await, Err(OpenFailure::Store(StoreError::Busy)));
    assert_eq!(began.elapsed().as_secs(), OPEN_WAIT.as_secs());
    stuck.abort();
}

#[tokio::test]
async fn memory_is_bounded_and_forgets_the_oldest() {
    let store = Store::memory(100, clock::now);
    let numbered = |number: u16| {
        let [high, low] = number.to_be_bytes();
        SessionId(std::array::from_fn(|index| if index % 2 == 0 { high } else { low }))
    };
    let revoked = numbered(9_999);
    store.revoke(revoked, in_an_hour()).await.unwrap();
    for number in 0..1_000 {
        store.open(numbered(number), in_an_hour(), GITHUB, None, opens("s1")).await.unwrap();
    }
    let count = async || {
        let mut found = 0;
        for number in 0..1_000 {
            found += usize::from(store.find(numbered(number), GITHUB).await != Ok(Found::Missing));
        }
        found
    };
    eventually(async || count().await <= 100).await;
    assert!(count().await > 0);
    assert_eq!(
        store.find(revoked, "").await,
        Ok(Found::Revoked),
        "live sessions do not push a revocation out"
    );
}
