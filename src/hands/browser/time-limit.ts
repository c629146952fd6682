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
