/** Plugins around a turn: their providers are a section of its context, their evaluators look at its end. Loaded when there is a plugin. */
import { fenced } from '../../base/index.ts'
import { type DescribedPlugin, type PluginExports, pluginRight, type Process, type TurnResult } from '../../protocol/index.ts'
import { pluginEventDelayMs } from './limits.ts'

/** As the turns of an agent see plugins. */
export interface TurnPlugins {
  readonly plugins: readonly DescribedPlugin[]
  readonly rights: ReadonlySet<string>
  /** The message of the turn. */
  readonly text: string
}

/** @returns what providers add to the context, as data and not as instructions; empty: nothing */
export async function provide(process: Process, { plugins, rights, text }: TurnPlugins): Promise<string> {
  if (!haveAny(plugins, rights, 'providers')) return ''
  const id = process.newCallId()
  const outcome = await process.call('plugin.provide', { text }, id)
  return outcome.status === 'ok' && outcome.text !== '' ? `What plugins add to this message:\n${fenced(outcome.text, id)}` : ''
}

/** @param pause rejects when the guest stops: then there is no turn to hold up */
export async function evaluate(
  process: Process,
  { plugins, rights, text }: TurnPlugins,
  { status, reply }: TurnResult,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  if (!haveAny(plugins, rights, 'evaluators')) return
  await pause(pluginEventDelayMs).catch(() => {})
  await process.call('plugin.evaluate', { text, reply, did_respond: status === 'ok' && reply !== '' })
}

function haveAny(plugins: readonly DescribedPlugin[], rights: ReadonlySet<string>, part: keyof PluginExports): boolean {
  return plugins.some(({ plugin, exports }) => exports[part].length > 0 && (rights.has('*') || rights.has(pluginRight(plugin.name))))
}
