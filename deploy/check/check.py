"""Checks everything in deploy/ without a cluster: `cargo xtask check` runs it, with what requirements.txt names.

- Kustomize renders each overlay, and every object passes its schema: Kubernetes' own, or ours for the kinds of SpinKube
  and Traefik.
- What pods mount comes before them, and SpinApps come last.
- No pod gets a token for the API of Kubernetes.
- Every name that an object refers to exists: secrets, config maps and their keys, services and their ports, also in the
  arguments of programs, volumes, accounts, the pods that a selector means, middlewares, executors.
- Secrets are long enough, and those of the overlay `dev` are in no other one.
- Hosts, dispatcher and sidecars have a user of Redis each.
- The backup has tokens of its own, which may only read, and no secret of the SpinApps.
- The SpinApps, the runtime configurations and the manifests for Fermyon Cloud agree with spin.toml.
- `spin watch` builds a component again when anything changes of which it is built.
- What the pipelines of the collector of logs name is configured, and lines find their way through its operators.
- Prometheus finds pods that there are.
- Logrotate keeps as many old logs as it should, while a process goes on writing.
- The context of the sidecar's image has everything that its Containerfile copies and that its sources include, and no
  secrets of an operator.

test_check.py has mistakes that this script must find.
"""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import kubernetes_validate
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# The oldest and the newest release of Kubernetes that the manifests are for. `preStop.sleep` came with 1.30.
KUBERNETES = ("1.30", "1.37")
# Kustomize 5 came with this kubectl.
OLDEST_KUBECTL = (1, 27)

OUR_SCHEMAS = {
    "SpinApp": "spinapp.json",
    "SpinAppExecutor": "spinappexecutor.json",
    "Middleware": "middleware.json",
    "TLSOption": "tlsoption.json",
    "IngressRoute": "ingressroute.json",
}

# What a cluster has before Mayday is installed, and what docs/deploy.md makes by hand. The operator makes the secret of
# authorities, if nobody has.
PREREQUISITES = {
    ("RuntimeClass", "wasmtime-spin-v2"),
    ("IngressClass", "traefik"),
    ("Secret", "mayday-tls"),
    ("Secret", "mayday-authorities"),
}

DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}

# What says in the arguments of a program where it listens.
LISTENS = ("--listen", "--metrics", "--http-listen-addr")

# The URLs of Redis in the secret of variables, for the dispatcher and for sidecars. That for hosts is in the runtime
# configuration.
REDIS_URLS = ("redis_url", "sidecar_redis_url")

# The user and the password of a URL.
CREDENTIALS = re.compile(r"://([^:/@\s]+):([^/@\s]+)@")

# A rule of an IngressRoute, and a priority that is above the length of any rule of an ingress, which is its priority.
METHOD_RULE = re.compile(
    r"(Host\(`(?P<host>[^`]+)`\) && )?Method\(`(?P<method>\w+)`\) && PathRegexp\(`(?P<path>[^`]+)`\)"
)
PRIORITY = 1000

problems = []


def problem(where, what):
    problems.append(f"{where}: {what}")


def kubectl():
    """The person's own kubectl, or the one that pip has installed beside this Python."""
    found = [shutil.which("kubectl"), shutil.which("kubectl", path=Path(sys.executable).parent)]
    for program in filter(None, found):
        answer = subprocess.run([program, "version", "--client", "-o", "json"], capture_output=True, text=True)
        version = re.search(r'"gitVersion": "v(\d+)\.(\d+)', answer.stdout)
        if version and tuple(map(int, version.groups())) >= OLDEST_KUBECTL:
            return program
    needed = ".".join(map(str, OLDEST_KUBECTL))
    sys.exit(f"kubectl {needed} or newer is missing, and without it nothing is rendered (https://kubernetes.io)")


