/** The steps that make and change the journal and its blobs. */
import { type MigrationStep, rebuilt } from './migration-step.ts'

const journalColumns = {
  user: 'text',
  seq: 'whole',
  at: 'whole',
  actor: 'text',
  session: 'text',
  turn: 'text',
  call: 'text',
  name: 'text',
  phase: 'text',
  body: 'text',
  previous: 'text',
  hash: 'text',
} as const

/** The journal, its blobs, and what follows from it. */
export const journalStep: MigrationStep = {
  up: (on) => [
    // Rows are stored in the order of appending, so a scan by seq reads the table from front to back.
    on.table('journal', journalColumns, ['user', 'seq']),
    on.index('journal_session', 'journal', ['user', 'session', 'seq']),
    on.index('journal_call', 'journal', ['user', 'call', 'seq']),
    on.table('blob', { hash: 'text', bytes: 'bytes' }, ['hash']),
    on.table('message', { user: 'text', session: 'text', seq: 'whole' }, ['user', 'session', 'seq'], 'by_key'),
    on.table('open_call', { user: 'text', call: 'text', seq: 'whole' }, ['user', 'call'], 'by_key'),
    on.table(
      'session',
      { user: 'text', id: 'text', title: 'text', created_at: 'whole', active_at: 'whole', turns: 'whole', labels: 'text' },
      ['user', 'id'],
      'by_key',
    ),
    on.index('session_active', 'session', ['user', 'active_at', 'id']),
    on.table('account', { user: 'text', scope: 'text', micro_dollars: 'whole', tokens: 'whole' }, ['user', 'scope'], 'by_key'),
    on.table('lane', { user: 'text', session: 'text', owner: 'text', epoch: 'whole', lease_until: 'whole' }, ['user', 'session'], 'by_key'),
  ],
  down: (on) => ['lane', 'account', 'session', 'open_call', 'message', 'blob', 'journal'].map((table) => on.schema.dropTable(table)),
}

export const referenceIndex: string = `create index "journal_reference" on "journal" ("user", "body") where substr("body", 1, 9) = '{"blob":"'`

/**
 * In SQLite, whose file holds one user, the number of a record is the row's own: the key needs no index, and the other indexes no user.
 * The list of sessions is sorted when somebody reads it, and not at each message. So a commit writes fewer pages. Columns and statements
 * are as before.
 */
export const journalBySeqStep: MigrationStep = {
  up: (on) =>
    on.only(
      'sqlite',
      ...rebuilt(on, 'journal', journalColumns, ['seq']),
      on.index('journal_session', 'journal', ['session']),
      on.index('journal_call', 'journal', ['call']),
      referenceIndex,
      on.schema.dropIndex('session_active'),
    ),
  down: (on) =>
    on.only(
      'sqlite',
      ...rebuilt(on, 'journal', journalColumns, ['user', 'seq']),
      on.index('journal_session', 'journal', ['user', 'session', 'seq']),
      on.index('journal_call', 'journal', ['user', 'call', 'seq']),
      referenceIndex,
      on.index('session_active', 'session', ['user', 'active_at', 'id']),
    ),
}

/**
 * A call begins once and ends once, whoever writes. What a journal of an older version has twice is marked as such and stays; the index of
 * calls, which is there already, has the rest.
 */
export const onceStep: MigrationStep = {
  up: (on) => [
    on.column('journal', 'again', 'whole', 0),
    ...['intent', 'outcome'].map(
      (kind) => `update "journal" set "again" = 1 where ${oncePhases(kind)} and exists (
      select 1 from "journal" e where e."user" = "journal"."user" and e."call" = "journal"."call" and e."seq" < "journal"."seq" and ${oncePhases(kind, 'e.')})`,
    ),
    on.schema.dropIndex('journal_call'),
    `create unique index "journal_call" on "journal" (${on.dialect === 'sqlite' ? '' : '"user", '}"call", (case
      when "again" = 0 and ${oncePhases('intent')} then 0
      when "again" = 0 and ${oncePhases('outcome')} then -1
      else "seq" end))`,
    on.index('journal_again', 'journal', ['user', 'call', 'seq'], 'again = 1'),
  ],
  down: (on) => [
    on.schema.dropIndex('journal_again'),
    on.schema.dropIndex('journal_call'),
    on.schema.alterTable('journal').dropColumn('again'),
    ...on.only('sqlite', on.index('journal_call', 'journal', ['call'])),
    ...on.only('postgres', on.index('journal_call', 'journal', ['user', 'call', 'seq'])),
  ],
}

/** Records that a call has only one of: its beginning, and its end. */
function oncePhases(kind: string, of = ''): string {
  return kind === 'intent' ? `${of}"phase" = 'intent'` : `${of}"phase" in ('outcome', 'reconciled')`
}

/**
 * Exchanges and blobs are written packed from here on, in SQLite; see `sqlite/packed-value.ts`. Rows that are there are read as they are, so
 * there is nothing to do. Going back, they are unpacked, by a function that each connection of this program has.
 */
export const packedStep: MigrationStep = {
  up: () => [],
  down: (on) =>
    on.only(
      'sqlite',
      `update "journal" set "body" = oxbow_unpacked("body") where typeof("body") = 'blob'`,
      `update "blob" set "bytes" = oxbow_unpacked("bytes") where substr("bytes", 1, 8) = x'9fd1c6a60e7b43e2'`,
    ),
}
