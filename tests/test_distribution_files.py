"""The files by which clusters start a run: sound, and with flags that there are."""

import ast
import subprocess
from pathlib import Path

import pytest
import yaml

from tl_keras.cli import _parser

FOLDER = Path(__file__).parent.parent / "docs" / "distribution"


@pytest.mark.parametrize("name, kind", [("jobset", "JobSet"), ("tfjob", "TFJob")])
def test_manifest_is_yaml_with_the_parts_that_a_cluster_reads(name, kind):
    value = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    assert value["kind"] == kind and value["metadata"]["name"]
    assert "/" in value["apiVersion"] and value["spec"]


def test_every_container_starts_the_command():
    jobset, tfjob = (
        yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["spec"]
        for name in ("jobset", "tfjob")
    )
    job = jobset["replicatedJobs"][0]["template"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    script = container["args"][0]
    check = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert check.returncode == 0, check.stderr
    assert "exec tl-keras resume" in script and "exec tl-keras train" in script
    assert job["completions"] == job["parallelism"] == script.count("0 1 2 3") * 4
    worker = tfjob["tfReplicaSpecs"]["Worker"]["template"]["spec"]["containers"][0]
    _, *arguments = worker["command"] + worker["args"]
    assert _parser().parse_args(arguments).train.runs == "/shared/runs"


def test_jobset_names_the_workers_of_the_cluster():
    value = yaml.safe_load((FOLDER / "jobset.yaml").read_text())
    job = value["spec"]["replicatedJobs"][0]["template"]["spec"]
    script = job["template"]["spec"]["containers"][0]["args"][0]
    first, *_ = script.splitlines()
    shown = subprocess.run(
        ["bash", "-c", f'{first}\necho "$workers"'], capture_output=True, text=True
    )
    addresses = shown.stdout.strip().strip(",").split(",")
    assert len(addresses) == job["completions"]
    assert addresses[3] == "photos-worker-0-3.photos:2222"


def test_slurm_script_is_bash(tmp_path):
    """Runs it with stand-ins for Slurm's programs, so that what it calls is seen."""
    for name, body in {
        "scontrol": 'printf "n1\\nn2\\n"',
        "srun": 'shift; SLURM_PROCID=1 exec "$@"',
        "tl-keras": 'echo "$@"',
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/bash\n{body}\n")
        program.chmod(0o755)
    script = FOLDER / "slurm.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    done = subprocess.run(
        ["bash", script],
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "SHARED": str(tmp_path),
            "SLURM_JOB_ID": "10007",
            "SLURM_JOB_NODELIST": "n[1-2]",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    arguments = done.stdout.split()
    assert arguments[:2] == ["train", f"{tmp_path}/photos"]
    assert arguments[-4:] == ["--workers", "n1:20007,n2:20007", "--worker-index", "1"]


def test_ray_s_script_is_python():
    ast.parse((FOLDER / "ray_train.py").read_text())
