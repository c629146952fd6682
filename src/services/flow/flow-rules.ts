/**
 * The rules of `[[flow.source]]` and `[[flow.sink]]`. A source rule adds labels to what a call returns; a sink rule decides about calls that
 * send data to a place, or have an effect, instead of the general decisions of `[flow]`. No rule takes a label away, and of several rules
 * that match the strictest counts; so more labels never allow more.
 *
 * All conditions of a rule must hold. Where a rule names a host and the call does not, the rule is applied if it is stricter: a command with
 * network may reach any host.
 */
import { decideFlow, type FlowDecisions, joined, nothing, type Provenance, workspacePath } from '../../kernel/index.ts'
import { isObject } from '../../base/index.ts'
import {
  type Call,
  type Caller,
  type Deed,
  hostNamed,
  hostOfUrl,
  type LabelOrigin,
  originOf,
  originOfCall,
  programAsked,
  joinLabels,
  type Labels,
} from '../../protocol/index.ts'
import type { Decision, FlowPolicy } from '../../config/index.ts'

/** Where a call may send data, as far as its input says. */
export interface Destination {
  /** Empty: to no host; null: to any. */
  readonly hosts: readonly string[] | null
  readonly server: string
  /** Whether a model of a service receives it, and its name; null: it asks no model. */
  readonly model: { readonly name: string; readonly isLocal: boolean } | null
  readonly effects: readonly Deed[]
}

export interface CompiledRules {
  /** Labels of what this call of this agent returns. */
  source(call: Pick<Call, 'name' | 'labels'>, caller: Pick<Caller, 'actor'>, input: unknown): Provenance
  /** Labels of a file. @param below of anything below it */
  path(path: string, below: boolean): Provenance
  readonly hasPaths: boolean
  /** @returns what sink rules decide about each place that it may go to; empty: no rule matches */
  decisions(call: string, to: Destination): readonly FlowDecisions[]
}

export function compileRules({ source, sink }: Pick<FlowPolicy, 'source' | 'sink'>): CompiledRules {
  const byPath = source.flatMap(({ path, labels }) => (path === undefined ? [] : [{ labels, fits: pathPattern(path) }]))
  const labelled = (labels: Labels, from: LabelOrigin['from']): Provenance => ({
    labels: joinLabels([], labels),
    from: labels.map((label) => ({ label, from })),
  })
  return {
    hasPaths: byPath.length > 0,
    source({ name: call, labels: { adds, sink: isSink } }, { actor }, input) {
      const { hosts, server } = destinationOf(call, input)
      // Of calls that name no host, those that talk to somebody outside may have reached it; the clock has not.
      const mayReach = (host: string): boolean => (hosts === null ? isSink && adds.length > 0 : hosts.some((one) => fitsHost(host, one)))
      const agent = agentOf(call, actor)
      const matching = source.filter(
        (rule) =>
          rule.path === undefined &&
          fits(rule.call, call) &&
          (rule.host === undefined || mayReach(rule.host)) &&
          fits(rule.server, server) &&
          (rule.agent === undefined || agent.some((name) => fits(rule.agent, name))),
      )
      return matching.reduce((all, { labels }) => joined(all, labelled(labels, originOfCall(call, input))), nothing)
    },
    path(path, below) {
      const matching = byPath.filter(({ fits: holds }) => holds(path, below))
      return matching.reduce((all, { labels }) => joined(all, labelled(labels, originOf('path', path))), nothing)
    },
    decisions(call, { hosts, server, model, effects }) {
      const matching = sink.filter(
        (rule) =>
          fits(rule.call, call) &&
          fits(rule.server, server) &&
          (rule.effect === undefined || effects.includes(rule.effect)) &&
          (rule.model === undefined || (model !== null && fitsModel(rule.model, model))),
      )
      const anywhere = matching.filter(({ host }) => host === undefined)
      if (hosts === null)
        return [strictestOf(anywhere), ...matching.filter(({ host }) => host !== undefined).map((one) => strictestOf([...anywhere, one]))]
      if (hosts.length === 0) return anywhere.length === 0 ? [] : [strictestOf(anywhere)]
      return hosts.map((host) => strictestOf(matching.filter((rule) => rule.host === undefined || fitsHost(rule.host, host))))
    },
  }
}

