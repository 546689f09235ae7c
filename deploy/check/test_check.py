"""Mistakes that check.py finds, and what it says of each: `cargo xtask check` runs these tests before it."""

import tempfile
import tomllib
import unittest
from pathlib import Path

import check


class Test(unittest.TestCase):
    def setUp(self):
        check.problems.clear()


class Arguments(Test):
    def check(self, *arguments):
        """Checks a pod whose program has these arguments, in a cluster with the app and a sidecar."""
        container = {
            "name": "canary",
            "image": "mayday-sidecar:dev",
            "args": arguments,
            "ports": [{"name": "metrics", "containerPort": 3002}],
        }
        spec = {"automountServiceAccountToken": False, "containers": [container]}
        template = {"metadata": {"labels": {}}, "spec": spec}
        objects = [
            {"kind": "Namespace", "metadata": {"name": "mayday"}},
            {
                "kind": "ServiceAccount",
                "metadata": {"name": "mayday", "namespace": "mayday"},
                "automountServiceAccountToken": False,
            },
            {
                "kind": "Service",
                "metadata": {"name": "mayday-sidecar", "namespace": "mayday"},
                "spec": {"ports": [{"name": "http", "port": 3001}]},
            },
            {
                "kind": "Deployment",
                "metadata": {"name": "mayday-canary", "namespace": "mayday"},
                "spec": {"template": template},
            },
            {
                "kind": "SpinApp",
                "metadata": {"name": "mayday", "namespace": "mayday"},
                "spec": {"image": "mayday:dev", "serviceAccountName": "mayday"},
            },
        ]
        check.Overlay("dev", objects).check_pods()

    def test_services_and_ports_that_exist_are_right(self):
        self.check(
            "canary",
            "--every=30",
            "--app=http://mayday",
            "--socket=ws://mayday-sidecar:3001/connect",
            "--metrics=0.0.0.0:3002",
        )
        self.assertEqual(check.problems, [])

    def test_an_address_of_no_service_is_found(self):
        for argument, address in (
            ("--app=http://maydays", "http://maydays"),
            ("--app=https://mayday", "https://mayday"),
            ("--messenger=http://mayday,http://mayday:8080", "http://mayday:8080"),
            ("--socket=ws://mayday-sidecar:3002/connect", "ws://mayday-sidecar:3002/connect"),
        ):
            with self.subTest(argument):
                check.problems.clear()
                self.check(argument)
                said = f"dev: Deployment mayday-canary: it calls {address}, and no such service is here"
                self.assertEqual(check.problems, [said])

    def test_a_port_that_the_container_does_not_have_is_found(self):
        for argument in ("--metrics=0.0.0.0:3003", "--listen=0.0.0.0:3001", "--listen=0.0.0.0"):
            with self.subTest(argument):
                check.problems.clear()
                self.check(argument)
                said = f"dev: Deployment mayday-canary: {argument} is at no port of the container"
                self.assertEqual(check.problems, [said])


class Tokens(Test):
    def check(self, account, pod, app):
        """Checks the pods of a Deployment and of a SpinApp, with these members of theirs and of an account."""
        container = {"name": "canary", "image": "mayday-sidecar:dev"}
        template = {"metadata": {"labels": {}}, "spec": {"containers": [container], **pod}}
        objects = [
            {"kind": "Namespace", "metadata": {"name": "mayday"}},
            {"kind": "ServiceAccount", "metadata": {"name": "mayday", "namespace": "mayday"}, **account},
            {
                "kind": "Deployment",
                "metadata": {"name": "mayday-canary", "namespace": "mayday"},
                "spec": {"template": template},
            },
            {
                "kind": "SpinApp",
                "metadata": {"name": "mayday", "namespace": "mayday"},
                "spec": {"image": "mayday:dev", **app},
            },
        ]
        check.Overlay("dev", objects).check_pods()

    def test_pods_without_a_token_are_right(self):
        none, named = {"automountServiceAccountToken": False}, {"serviceAccountName": "mayday"}
        self.check(account=none, pod=named, app=named)
        self.check(account=none, pod=none, app=named)
        self.assertEqual(check.problems, [])

    def test_pods_that_get_a_token_are_found(self):
        none, named = {"automountServiceAccountToken": False}, {"serviceAccountName": "mayday"}
        canary, app = "dev: Deployment mayday-canary", "dev: SpinApp mayday"
        for account, pod, of_app, said in (
            (none, {}, named, [f"{canary}: its pods get the token of the account default"]),
            (none, none, {}, [f"{app}: its pods get the token of the account default"]),
            ({}, none, named, [f"{app}: its pods get the token of the account mayday"]),
            (
                none,
                {"automountServiceAccountToken": True, **named},
                named,
                [f"{canary}: its pods get the token of the account mayday"],
            ),
        ):
            with self.subTest(said[0]):
                check.problems.clear()
                self.check(account, pod, of_app)
                self.assertEqual(check.problems, said)


