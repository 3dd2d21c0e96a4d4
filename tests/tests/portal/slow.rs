//! Clients that say little, slowly, and keep their connection.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use harness::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world;

/// How long the portal may take to lose its patience: it gives half of it.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often the client says a byte more.
const BYTE: Duration = Duration::from_secs(1);

/// Says the beginning of a request and then a byte a second, until the portal has enough; what it answered.
async fn dawdle(address: &str, beginning: &str, byte: u8) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(beginning.as_bytes()).await?;
    let (mut from, mut to) = stream.split();
    let mut answer = Vec::new();
    let slowly = async {
        while to.write_all(&[byte]).await.is_ok() {
            tokio::time::sleep(BYTE).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // A reset is an end, too.
        _ = from.read_to_end(&mut answer) => Ok(String::from_utf8_lossy(&answer).into_owned()),
        () = slowly => bail!("it says on for ever"),
        () = tokio::time::sleep(PATIENCE) => bail!("the portal still listens after {PATIENCE:?}"),
    }
}

#[tokio::test]
async fn who_says_headers_or_a_body_a_byte_a_second_is_cut_off_and_others_are_served() -> Result<()>
{
    let address = &world().await.portal.address;
    let headers = "GET /sign-in HTTP/1.1\r\nHost: portal\r\nX-Slow: ";
    let body = "POST /sign-in HTTP/1.1\r\nHost: portal\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Connection: close\r\nContent-Length: 1000\r\n\r\npost=";
    let nothing = dawdle(address, "G", b'E');
    let many = (0..50).map(|_| dawdle(address, headers, b'a'));
    let others = async {
        tokio::time::sleep(BYTE).await;
        let (status, _) = get(address, "/sign-in").await?;
        ensure!(status == 200, "meanwhile /sign-in says {status}");
        Ok(())
    };
    let (many, body, nothing, others) = tokio::join!(
        futures::future::try_join_all(many),
        dawdle(address, body, b'a'),
        nothing,
        others
    );
    others?;
    nothing?;
    for answer in many? {
        ensure!(!answer.contains("200 OK"), "{answer}");
    }
    let body = body?;
    // As any page that takes too long: whether the client or the hub is slow cannot be told from here.
    ensure!(body.starts_with("HTTP/1.1 503"), "a slow body gets {body}");
    Ok(())
}
