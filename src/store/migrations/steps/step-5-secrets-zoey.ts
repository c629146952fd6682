/**
 * Secrets, sealed; and what plugins keep through the ZoeyOS adapter: one table for all kinds of rows, with the columns that
 * they are found by, and their vectors. A body that is a reference is found by it, so that a blob goes with its last record.
 */
import type { MigrationStep } from '../migration-step.ts'

export const secretsZoeyStep: MigrationStep = {
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
    `create index "journal_reference" on "journal" ("user", "body") where substr("body", 1, 9) = '{"blob":"'`,
  ],
  down: (on) => [on.schema.dropIndex('journal_reference'), ...['zoey', 'secret', 'wrapped_key'].map((table) => on.schema.dropTable(table))],
}