def render(program, overlay):
    """An overlay's objects."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "deploy"
        shutil.copytree(ROOT / "deploy", copy, ignore=shutil.ignore_patterns("check"))
        make_of_examples(copy)
        path = copy / "spinkube/overlays" / overlay
        answer = subprocess.run([program, "kustomize", path], capture_output=True, text=True)
    if answer.returncode or answer.stderr:
        problem(overlay, f"kubectl kustomize says: {answer.stderr.strip()}")
    return [each for each in yaml.safe_load_all(answer.stdout) if each]


def make_of_examples(directory):
    """Makes the files that are not in the repository of their examples, unless the operator has made them."""
    for example in directory.rglob("*.example"):
        file = example.with_suffix("")
        if not file.exists():
            shutil.copy(example, file)


def check_schema(overlay, each):
    where = f"{overlay}: {each['kind']} {each['metadata']['name']}"
    if each["kind"] in OUR_SCHEMAS:
        schema = json.loads((HERE / "schemas" / OUR_SCHEMAS[each["kind"]]).read_text())
        for error in jsonschema.Draft202012Validator(schema).iter_errors(each):
            problem(where, f"{error.json_path}: {error.message}")
        return
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            problem(where, f"Kubernetes {version}: {error.message} ({'.'.join(map(str, error.path))})")


def walk(value):
    """All mappings inside a value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def pod_template(each):
    """What the object's pods look like. The operator's part is in its internal/controller."""
    kind, name, spec = each["kind"], each["metadata"]["name"], each.get("spec", {})
    if kind in ("Deployment", "StatefulSet"):
        return spec["template"]
    if kind == "CronJob":
        return spec["jobTemplate"]["spec"]["template"]
    if kind == "SpinApp":
        labels = {"core.spinkube.dev/app-name": name, f"core.spinkube.dev/app.{name}.status": "ready"}
        port = {"name": "http-app", "containerPort": 80}
        return {
            "metadata": {"labels": spec.get("podLabels", {}) | labels},
            "spec": {
                "serviceAccountName": spec.get("serviceAccountName", "default"),
                "containers": [{"name": name, "image": spec["image"], "ports": [port]}],
            },
        }
    return None


