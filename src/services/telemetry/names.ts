/**
 * Names of attributes and metrics. `gen_ai.*` are the semantic conventions of OpenTelemetry for generative AI as of 1.45, which are still in
 * development: they stand here and nowhere else. A test compares them with the package of the conventions. `oxbow.*` are our own.
 */

export const genAi = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  requestMaxTokens: 'gen_ai.request.max_tokens',
  requestTemperature: 'gen_ai.request.temperature',
  requestTopP: 'gen_ai.request.top_p',
  responseModel: 'gen_ai.response.model',
  finishReasons: 'gen_ai.response.finish_reasons',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  cacheReadTokens: 'gen_ai.usage.cache_read.input_tokens',
  cacheCreationTokens: 'gen_ai.usage.cache_creation.input_tokens',
  reasoningTokens: 'gen_ai.usage.reasoning.output_tokens',
  tokenType: 'gen_ai.token.type',
  agentName: 'gen_ai.agent.name',
  conversation: 'gen_ai.conversation.id',
  toolName: 'gen_ai.tool.name',
  toolCall: 'gen_ai.tool.call.id',
  toolType: 'gen_ai.tool.type',
  toolArguments: 'gen_ai.tool.call.arguments',
  toolResult: 'gen_ai.tool.call.result',
  inputMessages: 'gen_ai.input.messages',
  outputMessages: 'gen_ai.output.messages',
} as const

/** Values of `gen_ai.operation.name`. */
export const operations = {
  chat: 'chat',
  embeddings: 'embeddings',
  invokeAgent: 'invoke_agent',
  executeTool: 'execute_tool',
} as const

/** Values of `gen_ai.provider.name`, where they differ from our names of providers. */
export const providerNames: ReadonlyMap<string, string> = new Map([
  ['google', 'gcp.gemini'],
  ['gemini', 'gcp.gemini'],
  ['vertex', 'gcp.vertex_ai'],
  ['azure', 'azure.ai.openai'],
  ['bedrock', 'aws.bedrock'],
  ['mistral', 'mistral_ai'],
  ['xai', 'x_ai'],
])

/** Names of the conventions that are not about models. */
export const general = {
  errorType: 'error.type',
  serviceName: 'service.name',
  serviceVersion: 'service.version',
  serviceInstance: 'service.instance.id',
} as const

export const oxbow = {
  user: 'oxbow.user',
  node: 'oxbow.node',
  session: 'oxbow.session.id',
  turn: 'oxbow.turn.id',
  call: 'oxbow.call.id',
  actor: 'oxbow.actor',
  callName: 'oxbow.call.name',
  status: 'oxbow.status',
  steps: 'oxbow.turn.steps',
  costMicroDollars: 'oxbow.cost.micro_dollars',
  profile: 'oxbow.hands.profile',
  requests: 'oxbow.hands.requests',
} as const

export const metricNames = {
  tokenUsage: 'gen_ai.client.token.usage',
  operationDuration: 'gen_ai.client.operation.duration',
  turnDuration: 'oxbow.turn.duration',
  providerTokens: 'oxbow.provider.tokens',
  providerCost: 'oxbow.provider.cost',
  toolExecutions: 'oxbow.tool.executions',
  toolDuration: 'oxbow.tool.duration',
  contextUtilization: 'oxbow.context.utilization',
  activeSessions: 'oxbow.active_sessions',
  clusterNode: 'oxbow.cluster.node',
  memoryPassages: 'oxbow.memory.chunks',
} as const
