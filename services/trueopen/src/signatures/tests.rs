//! Fetching from a server that answers well, badly, slowly and endlessly: what is refused changes nothing.

use super::fetch::fetch;
use super::{Bounds, Folder, install};
use classifier::data::Name;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Zscaler's form with so many rows.
fn hubs(count: u32) -> String {
    let rows: Vec<String> = (0..count).map(|n| format!("\"198.18.{n}.0/24\"")).collect();
    format!("{{\"hubPrefixes\":[{}]}}", rows.join(","))
}

fn answer(status: &str, headers: &str, length: usize, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

fn ok(body: &str) -> String {
    answer("200 OK", "", body.len(), body)
}

/// A server that answers by path, for as long as the test runs.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    format!("http://{address}")
}

async fn serve(mut stream: TcpStream) {
    let mut request = vec![0; 4096];
    let read = stream.read(&mut request).await.unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let whole = hubs(60);
    let said = match path {
        "/good" => ok(&whole),
        "/fewer" => ok(&hubs(40)),
        "/shrunken" => ok(&hubs(25)),
        "/empty" => ok(&hubs(3)),
        "/corrupt" => ok(&whole.replace("198.18.7.0/24", "198.18.7.0/99")),
        "/page" => ok("<html><title>Sign in</title></html>"),
        // The length says more than comes.
        "/truncated" => answer("200 OK", "", whole.len(), &whole[..whole.len() / 2]),
        "/cut-json" => ok(&whole[..whole.len() / 2]),
        "/moved" => answer("302 Found", "location: /good\r\n", 0, ""),
        "/elsewhere" => answer("302 Found", "location: http://localhost:1/good\r\n", 0, ""),
        "/circle" => answer("302 Found", "location: /circle\r\n", 0, ""),
        "/failing" => answer("503 Service Unavailable", "", 0, ""),
        "/slow" => {
            let head = answer("200 OK", "", whole.len(), "");
            let _ = stream.write_all(head.as_bytes()).await;
            std::future::pending::<()>().await;
            return;
        }
        "/endless" => {
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
            return;
        }
        _ => answer("404 Not Found", "", 0, ""),
    };
    let _ = stream.write_all(said.as_bytes()).await;
    let _ = stream.shutdown().await;
}

const BOUNDS: Bounds = Bounds { time: Duration::from_secs(20), bytes: 1 << 20 };

#[tokio::test]
async fn what_is_refused_leaves_the_last_good_one() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::at(&dir.path().join("signatures"));
    let update = async |path: &str, bounds: Bounds| {
        let set = fetch(Name::Zscaler, &[format!("{server}{path}")], "2026-11-02", bounds).await;
        match set {
            Ok(set) => install(&folder, &set).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    let installed =
        || folder.read(Name::Zscaler).unwrap().map(|set| (set.about().rows, set.hash().to_owned()));
    assert_eq!(installed(), None);
    assert_eq!(update("/good", BOUNDS).await, Ok(()));
    let good = installed();
    assert_eq!(good.as_ref().map(|(rows, _)| *rows), Some(60));

    let hurried = Bounds { time: Duration::from_millis(300), ..BOUNDS };
    for (path, bounds, reason) in [
        ("/shrunken", BOUNDS, "shrank"),
        ("/empty", BOUNDS, "at least 20"),
        ("/corrupt", BOUNDS, "198.18.7.0/99"),
        ("/page", BOUNDS, "line 1"),
        ("/truncated", BOUNDS, "/truncated"),
        ("/cut-json", BOUNDS, "EOF"),
        ("/elsewhere", BOUNDS, "another owner"),
        ("/circle", BOUNDS, "another owner"),
        ("/failing", BOUNDS, "503"),
        ("/nowhere", BOUNDS, "404"),
        ("/slow", hurried, "timed out"),
        ("/endless", BOUNDS, "more than 1048576 bytes"),
    ] {
        let refused = update(path, bounds).await.unwrap_err();
        assert!(refused.contains(reason), "{path}: {refused}");
        assert_eq!(installed(), good, "{path}");
    }

    assert_eq!(update("/moved", BOUNDS).await, Ok(()), "on the owner's own host");
    assert_eq!(installed(), good);
    assert_eq!(update("/fewer", BOUNDS).await, Ok(()));
    assert_eq!(installed().map(|(rows, _)| rows), Some(40));
    let none = fetch(Name::CloudAzure, &[], "2026-11-02", BOUNDS).await.unwrap_err();
    assert!(none.to_string().contains("signatures.urls"), "{none}");
}

#[tokio::test]
async fn an_installed_file_that_was_damaged_is_said_and_replaced() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::at(dir.path());
    let set = fetch(Name::Zscaler, &[format!("{server}/good")], "2026-11-02", BOUNDS).await.unwrap();
    install(&folder, &set).unwrap();
    let path = dir.path().join("zscaler.ranges");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let damaged = folder.read(Name::Zscaler).unwrap_err();
    assert!(damaged.to_string().contains("checksum"), "{damaged}");
    install(&folder, &set).unwrap();
    assert_eq!(folder.read(Name::Zscaler).unwrap().unwrap().hash(), set.hash());
}
