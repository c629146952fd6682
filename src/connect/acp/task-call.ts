/** The call `acp.NAME`: a task for a coding agent, or one more message of a conversation with it. */
import { z } from 'zod'
import type { SessionUpdate } from '@agentclientprotocol/sdk'
import { type CallId, isObject, isOxbowError, OxbowError, tailOf, toError } from '../../base/index.ts'
import { type Call, type CallContext, defineCall } from '../../protocol/index.ts'
import { visible } from '../mcp/definitions.ts'
import { createAgentRequests } from './agent-requests.ts'
import type { Conversation, Conversations } from './conversations.ts'
import { maxAnswerChars, maxListedFiles, maxProgressChars } from './limits.ts'
import type { NamedCoder } from './settings.ts'

type TaskInput = z.infer<typeof taskInput>

const taskOutput = z.strictObject({
  status: z.enum(['success', 'failure', 'cancelled', 'refused']),
  text: z.string(),
  files: z.array(z.string()).readonly().describe('Files that it has changed in its branch.'),
  context: z.string().describe('Names the conversation, to continue it; empty: it has ended.'),
  branch: z.string().describe('Of files, until it is merged or dropped; empty: none.'),
})

export type TaskOutput = z.infer<typeof taskOutput>

export interface TaskDeps {
  readonly conversations: Conversations
  /** @throws OxbowError `denied` unless it is as a person approved it */
  readonly checkApproved: (coder: NamedCoder, client: Conversation['client']) => Promise<void>
}

const taskInput = z.strictObject({
  goal: z.string().min(1).max(32_000).describe('What it is to reach. It knows nothing else of this conversation.'),
  key_facts: z.array(z.string().min(1).max(500)).max(50).default([]).describe('What it has to know, a fact each.'),
  context: z.string().max(200).optional().describe('Of an earlier answer: continues that conversation.'),
})

export function taskCall(coder: NamedCoder, deps: TaskDeps): Call {
  const { name, settings } = coder
  const what = settings.description === '' ? `The coding agent ${name}` : `${settings.description} The coding agent ${name}`
  const folders = settings.files === 'none' ? [] : ['/shared']
  const where = settings.files === 'branch' ? ' works on a branch of /shared, to be merged with branch_merge.' : ' works by itself.'
  return defineCall({
    name: `acp.${name}`,
    summary: what + where,
    input: taskInput,
    output: taskOutput,
    example: { goal: 'Make the failing test in /shared/test/parser.test.ts pass.', key_facts: [] },
    tier: 'side_effecting',
    does: ['delegate'],
    right: `acp.${name}`,
    effect: 'once',
    audience: ['model', 'terminal'],
    labels: { adds: ['untrusted'], sink: true },
    ...(folders.length > 0 && { files: 'workspace', folders }),
    rare: true,
    timeoutMs: settings.timeout_s * 1_000,
    recordOutput: ({ status, context, branch, files }) => ({ outcome: status, context, branch, files: [...files] }),
    async run(input, context) {
      const conversation = await conversationFor(coder, input, deps, context)
      let isOver = true
      try {
        const ended = await context.whileProgram({ branch: conversation.branch || undefined, folders }, () =>
          work(conversation, input, context),
        )
        isOver = !conversation.client.isOpen() || context.signal.aborted
        const files = await changedFiles(conversation.branch, context)
        const output = { ...ended, files, context: isOver ? '' : conversation.id, branch: conversation.branch }
        return { output, text: textFor(name, output), ok: ended.status === 'success' }
      } finally {
        await deps.conversations.leave(conversation, isOver)
      }
    },
  })
}

/** @throws OxbowError */
async function conversationFor(coder: NamedCoder, { context: id }: TaskInput, deps: TaskDeps, context: CallContext): Promise<Conversation> {
  const { session } = context.caller
  if (id !== undefined) return deps.conversations.resume(coder, id, session)
  const own = `${coder.name}-${branchPart(context.id)}`
  const branch = coder.settings.files === 'branch' ? own : ''
  if (branch !== '') {
    const made = await context.readApart(apart(), 'branch.create', { name: branch, at: '' })
    if (made.status !== 'ok') throw toError(made.failure)
  }
  const conversation = await deps.conversations.begin(coder, { id: own, session, branch })
  try {
    await deps.checkApproved(coder, conversation.client)
    return conversation
  } catch (error) {
    await deps.conversations.leave(conversation, true)
    throw error
  }
}

