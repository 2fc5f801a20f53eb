//! Clients that ask for HTTP/2, whose streams would be buffered for each connection.

use aws_transfer_exporter::web::ServerLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::web::{BODY, Client, Fake, METRICS, Server, within};

/// The preface of HTTP/2, and a frame of settings with a window of 0.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";

#[tokio::test]
async fn http_2_with_prior_knowledge_is_rejected_and_closed() {
    let server = Server::start(&Fake::new(), ServerLimits::default()).await;
    for _ in 0..100 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        let mut answer = Vec::new();
        // The server does not read the rest, so the connection may end with a reset.
        let _ = within("the end", stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1."),
            "{answer}"
        );
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    assert_eq!(server.ask(METRICS).await.text(), BODY);
}

#[tokio::test]
async fn an_upgrade_to_http_2_is_ignored() {
    let server = Server::start(&Fake::new(), ServerLimits::default()).await;
    let upgrade = "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\n\
                   upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAAAA\r\n\r\n";
    let mut client = Client::over(TcpStream::connect(server.address).await.unwrap());
    for _ in 0..10 {
        let answer = client.ask(upgrade).await;
        assert_eq!((answer.status, answer.text()), (200, BODY));
    }
}
