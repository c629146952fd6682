/**
 * An approved agent of others as a call: untrusted, a sink. The task survives a crash of this side: the message and its task are kept
 * before they are needed, so that a call which is repeated goes on with the same task. Where the agent may have the message and does not
 * say whether it runs one twice, the outcome is unknown instead.
 */
import { z } from 'zod'
import { derivedId, OxbowError } from '../../base/index.ts'
import { type Blobs, type Call, type CallContext, defineCall, jsonSchema } from '../../protocol/index.ts'
import { visible } from '../mcp/definitions.ts'
import type { KeptDocuments } from '../mcp/settings.ts'
import type { RemoteState } from './a2a-client.ts'
import { keptCalls } from './limits.ts'
import type { Remote } from './remote.ts'
import type { NamedRemote } from './settings.ts'
import type { RemoteFile, RemoteTask } from './task-fold.ts'

type AskInput = z.infer<typeof askInput>

const askStatus = z.enum(['success', 'failure', 'cancelled', 'timeout', 'refused', 'input_required'])

type AskStatus = z.infer<typeof askStatus>

const askOutput = z.strictObject({
  status: askStatus,
  text: z.string(),
  value: jsonSchema().exactOptional().describe('What the agent has returned as data.'),
  files: z
    .array(z.strictObject({ name: z.string(), media_type: z.string(), bytes: z.number(), hash: z.string() }))
    .readonly()
    .exactOptional(),
  context: z.string().describe('Continues the conversation.'),
})

type AskOutput = z.infer<typeof askOutput>

/** What is kept of a call until it is over, and a while longer. */
interface KeptCall {
  readonly remote: string
  readonly task: string
  readonly context: string
  readonly at: number
}

const category = 'system/remote_calls'
/** Of what this call waits for beyond the time that the agent has, and to ask for a task whose time passed while no guest ran. */
const marginMs = 30_000

const askInput = z.strictObject({
  goal: z.string().min(1).max(50_000).describe('What the agent is to do, with all that it needs to know.'),
  key_facts: z.array(z.string().max(500)).max(50).describe('Facts that it needs.').optional(),
  context: z.string().max(500).describe('Of an earlier answer, to continue that conversation.').optional(),
})

export function remoteCall(named: NamedRemote, remote: Remote, documents: KeptDocuments): Call {
  const { name, settings, kept } = named
  const { description = '', skills = [] } = kept.approved?.card ?? {}
  return defineCall({
    name: `a2a.${name}`,
    summary: summaryOf(name, description, skills),
    input: askInput,
    output: askOutput,
    example: { goal: 'Translate to Danish: good morning' },
    tier: 'side_effecting',
    does: ['delegate'],
    right: `a2a.${name}`,
    // Repeated after a crash, it goes on with its task.
    effect: 'idempotent',
    audience: ['model', 'terminal'],
    labels: { adds: ['untrusted'], sink: true },
    rare: true,
    timeoutMs: settings.timeout_s * 1_000 + marginMs,
    recordOutput: ({ status, context }) => ({ remote_status: status, remote_context: context }),
    run: (input, context) => askRemote({ named, remote, documents }, input, context),
  })
}

function summaryOf(name: string, description: string, skills: readonly string[]): string {
  const what = description === '' ? `Asks the agent ${name} of others.` : `Asks the agent ${name} of others: ${description}`
  return skills.length === 0 ? what : `${what} Skills: ${skills.slice(0, 10).join('; ')}`.slice(0, 2_000).toWellFormed()
}

interface AskDeps {
  readonly named: NamedRemote
  readonly remote: Remote
  readonly documents: KeptDocuments
}

