use std::time::Duration;

use super::*;

const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn open(pool: &ConnectionPool) -> Vec<u64> {
    pool.open().entries.keys().copied().collect()
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_evicts_the_longest_idle_connection() {
    let pool = ConnectionPool::new(2);
    let first = Arc::new(pool.acquire(LOCAL).unwrap());
    tokio::time::advance(Duration::from_secs(1)).await;
    let second = Arc::new(pool.acquire(LOCAL).unwrap());
    tokio::time::advance(Duration::from_secs(1)).await;
    drop(first.begin_response(None));
    first.mark_flushed();
    let third = pool.acquire(LOCAL).unwrap();
    second.evicted().await;
    assert_eq!(open(&pool), [first.id, third.id]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_response_is_being_prepared_is_never_evicted() {
    let pool = ConnectionPool::new(1);
    let slot = Arc::new(pool.acquire(LOCAL).unwrap());
    let response = slot.begin_response(None);
    assert!(pool.acquire(LOCAL).is_none());
    drop(response);
    assert!(pool.acquire(LOCAL).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_writing_is_evicted_only_if_none_is_idle() {
    let pool = ConnectionPool::new(2);
    let writing = Arc::new(pool.acquire(LOCAL).unwrap());
    drop(writing.begin_response(None));
    tokio::time::advance(Duration::from_secs(1)).await;
    let idle = pool.acquire(LOCAL).unwrap();
    let busy = Arc::new(pool.acquire(LOCAL).unwrap());
    idle.evicted().await;
    let response = busy.begin_response(None);
    busy.mark_flushed();
    let last = pool.acquire(LOCAL).unwrap();
    writing.evicted().await;
    assert_eq!(open(&pool), [busy.id, last.id]);
    drop(response);
}

#[tokio::test]
async fn shrinking_lowers_the_limit_below_the_open_connections() {
    let pool = ConnectionPool::new(100);
    let slots: Vec<_> = (0..40).map(|_| pool.acquire(LOCAL)).collect();
    assert_eq!((pool.shrink(), open(&pool).len()), (35, 35));
    let one_more = pool.acquire(LOCAL);
    assert_eq!(open(&pool).len(), 35);
    drop((slots, one_more));
    assert_eq!((pool.shrink(), pool.shrink()), (LOWEST_LIMIT, LOWEST_LIMIT));
}

#[tokio::test]
async fn close_idle_spares_active_connections_and_close_all_does_not() {
    let pool = ConnectionPool::new(2);
    let (idle, busy) = (
        pool.acquire(LOCAL).unwrap(),
        Arc::new(pool.acquire(LOCAL).unwrap()),
    );
    let response = busy.begin_response(None);
    pool.close_idle();
    idle.evicted().await;
    assert_eq!(open(&pool), [busy.id]);
    pool.close_all();
    busy.evicted().await;
    drop(response);
}

#[tokio::test]
async fn a_closed_connection_releases_its_slot() {
    let pool = ConnectionPool::new(1);
    drop(pool.acquire(LOCAL));
    assert!(open(&pool).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_evicts_a_connection_of_the_client_with_the_most() {
    let pool = ConnectionPool::new(4);
    let few = pool.acquire([192, 0, 2, 1].into()).unwrap();
    let mut flood = Vec::new();
    for _ in 0..20 {
        tokio::time::advance(Duration::from_secs(1)).await;
        flood.push(pool.acquire([192, 0, 2, 2].into()).unwrap());
    }
    assert!(open(&pool).contains(&few.id));
    assert!(
        flood
            .iter()
            .rev()
            .take(3)
            .all(|slot| open(&pool).contains(&slot.id))
    );
    drop(flood);
    assert_eq!(pool.open().by_client.len(), 1);
    drop(few);
    assert!(pool.open().by_client.is_empty());
}

#[tokio::test]
async fn responses_of_one_client_leave_half_of_the_connections_to_others() {
    let pool = ConnectionPool::new(8);
    let flood: Vec<_> = (0..8)
        .map(|_| Arc::new(pool.acquire([192, 0, 2, 2].into()).unwrap()))
        .collect();
    let responses: Vec<_> = flood
        .iter()
        .filter_map(|slot| Some(slot.begin_response(Some(slot.reserve_response()?))))
        .collect();
    assert_eq!(responses.len(), 4);
    let other = Arc::new(pool.acquire([192, 0, 2, 1].into()).unwrap());
    assert!(other.reserve_response().is_some());
}
