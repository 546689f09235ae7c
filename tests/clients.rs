//! The programs of docs/clients.md, run as they are printed there, against a whole system. That for browsers is run by
//! the tests of the pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use mayday_tests::programs::{beside_this_program, python, workspace};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use crate::support::DEADLINE;
use crate::support::socket::Socket;
use crate::support::system::System;

/// The longest program that a reader has patience for.
const MAX_LINES: usize = 60;

/// The only program of the page in this language.
fn program(language: &str) -> String {
    let page = fs::read_to_string(workspace().join("docs/clients.md")).expect("the page");
    let fence = format!("```{language}\n");
    let mut blocks = page.split(&fence).skip(1);
    let (block, _) = blocks
        .next()
        .and_then(|rest| rest.split_once("```\n"))
        .expect("a program");
    assert!(
        blocks.next().is_none(),
        "there are several programs in {language}"
    );
    assert!(
        block.lines().count() <= MAX_LINES,
        "the program in {language} is long"
    );
    block.to_owned()
}

/// Writes the program into a file.
fn written(folder: &Path, name: &str, language: &str) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, program(language)).expect("a writable folder");
    file
}

#[tokio::test]
async fn every_program_of_the_page_for_client_authors_runs_as_it_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let python = python("clients").expect("run the tests with `cargo xtask test`");
    let rust = beside_this_program("examples/phone").expect("run the tests with `cargo xtask test`");
    let source = fs::read_to_string(workspace().join("tests/examples/phone.rs")).expect("its source");
    assert_eq!(program("rust"), source, "the example is the program of the page");

    let mut in_python = Command::new(&python);
    in_python
        .arg(written(folder.path(), "phone.py", "python"))
        .env("PYTHONUNBUFFERED", "1");
    // `websocat` is beside Python.
    let beside_python = python.parent().expect("a folder").display();
    let path = std::env::var("PATH").expect("a PATH");
    let mut in_a_shell = Command::new("bash");
    in_a_shell
        .arg(written(folder.path(), "phone.sh", "bash"))
        .env("PATH", format!("{beside_python}:{path}"));

    let system = System::start(1).await;
    let agency = system.agency("Fest").await;
    let support = Socket::open_two("support", system.sidecar(0), &agency.support).await;
    let mut support = support.without_queues();
    for mut program in [in_python, in_a_shell, Command::new(rust)] {
        program
            .env("MAYDAY_API", system.door.origin())
            .env("MAYDAY_SOCKET", format!("{}/connect", system.sidecar(0)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let talk = talk_with(program, &mut support);
        timeout(DEADLINE, talk).await.expect("the program ends in time");
    }
}

/// Takes the request of a program, answers it and closes the chat.
async fn talk_with(mut program: Command, support: &mut Socket) {
    let mut running = program
        .spawn()
        .unwrap_or_else(|error| panic!("{program:?}: {error}"));
    let mut output = BufReader::new(running.stdout.take().expect("a pipe")).lines();
    assert_eq!(next(&mut output).await, "Help is pressed at Fest night");
    assert_eq!(next(&mut output).await, "Place in the queue: 1");

    support.send("start_chat", "".into()).await;
    let chat = support.expect("new_chat").await;
    let chat_id = chat["id"].as_str().expect("text");
    assert_eq!(chat["kind"], "lost");
    assert_eq!(chat["participant"]["name"], "Anna");
    support.expect_message().await;
    assert_eq!(support.expect_message().await, "By the north gate");
    support.say(chat_id, "On our way").await;
    assert_eq!(support.expect_message().await, "On our way");
    support
        .send("close_chat", serde_json::json!({"chatId": chat_id}))
        .await;
    support.expect("closed_chat").await;

    let organizer = chat["organizerName"].as_str().expect("text");
    let mut line = next(&mut output).await;
    while line.starts_with("Place in the queue: ") {
        line = next(&mut output).await;
    }
    assert_eq!(line, format!("{organizer} is here"));
    assert_eq!(next(&mut output).await, "Team: On our way");
    assert_eq!(next(&mut output).await, "The chat is closed");
    let status = running.wait().await.expect("an end");
    assert!(status.success(), "{program:?}: {status}");
}

/// The next line of a program.
async fn next(output: &mut Lines<BufReader<ChildStdout>>) -> String {
    output.next_line().await.expect("UTF-8").expect("a line")
}
