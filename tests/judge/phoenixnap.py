#!/usr/bin/env python3
"""phoenixNAP's Python clients (pnap-bmc-api, pnap-tag-api, pnap-location-api) as a judge, of both sides.

    phoenixnap.py bodies FOLDER     each body that the tests kept there is one that the clients would send
    phoenixnap.py life SIMULATOR…   the clients lead servers' lives on the stub, and read whatever it answers

The clients' own models do the judging. They pass over what they do not know, so that is looked for here, and so are nulls
in requests, dates that are none, and words that only the models' descriptions list. There is no client of the billing
API, and none of the token server. Before anything else the judge is judged, with bad bodies and bad answers.
"""

import base64
import binascii
import copy
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request

import pnap_bmc_api
import pnap_location_api
import pnap_tag_api
from pnap_bmc_api.models import (
    ActionResult,
    Error,
    RebootRequest,
    RelinquishIpBlock,
    Server,
    ServerCreate,
    TagAssignmentRequest,
)
from pnap_tag_api.models import Tag, TagCreate
from pydantic import BaseModel

from common import run, served, strangers

# What the stub knows from its start.
CLIENT, SECRET = "client", "secret"
TOKEN_PATH = "/auth/realms/BMC/protocol/openid-connect/token"
# No server has it.
NOBODY = "6008c14dba6d0e7bdb157b7b"


def names_of(model, is_answer=True):
    """The fields of a model by their names in JSON."""
    fields = model.model_fields.items()
    # There the client gathers what it does not know.
    return {field.alias or name: name for name, field in fields if name != "additional_properties"}


def faults(model, body, is_answer=False):
    """What is wrong with a body of this model."""
    try:
        read = model.from_json(json.dumps(body))
    except (TypeError, ValueError) as error:
        return [str(error) or repr(error)]
    if not isinstance(read, BaseModel):
        return ["it is null"]
    return list(strangers(body, read, is_answer, names_of))


def words_of(model, name):
    """The words that the description of a field lists, as `PHX`."""
    words = re.findall(r"`([^`]+)`", model.model_fields[names_of(model)[name]].description)
    assert words, f"the description of {name} lists nothing"
    return words


def pattern_of(model, name):
    """The pattern that the description of a field ends with."""
    description = model.model_fields[names_of(model)[name]].description
    return re.search(r"Regex: (\S+\})", description).group(1)


def faults_of_words(model, body, names):
    for name in names:
        if name in body and not re.fullmatch(pattern_of(model, name), body[name]):
            yield f"{name}: {body[name]!r} is no {pattern_of(model, name)}"


def faults_of_an_order(body):
    found = faults(ServerCreate, body)
    if found:
        return found
    for name in ["os", "type", "location", "pricingModel", "networkType"]:
        # `NONE` of a network is listed too, for requests with `force`.
        if name in body and body[name] not in words_of(ServerCreate, name):
            found.append(f"{name}: {body[name]!r} is not listed")
    for tag in body.get("tags", []):
        found += faults_of_words(TagAssignmentRequest, tag, ["name", "value"])
    data = body.get("osConfiguration", {}).get("cloudInit", {}).get("userData", "")
    try:
        base64.b64decode(data, validate=True)
    except binascii.Error as error:
        found.append(f"userData: {error}")
    return found


def faults_of_a_tag(body):
    return faults(TagCreate, body) or list(faults_of_words(TagCreate, body, ["name"]))


def faults_of_a_leave(body):
    return faults(RelinquishIpBlock, body)


def faults_of_a_reboot(body):
    return faults(RebootRequest, body)


def faults_of_power(body):
    """The clients send none."""
    return [] if body == {} else [f"{body!r} is not empty"]


# --- The judge, judged -------------------------------------------------------------------------------------

