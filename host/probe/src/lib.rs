//! Does what a test asks of it by path, and tells what it saw: the component the host is tested with.
//!
//! Answers are plain text, one fact per line, errors as their `Debug` form.

use std::{
    fmt::Debug,
    fmt::Write as _,
    fs,
    net::TcpStream,
    str::FromStr as _,
    sync::atomic::{AtomicU32, Ordering},
};

use spin_sdk::{
    http::{
        Headers, IncomingRequest, OutgoingResponse, Request, Response, ResponseOutparam, SendError, send,
    },
    key_value::Store,
    redis::{Connection as Redis, RedisParameter},
    sqlite3 as sqlite, variables,
};

#[allow(unsafe_code, reason = "generated code")]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "dependent" });
}
use bindings::mayday::probe::greeting;

#[allow(unsafe_code, reason = "generated code")]
mod http_trigger {
    use super::*;

    #[spin_sdk::http_component]
    async fn handle(request: IncomingRequest, response: ResponseOutparam) {
        let probe = Probe::new(&request);
        if probe.path == "/trap-while-streaming" {
            return trap_while_streaming(response).await;
        }
        let headers = request.headers().entries();
        let (authority, scheme) = (request.authority(), request.scheme());
        let body = request.into_body().await.expect("a body");
        let body_text = String::from_utf8_lossy(&body).into_owned();
        let answer = match probe.path.as_str() {
            "/headers" => {
                let mut text = format!(
                    "authority: {authority:?}\nscheme: {scheme:?}\nuri: {}\n",
                    probe.uri
                );
                for (name, value) in headers {
                    _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(&value));
                }
                text
            }
            "/echo" => body_text,
            "/fetch" => fetch(&probe).await,
            _ => probe.answer(&body_text),
        };
        let headers = Headers::from_list(&[("x-probe".to_owned(), b"yes".to_vec())]).expect("valid headers");
        response
            .set_with_body(OutgoingResponse::new(headers), answer.into_bytes())
            .await
            .expect("a client");
    }
}

#[allow(unsafe_code, reason = "generated code")]
mod redis_trigger {
    use super::*;

    /// A message is `store key value`, to be written there, or `fetch store key url`, for what fetching the URL gave.
    #[spin_sdk::redis_component]
    async fn on_message(message: Vec<u8>) -> anyhow::Result<()> {
        let message = String::from_utf8(message)?;
        match message.split(' ').collect::<Vec<_>>()[..] {
            ["fail"] => anyhow::bail!("as asked"),
            ["fetch", store, key, url] => {
                let outcome = get(url).await;
                Store::open(store)?.set(key, outcome.as_bytes())?;
            }
            [store, key, value] => {
                let store = Store::open(store)?;
                // What an earlier message left shows that it had ended before this one began.
                let before = store.get(key)?.unwrap_or_default();
                store.set(key, &[&before, value.as_bytes()].concat())?;
            }
            _ => anyhow::bail!("not understood: {message}"),
        }
        Ok(())
    }
}

/// What a request asks for.
struct Probe {
    uri: String,
    path: String,
    query: Vec<(String, String)>,
}

impl Probe {
    fn new(request: &IncomingRequest) -> Self {
        let uri = request.path_with_query().unwrap_or_default();
        let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
        // Whatever prefix a test routes to the probe, its last segment is the question.
        let path = path.rfind('/').map_or(path, |slash| &path[slash..]).to_owned();
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { path, query, uri }
    }

