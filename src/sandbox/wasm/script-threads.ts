/**
 * Threads of tools, and the one that is started ahead: a thread and its interpreter take ten times as long to start as a script to make its
 * first call. It runs one tool and ends, as any other. It waits for so long and no longer: most guests run a program now and then.
 */
import { type TransferListItem, Worker } from 'node:worker_threads'
import { scriptThreadRestMs, toolHeapMb } from '../limits.ts'
import type { ThreadAhead, ToolJob } from './tool-channel.ts'

export interface ScriptThreads {
  /** Starts a thread ahead, unless there is one, and lets it wait from now on. */
  prepare(): void
  /** @returns the thread that was started ahead, with this job; null: no thread is ready for it */
  take(job: ToolJob): Worker | null
  /** Ends it. No other is started. */
  close(): Promise<void>
}

/** @param memoryMb of all scripts that take one @param restMs how long a thread waits for a script */
export function createScriptThreads(memoryMb: number, restMs: number = scriptThreadRestMs): ScriptThreads {
  let ahead: { readonly worker: Worker; rest: NodeJS.Timeout } | null = null
  let isOver = false
  const forget = (): Worker | undefined => {
    const worker = ahead?.worker
    if (ahead !== null) clearTimeout(ahead.rest)
    ahead = null
    return worker
  }
  const rest = (worker: Worker): NodeJS.Timeout =>
    setTimeout(() => {
      if (ahead?.worker === worker) void forget()?.terminate()
    }, restMs).unref()
  return {
    prepare() {
      if (isOver) return
      if (ahead !== null) {
        clearTimeout(ahead.rest)
        ahead.rest = rest(ahead.worker)
        return
      }
      const worker = startThread({ ahead: memoryMb })
      // One that fails leaves the next script to a thread of its own.
      const lost = (): void => {
        if (ahead?.worker === worker) forget()
      }
      worker.once('error', lost).once('exit', lost).unref()
      ahead = { worker, rest: rest(worker) }
    },
    take(job) {
      if (job.kind !== 'js' || job.limits.memoryMb !== memoryMb) return null
      const worker = forget()
      if (worker === undefined) return null
      worker.ref()
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage(job, [job.port])
      return worker
    },
    async close() {
      isOver = true
      await forget()?.terminate()
    },
  }
}

export function startThread(data: ToolJob | ThreadAhead, transferList: TransferListItem[] = []): Worker {
  // The worker's file is next to this one: tool-worker.ts in the sources, tool-worker.js in the bundle.
  const file = import.meta.url.endsWith('.ts') ? './tool-worker.ts' : './tool-worker.js'
  return new Worker(new URL(file, import.meta.url), {
    workerData: data,
    transferList,
    env: {},
    execArgv: [],
    // Output of the thread itself is dropped.
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: toolHeapMb, maxYoungGenerationSizeMb: toolHeapMb / 8 },
  })
}
