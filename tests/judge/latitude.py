#!/usr/bin/env python3
"""The official Python client of Latitude.sh (latitudesh-python-sdk) as a judge, of both sides.

    latitude.py bodies FOLDER     each order and each action that the tests kept there is one that the client would send
    latitude.py life SIMULATOR…   the client leads servers' lives on the simulator's stub, and reads whatever it answers

The client's own models do the judging. They pass over what they do not know, take a null for anything that may be
absent, and let words of their lists be others, so that is looked for here: a field that is none of the model's, a
null where a value must be, a value that had to be changed to fit, a word that the client does not know, a date that is
none, a resource without its parts. Before anything else the judge is judged, with bad bodies and bad answers.
"""

import copy
import datetime
import enum
import json
import time
import typing

import httpx
from latitudesh_python_sdk import Latitudesh, models
from latitudesh_python_sdk.types import UNSET, BaseModel, Nullable, OptionalNullable

from common import MOMENT, run, served

# Of the fixture.
TOKEN = "lat_0123456789abcdef"


def is_nullable(field):
    return typing.get_origin(field.annotation) in (Nullable, OptionalNullable)


def enums(annotation):
    """The lists of words in a type."""
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        yield annotation
    # What an alias such as OptionalNullable stands for is in its arguments too.
    for inner in typing.get_args(annotation):
        yield from enums(inner)


def strangers(value, read, at=""):
    """What is in the JSON and not in what a model read of it."""
    if isinstance(read, type(UNSET)):
        # The model of what is absent has no fields, and takes any object.
        yield f"{at}: {value!r} is read as nothing"
    elif isinstance(read, BaseModel):
        # A model without fields stands for an object of any.
        names = {field.alias or name: name for name, field in type(read).model_fields.items()}
        for name, inner in value.items() if names else []:
            here = f"{at}.{name}"
            if name not in names:
                yield f"{here} is unknown"
                continue
            field = type(read).model_fields[names[name]]
            inner_read = getattr(read, names[name])
            if inner is None:
                if not is_nullable(field):
                    yield f"{here} is null"
            elif name.endswith("_at") and not (isinstance(inner, str) and MOMENT.fullmatch(inner)):
                yield f"{here}: {inner!r} is no date"
            else:
                known = [word.value for words in enums(field.annotation) for word in words]
                inners = inner if isinstance(inner, list) else [inner]
                if known and any(isinstance(one, str) and one not in known for one in inners):
                    yield f"{here}: {inner!r} is none of {known}"
                yield from strangers(inner, inner_read, here)
    elif isinstance(read, list):
        for number, (inner, inner_read) in enumerate(zip(value, read, strict=True)):
            yield from strangers(inner, inner_read, f"{at}[{number}]")
    elif isinstance(read, dict):
        for name, inner in value.items():
            yield from strangers(inner, read[name], f"{at}.{name}")
    elif isinstance(read, datetime.datetime):
        if not isinstance(value, str) or not MOMENT.fullmatch(value):
            yield f"{at}: {value!r} is no date"
    else:
        plain = read.value if isinstance(read, enum.Enum) else read
        if plain != value or isinstance(plain, bool) != isinstance(value, bool):
            yield f"{at}: {value!r} is read as {plain!r}"


def parts_missing(body, is_answer):
    """The parts of JSON:API resources that the models do not insist upon."""
    data = body.get("data")
    resources = data if is_answer and isinstance(data, list) else [data]
    for number, resource in enumerate(resources):
        for part in ["id", "type", "attributes"] if is_answer else ["type", "attributes"]:
            if not isinstance(resource, dict) or not resource.get(part):
                yield f".data[{number}] lacks {part}"


def faults(model, body, is_answer=False):
    """What is wrong with a body of this model."""
    try:
        read = model.model_validate_json(json.dumps(body))
    except ValueError as error:
        return [str(error)]
    found = list(strangers(body, read))
    if model is not models.ErrorObjectData:
        found += parts_missing(body, is_answer)
    return found


# --- The judge, judged -------------------------------------------------------------------------------------

Order = models.CreateServerServersRequestBody
Update = models.UpdateServerServersRequestBody
Action = models.CreateServerActionServersRequestBody
Key = models.PostSSHKeySSHKeysRequestBody
UserData = models.PostUserDataUserDataRequestBody
Tag = models.CreateTagTagsRequestBody

