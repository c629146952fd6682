/** The REST binding of A2A 1.0 (section 11): method and path to an operation, JSON to messages and back. */
import type { JsonObject } from '../../base/index.ts'
import {
  type A2ARequestHandler,
  AgentCard,
  ListTaskPushNotificationConfigsResponse,
  ListTasksResponse,
  RequestMalformedError,
  SendMessageRequest,
  SendMessageResponse,
  type ServerCallContext,
  StreamResponse,
  Task,
  TaskPushNotificationConfig,
  taskStateFromJSON,
} from './sdk.ts'

export interface RestRequest {
  readonly method: string
  /** Below the address of the interface. */
  readonly path: string
  readonly query: URLSearchParams
  readonly body: JsonObject
}

type RestResult = { readonly status: number; readonly body: JsonObject | null } | { readonly stream: AsyncGenerator }

/** @returns null when there is nothing at this address @throws A2AError */
export async function routeRest(handler: A2ARequestHandler, context: ServerCallContext, request: RestRequest): Promise<RestResult | null> {
  const { method, path, query, body } = request
  const tenant = ''
  const configs = /^\/tasks\/([^/:]+)\/pushNotificationConfigs(?:\/([^/]+))?$/.exec(path)
  if (configs !== null) return routeConfigs(handler, context, request, decodeURIComponent(configs[1]!), configs[2])
  const [, id = '', verb = ''] = /^\/tasks\/([^/:]+)(?::(\w+))?$/.exec(path) ?? []
  const taskId = decodeURIComponent(id)
  switch (`${method} ${id === '' ? path : `/tasks/*${verb === '' ? '' : `:${verb}`}`}`) {
    case 'GET /extendedAgentCard':
      return ok(AgentCard.toJSON(await handler.getAuthenticatedExtendedAgentCard({ tenant }, context)))
    case 'POST /message:send': {
      const result = await handler.sendMessage(SendMessageRequest.fromJSON(body), context)
      const payload = 'messageId' in result ? ({ $case: 'message', value: result } as const) : ({ $case: 'task', value: result } as const)
      return ok(SendMessageResponse.toJSON({ payload }))
    }
    case 'POST /message:stream':
      return { stream: asJson(handler.sendMessageStream(SendMessageRequest.fromJSON(body), context)) }
    case 'GET /tasks/*:subscribe':
    case 'POST /tasks/*:subscribe':
      return { stream: asJson(handler.resubscribe({ id: taskId, tenant }, context)) }
    case 'POST /tasks/*:cancel':
      return ok(Task.toJSON(await handler.cancelTask({ id: taskId, tenant, metadata: undefined }, context)))
    case 'GET /tasks/*':
      return ok(Task.toJSON(await handler.getTask({ id: taskId, tenant, historyLength: countIn(query, 'historyLength') }, context)))
    case 'GET /tasks':
      return ok(ListTasksResponse.toJSON(await handler.listTasks(listOf(query), context)))
  }
  return null
}

async function routeConfigs(
  handler: A2ARequestHandler,
  context: ServerCallContext,
  { method, body }: RestRequest,
  taskId: string,
  config: string | undefined,
): Promise<RestResult | null> {
  const tenant = ''
  const id = config === undefined ? '' : decodeURIComponent(config)
  switch (`${method}${config === undefined ? '' : ' one'}`) {
    case 'POST': {
      const created = TaskPushNotificationConfig.fromJSON({ ...body, taskId })
      return {
        status: 201,
        body: asObject(TaskPushNotificationConfig.toJSON(await handler.createTaskPushNotificationConfig(created, context))),
      }
    }
    case 'GET':
      return ok(
        ListTaskPushNotificationConfigsResponse.toJSON(
          await handler.listTaskPushNotificationConfigs({ taskId, tenant, pageSize: 0, pageToken: '' }, context),
        ),
      )
    case 'GET one':
      return ok(TaskPushNotificationConfig.toJSON(await handler.getTaskPushNotificationConfig({ taskId, id, tenant }, context)))
    case 'DELETE one':
      await handler.deleteTaskPushNotificationConfig({ taskId, id, tenant }, context)
      return { status: 204, body: null }
  }
  return null
}

const asObject = (value: unknown): JsonObject => value as JsonObject
const ok = (value: unknown): RestResult => ({ status: 200, body: asObject(value) })

async function* asJson(stream: AsyncGenerator<StreamResponse, void, undefined>): AsyncGenerator<unknown, void, undefined> {
  for await (const event of stream) yield StreamResponse.toJSON(event)
}

function listOf(query: URLSearchParams) {
  const status = query.get('status') ?? ''
  return {
    tenant: '',
    contextId: query.get('contextId') ?? '',
    status: status === '' ? 0 : taskStateFromJSON(/^\d+$/.test(status) ? Number(status) : status),
    pageSize: countIn(query, 'pageSize'),
    pageToken: query.get('pageToken') ?? '',
    historyLength: countIn(query, 'historyLength'),
    statusTimestampAfter: query.get('statusTimestampAfter') || undefined,
    includeArtifacts: query.get('includeArtifacts') === 'true',
  }
}

function countIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? ''
  if (text === '') return undefined
  if (!/^\d{1,6}$/.test(text)) throw new RequestMalformedError(`${name} must be a whole number.`)
  return Number(text)
}
