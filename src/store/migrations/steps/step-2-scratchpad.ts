/** A session knows the call that changed its scratchpad last. */
import type { MigrationStep } from '../migration-step.ts'

export const scratchpadStep: MigrationStep = {
  up: (on) => [on.column('session', 'scratchpad', 'text', '')],
  down: (on) => [on.schema.alterTable('session').dropColumn('scratchpad')],
}
