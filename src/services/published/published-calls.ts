/**
 * Tasks: what programs of others send to the agents of `[a2a.agents]`. A task is a turn, in a session that belongs to the key that sent it;
 * ids follow from that key and the id of the message, so that a message which is sent again makes no second turn. Its text is untrusted,
 * and the answer leaves this machine: `task.answer` is a sink, which the flow policy judges once for each answer of the model.
 */
import { z } from 'zod'
import { derivedId, isUuid, OxbowError, type SessionId, type TurnId } from '../../base/index.ts'
import { type Call, type Caller, defineCall, idSchema, sentFiles, taskAnswerCall } from '../../protocol/index.ts'
import type { PublishedAgent } from '../../config/index.ts'
import type { Core } from '../../kernel/index.ts'
import type { OpenTasks } from './open-tasks.ts'
import { type ContextDeps, openContext } from './task-contexts.ts'

/** Tasks of one program that are listed, the newest. */
const maxListedTasks = 1_000
/** Addresses that are notified of one task. */
const maxTaskTargets = 5

/** Where to post what happens to a task. */
const taskTarget = z.strictObject({
  id: z.string(),
  url: z.string(),
  token: z.string(),
  scheme: z.string().describe('Of an `Authorization` header; empty: none.'),
  credentials: z.string(),
  version: z.string().describe('Of the protocol.'),
})

const task = z.strictObject({
  task: idSchema('TurnId').describe('The id of its turn.'),
  context: idSchema('SessionId').describe('Its session, where messages that follow go.'),
  agent: z.string(),
  owner: z.string().describe('Actor that sent it.'),
  message: z.string().describe('As the sender named it.'),
  cursor: z.int().describe('The record before its message.'),
  created_at: z.number(),
  targets: z.array(taskTarget).readonly(),
})

type TaskRecord = z.infer<typeof task>

interface StoredTask extends TaskRecord {
  /** Of what was sent. */
  readonly digest: string
}

const taskCategory = 'system/tasks'
type PublishedCallDeps = ContextDeps & Pick<Core, 'store' | 'keepFiles'> & { readonly open: () => Promise<OpenTasks> }

const shared = {
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  right: 'task.send',
  timeoutMs: 10_000,
} as const satisfies Partial<Call>
const reads = { ...shared, tier: 'read_only', effect: 'none' } as const satisfies Partial<Call>
const writes = { ...shared, tier: 'side_effecting', effect: 'idempotent' } as const satisfies Partial<Call>
const uuid = z.string().refine(isUuid, 'must be an id')
const taskInput = z.strictObject({ task: uuid.describe('Id of the task.') })
const exampleId = '01980000-0000-8000-a000-000000000000'

export function publishedCalls(deps: PublishedCallDeps): readonly Call[] {
  return [sendTask(deps), findTask(deps), listTasks(deps), cancelTask(deps), notifyTask(deps), answerTask(deps)]
}

const sentTask = task.extend({ duplicate: z.boolean() })

function sendTask(deps: PublishedCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'task.send',
    summary: 'Sends a task to a published agent.',
    input: z.strictObject({
      agent: z.string().max(50).describe('Name of the agent in [a2a.agents].'),
      message: z.string().min(1).max(200).describe('Id of the message: the same one is sent once.'),
      context: uuid.describe('Context of an earlier task that this one continues.').optional(),
      text: z.string().min(1).max(1_000_000),
      attachments: sentFiles.optional(),
    }),
    output: sentTask,
    example: { agent: 'helper', message: 'message-1', text: 'Translate to Danish: good morning' },
    recordInput: ({ agent, message, context }) => ({ agent, message, ...(context !== undefined && { context }) }),
    recordOutput: ({ task: id, context, duplicate }) => ({ task: id, task_session: context, duplicate }),
    async run({ agent, message, context, text, attachments = [] }, { caller, id: call, clock }) {
      const owner = caller.actor
      const published = publishedOf(deps, agent)
      const session = (context ?? derivedId('task context', owner, agent, message)) as SessionId
      const turn = derivedId('task', session, message) as TurnId
      const digest = derivedId(JSON.stringify([text, attachments]))
      const known = await deps.documents.get<StoredTask>(taskCategory, turn)
      if (known !== null) {
        if (known.value.digest !== digest) throw reused(message)
        return { output: { ...viewOf(known.value), duplicate: true } }
      }
      await openContext(deps, { session, agent, published, isNew: context === undefined, caller, call })
      const files = await deps.keepFiles(attachments)
      const [newest] = await deps.store.records({ order: 'newest_first', limit: 1, hydrate: false })
      const value: StoredTask = {
        task: turn,
        context: session,
        agent,
        owner,
        message,
        cursor: newest?.seq ?? 0,
        created_at: clock.now(),
        targets: [],
        digest,
      }
      const open = { task: turn, owner, since: value.created_at, message: { agent, session, text, attachments: files } }
      await (await deps.open()).enter(call, open, { category: taskCategory, name: turn, value }, caller.ended)
      return { output: { ...viewOf(value), duplicate: false } }
    },
  })
}

