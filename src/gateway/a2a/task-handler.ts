/**
 * The operations of A2A, on tasks of the kernel. Each is a call of the kernel with the rights of the program that asks, but for reading
 * a task: its records are followed as the owner, once the kernel has found it to be the program's own.
 */
import type { Kernel } from '../../kernel/index.ts'
import { type ErrorCode, failureSentences, isOxbowError, type JsonObject } from '../../base/index.ts'
import type { CallName, OutputOf, SentFile } from '../../protocol/index.ts'
import { outputOf } from '../http/messages.ts'
import { maxMessageParts, taskWaitMs } from '../limits.ts'
import {
  A2AError,
  type A2ARequestHandler,
  AgentCard,
  ContentTypeNotSupportedError,
  type ListTasksRequest,
  type Message,
  RequestMalformedError,
  Role,
  type SendMessageRequest,
  type ServerCallContext,
  type StreamResponse,
  type Task,
  TaskNotCancelableError,
  TaskNotFoundError,
  type TaskPushNotificationConfig,
  TaskState,
  UnsupportedOperationError,
} from './sdk.ts'
import { followTask, isEnded, type TaskSource, type TaskStatus, type TaskUpdate, type TaskView } from './task-view.ts'

export type FoundTask = OutputOf<'task.find'>
export type TaskTarget = FoundTask['targets'][number]

/** Who asks. */
export interface Asking {
  readonly kernel: Kernel
  /** Aborted when the program has gone, or the gateway closes. */
  readonly gone: AbortSignal
  /** Set to why the kernel has refused a request, for the status of the answer. */
  refused: ErrorCode | null
}

export interface HandlerDeps extends TaskSource {
  readonly agent: string
  readonly card: () => Promise<JsonObject>
  /** Notifies the targets of a task from now on. @throws OxbowError for an address that must not be reached */
  readonly watch: (task: FoundTask) => Promise<void>
}

export const askingKey = 'asking'

function askingOf(context: ServerCallContext): Asking {
  return context.state.get(askingKey) as Asking
}

export function createTaskHandler(deps: HandlerDeps): A2ARequestHandler {
  const { agent } = deps
  const find: Find = async (id, context) => {
    if (id.trim() === '') throw new RequestMalformedError('The id of the task is missing.')
    const found = await ask(context, 'task.find', { task: id }, true)
    if (found.agent !== agent) throw new TaskNotFoundError(`There is no task ${id}.`)
    return found
  }
  const targets = targetOperations(deps, find)
  const now = async (found: FoundTask, context: ServerCallContext, keep: (view: TaskView) => boolean = () => true): Promise<Task> =>
    taskOf(found, await viewWhen(deps, found, askingOf(context).gone, keep))

  const send = async (params: SendMessageRequest, context: ServerCallContext): Promise<FoundTask> => {
    const { message, configuration } = params
    if (message === undefined || message.messageId === '') throw new RequestMalformedError('message.messageId is required.')
    const before = message.taskId === '' ? null : await find(message.taskId, context)
    if (before !== null && isEnded((await viewWhen(deps, before, askingOf(context).gone, () => true)).status))
      throw new UnsupportedOperationError('The task has ended. Send the message without taskId to go on in its context.')
    const { text, attachments } = readParts(message)
    const to = before?.context ?? message.contextId
    const input = { agent, message: message.messageId, text, attachments, ...(to !== '' && { context: to }) }
    const sent = await ask(context, 'task.send', input as unknown as JsonObject)
    const target = configuration?.taskPushNotificationConfig
    const found = before ?? sent
    return target === undefined ? found : targets.set(found, { ...target, taskId: found.task }, context)
  }
  return {
    getAgentCard: async () => AgentCard.fromJSON(await deps.card()),
    getAuthenticatedExtendedAgentCard: async () => AgentCard.fromJSON(await deps.card()),
    async sendMessage(params, context) {
      const found = await send(params, context)
      const isDone = ({ status }: TaskView): boolean => isEnded(status) || status.state === 'input_required'
      return now(found, context, params.configuration?.returnImmediately === true ? () => true : isDone)
    },
    async *sendMessageStream(params, context) {
      yield* streamTask(deps, await send(params, context), askingOf(context).gone)
    },
    async *resubscribe({ id }, context) {
      const found = await find(id, context)
      const view = await viewWhen(deps, found, askingOf(context).gone, () => true)
      if (isEnded(view.status)) throw new UnsupportedOperationError('The task has ended: get it instead.')
      yield* streamTask(deps, found, askingOf(context).gone)
    },
    async getTask({ id, historyLength }, context) {
      return withHistory(await now(await find(id, context), context), historyLength)
    },
    async cancelTask({ id }, context) {
      const found = await find(id, context)
      const { status } = await viewWhen(deps, found, askingOf(context).gone, () => true)
      if (isEnded(status)) throw new TaskNotCancelableError('The task has ended already.')
      await ask(context, 'task.cancel', { task: id })
      const cancelled = AbortSignal.any([askingOf(context).gone, AbortSignal.timeout(taskWaitMs)])
      return taskOf(found, await viewWhen(deps, found, cancelled, (view) => isEnded(view.status)))
    },
    listTasks: (params, context) => listTasks(deps, params, context),
    ...targets.operations,
  }
}

