use std::time::Duration;

use super::*;

fn open(pool: &ConnectionPool) -> Vec<u64> {
    pool.open().entries.keys().copied().collect()
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_evicts_the_longest_idle_connection() {
    let pool = ConnectionPool::new(2);
    let first = Arc::new(pool.acquire().unwrap());
    tokio::time::advance(Duration::from_secs(1)).await;
    let second = Arc::new(pool.acquire().unwrap());
    tokio::time::advance(Duration::from_secs(1)).await;
    drop(first.begin_response());
    first.mark_flushed();
    let third = pool.acquire().unwrap();
    second.evicted().await;
    assert_eq!(open(&pool), [first.id, third.id]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_response_is_being_prepared_is_never_evicted() {
    let pool = ConnectionPool::new(1);
    let slot = Arc::new(pool.acquire().unwrap());
    let response = slot.begin_response();
    assert!(pool.acquire().is_none());
    drop(response);
    assert!(pool.acquire().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_writing_is_evicted_only_if_none_is_idle() {
    let pool = ConnectionPool::new(2);
    let writing = Arc::new(pool.acquire().unwrap());
    drop(writing.begin_response());
    tokio::time::advance(Duration::from_secs(1)).await;
    let idle = pool.acquire().unwrap();
    let busy = Arc::new(pool.acquire().unwrap());
    idle.evicted().await;
    let response = busy.begin_response();
    busy.mark_flushed();
    let last = pool.acquire().unwrap();
    writing.evicted().await;
    assert_eq!(open(&pool), [busy.id, last.id]);
    drop(response);
}

#[tokio::test]
async fn shrinking_lowers_the_limit_below_the_open_connections() {
    let pool = ConnectionPool::new(100);
    let slots: Vec<_> = (0..40).map(|_| pool.acquire()).collect();
    assert_eq!((pool.shrink(), open(&pool).len()), (35, 35));
    let one_more = pool.acquire();
    assert_eq!(open(&pool).len(), 35);
    drop((slots, one_more));
    assert_eq!((pool.shrink(), pool.shrink()), (LOWEST_LIMIT, LOWEST_LIMIT));
}

#[tokio::test]
async fn close_idle_spares_active_connections_and_close_all_does_not() {
    let pool = ConnectionPool::new(2);
    let (idle, busy) = (pool.acquire().unwrap(), Arc::new(pool.acquire().unwrap()));
    let response = busy.begin_response();
    pool.close_idle();
    idle.evicted().await;
    assert_eq!(open(&pool), [busy.id]);
    pool.close_all();
    busy.evicted().await;
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_two_requests_is_protected_until_both_are_answered() {
    let pool = ConnectionPool::new(1);
    let slot = Arc::new(pool.acquire().unwrap());
    let (first, second) = (slot.begin_response(), slot.begin_response());
    drop(first);
    slot.mark_flushed();
    assert!(pool.acquire().is_none());
    drop(second);
    assert!(pool.acquire().is_some());
}

#[tokio::test]
async fn a_closed_connection_releases_its_slot() {
    let pool = ConnectionPool::new(1);
    drop(pool.acquire());
    assert!(open(&pool).is_empty());
}
