/**
 * Returns memory to the system when a process, or a thread, has had nothing to do for a while. V8 by itself keeps what a busy minute took: the space
 * for short-lived objects at its largest, and garbage until the next collection, which a process without work never needs.
 *
 * A collection stops the process for some 40 ms. So one happens only if the event loop has rested since the last check, and only if the
 * heap has grown by `worthBytes` since the last one: a person who sends a message now and then never waits for it.
 */
import { performance } from 'node:perf_hooks'
interface IdleMemoryOptions {
  readonly checkMs?: number
  readonly worthBytes?: number
}

/** The time for which the event loop must have rested. */
const usualCheckMs = 1_000
/** What a collection must be able to return to be worth its pause. */
const usualWorthBytes: number = 8 * 1024 * 1024
/** Share of the time since the last check; timers and a heartbeat take less. */
const restingUtilization = 0.02

/** Collects when it is idle, until closed. It does not keep the process alive. */
export function watchIdleMemory({ checkMs = usualCheckMs, worthBytes = usualWorthBytes }: IdleMemoryOptions = {}): { close(): void } {
  const { getHeapStatistics } = process.getBuiltinModule('node:v8')
  let before = performance.eventLoopUtilization()
  let kept = getHeapStatistics().total_physical_size
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization()
    const isResting = performance.eventLoopUtilization(now, before).utilization < restingUtilization
    before = now
    if (!isResting || getHeapStatistics().total_physical_size < kept + worthBytes) return
    returnMemory()
    kept = getHeapStatistics().total_physical_size
    before = performance.eventLoopUtilization()
  }, checkMs).unref()
  return { close: () => clearInterval(timer) }
}

/** Collects all garbage and returns the pages that become free; takes some 15 ms in a small process. */
export function returnMemory(): void {
  const { setFlagsFromString } = process.getBuiltinModule('node:v8')
  const { runInNewContext } = process.getBuiltinModule('node:vm')
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as (options: { readonly type: 'major'; readonly flavor: 'last-resort' }) => void
  setFlagsFromString('--no-expose-gc')
  // It collects several times, after which all code would count as old: the next turn would compile it again.
  setFlagsFromString('--no-flush-bytecode')
  gc({ type: 'major', flavor: 'last-resort' })
  setFlagsFromString('--flush-bytecode')
}

/**
 * Largest space for short-lived objects in threads that start from now on, in megabytes. By default a thread has as much as the main
 * thread, which serves many turns at once, and fills it before it collects.
 */
export function limitThreadMemory(megabytes: number): void {
  process.getBuiltinModule('node:v8').setFlagsFromString(`--max-semi-space-size=${megabytes}`)
}

/**
 * From now on the heap of this process may at most double between collections: 40 MB less after 300 turns at the same CPU time; by a quarter,
 * it takes a sixth more. As a flag of its start it costs a guest 90 ms, because it collects again and again while it loads its code.
 */
export function limitHeapGrowth(): void {
  process.getBuiltinModule('node:v8').setFlagsFromString('--heap-growing-percent=100')
}
