/** An action of a plugin as a call: untrusted, a sink if the plugin reaches other hosts, and not repeated unless the plugin has declared that it may be. */
import { z } from 'zod'
import { isObject, isOxbowError, type JsonObject, OxbowError, problemLines, truncate } from '../../base/index.ts'
import {
  actionCallName,
  type Call,
  defineCall,
  type HostedPlugin,
  jsonObjectSchema,
  originOf,
  originOfCall,
  type PluginAction,
  type PluginActionResult,
  type PluginExports,
  pluginRight,
} from '../../protocol/index.ts'
import { actionTimeoutMs, maxMessageChars } from './limits.ts'
import { askPlugin, keptBy, lostAsUnknown, messageFor, type PartDeps, reachesOutside } from './part-request.ts'
import { shownState, toldWith } from './turn-states.ts'

const anyObject = z.custom<JsonObject>((value) => isObject(value), 'the arguments must be one JSON object')

/** Names of tools are at most this long at every service. */
const maxToolName = 64

/** @returns the calls of a plugin; of two actions with one name, the first */
export function actionCalls(deps: PartDeps, plugin: HostedPlugin, { actions }: PluginExports): readonly Call[] {
  const calls = new Map<string, Call>()
  for (const action of actions) {
    const name = actionCallName(plugin.name, action.name)
    if (name.length <= maxToolName && !calls.has(name)) calls.set(name, actionCall(deps, plugin, action, name))
  }
  return [...calls.values()]
}

function actionCall(deps: PartDeps, plugin: HostedPlugin, action: PluginAction, name: string): Call {
  return defineCall({
    name,
    summary: action.description === '' ? `The action ${action.name} of the plugin ${plugin.name}.` : action.description,
    input: anyObject,
    parameters: action.parameters,
    output: z.strictObject({ ok: z.boolean(), text: z.string(), data: jsonObjectSchema(), values: jsonObjectSchema() }),
    example: {},
    tier: action.tier,
    right: pluginRight(plugin.name),
    effect: action.effect,
    audience: ['model', 'terminal'],
    labels: { adds: ['untrusted'], sink: reachesOutside(plugin), own: originOf('plugin', plugin.name) },
    rare: true,
    ...(plugin.paths.length > 0 && { files: 'workspace', folders: plugin.paths.map(({ path }) => path) }),
    timeoutMs: actionTimeoutMs,
    async run(input, context) {
      const problems = await deps.schemas.validate(action.parameters, input)
      if (problems.length > 0)
        throw new OxbowError('bad_input', `The arguments do not fit the parameters of ${name}:\n${problemLines(problems)}`, {
          hint: 'Correct them and call again; nothing was sent.',
        })
      const { turn } = context.caller
      const text = deps.messageOf(turn)
      const state = turn === '' ? null : deps.states.find(turn)
      const request = {
        name: action.name,
        input,
        message: text === null ? null : messageFor(context, text),
        state: shownState(state),
      }
      const once = (): Promise<PluginActionResult> =>
        askPlugin(
          deps,
          context,
          { plugin, timeoutMs: actionTimeoutMs, told: toldWith(deps.heldBy(context.caller), state) },
          'action',
          request,
        )
      const result = await once().catch((error: unknown) => {
        const isLost = isOxbowError(error) && error.data['lost'] === true
        if (isLost && action.effect !== 'once') return once()
        throw action.effect === 'once' ? lostAsUnknown(error, plugin.name) : error
      })
      const kept = await keptBy(deps, plugin)
      if (turn !== '') deps.states.merge(turn, { values: result.values, data: { [action.name]: result.data }, held: kept })
      const origins = kept.labels.length === 0 ? {} : { origins: [originOfCall(name, input), ...kept.from.map(({ from }) => from)] }
      return {
        labels: kept.labels,
        ...origins,
        output: result,
        text: truncate(resultText(result), maxMessageChars).toWellFormed(),
        ok: result.ok,
      }
    },
  })
}

function resultText({ text, data, ok }: PluginActionResult): string {
  if (text !== '') return text
  return Object.keys(data).length > 0 ? JSON.stringify(data) : ok ? 'Done.' : 'It failed, and does not say why.'
}