type Find = (id: string, context: ServerCallContext) => Promise<FoundTask>

type TargetOperations = Pick<
  A2ARequestHandler,
  | 'createTaskPushNotificationConfig'
  | 'getTaskPushNotificationConfig'
  | 'listTaskPushNotificationConfigs'
  | 'deleteTaskPushNotificationConfig'
>

/** The operations on addresses that are notified of a task. */
function targetOperations(deps: HandlerDeps, find: Find) {
  const change = async (found: FoundTask, targets: readonly TaskTarget[], context: ServerCallContext): Promise<FoundTask> => {
    await deps.watch({ ...found, targets })
    return ask(context, 'task.notify', { task: found.task, targets: targets })
  }
  const set = (found: FoundTask, config: TaskPushNotificationConfig, context: ServerCallContext): Promise<FoundTask> => {
    const target = targetOf(config, context.requestedVersion)
    return change(found, [...found.targets.filter(({ id }) => id !== target.id), target], context)
  }
  const operations: TargetOperations = {
    async createTaskPushNotificationConfig(config, context) {
      const found = await set(await find(config.taskId, context), config, context)
      return configOf(found, found.targets.at(-1)!)
    },
    async getTaskPushNotificationConfig({ taskId, id }, context) {
      const found = await find(taskId, context)
      const target = found.targets.find((each) => id === '' || each.id === id)
      if (target === undefined) throw new TaskNotFoundError(`The task has no push notification config ${id}.`)
      return configOf(found, target)
    },
    async listTaskPushNotificationConfigs({ taskId }, context) {
      const found = await find(taskId, context)
      return { configs: found.targets.map((target) => configOf(found, target)), nextPageToken: '' }
    },
    async deleteTaskPushNotificationConfig({ taskId, id }, context) {
      const found = await find(taskId, context)
      const targets = found.targets.filter((target) => target.id !== id)
      await change(found, targets, context)
    },
  }
  return { set, operations }
}

/** @param isSought `not_found` means the task itself @returns the output of a call with the rights of the program @throws A2AError */
async function ask<Name extends CallName>(
  context: ServerCallContext,
  name: Name,
  input: JsonObject,
  isSought = false,
): Promise<OutputOf<Name>> {
  const asking = askingOf(context)
  try {
    return await outputOf(asking.kernel, name, input)
  } catch (error) {
    if (!isOxbowError(error)) throw error
    const message = failureSentences(error)
    if (error.code === 'not_found' && isSought) throw new TaskNotFoundError({ message, cause: error })
    if (error.code === 'not_found' || error.code === 'bad_input') throw new RequestMalformedError({ message, cause: error })
    asking.refused = error.code
    throw new A2AError({ message, cause: error, metadata: { code: error.code } })
  }
}

