"""Who asks what when schemathesis explores a service. tests/explore.rs makes the people and says who they are, and
whether they ask or strangers do.

Requests that end a token or an account have one of their own each time, so that those after them find somebody signed
in. What exists has small ids, and about half of all ids are made small, so that half of all requests find something.
"""

import itertools
import json
import os

import requests
import schemathesis

SETTING = json.loads(os.environ["MAYDAY_SETTING"])
EXCHANGES = os.environ["MAYDAY_EXCHANGES"]
API = SETTING["api"]
numbers = itertools.count(1)
# Counts requests only. `numbers` also counts addresses, so for requests it was always even.
turns = itertools.count()


def post(path, body, token=None, method="POST"):
    headers = {"X-Forwarded-For": address()}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    answer = requests.request(method, API + path, json=body, headers=headers, timeout=10)
    write_down(answer)
    answer.raise_for_status()
    return answer.json()


def write_down(answer):
    """Writes down what was sent and answered. tests/explore.rs searches the logs for what is secret in it."""
    exchange = {
        "url": answer.request.url,
        "authorization": answer.request.headers.get("Authorization"),
        "sent": without_numbers(answer.request.body),
        "answered": without_numbers(answer.content),
    }
    # UTF-8 has no halves of surrogate pairs, which requests may have.
    line = json.dumps(exchange, ensure_ascii=False).encode(errors="replace") + b"\n"
    with open(EXCHANGES, "ab", buffering=0) as exchanges:
        exchanges.write(line)


def without_numbers(body):
    """What is JSON, without its numbers: a log holds random ones by chance."""
    try:
        nothing = {name: lambda _: None for name in ("parse_int", "parse_float", "parse_constant")}
        return json.loads(body or "null", **nothing)
    except (TypeError, ValueError):
        return None


def address():
    """Of another client each time: an address is throttled that guesses passwords."""
    number = next(numbers)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def new_guest():
    """A participant with a password that is known."""
    guest = post("/participant/auth/guest", {})
    return guest["token"], guest["password"]


def new_owner():
    """The owner of an approved agency."""
    name = f"Own {next(numbers)}"
    owner = {**SETTING["owner"], "email": f"own{next(numbers)}@example.org"}
    agency = {"name": name, "address": "Rynek 1", "website": "https://example.org"}
    agency = post("/organizer/agency", {"agency": agency, "owner": owner})
    approve = f"/organizer/admin/agencies/{agency['id']}/verify"
    post(approve, {"approved": True}, SETTING["tokens"]["superadmin"], method="PATCH")
    signed_in = post("/organizer/auth/sign-in", {"email": owner["email"], "password": owner["password"]})
    return signed_in["token"], owner["password"]


# Those that end a token or an account, or need the account's password.
OF_OWN_ACCOUNT = ("signOut", "changePassword", "deleteAgency", "setUpSecondFactor", "removeSecondFactor")


def who(operation):
    """The token for a request, and the password if the account is its own."""
    path, name = operation.path, operation.definition.raw["operationId"]
    tokens = SETTING["tokens"]
    if SCHEMES[operation.label] == ["serviceKey"]:
        return SETTING["key"], None
    match SETTING["service"]:
        case "organizer" if name in OF_OWN_ACCOUNT:
            return new_owner()
        case "organizer" if path.startswith("/admin/") or name == "previewAgency":
            return tokens["superadmin"], None
        case "participant" if name in ("signOut", "changePassword", "deleteProfile"):
            return new_guest()
        case "participant":
            return tokens["participant"], None
        case "messenger" if path.startswith("/participant/"):
            return tokens["participant"], None
        case _:
            return tokens["owner"], None


# The kinds of tokens and keys that each operation takes; none if it is open to everybody.
SCHEMES = {}

# In how many ways somebody has no right to ask.
WAYS = 6


def of_stranger(operation, number):
    """What somebody sends as authorization who has no right to ask: nothing, or what is wrong."""
    if not SCHEMES[operation.label]:
        return None
    right, foreign = SETTING["tokens"]["owner"], SETTING["tokens"]["participant"]
    if "participantToken" in SCHEMES[operation.label]:
        right, foreign = foreign, right
    signed, _ = right.rsplit(".", 1)
    wrong = [None, "Bearer a.b.c", f"Bearer {signed}.{'A' * 43}", f"Bearer {foreign}", f"Basic {right}", right]
    return wrong[number % WAYS]


# Stands for an empty answer.
EMPTY = "(empty)"


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Notes what tokens operations take. Schemathesis does not know `x-empty-when`, by which a document says that JSON
    may be missing."""
    paths = raw_schema["paths"].items()
    operations = {
        f"{name.upper()} {path}": part for path, parts in paths for name, part in parts.items() if name != "parameters"
    }
    for label, operation in operations.items():
        alternatives = operation.get("security", raw_schema.get("security", []))
        is_open = {} in alternatives
        SCHEMES[label] = [] if is_open else [name for alternative in alternatives for name in alternative]
    for answer in (answer for operation in operations.values() for answer in operation["responses"].values()):
        if "x-empty-when" in answer:
            content = answer["content"]["application/json"]
            content["schema"] = {"anyOf": [content["schema"], {"const": EMPTY}]}


@schemathesis.deserializer("application/json")
def from_json(context, response):
    return response.json() if response.content else EMPTY


@schemathesis.hook
def before_call(context, case, kwargs):
    turn = next(turns)
    number = turn // 2
    case.headers = {**(case.headers or {}), "X-Forwarded-For": address()}
    if SETTING["strangers"]:
        case.headers.pop("Authorization", None)
        authorization, password = of_stranger(case.operation, number), None
    else:
        token, password = who(case.operation)
        authorization = f"Bearer {token}"
    if authorization:
        case.headers["Authorization"] = authorization
    if turn % 2:
        # One more after each round of strangers, so that each way meets all that exists.
        use_existing(case, password, number + number // WAYS)


@schemathesis.hook
def after_call(context, case, response):
    write_down(response)


def use_existing(case, password, number):
    """Makes a request one that can succeed: with the password of the account, and ids of what exists."""
    if password and isinstance(case.body, dict):
        for name in ("password", "oldPassword"):
            if name in case.body:
                case.body[name] = password
    for name, value in (case.path_parameters or {}).items():
        if isinstance(value, (int, str)):
            case.path_parameters[name] = existing(case.operation, number)


def existing(operation, number):
    """Something that probably exists, and that the people of the exploration do not need."""
    if SETTING["service"] == "messenger":
        return SETTING["chats"][number % len(SETTING["chats"])]
    if operation.path.startswith("/admin/agencies/") or operation.path.startswith("/admin/users/"):
        return SETTING["spare"] + number % 20
    return 1 + number % 20


@schemathesis.check
class StrangersAreRefused:
    """Whatever else may be wrong with a request: a stranger is told neither that nor what exists. Strangers ask for
    everything that needs a token."""

    def __init__(self):
        self.refused = set()

    def after_response(self, context, response, case):
        if SCHEMES[case.operation.label]:
            assert response.status_code in (401, 403), f"a stranger is answered {response.status_code}"
            self.refused.add((case.operation.label, case.headers.get("Authorization")))

    def after_run(self, context):
        closed = {label for label, schemes in SCHEMES.items() if schemes}
        missed = closed - {label for label, _ in self.refused}
        assert closed and not missed, f"of {len(closed)} operations strangers have not asked for {sorted(missed)}"
        ways = {authorization for _, authorization in self.refused}
        assert len(ways) >= WAYS, f"strangers have asked in {len(ways)} ways only"
