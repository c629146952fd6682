/** The calls about the journal itself: find records, and check the chain while the guest runs. Signed heads are checked from outside. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { z } from 'zod'
import type { Store } from '../../store/index.ts'
import { type CallId, type Clock, OxbowError, type SessionId, truncate, untilAborted } from '../../base/index.ts'
import { type Call, chainHead, defineCall, newestHead, phases, recordView } from '../../protocol/index.ts'
import type { CallReference, Core } from '../../kernel/index.ts'
import { archiveCalls } from './archive-calls.ts'
import { type AuditReport, auditReport, verifyJournal } from './audit-verify.ts'
import { repeatsBody } from './repeats.ts'

/** Records of one answer of `audit.query`, and the most that it looks through. */
const maxAuditShown = 200
const maxAuditScan = 50_000

type AuditCallDeps = Pick<Core, 'store' | 'host' | 'journal' | 'references' | 'config' | 'documents'>

type QueryInput = z.infer<typeof queryInput>

const shownRecord = recordView.extend({
  hash: z.string(),
  body: z.string().describe('JSON text.'),
  body_bytes: z.int().exactOptional().describe('The size of a body that `max_body` has cut.'),
})

type ShownRecord = z.infer<typeof shownRecord>

const queryOutput = z.strictObject({
  records: z.array(shownRecord).describe('Newest first, bodies as text.'),
  next: z.int().nullable().describe('Pass it as `before` for older ones; null at the beginning of the journal.'),
})

const shared = {
  right: 'audit.read',
  tier: 'read_only',
  effect: 'none',
  audience: ['terminal'],
} as const satisfies Partial<Call>

/** A program that watches over the guest makes them, too, and an agent with the right to. */
const forGuards = { ...shared, audience: ['model', 'terminal'], rare: true } as const satisfies Partial<Call>

export function auditCalls(deps: AuditCallDeps): readonly Call[] {
  const verifier = createVerifier(deps)
  return [queryCall(deps), verifyCall(verifier), statusCall(verifier, deps), cancelCall(verifier), appendCall(deps), ...archiveCalls(deps)]
}

const time = z.iso.datetime({ offset: true }).optional()

const queryInput = z.strictObject({
  actor: z.string().max(200).default('').describe('Beginning of the actor, e.g. `agent:` or `user:ada`.'),
  name: z.string().max(200).default('').describe('Beginning of the call’s name, e.g. `file.` or `shell.exec`.'),
  session: z.string().max(64).default('').describe('Only of this session.'),
  phase: z
    .enum(['', ...phases])
    .default('')
    .describe('Only of this phase, e.g. `refused`.'),
  call: z.string().max(200).default('').describe('Only of this call.'),
  turn: z.string().max(64).default('').describe('Only of this turn.'),
  text: z.string().max(200).default('').describe('Only records whose body has this text, in any case.'),
  without: z.array(z.string().min(1).max(200)).max(50).default([]).describe('Beginnings of names of calls to leave out.'),
  reads: z.boolean().default(true).describe('False: without what terminals and pages of a person only read to show it.'),
  max_body: z.int().min(0).optional().describe('Characters of each body to return; default: all.'),
  from: time.describe('Not before this time.'),
  to: time.describe('Not after this time.'),
  before: z.int().positive().optional().describe('Only records before this one.'),
  limit: z.int().min(1).max(maxAuditShown).default(50),
})

function queryCall({ store, journal, references }: AuditCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'audit.query',
    routes: [{ method: 'GET', path: '/audit', list: 'records' }],
    summary: 'Finds records of the journal by actor, call, session, phase and time, newest first.',
    input: queryInput,
    output: queryOutput,
    example: {
      actor: 'agent:',
      name: 'shell.',
      session: '',
      phase: 'outcome',
      call: '',
      turn: '',
      text: '',
      without: [],
      reads: false,
      limit: 20,
    },
    labels: { adds: ['private', 'untrusted'], sink: false },
    timeoutMs: 30_000,
    recordOutput: ({ records }) => ({ records: records.length }),
    async run({ session, phase, call, before, limit, ...filter }, { signal }) {
      await journal.flushed()
      const fits = createFilter(filter, filter.reads ? new Set() : readsOf(references()))
      const found: ShownRecord[] = []
      let cursor = before
      for (let scanned = 0; scanned < maxAuditScan;) {
        signal.throwIfAborted()
        const page = await store.records({
          ...(cursor !== undefined && { before: cursor }),
          ...(session !== '' && { session: session as SessionId }),
          ...(phase !== '' && { phases: [phase] }),
          ...(call !== '' && { call: call as CallId }),
          order: 'newest_first',
          limit: auditPage,
          hydrate: true,
        })
        for (const { previous: _previous, ...record } of page) {
          cursor = record.seq
          if (!fits(record)) continue
          if (found.push(shortened(record, filter.max_body)) >= limit) return { output: { records: found, next: record.seq } }
        }
        scanned += page.length
        if (page.length < auditPage) return { output: { records: found, next: null } }
      }
      return { output: { records: found, next: cursor ?? null } }
    },
  })
}

