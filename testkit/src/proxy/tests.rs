use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// Long enough that an echo over loopback would have come, had it been let through.
const MOMENT: Duration = Duration::from_millis(100);

/// A server that sends back whatever it gets.
async fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn proxied_echo() -> TcpProxy {
    TcpProxy::start(echo_server().await).await
}

async fn connect(proxy: &TcpProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn echoed(stream: &mut TcpStream, text: &str) -> bool {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = vec![0; text.len()];
    match timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap() {
        Ok(_) => answer == text.as_bytes(),
        Err(_) => false,
    }
}

/// Whether nothing comes and the connection stays open.
async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(MOMENT, stream.read(&mut [0; 16])).await.is_err()
}

#[tokio::test]
async fn it_forwards_both_ways_and_counts_connections() {
    let proxy = proxied_echo().await;
    assert!(echoed(&mut connect(&proxy).await, "one").await);
    assert!(echoed(&mut connect(&proxy).await, "two").await);
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn it_passes_on_more_than_a_piece_and_the_end_of_each_direction() {
    let proxy = proxied_echo().await;
    let (mut from, mut to) = connect(&proxy).await.into_split();
    let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    let sending = async {
        to.write_all(&sent).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut answer = Vec::new();
    let (_, read) = timeout(DEADLINE, async { tokio::join!(sending, from.read_to_end(&mut answer)) }).await.unwrap();
    read.unwrap();
    assert!(answer == sent);
}

#[tokio::test]
async fn silence_keeps_old_and_new_connections_open_without_a_byte() {
    let proxy = proxied_echo().await;
    let mut old = connect(&proxy).await;
    assert!(echoed(&mut old, "before").await);
    proxy.silence();
    let mut new = connect(&proxy).await;
    for stream in [&mut old, &mut new] {
        stream.write_all(b"lost?").await.unwrap();
        assert!(is_silent(stream).await);
    }
}

#[tokio::test]
async fn after_heal_new_connections_work_and_silent_ones_stay_silent() {
    let proxy = proxied_echo().await;
    let mut old = connect(&proxy).await;
    assert!(echoed(&mut old, "before").await);
    proxy.silence();
    proxy.heal();
    assert!(echoed(&mut connect(&proxy).await, "new").await);
    old.write_all(b"old").await.unwrap();
    assert!(is_silent(&mut old).await);
}

#[tokio::test]
async fn silence_existing_spares_new_connections() {
    let proxy = proxied_echo().await;
    let mut old = connect(&proxy).await;
    assert!(echoed(&mut old, "before").await);
    proxy.silence_existing();
    assert!(echoed(&mut connect(&proxy).await, "new").await);
    old.write_all(b"old").await.unwrap();
    assert!(is_silent(&mut old).await);
}

#[tokio::test]
async fn resume_passes_on_what_was_held_back() {
    let proxy = proxied_echo().await;
    let mut stream = connect(&proxy).await;
    assert!(echoed(&mut stream, "before").await);
    proxy.silence();
    stream.write_all(b"held").await.unwrap();
    assert!(is_silent(&mut stream).await);
    proxy.resume();
    let mut answer = [0; 4];
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"held");
}

#[tokio::test]
async fn cut_closes_connections_even_silent_ones_and_accepts_new_ones() {
    let proxy = proxied_echo().await;
    let (mut forwarding, mut silent) = (connect(&proxy).await, connect(&proxy).await);
    assert!(echoed(&mut silent, "before").await);
    proxy.silence_existing();
    assert!(echoed(&mut connect(&proxy).await, "before").await);
    proxy.cut();
    for stream in [&mut forwarding, &mut silent] {
        let end = timeout(DEADLINE, stream.read(&mut [0; 16])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)));
    }
    assert!(echoed(&mut connect(&proxy).await, "after").await);
}

#[tokio::test]
async fn the_piece_that_springs_the_trap_is_held_and_silences_everyone() {
    let proxy = proxied_echo().await;
    let (mut one, mut other) = (connect(&proxy).await, connect(&proxy).await);
    assert!(echoed(&mut other, "before").await);
    proxy.silence_when_client_sends(|piece| contains(piece, b"EVALSHA"));
    assert!(echoed(&mut one, "harmless").await);

    one.write_all(b"...EVALSHA...").await.unwrap();
    proxy.silenced().await;
    other.write_all(b"other").await.unwrap();
    assert!(is_silent(&mut one).await);
    assert!(is_silent(&mut other).await);

    proxy.resume();
    let mut answer = [0; 13];
    timeout(DEADLINE, one.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"...EVALSHA...");
    assert!(echoed(&mut one, "EVALSHA again, and the trap is gone").await);
}

#[tokio::test]
async fn a_reply_can_be_held_after_the_server_did_its_work() {
    // The echo shows that the server saw it: with a trap on replies only, the request gets through.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let proxy = TcpProxy::start(listener.local_addr().unwrap()).await;
    proxy.silence_when_server_sends(|piece| contains(piece, b"done"));
    let mut client = connect(&proxy).await;
    client.write_all(b"work").await.unwrap();
    let (mut server, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    let mut request = [0; 4];
    timeout(DEADLINE, server.read_exact(&mut request)).await.unwrap().unwrap();
    assert_eq!(&request, b"work");
    server.write_all(b"done").await.unwrap();
    proxy.silenced().await;
    assert!(is_silent(&mut client).await);
}

#[tokio::test]
async fn silence_hides_that_the_other_end_has_closed() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let proxy = TcpProxy::start(listener.local_addr().unwrap()).await;
    let client = connect(&proxy).await;
    let (mut server, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    // Unread bytes make the client's end one with a reset, as when a process is killed.
    server.write_all(b"unread").await.unwrap();
    timeout(DEADLINE, client.readable()).await.unwrap().unwrap();
    proxy.silence();
    drop(client);
    assert!(is_silent(&mut server).await);
    proxy.resume();
    let end = timeout(DEADLINE, server.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_client_whose_server_is_away_is_closed() {
    let closed = crate::ports::ClosedPort::reserve();
    let proxy = TcpProxy::start(closed.address()).await;
    let end = timeout(DEADLINE, connect(&proxy).await.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_throttled_line_passes_on_everything_in_its_time() {
    let proxy = proxied_echo().await;
    let mut stream = connect(&proxy).await;
    proxy.throttle(1_000_000);
    let sent = "x".repeat(200_000);
    let began = std::time::Instant::now();
    assert!(echoed(&mut stream, &sent).await);
    // The last piece has no piece behind it that would have to wait.
    assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
}
