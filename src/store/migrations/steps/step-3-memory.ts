/**
 * What memory keeps. Numbers of entries and passages count within a user. The full-text index is no table of these: it follows
 * from passages, belongs to one user, and is made when that user's first memory is kept (`memory_text_…` in SQLite; rows of
 * `memory_posting` in Postgres).
 */
import type { MigrationStep, StepTools } from '../migration-step.ts'

const tables = ['memory_state', 'memory_entry', 'memory_passage', 'memory_removal', 'memory_model', 'memory_vectors', 'memory_cursor']

export const memoryStep: MigrationStep = {
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
    ...tables.toReversed().map((table) => on.schema.dropTable(table)),
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
