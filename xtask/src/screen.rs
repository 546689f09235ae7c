//! The one screen a person sees when everything is ready.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::addresses::{Addresses, Pages};
use crate::demo::{Demo, HelpPress};
use crate::secrets::{Account, Secrets};
use crate::state::SERVICES;

/// What the screen shows.
pub(crate) struct Screen<'a> {
    pub(crate) pages: &'a Pages,
    pub(crate) addresses: &'a Addresses,
    pub(crate) secrets: &'a Secrets,
    /// The demo, unless it was not wanted.
    pub(crate) demo: Option<(&'a Demo, &'a HelpPress)>,
    pub(crate) state: &'a Path,
    pub(crate) took: Duration,
}

impl Screen<'_> {
    /// The screen as text.
    pub(crate) fn text(&self, colour: bool) -> String {
        let style = Style { colour };
        let mut lines = vec![
            String::new(),
            format!(
                "  {} after {:.1} s",
                style.bold("Mayday is up"),
                self.took.as_secs_f32()
            ),
            String::new(),
        ];
        lines.extend(
            self.pages()
                .iter()
                .map(|(name, page)| style.row(name, &style.bold(page))),
        );
        lines.push(String::new());
        lines.extend(
            self.where_things_are()
                .iter()
                .map(|(name, value)| style.row(name, value)),
        );
        lines.push(String::new());
        lines.extend(
            self.accounts().iter().map(|(name, account)| {
                style.row(name, &format!("{:28} {}", account.email, account.password))
            }),
        );
        lines.extend([
            String::new(),
            format!("  {}", style.bold("Try it")),
            String::new(),
        ]);
        lines.extend(
            self.curls()
                .iter()
                .flat_map(|(what, line)| [style.dim(&format!("  # {what}")), format!("  {line}")]),
        );
        lines.extend([
            String::new(),
            format!("  {}", style.bold("Ctrl-C stops everything; the data stays.")),
            String::new(),
        ]);
        lines.join("\n")
    }

    /// What a newcomer opens.
    fn pages(&self) -> Vec<(&str, &str)> {
        const NOT_BUILT: &str = "not built: install Node 18 or later and npm, and start again";
        let help = self.pages.help.as_deref();
        let mut pages = vec![("help", help.unwrap_or(NOT_BUILT))];
        if let Some(console) = &self.pages.console {
            pages.push(("console", console));
        }
        pages
    }

    fn where_things_are(&self) -> Vec<(&str, String)> {
        let addresses = self.addresses;
        let mut rows = vec![
            ("organizer", addresses.organizer.clone()),
            ("participant", addresses.participant.clone()),
            ("messenger", addresses.messenger.clone()),
        ];
        let sidecars = addresses.ws.iter().zip(1..);
        rows.extend(processes(
            "websockets",
            sidecars.map(|(address, number)| (format!("{address}/connect"), format!("sidecar-{number}"))),
        ));
        // A single host is where the services are.
        let hosts = addresses
            .hosts
            .iter()
            .zip(1..)
            .filter(|_| addresses.hosts.len() > 1);
        rows.extend(processes(
            "hosts",
            hosts.map(|(address, number)| (address.clone(), format!("host-{number}"))),
        ));
        let databases = addresses.databases.iter().zip(SERVICES);
        rows.extend(processes(
            "databases",
            databases.map(|(address, service)| (address.clone(), format!("{service}-db"))),
        ));
        rows.push(("redis", addresses.redis.clone()));
        rows.push(("dispatcher", "woken by Redis".to_owned()));
        if let Some(canary) = &addresses.canary {
            let checks = format!("{canary}/metrics  checks the whole path every 30 s");
            rows.push(("canary", checks));
        }
        rows.push(("data", self.state.display().to_string()));
        rows.push((
            "logs",
            format!(
                "below, and what components print in {}",
                self.state.join("logs").display()
            ),
        ));
        rows
    }

    fn accounts(&self) -> Vec<(&str, &Account)> {
        let mut accounts = vec![("superadmin", &self.secrets.superadmin)];
        if let Some((demo, _)) = self.demo {
            let people = &demo.accounts;
            accounts.extend([
                ("owner", &people.owner),
                ("support", &people.support),
                ("participant", &people.participant),
            ]);
        }
        accounts
    }

    /// Three lines to paste into a shell, each of which works by itself.
    fn curls(&self) -> [(&str, String); 3] {
        let Addresses {
            organizer,
            participant,
            messenger,
            ..
        } = self.addresses;
        let Some((demo, HelpPress { token, event })) = self.demo else {
            let sign_up = json!({"email": "anna@mayday.example", "password": "correct horse", "confirmPassword": "correct horse"});
            return [
                (
                    "sign in as the superadmin",
                    sign_in(organizer, &self.secrets.superadmin),
                ),
                (
                    "sign up as a participant",
                    post(participant, "/auth/sign-up", "", &sign_up.to_string()),
                ),
                (
                    "ask for somebody's chats, and be refused",
                    format!("curl -s {messenger}/participant/chats"),
                ),
            ];
        };
        let bearer = format!("-H 'Authorization: Bearer {token}' ");
        let press = json!({"eventId": event, "description": "I feel faint, left of the stage"});
        [
            (
                "sign in as the participant",
                sign_in(participant, &demo.accounts.participant),
            ),
            ("list the events", format!("curl -s {bearer}{participant}/events")),
            (
                "press help",
                post(
                    participant,
                    "/chat-requests",
                    &format!("-i {bearer}"),
                    &press.to_string(),
                ),
            ),
        ]
    }
}

