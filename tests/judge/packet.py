#!/usr/bin/env python3
"""The official Python client of the API (equinix-metal) as a judge, of both sides.

    packet.py bodies FOLDER     each order and each action that the tests kept there is one that the client would send
    packet.py life SIMULATOR…   the client leads machines' lives on the simulator, and reads whatever it answers

The client's own models do the judging. They pass over what they do not know, so that is looked for here: a field that
is none of the model's, a null, a date that is no text. Before anything else the judge is judged, with bad bodies and bad answers.
"""

import copy
import json
import time
import warnings

import equinix_metal
from equinix_metal.exceptions import ApiException, NotFoundException
from equinix_metal.models import CreateDeviceRequest, Device, DeviceActionInput, Error

from common import run, served, strangers

# The client's words about itself.
warnings.filterwarnings("ignore", message="Pydantic serializer warnings")


def names_of(model, is_answer):
    """The names of a model's fields, by their names in JSON."""
    fields = model.model_fields
    names = {field.alias or name: name for name, field in fields.items()}
    if not is_answer:
        # The generator of the client gives a link to everything.
        names.pop("href", None)
    return names


def faults(model, body, is_answer=False):
    """What is wrong with a body of this model."""
    try:
        read = model.from_json(json.dumps(body))
    except ValueError as error:
        return [str(error)]
    return list(strangers(body, read, is_answer, names_of))


# --- The judge, judged -------------------------------------------------------------------------------------

ORDER = {
    "facility": ["ny5", "any"],
    "plan": "c3.small.x86",
    "operating_system": "debian_12",
    "tags": ["OpenNebula", "ONE_HOST_ID=7"],
    "customdata": {"a": [1, None]},
    "ip_addresses": [{"address_family": 4, "public": False}],
    "storage": {"disks": [{"device": "/dev/sda", "wipeTable": True}]},
    "termination_time": "2030-11-30T18:00:00Z",
}
WITHOUT = object()
BAD_ORDERS = [
    ("metro", "am"),
    ("facility", WITHOUT),
    ("facility", 5),
    ("facility", ["ny5", 5]),
    ("plan", WITHOUT),
    ("plan", None),
    ("operating_system", 12),
    ("tag", ["OpenNebula"]),
    ("href", "/devices/1"),
    ("tags", "OpenNebula"),
    ("tags", ["OpenNebula", 7]),
    ("hostname", None),
    ("billing_cycle", "weekly"),
    ("always_pxe", "yes"),
    ("spot_price_max", "1.5"),
    ("public_ipv4_subnet_size", "29"),
    ("customdata", "{}"),
    ("termination_time", 1922292000),
    ("termination_time", "2030-11-30 18:00:00"),
    ("ip_addresses", [{"address_family": 4, "publik": True}]),
    ("ip_addresses", [{"address_family": 5}]),
    ("storage", {"disks": [{"device": "/dev/sda", "wipe_table": True}]}),
]
BAD_ACTIONS = [{}, {"type": "power_cycle"}, {"type": None}, {"type": "reboot", "force": True}]
DEVICE = {"id": "b9eb1666", "state": "active", "description": None, "metro": {"code": "am"}}
BAD_DEVICES = [
    ("stat", "active"),
    ("state", "sleeping"),
    ("tags", "OpenNebula"),
    ("created_at", 1922292000),
    ("metro", {"kode": "am"}),
]


def judge_the_judge():
    assert not faults(CreateDeviceRequest, ORDER), faults(CreateDeviceRequest, ORDER)
    assert not faults(DeviceActionInput, {"type": "power_off"})
    for name, value in BAD_ORDERS:
        order = copy.deepcopy(ORDER)
        if value is WITHOUT:
            del order[name]
        else:
            order[name] = value
        assert faults(CreateDeviceRequest, order), f"a bad order passes: {name} {value!r}"
    for action in BAD_ACTIONS:
        assert faults(DeviceActionInput, action), f"a bad action passes: {action}"
    assert not faults(Device, DEVICE, is_answer=True)
    for name, value in BAD_DEVICES:
        device = DEVICE | {name: value}
        assert faults(Device, device, is_answer=True), f"a bad answer passes: {name} {value!r}"
    print(
        f"the judge knows {len(BAD_ORDERS)} bad orders, {len(BAD_ACTIONS)} bad actions"
        f" and {len(BAD_DEVICES)} bad answers"
    )


# --- What the driver asks -----------------------------------------------------------------------------------

def judge_bodies(folder):
    for kind, model in [("order", CreateDeviceRequest), ("action", DeviceActionInput)]:
        files = sorted(folder.glob(f"{kind}-*.json"))
        # A folder with nothing in it would please every judge.
        assert files, f"no {kind} was kept in {folder}"
        for file in files:
            found = faults(model, json.loads(file.read_text()))
            assert not found, f"{file}: {file.read_text()}\n" + "\n".join(found)
        print(f"{len(files)} different bodies of kind {kind} are as the client's models have them")


# --- What the simulator answers -----------------------------------------------------------------------------

class Answers:
    """Calls of the client, each answer of which is compared with what its model read of it."""

    def __init__(self):
        self.count = 0

    def of(self, call, *arguments, **options):
        answer = call(*arguments, **options)
        self.count += 1
        if answer.data is not None:
            found = list(strangers(json.loads(answer.raw_data), answer.data, True, names_of))
            assert not found, f"{call.__name__}: " + "\n".join(found)
        return answer

    def refusal(self, status, call, *arguments, **options):
        """A call that is refused, in the way of the API."""
        try:
            call(*arguments, **options)
        except ApiException as error:
            self.count += 1
            assert error.status == status, error
            found = faults(Error, json.loads(error.body), is_answer=True)
            assert not found, found
            return error
        raise AssertionError(f"{call.__name__} was not refused")