class Overlay:
    """The objects of an overlay, and the question that each check asks of them: does this name exist?"""

    def __init__(self, name, objects):
        self.name = name
        self.objects = objects
        self.names = {(each["kind"], each["metadata"]["name"]) for each in objects} | PREREQUISITES
        self.names |= {("ServiceAccount", "default")}
        # The operator makes these of a SpinApp.
        apps = [name for kind, name in self.names if kind == "SpinApp"]
        self.names |= {(kind, name) for name in apps for kind in ("Service", "Deployment")}
        self.pods = [(each, template) for each in objects if (template := pod_template(each))]
        kinds = [each["kind"] for each in objects]
        if kinds[0] != "Namespace":
            problem(name, "the namespace is not first")
        # The operator mounts a runtime configuration as optional: if its secret is not there yet when a pod is set up,
        # the file becomes a directory, and stays one. It also refuses a SpinApp whose executor it does not know.
        pods = min(kinds.index(each["kind"]) for each, _ in self.pods)
        for kind in ("Secret", "ConfigMap", "ServiceAccount", "SpinAppExecutor"):
            if kind in kinds[pods:]:
                problem(name, f"a {kind} comes behind what makes pods")
        if set(kinds[kinds.index("SpinApp") :]) != {"SpinApp"}:
            problem(name, "SpinApps are not last")
        namespaces = {each["metadata"].get("namespace") for each in objects if each["kind"] != "Namespace"}
        if namespaces != {"mayday"}:
            problem(name, f"objects are in the namespaces {namespaces}, not only in mayday")

    def each(self, kind):
        return [each for each in self.objects if each["kind"] == kind]

    def find(self, kind, name):
        return next((each for each in self.each(kind) if each["metadata"]["name"] == name), None)

    def must_exist(self, where, kind, name):
        if (kind, name) not in self.names:
            problem(f"{self.name}: {where}", f"there is no {kind} {name}")

    def must_have_key(self, where, kind, reference):
        self.must_exist(where, kind, reference["name"])
        found = self.find(kind, reference["name"])
        if found and reference["key"] not in (found.get("data") or {}) and not reference.get("optional"):
            problem(f"{self.name}: {where}", f"{kind} {reference['name']} has no key {reference['key']}")

    def selected(self, where, labels):
        """The pods that labels select. A selector that means nobody is a mistake."""
        chosen = [template for _, template in self.pods if labels.items() <= template["metadata"]["labels"].items()]
        if not chosen:
            problem(f"{self.name}: {where}", f"no pod has the labels {labels}")
        return chosen

    def must_have_port(self, where, templates, port):
        for template in templates:
            ports = [port for each in template["spec"]["containers"] for port in each.get("ports", [])]
            if not any(port in (each.get("name"), each["containerPort"]) for each in ports):
                problem(f"{self.name}: {where}", f"a pod has no port {port}")

    def service_ports(self, name):
        """By name and by number. A SpinApp's service has one port without a name."""
        found = self.find("Service", name)
        if not found:
            return {80} if self.find("SpinApp", name) else set()
        return {key for port in found["spec"]["ports"] for key in (port.get("name"), port["port"]) if key}

    def check_references(self):
        for each in self.objects:
            where = f"{each['kind']} {each['metadata']['name']}"
            for part in walk(each):
                for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                    if isinstance(part.get(field), dict):
                        self.must_have_key(where, kind, part[field])
                for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                    if isinstance(part.get(field), dict):
                        self.must_exist(where, kind, part[field]["name"])
                for field, kind in (
                    ("loadFromSecret", "Secret"),
                    ("secretName", "Secret"),
                    ("caCertSecret", "Secret"),
                    ("serviceAccountName", "ServiceAccount"),
                    ("runtimeClassName", "RuntimeClass"),
                    ("executor", "SpinAppExecutor"),
                    ("claimName", "PersistentVolumeClaim"),
                    ("serviceName", "Service"),
                    ("ingressClassName", "IngressClass"),
                ):
                    if isinstance(part.get(field), str):
                        self.must_exist(where, kind, part[field])
                if isinstance(part.get("configMap"), dict):
                    self.must_exist(where, "ConfigMap", part["configMap"]["name"])
            for name in middlewares(each):
                self.must_exist(where, "Middleware", name)
            for name in of_traefik(each, "tls.options"):
                self.must_exist(where, "TLSOption", name)

    def check_pods(self):
        for each, template in self.pods:
            where = f"{each['kind']} {each['metadata']['name']}"
            spec = template["spec"]
            self.check_token(where, spec)
            volumes = {volume["name"] for volume in spec.get("volumes", [])}
            volumes |= {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
            for container in spec["containers"]:
                if ":" not in container["image"]:
                    problem(f"{self.name}: {where}", f"the image {container['image']} has no tag")
                for mount in container.get("volumeMounts", []):
                    if mount["name"] not in volumes:
                        problem(f"{self.name}: {where}", f"there is no volume {mount['name']}")
                self.check_arguments(f"{self.name}: {where}", container)
                for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
                    for handler in ("httpGet", "tcpSocket"):
                        if port := container.get(probe, {}).get(handler, {}).get("port"):
                            self.must_have_port(f"{where}, {probe}", [template], port)
            selector = each["spec"].get("selector", {}).get("matchLabels", {})
            if not selector.items() <= template["metadata"]["labels"].items():
                problem(f"{self.name}: {where}", "its selector does not mean its own pods")

    def check_token(self, where, spec):
        """No pod calls the API of Kubernetes, so none gets a token for it. What the pod says overrides its account."""
        name = spec.get("serviceAccountName", "default")
        account = self.find("ServiceAccount", name) or {}
        if spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True)):
            problem(f"{self.name}: {where}", f"its pods get the token of the account {name}")

    def check_arguments(self, where, container):
        """`--messenger=http://mayday` is a service, and `--listen=0.0.0.0:3001` a port of the container."""
        ports = {port["containerPort"] for port in container.get("ports", [])}
        for argument in [*container.get("command", []), *container.get("args", [])]:
            name, _, value = argument.partition("=")
            if name in LISTENS:
                port = value.rpartition(":")[2]
                if not port.isdecimal() or int(port) not in ports:
                    problem(where, f"{argument} is at no port of the container")
            elif name.startswith("--") and "://" in value:
                for address in value.split(","):
                    self.check_address(where, address, [])

    def check_selectors(self):
        for each in self.each("Service"):
            where = f"Service {each['metadata']['name']}"
            chosen = self.selected(where, each["spec"]["selector"])
            for port in each["spec"]["ports"]:
                self.must_have_port(where, chosen, port.get("targetPort", port["port"]))
        for each in self.each("PodDisruptionBudget"):
            self.selected(f"PodDisruptionBudget {each['metadata']['name']}", each["spec"]["selector"]["matchLabels"])
        for each in self.each("NetworkPolicy"):
            where = f"NetworkPolicy {each['metadata']['name']}"
            to = each["spec"]["podSelector"].get("matchLabels", {})
            chosen = self.selected(where, to) if to else []
            for rule in each["spec"].get("ingress", []):
                for peer in rule.get("from", []):
                    if "namespaceSelector" not in peer:
                        self.selected(where, peer["podSelector"]["matchLabels"])
                for port in rule.get("ports", []):
                    self.must_have_port(where, chosen, port["port"])
        for each in self.each("HorizontalPodAutoscaler"):
            target = each["spec"]["scaleTargetRef"]
            self.must_exist(f"HorizontalPodAutoscaler {each['metadata']['name']}", target["kind"], target["name"])
            scaled = self.find(target["kind"], target["name"])
            if scaled and "replicas" in scaled["spec"]:
                problem(self.name, f"{target['name']} has a fixed number of replicas and an autoscaler")

    def check_ingresses(self):
        routes = {"/": (None, [])}
        for each in self.each("Ingress"):
            where = f"Ingress {each['metadata']['name']}"
            if "tls" in each["spec"] and not of_traefik(each, "tls.options"):
                problem(f"{self.name}: {where}", "nothing says which versions and ciphers of TLS it takes")
            for rule in each["spec"]["rules"]:
                for path in rule["http"]["paths"]:
                    service = path["backend"]["service"]
                    self.must_exist(where, "Service", service["name"])
                    port = service["port"].get("name") or service["port"]["number"]
                    if port not in self.service_ports(service["name"]):
                        problem(f"{self.name}: {where}", f"Service {service['name']} has no port {port}")
                    routes[path["path"]] = (service["name"], middlewares(each))
        if routes.get("/connect") != ("mayday-sidecar", []):
            problem(self.name, "/connect does not lead to the sidecar, without any middleware")
        if "buffer" not in routes["/"][1]:
            problem(self.name, "requests to the app are not buffered")
        refused = list(self.refused_methods())
        for method, path in internal_routes():
            longest = max((prefix for prefix in routes if is_below(path, prefix)), key=len, default="/")
            if "refuse" in routes[longest][1]:
                continue
            patterns = [pattern for of, pattern in refused if of == method]
            if not any(re.search(pattern, path) and re.search(pattern, path + "/") for pattern in patterns):
                problem(self.name, f"{method or 'every method'} of {path} is not refused at the ingress")
            if any(re.search(pattern, path + "/mine/1") for pattern in patterns):
                problem(self.name, f"what is below {path} is refused at the ingress")

    def refused_methods(self):
        """The methods and the patterns of paths that Traefik's own routes refuse, for the hosts of the ingresses."""
        certificates = {tls["secretName"] for each in self.each("Ingress") for tls in each["spec"].get("tls", [])}
        hosts = {rule.get("host") for each in self.each("Ingress") for rule in each["spec"]["rules"]}
        for each in self.each("IngressRoute"):
            where = f"{self.name}: IngressRoute {each['metadata']['name']}"
            tls = each["spec"].get("tls")
            if ({tls["secretName"]} if tls else set()) != certificates:
                problem(where, f"its certificate is not that of the ingresses, {certificates}")
            if tls:
                self.must_exist(f"IngressRoute {each['metadata']['name']}", "TLSOption", tls["options"]["name"])
            for route in each["spec"]["routes"]:
                for service in route["services"]:
                    if service["port"] not in self.service_ports(service["name"]):
                        problem(where, f"Service {service['name']} has no port {service['port']}")
                names = [middleware["name"] for middleware in route.get("middlewares", [])]
                for name in names:
                    self.must_exist(f"IngressRoute {each['metadata']['name']}", "Middleware", name)
                rule = METHOD_RULE.fullmatch(route["match"])
                if not rule or {rule["host"]} != hosts:
                    problem(where, f"its rule is not one of a method and a path, of the host {hosts}: {route['match']}")
                elif "refuse" in names and route.get("priority", 0) >= PRIORITY:
                    yield rule["method"], rule["path"]

    def check_apps(self, manifest):
        """The SpinApps run every component once, and each has what its components need."""
        triggers = {each["component"]: kind for kind, found in manifest["trigger"].items() for each in found}
        apps = [app["spec"] for app in self.each("SpinApp")]
        running = sorted(name for app in apps for name in app.get("components", triggers))
        if running != sorted(triggers):
            problem(self.name, f"SpinApps run {running}, and the manifest has {sorted(triggers)}")
        if len({app["image"] for app in apps}) != 1:
            problem(self.name, "the SpinApps are not of one image")
        required = {name for name, variable in manifest["variables"].items() if variable.get("required")}
        for app in self.each("SpinApp"):
            where = f"{self.name}: SpinApp {app['metadata']['name']}"
            components = app["spec"].get("components", list(triggers))
            variables = {variable["name"]: variable for variable in app["spec"].get("variables", [])}
            for name in variables.keys() - manifest["variables"].keys():
                problem(where, f"the manifest has no variable {name}")
            for name in required - variables.keys():
                problem(where, f"the variable {name} is required by the manifest")
            for name in {name for name in manifest["variables"] if name.endswith("_previous")} - variables.keys():
                problem(where, f"{name} cannot be set, so that key cannot be rotated")
            if self.name == "prod" and "organizer" in components:
                complete = variables.get("require_complete_accounts", {}).get("value")
                if complete != "all":
                    problem(where, f"require_complete_accounts is {complete}, so not everybody needs a second factor")
            if any(triggers[name] == "redis" for name in components) and "redis_url" not in variables:
                problem(where, "its trigger needs redis_url")
            for name in components:
                component = manifest["component"][name]
                # Who answers for the data sees at one place how long it is kept.
                kept = {variable for variable in component.get("variables", {}) if variable.startswith("retention_")}
                for variable in kept - variables.keys():
                    problem(where, f"{variable} is not set")
                for variable in re.findall(r"{{ (\w+_url) }}", " ".join(component.get("allowed_outbound_hosts", []))):
                    address = variables.get(variable, manifest["variables"][variable])
                    self.check_address(where, address.get("value") or address["default"], components)
                if "sqlite_databases" in component and "loadFromSecret" not in app["spec"].get("runtimeConfig", {}):
                    problem(where, f"{name} has a database, and the app no runtime configuration")

    def check_address(self, where, address, components):
        url = urlsplit(address)
        if url.hostname.endswith(".spin.internal"):
            if url.hostname.split(".")[0] not in components:
                problem(where, f"{address} is a component that is not in the same app")
        elif (url.port or DEFAULT_PORTS.get(url.scheme)) not in self.service_ports(url.hostname):
            problem(where, f"it calls {address}, and no such service is here")

    def secret(self, name):
        """A secret's values. Its name ends with a hash."""
        found = next(each for each in self.each("Secret") if each["metadata"]["name"].startswith(name))
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    def check_runtime_config(self, manifest):
        config = tomllib.loads(self.secret("mayday-runtime-config")["runtime-config.toml"])
        for section, field in (("sqlite_database", "sqlite_databases"), ("key_value_store", "key_value_stores")):
            labels = {label for each in manifest["component"].values() for label in each.get(field, [])}
            if labels != config[section].keys():
                problem(self.name, f"runtime-config.toml has {section} {sorted(config[section])}, not {sorted(labels)}")
        values = self.secret("mayday-variables")
        backup = tomllib.loads(self.secret("mayday-backup-config")["runtime-config.toml"])
        stores = {f"the store {name}": each.get("url", "") for name, each in config["key_value_store"].items()}
        redis = stores | {name: values.get(name, "") for name in REDIS_URLS}
        users = self.secret("redis-users")["users.acl"] if self.name == "dev" else None
        check_redis(self.name, redis, users)
        check_backup(self.name, config["sqlite_database"], backup)
        # An example is empty. Servers of other namespaces, or elsewhere, have names with dots.
        for url in filter(None, [*redis.values(), *(each.get("url") for each in config["sqlite_database"].values())]):
            url = urlsplit(url)
            if "." not in (url.hostname or "") and url.port not in self.service_ports(url.hostname):
                # Without the password that a URL may have.
                server = f"{url.hostname}:{url.port}"
                problem(self.name, f"there is no service {server}, which runtime-config.toml or secrets.env names")
        tokens = {
            f"the token for {name} of the {whose}": each.get("token", "")
            for whose, databases in (("app", config["sqlite_database"]), ("backup", backup["sqlite_database"]))
            for name, each in databases.items()
        }
        check_secrets(self.name, values | redis | tokens)

    def check_urls_of_redis(self):
        """Each of the URLs in the secret is of one program, since it has a user of its own."""
        for name in REDIS_URLS:
            owners = [each["metadata"]["name"] for each in self.objects if name in keys_of_secrets(each)]
            if len(owners) != 1:
                problem(self.name, f"{name} is not of one program, but of {owners}")

    def check_secrets_of_backup(self):
        """Its pods have no secret of the SpinApps: those let somebody write."""
        of_apps = {name for app in self.each("SpinApp") for name in secrets_in(app)}
        for each in self.each("CronJob"):
            for name in sorted(of_apps & secrets_in(each)):
                problem(f"{self.name}: CronJob {each['metadata']['name']}", f"it has the secret {name} of the app")


