/** Erases bodies in the transaction of a batch. */
import type { UserId } from '../../types/index.ts'
import type { Hasher } from '../chain.ts'
import { eraseBodies } from '../sql/erase-rules.ts'
import type { EraseStatements } from '../sql/erase-statements.ts'
import type { Erased } from '../store.ts'
import type { Database, Statement } from './sqlite-database.ts'

interface EraseDeps {
  readonly database: Database
  readonly statements: EraseStatements
  readonly user: UserId
  readonly hash: Hasher
}

export type Eraser = (seqs: readonly number[], reason: string) => Erased

export function createEraser({ database, statements, user, hash }: EraseDeps): Eraser {
  const prepared = new Map<keyof EraseStatements, Statement<object, object>>()
  return (seqs, reason) => {
    const steps = eraseBodies({ user, hash }, seqs, reason)
    for (let step = steps.next(); ;) {
      if (step.done === true) return step.value
      const { statement, args, changes } = step.value
      const known = prepared.get(statement) ?? database.prepare<object, object>(statements[statement])
      prepared.set(statement, known)
      if (changes) known.run(args)
      step = steps.next(changes ? [] : known.all(args))
    }
  }
}
