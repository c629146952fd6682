/**
 * The statements of every step, in order. `node scripts/make-statements.ts` compiles them with kysely into `statements.json`, and that is
 * what `migration-runner.ts` runs: an installation has no kysely. A step that was released is never changed: a database in which it ran has its checksum.
 * Facts about each step are in `schema-version.ts`, which is all that a start reads.
 */
import type { Dialect } from '../sql/user-tables.ts'
import { type MigrationStep, type StepStatement, statementText, stepTools, type StepTools } from './migration-step.ts'

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
const journalStep: MigrationStep = {
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

/** A session knows the call that changed its scratchpad last. */
const scratchpadStep: MigrationStep = {
  up: (on) => [on.column('session', 'scratchpad', 'text', '')],
  down: (on) => [on.schema.alterTable('session').dropColumn('scratchpad')],
}

/**
 * What memory keeps. Numbers of entries and passages count within a user. The full-text index is no table of these: it follows
 * from passages, belongs to one user, and is made when that user's first memory is kept (`memory_text_…` in SQLite; rows of
 * `memory_posting` in Postgres).
 */

const memoryTables = ['memory_state', 'memory_entry', 'memory_passage', 'memory_removal', 'memory_model', 'memory_vectors', 'memory_cursor']

const memoryStep: MigrationStep = {
  up: (on) => [
    on.table(
      'memory_state',
      { user: 'text', version: 'whole', trimmed: 'whole', next_entry: 'whole', next_passage: 'whole', removals: 'whole' },
      ['user'],
      'by_key',
    ),
    entryTable(on),
    on.index('memory_entry_id', 'memory_entry', ['user', 'id']),
    // Readers take in what changed after the version that they hold.
    on.index('memory_entry_version', 'memory_entry', ['user', 'version']),
    on.index('memory_entry_place', 'memory_entry', ['user', 'stream_key', 'place']),
    on.index('memory_entry_created', 'memory_entry', ['user', 'created_at']),
    on.index('memory_entry_hash', 'memory_entry', ['user', 'hash_key']),
    on.table(
      'memory_passage',
      { user: 'text', id: 'whole', entry: 'whole', part: 'whole', start: 'whole', length: 'whole', body: 'bytes' },
      ['user', 'id'],
    ),
    on.index('memory_passage_entry', 'memory_passage', ['user', 'entry', 'part']),
    on.table('memory_removal', { user: 'text', version: 'whole', passage: 'whole' }, ['user', 'version', 'passage'], 'by_key'),
    on.table(
      'memory_model',
      { user: 'text', model: 'text', dims: 'whole', state: 'text', began: 'whole', vectors: 'whole' },
      ['user', 'model'],
      'by_key',
    ),
    on.table('memory_vectors', { user: 'text', model: 'text', block: 'whole', version: 'whole', mask: 'whole', bytes: 'bytes' }, [
      'user',
      'model',
      'block',
    ]),
    // Where words occur, a row for each word and some four thousand passages; it follows from passages, too.
    ...on.only(
      'postgres',
      on.table('memory_posting', { user: 'text', term: 'text', bucket: 'whole', postings: 'bytes' }, ['user', 'term', 'bucket']),
    ),
    on.table('memory_cursor', { user: 'text', name: 'text', seq: 'whole' }, ['user', 'name'], 'by_key'),
  ],
  // Indexes of words are left where they are in SQLite: without passages they are empty of meaning, and are made anew.
  down: (on) => [
    ...memoryTables.toReversed().map((table) => on.schema.dropTable(table)),
    ...on.only('postgres', on.schema.dropTable('memory_posting')),
  ],
}

function entryTable(on: StepTools): ReturnType<StepTools['table']> {
  return on.table(
    'memory_entry',
    {
      user: 'text',
      key: 'whole',
      version: 'whole',
      id: 'text',
      kind: 'text',
      type: 'text',
      session: 'text',
      stream: 'text',
      place: 'whole',
      author: 'text',
      tags: 'text',
      labels: 'text',
      created_at: 'whole',
      updated_at: 'whole',
      valid_from: 'whole',
      valid_to: 'whole?',
      superseded_by: 'text',
      contradicts: 'text',
      confirmed_by: 'text',
      importance: 'real',
      tier: 'text',
      protection: 'text',
      accesses: 'whole',
      accessed_at: 'whole',
      seq: 'whole',
      hash: 'text',
      stream_key: 'whole',
      hash_key: 'whole',
      extra: 'text',
    },
    ['user', 'key'],
  )
}

/** Sessions can be archived, erased and forked, and record the call that made their newest summary. */
const sessionStep: MigrationStep = {
  up: (on) => [
    on.column('session', 'archived', 'whole', 0),
    on.column('session', 'deleted', 'whole', 0),
    on.column('session', 'parent', 'text', ''),
    on.column('session', 'forked', 'whole', 0),
    on.column('session', 'summary', 'text', ''),
  ],
  down: (on) => ['archived', 'deleted', 'parent', 'forked', 'summary'].map((column) => on.schema.alterTable('session').dropColumn(column)),
}

const referenceIndex = `create index "journal_reference" on "journal" ("user", "body") where substr("body", 1, 9) = '{"blob":"'`

/**
 * Secrets, sealed; and what plugins keep through the ZoeyOS adapter: one table for all kinds of rows, with the columns that
 * they are found by, and their vectors. An index finds bodies that are references, so that a blob goes with its last record.
 */
const secretsZoeyStep: MigrationStep = {
  up: (on) => [
    on.table('wrapped_key', { user: 'text', id: 'text', wrapped: 'bytes', active: 'whole', created_at: 'whole' }, ['user', 'id']),
    on.table('secret', { user: 'text', name: 'text', key: 'text', sealed: 'bytes', updated_at: 'whole' }, ['user', 'name']),
    on.table(
      'zoey',
      {
        user: 'text',
        kind: 'text',
        id: 'text',
        type: 'text',
        name: 'text',
        agent: 'text',
        entity: 'text',
        other: 'text',
        room: 'text',
        world: 'text',
        is_unique: 'whole',
        created_at: 'whole',
        updated_at: 'whole',
        body: 'text',
        vector: 'bytes?',
      },
      ['user', 'kind', 'id'],
    ),
    ...['agent', 'entity', 'other', 'room', 'world', 'name'].map((column) =>
      on.index(`zoey_${column}`, 'zoey', ['user', 'kind', column, 'type', 'created_at']),
    ),
    on.index('zoey_type', 'zoey', ['user', 'kind', 'type', 'created_at']),
    referenceIndex,
  ],
  down: (on) => [on.schema.dropIndex('journal_reference'), ...['zoey', 'secret', 'wrapped_key'].map((table) => on.schema.dropTable(table))],
}

/** Blobs belong to a user, as all rows do: nobody reads or erases another user's. */
const blobOwnerStep: MigrationStep = {
  up: (on) => [
    on.schema.alterTable('blob').renameTo('blob_of_all'),
    // Postgres keeps the name of a key when its table is renamed.
    ...on.only('postgres', 'alter index "blob_key" rename to "blob_of_all_key"'),
    on.table('blob', { user: 'text', hash: 'text', bytes: 'bytes' }, ['user', 'hash']),
    // A file holds one user. A blob that no journal can name is not taken along.
    'insert into "blob" ("user", "hash", "bytes") select u."user", b."hash", b."bytes" from "blob_of_all" b cross join (select distinct "user" from "journal") u',
    on.schema.dropTable('blob_of_all'),
  ],
  down: (on) => [
    on.schema.alterTable('blob').renameTo('blob_of_user'),
    ...on.only('postgres', 'alter index "blob_key" rename to "blob_of_user_key"'),
    on.table('blob', { hash: 'text', bytes: 'bytes' }, ['hash']),
    'insert into "blob" ("hash", "bytes") select "hash", "bytes" from "blob_of_user" where true on conflict do nothing',
    on.schema.dropTable('blob_of_user'),
  ],
}

/**
 * Vectors of 64 dimensions and more are written in sixteen bits a number from here on; see `search/vector-block.ts`. Rows that are
 * there are read as they are, so there is nothing to do. Going back, such vectors go: an older program makes them anew in the
 * background, as after a change of the embedder, and finds by words meanwhile.
 */
const smallerVectorsStep: MigrationStep = {
  up: () => [],
  down: () => [
    'delete from memory_vectors where exists (select 1 from memory_model m where m."user" = memory_vectors."user" and m.model = memory_vectors.model and m.dims >= 64)',
    'delete from memory_model where dims >= 64',
  ],
}

/**
 * Where very many vectors of a user have an index of pgvector: its table, and up to which version of the user's memory it knows them.
 * Only in Postgres. The tables themselves are made by whoever does upkeep, each with the dimensions of its model; see
 * `postgres/near-index.ts`. And from here on words of a bucket that is not full have no rows; see `postgres/posting-index.ts`.
 */
const nearIndexStep: MigrationStep = {
  up: (on) =>
    on.only(
      'postgres',
      on.table('memory_near', { user: 'text', model: 'text', began: 'whole', name: 'text', version: 'whole' }, ['user', 'model']),
    ),
  down: (on) =>
    on.only(
      'postgres',
      `do $$ declare kept text; begin
        for kept in select name from memory_near loop execute format('drop table if exists %I', kept); end loop;
      end $$`,
      on.schema.dropTable('memory_near'),
      // An older program takes words without rows for no words, and where there are no rows at all makes them anew.
      'delete from memory_posting',
    ),
}

/** Named documents of the state, which the journal's records set. */
const documentStep: MigrationStep = {
  up: (on) => [
    on.table('document', { user: 'text', category: 'text', name: 'text', seq: 'whole', at: 'whole', body: 'text' }, [
      'user',
      'category',
      'name',
    ]),
    // Erasing a record erases the documents that it set.
    on.index('document_seq', 'document', ['user', 'seq']),
  ],
  down: (on) => [on.schema.dropTable('document')],
}

/** What was used of budgets, each in its newest window. */
const budgetStep: MigrationStep = {
  up: (on) => [
    on.table(
      'budget_use',
      { user: 'text', budget: 'text', since: 'whole', micro_dollars: 'whole', tokens: 'whole', calls: 'whole', ms: 'whole' },
      ['user', 'budget'],
      'by_key',
    ),
  ],
  down: (on) => [on.schema.dropTable('budget_use')],
}

/** Each conversation begins with the hot entries, which are few: without this, all others are read to find them. */
const hotStep: MigrationStep = {
  up: (on) => [on.index('memory_entry_hot', 'memory_entry', ['user', 'tier', 'created_at'], `tier = 'hot'`)],
  down: (on) => [on.schema.dropIndex('memory_entry_hot')],
}

/**
 * In SQLite, whose file holds one user, the number of a record is the row's own: the key needs no index, and the other indexes no user.
 * The list of sessions is sorted when somebody reads it, and not at each message. So a commit writes fewer pages. Columns and statements
 * are as before.
 */
const journalBySeqStep: MigrationStep = {
  up: (on) =>
    on.only(
      'sqlite',
      ...rebuiltJournal(on, ['seq']),
      on.index('journal_session', 'journal', ['session']),
      on.index('journal_call', 'journal', ['call']),
      referenceIndex,
      on.schema.dropIndex('session_active'),
    ),
  down: (on) =>
    on.only(
      'sqlite',
      ...rebuiltJournal(on, ['user', 'seq']),
      on.index('journal_session', 'journal', ['user', 'session', 'seq']),
      on.index('journal_call', 'journal', ['user', 'call', 'seq']),
      referenceIndex,
      on.index('session_active', 'session', ['user', 'active_at', 'id']),
    ),
}

/** A session knows where the labelled data comes from that it has held. */
const originsStep: MigrationStep = {
  up: (on) => [on.column('session', 'origins', 'text', '')],
  down: (on) => [on.schema.alterTable('session').dropColumn('origins')],
}

/**
 * A call begins once and ends once, whoever writes. What a journal of an older version has twice is marked as such and stays; the index of
 * calls, which is there already, has the rest.
 */
const onceStep: MigrationStep = {
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

/** The same rows under another key, without indexes. */
function rebuiltJournal(on: StepTools, key: readonly string[]): readonly StepStatement[] {
  const columns = Object.keys(journalColumns)
    .map((column) => `"${column}"`)
    .join(', ')
  return [
    on.table('journal_rebuilt', journalColumns, key),
    `insert into "journal_rebuilt" (${columns}) select ${columns} from "journal" order by "seq"`,
    on.schema.dropTable('journal'),
    on.schema.alterTable('journal_rebuilt').renameTo('journal'),
  ]
}

/**
 * Exchanges and blobs are written packed from here on, in SQLite; see `sqlite/packed-value.ts`. Rows that are there are read as they are, so
 * there is nothing to do. Going back, they are unpacked, by a function that each connection of this program has.
 */
const packedStep: MigrationStep = {
  up: () => [],
  down: (on) =>
    on.only(
      'sqlite',
      `update "journal" set "body" = oxbow_unpacked("body") where typeof("body") = 'blob'`,
      `update "blob" set "bytes" = oxbow_unpacked("bytes") where substr("bytes", 1, 8) = x'9fd1c6a60e7b43e2'`,
    ),
}

/** By id. */
export const migrationSteps: ReadonlyMap<number, MigrationStep> = new Map([
  [1, journalStep],
  [2, scratchpadStep],
  [3, memoryStep],
  [4, sessionStep],
  [5, secretsZoeyStep],
  [6, blobOwnerStep],
  [7, smallerVectorsStep],
  [8, nearIndexStep],
  [9, documentStep],
  [10, budgetStep],
  [11, hotStep],
  [12, journalBySeqStep],
  [13, originsStep],
  [14, onceStep],
  // Each change of memory leaves marks in the journal, which an older program would not: see `memory/memory-marks.ts`.
  [15, { up: () => [], down: () => [] }],
  [17, packedStep],
])

/** A step as SQL. */
interface StepText {
  readonly id: number
  readonly up: readonly string[]
  readonly down: readonly string[]
}

/** Everything that a migration runs in a dialect: the table that records the steps, and the steps. */
export function buildMigrations(dialect: Dialect): { readonly table: string; readonly steps: readonly StepText[] } {
  const on = stepTools(dialect)
  const columns = { id: 'whole', name: 'text', applied_at: 'whole', checksum: 'text', reads_from: 'whole', writes_from: 'whole' } as const
  return {
    table: statementText(on.table('migration', columns, ['id'])).replace('create table', 'create table if not exists'),
    steps: [...migrationSteps].map(([id, step]) => ({ id, up: step.up(on).map(statementText), down: step.down(on).map(statementText) })),
  }
}
