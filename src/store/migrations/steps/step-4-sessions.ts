/** Sessions can be put away, erased and forked, and know the call that made their newest summary. */
import type { MigrationStep } from '../migration-step.ts'

export const sessionStep: MigrationStep = {
  up: (on) => [
    on.column('session', 'archived', 'whole', 0),
    on.column('session', 'deleted', 'whole', 0),
    on.column('session', 'parent', 'text', ''),
    on.column('session', 'forked', 'whole', 0),
    on.column('session', 'summary', 'text', ''),
  ],
  down: (on) => ['archived', 'deleted', 'parent', 'forked', 'summary'].map((column) => on.schema.alterTable('session').dropColumn(column)),
}
