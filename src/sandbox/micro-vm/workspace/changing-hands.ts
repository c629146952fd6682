/** Watches which requests may have changed the workspace, and has the changes taken over when none of them is under way. */
import { toFailure } from '../../../types/index.ts'
import type { Hands, HandsOp } from '../../../types/index.ts'
import type { HandsProcess } from '../../hands/hands-process.ts'
import { importAtEndMs, importIdleMs } from '../../limits.ts'

/** Requests after which everything is as it was before. All others count as changes: a session may go on by itself. */
const readOnly: ReadonlySet<HandsOp> = new Set(['read', 'bytes', 'list', 'search', 'stat', 'archive', 'shutdown'])

export interface TakeBackOptions {
  readonly logger: (message: string) => void
  /** Called when a machine has ended and all that it had changed is on the host. */
  taken(): Promise<void>
}

export function takeChangesBack(
  started: HandsProcess,
  takeOver: (hands: Hands, signal: AbortSignal) => Promise<void>,
  { logger, taken }: TakeBackOptions,
): HandsProcess {
  const ending = new AbortController()
  let underWay = 0
  let changed = false
  /** Once something was started that may go on by itself, only a look at the end can tell that nothing changed any more. */
  let everChanged = false
  let timer: NodeJS.Timeout | undefined
  let taking: Promise<boolean> = Promise.resolve(true)
  let ended: Promise<void> | null = null

  const take = (signal: AbortSignal): Promise<boolean> => {
    taking = taking.then(async () => {
      changed = false
      try {
        await takeOver(started.hands, signal)
        return true
      } catch (error) {
        changed = true
        if (!ending.signal.aborted || signal !== ending.signal) {
          const { message, hint } = toFailure(error, 'sandbox_failed', '')
          logger(`Changes of the micro VM are not on the host yet: ${message} ${hint}`)
        }
        return false
      }
    })
    return taking
  }
  const rest = (): void => {
    clearTimeout(timer)
    if (!changed || underWay > 0 || ended !== null) return
    timer = setTimeout(() => void take(ending.signal), importIdleMs)
    timer.unref()
  }
  const hands: Hands = {
    async ask(op, input, options) {
      if (readOnly.has(op)) return started.hands.ask(op, input, options)
      clearTimeout(timer)
      underWay += 1
      changed = true
      everChanged = true
      try {
        return await started.hands.ask(op, input, options)
      } finally {
        underWay -= 1
        rest()
      }
    },
  }
  const end = async (): Promise<void> => {
    clearTimeout(timer)
    ending.abort()
    await taking
    const isTaken = !everChanged || (started.isOpen() && (await take(AbortSignal.timeout(importAtEndMs))))
    await started.kill()
    if (isTaken) await taken()
  }
  return { hands, isOpen: () => started.isOpen(), kill: () => (ended ??= end()) }
}
