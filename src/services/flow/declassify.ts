/**
 * Declassification: a person takes the labels off one value, after they have seen its exact content and given a reason. It holds for what
 * they saw: the result of a call counts no longer where sinks of its session are judged, or a file is read without its labels as long as it
 * has this content. Nothing inherits it: files, children, schedules, memories and forks have the labels as before.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Core } from '../../kernel/index.ts'
import { type CallId, type JsonObject, OxbowError, type SessionId } from '../../base/index.ts'
import {
  type CallContext,
  idOrEmpty,
  idSchema,
  isErased,
  type JournalRecord,
  type Label,
  type Labels,
  labelSchema,
  originOfCall,
  parseLabels,
} from '../../protocol/index.ts'
import type { Store } from '../../store/index.ts'
import type { FileLabels } from './file-labels.ts'

export const declassifiedCategory = 'system/declassified'

const facts = z.strictObject({
  call: idOrEmpty('CallId').describe('The call that returned it; empty: a file.'),
  session: idOrEmpty('SessionId'),
  path: z.string(),
  labels: z.array(labelSchema()).readonly(),
  digest: z.string().describe('SHA-256 of the content: what a person agrees to.'),
})

/** A value that labels may be taken off. */
export const labelledValue = facts.extend({ content: z.string() })

export type LabelledValue = z.infer<typeof labelledValue>

export const declassified = facts.extend({
  id: idSchema('CallId').describe('Of the call that did it.'),
  by: z.string(),
  reason: z.string(),
  at: z.number(),
})

export type Declassified = z.infer<typeof declassified>

export type DeclassifyDeps = Pick<Core, 'store' | 'documents' | 'sessions' | 'registry'>

/** @returns the labels of the results of a call that has no outcome on record */
const addsOf = ({ registry }: Pick<DeclassifyDeps, 'registry'>, call: string): Labels =>
  registry.find(call)?.labels.adds ?? ['private', 'untrusted']

function digestOf(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}

/** @throws OxbowError `not_found`, `bad_input` for a result that has no labels */
export async function valueOfCall({ store }: Pick<DeclassifyDeps, 'store'>, call: CallId): Promise<LabelledValue> {
  const [outcome] = await store.records({ call, phases: ['outcome'], order: 'newest_first', limit: 1, hydrate: true })
  const body = outcome === undefined ? null : (JSON.parse(outcome.body) as JsonObject)
  if (outcome === undefined || body === null || isErased(body) || outcome.session === '')
    throw new OxbowError('not_found', `There is no result of a call ${call} in a session.`, {
      hint: '`oxbow flow why SESSION` lists the calls.',
    })
  const labels = labelsIn(body)
  if (labels.length === 0)
    throw new OxbowError('bad_input', `The result of ${outcome.name} has no labels.`, { hint: 'Nothing keeps it back.' })
  const content = typeof body['text'] === 'string' ? body['text'] : JSON.stringify(body)
  return { call, session: outcome.session, path: '', labels, content, digest: digestOf(content) }
}

/** Bytes of a file that a person reads before they declassify it. */
const maxShownBytes = 256 * 1_024

/** @throws OxbowError as hands do, `limit_reached`, `bad_input` for a file without labels of its own */
export async function valueOfFile(files: FileLabels, path: string, { sandbox, signal }: CallContext): Promise<LabelledValue> {
  const { labels } = files.at(path)
  if (labels.length === 0)
    throw new OxbowError('bad_input', `${path} has no labels of its own.`, { hint: '`oxbow flow show` lists the files.' })
  const hands = await sandbox.hands('work')
  const { content, totalBytes } = await hands.ask('bytes', { path, offset: 0, maxBytes: maxShownBytes }, { signal, timeoutMs: 30_000 })
  if (totalBytes > content.length)
    throw new OxbowError('limit_reached', `${path} has ${totalBytes} bytes; a person cannot look at more than ${maxShownBytes}.`, {
      hint: 'Copy the part that matters into a file of its own.',
    })
  const bytes = Buffer.from(content)
  const digest = createHash('sha256').update(bytes).digest('hex')
  return { call: '', session: '', path, labels, content: bytes.toString(), digest }
}

/** Takes the labels of a value off its session, as far as nothing else has them. @returns those that something else has */
export async function declassifyResult(deps: DeclassifyDeps, { session, call }: LabelledValue): Promise<Labels> {
  if (session === '') return []
  await deps.sessions.load(session)
  const done = await deps.documents.all<Declassified>(declassifiedCategory)
  const calls = new Set<string>([
    call,
    ...done.flatMap(({ value }) => (value.session === session && value.call !== '' ? [value.call] : [])),
  ])
  const left = new Set<Label>(deps.sessions.history(session).given)
  for await (const record of labelledRecords(deps.store, session))
    if (!calls.has(record.call)) for (const label of readBy(deps, record)) left.add(label)
  const { labels } = deps.sessions.history(session)
  deps.sessions.declassify(
    session,
    labels.filter((label) => !left.has(label)),
    true,
  )
  return labels.filter((label) => left.has(label))
}

/** Records of a session that may have given it labels, oldest first. */
export async function* labelledRecords(store: Pick<Store, 'records'>, session: SessionId): AsyncGenerator<JournalRecord> {
  for (let after = 0; ;) {
    const page = await store.records({
      session,
      after,
      phases: ['outcome', 'reconciled'],
      order: 'oldest_first',
      limit: pageRecords,
      hydrate: true,
    })
    yield* page
    if (page.length < pageRecords) return
    after = page.at(-1)!.seq
  }
}

const pageRecords = 500

/** @returns the labels that a record's call has given its session; its kind's labels where its outcome is not known */
export function readBy(deps: Pick<DeclassifyDeps, 'registry'>, { phase, name, body: text }: JournalRecord): Labels {
  const body = JSON.parse(text) as JsonObject
  return phase === 'reconciled' || isErased(body) ? addsOf(deps, name) : labelsIn(body)
}

function labelsIn({ labels }: JsonObject): Labels {
  return Array.isArray(labels) ? parseLabels(labels.join(',')) : []
}

/** @returns the origins that a record names, or that follow from its call */
export function originsIn(name: string, body: JsonObject, input: unknown): readonly string[] {
  const { origins } = body
  return Array.isArray(origins) ? origins.filter((one): one is string => typeof one === 'string') : [originOfCall(name, input)]
}
