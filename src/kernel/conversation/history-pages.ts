/** A session's history as it is in the store, newest first: its own records, and behind them those of the session it was forked from. */
import type { HistoryRow, Store } from '../../store/index.ts'
import type { SessionId } from '../../types/index.ts'
import { historyPage, maxForkDepth } from '../limits.ts'

/** Where a forked session's history goes on: in `parent`, from `forked` downwards. */
export type Lineage = (session: SessionId) => Promise<{ readonly parent: SessionId | ''; readonly forked: number }>

export interface HistoryDeps {
  readonly store: Pick<Store, 'history'>
  readonly lineage: Lineage
}

/** @param before seq that all rows are below; null: none. Pages are never empty. */
export async function* historyPages(
  { store, lineage }: HistoryDeps,
  session: SessionId,
  before: number | null = null,
): AsyncGenerator<readonly HistoryRow[]> {
  let [from, below]: [SessionId, number | null] = [session, before]
  for (let depth = 0; depth <= maxForkDepth; depth++) {
    for (;;) {
      const page = await store.history(from, below, historyPage)
      if (page.length > 0) yield page
      below = page.at(-1)?.seq ?? below
      if (page.length < historyPage) break
    }
    const { parent, forked } = await lineage(from)
    if (parent === '') return
    from = parent
    below = Math.min(below ?? Infinity, forked + 1)
  }
}
