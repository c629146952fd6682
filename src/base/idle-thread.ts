/**
 * The main side of a worker thread that answers questions. The thread starts with the first question and ends after a while without one, and
 * the memory that it uses with it. While it has nothing to answer it does not keep the process alive.
 */
import type { Worker } from 'node:worker_threads'
import { errorMessage, type Failure, type OxbowError, toError } from './error.ts'

/** What a thread receives, and what it answers. */
export type ThreadQuestion<Question> = readonly [id: number, question: Question]
/** An answer of a thread; `failure` is null if it succeeded. */
export type ThreadAnswer<Answer> = readonly [id: number, failure: Failure | null, answer: Answer]

export interface IdleThread<Question, Answer> {
  /** @throws OxbowError as the thread reports it; see `IdleThreadOptions` for `lost` and `closed` */
  ask(question: Question): Promise<Answer>
  /** Ends the thread. Never throws. */
  close(): Promise<void>
}

export interface IdleThreadOptions {
  readonly idleMs: number
  /** Starts the program, which answers each `ThreadQuestion` with one `ThreadAnswer`. */
  readonly start: () => Worker
  /** Asked of a thread that is about to end, which has `lastMs` for it. */
  readonly last?: unknown
  /** @returns the error of questions that were open when the thread died; the next question starts another thread */
  readonly lost: (why: string, cause: unknown) => OxbowError
  /** @returns the error of questions that are open at the end, and of all later ones */
  readonly closed: () => OxbowError
}

interface Running {
  readonly worker: Worker
  readonly open: Map<number, { resolve(answer: never): void; reject(error: OxbowError): void }>
}

const lastMs = 2_000

/** A thread that starts with its first question and ends after `idleMs` without one. Its death fails the open questions. */
export function createIdleThread<Question, Answer>({ idleMs, start, last, lost, closed }: IdleThreadOptions): IdleThread<Question, Answer> {
  let running: Running | null = null
  let idle: NodeJS.Timeout | undefined
  let nextId = 0
  let isClosed = false

  const stop = async (): Promise<void> => {
    clearTimeout(idle)
    const old = running
    running = null
    if (old === null) return
    failAll(old, closed())
    if (last !== undefined) await askLast(old, last)
    await old.worker.terminate()
  }
  const begin = (): Running => {
    const worker = start()
    const begun: Running = { worker, open: new Map() }
    worker.on('message', ([id, failure, answer]: ThreadAnswer<unknown>) => {
      const question = begun.open.get(id)
      begun.open.delete(id)
      if (failure === null) question?.resolve(answer as never)
      else question?.reject(toError(failure))
      if (begun.open.size > 0) return
      worker.unref()
      clearTimeout(idle)
      idle = setTimeout(() => void stop(), idleMs).unref()
    })
    const die = (why: string, cause?: unknown): void => {
      if (running === begun) running = null
      failAll(begun, lost(why, cause))
    }
    worker.once('error', (error: unknown) => die(errorMessage(error), error))
    worker.once('exit', (code) => die(`exit code ${code}`))
    return begun
  }
  return {
    ask(question) {
      if (isClosed) return Promise.reject(closed())
      clearTimeout(idle)
      running ??= begin()
      const { worker, open } = running
      const id = nextId++
      return new Promise<Answer>((resolve, reject) => {
        open.set(id, { resolve, reject })
        worker.ref()
        worker.postMessage([id, question] satisfies ThreadQuestion<Question>, [])
      })
    },
    async close() {
      isClosed = true
      await stop()
    },
  }
}

/** Resolves with the answer, whatever it is, with the thread's end, or after `lastMs`. */
async function askLast({ worker, open }: Running, question: unknown): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, lastMs)
  open.set(-1, { resolve: () => resolve(), reject: () => resolve() })
  worker.postMessage([-1, question] satisfies ThreadQuestion<unknown>, [])
  await promise
  clearTimeout(timer)
}

function failAll({ open }: Running, error: OxbowError): void {
  for (const { reject } of open.values()) reject(error)
  open.clear()
}
