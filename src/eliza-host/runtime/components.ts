/** Registration of plugins and of what they bring, in the order of elizaOS. */
import type { ComponentMethods, ElizaRuntime } from './runtime-types.ts'
import type { Plugin, ServiceClass, TaskWorker } from '../eliza-types.ts'
import { textOfError } from './events.ts'

/** @param begin starts a service in the background @param migrate makes the tables of plugins that have some */
export function componentMethods(
  self: ElizaRuntime,
  plugins: readonly Plugin[],
  begin: (service: ServiceClass, plugin: string) => Promise<void>,
  migrate: (plugins: readonly Plugin[]) => Promise<void>,
  ready: { resolve(): void; reject(error: unknown): void },
): ComponentMethods {
  const workers = new Map<string, TaskWorker>()
  return {
    async registerPlugin(plugin) {
      if (!plugin?.name) throw new Error('registerPlugin: Plugin or plugin name is undefined')
      if (self.plugins.some(({ name }) => name === plugin.name)) {
        self.logger.warn({ src: 'agent', agentId: self.agentId, plugin: plugin.name }, 'Plugin already registered, skipping')
        return
      }
      self.plugins.push(plugin)
      await initialized(self, plugin)
      if (plugin.adapter !== undefined) self.registerDatabaseAdapter(plugin.adapter)
      for (const action of plugin.actions ?? []) self.registerAction(action)
      for (const evaluator of plugin.evaluators ?? []) self.registerEvaluator(evaluator)
      for (const provider of plugin.providers ?? []) self.registerProvider(provider)
      for (const [type, handler] of Object.entries(plugin.models ?? {})) self.registerModel(type, handler, plugin.name, plugin.priority)
      for (const route of plugin.routes ?? []) {
        const path = route.path.startsWith('/') ? route.path : `/${route.path}`
        self.routes.push({ ...route, path: `/${plugin.name}${path}` })
      }
      for (const [event, handlers] of Object.entries(plugin.events ?? {}))
        for (const handler of handlers) self.registerEvent(event, handler)
      for (const service of plugin.services ?? []) void begin(service, plugin.name)
    },
    registerDatabaseAdapter() {
      self.logger.warn({ src: 'agent', agentId: self.agentId }, 'Database adapter already registered, ignoring')
    },
    registerProvider: (provider) => void self.providers.push(provider),
    registerAction(action) {
      if (self.actions.some(({ name }) => name === action.name)) {
        self.logger.warn({ src: 'agent', agentId: self.agentId, action: action.name }, 'Action already registered, skipping')
      } else self.actions.push(action)
    },
    registerEvaluator: (evaluator) => void self.evaluators.push(evaluator),
    registerTaskWorker: (worker) => void workers.set(worker.name, worker),
    getTaskWorker: (name) => workers.get(name),
    async initialize() {
      try {
        for (const plugin of plugins) await self.registerPlugin(plugin)
        await prepareAgent(self)
        await self.runPluginMigrations()
        ready.resolve()
      } catch (error) {
        ready.reject(error)
        throw error
      }
    },
    runPluginMigrations: () => migrate(self.plugins.filter(({ name, schema }) => schema !== undefined && !keepsOurTables.test(name))),
    async stop() {
      for (const services of self.services.values()) {
        for (const service of services) {
          try {
            await service.stop()
          } catch (error) {
            self.logger.error({ src: 'agent', agentId: self.agentId, error: textOfError(error) }, 'Service did not stop')
          }
        }
      }
      self.elizaOS = undefined
    },
  }
}

/** The tables of plugin-sql are those that our adapter stands for. */
const keepsOurTables = /(^|\/)(plugin-)?sql$/

/** A plugin without a key it wants is of use for what needs none; elizaOS warns, too. */
const lacksSetting = /api key|environment variables|invalid plugin configuration/i

async function initialized(self: ElizaRuntime, plugin: Plugin): Promise<void> {
  if (plugin.init === undefined) return
  const given = Object.entries(plugin.config ?? {}).filter(([, value]) => value !== null && value !== undefined)
  try {
    await plugin.init(Object.fromEntries(given.map(([key, value]) => [key, String(value)])), self)
  } catch (error) {
    if (!lacksSetting.test(textOfError(error))) throw error
    self.logger.warn({ src: 'agent', agentId: self.agentId, plugin: plugin.name, error: textOfError(error) }, 'Plugin is not configured')
  }
}

/** The agent's own row, world, entity and room, which plugins expect. */
async function prepareAgent(self: ElizaRuntime): Promise<void> {
  const { agentId, character } = self
  // Secrets of a character do not leave this process.
  const { secrets: _secrets, ...shown } = character
  const { secrets: _nested, ...settings } = character.settings ?? {}
  self.mergeAgentSettings(await self.ensureAgentExists({ ...shown, settings, id: agentId }))
  await self.ensureWorldExists({ id: agentId, name: `${character.name}'s World`, agentId, messageServerId: agentId })
  await self.ensureEntity({ id: agentId, names: [character.name], metadata: {}, agentId })
  if ((await self['getRoom'](agentId)) === null) {
    const room = { id: agentId, name: character.name, source: 'elizaos', type: 'SELF', channelId: agentId, messageServerId: agentId }
    await self['createRoom']({ ...room, worldId: agentId })
  }
  const present: string[] = await self.adapter['getParticipantsForRoom'](agentId)
  if (!present.includes(agentId)) await self['addParticipant'](agentId, agentId)
}
