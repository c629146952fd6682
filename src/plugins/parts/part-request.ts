/** What every request to a plugin has in common: who may make it, for which message, and how a lost host is reported. */
import { isOxbowError, OxbowError, type SchemaChecker, type SessionId, truncate, type TurnId } from '../../base/index.ts'
import {
  type Call,
  type CallContext,
  type CallOutcome,
  type Caller,
  type DataOrigin,
  type HostedPlugin,
  joinLabels,
  joinOrigins,
  labelledError,
  labelOrigins,
  type Labels,
  type LabelScope,
  originOf,
  originOfCall,
  type PluginHosts,
  type PluginMessage,
  type PluginOp,
  type PluginOps,
  pluginRight,
  type ProgramSees,
  type Provenance,
  seenIn,
  type ToldLabels,
} from '../../protocol/index.ts'
import { maxMessageChars } from './limits.ts'
import type { RateLimits } from './rate-limits.ts'
import type { TurnStates } from './turn-states.ts'

/** Sets the budget of the plugin for a day, before its first call. It binds what the plugin does, and nobody else. */
export type CapSpend = (context: Pick<CallContext, 'caller' | 'id'>, plugin: HostedPlugin) => Promise<void>

/** Sets the budget of a day, in the name of the call that needs it; null: removes all budgets of the scope. */
export type LimitPlugin = (
  of: { readonly caller: Caller; readonly call: CallContext['id']; readonly name: string },
  scope: `plugin:${string}`,
  limits: { readonly micro_dollars: number } | null,
) => Promise<void>

export function createSpendCap(limit: LimitPlugin): CapSpend {
  // One that was removed and installed again is another object, and needs its budget anew.
  const capped = new WeakSet<HostedPlugin>()
  return async ({ caller, id }, plugin) => {
    const { name, spend_per_day: dollars } = plugin
    if (dollars === undefined || capped.has(plugin)) return
    // 0 would be no limit.
    await limit({ caller, call: id, name: 'plugin.budget' }, `plugin:${name}`, { micro_dollars: Math.max(1, Math.round(dollars * 1e6)) })
    capped.add(plugin)
  }
}

export interface PartDeps {
  readonly hosts: PluginHosts
  readonly schemas: SchemaChecker
  readonly states: TurnStates
  readonly limits: RateLimits
  readonly capSpend: CapSpend
  /** @returns the text with handles in place of secrets */
  readonly conceal: (text: string) => string
  /** The message of a turn that runs; null for any other turn. */
  readonly messageOf: (turn: TurnId | '') => string | null
  /** Labels of what a session has read, and of what its call has besides. */
  readonly heldBy: (caller: Pick<Caller, 'session' | 'scope'>) => Provenance
  /** Labels of what a session was given, such as its messages. */
  readonly givenTo: (session: SessionId | '') => Provenance
  /** Labels of what plugins may have kept. */
  readonly told: ToldLabels
  /** Whether what has both labels may leave unasked: `flow.both = "allow"`. */
  readonly flowsFreely: boolean
}

/** What all calls have that the kernel makes of plugins. */
export const runtimePart = {
  tier: 'read_only',
  // A process has this right whatever its configuration says.
  right: 'turn.run',
  files: 'workspace',
  effect: 'none',
  audience: ['runtime'],
  labels: { adds: [], sink: false },
} as const satisfies Partial<Call>

/** @returns whether a caller has the right to a plugin */
export function mayUse({ rights }: Pick<Caller, 'rights'>, plugin: string): boolean {
  return rights.has('*') || rights.has(pluginRight(plugin))
}

/** @throws OxbowError `not_found` */
export function pluginNamed({ hosts }: Pick<PartDeps, 'hosts'>, name: string): HostedPlugin {
  const found = hosts.plugins().find((each) => each.name === name)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `There is no plugin named ${JSON.stringify(name)}.`, {
    hint: 'oxbow plugin list shows those that are installed and enabled.',
  })
}

/** Whether what a plugin learns may leave the machine without a call of its own, which the flow of data would judge. */
export function reachesOutside({ hosts }: Pick<HostedPlugin, 'hosts'>): boolean {
  return hosts.length > 0
}

