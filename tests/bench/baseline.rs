//! A plain native server for the four routes that [`crate::organizer`] measures, as one would write it without a
//! sandbox: axum, and rusqlite on connections that stay open, with their statements prepared. SQL, tokens, passwords
//! and answers are those of `components/organizer`, which is where the rules are explained. Two things are left out:
//! validation of input, and the throttle of sign-ins.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use argon2::password_hash::PasswordHash;
use argon2::{Argon2, PasswordVerifier};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONTENT_TYPE,
};
use http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use mayday_tests::settings::ORGANIZER_JWT_SECRET;
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

/// Serves a database that the component has made, on any free port, until it is killed.
pub(crate) async fn serve(path: &Path) -> Result<()> {
    let database = Arc::new(Database {
        path: path.to_owned(),
        idle: Mutex::default(),
    });
    let router = Router::new()
        .route("/organizer/auth/sign-in", post(sign_in))
        .route("/organizer/profile", get(show_profile))
        .route("/organizer/agency/events", get(list_events))
        .route("/organizer/agency/issues", post(create_issue))
        .with_state(database);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("Serving http://{}", listener.local_addr()?);
    // As in the host. Without it the bench would measure a slower server.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await?;
    Ok(())
}

/// `POST /auth/sign-in`
async fn sign_in(State(database): State<Arc<Database>>, body: Bytes) -> Result<Response, Refusal> {
    database
        .with(move |connection| {
            let SignIn { email, password } = serde_json::from_slice(&body)?;
            let found = find_for_sign_in(connection, &email)?;
            let (user, hash, approved) = found.ok_or(Refusal(StatusCode::BAD_REQUEST))?;
            let hash = PasswordHash::new(&hash).map_err(|_| Refusal(StatusCode::INTERNAL_SERVER_ERROR))?;
            // The parameters are those in the hash.
            let verified = Argon2::default().verify_password(password.as_bytes(), &hash);
            if verified.is_err() || user.role > ADMIN && !approved {
                return Err(Refusal(StatusCode::BAD_REQUEST));
            }
            let token = issue_token(user.id)?;
            json(StatusCode::OK, &SignedIn { user, token })
        })
        .await
}

/// `GET /profile`
async fn show_profile(
    State(database): State<Arc<Database>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    database
        .with(move |connection| {
            let user = admit(connection, &headers)?;
            json(StatusCode::OK, &user)
        })
        .await
}

/// `GET /agency/events`
async fn list_events(State(database): State<Arc<Database>>, headers: HeaderMap) -> Result<Response, Refusal> {
    database
        .with(move |connection| {
            let user = admit(connection, &headers)?;
            let agency_id = user.agency_id.ok_or(Refusal(StatusCode::BAD_REQUEST))?;
            json(StatusCode::OK, &list_of_agency(connection, agency_id)?)
        })
        .await
}

/// `POST /agency/issues`
async fn create_issue(
    State(database): State<Arc<Database>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    database
        .with(move |connection| {
            let claims = read_credentials(&headers)?;
            honoured(connection, &claims)?;
            let new: NewIssue = serde_json::from_slice(&body)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let user = honoured(&transaction, &claims)?;
            let agency_id = user.agency_id.ok_or(Refusal(StatusCode::BAD_REQUEST))?;
            let issue = insert_issue(&transaction, &new, user.id, agency_id, now())?
                .ok_or(Refusal(StatusCode::NOT_FOUND))?;
            record_insert(&transaction, &user, &issue)?;
            transaction.commit()?;
            json(StatusCode::CREATED, &issue)
        })
        .await
}

/// The database, with its idle connections.
struct Database {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Database {
    /// Runs `work` on a connection, on a thread that may block. Drops the connection after an error.
    async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Connection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let database = self.clone();
        let work = move || {
            let mut connection = database.take()?;
            let outcome = work(&mut connection)?;
            database.lock().push(connection);
            Ok(outcome)
        };
        spawn_blocking(work)
            .await
            .unwrap_or(Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR)))
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        if let Some(connection) = self.lock().pop() {
            return Ok(connection);
        }
        let connection = Connection::open(&self.path)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        Ok(connection)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error answer, without the contract's body: the bench ends at the first one.
