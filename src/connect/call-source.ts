/** The port of this module: what each protocol brings, and all of them as one. */
import { joinLists } from '../base/index.ts'
import type { Call } from '../protocol/index.ts'

/** What one protocol brings. */
export interface CallSource {
  /** For people: what there is, what it offers, approval. */
  readonly calls: readonly Call[]
  /** Calls that come and go; the same array until something changes. */
  tools(): readonly Call[]
  close(): Promise<void>
}

/** @returns all of them as one */
export function joinSources(sources: readonly CallSource[]): CallSource {
  return {
    calls: sources.flatMap(({ calls }) => calls),
    tools: joinLists(() => sources.map((source) => source.tools())),
    close: async () => void (await Promise.all(sources.map((source) => source.close()))),
  }
}