def secrets_in(each):
    """The names of the secrets that the pods of an object get."""
    fields = ("loadFromSecret", "secretName")
    parts = list(walk(each))
    named = {part[field] for part in parts for field in fields if isinstance(part.get(field), str)}
    references = [part.get(field) for part in parts for field in ("secretKeyRef", "secretRef", "secret")]
    return named | {each["name"] for each in references if isinstance(each, dict) and "name" in each}


def keys_of_secrets(each):
    """The keys of secrets that become variables of an object's pods."""
    return {part["secretKeyRef"]["key"] for part in walk(each) if isinstance(part.get("secretKeyRef"), dict)}


def check_redis(overlay, urls, users=None):
    """Hosts, dispatcher and sidecars have a user each at one server, and the overlay's own server has these users."""
    # An example is empty.
    if not any(urls.values()):
        return
    if len({(urlsplit(url).hostname, urlsplit(url).port) for url in urls.values()}) != 1:
        problem(overlay, f"{', '.join(urls)} name different servers for Redis")
    passwords = {}
    for name, url in urls.items():
        user = CREDENTIALS.search(url)
        if not user:
            problem(overlay, f"{name} names no user of Redis")
        elif user[1] in passwords:
            problem(overlay, f"two programs share the user {user[1]} of Redis")
        else:
            passwords[user[1]] = user[2]
    if users is None:
        return
    rules = {line.split()[1]: line.split()[2:] for line in users.splitlines() if line}
    if rules.get("default") != ["off"]:
        problem(overlay, "users.acl does not switch off the user default, who may do everything")
    for name, password in passwords.items():
        if f">{password}" not in rules.get(name, []):
            problem(overlay, f"users.acl has no user {name} with the password of the URL")


