//! Whether each list is served by an index: a page of it in a full database beside one in a nearly empty database.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mayday_tests::settings::ORGANIZER_KEY;
use rusqlite::{Connection as Database, params};
use serde_json::Value;
use tempfile::TempDir;

use crate::effort::Effort;
use crate::figures::{Spread, machine};
use crate::load::{Call, Connection, measure};
use crate::seed::{self, Agency};
use crate::server::{Server, database};

/// How many rows a page has.
const LIMIT: usize = 50;

const SECONDS: Duration = Duration::from_millis(400);
const WARM_UP: Duration = Duration::from_millis(200);

/// One by default, to measure the cost of a page without queueing.
const CONNECTIONS: u16 = 1;

/// The size of a database.
struct Fill {
    events: i64,
    /// The number of changelogs, and of comments.
    rows: i64,
    /// One row in this many belongs to the person or the issue whose list is measured.
    one_in: i64,
}

/// 10,000 events, 100,000 changelogs, 100,000 comments.
const FULL: Fill = Fill {
    events: 10_000,
    rows: 100_000,
    one_in: 50,
};

/// Just enough for a whole page from the middle of each list, so that the pages of both databases have the same length.
const NEARLY_EMPTY: Fill = Fill {
    events: 120,
    rows: 240,
    one_in: 2,
};

/// The issue that [`Fill::one_in`] comments are on.
const ISSUE: i64 = 1;

/// A list that is measured.
struct List {
    name: String,
    /// The path, with a query to which a page's parameters can be added.
    path: String,
    token: String,
    /// The rows of the list in SQL, after `FROM`.
    rows: String,
}

/// A host and the content of its database.
struct Side {
    server: Server,
    lists: Vec<List>,
    state: TempDir,
}

/// Measures all lists and prints the cost of a page.
pub(crate) async fn run(effort: &Effort) -> Result<()> {
    let full = Side::start(&FULL).await?;
    let nearly_empty = Side::start(&NEARLY_EMPTY).await?;
    let time = effort.seconds.unwrap_or(SECONDS);
    let connections = effort.connections.unwrap_or(CONNECTIONS);

    println!("{}", machine());
    println!(
        "Pages of {LIMIT}; full: {} events, {} changelogs, {} comments; nearly empty: {}, {}, {}",
        FULL.events, FULL.rows, FULL.rows, NEARLY_EMPTY.events, NEARLY_EMPTY.rows, NEARLY_EMPTY.rows
    );
    println!(
        "{} rounds of {} s over {connections} connections; \
         medians, and for ratios the least and the greatest of a round as well\n",
        effort.rounds,
        time.as_secs_f64()
    );
    println!(
        "{:<36} {:<8} {:>16} {:>16} {:>20}",
        "", "page", "full, p50 ms", "empty, p50 ms", "full / empty"
    );
    for (number, list) in full.lists.iter().enumerate() {
        if !effort.includes(&list.name) {
            continue;
        }
        for page in ["first", "middle"] {
            let mut calls = Vec::new();
            for side in [&full, &nearly_empty] {
                let call = side.call(number, page == "middle")?;
                ensure_whole_page(&side.server, &call).await?;
                measure(&side.server, &call, connections, time.min(WARM_UP)).await?;
                calls.push((side, call));
            }
            let mut rounds = Vec::new();
            for _ in 0..effort.rounds {
                let mut round = [0.0; 2];
                for ((side, call), median) in calls.iter().zip(&mut round) {
                    *median = measure(&side.server, call, connections, time)
                        .await?
                        .percentile(50);
                }
                rounds.push(round);
            }
            let medians = [0, 1].map(|side| Spread::of(rounds.iter().map(|round| round[side])).median);
            println!(
                "{:<36} {page:<8} {:>16.2} {:>16.2} {:>20}",
                list.name,
                medians[0],
                medians[1],
                Spread::of_ratios(&rounds, |median| *median)
            );
        }
    }
    Ok(())
}

impl Side {
    async fn start(fill: &Fill) -> Result<Side> {
        let state = tempfile::tempdir()?;
        let server = Server::host(state.path()).await?;
        let agency = seed::agency(&server).await?;
        fill_database(&database(state.path()), &agency, fill)?;
        Ok(Side {
            lists: lists(&agency),
            server,
            state,
        })
    }