/** The random part of the call's id and its place: short, and the same when the call is made again. */
function branchPart(call: CallId): string {
  return call.slice(-14).replaceAll('.', '-').replace(/^-+/, '')
}

/** What the agent reads is for the agent: it does not join the session. */
const apart = () => ({ labels: [], origins: [], kind: 'apart' as const, fields: [] })

type Ended = Pick<TaskOutput, 'status' | 'text'>

const statusOf = {
  end_turn: 'success',
  max_tokens: 'failure',
  max_turn_requests: 'failure',
  refusal: 'refused',
  cancelled: 'cancelled',
} as const

async function work(conversation: Conversation, { goal, key_facts: facts }: TaskInput, context: CallContext): Promise<Ended> {
  const { client, coder, id, stopCommand } = conversation
  const answer = collectAnswer(context.progress)
  const requests = createAgentRequests({ name: coder.name, context: id, call: context.call, stopCommand })
  const text = facts.length === 0 ? goal : `${goal}\n\nKey facts:\n${facts.map((fact) => `- ${fact}`).join('\n')}`
  try {
    const { stopReason } = await client.prompt({ text, requests, onUpdate: answer.take, signal: context.signal })
    const status = Object.hasOwn(statusOf, stopReason) ? statusOf[stopReason] : 'failure'
    return { status, text: answer.text() }
  } catch (error) {
    if (isOxbowError(error) && error.data['lost'] !== true) throw error
    const why = error instanceof Error ? visible(error.message.slice(0, 500)) : 'it failed'
    return { status: 'failure', text: `${answer.text()}\n[${why}]`.trim() }
  }
}

/** The end of what the agent has said, and what it does now, for those who watch. */
function collectAnswer(progress: (text: string) => void) {
  let said = ''
  const take = (update: SessionUpdate): void => {
    if (update.sessionUpdate === 'agent_message_chunk' && update.content.type === 'text') {
      said = tailOf(said + update.content.text, 2 * maxAnswerChars)
      progress(visible(tailOf(said, maxProgressChars)))
    } else if (update.sessionUpdate === 'tool_call') progress(visible(`${tailOf(said, maxProgressChars)}\n[${update.title.slice(0, 200)}]`))
  }
  return { take, text: (): string => tailOf(said, maxAnswerChars).trim() }
}

async function changedFiles(branch: string, context: CallContext): Promise<readonly string[]> {
  if (branch === '' || context.signal.aborted) return []
  const outcome = await context.readApart(apart(), 'branch.diff', { branch, path: '/shared' })
  const changes: unknown = outcome.status === 'ok' && isObject(outcome.output) ? outcome.output['changes'] : []
  const paths = (Array.isArray(changes) ? changes : []).flatMap((change) =>
    isObject(change) && typeof change['path'] === 'string' ? [change['path']] : [],
  )
  return paths.slice(0, maxListedFiles)
}

function textFor(name: string, { status, text, files, context, branch }: TaskOutput): string {
  const changed =
    branch === ''
      ? []
      : [
          files.length === 0
            ? `It changed no files.`
            : `Changed on the branch ${branch}:\n${files.join('\n')}\nbranch_diff shows it, branch_merge takes it over.`,
        ]
  const more = context === '' ? [] : [`To continue: context ${JSON.stringify(context)}.`]
  return [`${name}: ${status}`, ...(text === '' ? [] : [text]), ...changed, ...more].join('\n\n')
}

/** @throws OxbowError always */
export function notApproved(name: string, wasApproved: boolean): never {
  throw new OxbowError(
    'denied',
    wasApproved ? `The agent ${name} has changed since a person approved it.` : `The agent ${name} is not approved.`,
    { hint: `Continue without it. A person can look at it: oxbow coders approve ${name}.` },
  )
}
