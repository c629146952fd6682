/**
 * Keeps the person's folders and their copy in a machine in step: what the person has changed is in the machine before a request sees files,
 * and what a request has changed is in the person's folders before its answer returns. While a command or a session runs, both sides are
 * compared every two seconds.
 */
import { OxbowError, toFailure } from '../../base/index.ts'
import type { Hands, HandsOp } from '../../protocol/index.ts'
import { importAtEndMs, importRequestMs, stepMs } from '../limits.ts'
import type { Machine } from './machine.ts'

export interface Steps {
  readonly logger: (message: string) => void
  /** Records the machine's files. Called once, before the first request that may change something. */
  look(hands: Hands, signal: AbortSignal): Promise<void>
  /** Brings what the person has changed into the machine. */
  give(hands: Hands, signal: AbortSignal): Promise<void>
  /** Brings changes of both sides to the other one. */
  exchange(hands: Hands, signal: AbortSignal): Promise<void>
  /** Brings the machine's changes to the host. */
  take(hands: Hands, signal: AbortSignal): Promise<void>
  /** Called when a machine has ended and all its changes are on the host. */
  ended(): Promise<void>
}

export interface SteppedMachine extends Machine {
  /** Resolves when no request is running. */
  idle(): Promise<void>
}

/** Requests that neither see nor change files. */
const blind: ReadonlySet<HandsOp> = new Set(['shutdown', 'sessionList', 'usage', 'execOutput'])
/** Requests that change nothing. All others may. */
const looking: ReadonlySet<HandsOp> = new Set([
  'read',
  'bytes',
  'list',
  'search',
  'stat',
  'archive',
  'survey',
  'snapshot',
  'collect',
  'fingerprint',
  'execInputs',
  'watch',
])

export function keepInStep(started: Machine, steps: Steps): SteppedMachine {
  const ending = new AbortController()
  let looked: Promise<void> | null = null
  let end: Promise<void> | null = null
  let hadSessions = false
  let changing = 0
  const requests = countRequests()
  const { inTurn, rest } = takeTurns(() => [started.hands, ending.signal])
  // Without this record everything counts as changed: slower, but correct.
  const look = (): Promise<void> => (looked ??= inTurn((hands, signal) => steps.look(hands, signal).catch(() => undefined))())
  const give = inTurn(steps.give)
  const exchange = inTurn(steps.exchange)
  const tell = (error: unknown): void => (end === null ? steps.logger(untaken(error)) : undefined)
  const clock = tickWhile(async () => {
    hadSessions &&= await hasSessions(started.hands, ending.signal)
    if (end !== null || (requests.running() === 0 && !hadSessions)) return false
    await (looked !== null && (changing > 0 || hadSessions) ? exchange() : give()).catch(tell)
    return true
  })
  const change = async <Answer>(op: HandsOp, input: object, ask: () => Promise<Answer>): Promise<Answer> => {
    hadSessions ||= op.startsWith('session')
    changing += 1
    try {
      const answer = await ask()
      if ('last' in input && input.last !== true) return answer
      await exchange().catch((error: unknown) => {
        throw end === null ? notOnHost(error) : error
      })
      return answer
    } catch (error) {
      if (started.isOpen()) await exchange().catch(tell)
      throw error
    } finally {
      changing -= 1
    }
  }
  const watched = (hands: Hands): Hands => ({
    async ask(op, input, request) {
      if (blind.has(op)) return hands.ask(op, input, request)
      requests.begin()
      try {
        clock.start()
        const mayChange = !looking.has(op)
        if (mayChange) await look()
        if (begins(op, input)) await give()
        return mayChange ? await change(op, input, () => hands.ask(op, input, request)) : await hands.ask(op, input, request)
      } finally {
        requests.end()
      }
    },
  })
  const finish = async (): Promise<void> => {
    clock.stop()
    ending.abort()
    await rest()
    // A process may still be running: always copy changes at the end.
    const isTaken = looked === null || (started.isOpen() && (await takeLast(started.hands, steps)))
    await started.kill()
    if (isTaken) await steps.ended()
  }
  return {
    ...started,
    hands: watched(started.hands),
    online: started.online === null ? null : watched(started.online),
    isOpen: () => end === null && started.isOpen(),
    kill: () => (end ??= finish()),
    idle: requests.idle,
  }
}

/** @returns false for later pieces of one transfer, which are of the files as they were at its beginning */
function begins(op: HandsOp, input: object): boolean {
  return op === 'bytes' || !('offset' in input && input.offset !== 0)
}

/** @returns whether all changes are on the host */
async function takeLast(hands: Hands, steps: Steps): Promise<boolean> {
  try {
    await steps.take(hands, AbortSignal.timeout(importAtEndMs))
    return true
  } catch (error) {
    steps.logger(untaken(error))
    return false
  }
}

function countRequests(): { begin(): void; end(): void; running(): number; idle(): Promise<void> } {
  let running = 0
  let idle = Promise.withResolvers<void>()
  idle.resolve()
  return {
    begin() {
      if ((running += 1) === 1) idle = Promise.withResolvers()
    },
    end() {
      if ((running -= 1) === 0) idle.resolve()
    },
    running: () => running,
    idle: () => idle.promise,
  }
}

/** Does the work every two seconds from a start on, until it returns false or the clock is stopped. */
function tickWhile(work: () => Promise<boolean>): { start(): void; stop(): void } {
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  const tick = async (): Promise<void> => {
    timer = undefined
    if (await work()) start()
  }
  const start = (): void => {
    if (!isStopped) timer ??= setTimeout(() => void tick(), stepMs).unref()
  }
  return {
    start,
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

type Work = (hands: Hands, signal: AbortSignal) => Promise<void>

interface Turns {
  /** @returns what does the work when no other is done; those who ask before it has begun share it */
  inTurn(work: Work): () => Promise<void>
  /** Resolves when all of it is done. Never rejects. */
  rest(): Promise<void>
}

function takeTurns(parts: () => Parameters<Work>): Turns {
  let last: Promise<void> = Promise.resolve()
  return {
    inTurn(work) {
      let waiting: Promise<void> | null = null
      return () => {
        if (waiting !== null) return waiting
        waiting = last.then(() => {
          waiting = null
          return work(...parts())
        })
        last = waiting.catch(() => undefined)
        return waiting
      }
    },
    rest: () => last,
  }
}

function untaken(error: unknown): string {
  const { message, hint } = toFailure(error, 'sandbox_failed', '')
  return `Changes of the micro VM are not on the host yet: ${message} ${hint}`.trim()
}

async function hasSessions(hands: Hands, signal: AbortSignal): Promise<boolean> {
  const { sessions } = await hands
    .ask('sessionList', { owner: '' }, { signal, timeoutMs: importRequestMs })
    .catch(() => ({ sessions: [] as readonly { readonly ended: unknown }[] }))
  return sessions.some(({ ended }) => ended === null)
}

function notOnHost(error: unknown): OxbowError {
  const { message, hint } = toFailure(error, 'sandbox_failed', 'Try again.')
  return new OxbowError('sandbox_failed', `It ran, but what it changed is only in the micro VM yet: ${message}`, { hint, cause: error })
}
