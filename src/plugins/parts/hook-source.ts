/**
 * The hooks of plugins, for the kernel. They run for every agent, also for those that may not use the plugin: a rule that a person has
 * installed holds for all. A hook makes no calls.
 */
import { OxbowError, type SessionId } from '../../base/index.ts'
import {
  type DeclaredHook,
  type DescribedPlugin,
  type HookSource,
  type HostedPlugin,
  joinLabels,
  labelOrigins,
  originOf,
  type PluginHosts,
} from '../../protocol/index.ts'
import { hookReplyMs, maxDescribeMs } from './limits.ts'
import { type PartDeps, withheld } from './part-request.ts'

interface HookSourceDeps extends Pick<PartDeps, 'heldBy' | 'told'> {
  readonly hosts: PluginHosts
  /** Plugins whose exports are known; the same array until that changes. */
  readonly described: () => readonly DescribedPlugin[]
}

interface Held {
  readonly list: readonly HostedPlugin[]
  readonly of: readonly DescribedPlugin[]
  readonly byStep: ReadonlyMap<string, readonly DeclaredHook[]>
}

const noHooks: readonly DeclaredHook[] = []

export function createHookSource({ hosts, described, heldBy, told }: HookSourceDeps): HookSource {
  let held: Held = { list: [], of: [], byStep: new Map() }
  const failed = new WeakSet<HostedPlugin>()
  let loading: Promise<void> | null = null
  return {
    loading() {
      const of = described()
      const unknown =
        of.length === hosts.plugins().length ? [] : hosts.plugins().filter((each) => !isDescribed(of, each) && !failed.has(each))
      if (unknown.length === 0) return null
      // A plugin that was installed while no guest ran tells what it has before the first step that it may look at.
      loading ??= Promise.all(
        unknown.map((plugin) => hosts.exports(plugin.name, AbortSignal.timeout(maxDescribeMs)).catch(() => void failed.add(plugin))),
      ).then(() => void (loading = null))
      return loading
    },
    at(step) {
      const of = described()
      const list = hosts.plugins()
      if (of !== held.of || list !== held.list) held = { list, of, byStep: indexed(list, hosts) }
      return held.byStep.get(step) ?? noHooks
    },
    ready(plugin, signal) {
      // Until it has told what it has, it is a guard that cannot look, and the reason is why it does not start.
      if (hosts.known(plugin) === null) {
        return hosts.exports(plugin, AbortSignal.any([signal, AbortSignal.timeout(maxDescribeMs)])).then(() => {})
      }
      if (hosts.state(plugin).phase === 'running') return null
      return hosts.ask(plugin, 'health', {}, { signal, timeoutMs: maxDescribeMs }).then(() => {})
    },
    kept: async (plugin) => (await told.of(originOf('plugin', plugin))).labels,
    async run(plugin, step, value, labels, signal) {
      const found = described().find((each) => each.plugin.name === plugin)
      if (found === undefined)
        throw new OxbowError('not_found', `The plugin ${plugin} is not there any more.`, {
          hint: '`oxbow plugin list` shows those that are.',
        })
      const session = value['session'] as SessionId | ''
      const read = heldBy({ session })
      const all = { labels: joinLabels(read.labels, labels), from: [...read.from, ...labelOrigins(labels, [originOf('session', session)])] }
      const why = withheld(found.plugin, all.labels)
      if (why !== '')
        throw new OxbowError('denied', `it was ${why}`, { hint: `\`oxbow plugin info ${plugin}\` shows its hooks and rights.` })
      const tell = (): Promise<void> => told.tell(originOf('plugin', plugin), all, found.plugin.hosts)
      await tell()
      const answer = await hosts.ask(plugin, 'hook', { step, value }, { signal, timeoutMs: hookReplyMs })
      // If it was emptied since it was told this, it may have kept it after that.
      await tell()
      return answer
    },
  }
}

function isDescribed(of: readonly DescribedPlugin[], plugin: HostedPlugin): boolean {
  return of.some((each) => each.plugin === plugin)
}

/** Hooks by step, in the order of their plugins. */
function indexed(list: readonly HostedPlugin[], hosts: PluginHosts): Held['byStep'] {
  const byStep = new Map<string, DeclaredHook[]>()
  for (const { name } of list)
    for (const { step, fail } of hosts.known(name)?.hooks ?? hosts.guards(name))
      byStep.set(step, [...(byStep.get(step) ?? []), { plugin: name, fail }])
  return byStep
}