/** @returns the task as soon as `isEnough`, or it has ended */
async function viewWhen(deps: TaskSource, found: FoundTask, signal: AbortSignal, isEnough: (view: TaskView) => boolean): Promise<TaskView> {
  const enough = new AbortController()
  let last: TaskView | undefined
  let reached = false
  try {
    return await followTask(deps, found, AbortSignal.any([signal, enough.signal]), (view) => {
      last = view
      if (!isEnough(view)) return
      reached = true
      enough.abort()
    })
  } catch (error) {
    if (reached && last !== undefined) return last
    throw error
  }
}

/** The task as it is, then what happens to it. */
async function* streamTask(deps: TaskSource, found: FoundTask, signal: AbortSignal): AsyncGenerator<StreamResponse, void, undefined> {
  const queue: StreamResponse[] = []
  let wake = Promise.withResolvers<void>()
  let isFirst = true
  let isOver = false
  let failure: unknown = null
  const leaving = new AbortController()
  const push = (view: TaskView, updates: readonly TaskUpdate[]): void => {
    if (isFirst) queue.push({ payload: { $case: 'task', value: taskOf(found, view) } })
    isFirst = false
    queue.push(...updates.map((update) => eventOf(found, update)))
    wake.resolve()
  }
  followTask(deps, found, AbortSignal.any([signal, leaving.signal]), push)
    .catch((error: unknown) => (failure = error))
    .finally(() => {
      isOver = true
      wake.resolve()
    })
    .catch(() => {})
  try {
    for (;;) {
      yield* queue.splice(0)
      if (queue.length > 0) continue
      if (isOver) break
      await wake.promise
      wake = Promise.withResolvers<void>()
    }
    if (failure !== null) throw failure
  } finally {
    leaving.abort()
  }
}

async function listTasks(deps: HandlerDeps, params: ListTasksRequest, context: ServerCallContext) {
  const { contextId, status, pageSize = 50, pageToken, historyLength, statusTimestampAfter, includeArtifacts } = params
  if (pageSize < 1 || pageSize > 100) throw new RequestMalformedError('pageSize must be between 1 and 100.')
  const after = statusTimestampAfter === undefined ? 0 : Date.parse(statusTimestampAfter)
  if (Number.isNaN(after)) throw new RequestMalformedError('statusTimestampAfter must be a time.')
  const from = pageToken === '' ? 0 : Number(pageToken)
  if (!Number.isSafeInteger(from) || from < 0) throw new RequestMalformedError('pageToken is not one of this agent.')
  const input = { agent: deps.agent, ...(contextId !== '' && { context: contextId }) }
  const { tasks } = await ask(context, 'task.list', input)
  const fits = (task: Task): boolean =>
    (status === TaskState.TASK_STATE_UNSPECIFIED || task.status?.state === status) && Date.parse(task.status?.timestamp ?? '') >= after
  const isFiltered = status !== TaskState.TASK_STATE_UNSPECIFIED || after > 0
  const found: Task[] = []
  let at = from
  for (; at < tasks.length && found.length < pageSize; at += 1) {
    const task = taskOf(tasks[at]!, await viewWhen(deps, tasks[at]!, askingOf(context).gone, () => true))
    if (fits(task)) found.push({ ...withHistory(task, historyLength ?? 0), ...(includeArtifacts !== true && { artifacts: [] }) })
  }
  const totalSize = isFiltered ? found.length : tasks.length
  return { tasks: found, nextPageToken: at < tasks.length ? String(at) : '', pageSize, totalSize }
}