/** @param told labels of what it would learn @returns why it does not; empty: it does */
export function withheld(plugin: HostedPlugin, told: Labels): string {
  if (!reachesOutside(plugin) || !told.includes('private')) return ''
  return 'not asked: this conversation has read private data, and the plugin reaches other hosts'
}

/**
 * Untrusted text may have had the plugin asked for this. Where the conversation has read private data, `[flow]` has judged the request as a
 * sink; where it has not, nobody was asked whether the plugin may learn some now.
 */
function learnsTooMuch(plugin: HostedPlugin, before: Labels, { labels = [] }: CallOutcome): boolean {
  return reachesOutside(plugin) && labels.includes('private') && before.includes('untrusted') && !before.includes('private')
}

function keptFrom({ name }: HostedPlugin, call: string): CallOutcome {
  const message = `${call} returns private data to the plugin ${name}, which reaches other hosts, and this conversation has read untrusted text.`
  const failure = { code: 'denied', message, hint: 'Ask again: the person at the terminal then decides.' } as const
  return { status: 'refused', failure, text: `Error (denied): ${message} ${failure.hint}` }
}

function isOverOwnBudget({ name }: HostedPlugin, outcome: CallOutcome): outcome is Exclude<CallOutcome, { readonly status: 'ok' }> {
  return outcome.status !== 'ok' && outcome.failure.code === 'budget_exhausted' && outcome.failure.message.includes(`plugin:${name}/day`)
}

/** A person sets this budget when the plugin is installed, and not by `oxbow budget`. */
function overOwnBudget(
  { name, spend_per_day: dollars = 0 }: HostedPlugin,
  outcome: Exclude<CallOutcome, { readonly status: 'ok' }>,
): CallOutcome {
  const message = `The plugin ${name} may spend $${dollars} a day, which does not cover this.`
  const hint = 'Its manifest sets that, as spend_per_day under rights; a person approves it.'
  return { ...outcome, failure: { ...outcome.failure, message, hint }, text: `Error (budget_exhausted): ${message} ${hint}` }
}

interface Asked {
  readonly plugin: HostedPlugin
  readonly timeoutMs: number
  /** For what a conversation does not read itself; see `ownReading`. */
  readonly reads?: LabelScope
  /** Labels of the request; by default the labels of everything that the conversation has read. */
  readonly told?: Provenance
}

const pluginOrigin = ({ name }: HostedPlugin): DataOrigin => originOf('plugin', name)

/** @returns labels of what the plugin may have kept: whatever it says may be of that */
export function keptBy({ told }: Pick<PartDeps, 'told'>, plugin: HostedPlugin): Promise<Provenance> {
  return told.of(pluginOrigin(plugin))
}

/** What a plugin reads for itself around a turn: the conversation reads no more of it than what the plugin then says in its own words. */
export function ownReading({ name }: HostedPlugin): LabelScope {
  return { kind: 'apart', labels: [], origins: [], fields: [], by: originOf('plugin', name) }
}

/** @returns the scope of a call that a plugin makes: its input may hold whatever the plugin has kept */
function scopeOf({ scope }: Caller, reads: LabelScope | undefined, { labels, from }: Provenance): LabelScope | undefined {
  if (reads !== undefined) {
    reads.labels = joinLabels(reads.labels, labels)
    reads.origins = joinOrigins(reads.origins, from)
    return reads
  }
  if (labels.length === 0) return undefined
  const { labels: held = [], origins = [] } = scope ?? {}
  return { kind: 'carried', labels: joinLabels(held, labels), origins: joinOrigins(origins, from), fields: [] }
}

type AskDeps = Pick<PartDeps, 'hosts' | 'limits' | 'capSpend' | 'heldBy' | 'told' | 'flowsFreely'>
type AskContext = Pick<CallContext, 'caller' | 'id' | 'signal' | 'callAs' | 'whileProgram' | 'labels'>

/**
 * Asks a plugin something in a call, whose rights bound the plugin's calls. Counts against its user's limits. Labels of everything that it is
 * told join the plugin's labels first, and its own errors have them too.
 * @throws OxbowError as `PluginHosts.ask`; `limit_reached`; `outcome_unknown` where it may have had an effect
 */
