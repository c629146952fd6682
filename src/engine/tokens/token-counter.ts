/**
 * Exact token counts from a real tokenizer, in a worker: its tables take tens of megabytes and a tenth of a second to load,
 * and counting a long text would block the event loop. The worker starts on first use and ends when it is idle.
 */
import type { Worker } from 'node:worker_threads'
import { OxbowError } from '../../types/index.ts'

/** OpenAI's encodings. */
export type TokenEncoding = 'o200k_base' | 'cl100k_base'

export interface TokenCounter {
  /** One count for each text, in order. @param encoding `o200k_base` when unset, see `encodingOf` */
  count(texts: readonly string[], encoding?: TokenEncoding): Promise<readonly number[]>
  close(): Promise<void>
}

interface Waiting {
  resolve(counts: readonly number[]): void
  reject(error: Error): void
}

interface Running {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
}

export function createTokenCounter(idleMs: number): TokenCounter {
  let running: Running | null = null
  let idle: NodeJS.Timeout | undefined
  let nextId = 0
  let closed = false

  const stop = async (): Promise<void> => {
    clearTimeout(idle)
    const old = running
    running = null
    await old?.worker.terminate()
  }
  const start = (): Running => {
    const { Worker } = process.getBuiltinModule('node:worker_threads')
    // Beside this file there is token-worker.ts in the sources and token-worker.js in the bundle.
    const file = import.meta.url.endsWith('.ts') ? './token-worker.ts' : './token-worker.js'
    const worker = new Worker(new URL(file, import.meta.url))
    const started: Running = { worker, waiting: new Map() }
    worker.on('message', ({ id, counts }: { id: number; counts: readonly number[] }) => {
      started.waiting.get(id)?.resolve(counts)
      started.waiting.delete(id)
      if (started.waiting.size > 0) return
      // Nothing is left to count: the worker neither keeps the process alive nor stays for long.
      worker.unref()
      clearTimeout(idle)
      idle = setTimeout(() => void stop(), idleMs).unref()
    })
    const lost = (cause?: unknown): void => {
      if (running === started) running = null
      const error = new OxbowError('limit_reached', 'The tokenizer stopped before it had counted.', { hint: 'Try again.', cause })
      for (const each of started.waiting.values()) each.reject(error)
      started.waiting.clear()
    }
    worker.on('error', lost)
    worker.on('exit', () => lost())
    return started
  }

  return {
    count: (texts, encoding = 'o200k_base') => {
      if (closed) return Promise.reject(new OxbowError('cancelled', 'The engine is closed.', { hint: 'Start the guest again.' }))
      if (texts.length === 0) return Promise.resolve([])
      clearTimeout(idle)
      running ??= start()
      const { worker, waiting } = running
      const id = nextId++
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        worker.ref()
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker, not a window
        worker.postMessage({ id, texts, encoding })
      })
    },
    close: async () => {
      closed = true
      await stop()
    },
  }
}