struct Refusal(StatusCode);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Refusal {
        eprintln!("database: {error}");
        Refusal(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(_: serde_json::Error) -> Refusal {
        Refusal(StatusCode::BAD_REQUEST)
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Refusal> {
    let headers = [
        (CONTENT_TYPE, "application/json; charset=utf-8"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
    ];
    Ok((status, headers, serde_json::to_vec(body)?).into_response())
}

/// The last of the roles of administrators.
const ADMIN: i64 = 1;

/// The user of the credentials, if they are valid now.
fn admit(connection: &Connection, headers: &HeaderMap) -> Result<User, Refusal> {
    honoured(connection, &read_credentials(headers)?)
}

fn read_credentials(headers: &HeaderMap) -> Result<Claims, Refusal> {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let token = header.and_then(|header| header.strip_prefix("Bearer "));
    token.and_then(read_token).ok_or(Refusal(StatusCode::FORBIDDEN))
}

fn honoured(connection: &Connection, claims: &Claims) -> Result<User, Refusal> {
    let found = find_with_agency(connection, claims.sub)?;
    let valid = found.filter(|(user, agency)| {
        let approved = agency.as_ref().is_some_and(|agency| agency.approved);
        claims.iat_ms >= user.time_sign_out && (user.role <= ADMIN || approved)
    });
    valid.map(|(user, _)| user).ok_or(Refusal(StatusCode::FORBIDDEN))
}

const PREFIX: &str = "organizer:";
const ISSUER: &str = "mayday";
const LIFETIME_SECONDS: i64 = 24 * 60 * 60;

#[derive(Deserialize, Serialize)]
struct Claims {
    sub: i64,
    iat: i64,
    nbf: i64,
    exp: i64,
    iss: String,
    aud: [String; 1],
    iat_ms: i64,
}

fn issue_token(user_id: i64) -> Result<String, Refusal> {
    let iat_ms = now();
    let iat = iat_ms / 1000;
    let claims = Claims {
        sub: user_id,
        iat,
        nbf: iat,
        exp: iat + LIFETIME_SECONDS,
        iss: ISSUER.to_owned(),
        aud: [ISSUER.to_owned()],
        iat_ms,
    };
    let key = EncodingKey::from_secret(ORGANIZER_JWT_SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|_| Refusal(StatusCode::INTERNAL_SERVER_ERROR))?;
    Ok(format!("{PREFIX}{token}"))
}

fn read_token(token: &str) -> Option<Claims> {
    let jwt = token.strip_prefix(PREFIX)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud"]);
    let key = DecodingKey::from_secret(ORGANIZER_JWT_SECRET.as_bytes());
    let token = jsonwebtoken::decode::<Claims>(jwt, &key, &validation).ok()?;
    Some(token.claims)
}

#[derive(Deserialize)]
struct SignIn {
    email: String,
    password: String,
}

#[derive(Serialize)]
struct SignedIn {
    user: User,
    token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: i64,
    email: String,
    first_name: String,
    last_name: String,
    phone_number: String,
    #[serde(serialize_with = "timestamp")]
    time_created: i64,
    #[serde(serialize_with = "timestamp")]
    time_sign_out: i64,
    role: i64,
    agency_id: Option<i64>,
}

/// The needed columns of a caller's agency. The statement reads the others too, as in the component.
struct Agency {
    approved: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    id: i64,
    name: String,
    description: String,
    address: String,
    lat: f64,
    lng: f64,
    #[serde(serialize_with = "timestamp")]
    time_start: i64,
    #[serde(serialize_with = "timestamp")]
    time_end: i64,
    agency_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewIssue {
    name: String,
    description: String,
    priority: String,
    event_id: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Issue {
    id: i64,
    name: String,
    description: String,
    status: String,
    priority: String,
    #[serde(serialize_with = "timestamp")]
    time_created: i64,
    #[serde(serialize_with = "optional_timestamp")]
    time_closed: Option<i64>,
    author_id: i64,
    event_id: i64,
    agency_id: i64,
}

/// `users::find_for_sign_in`. Nobody has a second factor here.
fn find_for_sign_in(connection: &Connection, email: &str) -> rusqlite::Result<Option<(User, String, bool)>> {
    one(
        connection,
        "SELECT u.id, u.email, u.first_name, u.last_name, u.phone_number, u.time_created, u.time_sign_out, u.role,
                u.agency_id,
                u.password_hash, coalesce(a.approved, 0), f.secret, u.initial_password,
                u.role <= 3 AND f.secret IS NULL
         FROM users u
              LEFT JOIN agencies a ON a.id = u.agency_id
              LEFT JOIN second_factors f ON f.user_id = u.id AND f.time_confirmed IS NOT NULL
         WHERE u.email = ?1",
        params![email],
        |row| {
            let _: Option<String> = row.get(11)?;
            let _: [bool; 2] = [row.get(12)?, row.get(13)?];
            Ok((user(row)?, row.get(9)?, row.get(10)?))
        },
    )
}

/// `users::find_with_agencies`, for one user
fn find_with_agency(connection: &Connection, id: i64) -> rusqlite::Result<Option<(User, Option<Agency>)>> {
    one(
        connection,
        "SELECT u.id, u.email, u.first_name, u.last_name, u.phone_number, u.time_created, u.time_sign_out, u.role,
                u.agency_id,
                a.name, a.address, a.website, a.approved, u.initial_password,
                u.role <= 3 AND f.user_id IS NULL
         FROM users u
              LEFT JOIN agencies a ON a.id = u.agency_id
              LEFT JOIN second_factors f ON f.user_id = u.id AND f.time_confirmed IS NOT NULL
         WHERE u.id = ?1",
        params![id],
        |row| {
            let _: [Option<String>; 3] = [row.get(9)?, row.get(10)?, row.get(11)?];
            let approved: Option<bool> = row.get(12)?;
            let _: [bool; 2] = [row.get(13)?, row.get(14)?];
            Ok((user(row)?, approved.map(|approved| Agency { approved })))
        },
    )
}

/// `events::list_of_agency`, which the component reads in pages of 500.
fn list_of_agency(connection: &Connection, agency_id: i64) -> rusqlite::Result<Vec<Event>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, description, address, lat, lng, time_start, time_end, agency_id
         FROM events WHERE agency_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    )?;
    let events = statement.query_map(params![agency_id, 0, 500], |row| {
        Ok(Event {
            id: row.get(0)?,
            name: row.get(1)?,
            description: row.get(2)?,
            address: row.get(3)?,
            lat: row.get(4)?,
            lng: row.get(5)?,
            time_start: row.get(6)?,
            time_end: row.get(7)?,
            agency_id: row.get(8)?,
        })
    })?;
    events.collect()
}

/// `issues::insert`
fn insert_issue(
    connection: &Connection,
    issue: &NewIssue,
    author_id: i64,
    agency_id: i64,
    now: i64,
) -> rusqlite::Result<Option<Issue>> {
    one(
        connection,
        "INSERT INTO issues (name, description, priority, time_created, author_id, event_id, agency_id)
         SELECT ?1, ?2, ?3, ?4, ?5, id, agency_id FROM events WHERE id = ?6 AND agency_id = ?7
         RETURNING id, name, description, status, priority, time_created, time_closed, author_id, event_id, agency_id",
        params![
            issue.name,
            issue.description,
            issue.priority,
            now,
            author_id,
            issue.event_id,
            agency_id
        ],
        |row| {
            Ok(Issue {
                id: row.get(0)?,
                name: row.get(1)?,
                description: row.get(2)?,
                status: row.get(3)?,
                priority: row.get(4)?,
                time_created: row.get(5)?,
                time_closed: row.get(6)?,
                author_id: row.get(7)?,
                event_id: row.get(8)?,
                agency_id: row.get(9)?,
            })
        },
    )
}

/// `changelogs::record` of an insert: reads the end of the agency's chain, adds a row with its hash, and updates the
/// end.
fn record_insert(connection: &Connection, actor: &User, issue: &Issue) -> Result<(), Refusal> {
    const CLASS: &str = "Issue";
    const KIND: &str = "insert";
    let value = serde_json::to_string(issue)?;
    let changed_at = now();
    let agency_id = actor.agency_id.unwrap_or_default();
    let head = one(
        connection,
        "SELECT length, hash FROM chains WHERE agency_id = ?1",
        params![agency_id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (length, before): (i64, String) = head.unwrap_or_default();
    let lines = [
        before.as_str(),
        CLASS,
        &issue.id.to_string(),
        KIND,
        &format_time(changed_at),
        &actor.id.to_string(),
        &agency_id.to_string(),
        &sha256(&value),
        "",
    ];
    let hash = sha256(&lines.join("\n"));
    // The component writes any number of rows in one call, so they travel as JSON.
    let none = None::<&str>;
    let row = serde_json::to_string(&[(
        issue.id,
        CLASS,
        KIND,
        changed_at,
        &value,
        actor.id,
        actor.agency_id,
        none,
        none,
        none,
        &hash,
    )])?;
    execute(
        connection,
        "INSERT INTO changelogs (entity_id, entity_class, type, changed_at, value_after, user_id, agency_id,
                                 blank_value, salt, seal, hash, by_admin)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                value ->> 7, value ->> 8, value ->> 9, value ->> 10, ?2
         FROM json_each(?1) ORDER BY key",
        &[&row, &(actor.role <= ADMIN)],
    )?;
    execute(
        connection,
        "INSERT INTO chains (agency_id, length, hash) VALUES (?1, ?2, ?3)
         ON CONFLICT (agency_id) DO UPDATE SET length = excluded.length, hash = excluded.hash",
        &[&agency_id, &(length + 1), &hash],
    )?;
    Ok(())
}

fn user(row: &Row) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get(0)?,
        email: row.get(1)?,
        first_name: row.get(2)?,
        last_name: row.get(3)?,
        phone_number: row.get(4)?,
        time_created: row.get(5)?,
        time_sign_out: row.get(6)?,
        role: row.get(7)?,
        agency_id: row.get(8)?,
    })
}

/// The row of a statement, if it has one.
fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
    decode: impl FnOnce(&Row) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection
        .prepare_cached(sql)?
        .query_row(parameters, decode)
        .optional()
}

fn execute(connection: &Connection, sql: &str, parameters: &[&dyn ToSql]) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(parameters)?;
    Ok(())
}

fn sha256(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |elapsed| {
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    })
}

fn format_time(time: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(time)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn timestamp<S: Serializer>(time: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_time(*time))
}

fn optional_timestamp<S: Serializer>(time: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => timestamp(time, serializer),
        None => serializer.serialize_none(),
    }
}
