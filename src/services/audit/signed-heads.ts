/**
 * The part of an audit that holds the journal against the heads that its runner has signed.
 *
 * The journal must contain every head as it was signed, and records that are old enough must have a later head. A restore
 * replaces heads before it: its own head says to where, and counts once the journal has the record that the restore took place.
 * Until then it is void, and everything before it must still hold.
 */
import { createPublicKey } from 'node:crypto'
import { z } from 'zod'
import { checkHeads, emptyChain, type HeadSeal, type JournalRecord, restoreCall, type SignedHead } from '../../protocol/index.ts'

export const badRecord = z.strictObject({ seq: z.int(), why: z.string() })

type BadRecord = z.infer<typeof badRecord>

const restored = z.strictObject({
  at: z.number(),
  by: z.string(),
  from: z.int().describe('Newest record of the journal that was replaced.'),
  to: z.int().describe('Newest record of the backup that replaced it.'),
  fault: z.string().describe('What was wrong with the signed heads until then; empty: nothing.'),
})

export const signedHeadsReport = z.strictObject({
  checked: z.int().describe('Heads that were held against the journal.'),
  chained_from: z.int().nullable().describe('Record from which on heads are chained; null: there is no such head.'),
  bad: z.array(badRecord).readonly(),
  others: z
    .int()
    .describe(
      'The newest heads, which another version of the program has signed outside of the chain, until this one signs a base over them.',
    ),
  restores: z.array(restored).readonly().describe('Restores that took place, oldest first.'),
})

type SignedHeadsReport = z.infer<typeof signedHeadsReport>

/** The runner signs the newest record every ten seconds: records without a head that span more had one that was removed. */
const maxUnsignedMs = 120_000
/** By how much the host's clock may step back between the first head and the first record. */
const clockStepMs = 60_000

export interface HeadAudit {
  /** Takes in every record, in order. */
  take(record: JournalRecord): void
  /** @param upTo records before this one hold */
  report(upTo: number): SignedHeadsReport
}

/**
 * @param isShared the journal is in a database that other machines use, too: their runners have signed what this one has not
 */
export function createHeadAudit(user: string, seal: HeadSeal, isShared: boolean): HeadAudit {
  const { heads, faults, others } = checkHeads(user, seal, createPublicKey(seal.publicKey))
  const faulty = new Set(faults.map(({ index }) => heads[index]))
  const hashes = new Map<number, string>(heads.map((head) => [head?.seq ?? 0, head?.seq === emptyChain.seq ? emptyChain.hash : '']))
  /** Restores that the journal tells of, by call: the record before. */
  const told = new Map<string, JournalRecord>()
  let first: JournalRecord | undefined
  let before: JournalRecord | undefined
  /** The first record behind each head, from which on it is not signed. */
  const behind = new Map<number, JournalRecord>()

  const tookPlace = ({ seq, hash, restore }: SignedHead): boolean => {
    const record = restore === undefined ? undefined : told.get(restore.call)
    return record !== undefined && record.seq === seq + 1 && record.previous === hash
  }
  const judge = (head: SignedHead): readonly BadRecord[] => {
    if (faulty.has(head)) return []
    const found = hashes.get(head.seq) ?? ''
    if (found === '') return [{ seq: head.seq, why: 'the journal ends before this signed record: its end was cut off' }]
    return found === head.hash ? [] : [{ seq: head.seq, why: 'the journal has another record here than the one that was signed' }]
  }
  const unsigned = (counting: readonly SignedHead[]): readonly BadRecord[] => {
    if (first === undefined || before === undefined || isShared) return []
    const [oldest] = heads
    if (heads.length === 0) return [{ seq: 1, why: 'the runner has no signed head of this journal: its heads were removed' }]
    const began = counting[0] === oldest && oldest?.covers === 0 && oldest.restore === undefined ? oldest.at : 0
    if (first.at < began - clockStepMs)
      return [{ seq: 1, why: 'the journal is older than the first signed head: heads before it were removed' }]
    const from = behind.get(counting.reduce((max, { seq }) => Math.max(max, seq), 0)) ?? (counting.length === 0 ? first : undefined)
    if (from === undefined || before.at - from.at <= maxUnsignedMs) return []
    const minutes = Math.round((before.at - from.at) / 60_000)
    const why = `records ${from.seq} to ${before.seq} span ${minutes} minutes without a signed head: heads were removed or could not be written`
    return [{ seq: from.seq, why }]
  }
  const untold = (): readonly BadRecord[] => {
    const [call, record] = [...told].at(-1) ?? []
    if (record === undefined || isShared || heads.some((head) => head?.restore?.call === call)) return []
    return [{ seq: record.seq, why: 'it says that a backup was restored, and no signed head does' }]
  }

  return {
    take(record) {
      first ??= record
      if (before !== undefined && hashes.has(before.seq)) behind.set(before.seq, record)
      else if (before === undefined) behind.set(0, record)
      if (hashes.has(record.seq)) hashes.set(record.seq, record.hash)
      if (record.name === restoreCall && record.phase === 'intent') told.set(record.call, record)
      before = record
    },
    report(upTo) {
      const decisive = heads.findLastIndex((head) => head !== null && tookPlace(head))
      const counting = heads.filter(
        (head, index): head is SignedHead => head !== null && index >= decisive && (head.restore === undefined || index === decisive),
      )
      const checked = counting.filter(({ seq }) => seq < upTo)
      const ofFile = faults.filter(({ index }) => index >= decisive).map(({ seq, why }) => ({ seq, why }))
      return {
        checked: checked.length,
        others: others.length,
        chained_from: heads.find((head) => head?.n !== undefined)?.seq ?? null,
        bad: [...ofFile, ...checked.flatMap(judge), ...(upTo === Infinity ? [...unsigned(counting), ...untold()] : [])],
        restores: heads.flatMap((head) =>
          head?.restore !== undefined && tookPlace(head)
            ? [{ at: head.at, by: head.restore.by, from: head.restore.from.seq, to: head.seq, fault: head.restore.fault }]
            : [],
        ),
      }
    },
  }
}
