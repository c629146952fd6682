/** Images pile up: each version of this Oxbow's parts makes another one. Those that nobody is given any more are removed. */
import type { ContainerEngine } from '../container/container-engine.ts'
import { runOnHost } from './host-command.ts'
import { appLabel, baseLabel } from './image-label.ts'

export interface OlderImages {
  /** How many were removed. */
  readonly removed: number
  /** Ids of images for other versions of Oxbow or Node, which somebody else on this machine may run. */
  readonly others: readonly string[]
}

/**
 * Removes what the newest one has taken the place of. What a container uses stays, for the engine refuses to remove it; so does what
 * the configuration names. Never rejects.
 * @param newest name of what they are older than. @param wanted what the configuration names; '' is nothing
 */
export async function removeOlderImages(engine: ContainerEngine, newest: string, wanted: string): Promise<OlderImages> {
  const ask = async (...args: readonly string[]): Promise<readonly string[]> =>
    idsIn(await runOnHost(engine.file, args, { env: engine.env }))
  const labelled = (label: string) => ask('images', '--no-trunc', '--filter', `label=${label}`, '--format', '{{.ID}}')
  const inspect = (name: string) => ask('image', 'inspect', '--format', '{{.Id}}', name)
  const found = await inspect(newest)
  // Without it nothing is known of what is older.
  if (found.length === 0) return { removed: 0, others: [] }
  const kept = new Set([...found, ...(wanted === '' ? [] : await inspect(wanted))])
  const own = await labelled(baseLabel)
  let removed = 0
  for (const id of own.filter((each) => !kept.has(each))) {
    const { exitCode } = await runOnHost(engine.file, ['image', 'rm', id], { env: engine.env })
    if (exitCode === 0) removed += 1
  }
  const others = (await labelled(appLabel)).filter((id) => !own.includes(id) && !kept.has(id))
  return { removed, others: others.map((id) => id.slice(0, shortIdLength)) }
}

/** As engines print them for people. */
const shortIdLength = 12

function idsIn({ exitCode, stdout }: Awaited<ReturnType<typeof runOnHost>>): readonly string[] {
  const ids = exitCode === 0 ? [...stdout.matchAll(/^(?:sha256:)?([0-9a-f]{64})$/gm)].map(([, id]) => id!) : []
  return [...new Set(ids)]
}
