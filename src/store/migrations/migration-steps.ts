/**
 * The statements of every step, in order. `node scripts/make-statements.ts` compiles them with kysely into `statements.json`, and that is
 * what `migration-runner.ts` runs: an installation has no kysely. A step that was released is never changed: a database in which it ran has its checksum.
 * Facts about each step are in `schema-version.ts`, which is all that a start reads.
 */
import type { Dialect } from '../sql/user-tables.ts'
import { journalBySeqStep, journalStep, onceStep, packedStep, referenceIndex } from './journal-steps.ts'
import { type MigrationStep, rebuilt, type StepStatement, statementText, stepTools, type StepTools } from './migration-step.ts'

/** A session knows the call that changed its scratchpad last. */
const scratchpadStep: MigrationStep = {
  up: (on) => [on.column('session', 'scratchpad', 'text', '')],
  down: (on) => [on.schema.alterTable('session').dropColumn('scratchpad')],
}

/**
 * What memory keeps. Numbers of entries and passages count within a user. The full-text index of older programs is no table of
 * these: it followed from passages (`memory_text_…` in SQLite; rows of `memory_posting` in Postgres).
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
    on.table('memory_entry', entryColumns, ['user', 'key']),
    on.index('memory_entry_id', 'memory_entry', ['user', 'id']),
    // Readers take in what changed after the version that they hold.
    on.index('memory_entry_version', 'memory_entry', ['user', 'version']),
    on.index('memory_entry_place', 'memory_entry', ['user', 'stream_key', 'place']),
    on.index('memory_entry_created', 'memory_entry', ['user', 'created_at']),
    on.index('memory_entry_hash', 'memory_entry', ['user', 'hash_key']),
    on.table('memory_passage', passageColumns, ['user', 'id']),
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
    ...on.only('postgres', postingTable(on)),
    on.table('memory_cursor', { user: 'text', name: 'text', seq: 'whole' }, ['user', 'name'], 'by_key'),
  ],
  // Indexes of words are left where they are in SQLite: without passages they are empty of meaning, and are made anew.
  down: (on) => [
    ...memoryTables.toReversed().map((table) => on.schema.dropTable(table)),
    ...on.only('postgres', on.schema.dropTable('memory_posting')),
  ],
}

/** Where words occur, a row for each word and some four thousand passages. */
function postingTable(on: StepTools): ReturnType<StepTools['table']> {
  return on.table('memory_posting', { user: 'text', term: 'text', bucket: 'whole', postings: 'bytes' }, ['user', 'term', 'bucket'])
}

const passageColumns = { user: 'text', id: 'whole', entry: 'whole', part: 'whole', start: 'whole', length: 'whole', body: 'bytes' } as const

const entryColumns = {
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
} as const

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
 * Only in Postgres. The tables themselves are made by whoever does upkeep, each with the dimensions of its model; see `postgres/near-index.ts`.
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

/** A session knows where the labelled data comes from that it has held. */
const originsStep: MigrationStep = {
  up: (on) => [on.column('session', 'origins', 'text', '')],
  down: (on) => [on.schema.alterTable('session').dropColumn('origins')],
}

/**
 * In SQLite, whose file holds one user, the number of an entry or a passage is the row's own, as in the journal: a search finds it without an
 * index, and a change writes fewer pages. Columns and statements are as before.
 */
const memoryByNumberStep: MigrationStep = {
  up: (on) => on.only('sqlite', ...memoryTablesBy(on, [])),
  down: (on) => on.only('sqlite', ...memoryTablesBy(on, ['user'])),
}

/** @param user in front of every key */
function memoryTablesBy(on: StepTools, user: readonly string[]): readonly StepStatement[] {
  return [
    ...rebuilt(on, 'memory_entry', entryColumns, [...user, 'key']),
    on.index('memory_entry_id', 'memory_entry', [...user, 'id']),
    on.index('memory_entry_version', 'memory_entry', [...user, 'version']),
    on.index('memory_entry_place', 'memory_entry', [...user, 'stream_key', 'place']),
    on.index('memory_entry_created', 'memory_entry', [...user, 'created_at']),
    on.index('memory_entry_hash', 'memory_entry', [...user, 'hash_key']),
    on.index('memory_entry_hot', 'memory_entry', [...user, 'tier', 'created_at'], `tier = 'hot'`),
    ...rebuilt(on, 'memory_passage', passageColumns, [...user, 'id']),
    on.index('memory_passage_entry', 'memory_passage', [...user, 'entry', 'part']),
  ]
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
  // Words are indexed in memory. In SQLite they have a table of each user, which the writer drops and an older program makes anew.
  [16, { up: (on) => on.only('postgres', on.schema.dropTable('memory_posting')), down: (on) => on.only('postgres', postingTable(on)) }],
  [17, packedStep],
  [18, memoryByNumberStep],
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
