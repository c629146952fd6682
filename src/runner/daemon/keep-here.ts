/** A user's guest, kept by this process until it is stopped, has nothing to do for long, or is given up. */
import { type Failure, toFailure } from '../../base/index.ts'
import type { GuestSetup } from '../guest.ts'
import { keepGuest } from '../keep-guest.ts'
import { untilIdle } from './guest-rest.ts'

export interface KeepHooks {
  onStart(guest: { readonly pid: number; readonly url: string }): void
  /** The guest of a terminal serves, and is waited for. */
  onOther(guest: { readonly pid: number; readonly url: string }): void
  onLoss(failure: Failure, pauseMs: number): void
  onWarn(text: string): void
}

/** `idle`: `nextAt` is when it has something to do by itself. */
export type KeepEnd =
  | { readonly why: 'stopped' }
  | { readonly why: 'idle'; readonly nextAt: number | null }
  | { readonly why: 'failed'; readonly failure: Failure }

export interface Keeping {
  /** Never rejects. */
  readonly over: Promise<KeepEnd>
  stop(): void
}

export function keepHere(setup: () => GuestSetup, hooks: KeepHooks): Keeping {
  const stopped = Promise.withResolvers<null>()
  let end: KeepEnd = { why: 'stopped' }
  const over = keepGuest({
    setup,
    stopped: stopped.promise,
    async onStart(guest, { config }) {
      hooks.onStart({ pid: guest.pid, url: guest.url })
      const idleMs = config.runner.idle_stop_min * 60_000
      if (idleMs === 0) return
      const gone = new AbortController()
      for (const last of [guest.gone, stopped.promise]) void last.then(() => gone.abort())
      void untilIdle(guest, idleMs, gone.signal).then((idle) => {
        if (idle === null) return
        end = { why: 'idle', nextAt: idle.nextAt }
        stopped.resolve(null)
      })
    },
    onOther: ({ pid, url }) => hooks.onOther({ pid, url }),
    onLoss: hooks.onLoss,
  }).then(
    (failure): KeepEnd => (failure === null ? end : { why: 'failed', failure }),
    (error: unknown): KeepEnd => ({ why: 'failed', failure: toFailure(error, 'internal_failure', 'See the log of the guest.') }),
  )
  return { over, stop: () => stopped.resolve(null) }
}