def check_backup(overlay, databases, config):
    """The backup reads the databases of the app, with tokens that may only read."""
    if config.keys() != {"sqlite_database"} or config["sqlite_database"].keys() != databases.keys():
        problem(overlay, f"backup-config.toml has not the databases {sorted(databases)}, or has more")
        return
    for name, database in config["sqlite_database"].items():
        if database.get("url") != databases[name].get("url"):
            problem(overlay, f"backup-config.toml and runtime-config.toml name different servers for {name}")
        # An example is empty.
        if (token := database.get("token")) and access(token) != "ro":
            problem(overlay, f"the backup's token for {name} is none that may only read")


def access(token):
    """What a token of libSQL lets its owner do: `ro` is to read."""
    try:
        claims = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))).get("a")
    except (IndexError, ValueError, AttributeError):
        return None


def check_secrets(overlay, values):
    """Nobody can guess the secrets, and only the overlay `dev` has those that are in the repository."""
    published = published_secrets()
    for name, value in values.items():
        if name.endswith(("_jwt_secret", "_key")) and 0 < len(value) < 32:
            problem(overlay, f"{name} has fewer than 32 bytes, so it can be guessed")
        password = CREDENTIALS.search(value)
        if overlay != "dev" and (value in published or password and password[2] in published):
            problem(overlay, f"{name} is a secret of the overlay dev, which everybody knows")


