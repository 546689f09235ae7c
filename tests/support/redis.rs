//! A Redis server with the users that the overlay `dev` ships: one for hosts, one for the dispatcher, one for sidecars.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use local_servers::Server;
use mayday_tests::programs::workspace;

pub(crate) struct Redis {
    server: Server,
    /// The lines of the ACL file, one for each user.
    users: String,
}

impl Redis {
    pub(crate) fn start() -> Redis {
        let file = workspace().join("deploy/spinkube/overlays/dev/users.acl");
        Redis {
            server: Server::redis_with_users(&file).expect("a server"),
            users: fs::read_to_string(file).expect("the users"),
        }
    }

    /// The server's URL for one of its users: `host`, `dispatcher` or `sidecar`.
    pub(crate) fn url(&self, user: &str) -> String {
        let begin = format!("redis://{user}:{}@", self.password(user));
        self.server.url().replacen("redis://", &begin, 1)
    }

    /// The first line of what the server answers to a user's command.
    pub(crate) fn answer(&self, user: &str, command: &str) -> String {
        let address = self.server.url().replacen("redis://", "", 1);
        let mut stream = TcpStream::connect(address).expect("a server");
        let lines = format!("AUTH {user} {}\r\n{command}\r\n", self.password(user));
        stream.write_all(lines.as_bytes()).expect("a connection");
        let mut answers = BufReader::new(stream).lines();
        let mut answer = || answers.next().expect("an answer").expect("a connection");
        assert_eq!(answer(), "+OK", "{user} is admitted");
        answer()
    }

    fn password(&self, user: &str) -> &str {
        let begin = format!("user {user} ");
        let mut lines = self.users.lines();
        let line = lines.find(|line| line.starts_with(&begin)).expect("a user");
        let password = line.split(' ').find_map(|rule| rule.strip_prefix('>'));
        password.expect("a password")
    }
}