WITHOUT = object()


def resource(kind, **attributes):
    return {"data": {"type": kind, "attributes": attributes}}


def changed(body, path, value):
    """The body with another value at the path, or with none."""
    body = copy.deepcopy(body)
    *outer, last = path.split(".")
    inner = body
    for name in outer:
        inner = inner[int(name)] if isinstance(inner, list) else inner[name]
    if value is WITHOUT:
        del inner[last]
    else:
        inner[last] = value
    return body


ORDER = resource(
    "servers",
    project="private-cloud",
    plan="c3-small-x86",
    site="CHI",
    operating_system="ubuntu_24_04_x64_lts",
    hostname="one-7",
    ssh_keys=["ssh_ffffffffffff1"],
    user_data=None,
    raid="raid-1",
    disk_layout=[{"count": 2, "role": "os", "raid_level": None}],
    billing="hourly",
)
BAD_ORDERS = [
    ("data", WITHOUT),
    ("data.type", WITHOUT),
    ("data.type", "server"),
    ("data.attributes", WITHOUT),
    ("data.attributes.tags", ["tag_1"]),
    ("data.attributes.region", "CHI"),
    ("data.attributes.project", WITHOUT),
    ("data.attributes.project", 7),
    ("data.attributes.plan", WITHOUT),
    ("data.attributes.plan", "c3.small.x86"),
    ("data.attributes.site", None),
    ("data.attributes.site", "chi"),
    ("data.attributes.operating_system", "beos"),
    ("data.attributes.hostname", WITHOUT),
    ("data.attributes.hostname", None),
    ("data.attributes.ssh_keys", "ssh_ffffffffffff1"),
    ("data.attributes.ssh_keys", [1]),
    ("data.attributes.ssh_keys", [None]),
    ("data.attributes.user_data", {"content": "IyE="}),
    ("data.attributes.raid", "raid-7"),
    ("data.attributes.billing", "weekly"),
    ("data.attributes.persistent_netboot", "yes"),
    ("data.attributes.persistent_netboot", None),
    ("data.attributes.disk_layout", [{"count": "2", "role": "os"}]),
    ("data.attributes.disk_layout", [{"count": 2, "role": "os", "raid": "raid-1"}]),
]
ACTION = resource("actions", action="power_off")
BAD_ACTIONS = [
    ("data", WITHOUT),
    ("data.type", "action"),
    ("data.attributes", WITHOUT),
    ("data.attributes.action", "power_cycle"),
    ("data.attributes.action", None),
    ("data.attributes.force", True),
]
SERVER = {
    "data": {
        "id": "sv_1",
        "type": "servers",
        "attributes": {
            "status": "on",
            "tags": [{"id": "tag_1", "name": "one", "description": None}],
            "created_at": "2030-01-01T00:00:00+00:00",
            "scheduled_deletion_at": None,
            "locked": False,
            "ipmi_status": "Normal",
            "price": 1,
            "region": {"city": "Chicago", "site": {"slug": "CHI"}},
        },
    },
    "meta": {},
}
BAD_SERVERS = [
    ("data", WITHOUT),
    ("data.id", WITHOUT),
    ("data.id", 18912),
    ("data.type", WITHOUT),
    ("data.attributes", WITHOUT),
    ("data.attributes.stat", "on"),
    ("data.attributes.status", None),
    ("data.attributes.tags", ["tag_1"]),
    ("data.attributes.tags.0.name", None),
    ("data.attributes.tags.0.colour", "#ffffff"),
    ("data.attributes.created_at", "2030-01-01 00:00:00"),
    ("data.attributes.created_at", 1922292000),
    ("data.attributes.scheduled_deletion_at", ""),
    ("data.attributes.locked", "false"),
    ("data.attributes.locked", 0),
    ("data.attributes.ipmi_status", "normal"),
    ("data.attributes.price", "1"),
    ("data.attributes.region.site.name", None),
    ("data.attributes.region.site.code", "CHI"),
]
REFUSAL = {"errors": [{"code": None, "status": "404", "detail": "none", "meta": {"retry_after": 60}}]}
BAD_REFUSALS = [
    ("errors", {"code": "not_found"}),
    ("errors.0.status", 404),
    ("errors.0.detail", None),
    ("errors.0.message", "none"),
]


