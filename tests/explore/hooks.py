"""Who asks what when schemathesis explores a service. tests/explore.rs makes the people and says who they are.

Requests that end a token or an account have one of their own each time, so that those after them find somebody signed
in. What exists has small ids, and about half of all ids are made small, so that half of all requests find something.
"""

import itertools
import json
import os

import requests
import schemathesis

SETTING = json.loads(os.environ["MAYDAY_SETTING"])
API = SETTING["api"]
numbers = itertools.count(1)


def post(path, body, token=None, method="POST"):
    headers = {"X-Forwarded-For": address()}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    answer = requests.request(method, API + path, json=body, headers=headers, timeout=10)
    answer.raise_for_status()
    return answer.json()


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


@schemathesis.hook
def before_call(context, case, kwargs):
    token, password = who(case.operation)
    case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}", "X-Forwarded-For": address()}
    number = next(numbers)
    if password and isinstance(case.body, dict) and number % 2:
        for name in ("password", "oldPassword"):
            if name in case.body:
                case.body[name] = password
    for name, value in (case.path_parameters or {}).items():
        if number % 2 and isinstance(value, (int, str)):
            case.path_parameters[name] = existing(case.operation, name, number)


def existing(operation, name, number):
    """Something that probably exists, and that the people of the exploration do not need."""
    if SETTING["service"] == "messenger":
        return SETTING["chats"][number % len(SETTING["chats"])]
    if operation.path.startswith("/admin/agencies/") or operation.path.startswith("/admin/users/"):
        return SETTING["spare"] + number % 20
    return 1 + number % 20