class Secrets(Test):
    def test_a_secret_of_dev_is_refused_in_every_other_overlay(self):
        known = "for-development-only-organizer-key"
        values = {"messenger_key": known, "organizer_jwt_secret_previous": known, "participant_key": "0" * 64}
        values |= {"superadmin_password": "For-development-0nly", "redis_url": "redis://redis:6379"}
        check.check_secrets("dev", values)
        self.assertEqual(check.problems, [])
        check.check_secrets("prod", values)
        names = ("messenger_key", "organizer_jwt_secret_previous", "superadmin_password")
        said = [f"prod: {name} is a secret of the overlay dev, which everybody knows" for name in names]
        self.assertEqual(check.problems, said)

    def test_passwords_and_tokens_of_dev_are_refused_in_every_other_overlay(self):
        config = tomllib.loads((check.ROOT / "deploy/spinkube/overlays/dev/backup-config.toml").read_text())
        token = config["sqlite_database"]["messenger"]["token"]
        values = {"redis_url": "rediss://mayday:for-development-only-redis-host@redis.example", "a token": token}
        check.check_secrets("prod", values)
        said = [f"prod: {name} is a secret of the overlay dev, which everybody knows" for name in values]
        self.assertEqual(check.problems, said)

    def test_a_secret_that_can_be_guessed_is_found(self):
        check.check_secrets("dev", {"organizer_key": "0" * 31, "participant_key": "0" * 32, "messenger_key": ""})
        self.assertEqual(check.problems, ["dev: organizer_key has fewer than 32 bytes, so it can be guessed"])

    def test_the_operators_own_files_are_checked(self):
        with tempfile.TemporaryDirectory() as directory:
            for name in ("secrets.env.example", "secrets.env", "runtime-config.toml.example"):
                (Path(directory) / name).write_text(name)
            check.make_of_examples(Path(directory))
            for name, text in (
                ("secrets.env", "secrets.env"),
                ("runtime-config.toml", "runtime-config.toml.example"),
            ):
                self.assertEqual((Path(directory) / name).read_text(), text)