def judge_the_judge():
    for what, model, good, bad in [
        ("orders", Order, ORDER, BAD_ORDERS),
        ("actions", Action, ACTION, BAD_ACTIONS),
        ("answers", models.Server, SERVER, BAD_SERVERS),
        ("refusals", models.ErrorObjectData, REFUSAL, BAD_REFUSALS),
    ]:
        is_answer = what == "answers"
        assert not faults(model, good, is_answer), faults(model, good, is_answer)
        for path, value in bad:
            found = faults(model, changed(good, path, value), is_answer)
            shown = "without" if value is WITHOUT else repr(value)
            assert found, f"one of the bad {what} passes: {path} {shown}"
        print(f"the judge knows {len(bad)} bad {what}")


# --- What the driver asks -----------------------------------------------------------------------------------


def judge_bodies(folder):
    for kind, model, operations in [
        ("order", Order, ["create"]),
        ("action", Action, ["power_on", "power_off", "reboot", "action"]),
    ]:
        files = [file for name in operations for file in sorted(folder.glob(f"{name}-*.json"))]
        # A folder with nothing in it would please every judge.
        assert files, f"no {kind} was kept in {folder}"
        for file in files:
            found = faults(model, json.loads(file.read_text()))
            assert not found, f"{file}: {file.read_text()}\n" + "\n".join(found)
        print(f"{len(files)} different bodies of kind {kind} are as the client's models have them")


# --- What the stub answers ----------------------------------------------------------------------------------


class Answers:
    """Calls of the client, each answer of which is compared with what its model read of it."""

    def __init__(self, url, token):
        # How many answers came, and the last one.
        self.count = 0
        self.last = None
        web = httpx.Client(event_hooks={"response": [self.keep]})
        self.client = Latitudesh(bearer=token, server_url=url, client=web)

    def keep(self, response):
        response.read()
        self.count += 1
        self.last = response

    def of(self, call, **options):
        answer = call(**options)
        # One of several pages, or the thing itself.
        read = getattr(answer, "result", answer)
        if read is not None:
            body = self.last.json()
            # Recordings have it in each answer, not all models do.
            if body.get("meta") == {}:
                del body["meta"]
            found = list(strangers(body, read)) + list(parts_missing(body, True))
            assert not found, f"{self.last.request.url}: {self.last.text}\n" + "\n".join(found)
        return answer

    def refusal(self, status, code, call, **options):
        """A call that is refused, in the way of the API."""
        try:
            call(**options)
        except models.ResponseValidationError:
            raise
        except models.LatitudeshError as error:
            assert error.status_code == status, error
            body = json.loads(error.body)
            found = faults(models.ErrorObjectData, body)
            assert not found, found
            assert [one["status"] for one in body["errors"]] == [str(status)], body
            assert body["errors"][0]["code"] == code, body
            return
        raise AssertionError(f"{call.__name__} was not refused")


def until(what, holds):
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, f"it never came to it: {what}"
        time.sleep(0.05)


def data_of(model, body):
    """The part of a body that calls of the client take, once it is judged itself."""
    assert not faults(model, body), faults(model, body)
    return body["data"]


def read_the_catalogue(answers):
    client = answers.client
    plans = answers.of(client.plans.list).data
    answers.of(client.plans.get, plan_id=plans[0].id)
    answers.of(client.tags.list)
    answers.of(client.user_profile.get)
    for call in [
        client.operating_systems.list,
        client.regions.list,
        client.projects.list,
        client.user_data.get_users_data,
    ]:
        assert answers.of(call).result.meta.stats is None
        counted = answers.of(call, stats_total="count").result
        assert counted.meta.stats.total.count == len(counted.data)
    keys = answers.of(client.ssh_keys.get_ssh_keys, stats_total="count")
    assert keys.meta.stats.total.count == len(keys.data)