def lead_a_life(settings):
    url = settings["PACKET_API_URL"].rstrip("/")
    if not url.endswith("/metal/v1"):
        url += "/metal/v1"
    configuration = equinix_metal.Configuration(host=url)
    configuration.retries = False
    configuration.api_key["x_auth_token"] = settings["PACKET_TOKEN"]
    client = equinix_metal.ApiClient(configuration)
    api = equinix_metal.DevicesApi(client)
    answers, project = Answers(), settings["PACKET_PROJECT"]

    catalogue = [
        (equinix_metal.PlansApi(client).find_plans_with_http_info, []),
        (equinix_metal.PlansApi(client).find_plans_by_project_with_http_info, [project]),
        (equinix_metal.OperatingSystemsApi(client).find_operating_systems_with_http_info, []),
        (equinix_metal.FacilitiesApi(client).find_facilities_with_http_info, []),
        (equinix_metal.FacilitiesApi(client).find_facilities_by_project_with_http_info, [project]),
        (equinix_metal.MetrosApi(client).find_metros_with_http_info, []),
        (equinix_metal.ProjectsApi(client).find_projects_with_http_info, []),
        (equinix_metal.ProjectsApi(client).find_project_by_id_with_http_info, [project]),
        (equinix_metal.UsersApi(client).find_current_user_with_http_info, []),
        (
            equinix_metal.HardwareReservationsApi(client)
            .find_project_hardware_reservations_with_http_info,
            [project],
        ),
    ]
    for call, arguments in catalogue:
        answers.of(call, *arguments)

    def order(number):
        place = {"metro": "am"} if number == 2 else {"facility": ["ams1"]}
        body = {
            "plan": "c3.small.x86",
            "operating_system": "debian_12",
            "hostname": f"node{number}",
            "tags": ["ours", f"number={number}"],
        }
        request = CreateDeviceRequest.from_json(json.dumps(body | place))
        return answers.of(api.create_device_with_http_info, project, request).data

    def until(id, state):
        end = time.monotonic() + 30
        while True:
            device = answers.of(api.find_device_by_id_with_http_info, id).data
            if device.state == state:
                return device
            assert time.monotonic() < end, f"{id} is {device.state}, not {state}"
            time.sleep(0.05)

    ids = [order(number).id for number in range(3)]
    # A listing lags behind.
    end = time.monotonic() + 30
    while answers.of(api.find_project_devices_with_http_info, project).data.meta.total < 3:
        assert time.monotonic() < end, "machines that were ordered are not listed"
        time.sleep(0.05)
    listed = []
    for page in range(1, 5):
        found = answers.of(
            api.find_project_devices_with_http_info, project, tag="ours", page=page, per_page=1
        ).data
        assert (found.meta.total, found.meta.last_page) == (3, 3), found.meta
        listed += [device.id for device in found.devices]
    assert sorted(listed) == sorted(ids)
    one = answers.of(api.find_project_devices_with_http_info, project, tag="number=1").data
    assert [device.id for device in one.devices] == [ids[1]]
    assert len(api.find_project_devices_all_pages(project, per_page=2).devices) == 3

    up = until(ids[0], "active")
    assert up.hostname == "node0" and any(address.public for address in up.ip_addresses)
    events = equinix_metal.EventsApi(client).find_device_events_with_http_info
    assert answers.of(events, ids[0]).data.events
    for action, state in [
        ("reboot", "active"),
        ("power_off", "inactive"),
        ("power_on", "active"),
    ]:
        answers.of(api.perform_action_with_http_info, ids[0], DeviceActionInput(type=action))
        until(ids[0], state)
    again = DeviceActionInput(type="power_on")
    answers.refusal(422, api.perform_action_with_http_info, ids[0], again)
    # The client has no model of traffic.
    now = int(time.time())
    traffic = answers.of(
        api.find_instance_bandwidth_with_http_info, ids[0], str(now - 1200), str(now)
    )
    series = json.loads(traffic.raw_data)["bandwidth"]
    assert [one["target"] for one in series] == ["inbound", "outbound"]
    assert all(len(point) == 2 for one in series for point in one["datapoints"])

    for id in ids:
        until(id, "active")
        answers.of(api.delete_device_with_http_info, id)
    end = time.monotonic() + 30
    while answers.of(api.find_project_devices_with_http_info, project).data.meta.total:
        assert time.monotonic() < end, "machines that were deleted are still there"
        time.sleep(0.05)
    for call in [api.find_device_by_id_with_http_info, api.delete_device_with_http_info]:
        assert isinstance(answers.refusal(404, call, ids[0]), NotFoundException)
    configuration.api_key["x_auth_token"] = "wrong"
    answers.refusal(401, api.find_device_by_id_with_http_info, ids[0])
    print(f"the client led 3 machines through their lives, and read {answers.count} answers")


def judge_the_simulator(program):
    command = [*program, "serve", "--speed", "300"]
    with served(command) as output:
        settings = dict(output.readline().rstrip("\n").split("=", 1) for _ in range(5))
        lead_a_life(settings)


if __name__ == "__main__":
    run(__doc__, judge_the_judge, judge_bodies, judge_the_simulator)