    /// The request for a page of a list: the first, or the one after the row in the middle.
    fn call(&self, number: usize, middle: bool) -> Result<Call> {
        let List {
            path, token, rows, ..
        } = &self.lists[number];
        let mut path = format!("{path}limit={LIMIT}");
        if middle {
            let sql =
                format!("SELECT id FROM {rows} ORDER BY id LIMIT 1 OFFSET (SELECT count(*) / 2 FROM {rows})");
            let database = Database::open(database(self.state.path()))?;
            let id: i64 = database.query_row(&sql, [], |row| row.get(0))?;
            path = format!("{path}&cursor={id}");
        }
        Ok(Call::get(&path, token))
    }
}

fn lists(agency: &Agency) -> Vec<List> {
    let list = |name: &str, path: String, rows: String| List {
        name: name.to_owned(),
        path,
        token: agency.owner.token.clone(),
        rows,
    };
    let (id, support) = (agency.id, agency.support.id);
    let mut lists = vec![
        list(
            "/agency/events",
            "/organizer/agency/events?".to_owned(),
            format!("events WHERE agency_id = {id}"),
        ),
        list(
            "/agency/changelogs",
            "/organizer/agency/changelogs?".to_owned(),
            format!("changelogs WHERE agency_id = {id}"),
        ),
        list(
            "/agency/changelogs?userId=",
            format!("/organizer/agency/changelogs?userId={support}&"),
            format!("changelogs WHERE agency_id = {id} AND user_id = {support}"),
        ),
        list(
            "/agency/comments",
            "/organizer/agency/comments?".to_owned(),
            format!("comments WHERE agency_id = {id}"),
        ),
        list(
            "/agency/comments?issueId=",
            format!("/organizer/agency/comments?issueId={ISSUE}&"),
            format!("comments WHERE agency_id = {id} AND issue_id = {ISSUE}"),
        ),
    ];
    lists.push(List {
        token: agency.superadmin.token.clone(),
        ..list(
            "/admin/changelogs",
            "/organizer/admin/changelogs?".to_owned(),
            "changelogs WHERE by_admin = 1".to_owned(),
        )
    });
    lists.push(List {
        token: ORGANIZER_KEY.to_owned(),
        ..list(
            "/api/events",
            "/organizer/api/events?".to_owned(),
            "events".to_owned(),
        )
    });
    lists
}

/// Fills a database directly: through the API a full one would take a quarter of an hour. The rows of the record have
/// no hashes, which no list reads.
fn fill_database(path: &Path, agency: &Agency, fill: &Fill) -> Result<()> {
    let mut database = Database::open(path)?;
    let transaction = database.transaction()?;
    transaction.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
         INSERT INTO events (name, description, address, lat, lng, time_start, time_end, agency_id)
         SELECT 'Night ' || n, 'Loud, and then louder', 'Błonia, Kraków', 50.06, 19.91,
                1783101600000 + n, 1783119600000 + n, ?2
         FROM numbers",
        params![fill.events, agency.id],
    )?;
    transaction.execute(
        "INSERT INTO issues (name, description, priority, time_created, author_id, event_id, agency_id)
         SELECT 'Fence down', 'Behind the second stage', 'high', 1783101600000, ?1, id, agency_id
         FROM events ORDER BY id",
        params![agency.owner.id],
    )?;
    transaction.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
         INSERT INTO comments (content, time_created, author_id, issue_id, agency_id)
         SELECT 'Two people with a van are on their way, number ' || n, 1783101600000 + n, ?2,
                iif(n % ?3 = 0, ?4, 1 + n % ?5), ?6
         FROM numbers",
        params![
            fill.rows,
            agency.support.id,
            fill.one_in,
            ISSUE,
            fill.events,
            agency.id
        ],
    )?;
    transaction.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
         INSERT INTO changelogs (entity_id, entity_class, type, changed_at, value_after, user_id, agency_id, by_admin)
         SELECT n, 'Comment', 'insert', 1783101600000 + n,
                json_object('id', n, 'content', 'Two people with a van are on their way, number ' || n, 'issueId', 1),
                CASE n % ?2 WHEN 0 THEN ?3 WHEN 1 THEN ?4 ELSE ?5 END, ?6, n % ?2 = 1
         FROM numbers",
        params![
            fill.rows,
            fill.one_in,
            agency.support.id,
            agency.superadmin.id,
            agency.owner.id,
            agency.id
        ],
    )?;
    transaction.commit()?;
    // Otherwise reads of a full database would search its pages in a log of many megabytes.
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// A short page, or a whole list because the limit is ignored, would make the costs incomparable.
async fn ensure_whole_page(server: &Server, call: &Call) -> Result<()> {
    let body = Connection::open(server.address).await?.send(call).await?;
    let page: Value = serde_json::from_slice(&body)?;
    let rows = page.as_array().context("a page is not a list")?.len();
    ensure!(rows == LIMIT, "a page has {rows} rows, not {LIMIT}");
    Ok(())
}
