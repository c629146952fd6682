/**
 * The runtime object of elizaOS 1.7.2 for one agent. It has no power but calls to the guest: memory and people are kept there, models are
 * asked there. docs/elizaos.md has a table of all methods, and a test compares it with the class of elizaOS.
 */
import { actionMethods } from './actions.ts'
import { componentMethods } from './components.ts'
import { dataMethods } from './data.ts'
import type { Free, Plugin } from '../eliza-types.ts'
import { eventMethods } from './events.ts'
import { registerGuestModels } from './guest-models.ts'
import { modelMethods } from './models.ts'
import { placeMethods } from './places.ts'
import type { ElizaRuntime, RunState, RuntimeDeps } from './runtime-types.ts'
import { serviceMethods } from './services.ts'
import { settingMethods } from './settings.ts'
import { stateMethods } from './state.ts'

export interface OpenRuntimeDeps extends RuntimeDeps {
  /** Makes the tables of plugins that have some. */
  readonly migrate: (plugins: readonly Plugin[]) => Promise<void>
}

/** Nothing of a plugin runs before `initialize`. */
export function createElizaRuntime(deps: OpenRuntimeDeps): ElizaRuntime {
  const { core, adapter, character } = deps
  const run: RunState = { runId: undefined, roomId: undefined, action: undefined }
  const ready = Promise.withResolvers<void>()
  ready.promise.catch(() => {})
  const self = {
    agentId: character.id ?? core.stringToUuid(character.name),
    character,
    adapter,
    actions: [],
    evaluators: [],
    providers: [],
    plugins: [],
    events: {},
    stateCache: new Map(),
    services: new Map(),
    models: new Map(),
    routes: [],
    logger: core.createLogger({ namespace: character.name }),
    messageService: null,
    elizaOS: undefined,
    initPromise: ready.promise,
    fetch: globalThis.fetch,
  } as Free as ElizaRuntime
  const { begin, ...services } = serviceMethods(self)
  Object.assign(
    self,
    settingMethods(self, run, deps),
    services,
    modelMethods(self, run, deps),
    eventMethods(self),
    stateMethods(self),
    actionMethods(self, run, deps),
    dataMethods(self, deps),
    placeMethods(self, deps),
    componentMethods(self, deps.plugins, begin, deps.migrate, ready),
  )
  Object.defineProperty(self, 'db', { get: () => self.adapter.db })
  self.messageService = new core.DefaultMessageService()
  registerGuestModels(self, deps)
  return self
}
