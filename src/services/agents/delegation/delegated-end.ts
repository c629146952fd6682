/**
 * What comes back from a delegated agent: how it ended, its answer or what it had written by then, the files that it changed, what it has
 * spent. An answer with a schema is JSON that matches it; one that does not is returned to the agent with what is wrong, at most twice.
 */
import { z } from 'zod'
import { type AgentProfile, type Budgets, type Documents, profileCategory, type Registry, writtenPaths } from '../../../kernel/index.ts'
import {
  type ErrorCode,
  isObject,
  isOxbowError,
  type Json,
  jsonIn,
  type JsonObject,
  problemLines,
  type SchemaChecker,
  type SessionId,
  truncate,
} from '../../../base/index.ts'
import { isGeneration, errorCodeSchema, idOrEmpty, jsonSchema, labelSchema, sessionScope } from '../../../protocol/index.ts'
import type { Store } from '../../../store/index.ts'
import type { OpenVersions } from '../../versions/service.ts'
import { type AgentRecord, isOver } from '../agent-record.ts'
import type { DelegatedEnds, Verdict } from '../agent-table.ts'
import { maxMailCharacters } from '../limits.ts'
import { maxFileRecords, maxPartialRecords, maxRepairs, maxResultCharacters, maxResultFiles } from './limits.ts'

export const delegated = z.strictObject({
  status: z.enum(['queued', 'running', 'success', 'failure', 'budget_exhausted', 'cancelled', 'timeout', 'refused']),
  agent: z.string(),
  id: z.string().describe('Of the agent that worked on it; empty where none did.'),
  session: idOrEmpty('SessionId').describe('Of its conversation; empty where none worked on it.'),
  branch: z
    .string()
    .describe('Branch of files that it worked on, which `branch.diff` shows and `branch.merge` takes; empty: the workspace.'),
  value: jsonSchema().describe('The result, where it has a schema and matches it.'),
  text: z.string().describe('The answer, or what there is of it.'),
  files: z
    .array(z.string())
    .readonly()
    .describe('Files that it changed by calls, and those that differ after its turns where it ran commands.'),
  spent: z.strictObject({ tokens: z.int(), micro_dollars: z.int() }),
  labels: z.array(labelSchema()).readonly(),
  code: z.union([errorCodeSchema(), z.literal('')]).describe('Why it is no success; empty where it is one.'),
  reason: z.string(),
  hint: z.string(),
})

export type Delegated = z.infer<typeof delegated>
type DelegationStatus = Delegated['status']

/** What comes back where no agent began to work. */
export const noWork: Omit<Delegated, 'status' | 'agent' | 'code' | 'reason' | 'hint'> = {
  id: '',
  session: '',
  branch: '',
  value: null,
  text: '',
  files: [],
  spent: { tokens: 0, micro_dollars: 0 },
  labels: [],
}

export interface ResultDeps {
  readonly store: Pick<Store, 'records'>
  readonly flushed: () => Promise<void>
  readonly documents: Pick<Documents, 'get'>
  readonly schemas: Pick<SchemaChecker, 'validate'>
  readonly findCall: Registry['find']
  readonly budgets: Pick<Budgets, 'load' | 'view'>
  readonly versions: () => Promise<OpenVersions>
}

export function createDelegatedEnds(deps: ResultDeps): DelegatedEnds {
  return {
    judge: (agent, reply) => judge(deps, agent, reply),
    partial: (session) => partialOf(deps, session),
    async mail(agent, fence) {
      const ended = await delegatedOf(deps, agent)
      const answer = ended.text === '' ? '' : `\n${fence(truncate(ended.text, maxMailCharacters))}`
      const more = ended.text.length > maxMailCharacters ? '\nThis is its beginning; agent_wait returns more.' : ''
      return `[Delegation to ${agent.name} (${agent.id}): ${headOf(ended)}]${answer}${more}`
    },
  }
}

/** @returns the end in one line, for a model */
export function headOf({ id, status, code, reason, hint, files, branch, spent }: Delegated): string {
  const why =
    reason === '' ? '' : `${code === '' || code === (status as string) ? '' : ` (${code})`}: ${reason}${hint === '' ? '' : ` ${hint}`}`
  const changed = files.length === 0 ? '' : `; changed ${files.join(', ')}`
  // Another branch is the parent's, too; others' agents, which have no id here, have their own.
  const copied = branch === '' || (id !== '' && branch !== id) ? '' : `; its files are on the branch ${branch}`
  return `${status}${why}${changed}${copied}${spent.tokens === 0 ? '' : `; ${spent.tokens} tokens`}`
}

/** @returns what is known of a delegation now */
export async function delegatedOf(deps: ResultDeps, agent: AgentRecord): Promise<Delegated> {
  const { id, session, reply, labels, reason, code = '', delegation } = agent
  const status = statusOf(agent)
  const [files, spent] = await Promise.all([isOver(agent) ? filesOf(deps, session) : [], spentBy(deps, session)])
  return {
    status,
    agent: delegation?.definition ?? agent.name,
    id,
    session,
    branch: agent.branch ?? '',
    value: delegation?.value ?? null,
    text: reply,
    files,
    spent,
    labels,
    code: isOver(agent) && status !== 'success' ? codeOf(status, code) : '',
    reason,
    hint: hints[status],
  }
}

function statusOf({ state, code }: AgentRecord): DelegationStatus {
  if (!isOver({ state })) return state === 'starting' ? 'queued' : 'running'
  if (state === 'done') return 'success'
  if (code === 'budget_exhausted' || code === 'timeout' || code === 'cancelled') return code
  return state === 'killed' ? 'cancelled' : 'failure'
}

