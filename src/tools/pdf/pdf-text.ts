/**
 * The text of a PDF. Each PDF is read in its own worker with bounded memory and time, because a hostile document can exhaust both.
 * The worker takes bytes and returns text.
 */
import type { Worker } from 'node:worker_threads'
import { maxPageCharacters, pdfLookMs, pdfMemoryMb, pdfTimeoutMs } from '../limits.ts'

export interface PdfJob {
  readonly bytes: Uint8Array
  readonly maxCharacters: number
  /** No further page is begun after this time; the pages read so far are the answer. */
  readonly enoughMs: number
}

export type PdfAnswer =
  | {
      readonly ok: true
      readonly title: string
      /** Text of each page, as far as it was read. */
      readonly pages: readonly string[]
      readonly totalPages: number
      readonly cut: boolean
    }
  /** `locked`: it needs a password. */
  | { readonly ok: false; readonly problem: 'locked' | 'unreadable' | 'too_slow' | 'too_large' }

export interface PdfBounds {
  readonly timeoutMs: number
  readonly maxCharacters: number
}

/** Rejects only with the signal's reason. */
export async function readPdf(bytes: Buffer, signal: AbortSignal, bounds: Partial<PdfBounds> = {}): Promise<PdfAnswer> {
  const { timeoutMs = pdfTimeoutMs, maxCharacters = maxPageCharacters } = bounds
  signal.throwIfAborted()
  const answered = Promise.withResolvers<PdfAnswer>()
  const worker = startWorker({ bytes: new Uint8Array(bytes), maxCharacters, enoughMs: timeoutMs / 2 })
  worker.once('message', (answer: PdfAnswer) => answered.resolve(answer))
  worker.once('error', (error: Error & { code?: string }) =>
    answered.resolve({ ok: false, problem: error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'too_large' : 'unreadable' }),
  )
  worker.once('exit', () => answered.resolve({ ok: false, problem: 'unreadable' }))
  const timer = setTimeout(() => answered.resolve({ ok: false, problem: 'too_slow' }), timeoutMs)
  const look = setInterval(() => {
    void unpackedBytes(worker).then((beside) => beside > pdfMemoryMb * 2 ** 20 && answered.resolve({ ok: false, problem: 'too_large' }))
  }, pdfLookMs)
  const cancel = (): void => answered.reject(signal.reason)
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await answered.promise
  } finally {
    clearTimeout(timer)
    clearInterval(look)
    signal.removeEventListener('abort', cancel)
    await worker.terminate()
  }
}

function startWorker(job: PdfJob): Worker {
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  // The worker's file is next to this one: pdf-worker.ts in the sources, pdf-worker.js in the bundle.
  const file = import.meta.url.endsWith('.ts') ? './pdf-worker.ts' : './pdf-worker.js'
  return new Worker(new URL(file, import.meta.url), {
    workerData: job,
    env: {},
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: pdfMemoryMb, maxYoungGenerationSizeMb: pdfMemoryMb / 8 },
  })
}

/** Decompressed streams are outside of the worker's heap and its limit: a kilobyte may become gigabytes. */
async function unpackedBytes(worker: Worker): Promise<number> {
  try {
    return (await worker.getHeapStatistics()).external_memory
  } catch {
    // The worker has not started or has ended.
    return 0
  }
}

/** Pages under headings, so that a reader can refer to one. */
export function pdfMarkdown({ pages, totalPages }: Extract<PdfAnswer, { ok: true }>): string {
  return pages.map((text, i) => `## Page ${i + 1} of ${totalPages}\n\n${text.trim()}`).join('\n\n')
}