def published_secrets():
    directory = ROOT / "deploy/spinkube/overlays/dev"
    files = ("secrets.env", "runtime-config.toml", "backup-config.toml")
    text = "\n".join((directory / name).read_text() for name in files)
    variables = re.findall(r"^\w+(?:_jwt_secret|_key|_password)=(.+)$", text, re.MULTILINE)
    tokens = re.findall(r'^token = "(.+)"$', text, re.MULTILINE)
    return {*variables, *tokens, *(password for _, password in CREDENTIALS.findall(text))}


def middlewares(ingress):
    """The names in an ingress's annotation, such as `mayday-buffer@kubernetescrd`."""
    return of_traefik(ingress, "middlewares")


def of_traefik(ingress, what):
    annotations = ingress["metadata"].get("annotations") or {}
    names = annotations.get(f"traefik.ingress.kubernetes.io/router.{what}", "")
    return [re.sub(r"^mayday-(.*)@kubernetescrd$", r"\1", name) for name in names.split(",") if name]


def is_below(path, prefix):
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")


def internal_routes():
    """What only services and sidecars may call: a method, or `None` for all of them, and the beginning of a path."""
    for name, route, method, path in (
        ("organizer", '["api", ', None, "/organizer/api"),
        ("participant", '["internal", ', None, "/participant/internal"),
        ("participant", '"GET" ["users"]', None, "/participant/users"),
        ("participant", '"DELETE" ["chat-requests"]', "DELETE", "/participant/chat-requests"),
        ("messenger", '["internal", ', None, "/messenger/internal"),
    ):
        source = (ROOT / "components" / name / "src/lib.rs").read_text()
        if route not in source:
            problem(name, f"there is no route {route} any more")
        yield method, path
    yield None, "/.well-known/spin"


def check_watch(manifest):
    """Each component's `watch` has its packages, what their sources include, and the interfaces that they implement."""
    for name, component in manifest["component"].items():
        watched = {path for pattern in component["build"]["watch"] for path in ROOT.glob(pattern)}
        needed = {ROOT / "Cargo.toml", ROOT / "Cargo.lock"}
        for package in re.findall(r"-p (\S+)", component["build"]["command"]):
            files = {path for path in (ROOT / "components" / package).rglob("*") if path.is_file()}
            needed |= files
            for source in (path for path in files if path.suffix == ".rs"):
                needed |= included(source)
                for interfaces in re.findall(r'wit_bindgen::generate!\({ path: "([^"]+)"', source.read_text()):
                    needed |= set((ROOT / "components" / package / interfaces).resolve().iterdir())
        for path in sorted(needed - watched):
            problem("spin.toml", f"{name} is built of {path.relative_to(ROOT)}, and does not watch it")


