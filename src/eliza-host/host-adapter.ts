/**
 * Which request of the guest a call of a plugin belongs to. What runs for a request calls for that one. Services of elizaOS work on their own
 * as well, when a message comes in over a socket or a timer fires: their calls belong to the task `background` while it runs, or to a request
 * that starts a service, and between those they wait.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { join } from 'node:path'
import type { JsonObject } from '../base/index.ts'
import type { PluginCallResult } from '../protocol/index.ts'
import type { HostAdapter, HostApi } from '../plugin-host/index.ts'
import { type ElizaHostDeps, openElizaHost } from './eliza-host.ts'
import { backgroundTask } from './load-plugins.ts'
import type { GuestCalls } from './runtime/runtime-types.ts'

export interface ElizaAdapterDeps extends Omit<ElizaHostDeps, 'guest' | 'entries' | 'signal'> {
  readonly folder: string
  /** Files in the folder. */
  readonly entries: readonly string[]
  readonly api: HostApi
}

/** A call that no request of the guest has come for. */
const waitMs = 90_000
const maxWaiting = 1_000

export async function openElizaAdapter({ folder, entries, api, ...deps }: ElizaAdapterDeps): Promise<HostAdapter> {
  const { guest, within, close } = createRequests(api)
  const host = openElizaHost({ ...deps, guest, signal: api.signal, entries: entries.map((entry) => join(folder, entry)) })
  let services: readonly string[] = []
  return {
    describe: () => host.describe({}),
    async answer(op, input) {
      if (op === 'hook') return { verdict: 'pass', value: null, reason: '' }
      if (op === 'drain') close()
      const run = host[op] as (given: never) => Promise<object>
      const { name } = input as { name?: unknown }
      // A service that starts slowly outlasts the request that began it: whoever waits for it gives its calls a request.
      const isShared = op === 'service' || (op === 'task' && name === backgroundTask)
      const answered = await within(isShared, () => run(input))
      services = (await host.health({})).services
      return answered
    },
    services: () => services,
  }
}

interface Request {
  open: boolean
}

interface Requests {
  readonly guest: GuestCalls
  /** Runs what a request asks for. @param isShared others may make their calls in it */
  within<Result>(isShared: boolean, work: () => Promise<Result>): Promise<Result>
  /** Refuses what waits, and whatever would wait from now on. */
  close(): void
}

function createRequests(api: HostApi): Requests {
  const current = new AsyncLocalStorage<Request>()
  type Enter = <Result>(work: () => Result) => Result
  // Requests in which others may call: the newest that is open counts.
  const shared: Enter[] = []
  const waiting: PromiseWithResolvers<Enter>[] = []
  let isClosed = false
  const enterLater = async (): Promise<Enter> => {
    const newest = shared.at(-1)
    if (newest !== undefined) return newest
    if (isClosed) throw new Error('The plugin is being stopped, and so it can make no calls.')
    if (waiting.length >= maxWaiting) throw new Error(`More than ${maxWaiting} calls wait for a request of Oxbow.`)
    const one = Promise.withResolvers<Enter>()
    const why = new Error('Oxbow has not asked this plugin for anything for a while, and so it can make no calls.')
    const timer = setTimeout(() => one.reject(why), waitMs)
    waiting.push(one)
    try {
      return await one.promise
    } finally {
      clearTimeout(timer)
      const at = waiting.indexOf(one)
      if (at >= 0) waiting.splice(at, 1)
    }
  }
  return {
    guest: {
      isOpen: () => current.getStore()?.open === true || shared.length > 0,
      async call(name: string, input: JsonObject): Promise<PluginCallResult> {
        if (current.getStore()?.open === true) return api.call(name, input)
        const enter = await enterLater()
        return enter(() => api.call(name, input))
      },
    },
    within(isShared, work) {
      const request: Request = { open: true }
      return current.run(request, async () => {
        // Of the innermost scope, so that a call is made with this request and no other.
        const enter: Enter = AsyncLocalStorage.snapshot()
        if (isShared) shared.push(enter)
        for (const { resolve } of isShared ? waiting.splice(0) : []) resolve(enter)
        try {
          return await work()
        } finally {
          request.open = false
          if (isShared) shared.splice(shared.indexOf(enter), 1)
        }
      })
    },
    close() {
      isClosed = true
      for (const { reject } of waiting.splice(0)) reject(new Error('The plugin is being stopped.'))
    },
  }
}
