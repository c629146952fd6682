/**
 * What an export of the journal must hold, by the heads that the runner has signed: the records that they name, but for those that a
 * restore has replaced. The file is written all the same: a journal that was cut is evidence, too.
 */
import { type HeadSeal, type JournalRecord, parseHead, restoreCall, type SignedHead } from '../../protocol/index.ts'

export interface ExportHeads {
  /** Takes in every record of the export, in order. */
  take(record: Pick<JournalRecord, 'seq' | 'hash' | 'previous' | 'call' | 'name' | 'phase'>): void
  /** Heads whose record the export has not, or has another in its place; oldest first. */
  missing(): readonly MissingHead[]
}

interface MissingHead extends Pick<SignedHead, 'seq' | 'at'> {
  /** There is a record of this number, which is not the one that was signed. */
  readonly isOther: boolean
}

/** @param seal as it was before the journal was read @param after the record before the first of the export */
export function createExportHeads({ lines }: Pick<HeadSeal, 'lines'>, after: number): ExportHeads {
  const heads = lines.map(parseHead).filter((head) => head !== null)
  const wanted = new Set(heads.map(({ seq }) => seq))
  const found = new Map<number, string>()
  const restores = new Set<string>()
  const key = (seq: number, hash: string, call: string): string => `${seq} ${hash} ${call}`
  const tookPlace = ({ seq, hash, restore }: SignedHead): boolean =>
    restore !== undefined && (seq < after || restores.has(key(seq, hash, restore.call)))
  return {
    take({ seq, hash, previous, call, name, phase }) {
      if (wanted.has(seq)) found.set(seq, hash)
      if (name === restoreCall && phase === 'intent') restores.add(key(seq - 1, previous, call))
    },
    missing() {
      const counting = heads
        .slice(Math.max(0, heads.findLastIndex(tookPlace)))
        .filter((head) => head.restore === undefined || tookPlace(head))
      return counting
        .filter(({ seq, hash }) => seq > after && found.get(seq) !== hash)
        .map(({ seq, at }) => ({ seq, at, isOther: found.has(seq) }))
    },
  }
}
