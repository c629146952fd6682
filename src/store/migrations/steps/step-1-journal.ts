/** The journal, its blobs, and what follows from it. */
import type { MigrationStep } from '../migration-step.ts'

export const journalStep: MigrationStep = {
  up: (on) => [
    // Rows are stored in the order of appending, so a scan by seq reads the table from front to back.
    on.table(
      'journal',
      {
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
      },
      ['user', 'seq'],
    ),
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