ORDER = {
    "hostname": "one-7.example",
    "description": "OpenNebula",
    "os": "ubuntu/jammy",
    "type": "s1.c1.small",
    "location": "PHX",
    "installDefaultSshKeys": False,
    "sshKeys": ["ssh-ed25519 AAAA one@front-end"],
    "pricingModel": "HOURLY",
    "networkType": "PUBLIC_AND_PRIVATE",
    "osConfiguration": {"cloudInit": {"userData": "IyE="}},
    "tags": [{"name": "ONE_HOST", "value": "p-7"}],
}
WITHOUT = object()
BAD_ORDERS = [
    ("hostname", WITHOUT),
    ("hostname", None),
    ("hostname", "one 7"),
    ("hostname", "one_7"),
    ("hostname", "7"),
    ("hostname", "a" * 101),
    ("name", "one-7"),
    ("additional_properties", {}),
    ("description", "a" * 251),
    ("description", None),
    ("os", WITHOUT),
    ("os", "plan9"),
    ("type", WITHOUT),
    ("type", "c3.small.x86"),
    ("location", WITHOUT),
    ("location", "phx"),
    ("installDefaultSshKeys", "false"),
    ("sshKeys", "ssh-ed25519 AAAA"),
    ("sshKeys", [7]),
    ("sshKeyIds", "1"),
    ("pricingModel", "HOUR"),
    ("networkType", "PUBLIC"),
    ("osConfiguration", {"cloudinit": {"userData": "IyE="}}),
    ("osConfiguration", {"cloudInit": {"user_data": "IyE="}}),
    ("osConfiguration", {"cloudInit": {"userData": "#!"}}),
    ("osConfiguration", {"cloudInit": "IyE="}),
    ("tags", ["ONE_HOST"]),
    ("tags", "ONE_HOST"),
    ("tags", 7),
    ("tags", {"ONE_HOST": "p-7"}),
    ("tags", [{"value": "p-7"}]),
    ("tags", [{"name": "ONE_HOST", "value": 7}]),
    ("tags", [{"name": "ONE_HOST", "value": "p:7"}]),
    ("tags", [{"name": "ONE_HOST=p", "value": "7"}]),
    ("tags", [{"name": "ONE_HOST", "value": "a" * 101}]),
    ("tags", [{"name": "ONE_HOST", "value": "7", "isBillingTag": False}]),
    ("storageConfiguration", {"rootPartition": {"raid": "NO_RAID", "size": "all"}}),
    ("networkConfiguration", {"ipBlocksConfiguration": {"ipBlocks": [{"id": 7}]}}),
]
GOOD_OTHERS = [
    (faults_of_a_tag, {"name": "ONE_HOST", "isBillingTag": False, "description": "OpenNebula"}),
    (faults_of_a_leave, {"deleteIpBlocks": True}),
    (faults_of_a_reboot, {"bootType": "STANDARD"}),
    (faults_of_power, {}),
]
BAD_OTHERS = [
    (faults_of_a_tag, {"name": "ONE_HOST"}),
    (faults_of_a_tag, {"name": "ONE_HOST", "isBillingTag": "no"}),
    (faults_of_a_tag, {"name": "ONE.HOST", "isBillingTag": False}),
    (faults_of_a_tag, {"name": "", "isBillingTag": False}),
    (faults_of_a_tag, {"name": "ONE_HOST", "isBillingTag": False, "value": "7"}),
    (faults_of_a_tag, []),
    (faults_of_a_leave, {"deleteIpBlocks": "true"}),
    (faults_of_a_leave, {"delete_ip_blocks": True}),
    (faults_of_a_leave, {"deleteIpBlocks": None}),
    (faults_of_a_leave, None),
    (faults_of_a_reboot, {"type": "reboot"}),
    (faults_of_a_reboot, {"bootType": "HARD"}),
    (faults_of_power, {"force": True}),
]
SERVER = {
    "id": NOBODY,
    "status": "powered-on",
    "hostname": "one-7",
    "description": None,
    "os": "ubuntu/jammy",
    "type": "s1.c1.small",
    "location": "PHX",
    "cpu": "E-2276G",
    "cpuCount": 1,
    "coresPerCpu": 6,
    "cpuFrequency": 3.8,
    "ram": "64GB RAM",
    "storage": "2x 480GB SSD",
    "privateIpAddresses": ["10.0.0.11"],
    "pricingModel": "HOURLY",
    "networkConfiguration": {},
    "storageConfiguration": {},
}
BAD_SERVERS = [
    ("id", None),
    ("status", None),
    ("state", "powered-on"),
    ("hostname", WITHOUT),
    ("ram", 64),
    ("cpuCount", "1"),
    ("cpuFrequency", "3.8"),
    ("privateIpAddresses", []),
    ("privateIpAddresses", [None]),
    ("publicIpAddresses", "203.0.113.7"),
    ("provisionedOn", 1922292000),
    ("provisionedOn", "2030-11-30 18:00:00"),
    ("tags", [{"name": "ONE_HOST", "value": "7"}]),
    ("tags", [{"id": "1", "name": "ONE_HOST", "isBillingTag": None}]),
    ("networkConfiguration", None),
    ("networkConfiguration", {"ipBlocks": []}),
    ("storageConfiguration", {"rootPartition": {"size": "-1"}}),
]
BAD_ANSWERS = [
    (Error, {"errors": ["no"]}),
    (Error, {"message": None}),
    (Error, {"message": "no", "validationErrors": "no"}),
    (Error, {"message": "no", "code": 7}),
    (ActionResult, {}),
    (ActionResult, {"result": None}),
    (Tag, {"id": "1", "name": "ONE_HOST"}),
    (Tag, {"id": "1", "name": "ONE_HOST", "isBillingTag": False, "createdBy": "ME"}),
]


