/**
 * What is done in pieces, over several requests: each piece names the transfer and the offset where the one before ended. A
 * transfer ends with its last piece, with the first failure, or when nobody goes on with it.
 */
import { failed } from '../failure.ts'
import { maxTransferName, transferIdleMs } from '../limits.ts'

export interface Transfer {
  /** Takes back what has not become whole. Called once. */
  close(): Promise<void>
}

/** What one piece has done. */
export interface Step<Output> {
  readonly movedBytes: number
  readonly last: boolean
  readonly output: Output
}

export interface Transfers<Kind extends Transfer> {
  /** @throws what `begin` and `work` throw; `not_found`, `bad_input` or `limit_reached` for a piece that does not fit */
  step<Output>(
    piece: { readonly name: string; readonly offset: number },
    begin: () => Promise<Kind>,
    work: (transfer: Kind) => Promise<Step<Output>>,
  ): Promise<Output>
  /** Ends all. Never throws. */
  close(): Promise<void>
}

interface Running<Kind> {
  readonly transfer: Kind
  offset: number
  /** A piece is in work: the next one must wait for its end. */
  busy: boolean
  idle: NodeJS.Timeout | undefined
}

export function createTransfers<Kind extends Transfer>(maxAtOnce: number, idleMs: number = transferIdleMs): Transfers<Kind> {
  const running = new Map<string, Running<Kind>>()
  const beginning = new Set<string>()

  const forget = async (name: string, each: Running<Kind>): Promise<void> => {
    clearTimeout(each.idle)
    if (running.get(name) !== each) return
    running.delete(name)
    await each.transfer.close().catch(() => undefined)
  }
  const first = async (name: string, begin: () => Promise<Kind>): Promise<Running<Kind>> => {
    if (running.size + beginning.size >= maxAtOnce) throw failed('limit_reached', 'Too many transfers at once.', 'Finish some first.')
    beginning.add(name)
    try {
      const each = { transfer: await begin(), offset: 0, busy: false, idle: undefined }
      running.set(name, each)
      return each
    } finally {
      beginning.delete(name)
    }
  }
  return {
    async step({ name, offset }, begin, work) {
      if (name === '' || name.length > maxTransferName) throw failed('bad_input', 'A transfer needs a short name.', 'Make up another one.')
      if (beginning.has(name)) throw failed('bad_input', 'This transfer has only just begun.', 'Send the pieces in their order.')
      const each = running.get(name) ?? (offset === 0 ? await first(name, begin) : undefined)
      if (each === undefined)
        throw failed('not_found', 'This transfer was never begun, or not continued in time.', 'Begin again at offset 0.')
      if (each.busy || each.offset !== offset) {
        throw failed('bad_input', `The next piece of this transfer begins at ${each.offset}.`, 'Send the pieces in their order.')
      }
      clearTimeout(each.idle)
      each.busy = true
      try {
        const { movedBytes, last, output } = await work(each.transfer)
        each.offset += movedBytes
        if (last) await forget(name, each)
        else each.idle = setTimeout(() => void forget(name, each), idleMs).unref()
        return output
      } catch (error) {
        await forget(name, each)
        throw error
      } finally {
        each.busy = false
      }
    },
    async close() {
      await Promise.all([...running].map(([name, each]) => forget(name, each)))
    },
  }
}
