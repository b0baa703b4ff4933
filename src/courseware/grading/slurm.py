"""Grade on Slurm: `python -m courseware.grading.slurm --jobs 4 labs/NAME.ipynb SUBMISSIONS/ -o grades/`.

To be started on a login node, in `tmux` or `screen`. A Dask scheduler runs there, dask-jobqueue submits the
jobs whose workers grade, and `course grade --scheduler` does the rest; it takes the same arguments. When it
ends, however it ends, the jobs are cancelled; the same command goes on. All talk goes through TLS with
certificates made for this one run, because on a cluster others can reach the scheduler's port.

Compute nodes need bubblewrap, and, under the same paths, this folder and the Python that runs this.
"""

from pathlib import Path

import click

from courseware.cli import main as course


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]})
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Jobs to ask for.")
@click.option("--cores", type=click.IntRange(min=1), default=8, show_default=True, help="Of each job.")
@click.option("--memory", default="24GB", show_default=True, help="Of each job; 3 GB a core is plenty.")
@click.option("--walltime", default="02:00:00", show_default=True, help="Of each job.")
@click.option("--partition", metavar="NAME", help="Slurm's partition (default: the cluster's).")
@click.option("--account", metavar="NAME", help="Slurm's account (default: yours).")
@click.option("--directive", "directives", multiple=True, help="Any other option of sbatch: --qos=teaching.")
@click.option("--interface", metavar="NAME", help="Network interface that compute nodes reach: ib0.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(
    jobs: int,
    cores: int,
    memory: str,
    walltime: str,
    partition: str | None,
    account: str | None,
    directives: tuple[str, ...],
    interface: str | None,
    arguments: tuple[str, ...],
) -> None:
    """Grade with workers in Slurm jobs; ARGUMENTS are those of `course grade`."""
    import dask
    from dask_jobqueue import SLURMCluster

    with SLURMCluster(
        cores=cores,
        processes=cores,
        memory=memory,
        walltime=walltime,
        queue=partition,
        account=account,
        job_extra_directives=list(directives),
        interface=interface,
        protocol="tls://",
        security=True,
        shared_temp_directory=str(Path.cwd()),  # keys lie here until the end, for you alone to read
    ) as cluster:
        keys = cluster.security
        tls = {
            "ca-file": keys.tls_ca_file,
            "client.cert": keys.tls_client_cert,
            "client.key": keys.tls_client_key,
        }
        cluster.scale(jobs=jobs)
        with dask.config.set({f"distributed.comm.tls.{name}": value for name, value in tls.items()}):
            course(["grade", *arguments, "--scheduler", cluster.scheduler_address])


if __name__ == "__main__":
    main()
