"""The policies that the exporter prints name the partition that botocore has for each Region of Transfer Family."""

import json
import os
import pathlib
import subprocess

import botocore
import botocore.session

EXPORTER = os.environ["EXPORTER"]
CONNECTOR = "c-0123456789abcdef0"


def regions():
    """Returns the partition of each Region; of the isolated ones, botocore lists no services."""
    path = pathlib.Path(botocore.__file__).parent / "data/partitions.json"
    session = botocore.session.get_session()
    for partition in json.loads(path.read_text())["partitions"]:
        listed = session.get_available_regions("transfer", partition_name=partition["id"])
        for region in listed or [name for name in partition["regions"] if not name.endswith("-global")]:
            yield region, partition["id"]


def test_policy_of_each_region_names_its_partition(tmp_path):
    expected = dict(regions())
    assert len(expected) >= 45 and len(set(expected.values())) >= 8
    accounts = "".join(f"  - {{name: {region}, region: {region}}}\n" for region in expected)
    transfers = "".join(f"  - {{account: {region}, connector_id: {CONNECTOR}, transfer_id: a}}\n" for region in expected)
    config = tmp_path / "exporter.yml"
    config.write_text(f"accounts:\n{accounts}transfers:\n{transfers}")
    plan = [EXPORTER, "plan", "--iam-policy", f"--config.file={config}"]
    policies = json.loads(subprocess.run(plan, check=True, capture_output=True, timeout=60).stdout)
    resources = {region: policies[region]["Statement"][0]["Resource"] for region in expected}
    assert resources == {
        region: [f"arn:{partition}:transfer:{region}:*:connector/{CONNECTOR}"] for region, partition in expected.items()
    }
