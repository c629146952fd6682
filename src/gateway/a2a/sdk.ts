/** The SDK of A2A: the only file of the gateway that names it. It is loaded with the first request that needs it. */
export {
  AgentCard,
  canonicalizeAgentCard,
  ListTaskPushNotificationConfigsResponse,
  type ListTasksRequest,
  ListTasksResponse,
  type Message,
  Role,
  SendMessageRequest,
  SendMessageResponse,
  StreamResponse,
  Task,
  TaskPushNotificationConfig,
  TaskState,
  taskStateFromJSON,
} from '@a2a-js/sdk'
export type { A2ARequestHandler } from '@a2a-js/sdk/server'
export { JsonRpcTransportHandler, ServerCallContext, V1PushNotificationSerializer, validateVersion } from '@a2a-js/sdk/server'
export { isV1JsonRpcMethod } from '@a2a-js/sdk/compat/v0_3'
export { LegacyJsonRpcTransportHandler, LegacyRestTransportHandler, V03PushNotificationSerializer } from '@a2a-js/sdk/compat/v0_3/server'
export {
  A2AError,
  ContentTypeNotSupportedError,
  RequestMalformedError,
  restStatusFor,
  TaskNotCancelableError,
  TaskNotFoundError,
  toRestErrorBody,
  UnsupportedOperationError,
} from '@a2a-js/sdk/errors'