export async function askPlugin<Op extends PluginOp>(
  deps: AskDeps,
  context: AskContext,
  asked: Asked,
  op: Op,
  input: PluginOps[Op]['input'],
): Promise<PluginOps[Op]['output']> {
  const { hosts, limits, heldBy, told } = deps
  const { caller, signal, whileProgram } = context
  const { plugin, timeoutMs } = asked
  const origin = pluginOrigin(plugin)
  const tell = (labels: Provenance): Promise<void> => told.tell(origin, labels, plugin.hosts)
  const leave = limits.enter(caller.user, plugin.name)
  try {
    await tell(asked.told ?? heldBy(caller))
    const call = callsOf(deps, context, asked, tell)
    return await whileProgram(await seenBy(deps, plugin), async () => {
      const tellFiles = async (): Promise<void> =>
        plugin.paths.length === 0
          ? undefined
          : tell(
              seenIn(
                context.labels(),
                plugin.paths.map(({ path }) => path),
              ),
            )
      await tellFiles()
      try {
        const answer = await hosts.ask(plugin.name, op, input, { signal, timeoutMs, call })
        // If it was emptied since it was told this, it may have kept it after that.
        await tell(asked.told ?? heldBy(caller))
        return answer
      } finally {
        await tellFiles()
      }
    })
  } catch (error) {
    throw labelledError(error, (await told.of(origin)).labels)
  } finally {
    leave()
  }
}

/** @returns how the plugin makes calls in this one */
function callsOf(
  { heldBy, told, capSpend, flowsFreely }: AskDeps,
  { caller, id, callAs }: AskContext,
  { plugin, reads }: Asked,
  tell: (labels: Provenance) => Promise<void>,
): (name: string, value: object) => Promise<CallOutcome> {
  const before = flowsFreely ? [] : heldBy(caller).labels
  return async (name, value) => {
    await capSpend({ caller, id }, plugin)
    const scope = scopeOf(caller, reads, await told.of(pluginOrigin(plugin)))
    const outcome = await callAs(plugin.name, plugin.rights, name, value, scope)
    if (learnsTooMuch(plugin, before, outcome)) return keptFrom(plugin, name)
    const { labels = [] } = outcome
    await tell({ labels, from: labelOrigins(labels, [originOfCall(name, value)]) })
    return isOverOwnBudget(plugin, outcome) ? overOwnBudget(plugin, outcome) : outcome
  }
}

/** @returns the files that it sees, and the data it could write there: its process goes on after the call */
async function seenBy(deps: Pick<PartDeps, 'hosts' | 'told'>, plugin: HostedPlugin): Promise<ProgramSees> {
  const { name, paths } = plugin
  const folders = paths.map(({ path }) => path)
  if (folders.length === 0) return { folders }
  const lives = (): boolean => deps.hosts.plugins().includes(plugin) && !['stopped', 'disabled'].includes(deps.hosts.state(name).phase)
  return {
    folders,
    holds: await keptBy(deps, plugin),
    ...(paths.some(({ writable }) => writable) && { goesOn: { program: pluginOrigin(plugin), lives } }),
  }
}

/** @returns what of an error a caller reads: a host that was lost may have done what was asked */
export function lostAsUnknown(error: unknown, plugin: string): unknown {
  if (!isOxbowError(error) || error.data['lost'] !== true) return error
  return new OxbowError('outcome_unknown', `The plugin ${plugin} ended during this call, so it is not known whether it took effect.`, {
    hint: 'Look at what it was to change before you call again; it is not repeated by itself.',
    cause: error,
  })
}

export function messageFor({ caller, id, clock }: Pick<CallContext, 'caller' | 'id' | 'clock'>, text: string): PluginMessage {
  return {
    id: caller.turn === '' ? id : caller.turn,
    session: caller.session,
    turn: caller.turn,
    text: truncate(text, maxMessageChars).toWellFormed(),
    user: caller.user,
    agent: caller.actor.startsWith('agent:') ? caller.actor.slice('agent:'.length) : '',
    at: clock.now(),
  }
}
