#!/usr/bin/env python
"""An archive classified by Apache Spark: spark-submit classify.py IN OUT.

IN is a parquet file or a folder of them, OUT a folder that Spark makes. All rows of an object come to one partition, so
`classified` is given whole objects, and as many as a partition holds: 100,000 rows are a second of work. The
executors have misweeper installed, and read the artefact that it ships.
"""

import sys
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from broker.archives.classified import SCHEMA, classified
from broker.archives.work import Work, worker

ROWS_A_PARTITION = 100_000


def answers(tables: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The classifications of a partition."""
    rows = list(tables)
    if rows:
        yield classified(pd.concat(rows, ignore_index=True), worker(Work()))


def main(source: str, out: str) -> None:
    """Classify all objects of an archive."""
    spark = SparkSession.builder.appName("misweeper").getOrCreate()
    rows = spark.read.parquet(source)
    partitions = rows.count() // ROWS_A_PARTITION + 1
    whole = rows.repartition(partitions, "object_id")
    whole.mapInPandas(answers, from_arrow_schema(SCHEMA)).write.parquet(out)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
