/**
 * One agent of others: its card checked before each task against what a person has approved, tasks sent and followed to their end, also
 * over lost connections and a restart of either side. An agent that fails again and again is left alone for a while.
 */
import { type JsonObject, errorMessage, OxbowError } from '../../base/index.ts'
import type { HashText } from '../mcp/definitions.ts'
import { kindOf, openRemote, type RemoteClient, type RemoteEvent } from './a2a-client.ts'
import { cardAddress, fetchCard, type FoundCard } from './card.ts'
import {
  breakMs,
  cancelTimeoutMs,
  cardFreshMs,
  firstReturnMs,
  inputGraceMs,
  lastReturnMs,
  maxFailures,
  maxReturns,
  maxSendTries,
} from './limits.ts'
import type { NamedRemote } from './settings.ts'
import { createTaskFold, type RemoteTask, type TaskFold } from './task-fold.ts'

export interface RemoteDeps {
  /** Requests to this host under the egress policy. @param allow those that may be private */
  readonly openFetch: (host: string, allow: readonly string[]) => Promise<typeof fetch>
  /** Puts secrets into a header. @throws OxbowError `bad_config` for one that is not set */
  readonly fill: (value: string) => string
  readonly hash: () => Promise<HashText>
  readonly nowMs: () => number
  /** Waits. Rejects when the signal aborts. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
  /** The card has been read anew. */
  readonly onCard: (remote: string, found: FoundCard) => void
}

/** A message, and what is known of its task from before a restart. */
interface RemoteAsk {
  readonly message: string
  readonly text: string
  readonly context: string
  /** A task that waits for this message; empty: none. */
  readonly continues: string
  /** The task of this message; empty: not known. */
  readonly task: string
  /** The message was sent before. */
  readonly wasSent: boolean
  /** Called once, as soon as the task is known. */
  readonly onTask: (task: string, context: string) => Promise<void>
  readonly onProgress: (text: string) => void
}

export interface Remote {
  /** What the card says now. @throws OxbowError */
  card(signal: AbortSignal, renew?: boolean): Promise<FoundCard>
  /** Resolves when the task has ended, or waits for input. @throws OxbowError */
  run(ask: RemoteAsk, signal: AbortSignal): Promise<RemoteTask>
  /** Cancels the task at the agent, as far as that is possible. */
  cancel(task: string): Promise<void>
  /** Until when it is left alone after failures, of the clock of `nowMs`; 0: it is not. */
  brokenUntil(): number
}

export function createRemote({ name, settings, kept }: NamedRemote, deps: RemoteDeps): Remote {
  const breaker = createBreaker(name, deps.nowMs)
  let held: { readonly found: FoundCard; readonly client: RemoteClient | null; readonly at: number } | null = null

  const open = async (): Promise<typeof fetch> => {
    const send = await deps.openFetch(cardAddress(settings).host, settings.allow)
    const headers = Object.entries(settings.headers)
    return async (input, init = {}) => {
      const all = new Headers(init.headers)
      // Read each time: a secret may have changed.
      for (const [key, value] of headers) all.set(key, deps.fill(value))
      return send(input, { ...init, headers: all })
    }
  }
  const renewed = async (signal: AbortSignal): Promise<NonNullable<typeof held>> => {
    const send = await open()
    const found = await fetchCard(settings, send, await deps.hash(), signal)
    const client = found.problem === '' ? await openRemote(found.read, found.usable, send) : null
    held = { found, client, at: deps.nowMs() }
    deps.onCard(name, found)
    return held
  }
  const current = async (signal: AbortSignal, renew = false): Promise<NonNullable<typeof held>> =>
    held !== null && !renew && deps.nowMs() - held.at < cardFreshMs ? held : renewed(signal)
  const approved = async (signal: AbortSignal): Promise<{ readonly client: RemoteClient; readonly repeatable: boolean }> => {
    const { found, client } = await current(signal)
    if (found.hash !== kept.approved?.hash) throw changed(name)
    if (client === null) throw new OxbowError('denied', `The agent ${name} cannot be reached: ${found.problem}.`, { hint: askOwner(name) })
    return { client, repeatable: found.repeatable }
  }
  return {
    brokenUntil: breaker.until,
    card: async (signal, renew) => (await current(signal, renew)).found,
    async run(ask, signal) {
      breaker.check()
      for (let tries = 1; ; tries += 1) {
        let isSending = false
        try {
          const { client, repeatable } = await approved(signal)
          isSending = true
          const task = await runTask({ name, client, repeatable, pause: deps.pause }, ask, signal)
          breaker.worked()
          return task
        } catch (error) {
          if (signal.aborted) throw error
          const isLost = kindOf(error) === 'lost'
          // Nothing was sent: an agent that restarts is there in seconds.
          const isDown = isLost && !(isSending && wasPerhapsSent(error)) && tries < maxSendTries
          if (isLost && !isDown) breaker.failed()
          if (!isDown) throw explained(name, error)
        }
        await deps.pause(Math.min(lastReturnMs, firstReturnMs * 2 ** (tries - 1)), signal)
      }
    },
    async cancel(task) {
      const signal = AbortSignal.timeout(cancelTimeoutMs)
      // It may have ended meanwhile, or be gone: nobody waits for it in any case.
      await approved(signal)
        .then(({ client }) => client.cancel(task, signal))
        .catch(() => {})
    },
  }
}

interface Running {
  readonly name: string
  readonly client: RemoteClient
  readonly repeatable: boolean
  readonly pause: RemoteDeps['pause']
}

