/** Erases bodies in the transaction of a batch. The old rows stay in the table's file until it is vacuumed. */
import type { UserId } from '../../../types/index.ts'
import type { Hasher } from '../../chain.ts'
import { eraseBodies } from '../../sql/erase-rules.ts'
import type { EraseStatements } from '../../sql/erase-statements.ts'
import { bind } from '../../sql/template.ts'
import type { Extra, WriteResult } from '../../store-message.ts'
import type { PostgresSession } from '../postgres-session.ts'

interface EraseDeps {
  readonly statements: EraseStatements
  readonly user: UserId
  readonly hash: Hasher
}

/** @returns what an `erase` of a batch runs, and its result. */
export function createEraser({ statements, user, hash }: EraseDeps): (session: PostgresSession, extra: Extra) => Promise<WriteResult> {
  return async (session, extra) => {
    if (extra.kind !== 'erase') return null
    const steps = eraseBodies({ user, hash }, extra.seqs, extra.reason)
    for (let step = steps.next(); ;) {
      if (step.done === true) return JSON.stringify(step.value)
      const { sql, parameters } = statements[step.value.statement]
      step = steps.next(await session.objects({ text: sql, values: bind(parameters, step.value.args) }))
    }
  }
}