def lead_lives(url):
    answers = Answers(url, TOKEN)
    client = answers.client
    servers = client.servers
    read_the_catalogue(answers)

    tag_body = data_of(Tag, resource("tags", name="one", color="#ffffff"))
    tag = answers.of(client.tags.create, data=tag_body).data.id
    answers.refusal(422, "VALIDATION_ERROR", client.tags.create, data=tag_body)
    project = {"project": "private-cloud"}
    body = data_of(Key, resource("ssh_keys", name="one", public_key="ssh-ed25519 AAAA", **project))
    key = answers.of(client.ssh_keys.post_ssh_key, data=body).data.id
    answers.of(client.ssh_keys.get_ssh_key, ssh_key_id=key)
    found = answers.of(client.ssh_keys.get_ssh_keys, filter_project="private-cloud")
    assert [one.id for one in found.data] == [key]
    body = data_of(UserData, resource("user_data", description="one", content="IyE=", **project))
    script = answers.of(client.user_data.post_user_data, data=body).data.id
    answers.of(client.user_data.get_user_data, user_data_id=script)
    found = answers.of(client.user_data.get_users_data, filter_project="private-cloud").result
    assert [one.id for one in found.data] == [script]

    def order(**change):
        attributes = {
            "project": "private-cloud",
            "plan": "c3-small-x86",
            "site": "CHI",
            "operating_system": "ubuntu_24_04_x64_lts",
            "ssh_keys": [key],
            "user_data": script,
        }
        return data_of(Order, resource("servers", **attributes | change))

    ids = [
        answers.of(servers.create, data=order(hostname=f"one-{number}")).data.id
        for number in range(3)
    ]
    refused = order(hostname="one-9", site="ASH")
    answers.refusal(422, "SERVERS_OUT_OF_STOCK", servers.create, data=refused)
    refused = order(hostname="one-9", project="none")
    answers.refusal(404, "not_found", servers.create, data=refused)

    def listed(**filters):
        page = answers.of(servers.list, **filters)
        found = []
        while page is not None:
            found += [one.id for one in page.result.data]
            page = answers.of(page.next)
        return found

    until("all are listed", lambda: len(listed()) == 3)
    assert listed(page_size=1) == listed(page_size=2) == ids
    count = answers.of(servers.list, stats_total="count").result.meta.stats.total.count
    assert count == 3, count
    assert listed(filter_hostname_eql="one-1") == [ids[1]]
    assert listed(filter_hostname_prefix="one-", filter_project="private-cloud") == ids

    def attributes(id):
        return answers.of(servers.get, server_id=id).data.attributes

    for id in ids:
        until("it is up", lambda: attributes(id).status == "on")
    body = resource("servers", hostname="node0", tags=[tag])
    body["data"]["id"] = ids[0]
    answers.of(servers.update, server_id=ids[0], data=data_of(Update, body))
    up = attributes(ids[0])
    assert (up.hostname, [one.name for one in up.tags]) == ("node0", ["one"])
    assert listed(filter_tags=tag) == [ids[0]]
    for action, status in [("reboot", "on"), ("power_off", "off"), ("power_on", "on")]:
        body = data_of(Action, resource("actions", action=action))
        answers.of(servers.actions, server_id=ids[0], data=body)
        until(action, lambda: attributes(ids[0]).status == status)

    assert answers.of(servers.lock, server_id=ids[0]).data.attributes.locked
    answers.refusal(403, "forbidden", servers.delete, server_id=ids[0])
    answers.of(servers.unlock, server_id=ids[0])
    answers.of(servers.schedule_deletion, server_id=ids[0])
    assert attributes(ids[0]).scheduled_deletion_at
    for id in ids:
        answers.of(servers.delete, server_id=id, reason="done")
    until("all are gone", lambda: not listed())
    for call in [servers.get, servers.delete]:
        answers.refusal(404, "not_found", call, server_id=ids[0])

    answers.of(client.ssh_keys.delete_ssh_key, ssh_key_id=key)
    answers.of(client.user_data.delete_user_data, user_data_id=script)
    answers.refusal(404, "not_found", client.ssh_keys.get_ssh_key, ssh_key_id=key)
    answers.refusal(404, "not_found", client.user_data.get_user_data, user_data_id=script)
    stranger = Answers(url, "wrong")
    stranger.refusal(401, "unauthorized", stranger.client.servers.list)
    print(f"the client led 3 servers through their lives, and read {answers.count + stranger.count} answers")


def judge_the_stub(program):
    command = [*program, "stub", "latitude", "--set", "lag=100"]
    with served(command) as output:
        lead_lives(output.readline().strip())


if __name__ == "__main__":
    run(__doc__, judge_the_judge, judge_bodies, judge_the_stub)