/** Sends the message, unless its task is known, and follows the task over any number of connections. */
async function runTask({ name, client, repeatable, pause }: Running, ask: RemoteAsk, signal: AbortSignal): Promise<RemoteTask> {
  const fold = createTaskFold(ask)
  if (ask.wasSent && ask.task === '' && !repeatable) throw unknownEffect(name)
  /** Connections since the agent has said something of the task, and since it has answered at all. */
  let tries = 0
  let silent = 0
  for (;;) {
    const before = fold.events()
    try {
      await follow(client, ask, fold, signal)
      if (fold.isOver()) return fold.result()
    } catch (error) {
      signal.throwIfAborted()
      const kind = kindOf(error)
      const isKnown = fold.task() !== ''
      if (kind === 'unknown' || kind === 'hostile' || (!isKnown && (kind !== 'lost' || !wasPerhapsSent(error)))) throw error
      // Sending it again would run it twice.
      if (!isKnown && !repeatable) throw unknownEffect(name, error)
    }
    const hasNews = fold.events() > before
    tries = hasNews ? 1 : tries + 1
    silent = hasNews ? 1 : silent + 1
    if (silent > maxReturns)
      throw new OxbowError('tool_failed', `The connection to ${name} was lost.`, { hint: 'Its task may go on there.' })
    await pause(Math.min(lastReturnMs, firstReturnMs * 2 ** (tries - 1)), signal)
    if (fold.task() === '') continue
    const heard = fold.events()
    if (await isEnded(client, fold, signal)) return fold.result()
    if (fold.events() > heard) silent = 0
  }
}

/** One connection: resolves when it ends, with whatever the agent had to say. */
async function follow(client: RemoteClient, ask: RemoteAsk, fold: TaskFold, signal: AbortSignal): Promise<void> {
  const task = fold.task()
  const leaving = new AbortController()
  const both = AbortSignal.any([signal, leaving.signal])
  const { message: id, text, context, continues } = ask
  const stream = task === '' ? client.send({ id, text, context, task: continues }, both) : client.subscribe(task, both)
  let grace: NodeJS.Timeout | undefined
  try {
    for await (const event of stream) {
      await take(event, ask, fold)
      clearTimeout(grace)
      if (fold.isEnded()) return
      // Some go on by themselves, such as those whose owner is asked; others wait for us.
      if (fold.isOver()) grace = setTimeout(() => leaving.abort(), inputGraceMs)
    }
  } catch (error) {
    if (!leaving.signal.aborted) throw error
  } finally {
    clearTimeout(grace)
    leaving.abort()
  }
}

async function take(event: RemoteEvent, ask: RemoteAsk, fold: TaskFold): Promise<void> {
  const isNew = fold.task() === '' && event.task !== ''
  fold.take(event)
  if (isNew) await ask.onTask(event.task, event.context)
  const shown = fold.progress()
  if (shown !== '') ask.onProgress(shown)
}

/** Asks for the task once: it may have ended while nobody listened. */
async function isEnded(client: RemoteClient, fold: TaskFold, signal: AbortSignal): Promise<boolean> {
  try {
    fold.take(await client.get(fold.task(), signal))
    return fold.isOver()
  } catch (error) {
    signal.throwIfAborted()
    const kind = kindOf(error)
    if (kind === 'unknown' || kind === 'hostile') throw error
    return false
  }
}

/** Whether the agent may have received a request that failed. */
function wasPerhapsSent(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as Error & { readonly code?: unknown }
    if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return false
  }
  return true
}

/** So many failures in a row close the way to the agent for a while; then one call tries it. */
function createBreaker(name: string, nowMs: () => number) {
  let failures = 0
  let until = 0
  return {
    until: (): number => (until > nowMs() ? until : 0),
    worked(): void {
      failures = 0
      until = 0
    },
    failed(): void {
      failures += 1
      if (failures >= maxFailures) until = nowMs() + breakMs
    },
    /** @throws OxbowError `tool_failed` */
    check(): void {
      const leftMs = until - nowMs()
      if (leftMs <= 0) return
      const seconds = Math.ceil(leftMs / 1_000)
      throw new OxbowError('tool_failed', `The agent ${name} has failed ${failures} times in a row; it is asked again in ${seconds} s.`, {
        hint: 'Continue without it, or try later.',
      })
    },
  }
}

const askOwner = (name: string): string => `Continue without it. A person can look at it: oxbow remotes diff ${name}.`

function changed(name: string): OxbowError {
  return new OxbowError('denied', `The card of the agent ${name} is not the one that a person has approved.`, { hint: askOwner(name) })
}

function unknownEffect(name: string, cause?: unknown): OxbowError {
  return new OxbowError('outcome_unknown', `The connection to ${name} was lost before it is known whether it has the task.`, {
    hint: 'Look at what it was to change before you ask again; it is not asked again by itself.',
    cause,
  })
}

/** The message of an agent's error is its own text, which the gate labels. */
function explained(name: string, error: unknown): unknown {
  if (error instanceof OxbowError) return error
  const text = errorMessage(error).slice(0, 500)
  // A failure of the sandbox's network keeps its own code.
  const cause = error instanceof Error ? error.cause : undefined
  if (cause instanceof OxbowError) return cause
  const kind = kindOf(error)
  const data: JsonObject = { kind }
  if (kind === 'unauthenticated')
    return new OxbowError('unauthenticated', `The agent ${name} wants to know who asks: ${text}`, {
      hint: `Give it a token: oxbow remotes add ${name} --header 'authorization=Bearer $TOKEN'.`,
      data,
      cause: error,
    })
  const hint = kind === 'answered' ? 'Correct the task, or go another way.' : 'Try again later, or go another way.'
  return new OxbowError('tool_failed', `The agent ${name} failed: ${text}`, { hint, data, cause: error })
}