async function askRemote(
  { named, remote, documents }: AskDeps,
  input: AskInput,
  { id, caller, signal, progress, blobs, clock }: CallContext,
) {
  const { name, settings } = named
  const of = { caller, call: id, name: `a2a.${name}` }
  const { context: into, task: continues } = readContext(input.context ?? '')
  let known: KeptCall | null = null
  const now = clock.now()
  await prune(documents, of, now)
  const first: KeptCall = { remote: name, task: '', context: into, at: now }
  await documents.change<KeptCall>(of, category, id, (current) => {
    known = current?.value ?? null
    return current === null ? first : undefined
  })
  const before = known as KeptCall | null
  if (before !== null && before.remote !== name)
    throw new OxbowError('bad_input', 'This call was made to another agent.', { hint: 'Call again.' })
  let task = before?.task ?? ''
  // It counts from the first time that the call was made: a restart gives it no more, but for what the agent may have ended meanwhile.
  const leftMs = (before?.at ?? now) + settings.timeout_s * 1_000 - now
  const limit = AbortSignal.timeout(Math.max(leftMs, Math.min(marginMs, settings.timeout_s * 1_000)))
  const ask = {
    message: derivedId('a2a message', id),
    text: textOf(input),
    context: before?.context ?? into,
    continues,
    task,
    wasSent: before !== null,
    async onTask(found: string, context: string) {
      task = found
      await documents.change<KeptCall>(of, category, id, () => ({ ...(before ?? first), task: found, context }))
    },
    onProgress: (text: string) => progress(visible(text)),
  }
  try {
    return await doneOf(await remote.run(ask, AbortSignal.any([signal, limit])), blobs)
  } catch (error) {
    // When the guest stops, the task goes on, and the call with it at the next start.
    if (task !== '' && signal.reason !== 'shutdown') await remote.cancel(task)
    if (!limit.aborted || signal.aborted) throw error
    const text = `The agent has not ended its task within ${settings.timeout_s} s; it was cancelled.`
    const output: AskOutput = { status: 'timeout', text, context: contextOf(ask.context, '') }
    return { output, text, ok: false }
  }
}

function textOf({ goal, key_facts: facts = [] }: AskInput): string {
  return facts.length === 0 ? goal : `${goal}\n\nFacts:\n${facts.map((fact) => `- ${fact}`).join('\n')}`
}

/** Drops the oldest of what is kept, once there are too many. */
async function prune(documents: KeptDocuments, of: Parameters<KeptDocuments['change']>[0], now: number): Promise<void> {
  const kept = await documents.all(category)
  if (kept.length < keptCalls) return
  const oldest = kept.toSorted((a, b) => (a.value as KeptCall).at - (b.value as KeptCall).at).slice(0, keptCalls / 2)
  // A call runs for a day at most.
  for (const { name, value } of oldest) if (now - (value as KeptCall).at > dayMs) await documents.change(of, category, name, () => null)
}

const dayMs = 86_400_000

const statuses: Readonly<Record<RemoteState, AskStatus>> = {
  completed: 'success',
  failed: 'failure',
  canceled: 'cancelled',
  rejected: 'refused',
  input_required: 'input_required',
  auth_required: 'input_required',
  submitted: 'failure',
  working: 'failure',
  unknown: 'failure',
}

async function doneOf(result: RemoteTask, blobs: Blobs) {
  const status = statuses[result.state]
  const files = await Promise.all(result.files.map((file) => keep(file, blobs)))
  // A task that waits for input is continued itself; one that has ended, its conversation.
  const context = contextOf(result.context, status === 'input_required' ? result.task : '')
  const output: AskOutput = {
    status,
    text: result.text,
    context,
    ...(result.value !== undefined && { value: result.value }),
    ...(files.length > 0 && { files }),
  }
  const named = files.map(({ name, media_type, bytes }) => `[file ${name}, ${media_type}, ${bytes} bytes]`)
  const head = status === 'success' ? [] : [`The agent reports: ${status}.`]
  const foot = context === '' ? [] : [`[context ${context}]`]
  return { output, text: [...head, result.text, ...named, ...foot].join('\n'), ok: status === 'success' }
}

async function keep({ name, mediaType, bytes }: RemoteFile, blobs: Blobs) {
  return {
    name: visible(name).slice(0, 200) || 'file',
    media_type: mediaType.slice(0, 100),
    bytes: bytes.length,
    hash: await blobs.keep(bytes),
  }
}

/** Both ids are of the agent, and any text: they are kept apart by a character that neither has once encoded. */
function contextOf(context: string, task: string): string {
  return task === '' ? encodeURIComponent(context) : `${encodeURIComponent(context)}/${encodeURIComponent(task)}`
}

function readContext(text: string): { readonly context: string; readonly task: string } {
  try {
    const [context = '', task = ''] = text.split('/').map(decodeURIComponent)
    return { context, task }
  } catch {
    throw new OxbowError('bad_input', 'This is no context of an agent.', { hint: 'Leave it out, or use the context of an answer.' })
  }
}