/** Records read at once; their bodies are read, too. */
const auditPage = 200

type Filter = Pick<QueryInput, 'actor' | 'name' | 'turn' | 'text' | 'without' | 'from' | 'to'>

/** Clocks may be set back: an early time does not end the search, the beginning of the journal does. */
function createFilter(
  { actor, name, turn, text, without, from, to }: Filter,
  reads: ReadonlySet<string>,
): (record: ShownRecord) => boolean {
  const earliest = from === undefined ? -Infinity : Date.parse(from)
  const latest = to === undefined ? Infinity : Date.parse(to)
  const wanted = text.toLowerCase()
  // What was searched for before, and now, is in the records of those searches.
  const isSearch = (record: ShownRecord): boolean => record.name === 'audit.query' && !name.startsWith('audit')
  return (record) =>
    record.at >= earliest &&
    record.at <= latest &&
    record.actor.startsWith(actor) &&
    record.name.startsWith(name) &&
    !without.some((start) => record.name.startsWith(start)) &&
    !(reads.has(record.name) && isOfPerson(record)) &&
    (turn === '' || record.turn === turn) &&
    (wanted === '' || (!isSearch(record) && record.body.toLowerCase().includes(wanted)))
}

const readsOf = (references: readonly CallReference[]): ReadonlySet<string> =>
  new Set(references.filter(({ tier }) => tier === 'read_only').map(({ name }) => name))

/** What an agent reads is part of its work, and stays. */
const isOfPerson = ({ actor, turn }: ShownRecord): boolean => turn === '' && /^(?:user|key):/.test(actor)

function shortened(record: ShownRecord, maxBody = Infinity): ShownRecord {
  if (record.body.length <= maxBody) return record
  return { ...record, body: maxBody === 0 ? '' : truncate(record.body, maxBody), body_bytes: Buffer.byteLength(record.body) }
}

/** A check of the chain that runs. */
interface Checking {
  readonly began: number
  /** The last record at its start. */
  readonly total: number
  /** The last record that was checked. */
  done: number
  readonly stop: AbortController
}

interface AuditState {
  readonly checking: Checking | null
  readonly last: { readonly at: number; readonly report: AuditReport } | null
}

interface Verifier {
  state(): AuditState
  /** One check runs at a time: a second request waits for the same one. @throws when `signal` or `cancel` stops it */
  verify(clock: Clock, signal: AbortSignal): Promise<AuditReport>
  /** @returns whether one was running */
  cancel(): boolean
}

function createVerifier({ store, journal }: AuditCallDeps): Verifier {
  let checking: Checking | null = null
  let running: Promise<AuditReport> | null = null
  let last: AuditState['last'] = null
  const check = async (clock: Clock): Promise<AuditReport> => {
    await journal.flushed()
    const state: Checking = { began: clock.now(), total: (await store.head()).seq, done: 0, stop: new AbortController() }
    checking = state
    // Other sessions go on meanwhile.
    const records: Store['records'] = async (query) => {
      state.stop.signal.throwIfAborted()
      state.done = Math.max(state.done, query.after ?? 0)
      await yieldToEventLoop()
      return store.records({ ...query, limit: Math.min(query.limit, auditPage) })
    }
    // Inherits instead of copying, because a store may wrap another one.
    const slowly = Object.assign(Object.create(store) as Store, { records })
    const report = await verifyJournal(slowly, { seal: null })
    last = { at: clock.now(), report }
    return report
  }
  const cancel = (): boolean => {
    checking?.stop.abort(new OxbowError('cancelled', 'The check was stopped.', { hint: 'Start it again whenever you like.' }))
    return checking !== null
  }
  return {
    state: () => ({ checking, last }),
    cancel,
    async verify(clock, signal) {
      running ??= check(clock).finally(() => (checking = running = null))
      signal.addEventListener('abort', cancel, { once: true })
      return running.finally(() => signal.removeEventListener('abort', cancel))
    },
  }
}

