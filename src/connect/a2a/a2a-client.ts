/** The port to the SDK of A2A, which is loaded with the first remote agent that is asked. Everything that an agent sends is hostile. */
import type { AgentCard, Message, Part, StreamResponse, Task, TaskState } from '@a2a-js/sdk'
import { isObject, isOxbowError, type Json, type JsonObject, ownValue, OxbowError } from '../../base/index.ts'
import { requestTimeoutMs } from './limits.ts'

export type RemoteState =
  | 'submitted'
  | 'working'
  | 'completed'
  | 'failed'
  | 'canceled'
  | 'rejected'
  | 'input_required'
  | 'auth_required'
  | 'unknown'

/** A part of what an agent has sent. */
export type RemotePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly value: Json }
  | { readonly kind: 'bytes'; readonly bytes: Buffer; readonly name: string; readonly mediaType: string }
  | { readonly kind: 'link'; readonly url: string }

interface RemoteArtifact {
  readonly id: string
  readonly parts: readonly RemotePart[]
}

/** Something that has happened to a task. */
export interface RemoteEvent {
  readonly task: string
  readonly context: string
  /** Null: as before. */
  readonly state: RemoteState | null
  /** What the agent says in addition to its artifacts. */
  readonly message: readonly RemotePart[]
  /** `whole`: these are all there are. */
  readonly artifacts: readonly RemoteArtifact[]
  readonly append: boolean
  readonly whole: boolean
  /** An answer without a task. */
  readonly isReply: boolean
}

interface OutgoingMessage {
  readonly id: string
  readonly text: string
  readonly context: string
  readonly task: string
}

export interface RemoteClient {
  send(message: OutgoingMessage, signal: AbortSignal): AsyncGenerator<RemoteEvent, void, undefined>
  subscribe(task: string, signal: AbortSignal): AsyncGenerator<RemoteEvent, void, undefined>
  get(task: string, signal: AbortSignal): Promise<RemoteEvent>
  cancel(task: string, signal: AbortSignal): Promise<RemoteEvent>
}

type Sdk = typeof import('@a2a-js/sdk')

/** What a card says, in the form of version 1.0. */
export interface ReadCard {
  readonly card: AgentCard
  /** What its signatures cover. */
  readonly canonical: string
  readonly interfaces: readonly { readonly url: string; readonly binding: string; readonly version: string }[]
}

/** @param raw of either version @throws OxbowError `tool_failed` for what is no card */
export async function readCard(raw: JsonObject): Promise<ReadCard> {
  const [sdk, legacy] = await Promise.all([import('@a2a-js/sdk'), import('@a2a-js/sdk/compat/v0_3/client')])
  try {
    const card = legacy.isLegacyAgentCard(raw) ? legacy.parseLegacyAgentCard(raw) : sdk.AgentCard.fromJSON(raw)
    const interfaces = card.supportedInterfaces.map(({ url, protocolBinding, protocolVersion }) => ({
      url,
      binding: protocolBinding,
      version: protocolVersion,
    }))
    return { card, canonical: sdk.canonicalizeAgentCard(card), interfaces }
  } catch (error) {
    throw notUnderstood('its card', error)
  }
}

/** @param usable the interfaces that may be reached @throws OxbowError `tool_failed` when it understands no interface */
export async function openRemote({ card }: ReadCard, usable: ReadCard['interfaces'], send: typeof fetch): Promise<RemoteClient> {
  const [sdk, { ClientFactory, ClientFactoryOptions, JsonRpcTransportFactory, RestTransportFactory }] = await Promise.all([
    import('@a2a-js/sdk'),
    import('@a2a-js/sdk/client'),
  ])
  const options = { fetchImpl: send, legacyCompat: { enabled: true } }
  const factory = new ClientFactory(
    ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
      transports: [new JsonRpcTransportFactory(options), new RestTransportFactory(options)],
    }),
  )
  const supportedInterfaces = card.supportedInterfaces.filter(({ url }) => usable.some((each) => each.url === url))
  const client = await factory.createFromAgentCard({ ...card, supportedInterfaces }).catch((error: unknown) => {
    throw notUnderstood('its addresses', error)
  })
  const limited = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)])
  return {
    async *send(message, signal) {
      const params = { tenant: '', message: messageOf(sdk, message), configuration: undefined, metadata: undefined }
      for await (const event of client.sendMessageStream(params, { signal })) yield eventOf(sdk, event)
    },
    async *subscribe(task, signal) {
      for await (const event of client.resubscribeTask({ tenant: '', id: task }, { signal })) yield eventOf(sdk, event)
    },
    get: async (task, signal) =>
      wholeTask(sdk, await client.getTask({ tenant: '', id: task, historyLength: 0 }, { signal: limited(signal) })),
    cancel: async (task, signal) =>
      wholeTask(sdk, await client.cancelTask({ tenant: '', id: task, metadata: undefined }, { signal: limited(signal) })),
  }
}