def included(source):
    """The files that a source embeds."""
    names = re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', source.read_text())
    return {(source.parent / name).resolve() for name in names}


def check_cloud(manifest):
    """The manifests for Fermyon Cloud grant what the one at the root grants."""
    for path in sorted((ROOT / "deploy/fermyon-cloud").glob("*.toml")):
        variant = tomllib.loads(path.read_text().replace('"../../target/', '"target/'))
        for kind in variant["trigger"].keys() - {"http"}:
            problem(path.name, f"the cloud has no {kind} trigger")
        for name, component in variant["component"].items():
            here = {key: value for key, value in manifest["component"][name].items() if key != "build"}
            if component != here:
                problem(path.name, f"the component {name} is not as in spin.toml")
        routes = [each for each in manifest["trigger"]["http"] if each["component"] in variant["component"]]
        if variant["trigger"]["http"] != routes:
            problem(path.name, "the routes are not as in spin.toml")
        used = set(re.findall(r"{{ (\w+) }}", path.read_text()))
        if used != variant["variables"].keys():
            problem(path.name, f"variables that are used and declared differ: {used ^ variant['variables'].keys()}")
        for name, variable in variant["variables"].items():
            # Nothing is chained in the cloud, and sockets are elsewhere, so these addresses have no default.
            is_address = name.endswith("_url") and name != "tile_url"
            expected = {"required": True} if is_address else manifest["variables"].get(name)
            if variable != expected:
                problem(path.name, f"the variable {name} is not as in spin.toml")


def check_collector():
    """The collector's pipelines have what they name, and each route of its operators leads to one."""
    collector = yaml.safe_load((ROOT / "deploy/observability/collector.yaml").read_text())
    service = collector["service"]
    used = {"extensions": set(service["extensions"])}
    for pipeline in service["pipelines"].values():
        for kind, names in pipeline.items():
            used.setdefault(kind, set()).update(names)
    for kind in ("extensions", "receivers", "processors", "exporters"):
        if difference := used[kind] ^ collector[kind].keys():
            problem("collector.yaml", f"{kind} that are configured and used differ: {difference}")
    for receiver in collector["receivers"].values():
        operators = receiver["operators"]
        ids = [operator.get("id", operator["type"]) for operator in operators]
        if len(set(ids)) != len(ids):
            problem("collector.yaml", "two operators have the same id")
        for operator in operators:
            ends = [route["output"] for route in operator.get("routes", [])]
            for end in filter(None, [*ends, operator.get("default"), operator.get("output")]):
                if end not in ids:
                    problem("collector.yaml", f"there is no operator {end}")


def check_scraping(overlay):
    """Prometheus finds pods of the overlay, at a port that they have, as jobs that the rules know."""
    rules = (ROOT / "deploy/observability/rules.yaml").read_text()
    scraping = yaml.safe_load((ROOT / "deploy/observability/kubernetes.yaml").read_text())
    for job in scraping["scrape_configs"]:
        where = f"kubernetes.yaml: {job['job_name']}"
        if f'job="{job["job_name"]}"' not in rules:
            problem(where, "no rule knows this job")
        ports = [
            each["regex"]
            for each in job["relabel_configs"]
            if each.get("action") == "keep" and each["source_labels"] == ["__meta_kubernetes_pod_container_port_name"]
        ]
        for discovery in job["kubernetes_sd_configs"]:
            if discovery["namespaces"]["names"] != ["mayday"]:
                problem(where, "it looks elsewhere than in the namespace mayday")
            for selector in discovery["selectors"]:
                chosen = overlay.selected(where, dict(label.split("=") for label in selector["label"].split(",")))
                for port in ports or [None]:
                    overlay.must_have_port(where, chosen, port)


