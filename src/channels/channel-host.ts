/** Runs channels side by side: one that hangs or fails leaves the others running. */
import { isOxbowError, ownValue, untilAborted } from '../base/index.ts'
import { type Client, connect } from '../client/index.ts'
import { adapters } from './adapters.ts'
import type { ChannelsSpec } from '../config/index.ts'
import { createChannelRun, type ChannelRun, type HostDeps } from './channel-run.ts'
import { type Guest, guestOf } from './gateway.ts'
import { outboxRestMs, outboxWaitS } from './limits.ts'
import { pauseFor, retryMs } from './retries.ts'

/** How things are to be, for the guest at an address: `ws://host:port/ws`. */
export type HostedChannels = ChannelsSpec & { readonly url: string }

export interface ChannelHost {
  /** Replaces what was before. Channels that stay the same are connected anew only where the guest is another one. */
  take(spec: HostedChannels): void
  close(): Promise<void>
}

export function createChannelHost(deps: HostDeps): ChannelHost {
  let running: Running | null = null
  let last: Promise<unknown> = Promise.resolve()
  /** One change after another. */
  const then = (work: () => Promise<void>): Promise<void> => {
    const next = last.then(work)
    last = next.catch(() => {})
    return next
  }
  return {
    take(spec) {
      void then(async () => {
        await running?.close()
        running = start(deps, spec)
      })
    },
    close: () =>
      then(async () => {
        await running?.close()
        running = null
      }),
  }
}

interface Running {
  close(): Promise<void>
}

function start(deps: HostDeps, spec: HostedChannels): Running {
  const ending = new AbortController()
  const { signal } = ending
  const work = serve(deps, spec, signal).catch((error: unknown) => deps.log('channels have stopped', { why: String(error) }))
  return {
    async close() {
      ending.abort()
      await work
    },
  }
}

async function serve(deps: HostDeps, spec: HostedChannels, signal: AbortSignal): Promise<void> {
  const client = await connected(deps, spec, signal)
  if (client === null) return
  const guest = guestOf(client)
  const runs = new Map<string, ChannelRun>()
  try {
    for (const settings of spec.channels) {
      const open = ownValue(adapters, settings.kind)
      if (open === undefined) await guest.say({ channel: settings.name, state: 'failed', why: `this version knows no ${settings.kind}` })
      else runs.set(settings.name, createChannelRun({ ...deps, guest, menu: spec.menu, open }, settings, signal))
    }
    await handOut(deps, guest, runs, signal)
  } finally {
    await Promise.all([...runs.values()].map((run) => run.close()))
    await client.close()
  }
}

/** The guest may have just begun, or be restarting. */
async function connected({ random, log }: HostDeps, { url, key }: HostedChannels, signal: AbortSignal): Promise<Client | null> {
  for (let tries = 0; !signal.aborted; tries += 1) {
    try {
      return await connect({ url, token: key, client: 'channels' })
    } catch (error) {
      // Of a guest before this one: the next line has another key.
      if (isOxbowError(error, 'unauthenticated')) {
        log('the key is refused')
        return null
      }
      await pauseFor(retryMs(tries, random), signal)
    }
  }
  return null
}

/** Gives each channel what is to be delivered, as often as that changes. */
async function handOut(deps: HostDeps, guest: Guest, runs: ReadonlyMap<string, ChannelRun>, signal: AbortSignal): Promise<void> {
  let seen = 0
  let failures = 0
  while (!signal.aborted) {
    try {
      const page = await untilAborted(guest.outbox(seen, seen === 0 ? 0 : outboxWaitS), signal)
      failures = 0
      seen = page.version
      for (const [name, run] of runs) run.deliver(page.deliveries.filter(({ channel }) => channel === name))
      // What is made next comes with what is made right after it.
      await pauseFor(outboxRestMs, signal)
    } catch (error) {
      if (signal.aborted || isOxbowError(error, 'unauthenticated')) return
      failures += 1
      deps.log('the outbox cannot be read', { why: isOxbowError(error) ? error.message : String(error) })
      await pauseFor(retryMs(failures, deps.random), signal)
    }
  }
}