def changed(body, name, value):
    body = copy.deepcopy(body)
    if value is WITHOUT:
        del body[name]
    else:
        body[name] = value
    return body


def judge_the_judge():
    assert not faults_of_an_order(ORDER), faults_of_an_order(ORDER)
    for name, value in BAD_ORDERS:
        order = changed(ORDER, name, value)
        assert faults_of_an_order(order), f"a bad order passes: {name} {value!r}"
    for judge, body in GOOD_OTHERS:
        assert not judge(body), judge(body)
    for judge, body in BAD_OTHERS:
        assert judge(body), f"a bad body passes {judge.__name__}: {body}"
    assert not faults(Server, SERVER, is_answer=True), faults(Server, SERVER, is_answer=True)
    for name, value in BAD_SERVERS:
        server = changed(SERVER, name, value)
        assert faults(Server, server, is_answer=True), f"a bad answer passes: {name} {value!r}"
    for model, body in BAD_ANSWERS:
        assert faults(model, body, is_answer=True), f"a bad answer passes: {body}"
    print(
        f"the judge knows {len(BAD_ORDERS)} bad orders, {len(BAD_OTHERS)} other bad bodies"
        f" and {len(BAD_SERVERS) + len(BAD_ANSWERS)} bad answers"
    )


# --- What the driver asks -----------------------------------------------------------------------------------

# By the operation in a file's name. What is no server's business, and has a body, is a new tag.
JUDGES = {
    "create": faults_of_an_order,
    "delete": faults_of_a_leave,
    "api": faults_of_a_tag,
    "reboot": faults_of_a_reboot,
    "power_on": faults_of_power,
    "power_off": faults_of_power,
}


def judge_bodies(folder):
    kinds = {kind: sorted(folder.glob(f"{kind}-*.json")) for kind in JUDGES}
    # A folder with nothing in it would please every judge.
    assert kinds["create"], f"no order was kept in {folder}"
    unknown = set(folder.iterdir()) - {file for files in kinds.values() for file in files}
    assert not unknown, f"nobody judges {sorted(unknown)}"
    for kind, files in kinds.items():
        for file in files:
            found = JUDGES[kind](json.loads(file.read_text()))
            assert not found, f"{file}: {file.read_text()}\n" + "\n".join(found)
        print(f"{len(files)} different bodies of kind {kind} are as the clients' models have them")


