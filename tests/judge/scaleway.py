#!/usr/bin/env python3
"""Scaleway's Python client (scaleway) as a judge, of both sides.

    scaleway.py bodies FOLDER     each order and power action that the tests kept there is one the client would send
    scaleway.py life SIMULATOR…   the client leads servers' lives on the stub, and reads whatever it answers

The client's models say of each field what it is, but nothing in the client minds: it passes over what it does not
know, and gives None for what is missing. So their annotations are held against the JSON here. Before anything else the
judge is judged, with bad bodies and bad answers.
"""

import copy
import dataclasses
import datetime
import enum
import json
import sys
import time
import types
import typing

from common import MOMENT, run, served

# A script finds what stands beside it first, and this one has the client's name.
sys.path.pop(0)

from scaleway import Client, ScalewayException
from scaleway.baremetal.v1 import (
    BaremetalV1API,
    CreateServerRequestInstall,
    IPVersion,
    ListServersResponse,
    OfferStock,
    OfferSubscriptionPeriod,
    Server,
    ServerBootType,
    ServerInstallStatus,
    ServerStatus,
)
from scaleway.baremetal.v1.marshalling import unmarshal_Server
from scaleway.iam.v1alpha1 import IamV1Alpha1API
from scaleway_core.utils import WaitForOptions

# What the stub knows from its start.
SECRET = "11111111-2222-4333-8444-555555555555"
PROJECT = "dddddddd-0000-4000-8000-000000000001"
UBUNTU = "bbbbbbbb-0000-4000-8000-000000000001"
KEY = "cccccccc-0000-4000-8000-000000000001"
HOURLY, WITHOUT_CLOUD_INIT, SOLD_OUT = (
    f"aaaaaaaa-0000-4000-8000-00000000000{number}" for number in (1, 3, 4)
)
ZONE = "fr-par-2"
# No object has it.
NOBODY = "eeeeeeee-0000-4000-8000-000000000001"


# The generator of the client spoiled these two (i_pv4). The API has them so, by its description and as recorded.
WORDS = {IPVersion: ["IPv4", "IPv6"]}

# What stands beside `message` in an error of each type: as scw/errors.go of Scaleway's Go client has it. The Python
# client reads nothing of it.
ERRORS = {
    "invalid_arguments": {"details"},
    "quotas_exceeded": {"details"},
    "permissions_denied": {"details"},
    "transient_state": {"resource", "resource_id", "current_state"},
    "not_found": {"resource", "resource_id"},
    "locked": {"resource", "resource_id"},
    "out_of_stock": {"resource"},
    "resource_expired": {"resource", "resource_id", "expired_since"},
    "denied_authentication": {"method", "reason"},
    "precondition_failed": {"precondition", "help_message"},
}


def new_client(url, secret=SECRET):
    return Client(
        access_key="SCWXXXXXXXXXXXXXXXXX",
        secret_key=secret,
        api_url=url,
        default_project_id=PROJECT,
        default_zone=ZONE,
    )


def names_of(model):
    """The fields of a model by their names in JSON: `type` is no name in the client."""
    return {field.name.removesuffix("_"): field for field in dataclasses.fields(model)}


