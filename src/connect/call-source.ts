/** The port of this module: what each protocol brings, and all of them as one. */
import { joinLists } from '../base/index.ts'
import type { Call, DoctorCheck } from '../protocol/index.ts'

export type Finding = Pick<DoctorCheck, 'state' | 'says' | 'fix'>

/** What one protocol brings. */
export interface CallSource {
  /** For people: what there is, what it offers, approval. */
  readonly calls: readonly Call[]
  /** Calls that come and go; the same array until something changes. */
  tools(): readonly Call[]
  /** What `oxbow doctor` says of it; starts nothing. Absent: nothing. */
  readonly health?: () => Promise<Finding>
  close(): Promise<void>
}

/** @returns all of them as one */
export function joinSources(sources: readonly CallSource[]): CallSource {
  return {
    calls: sources.flatMap(({ calls }) => calls),
    tools: joinLists(() => sources.map((source) => source.tools())),
    async health() {
      const all = await Promise.all(sources.flatMap((source) => source.health?.() ?? []))
      const bad = all.filter(({ state }) => state !== 'ok')
      const join = (field: 'says' | 'fix'): string => (bad.length === 0 ? all : bad).map((each) => each[field]).join('; ')
      return { state: bad.length === 0 ? 'ok' : 'weak', says: join('says'), fix: bad.length === 0 ? '' : join('fix') }
    },
    close: async () => void (await Promise.all(sources.map((source) => source.close()))),
  }
}
