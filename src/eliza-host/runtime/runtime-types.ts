/** The runtime object that plugins of elizaOS get, as the parts of its implementation see each other. */
import type { Json, JsonObject } from '../../base/index.ts'
import type { PluginCallResult } from '../../protocol/index.ts'
import type {
  Action,
  ActionResult,
  Callback,
  Character,
  ElizaCore,
  Evaluator,
  EventHandler,
  Free,
  Logger,
  Memory,
  ModelHandler,
  ModelHandlerOf,
  Plugin,
  Provider,
  Route,
  ServiceClass,
  ServiceInstance,
  State,
  TaskWorker,
  Uuid,
} from '../eliza-types.ts'

/** The way to the guest: calls through its gate, made inside of a request of the guest. */
export interface GuestCalls {
  /** False between requests: nothing can be called then. */
  isOpen(): boolean
  /** @throws Error when no request of the guest is open */
  call(name: string, input: JsonObject): Promise<PluginCallResult>
}

/** The database interface of elizaOS. */
export interface ElizaAdapter extends Free {
  readonly db: unknown
}

/** What a runtime is made of. */
export interface RuntimeDeps {
  readonly core: ElizaCore
  readonly guest: GuestCalls
  readonly adapter: ElizaAdapter
  readonly character: Character
  /** Settings that the character's override: the plugin's configuration, and variables of its declared secrets. */
  readonly settings: Readonly<Record<string, Json>>
  readonly plugins: readonly Plugin[]
  readonly now: () => number
}

/** What runs at the moment: for logs, and for actions that ask what came before. */
export interface RunState {
  runId: Uuid | undefined
  roomId: Uuid | undefined
  action: { actionName: string; actionId: Uuid; prompts: Free[] } | undefined
}

/** The `IAgentRuntime` of elizaOS 1.7.2, as plugins get it. */
export interface ElizaRuntime
  extends SettingMethods, ComponentMethods, ServiceMethods, ModelMethods, EventMethods, StateMethods, ActionMethods, PlaceMethods, Free {
  readonly agentId: Uuid
  readonly character: Character
  readonly actions: Action[]
  readonly evaluators: Evaluator[]
  readonly providers: Provider[]
  readonly plugins: Plugin[]
  events: Record<string, EventHandler[]>
  readonly stateCache: Map<string, State>
  readonly services: Map<string, ServiceInstance[]>
  readonly models: Map<string, ModelHandler[]>
  routes: Route[]
  adapter: ElizaAdapter
  readonly logger: Logger
  messageService: Free | null
  elizaOS: Free | undefined
  readonly initPromise: Promise<void>
  readonly fetch: typeof fetch
}

export interface SettingMethods {
  createRunId(): Uuid
  startRun(roomId?: Uuid): Uuid
  endRun(): void
  getCurrentRunId(): Uuid
  setSetting(key: string, value: string | boolean | null, secret?: boolean): void
  getSetting(key: string): string | boolean | number | null
  getConversationLength(): number
  mergeAgentSettings(agent: Free): void
  getModelSettings(modelType?: string): Record<string, number> | null
}

export interface ComponentMethods {
  registerPlugin(plugin: Plugin): Promise<void>
  registerDatabaseAdapter(adapter: object): void
  registerProvider(provider: Provider): void
  registerAction(action: Action): void
  registerEvaluator(evaluator: Evaluator): void
  registerTaskWorker(worker: TaskWorker): void
  getTaskWorker(name: string): TaskWorker | undefined
  initialize(options?: Free): Promise<void>
  runPluginMigrations(): Promise<void>
  stop(): Promise<void>
}

export interface ServiceMethods {
  getService(type: string): ServiceInstance | null
  getTypedService(type: string): ServiceInstance | null
  getServicesByType(type: string): ServiceInstance[]
  getAllServices(): Map<string, ServiceInstance[]>
  getRegisteredServiceTypes(): string[]
  hasService(type: string): boolean
  getServiceRegistrationStatus(type: string): ServiceStatus
  getServiceHealth(): Record<string, { status: ServiceStatus; instances: number; hasPromise: boolean }>
  registerService(service: ServiceClass): Promise<void>
  getServiceLoadPromise(type: string): Promise<ServiceInstance>
}

export type ServiceStatus = 'pending' | 'registering' | 'registered' | 'failed' | 'unknown'

export interface ModelMethods {
  registerModel(type: string, handler: ModelHandlerOf, provider: string, priority?: number): void
  getModel(type: string): ModelHandlerOf | undefined
  useModel(type: string, params: any, provider?: string): Promise<any>
  generateText(input: string, options?: Free): Promise<{ text: string }>
  logModelCall(
    type: string,
    key: string,
    params: unknown,
    prompt: string | null,
    ms: number,
    provider: string | undefined,
    answer: unknown,
  ): void
  ensureEmbeddingDimension(): Promise<void>
}

export interface EventMethods {
  registerEvent(event: string, handler: EventHandler): void
  getEvent(event: string): EventHandler[] | undefined
  emitEvent(event: string | string[], params: unknown): Promise<void>
  on(event: string, callback: (data: unknown) => void): void
  off(event: string, callback: (data: unknown) => void): void
  emit(event: string, data: unknown): void
  sendControlMessage(params: { roomId: Uuid; action: string; target?: string }): Promise<void>
  registerSendHandler(source: string, handler: (runtime: object, target: Free, content: Free) => Promise<void>): void
  sendMessageToTarget(target: Free, content: Free): Promise<void>
}

export interface StateMethods {
  composeState(message: Memory, include?: string[] | null, onlyInclude?: boolean, skipCache?: boolean): Promise<State>
}

export interface ActionMethods {
  processActions(message: Memory, responses: Memory[], state?: State, callback?: Callback, options?: Free): Promise<void>
  getActionResults(messageId: Uuid): ActionResult[]
  evaluate(message: Memory, state: State, didRespond?: boolean, callback?: Callback, responses?: Memory[]): Promise<Evaluator[]>
  updateActionPlan(plan: Free, updates: Free): Free
  updateActionStep(plan: Free, index: number, updates: Free): Free
}

export interface PlaceMethods {
  ensureConnections(entities: Free[], rooms: Free[], source: string, world: Free): Promise<void>
  ensureConnection(connection: Free): Promise<void>
  ensureParticipantInRoom(entityId: Uuid, roomId: Uuid): Promise<void>
  ensureWorldExists(world: Free): Promise<void>
  ensureRoomExists(room: Free): Promise<void>
  ensureAgentExists(agent: Free): Promise<Free>
  ensureEntity(entity: Free): Promise<Free | null>
}