function findTask(deps: PublishedCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'task.find',
    summary: 'Shows a task that this program has sent.',
    input: taskInput,
    output: task,
    example: { task: exampleId },
    recordOutput: () => ({}),
    run: async ({ task: id }, { caller }) => ({ output: viewOf(await ownTask(deps, id, caller)) }),
  })
}

function listTasks({ documents }: PublishedCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'task.list',
    summary: 'Lists the tasks that this program has sent, the newest first.',
    input: z.strictObject({ agent: z.string().max(50).optional(), context: z.string().max(50).optional() }),
    output: z.strictObject({ tasks: z.array(task) }),
    example: {},
    recordOutput: ({ tasks }) => ({ tasks: tasks.length }),
    async run({ agent, context }, { caller }) {
      const all = (await documents.all<StoredTask>(taskCategory)).map(({ value }) => value)
      const own = all.filter(
        (each) =>
          isOwn(each, caller) && (agent === undefined || each.agent === agent) && (context === undefined || each.context === context),
      )
      return {
        output: {
          tasks: own
            .toSorted((a, b) => b.created_at - a.created_at)
            .slice(0, maxListedTasks)
            .map(viewOf),
        },
      }
    },
  })
}

function cancelTask(deps: PublishedCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'task.cancel',
    summary: 'Cancels a task that this program has sent.',
    input: taskInput,
    output: z.strictObject({ cancelled: z.boolean() }),
    example: { task: exampleId },
    async run({ task: id }, { caller }) {
      const { task: turn, context } = await ownTask(deps, id, caller)
      return { output: { cancelled: await (await deps.open()).cancel(turn, context) } }
    },
  })
}

function notifyTask(deps: PublishedCallDeps): Call {
  const text = z.string().max(4_000)
  return defineCall({
    ...writes,
    name: 'task.notify',
    summary: 'Sets the addresses that are notified of what happens to a task.',
    input: z.strictObject({
      task: uuid,
      targets: z
        .array(z.strictObject({ id: z.string().min(1).max(200), url: text, token: text, scheme: text, credentials: text, version: text }))
        .max(maxTaskTargets),
    }),
    output: task,
    example: { task: exampleId, targets: [] },
    recordInput: ({ task: id, targets }) => ({ task: id, targets: targets.map(({ url }) => url) }),
    recordOutput: () => ({}),
    async run({ task: id, targets }, { caller, id: call }) {
      await ownTask(deps, id, caller)
      const of = { caller, call, name: 'task.notify' }
      const now = await deps.documents.change<StoredTask>(of, taskCategory, id, (current) =>
        current === null ? undefined : { ...current.value, targets },
      )
      return { output: viewOf(now!) }
    },
  })
}

/** What a published agent says leaves this machine. Called before each answer of its model is sent to the program that asked. */
function answerTask(deps: PublishedCallDeps): Call {
  return defineCall({
    ...writes,
    name: taskAnswerCall,
    does: [],
    summary: 'Sends what a published agent has answered to the program that asked.',
    input: z.strictObject({ task: uuid, answer: uuid.describe('The answer of the model, by the id of its generation.') }),
    output: z.strictObject({ released: z.literal(true) }),
    example: { task: exampleId, answer: exampleId },
    labels: { adds: [], sink: true, toProgram: true },
    async run({ task: id }, { caller }) {
      const { context } = await ownTask(deps, id, caller)
      // Judged by what this session has read.
      if (caller.session !== context) throw unknownTask(id)
      return { output: { released: true as const } }
    },
  })
}

/** @throws OxbowError `not_found`, also for a task of somebody else */
async function ownTask({ documents }: PublishedCallDeps, id: string, caller: Caller): Promise<StoredTask> {
  const found = await documents.get<StoredTask>(taskCategory, id)
  if (found === null || !isOwn(found.value, caller)) throw unknownTask(id)
  return found.value
}

function isOwn({ owner }: StoredTask, { actor, rights }: Caller): boolean {
  return owner === actor || rights.has('*')
}

function publishedOf({ config }: PublishedCallDeps, agent: string): PublishedAgent {
  const { agents } = config.a2a
  const found = Object.hasOwn(agents, agent) ? agents[agent] : undefined
  if (found !== undefined) return found
  throw new OxbowError('not_found', `There is no published agent ${JSON.stringify(agent.slice(0, 50))}.`, {
    hint: 'The owner publishes agents under [a2a.agents] in config.toml.',
  })
}

function viewOf(stored: StoredTask): TaskRecord {
  const { digest: _, ...view } = stored
  return view
}

function reused(message: string): OxbowError {
  return new OxbowError('bad_input', `The message id ${JSON.stringify(message)} was used for another message.`, {
    hint: 'Use a new id for each message.',
  })
}

function unknownTask(id: string): OxbowError {
  return new OxbowError('not_found', `There is no task ${id}.`, { hint: 'Use the id of a task that this key has sent.' })
}
