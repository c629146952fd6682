/**
 * The part of an audit that compares memory with the marks that the journal has of its rows. A row without one is older than they are, or a
 * message of such a time; every other is unknown to the journal.
 *
 * Some 150 bytes for each memory are kept meanwhile.
 */
import { marksCall, type RowMark, type Store, type StoredMark } from '../../store/index.ts'
import { isObject } from '../../base/index.ts'
import type { JournalRecord } from '../../protocol/index.ts'

export interface MemoryAudit {
  /** @param body hydrated; null: it was erased */
  take(record: Pick<JournalRecord, 'seq' | 'name' | 'phase'>, body: string | null): void
  compare(): Promise<readonly string[]>
}

interface Mark {
  readonly entry: string
  /** Null: it is not known. */
  readonly text: string | null
  readonly seq: number
}

/** Memories read at once. */
const pageEntries = 1_000
const maxWrong = 100

export function createMemoryAudit(store: Store): MemoryAudit {
  const marks = new Map<string, Mark>()
  const wrong: string[] = []
  /** The record from which on every memory has a mark; 0: none says so. */
  let base = 0
  let bases = 0

  const takeMark = (seq: number, [id, entry, text, before]: RowMark): void => {
    const known = marks.get(id)
    // What the change found is not what the one before it had left.
    if (known !== undefined && known.entry !== before)
      wrong.push(`a memory that record ${known.seq} left was changed or removed, and record ${seq} found it so`)
    if (entry === null) marks.delete(id)
    else marks.set(id, { entry, text: text ?? known?.text ?? null, seq })
  }
  return {
    take({ seq, name, phase }, body) {
      if (name !== marksCall || phase !== 'exchange') return
      const said = body === null ? null : marksIn(body)
      if (said === null) {
        // Nothing of ours erases it. What it said of other rows is gone with it, so that none is judged.
        wrong.push(`record ${seq} told what memory holds, and its body is gone`)
        marks.clear()
        base = 0
        return
      }
      for (const mark of said.rows) takeMark(seq, mark)
      if (!said.isBase) return
      bases += 1
      if (bases > 1) wrong.push(`record ${seq} takes memory as it is for a second time`)
      else if (base === 0) base = seq
    },
    async compare() {
      const left = new Map(marks)
      const found = wrong.slice(0, maxWrong)
      for await (const stored of storedMarks(store)) {
        if (found.length >= maxWrong) return found
        const mark = left.get(stored.mark)
        left.delete(stored.mark)
        if (mark !== undefined && (mark.entry !== stored.entry || (mark.text !== null && mark.text !== stored.text)))
          found.push(`the memory ${stored.id} has another text, labels, author or dates than the journal says`)
        else if (mark === undefined && marks.has(stored.mark)) found.push(`the memory ${stored.id} is there twice`)
        else if (mark === undefined && isUnknown(stored, base)) found.push(`the journal knows nothing of the memory ${stored.id}`)
      }
      for (const { seq } of left.values()) found.push(`a memory that record ${seq} left is missing`)
      return found.slice(0, maxWrong)
    },
  }
}

/** Messages that were read before the first mark have none, and come from records before it. */
function isUnknown({ kind, seq }: StoredMark, base: number): boolean {
  return base > 0 && (kind !== 'message' || seq > base)
}

async function* storedMarks({ memory }: Store): AsyncGenerator<StoredMark> {
  for (let after = 0; ;) {
    const page = await memory.marks(after, pageEntries)
    yield* page
    after = page.at(-1)?.key ?? after
    if (page.length < pageEntries) return
  }
}

/** @returns null for a body that no program of ours wrote: whoever writes the store can give it a hash that is right */
function marksIn(body: string): { readonly rows: readonly RowMark[]; readonly isBase: boolean } | null {
  try {
    const value: unknown = JSON.parse(body)
    const rows: unknown = isObject(value) ? value['memory_rows'] : null
    if (!isObject(value) || !Array.isArray(rows) || !rows.every(isMark)) return null
    return { rows, isBase: value['memory_base'] === true }
  } catch {
    return null
  }
}

function isMark(value: unknown): value is RowMark {
  return (
    Array.isArray(value) &&
    value.length === 4 &&
    typeof value[0] === 'string' &&
    value.slice(1).every((each) => each === null || typeof each === 'string')
  )
}
