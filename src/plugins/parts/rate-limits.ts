/** How often a plugin works for a user: a sliding window of a minute, a burst within a second, and so many at once, by tier. */
import { type Clock, createRecentMap, OxbowError } from '../../base/index.ts'
import type { PluginTier } from '../../config/index.ts'

interface TierLimits {
  readonly perMinute: number
  readonly tokensPerMinute: number
  readonly perSecond: number
  readonly atOnce: number
}

const tierLimits: Readonly<Record<Exclude<PluginTier, 'unlimited'>, TierLimits>> = {
  free: { perMinute: 10, tokensPerMinute: 5_000, perSecond: 2, atOnce: 2 },
  basic: { perMinute: 60, tokensPerMinute: 50_000, perSecond: 10, atOnce: 5 },
  premium: { perMinute: 300, tokensPerMinute: 200_000, perSecond: 50, atOnce: 20 },
  enterprise: { perMinute: 1_000, tokensPerMinute: 1_000_000, perSecond: 200, atOnce: 100 },
}

export interface RateLimits {
  /** @returns a function for the end of the request @throws OxbowError `limit_reached` */
  enter(user: string, plugin: string): () => void
  /** Counts tokens that a plugin has used of models. @throws OxbowError `limit_reached` before the next */
  spend(user: string, plugin: string, tokens: number): void
}

/** Users and plugins whose windows are kept; of the others, the windows have passed. */
const maxKeys = 10_000
const minuteMs = 60_000
const secondMs = 1_000

interface Window {
  /** Of requests, oldest first. */
  times: number[]
  tokens: { readonly at: number; readonly count: number }[]
  running: number
}

export function createRateLimits(tierOf: (plugin: string) => PluginTier, clock: Pick<Clock, 'monotonicMs'>): RateLimits {
  const windows = createRecentMap<string, Window>(maxKeys)
  const windowOf = (user: string, plugin: string): Window => {
    const key = JSON.stringify([user, plugin])
    let window = windows.get(key)
    if (window === undefined) windows.put(key, (window = { times: [], tokens: [], running: 0 }))
    return window
  }
  return {
    enter(user, plugin) {
      const tier = tierOf(plugin)
      if (tier === 'unlimited') return noEnd
      const limits = tierLimits[tier]
      const window = windowOf(user, plugin)
      const now = clock.monotonicMs()
      slide(window, now)
      const waitMs = waitOf(window, limits, now)
      if (waitMs !== 0) throw overLimit(plugin, tier, waitMs)
      window.times.push(now)
      window.running++
      return () => void window.running--
    },
    spend(user, plugin, tokens) {
      if (tierOf(plugin) !== 'unlimited') windowOf(user, plugin).tokens.push({ at: clock.monotonicMs(), count: tokens })
    },
  }
}

const noEnd = (): void => {}

function slide(window: Window, now: number): void {
  const from = now - minuteMs
  const first = window.times.findIndex((at) => at > from)
  window.times = first < 0 ? [] : first === 0 ? window.times : window.times.slice(first)
  if (window.tokens.length > 0) window.tokens = window.tokens.filter(({ at }) => at > from)
}

/** @returns 0: now; Infinity: when another request has ended */
function waitOf({ times, tokens, running }: Window, limits: TierLimits, now: number): number {
  if (running >= limits.atOnce) return Infinity
  const oldest = times.at(-limits.perMinute)
  if (oldest !== undefined) return oldest + minuteMs - now
  const recent = times.at(-limits.perSecond)
  if (recent !== undefined && recent > now - secondMs) return recent + secondMs - now
  const used = tokens.reduce((sum, { count }) => sum + count, 0)
  return used >= limits.tokensPerMinute ? tokens[0]!.at + minuteMs - now : 0
}

function overLimit(plugin: string, tier: PluginTier, waitMs: number): OxbowError {
  const when = waitMs === Infinity ? 'when another of its requests has ended' : `in ${Math.ceil(waitMs / 1_000)} s`
  return new OxbowError('limit_reached', `The plugin ${plugin} has reached the limits of its tier, ${tier}.`, {
    hint: `Try again ${when}. plugins.tiers in config.toml sets its tier.`,
    data: waitMs === Infinity ? {} : { retry_ms: Math.ceil(waitMs) },
  })
}