/// The rows of processes of one kind: where each is, and its name in the log.
fn processes(
    label: &str,
    processes: impl Iterator<Item = (String, String)>,
) -> impl Iterator<Item = (&str, String)> {
    processes.enumerate().map(move |(index, (address, name))| {
        let label = if index == 0 { label } else { "" };
        (label, format!("{address:28} {name}"))
    })
}

fn sign_in(base: &str, account: &Account) -> String {
    post(base, "/auth/sign-in", "", &json!(account).to_string())
}

fn post(base: &str, path: &str, options: &str, body: &str) -> String {
    format!("curl -s {options}-H 'Content-Type: application/json' -d '{body}' {base}{path}")
}

struct Style {
    colour: bool,
}

impl Style {
    fn row(&self, name: &str, value: &str) -> String {
        format!("  {} {value}", self.dim(&format!("{name:12}")))
    }

    fn bold(&self, text: &str) -> String {
        self.sgr(1, text)
    }

    fn dim(&self, text: &str) -> String {
        self.sgr(2, text)
    }

    fn sgr(&self, code: u8, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Ports;
    use crate::state::State;

    fn show(with_demo: bool, hosts: &[u16], databases: &[u16]) -> String {
        let pages = Pages {
            help: Some("http://127.0.0.1:3000/help/1".to_owned()),
            console: Some("http://127.0.0.1:3000/console".to_owned()),
        };
        show_with(with_demo, &pages, hosts, databases)
    }

    fn show_with(with_demo: bool, pages: &Pages, hosts: &[u16], databases: &[u16]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let mut secrets = Secrets::of(&State::open(directory.path(), false).unwrap()).unwrap();
        for account in [
            &mut secrets.superadmin,
            &mut secrets.demo.owner,
            &mut secrets.demo.support,
            &mut secrets.demo.participant,
        ] {
            account.password = "xxxx-xxxx-xxxx-xxxx".to_owned();
        }
        let demo = Demo {
            agency_id: 1,
            accounts: secrets.demo.clone(),
            events: vec![1, 2],
        };
        let press = HelpPress {
            token: "participant:abc".to_owned(),
            event: 2,
        };
        let ports = Ports {
            hosts: hosts.to_vec(),
            sidecars: vec![3001, 3002],
            canary: with_demo.then_some(3003),
            redis: 6379,
            databases: databases.to_vec(),
        };
        Screen {
            pages,
            addresses: &Addresses::local(&ports, "redis://127.0.0.1:6379"),
            secrets: &secrets,
            demo: with_demo.then_some((&demo, &press)),
            state: Path::new("/home/anna/mayday/.mayday"),
            took: Duration::from_millis(4230),
        }
        .text(false)
    }

    #[test]
    fn screen_shows_where_everything_is_and_what_to_try() {
        let expected = r#"
  Mayday is up after 4.2 s

  help         http://127.0.0.1:3000/help/1
  console      http://127.0.0.1:3000/console

  organizer    http://127.0.0.1:3000/organizer
  participant  http://127.0.0.1:3000/participant
  messenger    http://127.0.0.1:3000/messenger
  websockets   ws://127.0.0.1:3001/connect  sidecar-1
               ws://127.0.0.1:3002/connect  sidecar-2
  redis        redis://127.0.0.1:6379
  dispatcher   woken by Redis
  canary       http://127.0.0.1:3003/metrics  checks the whole path every 30 s
  data         /home/anna/mayday/.mayday
  logs         below, and what components print in /home/anna/mayday/.mayday/logs

  superadmin   superadmin@mayday.example    xxxx-xxxx-xxxx-xxxx
  owner        owner@demo.example           xxxx-xxxx-xxxx-xxxx
  support      support@demo.example         xxxx-xxxx-xxxx-xxxx
  participant  participant@demo.example     xxxx-xxxx-xxxx-xxxx

  Try it

  # sign in as the participant
  curl -s -H 'Content-Type: application/json' -d '{"email":"participant@demo.example","password":"xxxx-xxxx-xxxx-xxxx"}' http://127.0.0.1:3000/participant/auth/sign-in
  # list the events
  curl -s -H 'Authorization: Bearer participant:abc' http://127.0.0.1:3000/participant/events
  # press help
  curl -s -i -H 'Authorization: Bearer participant:abc' -H 'Content-Type: application/json' -d '{"description":"I feel faint, left of the stage","eventId":2}' http://127.0.0.1:3000/participant/chat-requests

  Ctrl-C stops everything; the data stays.
"#;

        assert_eq!(show(true, &[3000], &[]), expected);
    }

    #[test]
    fn every_host_and_database_has_a_line_with_its_name() {
        let screen = show(false, &[3000, 3010, 3020], &[8081, 8082, 8083]);

        let expected = "  hosts        http://127.0.0.1:3000        host-1
               http://127.0.0.1:3010        host-2
               http://127.0.0.1:3020        host-3
  databases    http://127.0.0.1:8081        organizer-db
               http://127.0.0.1:8082        participant-db
               http://127.0.0.1:8083        messenger-db
  redis        ";
        assert!(screen.contains(expected), "{screen}");
    }

    #[test]
    fn screen_says_that_pages_are_not_built() {
        let pages = Pages {
            help: None,
            console: None,
        };
        let screen = show_with(true, &pages, &[3000], &[]);

        assert!(
            screen.contains("  help         not built: install Node"),
            "{screen}"
        );
        assert!(!screen.contains("console"), "{screen}");
    }

    #[test]
    fn without_the_demo_there_are_still_three_lines_to_try() {
        let screen = show(false, &[3000], &[]);

        assert_eq!(
            screen.lines().filter(|line| line.starts_with("  curl ")).count(),
            3,
            "{screen}"
        );
        assert!(!screen.contains("demo.example"), "{screen}");
    }
}
