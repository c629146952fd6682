/** The runtime object of a plugin, and its services: each starts once, with the first that needs it. */
import { type Json, type JsonObject, ownValue } from '../base/index.ts'
import type { PluginCallResult } from '../protocol/index.ts'
import type { PluginObject, PluginRuntime } from './plugin-object.ts'
import type { HostApi } from './serve-host.ts'

/** A service that has not started by then has failed; the next request for it tries again. */
const serviceStartMs = 30_000

export interface HeldRuntime {
  readonly runtime: PluginRuntime
  /** @param ownMemory of all memories it may read only those with its tag */
  begin(config: JsonObject, settings: JsonObject, ownMemory: boolean): void
  /** @throws Error */
  service(type: string): Promise<unknown>
  started(): readonly string[]
  stopServices(): Promise<void>
}

export function createRuntime(plugins: readonly PluginObject[], api: HostApi): HeldRuntime {
  let settings: JsonObject = {}
  let ownMemory = false
  const services = new Map<string, Promise<unknown>>()
  const running = new Map<string, unknown>()

  const service = async (type: string): Promise<unknown> => {
    const part = plugins.flatMap((plugin) => plugin.services ?? []).find(({ serviceType }) => serviceType === type)
    if (part === undefined) throw Object.assign(new Error(`The plugin has no service ${type}.`), { code: 'not_found' })
    const begun =
      services.get(type) ??
      within(serviceStartMs, `The service ${type}`, async () => part.start(runtime)).then((started) => {
        running.set(type, started)
        return started
      })
    services.set(type, begun)
    begun.catch(() => {
      if (services.get(type) === begun) services.delete(type)
    })
    return begun
  }
  const plugin = plugins[0]?.name ?? ''
  const ownTag = `plugin.${plugin}`
  const runtime: PluginRuntime = {
    plugin,
    call: (name, input = {}) => api.call(name, input),
    getSetting: (name): Json => ownValue(settings, name) ?? ownValue(process.env, name) ?? null,
    getService: service,
    get signal() {
      return api.signal()
    },
    emit: async (name, payload = {}) => assertMade(await api.call('plugin.emit', { name, payload })),
    async useModel(type, params, provider = '') {
      const { output } = assertMade(await api.call('plugin.model', { type, params, provider }))
      return (output as { readonly result: Json }).result
    },
    async provide(...names) {
      const { output } = assertMade(await api.call('plugin.provide', { names }))
      return output as { readonly text: string; readonly values: JsonObject }
    },
    log: (...values) => console.error(...values),
    memory: {
      save: async (text, { tags = [], ...more } = {}) =>
        assertMade(await api.call('memory.save', { content: text, ...more, tags: [...new Set([ownTag, ...(tags as readonly string[])])] })),
      async search(query, { tags: given = [ownTag], ...more } = {}) {
        const tags = ownMemory ? [...new Set([ownTag, ...(given as readonly string[])])] : (given as readonly string[])
        return assertMade(await api.call('memory.search', { query, ...more, ...(tags.length > 0 && { tags }) }))
      },
    },
  }
  return {
    runtime,
    begin(config, given, isOwn) {
      settings = { ...config, ...given }
      ownMemory = isOwn
    },
    service,
    started: () => [...running.keys()],
    async stopServices() {
      for (const [type, started] of running) {
        const { stop } = (typeof started === 'object' && started !== null ? started : {}) as { stop?: () => unknown }
        await Promise.resolve(stop?.call(started)).catch((error: unknown) => console.error(`service ${type}:`, error))
      }
      running.clear()
    },
  }
}

/** @throws Error with the code of the refusal or the failure */
function assertMade(result: PluginCallResult): PluginCallResult {
  if (result.status === 'ok') return result
  throw Object.assign(new Error(result.failure?.message ?? result.text), { code: result.failure?.code, hint: result.failure?.hint ?? '' })
}

async function within<T>(limitMs: number, what: string, work: () => Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(Object.assign(new Error(`${what} did not start within ${limitMs / 1000} s.`), { code: 'timeout' })),
    limitMs,
  )
  try {
    return await Promise.race([work(), late.promise])
  } finally {
    clearTimeout(timer)
  }
}
