/**
 * The resource monitor: what the machine and this guest use, sampled at intervals into a ring, and held against the thresholds of the
 * configuration. Where a threshold is reached, the user's guest is overloaded: that is an event, and no new agents start until it is over.
 */
import { availableParallelism, cpus, freemem, loadavg, totalmem } from 'node:os'
import type { DiskProbe } from '../kernel/index.ts'
import { type Clock, ownValue } from '../base/index.ts'
import type { ResourceSample } from '../protocol/index.ts'
import type { ResourcesConfig } from './config.ts'

export interface Resources {
  /** The newest sample, taken now if no recent one exists. */
  snapshot(): Promise<ResourceSample>
  /** Newest first. */
  history(): readonly ResourceSample[]
  /** What is over its threshold, in words; empty when nothing is. */
  overloads(): readonly string[]
  /** Starts the samples at intervals, if they do not run yet. */
  start(): void
  stop(): void
}

interface ResourceDeps {
  readonly config: ResourcesConfig
  readonly clock: Clock
  /** Absent: nothing is known of it. */
  readonly disk?: DiskProbe | undefined
  /** Called when an overload begins, changes or ends. */
  readonly onOverload: (reasons: readonly string[]) => void
}

/** A sample this old is taken again when somebody asks. */
const recentMs = 2_000

export function createResources({ config, clock, disk, onOverload }: ResourceDeps): Resources {
  const ring: ResourceSample[] = []
  let reasons: readonly string[] = []
  let timer: NodeJS.Timeout | null = null
  /** Null until they were first read: use is counted from there on. */
  let before: Counters | null = null
  let dueAt = 0

  const take = async (loopDelayMs: number): Promise<ResourceSample> => {
    const from = before ?? (await firstCounters(clock))
    const now = counters(clock)
    const space = (await disk?.space()) ?? null
    const sample: ResourceSample = {
      at: clock.now(),
      ...usage(from, now),
      memory_used_mb: toMb(totalmem() - freemem()),
      memory_total_mb: toMb(totalmem()),
      load_1m: round(loadavg()[0] ?? 0),
      disk_used_percent: space === null || space.totalBytes === 0 ? 0 : round(100 * (1 - space.freeBytes / space.totalBytes)),
      disk_free_mb: toMb(space?.freeBytes ?? 0),
      guest_memory_mb: toMb(process.memoryUsage.rss()),
      loop_delay_ms: round(loopDelayMs),
      open_files: disk?.openFiles() ?? 0,
    }
    before = now
    ring.unshift(sample)
    ring.length = Math.min(ring.length, config.history)
    const over = overloadsOf(sample, config)
    const changed = over.map(reasonKey).join() !== reasons.map(reasonKey).join()
    reasons = over
    if (changed) onOverload(over)
    return sample
  }
  const tick = (): void => {
    const late = Math.max(0, clock.monotonicMs() - dueAt)
    schedule()
    void take(late)
  }
  const schedule = (): void => {
    dueAt = clock.monotonicMs() + config.interval_s * 1_000
    timer = setTimeout(tick, config.interval_s * 1_000)
    timer.unref()
  }
  return {
    async snapshot() {
      const [newest] = ring
      return newest !== undefined && clock.now() - newest.at < recentMs ? newest : take(await loopDelay(clock))
    },
    history: () => ring,
    overloads: () => reasons,
    start() {
      if (timer === null) schedule()
    },
    stop() {
      if (timer !== null) clearTimeout(timer)
      timer = null
    },
  }
}

/** Thresholds that never hold anything back, by unit: a machine may well be at 100 %. */
const off: Readonly<Record<string, number>> = { ' %': 100 }

/** @returns what is over its threshold; memory and processor of the machine, its load for each processor, the disk */
export function overloadsOf(sample: ResourceSample, config: ResourcesConfig): readonly string[] {
  const over = (what: string, value: number, limit: number, unit: string): readonly string[] =>
    value >= limit && limit !== ownValue(off, unit) ? [`${what} at ${value}${unit}, threshold ${limit}${unit}`] : []
  return [
    ...over('processor', sample.cpu_percent, config.cpu_percent, ' %'),
    ...over('memory', round((100 * sample.memory_used_mb) / sample.memory_total_mb), config.memory_percent, ' %'),
    ...over('load', round(sample.load_1m / availableParallelism()), config.load_per_processor, ' for each processor'),
    ...over('disk', sample.disk_used_percent, config.disk_percent, ' %'),
  ]
}

/** The same overload with another value is no news. */
function reasonKey(reason: string): string {
  return reason.split(' at ', 1)[0] ?? reason
}

/** Use is a difference between two samples: the first one covers only a moment. */
async function firstCounters(clock: Clock): Promise<Counters> {
  const first = counters(clock)
  await new Promise((resolve) => setTimeout(resolve, firstMs))
  return first
}

const firstMs = 100

interface Counters {
  readonly idle: number
  readonly total: number
  readonly own: number
  readonly at: number
}

function counters(clock: Clock): Counters {
  let idle = 0
  let total = 0
  for (const { times } of cpus()) {
    idle += times.idle
    total += times.user + times.nice + times.sys + times.idle + times.irq
  }
  const { user, system } = process.cpuUsage()
  return { idle, total, own: (user + system) / 1_000, at: clock.monotonicMs() }
}

function usage(before: Counters, now: Counters): Pick<ResourceSample, 'cpu_percent' | 'guest_cpu_percent'> {
  const total = now.total - before.total
  const wall = now.at - before.at
  return {
    cpu_percent: total > 0 ? round(100 * (1 - (now.idle - before.idle) / total)) : 0,
    guest_cpu_percent: wall > 0 ? round((100 * (now.own - before.own)) / wall) : 0,
  }
}

/** How late a timer of a millisecond is. */
function loopDelay(clock: Clock): Promise<number> {
  const began = clock.monotonicMs()
  return new Promise((resolve) => setTimeout(() => resolve(Math.max(0, clock.monotonicMs() - began - 1)), 1))
}

function toMb(bytes: number): number {
  return Math.round(bytes / (1024 * 1024))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
