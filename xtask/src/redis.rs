//! The two questions asked of a Redis server: is it there, and does anybody listen to a channel. For these a connection
//! and a line are enough, and this program is compiled before everything else, so it goes without a client library.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use percent_encoding::percent_decode_str;
use ureq::http::Uri;

const DEFAULT_PORT: u16 = 6379;
const TIMEOUT: Duration = Duration::from_secs(2);

/// Where a Redis server is: `redis://[[user]:password@]host[:port][/database]`.
#[derive(Clone, Debug)]
pub(crate) struct RedisUrl {
    text: String,
    host: String,
    port: u16,
    /// The arguments of AUTH.
    credentials: Vec<String>,
}

impl FromStr for RedisUrl {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let uri: Uri = text.parse().context("not a URL; redis://127.0.0.1:6379 is one")?;
        if uri.scheme_str() != Some("redis") {
            bail!("only redis:// can be used, without TLS");
        }
        let authority = uri.authority().context("the URL names no host")?;
        let credentials = match authority.as_str().rsplit_once('@') {
            None => Vec::new(),
            Some((userinfo, _)) => credentials(userinfo)?,
        };
        Ok(Self {
            text: text.to_owned(),
            // An IPv6 address stands in brackets in a URL and without them elsewhere.
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(DEFAULT_PORT),
            credentials,
        })
    }
}

fn credentials(userinfo: &str) -> Result<Vec<String>> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    [user, password]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| Ok(percent_decode_str(part).decode_utf8()?.into_owned()))
        .collect()
}

impl RedisUrl {
    /// A server on this machine.
    pub(crate) fn local(port: u16) -> Self {
        Self {
            text: format!("redis://127.0.0.1:{port}"),
            host: "127.0.0.1".to_owned(),
            port,
            credentials: Vec::new(),
        }
    }

    /// The URL as it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Fails unless the server answers a PING.
    pub(crate) fn ping(&self) -> Result<()> {
        match self.connect()?.ask(&["PING"], 1)?.as_str() {
            "+PONG" => Ok(()),
            other => bail!("Redis answers {other:?}"),
        }
    }

    /// Whether anybody is subscribed to the channel.
    pub(crate) fn has_subscriber(&self, channel: &str) -> Result<bool> {
        // An array of the channel and the number, each with a line for its length or its value.
        let last = self.connect()?.ask(&["PUBSUB", "NUMSUB", channel], 4)?;
        let count = last
            .strip_prefix(':')
            .with_context(|| format!("Redis answers {last:?}"))?;
        Ok(count.parse::<u64>()? > 0)
    }

    fn connect(&self) -> Result<Link> {
        let address = (self.host.as_str(), self.port)
            .to_socket_addrs()?
            .next()
            .context("the host has no address")?;
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut link = Link {
            stream: BufReader::new(stream),
        };
        if !self.credentials.is_empty() {
            let command: Vec<_> = ["AUTH"]
                .into_iter()
                .chain(self.credentials.iter().map(String::as_str))
                .collect();
            link.ask(&command, 1)?;
        }
        Ok(link)
    }
}

/// One connection.
struct Link {
    stream: BufReader<TcpStream>,
}

impl Link {
    /// Sends a command and returns the last line of its answer, which has so many lines.
    fn ask(&mut self, command: &[&str], lines: usize) -> Result<String> {
        let mut text = format!("*{}\r\n", command.len());
        for part in command {
            write!(text, "${}\r\n{part}\r\n", part.len())?;
        }
        self.stream.get_mut().write_all(text.as_bytes())?;
        let mut line = String::new();
        for _ in 0..lines {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                bail!("Redis closed the connection");
            }
            if let Some(error) = line.strip_prefix('-') {
                bail!("Redis refuses: {}", error.trim_end());
            }
        }
        Ok(line.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server for one connection: it reads as much as is expected, then answers.
    fn serve(expected: &'static str, answer: &'static str) -> (RedisUrl, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = RedisUrl::local(listener.local_addr().unwrap().port());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; expected.len()];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(asked).unwrap()
        });
        (url, server)
    }

    #[test]
    fn pong_is_an_answer() {
        let expected = "*1\r\n$4\r\nPING\r\n";
        let (url, server) = serve(expected, "+PONG\r\n");

        url.ping().unwrap();

        assert_eq!(server.join().unwrap(), expected);
    }

    #[test]
    fn refusal_is_told() {
        let (url, _server) = serve("*1\r\n$4\r\nPING\r\n", "-LOADING dataset\r\n");

        assert_eq!(
            url.ping().unwrap_err().to_string(),
            "Redis refuses: LOADING dataset"
        );
    }

    #[test]
    fn subscribers_are_counted() {
        let expected = "*3\r\n$6\r\nPUBSUB\r\n$6\r\nNUMSUB\r\n$4\r\ntick\r\n";
        let subscribed = |answer| serve(expected, answer).0.has_subscriber("tick").unwrap();

        assert!(subscribed("*2\r\n$4\r\ntick\r\n:1\r\n"));
        assert!(!subscribed("*2\r\n$4\r\ntick\r\n:0\r\n"));
    }

    #[test]
    fn url_says_where_and_as_whom() {
        let url: RedisUrl = "redis://mayday:p%40ss@cache.example:7000/2".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port), ("cache.example", 7000));
        assert_eq!(url.credentials, ["mayday", "p@ss"]);

        let url: RedisUrl = "redis://:secret@[::1]".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 6379));
        assert_eq!(url.credentials, ["secret"]);
    }

    #[test]
    fn other_urls_are_refused() {
        for text in [
            "localhost:6379",
            "rediss://cache.example",
            "http://cache.example",
            "redis:///2",
            "",
        ] {
            assert!(text.parse::<RedisUrl>().is_err(), "{text:?}");
        }
    }
}