class Redis(Test):
    USERS = "user default off\nuser host on >a +get\nuser dispatcher on >b\nuser sidecar on >c +ping\n"

    def check(self, users=USERS, **others):
        """Checks the URLs of an overlay that is right but for these."""
        urls = {
            "throttle": "redis://host:a@redis:6379",
            "redis_url": "redis://dispatcher:b@redis:6379",
            "sidecar_redis_url": "redis://sidecar:c@redis:6379",
        }
        check.check_redis("dev", urls | others, users)

    def test_a_user_for_each_program_is_right(self):
        self.check()
        self.check(users=None)
        check.check_redis("prod", {"throttle": "", "redis_url": "", "sidecar_redis_url": ""})
        self.assertEqual(check.problems, [])

    def test_a_shared_user_and_another_server_are_found(self):
        for others, said in (
            ({"redis_url": "redis://sidecar:c@redis:6379"}, "two programs share the user sidecar of Redis"),
            ({"redis_url": "redis://:c@redis:6379"}, "redis_url names no user of Redis"),
            ({"sidecar_redis_url": "redis://redis:6379"}, "sidecar_redis_url names no user of Redis"),
            (
                {"throttle": "redis://host:a@redis:6380"},
                "throttle, redis_url, sidecar_redis_url name different servers for Redis",
            ),
        ):
            with self.subTest(others):
                check.problems.clear()
                self.check(**others)
                self.assertEqual(check.problems, [f"dev: {said}"])

    def test_users_that_the_server_does_not_have_are_found(self):
        for users, said in (
            (self.USERS.replace("default off", "default on nopass +@all"), "does not switch off the user default"),
            (self.USERS.replace("user default off\n", ""), "does not switch off the user default"),
            (self.USERS.replace(">b", ">d"), "has no user dispatcher with the password of the URL"),
            (self.USERS.replace("sidecar", "sidecars"), "has no user sidecar with the password of the URL"),
        ):
            with self.subTest(users):
                check.problems.clear()
                self.check(users)
                [found] = check.problems
                self.assertTrue(found.startswith(f"dev: users.acl {said}"), found)


    def test_a_url_that_two_programs_have_is_found(self):
        def overlay(**keys):
            objects = [{"kind": "Namespace", "metadata": {"name": "mayday"}}]
            for name, key in keys.items():
                variable = {"name": "url", "valueFrom": {"secretKeyRef": {"name": "mayday-variables", "key": key}}}
                spec = {"image": "a:1", "variables": [variable]}
                objects.append({"kind": "SpinApp", "metadata": {"name": name, "namespace": "mayday"}, "spec": spec})
            return check.Overlay("dev", objects)

        overlay(dispatcher="redis_url", sidecar="sidecar_redis_url").check_urls_of_redis()
        self.assertEqual(check.problems, [])
        overlay(dispatcher="redis_url", sidecar="redis_url").check_urls_of_redis()
        self.assertEqual(
            check.problems,
            [
                "dev: redis_url is not of one program, but of ['dispatcher', 'sidecar']",
                "dev: sidecar_redis_url is not of one program, but of []",
            ],
        )


class Backup(Test):
    # {"a":"ro"} and {"a":"rw"}
    READS, WRITES = "e30.eyJhIjoicm8ifQ.c2ln", "e30.eyJhIjoicncifQ.c2ln"

    def check(self, **others):
        database = {"type": "libsql", "url": "http://libsql:8081"}
        config = {"sqlite_database": {"messenger": database | {"token": self.READS} | others}}
        check.check_backup("dev", {"messenger": database | {"token": self.WRITES}}, config)

    def test_tokens_that_may_only_read_are_right(self):
        self.check()
        self.check(token="")
        self.assertEqual(check.problems, [])

    def test_other_tokens_and_databases_are_found(self):
        for token in (self.WRITES, "e30.e30.c2ln", "e30.W10.c2ln", "none", "a.b.c"):
            with self.subTest(token):
                check.problems.clear()
                self.check(token=token)
                said = "dev: the backup's token for messenger is none that may only read"
                self.assertEqual(check.problems, [said])
        check.problems.clear()
        self.check(url="http://libsql:8082")
        said = "dev: backup-config.toml and runtime-config.toml name different servers for messenger"
        self.assertEqual(check.problems, [said])
        for config in ({"sqlite_database": {}}, {"sqlite_database": {"messenger": {}}, "key_value_store": {}}):
            with self.subTest(config):
                check.problems.clear()
                check.check_backup("dev", {"messenger": {}}, config)
                said = "dev: backup-config.toml has not the databases ['messenger'], or has more"
                self.assertEqual(check.problems, [said])

    def test_a_secret_of_the_app_in_its_pods_is_found(self):
        def overlay(*volumes):
            of_app = {"valueFrom": {"secretKeyRef": {"name": "mayday-variables", "key": "redis_url"}}}
            template = {"metadata": {"labels": {}}, "spec": {"containers": [], "volumes": list(volumes)}}
            cron_job = {"jobTemplate": {"spec": {"template": template}}}
            app = {"image": "a:1", "runtimeConfig": {"loadFromSecret": "mayday-runtime"}, "variables": [of_app]}
            objects = [{"kind": "Namespace", "metadata": {"name": "mayday"}}]
            for kind, name, spec in (("CronJob", "backup", cron_job), ("SpinApp", "mayday", app)):
                objects.append({"kind": kind, "metadata": {"name": name, "namespace": "mayday"}, "spec": spec})
            return check.Overlay("dev", objects)

        overlay({"name": "config", "secret": {"secretName": "mayday-backup"}}).check_secrets_of_backup()
        self.assertEqual(check.problems, [])
        variables = {"projected": {"sources": [{"secret": {"name": "mayday-variables"}}]}}
        overlay({"secret": {"secretName": "mayday-runtime"}}, variables).check_secrets_of_backup()
        names = ("mayday-runtime", "mayday-variables")
        said = [f"dev: CronJob backup: it has the secret {name} of the app" for name in names]
        self.assertEqual(check.problems, said)