function verifyCall(verifier: Verifier): Call {
  return defineCall({
    ...forGuards,
    name: 'audit.verify',
    routes: [{ method: 'POST', path: '/audit/verify' }],
    summary: 'Checks the chain of the journal, and what the store keeps next to it. `oxbow audit verify` also checks the signed heads.',
    input: z.strictObject({}),
    output: auditReport,
    example: {},
    labels: { adds: [], sink: false },
    timeoutMs: Infinity,
    recordOutput: ({ ok, records }) => ({ ok, records }),
    async run(_, { clock, signal, record }) {
      const report = await verifier.verify(clock, signal)
      const repeats = report.repeated.unexplained.map(({ seq }) => seq)
      if (repeats.length > 0) record(repeatsBody(repeats))
      return { output: report }
    },
  })
}

const statusOutput = z.strictObject({
  head: chainHead.describe('The newest record: its hash stands for all before it.'),
  checking: z
    .strictObject({
      began: z.number(),
      done: z.int().describe('The last record that was checked.'),
      total: z.int().describe('The last record at its start.'),
    })
    .nullable(),
  last: z.strictObject({ at: z.number(), report: auditReport }).nullable().describe('The last check since the guest started.'),
  signed: newestHead
    .extend({ is_in_chain: z.boolean() })
    .nullable()
    .describe(
      'The newest head that the runner says it has signed, and whether this journal has that record. Null: it is not known, or a check runs. A guest can claim anything here: `oxbow audit verify` reads the heads themselves.',
    ),
})

type StatusOutput = z.infer<typeof statusOutput>

/** A runner that is busy or gone is not waited for. */
const signedTimeoutMs = 1_000

async function newestSigned({ store, host }: AuditCallDeps): Promise<StatusOutput['signed']> {
  if (host === undefined) return null
  const head = await untilAborted(host.newestHead(), AbortSignal.timeout(signedTimeoutMs)).catch(() => null)
  if (head === null || head.seq === 0) return null
  const [record] = await store.records({ after: head.seq - 1, before: head.seq + 1, order: 'oldest_first', limit: 1, hydrate: false })
  return { ...head, is_in_chain: record?.hash === head.hash }
}

function statusCall(verifier: Verifier, deps: AuditCallDeps): Call {
  return defineCall({
    ...forGuards,
    name: 'audit.status',
    routes: [{ method: 'GET', path: '/audit/status' }],
    summary:
      'Shows the newest record of the chain and what of it is signed, how far a running `audit.verify` is, and what the last one found.',
    input: z.strictObject({}),
    output: statusOutput,
    example: {},
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    recordOutput: ({ head }) => ({ seq: head.seq }),
    async run() {
      await deps.journal.flushed()
      const { checking, last } = verifier.state()
      const progress = checking === null ? null : { began: checking.began, done: checking.done, total: checking.total }
      const signed = checking === null ? await newestSigned(deps) : null
      return { output: { head: await deps.store.head(), checking: progress, last, signed } }
    },
  })
}

function cancelCall(verifier: Verifier): Call {
  return defineCall({
    ...shared,
    name: 'audit.cancel',
    routes: [{ method: 'POST', path: '/audit/cancel' }],
    summary: 'Stops a running `audit.verify`.',
    input: z.strictObject({}),
    output: z.object({ cancelled: z.boolean() }),
    example: {},
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    run: async () => ({ output: { cancelled: verifier.cancel() } }),
  })
}

/** The record of the call is what it appends: it has the actor, the time and the input. */
function appendCall({ store, journal }: AuditCallDeps): Call {
  return defineCall({
    name: 'audit.append',
    routes: [{ method: 'POST', path: '/audit', status: 201 }],
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
  })
}
