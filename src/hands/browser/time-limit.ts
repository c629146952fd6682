/** Bounds what cannot be trusted to end: much of it is up to pages. */

/** @throws Error when it takes longer; what was begun goes on, and its end is nobody's concern. */
export async function within<Value>(limitMs: number, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error('time is over')), limitMs)))
  work.catch(() => undefined)
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** Ends early when the request is cancelled. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const over = Promise.withResolvers<void>()
  const timer = setTimeout(over.resolve, ms)
  const cancel = (): void => over.resolve()
  signal.addEventListener('abort', cancel, { once: true })
  await over.promise
  clearTimeout(timer)
  signal.removeEventListener('abort', cancel)
}

/** @throws Error when the request was cancelled and the work does not end soon after by itself; then as above. */
export async function orCancelled<Value>(graceMs: number, signal: AbortSignal, work: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>()
  let timer: NodeJS.Timeout | undefined
  const cancel = (): void => void (timer = setTimeout(() => late.reject(new Error('cancelled')), graceMs))
  if (signal.aborted) cancel()
  else signal.addEventListener('abort', cancel, { once: true })
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', cancel)
  }
}
