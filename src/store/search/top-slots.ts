/** The best few of many scores, without sorting them all. */

export interface ScoredSlot {
  readonly slot: number
  readonly score: number
}

export interface TopSlots {
  add(slot: number, score: number): void
  /** Minimum score that is still accepted. */
  least(): number
  /** Best first. */
  taken(): readonly ScoredSlot[]
}

/** @param goesFirst decides between equal scores */
export function createTop(limit: number, goesFirst: (a: number, b: number) => boolean): TopSlots {
  /** A heap with the worst at the root. */
  const heap: ScoredSlot[] = []
  const worse = (a: ScoredSlot, b: ScoredSlot): boolean => (a.score === b.score ? goesFirst(b.slot, a.slot) : a.score < b.score)

  const rise = (from: number): void => {
    let at = from
    while (at > 0) {
      const up = (at - 1) >> 1
      if (!worse(heap[at] as ScoredSlot, heap[up] as ScoredSlot)) return
      swap(heap, at, up)
      at = up
    }
  }
  const sink = (): void => {
    let at = 0
    for (;;) {
      let worst = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && worse(heap[child] as ScoredSlot, heap[worst] as ScoredSlot)) worst = child
      }
      if (worst === at) return
      swap(heap, at, worst)
      at = worst
    }
  }
  return {
    add(slot, score) {
      if (heap.length < limit) {
        heap.push({ slot, score })
        rise(heap.length - 1)
        return
      }
      const worst = heap[0]
      if (worst === undefined || score < worst.score || !worse(worst, { slot, score })) return
      heap[0] = { slot, score }
      sink()
    },
    least: () => (heap.length < limit ? -Infinity : (heap[0]?.score ?? Infinity)),
    taken: () => heap.toSorted((a, b) => (worse(a, b) ? 1 : -1)),
  }
}

function swap(heap: ScoredSlot[], a: number, b: number): void {
  const first = heap[a] as ScoredSlot
  heap[a] = heap[b] as ScoredSlot
  heap[b] = first
}
