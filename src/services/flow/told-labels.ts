/** Labels of what programs of others were told, as documents: see `ToldLabels`. */
import { type Documents, nothing } from '../../kernel/index.ts'
import { type CallId, once } from '../../base/index.ts'
import {
  type DataOrigin,
  joinLabels,
  joinOrigins,
  labelOrigins,
  parseLabels,
  parseOrigins,
  type Provenance,
  toldCategory,
  type ToldLabels,
  writeOrigins,
} from '../../protocol/index.ts'

interface Told extends Provenance {
  /** That the program could reach each time it was told something. */
  readonly hosts: readonly string[]
}

interface StoredTold {
  readonly labels: string
  readonly from: unknown
  readonly hosts: readonly string[]
}

export function createToldLabels(documents: Pick<Documents, 'all' | 'put'>, newId: () => string): ToldLabels {
  const load = once(async () => {
    const stored = await documents.all<StoredTold>(toldCategory)
    return new Map(stored.map(({ name, value }) => [name as DataOrigin, readTold(value)]))
  })
  const writing = new Map<DataOrigin, Promise<void>>()
  const put = (program: DataOrigin, value: StoredTold | null): Promise<void> => {
    const by = { caller: { actor: 'kernel', session: '', turn: '' }, call: newId() as CallId, name: 'flow.told' } as const
    const written = documents.put(by, [{ category: toldCategory, name: program, value }])
    writing.set(program, written)
    return written
  }
  return {
    async of(program) {
      const { labels } = (await load()).get(program) ?? nothing
      return labels.length === 0 ? nothing : { labels, from: labelOrigins(labels, [program]) }
    },
    async tell(program, told, hosts = []) {
      const all = await load()
      const before = all.get(program) ?? { ...nothing, hosts }
      const labels = joinLabels(
        before.labels,
        told.labels.filter((label) => label !== 'untrusted'),
      )
      if (labels.length === 0) return
      const named = told.from.filter(({ label, from }) => label !== 'untrusted' && from !== program)
      const after = { labels, from: joinOrigins(before.from, named), hosts: before.hosts.filter((host) => hosts.includes(host)) }
      const isSame = labels === before.labels && after.from === before.from && after.hosts.length === before.hosts.length
      if (isSame) return writing.get(program)
      all.set(program, after)
      await put(program, { ...after, labels: labels.join(','), from: writeOrigins(after.from) })
    },
    async newHosts(program, hosts) {
      const found = (await load()).get(program)
      return found === undefined ? [] : hosts.filter((host) => !found.hosts.includes(host))
    },
    async clear(program) {
      if ((await load()).delete(program)) await put(program, null)
    },
    list: async () => [...(await load())].map(([program, { labels, from }]) => ({ program, labels, from })),
  }
}

function readTold({ labels, from, hosts }: StoredTold): Told {
  return { labels: parseLabels(labels), from: parseOrigins(from), hosts }
}
