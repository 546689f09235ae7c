//! The lines of docs/deploy.md that lead from an empty system to a chat, run as they are printed there against a whole
//! system. Only its addresses are others.

use std::fs;
use std::process::Stdio;

use mayday_tests::programs::workspace;
use mayday_tests::secrecy;
use regex::Regex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::DEADLINE;
use crate::support::socket::Socket;
use crate::support::system::System;

/// The superadmin of the development overlay, whom the page signs in.
const SUPERADMIN: [&str; 2] = [
    "superadmin_email=admin@mayday.example",
    "superadmin_password=For-development-0nly",
];

/// What the page asks to type: lines for a shell, frames for a socket, and lines for the same shell.
struct Page {
    before: String,
    frames: Vec<String>,
    afterwards: String,
}

impl Page {
    fn read() -> Page {
        let page = fs::read_to_string(workspace().join("docs/deploy.md")).expect("the page");
        let (_, section) = page.split_once("\n## 6. A chat\n").expect("the section");
        let (section, _) = section.split_once("\n## ").expect("the next section");
        let lines: Vec<&str> = section
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .collect();
        let is_frame = |line: &&str| line.starts_with("{\"");
        let first = lines.iter().position(is_frame).expect("frames");
        let frames: Vec<String> = lines[first..]
            .iter()
            .take_while(|line| is_frame(line))
            .map(|line| (*line).to_owned())
            .collect();
        Page {
            before: lines[..first].join("\n"),
            afterwards: lines[first + frames.len()..].join("\n"),
            frames,
        }
    }
}

/// Notes what is secret in bodies amid lines for a shell, and how the superadmin signs in.
fn note_sent(lines: &str) {
    let member = Regex::new(r#""(\w+)": "([^"]*)""#).expect("a pattern");
    for (_, [name, value]) in member.captures_iter(lines).map(|found| found.extract()) {
        secrecy::note_sent(&json!({name: value}));
    }
    for variable in SUPERADMIN {
        let (_, value) = variable.split_once('=').expect("a value");
        secrecy::note_sent(&json!({"password": value}));
    }
}

#[tokio::test]
async fn the_lines_of_the_page_for_operators_lead_to_a_chat() {
    let page = Page::read();
    let [first_frame, start, say, close] = &page.frames[..] else {
        panic!("four frames, and not {:?}", page.frames);
    };
    note_sent(&page.before);
    let system = System::start_with(1, &SUPERADMIN).await;
    let printed = "URL=http://localhost:8081\n";
    assert!(page.before.contains(printed), "{}", page.before);
    let before = page
        .before
        .replace(printed, &format!("URL={}\n", system.origin()));

    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Command::new("bash")
        .args(["-eu", "-o", "pipefail"])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("a shell");
    let mut input = shell.stdin.take().expect("a pipe");
    let mut output = BufReader::new(shell.stdout.take().expect("a pipe"));
    // Answers end without a newline.
    let ask_for_token = "echo; echo \"token $SUPPORT\"";
    let lines = format!("{before}\n{ask_for_token}\n");
    input.write_all(lines.as_bytes()).await.expect("a shell");
    let token = async {
        let mut line = String::new();
        loop {
            line.clear();
            let read = output.read_line(&mut line).await.expect("text");
            assert_ne!(read, 0, "the shell has ended");
            print!("{line}");
            if let Some(token) = line.trim_end().strip_prefix("token ") {
                return token.to_owned();
            }
        }
    };
    let token = timeout(DEADLINE, token).await.expect("a token in time");
    assert!(token.starts_with("organizer:"), "{token}");

    let first_frame: Value = serde_json::from_str(first_frame).expect("JSON");
    let authorization = first_frame["Authorization"].as_str().expect("text");
    let authorization = authorization.replace("organizer:...", &token);
    let support = Socket::open_with("support", system.sidecar(0), &authorization).await;
    let mut support = support.without_queues();
    support.send_text(start).await;
    let chat = support.expect("new_chat").await;
    let chat_id = chat["id"].as_str().expect("text");
    support.expect_message().await;
    support.send_text(&say.replace("...", chat_id)).await;
    support.expect_message().await;
    support.send_text(&close.replace("...", chat_id)).await;
    support.expect("closed_chat").await;

    let afterwards = format!("{}\n", page.afterwards);
    input.write_all(afterwards.as_bytes()).await.expect("a shell");
    drop(input);
    let mut messages = String::new();
    let rest = timeout(DEADLINE, output.read_to_string(&mut messages)).await;
    rest.expect("the shell ends in time").expect("text");
    assert!(shell.wait().await.expect("an end").success());
    let messages: Value =
        serde_json::from_str(&messages).unwrap_or_else(|error| panic!("{error}: {messages}"));
    let contents: Vec<_> = messages
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| message["content"].as_str().expect("text"))
        .collect();
    assert_eq!(contents, ["Problem description: Lost my friend", "On our way"]);
}
