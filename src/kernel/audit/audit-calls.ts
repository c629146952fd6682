/** The calls about the journal itself: find records, and check the chain while the guest runs. Signed heads are checked from outside. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { z } from 'zod'
import type { Store } from '../../store/index.ts'
import { type Call, type JournalRecord, OxbowError, type Phase, type SessionId } from '../../types/index.ts'
import type { Journal } from '../journal.ts'
import { maxAuditScan, maxAuditShown } from '../limits.ts'
import { type AuditReport, verifyJournal } from './audit-verify.ts'

export interface AuditCallDeps {
  readonly store: Store
  readonly journal: Pick<Journal, 'flushed'>
}

interface QueryInput {
  readonly actor: string
  readonly name: string
  readonly session: string
  readonly phase: Phase | ''
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly before?: number | undefined
  readonly limit: number
}

interface QueryOutput {
  /** Newest first, bodies as text. */
  readonly records: readonly Omit<JournalRecord, 'previous'>[]
  /** Pass it as `before` for older ones; null at the beginning of the journal. */
  readonly next: number | null
}

const shared = {
  right: 'audit.read',
  tier: 'read_only',
  effect: 'none',
  audience: ['terminal'],
} as const satisfies Partial<Call>

export function auditCalls(deps: AuditCallDeps): readonly Call[] {
  return [queryCall(deps), verifyCall(deps), appendCall(deps)]
}

const phases = ['intent', 'parked', 'decided', 'started', 'exchange', 'outcome', 'refused', 'reconciled'] as const
const time = z.iso.datetime({ offset: true }).optional()

function queryCall({ store, journal }: AuditCallDeps): Call<QueryInput, QueryOutput> {
  return {
    ...shared,
    name: 'audit.query',
    summary: 'Finds records of the journal by actor, call, session, phase and time, newest first.',
    input: z.strictObject({
      actor: z.string().max(200).default('').describe('Beginning of the actor, e.g. `agent:` or `user:ada`.'),
      name: z.string().max(200).default('').describe('Beginning of the call’s name, e.g. `file.` or `shell.exec`.'),
      session: z.string().max(64).default('').describe('Only of this session.'),
      phase: z
        .enum(['', ...phases])
        .default('')
        .describe('Only of this phase, e.g. `refused`.'),
      from: time.describe('Not before this time.'),
      to: time.describe('Not after this time.'),
      before: z.int().positive().optional().describe('Only records before this one.'),
      limit: z.int().min(1).max(maxAuditShown).default(50),
    }),
    output: z.custom<QueryOutput>(),
    example: { actor: 'agent:', name: 'shell.', session: '', phase: 'outcome', limit: 20 },
    labels: { adds: ['private', 'untrusted'], sink: false },
    timeoutMs: 30_000,
    recordOutput: ({ records }) => ({ records: records.length }),
    async run({ actor, name, session, phase, from, to, before, limit }, { signal }) {
      await journal.flushed()
      const earliest = from === undefined ? -Infinity : Date.parse(from)
      const latest = to === undefined ? Infinity : Date.parse(to)
      const found: Omit<JournalRecord, 'previous'>[] = []
      let cursor = before
      for (let scanned = 0; scanned < maxAuditScan;) {
        signal.throwIfAborted()
        const page = await store.records({
          ...(cursor !== undefined && { before: cursor }),
          ...(session !== '' && { session: session as SessionId }),
          ...(phase !== '' && { phases: [phase] }),
          order: 'newest_first',
          limit: auditPage,
          hydrate: true,
        })
        for (const { previous: _previous, ...record } of page) {
          cursor = record.seq
          // Clocks may be set back: an early time does not end the search, the beginning of the journal does.
          if (record.at < earliest || record.at > latest || !record.actor.startsWith(actor) || !record.name.startsWith(name)) continue
          if (found.push(record) >= limit) return { output: { records: found, next: record.seq } }
        }
        scanned += page.length
        if (page.length < auditPage) return { output: { records: found, next: null } }
      }
      return { output: { records: found, next: cursor ?? null } }
    },
  }
}

/** Records read at once; their bodies are read, too. */
const auditPage = 200

function verifyCall({ store, journal }: AuditCallDeps): Call<object, AuditReport> {
  return {
    ...shared,
    name: 'audit.verify',
    summary: 'Checks the chain of the journal, and what the store keeps beside it. `oxbow audit verify` also checks the signed heads.',
    input: z.strictObject({}),
    output: z.custom<AuditReport>(),
    example: {},
    labels: { adds: [], sink: false },
    timeoutMs: Infinity,
    recordOutput: ({ ok, records }) => ({ ok, records }),
    async run(_, { signal }) {
      await journal.flushed()
      // Other sessions go on meanwhile.
      const slowly: Store = {
        ...store,
        async records(query) {
          signal.throwIfAborted()
          await yieldToEventLoop()
          return store.records({ ...query, limit: Math.min(query.limit, auditPage) })
        },
      }
      return { output: await verifyJournal(slowly, { seal: null }) }
    },
  }
}

interface AppendInput {
  readonly action: string
  readonly resource: string
}
type AppendOutput = Pick<JournalRecord, 'seq' | 'hash'>

/** The record of the call is what it appends: it has the actor, the time and the input. */
function appendCall({ store, journal }: AuditCallDeps): Call<AppendInput, AppendOutput> {
  return {
    name: 'audit.append',
    summary: 'Records something that a program or a person did outside of Oxbow, and returns the hash of the record.',
    input: z.strictObject({
      action: z.string().min(1).max(200).describe('What was done.'),
      resource: z.string().max(2_000).default('').describe('To what.'),
    }),
    output: z.object({ seq: z.int(), hash: z.string() }),
    example: { action: 'deployed', resource: 'shop 1.4.2' },
    tier: 'side_effecting',
    right: 'audit.write',
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    async run(_, { id }) {
      await journal.flushed()
      const [record] = await store.records({ call: id, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: false })
      if (record === undefined) throw new OxbowError('not_found', 'The record of this call is gone.', { hint: 'Call it again.' })
      return { output: { seq: record.seq, hash: record.hash } }
    },
  }
}
