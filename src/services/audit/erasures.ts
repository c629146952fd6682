/**
 * What an audit makes of erased bodies. Whoever may write the store can put a hash in the place of a body, so each one must be
 * answered for: by a record after it, which `Journal.erase` writes before anything is erased.
 */
import { erasedBody, type Holds, parseErased } from '../../store/index.ts'
import type { JournalRecord } from '../../protocol/index.ts'

export interface Erasures {
  /** Takes in a record, in order. @returns why it does not hold, or null when it does as far as anybody can tell */
  judge(record: JournalRecord, holds: Holds): string | null
  /** Takes in what a record says was erased. @param body hydrated: one that names many is a blob @returns why it cannot be read, or null */
  explain(record: JournalRecord, body: string): string | null
  /** The record's body was erased after it was read. @param left what stands there now */
  add(seq: number, left: string): void
  report(): { readonly bodies: number; readonly unchecked: number; readonly unexplained: readonly number[] }
}

/** @param maxNamed of the unexplained ones, so many are named */
export function createErasures(maxNamed: number): Erasures {
  const erased = new Map<number, string>()
  const explained = new Map<number, readonly string[]>()
  const unchecked: number[] = []
  /** No record of the second format has come, and nothing of the first comes behind one. */
  let first = true
  let older = false

  /** What is left must be what a record says was left: the reason is in no hash. */
  const isExplained = ([seq, left]: readonly [number, string]): boolean => {
    const { erased: hash = '', bytes = 0 } = parseErased(left) ?? {}
    return explained.get(seq)?.some((reason) => erasedBody(hash, bytes, reason) === left) === true
  }
  /** In a journal that has none of the first format, nothing can be of it: whoever writes the store could call a record that. */
  const doubtful = (): readonly number[] => (older ? [] : unchecked)

  return {
    judge(record, holds) {
      if (holds === false || (holds !== true && !first)) return 'its content was changed after it was written'
      if (holds === true) first = false
      else if (holds === 'first_format') older = true
      else unchecked.push(record.seq)
      if (parseErased(record.body) !== null) erased.set(record.seq, record.body)
      return null
    },
    explain({ seq: at, phase }, body) {
      if (phase !== 'exchange' || !body.startsWith('{"erases":[')) return null
      const said = erasureIn(body)
      if (said === null) return 'it says what was erased in a way that nobody can read'
      for (const seq of said.seqs) if (seq < at) explained.set(seq, [...(explained.get(seq) ?? []), said.reason])
      return null
    },
    add: (seq, left) => void erased.set(seq, left),
    report: () => ({
      bodies: erased.size,
      unchecked: unchecked.length,
      unexplained: [...new Set([...doubtful(), ...[...erased].filter((each) => !isExplained(each)).map(([seq]) => seq)])].slice(
        0,
        maxNamed,
      ),
    }),
  }
}

function erasureIn(body: string): { readonly seqs: readonly number[]; readonly reason: string } | null {
  try {
    const { erases, reason } = JSON.parse(body) as { erases: unknown; reason?: unknown }
    if (!Array.isArray(erases) || typeof reason !== 'string') return null
    return { seqs: erases.filter((seq): seq is number => typeof seq === 'number'), reason }
  } catch {
    return null
  }
}
