/** Waiting that a signal ends: for work that others share, and for one of a few slots. */

/** Waits for work that goes on without whoever waits. @throws the reason of the signal, as soon as it aborts */
export async function untilAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const aborted = Promise.withResolvers<never>()
  const stop = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Runs the work when a slot is free. Rejects with the signal's reason when that aborts while it waits. */
export type InSlot = <T>(signal: AbortSignal, work: () => Promise<T>) => Promise<T>

/** Lets at most `max` run at once; the others wait in order. A wait ends with its signal. */
export function createSlots(max: number): InSlot {
  let free = max
  const waiting: (() => void)[] = []
  const enter = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', leave)
        free -= 1
        resolve()
      }
      const leave = (): void => {
        waiting.splice(waiting.indexOf(go), 1)
        reject(signal.reason)
      }
      if (signal.aborted) return reject(signal.reason)
      if (free > 0) return go()
      signal.addEventListener('abort', leave, { once: true })
      waiting.push(go)
    })
  return async (signal, work) => {
    await enter(signal)
    try {
      return await work()
    } finally {
      free += 1
      waiting.shift()?.()
    }
  }
}