    fn get(&self, name: &str) -> &str {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    fn answer(&self, body: &str) -> String {
        match self.path.as_str() {
            "/variable" => line(variables::get(self.get("name"))),
            "/environment" => std::env::vars()
                .map(|(name, value)| format!("{name}={value}\n"))
                .collect(),
            "/arguments" => line(std::env::args().collect::<Vec<_>>()),
            "/files" => line(
                fs::read_dir("/")
                    .map(|entries| entries.count())
                    .map_err(|error| error.kind()),
            ),
            "/socket" => line(
                TcpStream::connect(self.get("address"))
                    .map(drop)
                    .map_err(|error| error.kind()),
            ),
            "/count" => {
                static REQUESTS: AtomicU32 = AtomicU32::new(0);
                line(REQUESTS.fetch_add(1, Ordering::Relaxed))
            }
            "/print" => {
                println!("{}", self.get("text"));
                eprintln!("{}", self.get("text"));
                String::new()
            }
            "/greet" => greeting::greet(self.get("name")),
            "/dependency-environment" => line(greeting::environment(self.get("name"))),
            "/dependency-fetch" => line(greeting::fetch(self.get("authority"))),
            "/sqlite" => query_sqlite(self.get("database"), body),
            "/sqlite-2" => query_sqlite_2(self.get("database"), body),
            "/sqlite-open" => line(open_many(self.get("database"), self.number("count"))),
            "/key-value" => use_key_value(self.get("store"), body),
            "/redis" => use_redis(self.get("address"), body),
            "/allocate" => {
                let mut bytes = vec![1_u8; self.number("bytes")];
                bytes[0] = 2;
                line(bytes.len())
            }
            "/loop" => loop {
                std::hint::black_box(0);
            },
            "/panic" => panic!("as asked"),
            other => format!("unknown: {other}"),
        }
    }

    fn number(&self, name: &str) -> usize {
        usize::from_str(self.get(name)).expect("a number")
    }
}

fn line(value: impl Debug) -> String {
    format!("{value:?}\n")
}

async fn fetch(probe: &Probe) -> String {
    get(probe.get("url")).await
}

/// The status and the text of an answer, or the error.
async fn get(url: &str) -> String {
    match send::<Request, Response>(Request::get(url).header("x-from", "probe").build()).await {
        Ok(answer) => format!("{}\n{}", answer.status(), String::from_utf8_lossy(answer.body())),
        Err(SendError::Http(code)) => line(code),
        Err(error) => line(error.to_string()),
    }
}

async fn trap_while_streaming(response: ResponseOutparam) {
    let head = OutgoingResponse::new(Headers::new());
    head.set_status_code(202).expect("a status");
    // Held until the end: a body that is dropped is a body that is complete.
    let _body = head.take_body();
    response.set(head);
    panic!("as asked, after the response began");
}

/// Runs each line of the body as a statement, on one connection. `changes` and `rowid` ask for those.
fn query_sqlite(database: &str, body: &str) -> String {
    let connection = match sqlite::Connection::open(database) {
        Ok(connection) => connection,
        Err(error) => return line(error),
    };
    let run = |statement: &str| match statement {
        "changes" => line(connection.changes()),
        "rowid" => line(connection.last_insert_rowid()),
        _ => {
            let (statement, parameters) = with_parameters(statement);
            let result = connection.execute(statement, &parameters);
            line(result.map(|result| {
                let rows: Vec<_> = result.rows.into_iter().map(|row| row.values).collect();
                (result.columns, rows)
            }))
        }
    };
    body.lines().map(run).collect()
}

/// `statement <- a <- b` has the text parameters `a` and `b`; `every-type` stands for one of each type.
fn with_parameters(statement: &str) -> (&str, Vec<sqlite::Value>) {
    let mut parts = statement.split(" <- ");
    let statement = parts.next().unwrap_or_default();
    let parameters = parts.flat_map(|part| match part {
        "every-type" => vec![
            sqlite::Value::Integer(-1),
            sqlite::Value::Real(0.5),
            sqlite::Value::Text("text".to_owned()),
            sqlite::Value::Blob(vec![0, 255]),
            sqlite::Value::Null,
        ],
        text => vec![sqlite::Value::Text(text.to_owned())],
    });
    (statement, parameters.collect())
}

fn query_sqlite_2(database: &str, body: &str) -> String {
    use spin_sdk::sqlite::{Connection, QueryResult};
    let rows = |result: QueryResult| result.rows.into_iter().map(|row| row.values).collect::<Vec<_>>();
    match Connection::open(database) {
        Ok(connection) => body
            .lines()
            .map(|text| line(connection.execute(text, &[]).map(rows)))
            .collect(),
        Err(error) => line(error),
    }
}

fn open_many(database: &str, count: usize) -> Result<usize, sqlite::Error> {
    let connections: Result<Vec<_>, _> = (0..count).map(|_| sqlite::Connection::open(database)).collect();
    connections.map(|connections| connections.len())
}

/// Runs each line of the body as a command.
fn use_key_value(store: &str, body: &str) -> String {
    let store = match Store::open(store) {
        Ok(store) => store,
        Err(error) => return line(error),
    };
    let run = |command: &str| match command.split(' ').collect::<Vec<_>>()[..] {
        ["get", key] => line(
            store
                .get(key)
                .map(|value| value.map(|value| String::from_utf8_lossy(&value).into_owned())),
        ),
        ["set", key, value] => line(store.set(key, value.as_bytes())),
        ["delete", key] => line(store.delete(key)),
        ["exists", key] => line(store.exists(key)),
        ["keys"] => line(store.get_keys().map(|mut keys| {
            keys.sort();
            keys
        })),
        _ => format!("unknown: {command}\n"),
    };
    body.lines().map(run).collect()
}

/// Runs each line of the body as a command; `> ` before it runs it by the general function.
fn use_redis(address: &str, body: &str) -> String {
    let redis = match Redis::open(address) {
        Ok(redis) => redis,
        Err(error) => return line(error),
    };
    let texts = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
    let run = |command: &str| match command.split(' ').collect::<Vec<_>>()[..] {
        [">", command, ref arguments @ ..] => {
            let arguments: Vec<_> = arguments
                .iter()
                .map(|text| match text.parse() {
                    Ok(integer) => RedisParameter::Int64(integer),
                    Err(_) => RedisParameter::Binary(text.as_bytes().to_vec()),
                })
                .collect();
            line(redis.execute(command, &arguments))
        }
        ["get", key] => line(redis.get(key).map(|value| value.map(String::from_utf8))),
        ["set", key, value] => line(redis.set(key, value.as_bytes())),
        ["publish", channel, payload] => line(redis.publish(channel, payload.as_bytes())),
        ["incr", key] => line(redis.incr(key)),
        ["del", ref keys @ ..] => line(redis.del(&texts(keys))),
        ["sadd", key, ref values @ ..] => line(redis.sadd(key, &texts(values))),
        ["smembers", key] => line(redis.smembers(key)),
        ["srem", key, ref values @ ..] => line(redis.srem(key, &texts(values))),
        _ => format!("unknown: {command}\n"),
    };
    body.lines().map(run).collect()
}
