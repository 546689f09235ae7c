//! Measures the cost of the sandbox: the organizer on the embedded host beside a plain native server, with the same
//! requests.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::effort::Effort;
use crate::figures::{Spread, machine};
use crate::load::{Call, Connection, Sample, measure};
use crate::seed;
use crate::server::{Server, database};

const EVENTS: usize = 20;

const SECONDS: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_secs(1);

/// Enough to keep two cores busy.
const CONNECTIONS: u16 = 8;
/// A sign-in is some 40 ms of Argon2, so more would only queue.
const SIGN_IN_CONNECTIONS: u16 = 4;

/// A measured route.
struct Route {
    name: &'static str,
    call: Call,
    connections: u16,
    /// The fields of its answer that differ from request to request.
    varying: &'static [&'static str],
}

/// Measures all routes and prints their costs.
pub(crate) async fn run(effort: &Effort) -> Result<()> {
    let state = tempfile::tempdir()?;
    let component = Server::host(state.path()).await?;
    let routes = routes(&component, effort).await?;
    let copy = state.path().join("baseline.db");
    copy_database(&database(state.path()), &copy)?;
    let native = Server::baseline(&copy).await?;

    let time = effort.seconds.unwrap_or(SECONDS);
    println!("{}", machine());
    println!(
        "{} rounds of {} s; medians, and for ratios the least and the greatest of a round as well\n",
        effort.rounds,
        time.as_secs_f64()
    );
    println!(
        "{:<34} {:>20} {:>20} {:>20} {:>20}",
        "", "requests/s", "p50 ms", "p99 ms", "CPU ms/request"
    );
    for route in &routes {
        ensure_same_answers(route, &component, &native).await?;
        for server in [&component, &native] {
            measure(server, &route.call, route.connections, time.min(WARM_UP)).await?;
        }
        let mut rounds = Vec::new();
        for _ in 0..effort.rounds {
            rounds.push([
                measure(&component, &route.call, route.connections, time).await?,
                measure(&native, &route.call, route.connections, time).await?,
            ]);
        }
        print_route(route, &rounds);
    }
    Ok(())
}

async fn routes(component: &Server, effort: &Effort) -> Result<Vec<Route>> {
    let agency = seed::agency(component).await?;
    let event_id = seed::events(component.address, &agency, EVENTS).await?;
    let token = &agency.owner.token;
    let connections = effort.connections.unwrap_or(CONNECTIONS);
    let issue = json!({
        "name": "Fence down", "description": "Behind the second stage, by the river", "priority": "high",
        "eventId": event_id,
    });
    let routes = [
        Route {
            name: "POST /auth/sign-in",
            call: seed::sign_in_call(seed::OWNER_EMAIL, seed::PASSWORD),
            connections: effort.connections.unwrap_or(SIGN_IN_CONNECTIONS),
            varying: &["token"],
        },
        Route {
            name: "GET /profile",
            call: Call::get("/organizer/profile", token),
            connections,
            varying: &[],
        },
        Route {
            name: "GET /agency/events, 20 of them",
            call: Call::get("/organizer/agency/events", token),
            connections,
            varying: &[],
        },
        Route {
            name: "POST /agency/issues",
            call: Call::post("/organizer/agency/issues", token, &issue),
            connections,
            varying: &["id", "timeCreated"],
        },
    ];
    Ok(routes
        .into_iter()
        .filter(|route| effort.includes(route.name))
        .collect())
}

/// Copies a database that may be in use.
fn copy_database(from: &Path, to: &Path) -> Result<()> {
    let to = to.to_str().context("the temporary folder has a strange name")?;
    rusqlite::Connection::open(from)?.execute("VACUUM INTO ?1", [to])?;
    Ok(())
}

/// Both servers must do the same work, or the comparison is worthless.
async fn ensure_same_answers(route: &Route, component: &Server, native: &Server) -> Result<()> {
    let mut answers = Vec::new();
    for server in [component, native] {
        let body = Connection::open(server.address).await?.send(&route.call).await?;
        let mut answer: Value = serde_json::from_slice(&body)?;
        for field in route.varying {
            let value = answer.get_mut(field);
            *value.with_context(|| format!("{}: no {field}", route.name))? = Value::Null;
        }
        answers.push(answer);
    }
    ensure!(
        answers[0] == answers[1],
        "{}: the component answers {}\nand the native server {}",
        route.name,
        answers[0],
        answers[1]
    );
    Ok(())
}

fn print_route(route: &Route, rounds: &[[Sample; 2]]) {
    let figures: [fn(&Sample) -> f64; 4] = [
        Sample::requests_per_second,
        |sample| sample.percentile(50),
        |sample| sample.percentile(99),
        Sample::processor_time_per_request,
    ];
    println!("{}, {} connections", route.name, route.connections);
    for (side, name) in ["component", "native"].into_iter().enumerate() {
        let medians =
            figures.map(|figure| Spread::of(rounds.iter().map(|round| figure(&round[side]))).median);
        println!(
            "    {name:<30} {:>20.1} {:>20.2} {:>20.2} {:>20.3}",
            medians[0], medians[1], medians[2], medians[3]
        );
    }
    let ratios = figures.map(|figure| Spread::of_ratios(rounds, figure));
    println!(
        "    {:<30} {:>20} {:>20} {:>20} {:>20}\n",
        "component / native", ratios[0], ratios[1], ratios[2], ratios[3]
    );
}