const states: Readonly<Record<TaskStatus['state'], TaskState>> = {
  submitted: TaskState.TASK_STATE_SUBMITTED,
  working: TaskState.TASK_STATE_WORKING,
  input_required: TaskState.TASK_STATE_INPUT_REQUIRED,
  completed: TaskState.TASK_STATE_COMPLETED,
  failed: TaskState.TASK_STATE_FAILED,
  canceled: TaskState.TASK_STATE_CANCELED,
  rejected: TaskState.TASK_STATE_REJECTED,
}

const textPart = (text: string) => ({
  content: { $case: 'text', value: text } as const,
  metadata: undefined,
  filename: '',
  mediaType: 'text/plain',
})

function messageOf({ task, context }: FoundTask, role: Role, messageId: string, text: string): Message {
  return {
    messageId,
    contextId: context,
    taskId: task,
    role,
    parts: [textPart(text)],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  }
}

function statusOf(found: FoundTask, { state, message, at }: TaskStatus) {
  const said = message === '' ? undefined : messageOf(found, Role.ROLE_AGENT, `${found.task}-${state}`, message)
  return { state: states[state], message: said, timestamp: new Date(at || found.created_at).toISOString() }
}

const artifactOf = (text: string) => ({
  artifactId: 'answer',
  name: 'answer',
  description: '',
  parts: [textPart(text)],
  metadata: undefined,
  extensions: [],
})

export function taskOf(found: FoundTask, { status, text, input }: TaskView): Task {
  return {
    id: found.task,
    contextId: found.context,
    status: statusOf(found, status),
    artifacts: text === '' ? [] : [artifactOf(text)],
    history: input === '' ? [] : [messageOf(found, Role.ROLE_USER, found.message, input)],
    metadata: undefined,
  }
}

function withHistory(task: Task, length: number | undefined): Task {
  return length === undefined || length >= task.history.length ? task : { ...task, history: task.history.slice(0, Math.max(0, length)) }
}

export function eventOf(found: FoundTask, update: TaskUpdate): StreamResponse {
  const ids = { taskId: found.task, contextId: found.context, metadata: undefined }
  if (update.kind === 'status') return { payload: { $case: 'statusUpdate', value: { ...ids, status: statusOf(found, update.status) } } }
  const value = { ...ids, artifact: artifactOf(update.text), append: update.append, lastChunk: false }
  return { payload: { $case: 'artifactUpdate', value } }
}

/** @throws A2AError for a part that a model cannot read, or an address, which is not fetched for a stranger */
function readParts({ parts }: Message): { readonly text: string; readonly attachments: readonly SentFile[] } {
  if (parts.length > maxMessageParts) throw new RequestMalformedError(`A message has at most ${maxMessageParts} parts.`)
  const texts: string[] = []
  const attachments: SentFile[] = []
  for (const { content, filename, mediaType } of parts) {
    if (content?.$case === 'text') texts.push(content.value)
    else if (content?.$case === 'data') texts.push(JSON.stringify(content.value))
    else if (content?.$case === 'raw')
      attachments.push({
        name: filename || 'file',
        media_type: mediaType || 'application/octet-stream',
        data: content.value.toString('base64'),
      })
    else throw new ContentTypeNotSupportedError('Parts are text, data or raw bytes; files at an address are not fetched.')
  }
  const text = texts.join('\n')
  if (text.trim() === '' && attachments.length === 0) throw new RequestMalformedError('The message has no text.')
  return { text: text.trim() === '' ? 'The files are attached.' : text, attachments }
}

function targetOf({ id, url, token, authentication }: TaskPushNotificationConfig, version: string): TaskTarget {
  const { scheme = '', credentials = '' } = authentication ?? {}
  return { id: id === '' ? 'default' : id, url, token, scheme, credentials, version }
}

function configOf({ task }: FoundTask, { id, url, token, scheme, credentials }: TaskTarget): TaskPushNotificationConfig {
  return { tenant: '', id, taskId: task, url, token, authentication: scheme === '' ? undefined : { scheme, credentials } }
}
