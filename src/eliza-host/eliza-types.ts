/**
 * The words of elizaOS 1.7.2 that the runtime object and plugins share, as far as the runtime reads them. Plugins are not compiled against
 * these types, so every field that a plugin fills may be missing.
 */

export type Uuid = string

/** A plugin's value; nothing is known about it. */
export interface Free {
  [key: string]: any
}

/** What a memory says. Plugins add fields of their own. */
export interface Content extends Free {
  text?: string
  thought?: string
  actions?: string[]
  providers?: string[]
  source?: string
}

/** A message or another memory, as elizaOS has it. `createdAt` is in Unix milliseconds. */
export interface Memory extends Free {
  id?: Uuid
  entityId: Uuid
  roomId: Uuid
  agentId?: Uuid
  worldId?: Uuid
  content: Content
  embedding?: number[]
  createdAt?: number
  unique?: boolean
}

/** What providers say about a message. */
export interface State extends Free {
  values: Free
  data: Free
  text: string
}

export interface ActionResult extends Free {
  success: boolean
  text?: string
  values?: Free
  data?: Free
}

export type Callback = (content: Content, files?: unknown) => Promise<Memory[]>

export interface Action extends Free {
  name: string
  description?: string
  similes?: string[]
  validate?(runtime: object, message: Memory, state?: State): Promise<boolean>
  handler?(runtime: object, message: Memory, state?: State, options?: Free, callback?: Callback, responses?: Memory[]): Promise<unknown>
}

export interface Provider extends Free {
  name: string
  description?: string
  position?: number
  private?: boolean
  dynamic?: boolean
  get(runtime: object, message: Memory, state: State): Promise<Free>
}

export interface Evaluator extends Action {
  alwaysRun?: boolean
}

export interface ServiceInstance extends Free {
  stop(): Promise<void>
  capabilityDescription?: string
}

/** A service's class; `start` makes the instance of an agent. */
export interface ServiceClass extends Free {
  serviceType: string
  name?: string
  start?(runtime: object): Promise<ServiceInstance>
}

/** An HTTP route of a plugin; its path counts below the plugin's name. */
export interface Route extends Free {
  type: string
  path: string
  public?: boolean
  handler?(request: object, response: object, runtime: object): Promise<void>
}

export type ModelHandlerOf = (runtime: object, params: any) => Promise<unknown>

export interface ModelHandler {
  readonly handler: ModelHandlerOf
  readonly provider: string
  readonly priority: number
  readonly registrationOrder: number
}

export type EventHandler = (payload: any) => unknown

export interface TaskWorker extends Free {
  name: string
  execute(runtime: object, options: Free, task: Free): Promise<unknown>
}

/** A character as elizaOS has it. Its secrets stay in this process. */
export interface Character extends Free {
  id?: Uuid
  name: string
  bio?: string | string[]
  system?: string
  settings?: Free
  secrets?: Free
  templates?: Free
}

/** A plugin as its package exports it. Anything may be missing but the name. */
export interface Plugin extends Free {
  name: string
  description?: string
  priority?: number
  init?(config: Record<string, string>, runtime: object): Promise<void>
  config?: Free
  actions?: Action[]
  providers?: Provider[]
  evaluators?: Evaluator[]
  services?: ServiceClass[]
  models?: Record<string, ModelHandlerOf>
  events?: Record<string, EventHandler[]>
  routes?: Route[]
  adapter?: object
  schema?: Free
  dependencies?: string[]
}

type Level = 'trace' | 'debug' | 'info' | 'success' | 'warn' | 'error' | 'fatal' | 'log' | 'progress' | 'clear'
export type Logger = Record<Level, (...entry: unknown[]) => void> & { child?: (fields: object) => Logger }

/** What the host uses of `@elizaos/core`, loaded from the folder of the plugin. */
export interface ElizaCore {
  readonly createLogger: (options: object) => Logger
  readonly createUniqueUuid: (runtime: object, name: string) => Uuid
  readonly stringToUuid: (text: string) => Uuid
  readonly decryptStringValue: (value: string, salt: string) => string
  readonly getSalt: () => string
  readonly setAllowedEnvVars?: (names: readonly string[]) => void
  readonly BM25: new (documents: readonly object[]) => { search(query: string, count: number): readonly { readonly index: number }[] }
  readonly DefaultMessageService: new () => Free
  readonly getStreamingContext: () => Free | undefined
  readonly runWithStreamingContext: <Result>(context: object | undefined, work: () => Result) => Result
  readonly ActionStreamFilter: new () => { push(chunk: string): string }
  readonly ModelType: Readonly<Record<string, string>>
  readonly EventType: Readonly<Record<string, string>>
}
