"""The tables of the index, and what an answer changes in them.

An answer costs little because it is added at the end: of `answers`, and of the indexes that keep them in their order.
At a random place only its object's own row is written, and that row's indexes only where what they hold has changed.
So no index has the objects of a class in the order of their answers: they are the owners of the class's answers, and
an answer that is no longer its object's last is passed over. Each answer names the one before it of its object.
"""

LAYOUT = 6  # of the tables and what is in them; a file of another layout is begun anew

TABLES = """
CREATE TABLE answers (
  id INTEGER PRIMARY KEY,
  survey TEXT NOT NULL, object TEXT NOT NULL, alert INTEGER NOT NULL,
  mjd REAL NOT NULL, observations INTEGER NOT NULL,
  best INTEGER NOT NULL, probability REAL NOT NULL, probabilities BLOB NOT NULL,
  p99 REAL NOT NULL, score REAL NOT NULL, threshold REAL, anomaly INTEGER NOT NULL,
  nearest TEXT, reasons TEXT NOT NULL, photoz REAL, quality TEXT NOT NULL,
  priors TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL,
  read_ms INTEGER NOT NULL, published_ms INTEGER NOT NULL,
  source_topic TEXT NOT NULL, source_partition INTEGER NOT NULL, source_offset INTEGER NOT NULL,
  topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
  before INTEGER
);
CREATE INDEX answers_of_alert ON answers (alert);
CREATE INDEX answers_by_time ON answers (id, probability, survey, object);
CREATE INDEX answers_by_class ON answers (best, id, probability, survey, object);
CREATE INDEX anomalous_answers ON answers (id) WHERE anomaly;
CREATE TABLE objects (
  survey TEXT NOT NULL, object TEXT NOT NULL,
  ra REAL, dec REAL, pixel INTEGER,
  first_mjd REAL NOT NULL, mjd REAL NOT NULL, alerts INTEGER NOT NULL, observations INTEGER NOT NULL,
  best INTEGER NOT NULL, probability REAL NOT NULL, score REAL NOT NULL, anomaly INTEGER NOT NULL,
  answer INTEGER NOT NULL,
  flagged INTEGER NOT NULL, flagged_answer INTEGER, highest REAL,
  PRIMARY KEY (object, survey)
) WITHOUT ROWID;
CREATE INDEX objects_by_place ON objects (pixel, ra, dec) WHERE pixel IS NOT NULL;
CREATE INDEX objects_by_flag ON objects (flagged_answer) WHERE flagged_answer IS NOT NULL;
CREATE TABLE nights (night TEXT NOT NULL, topic TEXT NOT NULL, messages INTEGER NOT NULL, PRIMARY KEY (night, topic));
CREATE TABLE places (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
);
"""

ANSWER = (
    "survey", "object", "alert", "mjd", "observations", "best", "probability", "probabilities", "p99", "score",
    "threshold", "anomaly", "nearest", "reasons", "photoz", "quality", "priors", "model", "version", "read_ms",
    "published_ms", "source_topic", "source_partition", "source_offset", "topic", "partition", "offset",
)  # fmt: skip
COLUMNS = (*ANSWER, "ra", "dec", "pixel")  # of what is said: an answer and its object's place

SAYING = f"""
CREATE VIEW said AS SELECT {", ".join(f"NULL AS {name}" for name in COLUMNS)};
CREATE TRIGGER saying INSTEAD OF INSERT ON said BEGIN
  INSERT INTO answers VALUES (
    NULL, {", ".join(f"new.{name}" for name in ANSWER)},
    (SELECT answer FROM objects WHERE object = new.object AND survey = new.survey)
  );
  INSERT INTO objects VALUES (
    new.survey, new.object, new.ra, new.dec, new.pixel, new.mjd, new.mjd, 1, new.observations,
    new.best, new.probability, new.score, new.anomaly, last_insert_rowid(), 0, NULL, NULL
  )
  ON CONFLICT (object, survey) DO UPDATE SET
    first_mjd = min(first_mjd, excluded.mjd), mjd = max(mjd, excluded.mjd), alerts = alerts + 1,
    observations = excluded.observations, best = excluded.best, probability = excluded.probability,
    score = excluded.score, anomaly = excluded.anomaly, answer = excluded.answer;
  UPDATE objects SET ra = coalesce(new.ra, ra), dec = coalesce(new.dec, dec), pixel = coalesce(new.pixel, pixel)
    WHERE object = new.object AND survey = new.survey
    AND (coalesce(new.ra, ra), coalesce(new.dec, dec), coalesce(new.pixel, pixel)) IS NOT (ra, dec, pixel);
  UPDATE objects SET flagged = flagged + 1, flagged_answer = answer, highest = max(coalesce(highest, score), score)
    WHERE new.anomaly AND object = new.object AND survey = new.survey;
END;
"""  # noqa: S608 - names of our own
FORGET = """
DELETE FROM objects WHERE answer <= ?1 AND (object, survey) IN (SELECT object, survey FROM answers WHERE id <= ?1)
"""  # the objects that have no answer left once those up to one are gone
SAY = f"INSERT INTO said VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - names of our own