def strangers(value, kind, is_answer, at=""):
    """What of the JSON is not as the annotation has it."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        # Optional: the client has no other.
        (kind,) = (one for one in typing.get_args(kind) if one is not types.NoneType)
        if value is None and is_answer:
            return
    if value is None:
        yield f"{at} is null"
    elif dataclasses.is_dataclass(kind):
        yield from strangers_of_a_model(value, kind, is_answer, at)
    elif typing.get_origin(kind) is list:
        if not isinstance(value, list):
            yield f"{at}: {value!r} is no list"
            return
        (inner,) = typing.get_args(kind)
        for number, one in enumerate(value):
            yield from strangers(one, inner, is_answer, f"{at}[{number}]")
    elif kind is datetime.datetime:
        if not isinstance(value, str) or not MOMENT.fullmatch(value):
            yield f"{at}: {value!r} is no date"
    elif issubclass(kind, enum.Enum):
        if value not in WORDS.get(kind, [one.value for one in kind]):
            yield f"{at}: {value!r} is no {kind.__name__}"
    elif type(value) is not kind and not (kind is float and type(value) is int):
        yield f"{at}: {value!r} is no {kind.__name__}"


def strangers_of_a_model(value, model, is_answer, at):
    if not isinstance(value, dict):
        yield f"{at}: {value!r} is no {model.__name__}"
        return
    fields, kinds = names_of(model), typing.get_type_hints(model)
    for name, inner in value.items():
        if name in fields:
            yield from strangers(inner, kinds[fields[name].name], is_answer, f"{at}.{name}")
        else:
            yield f"{at}.{name} is unknown"
    for name, field in fields.items():
        is_needed = field.default is field.default_factory is dataclasses.MISSING
        if is_needed and name not in value:
            yield f"{at}.{name} is missing"


def faults_of_an_error(body):
    """What is wrong with the body of a refusal."""
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        return ["it has no message"]
    names = ERRORS.get(body.get("type"), set())
    if "type" in body and not names:
        return [f"{body['type']!r} is no type of an error"]
    wrong = (names | {"message"}) ^ (set(body) - {"type"})
    return [f"{name} is missing or unknown" for name in sorted(wrong)]


# --- What the client would send -----------------------------------------------------------------------------


class Sent(Exception):
    """What the client was about to send."""


class Silent(BaremetalV1API):
    """The client, which raises what it would send."""

    def _request(self, method, path, params=None, headers=None, body=None):
        raise Sent(body or {})


SILENT = Silent(new_client("http://127.0.0.1"))
# The operations under which a stub keeps bodies, the calls that send such, and what these take beside the body.
CALLS = {
    "create": (SILENT.create_server, {}),
    "power_on": (SILENT.start_server, {"server_id": NOBODY}),
    "power_off": (SILENT.stop_server, {"server_id": NOBODY}),
    "reboot": (SILENT.reboot_server, {"server_id": NOBODY}),
}


def as_argument(value, kind):
    """JSON as an argument of a call: models where the annotation has such."""
    for one in (kind, *typing.get_args(kind)):
        if dataclasses.is_dataclass(one) and isinstance(value, dict):
            fields, kinds = names_of(one), typing.get_type_hints(one)
            named = {name: fields[name].name if name in fields else name for name in value}
            return one(**{named[name]: as_argument(inner, kinds.get(named[name])) for name, inner in value.items()})
        if typing.get_origin(one) is list and isinstance(value, list):
            return [as_argument(inner, *typing.get_args(one)) for inner in value]
    return value


def faults(operation, body):
    """What is wrong with the body of a request."""
    call, beside = CALLS[operation]
    kinds = typing.get_type_hints(call)
    if not isinstance(body, dict):
        return [f"{body!r} is no object"]
    found = []
    for name in kinds.keys() & body.keys():
        found += strangers(body[name], kinds[name], False, f".{name}")
    if found:
        return found
    try:
        call(**beside, **{name: as_argument(value, kinds.get(name)) for name, value in body.items()})
    except TypeError as error:
        # An argument that the call does not have, or that it needs.
        return [str(error)]
    except Sent as sent:
        (own,) = sent.args
    return [] if own == body else [f"the client would send {own}"]


# --- The judge, judged -------------------------------------------------------------------------------------

ORDER = {
    "offer_id": HOURLY,
    "project_id": PROJECT,
    "name": "node",
    "description": "",
    "protected": False,
    "tags": ["OpenNebula", "ONE_HOST_ID=7"],
    "install": {
        "os_id": UBUNTU,
        "hostname": "node",
        "ssh_key_ids": [KEY],
        "partitioning_schema": {
            "disks": [],
            "raids": [],
            "filesystems": [{"device": "/dev/md0", "format": "ext4", "mountpoint": "/"}],
            "zfs": {
                "pools": [
                    {"name": "one", "type": "no_raid", "devices": [], "options": [], "filesystem_options": []}
                ]
            },
        },
    },
    "user_data": "IyE=",
}
WITHOUT = object()
BAD_ORDERS = [
    ("offer_id", WITHOUT),
    ("offer_id", None),
    ("offer_id", 5),
    ("name", WITHOUT),
    ("description", WITHOUT),
    ("protected", WITHOUT),
    ("protected", 0),
    ("project_id", None),
    ("organization_id", PROJECT),
    ("zone", ZONE),
    ("hostname", "node"),
    ("tag", ["OpenNebula"]),
    ("tags", "OpenNebula"),
    ("tags", ["OpenNebula", 7]),
    ("tags", None),
    ("user_data", {"packages": []}),
    ("option_ids", None),
    ("install", None),
    ("install", UBUNTU),
    ("install.os_id", WITHOUT),
    ("install.ssh_key_ids", WITHOUT),
    ("install.ssh_key_ids", KEY),
    ("install.ssh_keys", [KEY]),
    ("install.user", None),
    ("install.partitioning_schema.disks", WITHOUT),
    ("install.partitioning_schema.zfs", {"pool": []}),
    ("install.partitioning_schema.filesystems", [{"device": "/", "format": "ext5", "mountpoint": "/"}]),
]
GOOD_ACTIONS = [
    ("power_off", {}),
    ("power_on", {"boot_type": "normal"}),
    ("reboot", {"boot_type": "normal", "ssh_key_ids": [KEY]}),
]
BAD_ACTIONS = [
    ("power_off", []),
    ("power_off", {"boot_type": "normal"}),
    ("power_off", {"server_id": NOBODY}),
    ("power_on", {"boot_type": "abnormal"}),
    ("power_on", {"boot_type": None}),
    ("power_on", {"zone": ZONE}),
    ("reboot", {"force": True}),
    ("reboot", {"ssh_key_ids": None}),
]
SERVER = {
    "id": NOBODY,
    "organization_id": PROJECT,
    "project_id": PROJECT,
    "name": "node",
    "description": "",
    "created_at": "2025-12-31T18:10:23.174032Z",
    "updated_at": None,
    "status": "ready",
    "offer_id": HOURLY,
    "offer_name": "EM-A116X-SSD",
    "tags": ["OpenNebula"],
    "ips": [
        {
            "id": NOBODY,
            "address": "192.0.2.1",
            "version": "IPv4",
            "reverse": "",
            "reverse_status": "unknown",
            "reverse_status_message": "",
        }
    ],
    "domain": "",
    "boot_type": "normal",
    "zone": ZONE,
    "install": None,
    "ping_status": "ping_status_up",
    "options": [],
    "rescue_server": None,
    "protected": False,
    "user_data": None,
}
BAD_SERVERS = [
    ("id", None),
    ("id", WITHOUT),
    ("project_id", None),
    ("protected", WITHOUT),
    ("protected", "false"),
    ("state", "ready"),
    ("status", "sleeping"),
    ("status", None),
    ("tags", None),
    ("tags", "OpenNebula"),
    ("created_at", 1767204623),
    ("created_at", "2025-12-31 18:10:23"),
    ("ips", [None]),
    ("ips", [SERVER["ips"][0] | {"version": "i_pv4"}]),
    ("ips", [{"address": "192.0.2.1"}]),
    ("install", {"os_id": UBUNTU}),
    ("install", UBUNTU),
]
GOOD_ERRORS = [
    {"message": "Not Found"},
    {"message": "", "type": "out_of_stock", "resource": HOURLY},
]
BAD_ERRORS = [
    None,
    {},
    {"message": None},
    {"error": "Not Found"},
    {"message": "", "type": "gone"},
    {"message": "", "type": None},
    {"message": "", "resource": "server"},
    {"message": "", "type": "not_found", "resource": "server"},
    {"message": "", "type": "locked", "resource": "server", "resource_id": NOBODY, "until": ""},
]


def changed(body, path, value):
    """A copy of a body with another value, or none, in one place."""
    body = copy.deepcopy(body)
    *folders, name = path.split(".")
    inner = body
    for folder in folders:
        inner = inner[folder]
    if value is WITHOUT:
        del inner[name]
    else:
        inner[name] = value
    return body


def judge_the_judge():
    assert not faults("create", ORDER), faults("create", ORDER)
    for name, value in BAD_ORDERS:
        assert faults("create", changed(ORDER, name, value)), f"a bad order passes: {name} {value!r}"
    for operation, action in GOOD_ACTIONS:
        assert not faults(operation, action), faults(operation, action)
    for operation, action in BAD_ACTIONS:
        assert faults(operation, action), f"a bad action passes: {operation} {action}"
    found = list(strangers(SERVER, Server, True))
    assert not found, found
    assert unmarshal_Server(SERVER).ips[0].address == "192.0.2.1"
    for name, value in BAD_SERVERS:
        server = changed(SERVER, name, value)
        assert list(strangers(server, Server, True)), f"a bad answer passes: {name} {value!r}"
        servers = {"total_count": 1, "servers": [server]}
        assert list(strangers(servers, ListServersResponse, True)), f"a bad list passes: {name} {value!r}"
    for error in GOOD_ERRORS:
        assert not faults_of_an_error(error), faults_of_an_error(error)
    for error in BAD_ERRORS:
        assert faults_of_an_error(error), f"a bad error passes: {error}"
    print(
        f"the judge knows {len(BAD_ORDERS)} bad orders, {len(BAD_ACTIONS)} bad actions,"
        f" {len(BAD_SERVERS)} bad answers and {len(BAD_ERRORS)} bad errors"
    )


# --- What the driver asks -----------------------------------------------------------------------------------


def judge_bodies(folder):
    files = sorted(folder.glob("*.json"))
    kinds = {operation: 0 for operation in CALLS}
    for file in files:
        operation = file.name.split("-")[0]
        if operation not in CALLS:
            continue
        found = faults(operation, json.loads(file.read_text()))
        assert not found, f"{file}: {file.read_text()}\n" + "\n".join(found)
        kinds[operation] += 1
    for operation, count in kinds.items():
        # A folder with nothing in it would please every judge.
        assert count, f"no {operation} was kept in {folder}"
        print(f"{count} different bodies of kind {operation} are as the client would send them")


# --- What the simulator answers -----------------------------------------------------------------------------


class Answers:
    """Calls of the client, each answer of which is held against the model that the client made of it."""

    def __init__(self):
        self.count = 0
        self.last = None

    def watch(self, api):
        """The same API, the answers of which are looked at."""
        request = api._request

        def watched(*arguments, **options):
            self.last = request(*arguments, **options)
            return self.last

        api._request = watched
        return api

    def of(self, call, **options):
        answer = call(**options)
        self.count += 1
        if answer is None:
            assert (self.last.status_code, self.last.content) == (204, b""), self.last.text
        else:
            found = list(strangers(self.last.json(), type(answer), True))
            assert not found, f"{call.__name__}: {self.last.text}\n" + "\n".join(found)
        return answer

    def refusal(self, status, type, call, **options):
        """A call that is refused with an error of this type, or of none, in the way of the API."""
        try:
            call(**options)
        except ScalewayException as error:
            self.count += 1
            body = error.response.json()
            found = faults_of_an_error(body)
            assert not found, f"{error}\n" + "\n".join(found)
            assert (error.status_code, body.get("type")) == (status, type), f"{error.status_code} {error}"
            # Scaleway's Go client reads no other.
            assert error.response.headers["Content-Type"] == "application/json"
            return body
        raise AssertionError(f"{call.__name__} was not refused")


def until(what, holds):
    """Asks until it holds, and returns what was said last."""
    end = time.monotonic() + 30
    while not (answer := holds()):
        assert time.monotonic() < end, f"it never was so: {what}"
        time.sleep(0.02)
    return answer


def order_of(number, **changes):
    install = CreateServerRequestInstall(os_id=UBUNTU, hostname=f"node{number}", ssh_key_ids=[KEY])
    order = {
        "offer_id": HOURLY,
        "name": f"node{number}",
        "description": "",
        "protected": False,
        "tags": ["ours", f"number={number}"],
        "install": install,
        "user_data": "IyE=",
    }
    return order | changes


def look_around(answers, api, iam):
    """The catalogue and the keys."""
    offers = answers.of(api.list_offers, page_size=1)
    assert offers.total_count > 1 and len(offers.offers) == 1
    all_offers = api.list_offers_all()
    assert len(all_offers) == offers.total_count
    assert {offer.stock for offer in all_offers} == set(OfferStock), "offers of every stock"
    for page in range(1, offers.total_count + 1):
        answers.of(api.list_offers, page_size=1, page=page)
    period = OfferSubscriptionPeriod.HOURLY
    hourly = answers.of(api.list_offers, subscription_period=period)
    assert {offer.subscription_period for offer in hourly.offers} == {period}
    assert any(one.id == UBUNTU and one.allowed for one in answers.of(api.list_os).os)

    made = answers.of(iam.create_ssh_key, name="a key", public_key="ssh-ed25519 AAAA a comment")
    assert (made.name, made.public_key, made.project_id) == ("a key", "ssh-ed25519 AAAA a comment", PROJECT)
    keys = answers.of(iam.list_ssh_keys, project_id=PROJECT)
    assert {key.id for key in keys.ssh_keys} == {KEY, made.id}
    assert answers.of(iam.list_ssh_keys, project_id=NOBODY).total_count == 0
    answers.of(iam.delete_ssh_key, ssh_key_id=made.id)
    answers.refusal(404, None, iam.delete_ssh_key, ssh_key_id=made.id)
    assert answers.of(iam.list_ssh_keys).total_count == 1
    answers.refusal(400, "invalid_arguments", iam.create_ssh_key, public_key="")


def be_refused(answers, api):
    """Orders that the API does not take."""
    for status, type, change in [
        (400, "invalid_arguments", {"name": ""}),
        (400, "invalid_arguments", {"zone": "mars-1"}),
        (404, "not_found", {"offer_id": NOBODY}),
        (404, "not_found", {"install": CreateServerRequestInstall(NOBODY, "node", [KEY])}),
        (404, "not_found", {"install": CreateServerRequestInstall(UBUNTU, "node", [KEY, NOBODY])}),
        (409, "out_of_stock", {"offer_id": SOLD_OUT}),
        (503, None, {"offer_id": WITHOUT_CLOUD_INIT}),
    ]:
        answers.refusal(status, type, api.create_server, **order_of(0, **change))
    assert answers.of(api.list_servers).total_count == 0, "what was refused is there"


def list_them(answers, api, ids):
    """Tags and pages."""
    listed = []
    for page in range(1, 5):
        found = answers.of(api.list_servers, tags=["ours"], page=page, page_size=1)
        assert found.total_count == 3, found.total_count
        listed += [server.id for server in found.servers]
    assert sorted(listed) == sorted(ids)
    assert len(api.list_servers_all(tags=["ours"])) == 3
    one = answers.of(api.list_servers, tags=["ours", "number=1"], project_id=PROJECT)
    assert [server.id for server in one.servers] == [ids[1]]
    for nobody in [{"tags": ["our"]}, {"project_id": NOBODY}, {"zone": "nl-ams-1"}]:
        assert answers.of(api.list_servers, **nobody).total_count == 0, nobody


def lead_a_life(url):
    answers = Answers()
    api = answers.watch(BaremetalV1API(new_client(url)))
    iam = answers.watch(IamV1Alpha1API(new_client(url)))
    look_around(answers, api, iam)
    be_refused(answers, api)

    def get(id):
        return answers.of(api.get_server, server_id=id)

    first = answers.of(api.create_server, **order_of(0))
    assert (first.status, first.ips, first.domain) == (ServerStatus.ORDERED, [], "")
    assert (first.name, first.tags, first.user_data) == ("node0", ["ours", "number=0"], "IyE=")
    # While it is being installed, it has its status already, and its addresses.
    busy = until("it is being installed", lambda: (server := get(first.id)).status == ServerStatus.READY and server)
    assert busy.install.status == ServerInstallStatus.INSTALLING and busy.ips
    answers.refusal(409, "transient_state", api.stop_server, server_id=first.id)
    second = answers.of(api.create_server, **order_of(1, protected=True))
    # Without an operating system.
    third = answers.of(api.create_server, **order_of(2, install=None, user_data=None))
    assert third.install is None
    ids = [first.id, second.id, third.id]
    until("all are listed", lambda: answers.of(api.list_servers).total_count == 3)
    list_them(answers, api, ids)

    is_installed = WaitForOptions(
        max_delay=1, stop=lambda server: server.install.status == ServerInstallStatus.COMPLETED
    )
    up = answers.of(api.wait_for_server, server_id=first.id, options=is_installed)
    assert (up.status, up.install.user) == (ServerStatus.READY, "ubuntu")
    assert up.install.ssh_key_ids == [KEY] and up.domain.startswith(up.id)
    assert sorted(address.version for address in up.ips) == ["IPv4", "IPv6"]
    normal = {"boot_type": ServerBootType.NORMAL}
    for call, options, at_once, then in [
        (api.stop_server, {}, ServerStatus.STOPPING, ServerStatus.STOPPED),
        (api.start_server, normal, ServerStatus.STARTING, ServerStatus.READY),
        (api.reboot_server, normal, ServerStatus.STOPPING, ServerStatus.READY),
    ]:
        assert answers.of(call, server_id=up.id, **options).status == at_once
        until(then, lambda: get(up.id).status == then)
    assert answers.of(api.list_server_events, server_id=up.id).events
    until("it is there without a system", lambda: get(third.id).status == ServerStatus.READY)

    answers.refusal(412, "precondition_failed", api.delete_server, server_id=second.id)
    for id in [first.id, third.id]:
        assert answers.of(api.delete_server, server_id=id).status == ServerStatus.DELETING
    until("the others are gone", lambda: answers.of(api.list_servers).total_count == 1)
    for call in [api.get_server, api.delete_server, api.stop_server, api.list_server_events]:
        answers.refusal(404, None, call, server_id=first.id)
    answers.refusal(404, None, api.get_server, server_id=second.id, zone="nl-ams-1")
    stranger = BaremetalV1API(new_client(url, secret=NOBODY))
    answers.refusal(401, "denied_authentication", stranger.get_server, server_id=second.id)
    print(f"the client led 3 servers through their lives, and read {answers.count} answers")


def judge_the_simulator(program):
    # Slow enough for each state to be seen; two pages of offers.
    options = ["installing=1000", "powering=100", "lag=100", "page=3"]
    command = [*program, "stub", "scaleway"]
    for option in options:
        command += ["--set", option]
    with served(command) as output:
        lead_a_life(output.readline().strip())


if __name__ == "__main__":
    run(__doc__, judge_the_judge, judge_bodies, judge_the_simulator)