# --- What the simulator answers -----------------------------------------------------------------------------


class Answers:
    """Calls of the clients, each answer of which is compared with what its model read of it."""

    def __init__(self):
        self.count = 0

    def of(self, call, *arguments, **options):
        answer = call(*arguments, **options)
        self.count += 1
        found = list(strangers(json.loads(answer.raw_data), answer.data, True, names_of))
        assert not found, f"{call.__name__}: " + "\n".join(found)
        return answer.data

    def refusal(self, status, call, *arguments, **options):
        """A call that is refused, in the way of the API."""
        try:
            call(*arguments, **options)
        except (pnap_bmc_api.ApiException, pnap_tag_api.ApiException) as error:
            self.count += 1
            assert error.status == status, error
            found = faults(Error, json.loads(error.body), is_answer=True)
            assert not found, found
            return json.loads(error.body)
        raise AssertionError(f"{call.__name__} was not refused")


def token_of(url, form, basic=None):
    """The token server's status and answer: the clients want a token, and leave it to others to fetch one."""
    body = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(url + TOKEN_PATH, data=body)
    if basic:
        request.add_header("Authorization", "Basic " + base64.b64encode(basic.encode()).decode())
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Clients:
    """The APIs, with one token for all."""

    def __init__(self, url):
        grant = {"grant_type": "client_credentials"}
        for basic, form in [
            (f"{CLIENT}:wrong", grant),
            (None, grant | {"client_id": CLIENT}),
            (f"{CLIENT}:{SECRET}", {"grant_type": "password"}),
        ]:
            status, answer = token_of(url, form, basic)
            assert status in (400, 401) and set(answer) == {"error", "error_description"}, answer
        status, answer = token_of(url, grant, f"{CLIENT}:{SECRET}")
        # RFC 6749, section 5.1.
        assert status == 200 and answer["token_type"] == "Bearer", answer
        assert isinstance(answer["access_token"], str) and isinstance(answer["expires_in"], int), answer
        self.token = answer["access_token"]
        # The token's secret in the form does as well.
        secret = grant | {"client_id": CLIENT, "client_secret": SECRET}
        assert token_of(url, secret)[0] == 200
        self.servers = pnap_bmc_api.ServersApi(self.client(pnap_bmc_api, url + "/bmc/v1"))
        self.tags = pnap_tag_api.TagsApi(self.client(pnap_tag_api, url + "/tag-manager/v1"))
        self.locations = pnap_location_api.LocationsApi(
            self.client(pnap_location_api, url + "/location-api/v1")
        )

    def client(self, package, url):
        configuration = package.Configuration(host=url, access_token=self.token, retries=False)
        return package.ApiClient(configuration)


def tags_of_life(answers, clients):
    """A tag is made, once."""
    tags = clients.tags
    assert answers.of(tags.tags_get_with_http_info, name="ONE_HOST") == []
    new = TagCreate.from_json('{"name": "ONE_HOST", "isBillingTag": false}')
    made = answers.of(tags.tags_post_with_http_info, new)
    assert made.name == "ONE_HOST" and made.is_billing_tag is False
    listed = answers.of(tags.tags_get_with_http_info, name="ONE_HOST")
    assert [tag.id for tag in listed] == [made.id]
    assert len(answers.of(tags.tags_get_with_http_info)) > 1
    answers.refusal(409, tags.tags_post, new)
    bad = TagCreate.from_json('{"name": "ONE:HOST", "isBillingTag": false}')
    assert answers.refusal(400, tags.tags_post, bad)["validationErrors"]


def order_of(**changes):
    order = ORDER | changes
    assert not faults_of_an_order(order), faults_of_an_order(order)
    return ServerCreate.from_json(json.dumps(order))