function messageOf({ Role }: Sdk, { id, text, context, task }: OutgoingMessage): Message {
  return {
    messageId: id,
    contextId: context,
    taskId: task,
    role: Role.ROLE_USER,
    parts: [{ content: { $case: 'text', value: text }, metadata: undefined, filename: '', mediaType: 'text/plain' }],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  }
}

const nothing = { state: null, message: [], artifacts: [], append: false, whole: false, isReply: false } as const

function eventOf(sdk: Sdk, { payload }: StreamResponse): RemoteEvent {
  switch (payload?.$case) {
    case 'task':
      return wholeTask(sdk, payload.value)
    case 'message':
      return {
        ...nothing,
        task: payload.value.taskId,
        context: payload.value.contextId,
        message: partsOf(payload.value.parts),
        isReply: true,
      }
    case 'statusUpdate': {
      const { taskId: task, contextId: context, status } = payload.value
      return { ...nothing, task, context, state: stateOf(sdk, status?.state), message: partsOf(status?.message?.parts) }
    }
    case 'artifactUpdate': {
      const { taskId: task, contextId: context, artifact, append } = payload.value
      const artifacts = artifact === undefined ? [] : [{ id: artifact.artifactId, parts: partsOf(artifact.parts) }]
      return { ...nothing, task, context, artifacts, append }
    }
    case undefined:
    default:
      return { ...nothing, task: '', context: '' }
  }
}

/** Fields of version 0.3 are not checked by the SDK. */
const textIn = (value: unknown): string => (typeof value === 'string' ? value : '')

function wholeTask(sdk: Sdk, { id, contextId: context, status, artifacts }: Task): RemoteEvent {
  return {
    ...nothing,
    task: id,
    context,
    state: stateOf(sdk, status?.state),
    message: partsOf(status?.message?.parts),
    artifacts: artifacts.map((artifact) => ({ id: artifact.artifactId, parts: partsOf(artifact.parts) })),
    whole: true,
  }
}

function partsOf(parts: readonly Part[] = []): readonly RemotePart[] {
  return parts.flatMap(({ content, filename, mediaType }): RemotePart[] => {
    switch (content?.$case) {
      case 'text':
        return [{ kind: 'text', text: textIn(content.value) }]
      case 'data':
        return [{ kind: 'value', value: content.value as Json }]
      case 'raw':
        return [{ kind: 'bytes', bytes: Buffer.from(content.value), name: textIn(filename), mediaType: textIn(mediaType) }]
      case 'url':
        return [{ kind: 'link', url: textIn(content.value) }]
      case undefined:
      default:
        return []
    }
  })
}

const states: Readonly<Record<string, RemoteState>> = {
  TASK_STATE_SUBMITTED: 'submitted',
  TASK_STATE_WORKING: 'working',
  TASK_STATE_COMPLETED: 'completed',
  TASK_STATE_FAILED: 'failed',
  TASK_STATE_CANCELED: 'canceled',
  TASK_STATE_REJECTED: 'rejected',
  TASK_STATE_INPUT_REQUIRED: 'input_required',
  TASK_STATE_AUTH_REQUIRED: 'auth_required',
}

function stateOf({ taskStateToJSON }: Sdk, state: TaskState | undefined): RemoteState {
  return state === undefined ? 'unknown' : (ownValue(states, taskStateToJSON(state)) ?? 'unknown')
}

function notUnderstood(what: string, cause: unknown): OxbowError {
  const why = cause instanceof Error ? cause.message.slice(0, 300) : ''
  return new OxbowError('tool_failed', `The agent cannot be used: ${what} cannot be understood (${why}).`, {
    hint: 'Oxbow speaks A2A 1.0 and 0.3, over JSON-RPC and REST.',
    cause,
  })
}

/**
 * `answered`: the agent has received the request and refused it. `ended`: its task has ended. `unknown`: it does not know the task.
 * `hostile`: it does not keep to the protocol. `lost`: the connection, or the agent, failed.
 */
export type FailureKind = 'answered' | 'ended' | 'unknown' | 'unauthenticated' | 'hostile' | 'lost'

/** What an error of the SDK, or of the way to the agent, means. */
export function kindOf(error: unknown): FailureKind {
  if (!(error instanceof Error)) return 'lost'
  if (isOxbowError(error)) return error.data['hostile'] === true ? 'hostile' : error.code === 'denied' ? 'answered' : 'lost'
  if (error.name === 'TaskNotFoundError') return 'unknown'
  if (error.name === 'UnsupportedOperationError' || error.name === 'TaskNotCancelableError') return 'ended'
  const { message } = error
  if (/\b(?:401|403)\b/.test(message)) return 'unauthenticated'
  // Requests that have failed on the way, and servers that are starting.
  if (isObject(error.cause) || /\b(?:429|5\d\d)\b/.test(message) || /fetch|network|socket|terminated|ECONN|aborted/i.test(message))
    return 'lost'
  return 'statusCode' in error || 'envelopeCode' in error ? 'answered' : 'lost'
}