/** @returns the strictest decision over all places */
export function decideAll(held: Labels, places: readonly FlowDecisions[], ...otherwise: readonly FlowDecisions[]): Decision {
  const decided = (places.length === 0 ? [{}] : places).map((place) => decideFlow(held, place, ...otherwise))
  return decided.includes('deny') ? 'deny' : decided.includes('ask') ? 'ask' : 'allow'
}

const noServer = ''

/** What the input of a call says of where it goes. */
export function destinationOf(call: string, input: unknown): Pick<Destination, 'hosts' | 'server'> {
  const program = programAsked(call)
  if (program !== null) return { hosts: null, server: program.name }
  const { url, hosts } = isObject(input) ? input : {}
  const host = typeof url === 'string' ? hostOfUrl(url) : null
  if (typeof url === 'string') return { hosts: host === null ? null : [host], server: noServer }
  if (Array.isArray(hosts) && hosts.length > 0 && hosts.every((each) => typeof each === 'string' && !each.includes('*')))
    return { hosts: hosts.map((each) => hostNamed(String(each))), server: noServer }
  return { hosts: null, server: noServer }
}

/** @returns what the call does that rules may name: either of two where it does not say */
export function effectsOf({ tier, audience, does }: Pick<Call, 'tier' | 'audience' | 'does'>): readonly Deed[] {
  if (tier === 'read_only') return []
  return does ?? (audience.includes('model') ? ['delete', 'overwrite'] : [])
}

function agentOf(call: string, actor: string): readonly string[] {
  const program = programAsked(call)
  const own = actor.startsWith('agent:') ? [actor.slice('agent:'.length)] : []
  return program?.kind === 'agent' ? [program.name, ...own] : own
}

/** @returns for each label the strictest that any of them decides */
function strictestOf(rules: readonly FlowDecisions[]): FlowDecisions {
  const strictest = (label: keyof FlowDecisions): Decision | undefined => {
    const decided = rules.map((rule) => rule[label])
    return (['deny', 'ask', 'allow'] as const).find((decision) => decided.includes(decision))
  }
  return { untrusted: strictest('untrusted'), private: strictest('private'), both: strictest('both') }
}

/** @param pattern with `*` for any text; absent: fits all */
function fits(pattern: string | undefined, name: string): boolean {
  return pattern === undefined || matches(pattern, name)
}

/** @param pattern `*.example.com` fits every host below it */
function fitsHost(pattern: string, host: string): boolean {
  const plain = pattern.includes('*') ? pattern.toLowerCase().replace(/\.$/, '') : hostNamed(pattern)
  return plain.startsWith('*.') ? host.endsWith(plain.slice(1)) : matches(plain, host)
}

function fitsModel(pattern: string, { name, isLocal }: NonNullable<Destination['model']>): boolean {
  return pattern === 'remote' ? !isLocal : pattern === 'local' ? isLocal : matches(pattern, name)
}

/**
 * `*` fits within a name, `**` across folders, also where names begin with a dot; every other character is itself. What a pattern fits has
 * with it everything below.
 * @returns whether a path fits; with `below` also whether something below it may
 */
function pathPattern(pattern: string): (path: string, below: boolean) => boolean {
  const whole = workspacePath(pattern.replace(/\/\*\*$/, '')) ?? pattern
  const names = whole.split('/').slice(1)
  const source = names.map((name) => (name === '**' ? '(?:/[^/]+)*' : `/${name.split('*').map(literal).join('[^/]*')}`)).join('')
  const fitting = new RegExp(`^${source}(?:/|$)`, 's')
  const fixed = whole.split('/').findIndex((name) => name.includes('*'))
  const folder = fixed < 0 ? whole : whole.split('/').slice(0, fixed).join('/')
  const mayHold = (path: string): boolean =>
    path === '/' || folder === path || folder.startsWith(`${path}/`) || (fixed >= 0 && path.startsWith(`${folder}/`))
  return (path, below) => fitting.test(path) || (below && mayHold(path))
}

const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')

function matches(pattern: string, name: string): boolean {
  if (!pattern.includes('*')) return pattern === name
  return new RegExp(`^${pattern.split('*').map(literal).join('.*')}$`, 's').test(name)
}