class Container(Test):
    PRIVATE = "deploy\nruntime-config.toml"

    def check(self, ignored="target", private=PRIVATE, copied="COPY . .", included="../asyncapi.json"):
        """Checks a repository with a sidecar, a crate of which it is built, and one that only its tests need."""
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory).resolve()
            for name, text in {
                ".dockerignore": f"# A comment\n{ignored}\n{private}\n",
                ".gitignore": "*.log\n/deploy/overlays/prod/secrets.env\n",
                "rust-toolchain.toml": "[toolchain]\nchannel = \"1.95.0\"",
                "deploy/Containerfile.sidecar": f"FROM rust:1.95.0-alpine AS build\n{copied}\n",
                "Cargo.toml": """
                    [workspace]
                    members = ["sidecar", "crates/*"]
                    [workspace.dependencies]
                    listener = { path = "crates/listener" }
                    documents = { path = "crates/documents" }
                """,
                "sidecar/Cargo.toml": """
                    [dependencies]
                    listener = { workspace = true }
                    [dev-dependencies]
                    documents = { workspace = true }
                """,
                "sidecar/src/lib.rs": f'const DOCUMENT: &str = include_str!("{included}");',
                "crates/listener/Cargo.toml": "",
                "crates/listener/src/page/mod.rs": 'const PAGE: &[u8] = include_bytes!(\n    "../../page.html"\n);',
                "crates/documents/Cargo.toml": "",
                "crates/documents/src/lib.rs": 'const DOCUMENT: &str = include_str!("../../../web/page.html");',
            }.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            check.check_container(root)

    def test_a_context_with_everything_is_right(self):
        self.check(ignored="target\nweb")
        self.check(copied="COPY Cargo.toml .\nCOPY sidecar sidecar\nCOPY crates crates")
        self.assertEqual(check.problems, [])

    def test_a_file_that_is_included_and_not_in_the_context_is_found(self):
        self.check(ignored="target\nweb", included="../../web/page.html")
        self.check(ignored="crates/listener/page.html")
        self.check(copied="COPY sidecar sidecar\nCOPY crates/listener/src crates/listener/src")
        page = "crates/listener/page.html is not in the container, and crates/listener includes it"
        said = ["web/page.html is not in the container, and sidecar includes it", page, page]
        self.assertEqual(check.problems, [f"Containerfile.sidecar: {each}" for each in said])

    def test_secrets_in_the_context_are_found(self):
        self.check(private="deploy/overlays/prod/secrets.env\nruntime-config.toml")
        self.assertEqual(check.problems, [])
        self.check(private="")
        said = "may hold secrets, and is in the context"
        names = ("deploy/overlays/prod/secrets.env", "runtime-config.toml")
        self.assertEqual(check.problems, [f".dockerignore: {name} {said}" for name in names])


if __name__ == "__main__":
    unittest.main()
