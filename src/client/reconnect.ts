/** Keeps one connection: opens it, and opens it again when it is lost, until it is closed or coming back cannot help. */
import { type Clock, type Failure, type GuestStatus, type Random, retryDelayMs, toError } from '../types/index.ts'
import type { WireEnd } from './refusal.ts'
import type { LossScope } from './requests.ts'
import { openWire, type Wire, type WireOptions } from './wire.ts'

export type ConnectionState =
  | { readonly type: 'connected'; readonly status: GuestStatus }
  | { readonly type: 'reconnecting'; readonly failure: Failure; readonly delayMs: number }
  /** It will not come back. */
  | { readonly type: 'gone'; readonly failure: Failure }

export interface ReconnectDeps {
  readonly wire: Omit<WireOptions, 'onOpen' | 'onFrame' | 'onEnd'>
  readonly clock: Clock
  readonly random: Random
  readonly reconnect: boolean
  readonly onFrame: WireOptions['onFrame']
  readonly onState: (state: ConnectionState) => void
  readonly onUp: (send: (text: string) => void) => void
  /** A connection, or a try to make one, was lost and will be made again. */
  readonly onDown: (failure: Failure, fails: LossScope) => void
  readonly onGone: (failure: Failure, closed: boolean) => void
}

export interface Link {
  /** What the guest said when the connection was made last. */
  greeting(): GuestStatus
  /** Drops the connection and makes a new one: what came over it cannot be followed. */
  restart(): void
  close(): Promise<void>
}

const closedHere: Failure = { code: 'cancelled', message: 'The client was closed.', hint: 'Connect again.' }

/** Resolves with the first connection; rejects when that cannot be made. */
export function keepConnected(deps: ReconnectDeps): Promise<Link> {
  const { wire: options, clock, random, onState } = deps
  const first = Promise.withResolvers<Link>()
  const gone = Promise.withResolvers<void>()
  let wire: Wire | null = null
  let greeting: GuestStatus | null = null
  let retry: NodeJS.Timeout | undefined
  let closing = false
  let attempt = 0
  let lostAtMs: number | null = null

  const open = (): void => {
    wire = openWire({ ...options, onOpen: opened, onFrame: deps.onFrame, onEnd: ended })
  }
  const opened = (status: GuestStatus): void => {
    const current = wire
    greeting = status
    attempt = 0
    lostAtMs = null
    first.resolve(link)
    onState({ type: 'connected', status })
    deps.onUp((text) => current?.send(text))
  }
  const ended = ({ failure, mayReturn, tooBig }: WireEnd): void => {
    wire = null
    if (greeting === null) return first.reject(toError(failure))
    if (closing) return leave(closedHere)
    lostAtMs ??= clock.monotonicMs()
    const isLate = clock.monotonicMs() - lostAtMs >= options.limits.giveUpMs
    if (!deps.reconnect || !mayReturn || isLate) return leave(failure)
    deps.onDown(failure, tooBig ? 'said' : 'unrepeatable')
    const delayMs = retryDelayMs(attempt++, random, { firstMs: options.limits.retryFirstMs, mostMs: options.limits.retryMostMs })
    retry = setTimeout(open, delayMs)
    onState({ type: 'reconnecting', failure, delayMs })
  }
  const leave = (failure: Failure): void => {
    deps.onGone(failure, closing)
    if (!closing) onState({ type: 'gone', failure })
    closing = true
    gone.resolve()
  }
  const link: Link = {
    greeting: () => greeting as GuestStatus,
    restart: () => wire?.cut(),
    close() {
      clearTimeout(retry)
      if (!closing) {
        closing = true
        if (wire === null) leave(closedHere)
        else wire.close()
      }
      return gone.promise
    },
  }
  open()
  return first.promise
}
