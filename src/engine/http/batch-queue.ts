/**
 * Hands events from callbacks (a socket, a timer) to one reader. Everything that came since the reader last looked is one
 * batch, so a fast producer costs the reader one promise and not one for each event.
 */
export interface BatchQueue<T> extends AsyncIterator<readonly T[]> {
  /** What waits. A producer appends here and then calls `flush`; never keep a reference over a `flush`. */
  batch: T[]
  flush(): void
  /** Gives out what waits, then ends. Later flushes do nothing. */
  end(): void
}

export interface QueueHooks {
  /** The reader has taken all that waited. */
  readonly onTake: () => void
  /** The reader stopped before the end. */
  readonly onReturn: () => void
}

export function createBatchQueue<T>(hooks: QueueHooks): BatchQueue<T> {
  let waiting: ((result: IteratorResult<readonly T[]>) => void) | null = null
  let ended = false

  const take = (): IteratorResult<readonly T[]> => {
    if (queue.batch.length === 0) return { done: true, value: undefined }
    const value = queue.batch
    queue.batch = []
    hooks.onTake()
    return { done: false, value }
  }
  const flush = (): void => {
    if (waiting === null || (queue.batch.length === 0 && !ended)) return
    const resolve = waiting
    waiting = null
    resolve(take())
  }
  const queue: BatchQueue<T> = {
    batch: [],
    flush,
    end: () => {
      ended = true
      flush()
    },
    next: () => {
      if (queue.batch.length > 0 || ended) return Promise.resolve(take())
      return new Promise((resolve) => {
        waiting = resolve
      })
    },
    return: () => {
      const running = !ended
      ended = true
      queue.batch = []
      if (running) hooks.onReturn()
      flush()
      return Promise.resolve({ done: true, value: undefined })
    },
  }
  return queue
}
