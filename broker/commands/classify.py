"""The command `misweeper classify`: an archive's light curves, without Kafka and Redis."""

import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.commands.files import placed, saying, try_out
from broker.commands.recovery import progress
from broker.config import Settings
from broker.errors import StartupError
from broker.text import printable

if TYPE_CHECKING:
    from broker.archives.parts import Archive

EXIT_TERMINATED = 143


def classify(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Observations: a parquet file, or a folder of them.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Parquet file to write; with --scheduler a folder that is not there.")
    ],
    *,
    every: Annotated[bool, typer.Option("--every", help="A row after each observation, not after the last.")] = False,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask cluster that does the work, such as tcp://host:8786.")
    ] = None,
) -> None:
    """Classify all objects of an archive, in bounded memory: what `run` says of the same rows, without Kafka and Redis.

    IN has the columns that `replay` reads, in any order of rows. OUT has a row an object: its last time, how many
    observations it has, the most probable class, all 14 probabilities (class_6 ... class_95), p99, anomaly score and
    flag. Rows that cannot be are refused, by their object's name. MISWEEPER_CLASSIFIER__ARTEFACT, __PRIORS, __DEVICE
    and __THREADS are those of `run`. Workers of a cluster need the same misweeper, and IN and OUT under these paths.

    Example: misweeper classify broker/examples/plasticc_heldout.parquet answers.parquet

    Example: misweeper classify nights/ answers/ --scheduler tcp://head:8786
    """
    from broker.archives.parts import Archive  # noqa: PLC0415 - pandas takes a second and 100 MB: not for run

    settings = Settings.load()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))  # what lies beside OUT is removed
    archive = Archive(source)
    if scheduler is None:
        done = on_this_machine(settings, archive, out, every=every)
    else:
        done = on_a_cluster(settings, archive, out, scheduler, every=every)
    typer.echo(f"{done} answers are in {printable(str(out))}")


def on_this_machine(settings: Settings, archive: "Archive", out: Path, *, every: bool) -> int:
    """Classify part by part; how many answers are in the file. Raises StartupError."""
    if out.suffix != ".parquet":
        raise StartupError(f"{printable(str(out))} is written as parquet; name OUT so that it ends in .parquet")
    if out.exists() and (not out.is_file() or archive.reads(out)):
        raise StartupError(f"{printable(str(out))} is read, or no file, and is left as it is; name another file")
    try_out(out)
    import pyarrow as pa  # noqa: PLC0415 - likewise
    import pyarrow.parquet as pq  # noqa: PLC0415

    from broker.archives.classified import SCHEMA, classified  # noqa: PLC0415
    from broker.archives.parts import dealt, read_part  # noqa: PLC0415
    from broker.models.chosen import configured  # noqa: PLC0415 - torch takes seconds
    from broker.models.workshop import classifier_of  # noqa: PLC0415

    classifier, done = classifier_of(settings, configured(settings)), 0
    try:
        with tempfile.TemporaryDirectory(prefix=".misweeper-", dir=out.resolve().parent) as room, placed(out) as beside:
            with progress("observations read") as (expect, advanced):
                expect(archive.size)
                parts = dealt(archive, Path(room), advanced)
            with (
                progress("observations classified") as (expect, advanced),
                pq.ParquetWriter(beside, SCHEMA) as writer,
            ):
                expect(archive.size)
                for part in parts:
                    rows = read_part(part)
                    found = classified(rows, classifier, every=every, source=str(archive.path))
                    writer.write_table(pa.Table.from_pandas(found, SCHEMA, preserve_index=False))
                    done += len(found)
                    advanced(len(rows))
                    part.unlink()
    except OSError as error:
        raise StartupError(f"{printable(str(out))} cannot be written ({error.strerror}); make room there") from error
    return done


def on_a_cluster(settings: Settings, archive: "Archive", out: Path, scheduler: str, *, every: bool) -> int:
    """Let a cluster classify; how many answers are in the folder. Raises StartupError."""
    try:
        from broker.archives.cluster import classify_on, parts_for  # noqa: PLC0415 - an extra
    except ImportError:
        raise StartupError("a Dask cluster comes with an extra: pip install 'misweeper[dask]'") from None
    from broker.archives.work import Work  # noqa: PLC0415 - torch takes seconds
    from broker.models.chosen import configured  # noqa: PLC0415

    if out.exists():
        raise StartupError(f"{printable(str(out))} is there already; name a folder that is not")
    chosen = settings.classifier
    folder = str(chosen.artefact.resolve()) if chosen.artefact else None
    work = Work(folder, configured(settings).digest, chosen.device, chosen.priors, chosen.threads, every)
    with placed(out) as beside:
        with saying(out):
            beside.mkdir()
        with progress("parts classified") as (expect, advanced):
            parts = parts_for(archive)
            expect(parts)
            return classify_on(scheduler, archive, beside, work, advanced, parts)
