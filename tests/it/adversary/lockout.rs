//! Clients that take up connections, so that no other client is answered.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_transfer_exporter::web::ServerLimits;
use tokio::net::TcpSocket;

use crate::web::{BODY, Client, Fake, HEALTHY, METRICS, Server};

const CONNECTIONS: usize = 32;
const FLOOD: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Connects from an address of the loopback network.
async fn client(from: Ipv4Addr, server: &Server) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    Client::over(socket.connect(server.address).await.unwrap())
}

/// Starts a server with few connections.
async fn start(fake: &Arc<Fake>) -> Server {
    let limits = ServerLimits {
        connections: CONNECTIONS,
        ..ServerLimits::default()
    };
    Server::start(fake, limits).await
}

/// Each opens twice as many connections as there may be and sends this on each.
const FLOODS: [&str; 6] = [
    "GET /metrics HTTP/1.1\r\nhost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 600\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nhost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 1e300\r\n\r\n",
    METRICS,
    "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\nGET /metrics HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nhost: x\r\n",
    "",
];

#[tokio::test]
async fn connections_of_one_client_that_wait_keep_no_other_out() {
    for request in FLOODS {
        let fake = Fake::closed();
        let server = start(&fake).await;
        let mut flood = Vec::new();
        for at in 0..2 * CONNECTIONS {
            let mut one = client(FLOOD, &server).await;
            one.send(request).await;
            flood.push(one);
            if at % 16 != 15 {
                continue;
            }
            // A health check is answered to everyone, the flooding client included.
            for from in [FLOOD, Ipv4Addr::new(127, 0, 0, 2)] {
                let answer = client(from, &server).await.ask(HEALTHY).await;
                assert_eq!(answer.status, 200, "{request:?}, {at} from {from}");
            }
        }
        // Another client waits for its scrape as if it were alone.
        let before = fake.waiting.load(Ordering::Relaxed);
        let mut scraper = client(Ipv4Addr::new(127, 0, 0, 3), &server).await;
        scraper.send(METRICS).await;
        fake.wait_until_waiting(before + 1).await;
        // A flood that goes on does not close its connection.
        for _ in 0..CONNECTIONS {
            let mut one = client(FLOOD, &server).await;
            one.send(request).await;
            flood.push(one);
        }
        fake.open.add_permits(1_000);
        assert_eq!(scraper.answer(false).await.text(), BODY, "{request:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn surplus_scrapes_of_a_client_are_answered_at_once_with_what_is_known() {
    let fake = Fake::closed();
    let server = start(&fake).await;
    let mut waiting = Vec::new();
    for _ in 0..CONNECTIONS / 4 {
        let mut one = client(FLOOD, &server).await;
        one.send(METRICS).await;
        waiting.push(one);
    }
    fake.wait_until_waiting(CONNECTIONS / 4).await;
    for _ in 0..CONNECTIONS {
        assert_eq!(client(FLOOD, &server).await.ask(METRICS).await.text(), BODY);
    }
    // Those that wait have lost nothing.
    fake.open.add_permits(1_000);
    for mut one in waiting {
        assert_eq!(one.answer(false).await.text(), BODY);
    }
}

#[tokio::test]
async fn requests_that_never_end_leave_places_to_other_clients() {
    let fake = Fake::closed();
    let server = start(&fake).await;
    // As if the storage took no write.
    fake.stuck.store(true, Ordering::Relaxed);
    let put = "PUT /api/v1/transfers/c-0123456789abcdef0/t HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut flood = Vec::new();
    let mut rejected = 0;
    for at in 0..2 * CONNECTIONS {
        let mut one = client(FLOOD, &server).await;
        one.send(put).await;
        if at >= CONNECTIONS / 2 {
            assert_eq!(one.answer(false).await.status, 429, "{at}");
            rejected += 1;
        }
        flood.push(one);
    }
    assert!(rejected > CONNECTIONS);
    let other = Ipv4Addr::new(127, 0, 0, 2);
    fake.open.add_permits(1_000);
    for request in [METRICS, HEALTHY] {
        assert_eq!(client(other, &server).await.ask(request).await.status, 200);
        assert_eq!(client(FLOOD, &server).await.ask(HEALTHY).await.status, 200);
    }
}
