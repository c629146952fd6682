/** Watches which requests may have changed the workspace, and has the changes taken over when none of them is under way. */
import { toFailure } from '../../../types/index.ts'
import type { Hands, HandsOp } from '../../../types/index.ts'
import { importAtEndMs, importIdleMs } from '../../limits.ts'
import type { Machine } from '../machine.ts'

/** Requests after which everything is as it was before. All others count as changes: a session may go on by itself. */
const readOnly: ReadonlySet<HandsOp> = new Set(['read', 'bytes', 'list', 'search', 'stat', 'archive', 'survey', 'watch', 'shutdown'])

export interface TakeBackOptions {
  readonly logger: (message: string) => void
  /** Notes what is there. Asked once, before the first request that may change something. */
  look(hands: Hands, signal: AbortSignal): Promise<void>
  /** Brings what has changed since to the host. */
  takeOver(hands: Hands, signal: AbortSignal): Promise<void>
  /** Called when a machine has ended and all that it had changed is on the host. */
  ended(): Promise<void>
}

/** The same for hands with a way out, which are over the same workspace. */
export function takeChangesBack(started: Machine, options: TakeBackOptions): Machine {
  const ending = new AbortController()
  let looked: Promise<void> | null = null
  let underWay = 0
  let timer: NodeJS.Timeout | undefined
  let taking: Promise<boolean> = Promise.resolve(true)
  let end: Promise<void> | null = null

  const take = (signal: AbortSignal): Promise<boolean> =>
    (taking = taking.then(() =>
      options.takeOver(started.hands, signal).then(
        () => true,
        (error: unknown) => {
          const { message, hint } = toFailure(error, 'sandbox_failed', '')
          if (!ending.signal.aborted || signal !== ending.signal)
            options.logger(`Changes of the micro VM are not on the host yet: ${message} ${hint}`)
          return false
        },
      ),
    ))
  const watched = (hands: Hands): Hands => ({
    async ask(op, input, request) {
      if (readOnly.has(op)) return hands.ask(op, input, request)
      clearTimeout(timer)
      underWay += 1
      try {
        // Without this look all is taken to be changed: slower, and as right.
        await (looked ??= options.look(started.hands, ending.signal).catch(() => undefined))
        return await hands.ask(op, input, request)
      } finally {
        underWay -= 1
        if (underWay === 0 && end === null) {
          clearTimeout(timer)
          timer = setTimeout(() => void take(ending.signal), importIdleMs)
          timer.unref()
        }
      }
    },
  })
  const finish = async (): Promise<void> => {
    clearTimeout(timer)
    ending.abort()
    await taking
    // Something may go on by itself once anything was started: the last look is always taken.
    const isTaken = looked === null || (started.isOpen() && (await take(AbortSignal.timeout(importAtEndMs))))
    await started.kill()
    if (isTaken) await options.ended()
  }
  return {
    hands: watched(started.hands),
    online: started.online === null ? null : { ...started.online, hands: watched(started.online.hands) },
    isOpen: () => end === null && started.isOpen(),
    kill: () => (end ??= finish()),
  }
}