def check_logrotate():
    """Each day's lines are kept as long as the file says, while processes that keep their files open go on."""
    program = shutil.which("logrotate", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if not program:
        print("logrotate is missing: deploy/logrotate.conf is not checked")
        return
    config = (ROOT / "deploy/logrotate.conf").read_text()
    days = int(re.search(r"^ *rotate (\d+)$", config, re.MULTILINE)[1])
    with tempfile.TemporaryDirectory() as directory:
        logs = [Path(directory, "log/host.log"), Path(directory, "state/organizer_stderr.txt")]
        for log, place in zip(logs, ["/var/log/mayday", "/var/lib/mayday/logs"]):
            log.parent.mkdir(mode=0o700)
            config = config.replace(place, str(log.parent))
        copy = Path(directory, "logrotate.conf")
        copy.write_text(config)
        copy.chmod(0o600)
        opened = [open(log, "a") for log in logs]
        for day in range(days + 3):
            for log in opened:
                # After some days there is nothing to say.
                if day < 3:
                    print(f"day {day}", file=log, flush=True)
            command = [program, "--force", "--state", copy.with_suffix(".state"), copy]
            answer = subprocess.run(command, capture_output=True, text=True)
            if answer.returncode or "error:" in answer.stderr:
                problem("logrotate.conf", answer.stderr.strip())
                break
        for log in opened:
            print("today", file=log)
            log.close()
        for log in logs:
            kept = sorted(path.name for path in log.parent.iterdir())
            if kept != sorted([log.name, *(f"{log.name}.{age}.gz" for age in range(1, days + 1))]):
                problem("logrotate.conf", f"after {days} days there are {kept}")
            lines = [line for path in log.parent.iterdir() for line in read_log(path)]
            if lines != ["today"]:
                problem("logrotate.conf", f"after {days} days these lines are left: {lines}")


def read_log(path):
    return (gzip.open if path.suffix == ".gz" else open)(path, "rt").read().splitlines()


def check_container(root=ROOT):
    """The context has what the Containerfile copies, all members of the workspace and what the sources include, and no
    secrets of an operator."""
    lines = (root / ".dockerignore").read_text().splitlines()
    ignored = {line for line in lines if line and not line.startswith("#")}
    containerfile = (root / "deploy/Containerfile.sidecar").read_text()
    copied = re.findall(r"^COPY (?!--from)(\S+) ", containerfile, re.MULTILINE)

    def is_ignored(path):
        return any(Path(path).is_relative_to(each) for each in ignored)

    # What Git ignores is this machine's, and runtime-config.toml is where the tokens of databases are.
    private = [line[1:] for line in (root / ".gitignore").read_text().splitlines() if line.startswith("/")]
    for path in [*private, "runtime-config.toml"]:
        if not is_ignored(path):
            problem(".dockerignore", f"{path} may hold secrets, and is in the context")
    for source in copied:
        if is_ignored(source) or not (root / source).exists():
            problem("Containerfile.sidecar", f"{source} is not in the context")
    workspace = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]
    for member in workspace["members"]:
        if is_ignored(member):
            problem(".dockerignore", f"the workspace has no {member} in the container")
    for package in packages_of_sidecar(root, workspace):
        for source in [*(root / package / "src").rglob("*.rs"), *(root / package).glob("build.rs")]:
            for path in included(source):
                path = path.relative_to(root.resolve())
                if is_ignored(path) or not any(path.is_relative_to(each) for each in copied):
                    problem("Containerfile.sidecar", f"{path} is not in the container, and {package} includes it")
    toolchain = tomllib.loads((root / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    if f"rust:{toolchain}-" not in containerfile:
        problem("Containerfile.sidecar", f"its toolchain is not {toolchain}, as in rust-toolchain.toml")


def packages_of_sidecar(root, workspace):
    """The folders of the sidecar and of those of our own packages that it is built of."""
    ours = {name: each["path"] for name, each in workspace["dependencies"].items() if "path" in each}
    found, left = set(), ["sidecar"]
    while left:
        package = left.pop()
        found.add(package)
        manifest = tomllib.loads((root / package / "Cargo.toml").read_text())
        needed = manifest.get("dependencies", {}) | manifest.get("build-dependencies", {})
        left += {ours[name] for name in needed if name in ours} - found
    return sorted(found)


def check_scripts():
    for script in sorted((ROOT / "deploy/backup").glob("*.sh")):
        answer = subprocess.run(["sh", "-n", script], capture_output=True, text=True)
        if answer.returncode or not os.access(script, os.X_OK):
            problem(script.name, f"is not a script that can be run {answer.stderr}")


def main():
    manifest = tomllib.loads((ROOT / "spin.toml").read_text())
    program = kubectl()
    count = 0
    for name in sorted(path.name for path in (ROOT / "deploy/spinkube/overlays").iterdir()):
        objects = render(program, name)
        for each in objects:
            check_schema(name, each)
        overlay = Overlay(name, objects)
        overlay.check_references()
        overlay.check_pods()
        overlay.check_selectors()
        overlay.check_ingresses()
        overlay.check_apps(manifest)
        overlay.check_runtime_config(manifest)
        overlay.check_urls_of_redis()
        overlay.check_secrets_of_backup()
        check_scraping(overlay)
        count += len(objects)
    check_watch(manifest)
    check_cloud(manifest)
    check_collector()
    check_logrotate()
    check_container()
    check_scripts()
    for each in problems:
        print(each)
    if problems:
        sys.exit(f"deploy: {len(problems)} problems")
    print(f"deploy: {count} objects of Kubernetes are as they should be")


if __name__ == "__main__":
    main()