function codeOf(status: DelegationStatus, code: ErrorCode | ''): ErrorCode {
  if (code !== '') return code
  return status === 'cancelled' ? 'cancelled' : 'tool_failed'
}

const hints: Readonly<Record<DelegationStatus, string>> = {
  queued: 'It starts when there is a place for it; its end comes as a message, or by agent_wait.',
  running: 'Its end comes as a message, or by agent_wait.',
  success: '',
  failure: 'Do the work yourself, or delegate it again with what was missing.',
  budget_exhausted: 'Use what it has found, or delegate a smaller part with a larger budget.',
  cancelled: 'It was ended from outside; delegate again only if it is still needed.',
  timeout: 'Use what it has found, or delegate a smaller part with a later deadline.',
  refused: '',
}

// Judging an answer.

async function judge({ documents, schemas }: ResultDeps, agent: AgentRecord, reply: string): Promise<Verdict> {
  const profile = await documents.get<AgentProfile>(profileCategory, agent.session)
  const schema = profile?.value.result
  const { value, problems } = await judgeValue(schemas, schema, reply)
  if (problems === '') return { is: 'accepted', ...(value !== undefined && { value }) }
  if ((agent.delegation?.repairs ?? 0) >= maxRepairs) {
    const reason = `Its result was returned ${maxRepairs} times and does not fit: ${truncate(problems, 500)}`
    return { is: 'failed', reason, code: 'bad_input' }
  }
  const form = schema === undefined ? '' : ' as one JSON value, and nothing else'
  return { is: 'returned', text: `Your answer cannot be taken as the result:\n${problems}\nAnswer again with the whole result${form}.` }
}

/** @param value where it is known apart from the answer @returns the value, and what is wrong with it; empty: nothing */
export async function judgeValue(
  schemas: Pick<SchemaChecker, 'validate'>,
  schema: JsonObject | undefined,
  reply: string,
  value: Json | undefined = schema === undefined ? undefined : jsonIn(reply),
): Promise<{ readonly value: Json | undefined; readonly problems: string }> {
  if (reply.length > maxResultCharacters) return { value: undefined, problems: tooLong }
  if (schema === undefined) return { value, problems: '' }
  if (value === undefined) return { value, problems: '- it is not one JSON value' }
  try {
    return { value, problems: problemLines(await schemas.validate(schema, value)) }
  } catch (error) {
    if (isOxbowError(error)) return { value, problems: `- it cannot be checked: ${error.message}` }
    throw error
  }
}

const tooLong = `- it is longer than ${maxResultCharacters / 1024} KiB; write long texts to files and name them`

// What an agent has done, from its records.

async function partialOf({ store, flushed }: ResultDeps, session: SessionId): Promise<string> {
  await flushed()
  const records = await store.records({ session, phases: ['outcome'], order: 'newest_first', limit: maxPartialRecords, hydrate: true })
  for (const { name, body } of records) {
    const message: unknown = isGeneration({ name }) ? (JSON.parse(body) as JsonObject)['message'] : undefined
    const parts = isObject(message) && Array.isArray(message['parts']) ? message['parts'] : []
    const text = parts
      .flatMap((part) => (isObject(part) && part['type'] === 'text' && typeof part['text'] === 'string' ? [part['text']] : []))
      .join('')
    if (text !== '') return truncate(text, maxResultCharacters)
  }
  return ''
}

/** By calls that have succeeded, in their order. A result may be asked for before the last version is made; then it waits for that. */
async function filesOf({ store, flushed, versions, findCall }: ResultDeps, session: SessionId): Promise<readonly string[]> {
  await flushed()
  const phases = ['intent', 'outcome'] as const
  const records = await store.records({ session, phases, order: 'oldest_first', limit: maxFileRecords, hydrate: false })
  const files = new Set<string>()
  for (const { call, name, phase, body } of records) {
    const called = findCall(name)
    if (phase !== 'outcome' || called?.files !== 'writes' || (JSON.parse(body) as JsonObject)['status'] !== 'ok') continue
    // The text of a large file is in a blob, and with it the whole input.
    const [intent] = await store.records({ call, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
    const input = intent === undefined ? null : (JSON.parse(intent.body) as JsonObject)['input']
    for (const path of [...writtenPaths(called, input), ...namedIn(body)]) files.add(path)
    if (files.size > maxResultFiles) break
  }
  // Without a version there is nothing to compare: the answer does not wait for one that cannot be made.
  const isRun = records.some(({ name }) => findCall(name)?.files === 'workspace')
  const changed = async (): Promise<readonly string[]> => (await versions()).versioning.changedIn(session)
  for (const path of isRun ? await changed().catch(() => []) : []) files.add(path)
  return [...files].slice(0, maxResultFiles)
}

/** A call whose input does not name its files, such as a patch, names them in its result. */
function namedIn(body: string): readonly string[] {
  const { files } = JSON.parse(body) as JsonObject
  return Array.isArray(files) ? files.filter((file) => typeof file === 'string') : []
}

/** Of the agent, and of the agents below it. */
async function spentBy({ budgets }: Pick<ResultDeps, 'budgets'>, session: SessionId): Promise<Delegated['spent']> {
  await budgets.load({ session, actor: '' })
  const { tokens, microDollars } = budgets.view(sessionScope(session)).spent
  return { tokens, micro_dollars: microDollars }
}
