// The tables of the store's file.  Objects are JSON text; what must be found by something else
// than their id is kept beside them.  Two logs, one of objects and one of table entries, feed the
// watches; row numbers of a log are the versions of what it tells about, so they only ever grow.
// A log is trimmed to a bound but never to nothing: its last row says where counting goes on.

/** "MZZO". */
export const APPLICATION_ID = 0x4d5a5a4f
/** Of the tables below; a file of another is refused. */
export const SCHEMA_VERSION = 2

/** The tables, as SQL that makes them. */
export const SCHEMA = `
CREATE TABLE objects (
  kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;

-- which objects have this value in this indexed field
CREATE TABLE fields (
  kind TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY (kind, field, value, id)
) WITHOUT ROWID;

-- who points at this object
CREATE TABLE refs (
  target_kind TEXT NOT NULL, target TEXT NOT NULL,
  kind TEXT NOT NULL, id TEXT NOT NULL, field TEXT NOT NULL,
  PRIMARY KEY (target_kind, target, kind, id, field)
) WITHOUT ROWID;

-- who has this combination of values, of a group of fields no two objects share
CREATE TABLE uniques (
  kind TEXT NOT NULL, fields TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY (kind, fields, value)
) WITHOUT ROWID;

-- numbers given out of a sequence, and where to look for the next
CREATE TABLE numbers (
  sequence TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY (sequence, number)
) WITHOUT ROWID;
CREATE TABLE sequences (name TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;

-- one row per object of a write; \`write\` is the first n of the write, the version of its objects;
-- \`before\` holds the indexed fields as they were, so that a watch of a field sees a leaver
CREATE TABLE object_log (
  n INTEGER PRIMARY KEY, write INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
  before TEXT, value TEXT
);

-- replicated tables: one row per owner; owner '' is the seed
CREATE TABLE entries (
  tbl TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL,
  version INTEGER NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (tbl, key, owner)
) WITHOUT ROWID;
CREATE INDEX entries_by_owner ON entries (owner);

-- what is seen under a key after a change; value NULL: nothing any more
CREATE TABLE entry_log (
  n INTEGER PRIMARY KEY, tbl TEXT NOT NULL, key TEXT NOT NULL,
  value TEXT, owner TEXT, version INTEGER
);

-- \`freed\` puts the blocks in the order in which they were given back; 0: not yet
CREATE TABLE leases (
  pool TEXT NOT NULL, block INTEGER NOT NULL, epoch INTEGER NOT NULL, session TEXT,
  freed INTEGER NOT NULL DEFAULT 0, lingers INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (pool, block)
) WITHOUT ROWID;
CREATE INDEX leases_by_session ON leases (session);
CREATE INDEX leases_by_freed ON leases (freed);

-- who is there; a process is recognised by pid, start time, pid namespace and boot
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, pid INTEGER NOT NULL, started TEXT NOT NULL, namespace TEXT NOT NULL,
  boot TEXT NOT NULL, beat INTEGER NOT NULL, dead INTEGER NOT NULL
) WITHOUT ROWID;
`

/** What makes a file of version n one of version n + 1, from n = 1 on. */
export const MIGRATIONS: readonly string[] = [
  `ALTER TABLE leases ADD COLUMN freed INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE leases ADD COLUMN lingers INTEGER NOT NULL DEFAULT 0;
   CREATE INDEX leases_by_freed ON leases (freed);`
]
