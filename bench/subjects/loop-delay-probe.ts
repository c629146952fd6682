/**
 * Loaded into a guest with `--import`: watches the delay of its event loop. At each SIGUSR2 it writes what it saw since the
 * last one to the file that OXBOW_BENCH_PROBE names. Part of the bench, not of the product.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

/** The histogram holds the time between two beats, so this much is no delay. */
const beatMs = 5

if (isMainThread) {
  const histogram = monitorEventLoopDelay({ resolution: beatMs })
  histogram.enable()
  process.on('SIGUSR2', () => {
    const file = process.env['OXBOW_BENCH_PROBE'] ?? ''
    const delayMs = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - beatMs)
    const seen = { p50: delayMs(histogram.percentile(50)), p99: delayMs(histogram.percentile(99)), max: delayMs(histogram.max) }
    histogram.reset()
    // Renamed, so that a reader never sees half of it.
    writeFileSync(`${file}.new`, JSON.stringify(seen))
    renameSync(`${file}.new`, file)
  })
}