def lead_lives(answers, clients):
    api = clients.servers

    def until(condition, what):
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, what
            time.sleep(0.02)

    def look(id):
        return answers.of(api.servers_server_id_get_with_http_info, id)

    def come_to(id, status):
        until(lambda: look(id).status == status, f"{id} is not {status}")

    def order(number, **changes):
        tags = [{"name": "ONE_HOST", "value": f"p-{number}"}, {"name": "Environment"}]
        request = order_of(hostname=f"node{number}", tags=tags, **changes)
        server = answers.of(api.servers_post_with_http_info, request)
        assert server.status == "creating" and server.hostname == f"node{number}", server
        return server.id

    def listed(**options):
        return {server.id for server in answers.of(api.servers_get_with_http_info, **options)}

    ids = [order(0), order(1), order(2, pricingModel="ONE_MONTH_RESERVATION")]
    # A listing lags behind.
    until(lambda: listed() == set(ids), "servers that were ordered are not listed")
    assert listed(tag=["Environment"]) == set(ids)
    assert listed(tag=["ONE_HOST.p-1"]) == {ids[1]}
    for tags in [["ONE_HOST.p"], ["ONE_HOST.p-1", "ONE_HOST.p-2"]]:
        assert listed(tag=tags) == set()

    come_to(ids[0], "powered-on")
    up = look(ids[0])
    assert up.public_ip_addresses and {tag.value for tag in up.tags} == {"p-0", None}
    for call, status in [
        (api.servers_server_id_actions_reboot_post_with_http_info, "powered-on"),
        (api.servers_server_id_actions_power_off_post_with_http_info, "powered-off"),
        (api.servers_server_id_actions_power_on_post_with_http_info, "powered-on"),
        (api.servers_server_id_actions_shutdown_post_with_http_info, "powered-off"),
    ]:
        answers.of(call, ids[0])
        answers.refusal(409, api.servers_server_id_actions_reboot_post, ids[0])
        come_to(ids[0], status)
    answers.refusal(409, api.servers_server_id_actions_power_off_post, ids[0])

    leave = RelinquishIpBlock.from_json('{"deleteIpBlocks": true}')
    for id in ids[1:]:
        come_to(id, "powered-on")
    for id in ids:
        answers.of(api.servers_server_id_actions_deprovision_post_with_http_info, id, leave)
    # What is paid for a month stays.
    until(lambda: listed() == {ids[2]}, "servers that were deprovisioned are still there")
    come_to(ids[2], "reserved")
    for id in [ids[0], NOBODY]:
        answers.refusal(403, api.servers_server_id_get, id)
        answers.refusal(403, api.servers_server_id_actions_power_on_post, id)
        answers.refusal(403, api.servers_server_id_actions_deprovision_post, id, leave)
    return len(ids)


def be_refused(answers, clients):
    api = clients.servers
    answers.refusal(406, api.servers_post, order_of(type="d2.c5.large"))
    for changes in [
        {"type": "d3.m6.xlarge"},
        {"location": "SGP"},
        {"tags": [{"name": "ONE_OTHER"}]},
        {"os": "esxi/esxi80"},
    ]:
        refusal = answers.refusal(400, api.servers_post, order_of(**changes))
        assert refusal["validationErrors"], refusal
    for call in [api.servers_get, clients.tags.tags_get]:
        call.__self__.api_client.configuration.access_token = "wrong"
        answers.refusal(401, call)


def lead_a_life(url):
    answers, clients = Answers(), Clients(url)
    locations = clients.locations.get_locations_with_http_info
    assert {one.location.value for one in answers.of(locations)} > {"PHX"}
    tags_of_life(answers, clients)
    count = lead_lives(answers, clients)
    be_refused(answers, clients)
    print(f"the clients led {count} servers through their lives, and read {answers.count} answers")


def judge_the_simulator(program):
    # Long enough for what is on its way to be seen.
    command = [*program, "stub", "phoenixnap"]
    for name in ["creating", "powering", "leaving", "lag"]:
        command += ["--set", f"{name}=300"]
    with served(command) as output:
        lead_a_life(output.readline().strip())


if __name__ == "__main__":
    run(__doc__, judge_the_judge, judge_bodies, judge_the_simulator)
