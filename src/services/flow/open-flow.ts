/**
 * The flow of labels beyond the conversation: labels of files, and the rules of `[flow]`. Loaded with the first session that reads private
 * data, with the first rule, or where an earlier guest has left labels of files; until then the gate judges only by the session.
 */
import {
  type Documents,
  type FileFlow,
  flowMatter,
  type FlowVerdict,
  freeFlow,
  isForPerson,
  isKept,
  joined,
  leadsOutside,
  nothing,
  type OpenedFlow,
  type Provenance,
  type RunningCalls,
  type Sessions,
  verdictOf,
  workspacePath,
} from '../../kernel/index.ts'
import { type Clock, isObject, ownValue } from '../../base/index.ts'
import { isGeneration, type Call, type Caller, type Sandbox, joinLabels } from '../../protocol/index.ts'
import type { Config, FlowPolicy } from '../../config/index.ts'
import { createFileGuard, type GuardDeps, type Looking, markChanged } from './file-guard.ts'
import { type FileLabels, loadFileLabels } from './file-labels.ts'
import { type CompiledRules, compileRules, decideAll, type Destination, destinationOf, effectsOf } from './flow-rules.ts'
import { labelsOfContent } from './attached-labels.ts'
import { hasSessions, surveyOf } from './workspace-survey.ts'

export interface FlowParts {
  readonly documents: Documents
  readonly sessions: Pick<Sessions, 'held' | 'judged' | 'areOwn' | 'origins'>
  readonly config: Pick<Config, 'flow' | 'model' | 'providers'>
  readonly running: Pick<RunningCalls, 'all'>
  readonly sandbox: Sandbox
  readonly clock: Clock
  /** Said of calls that nobody can take back. */
  readonly lasting: FileFlow['lasting']
}

export interface Flow extends OpenedFlow {
  readonly files: FileLabels
}

export async function openFlow(parts: FlowParts): Promise<Flow> {
  const files = await loadFileLabels(parts.documents)
  const rules = compileRules(parts.config.flow)
  const wasOnline = { ever: false }
  const guards: GuardDeps = {
    files,
    clock: parts.clock,
    byRule: rules.path,
    mayBeOnline: () => wasOnline.ever,
    runsOthers: (call) => parts.running.all().some((one) => one.call !== call && one.files === 'workspace'),
    live: { last: null, kept: nothing, programs: new Map() },
    recover: createRecovery(files),
  }
  const onBranches = new Map<string, GuardDeps>()
  /** On a branch of files the path's labels count too, and none is taken back there: the workspace's file is unchanged. */
  const guardsAt = (branch: string | undefined): GuardDeps => {
    if (branch === undefined) return guards
    let found = onBranches.get(branch)
    if (found === undefined)
      onBranches.set(branch, (found = { ...guards, files: withoutPast(files), live: { last: null, kept: nothing, programs: new Map() } }))
    return found
  }
  const everywhere = (): Provenance => files.everywhere()
  const sourced: Flow['sourced'] = ({ caller }, call, input) =>
    joined(rules.source(call, caller, input), call.files === 'past' ? pastAt(files, rules, input) : nothing)
  const heldBy = (caller: Caller): Provenance => ({ labels: parts.sessions.held(caller), from: parts.sessions.origins(caller) })
  const { source, sink } = parts.config.flow
  const hasRules = source.length > 0 || sink.length > 0
  return {
    files,
    isEmpty: () => files.isEmpty() && !hasRules && !isKept(guards.live.kept.labels),
    everywhere,
    sourced,
    guard: (of, call, input) => createFileGuard(guardsAt, of, () => heldBy(of.caller), sourced(of, call, input)),
    sameAs: (file, blobs) => labelsOfContent({ files, rules, sandbox: parts.sandbox }, file, blobs),
    async restored(of, paths) {
      for (const path of paths) await files.bringBack(of, path)
    },
    async judge(caller, call, input) {
      wasOnline.ever ||= call.right === 'shell.network'
      const session = { labels: parts.sessions.judged(caller), from: parts.sessions.origins(caller) }
      return judgeCall({ ...parts, policy: parts.config.flow, files, rules }, session, caller, call, input)
    },
  }
}

function withoutPast(files: FileLabels): FileLabels {
  return { ...files, writers: files.writers, setPast: async () => {} }
}

/** Labels of what a call reads of versions: of all that was at the path, whatever is there now. */
function pastAt(files: FileLabels, rules: CompiledRules, input: unknown): Provenance {
  const path = isObject(input) && typeof input['path'] === 'string' ? input['path'] : '/'
  const named = path === '/' || path === '' ? '/shared' : (workspacePath(path.replace(/^\/+(?!shared(?:\/|$))/, '')) ?? '/shared')
  return joined(files.at(named, { below: true, ever: true }), rules.path(named, true))
}

interface Judging extends FlowParts {
  readonly files: FileLabels
  readonly policy: FlowPolicy
  readonly rules: CompiledRules
}

async function judgeCall(deps: Judging, session: Provenance, caller: Caller, call: Call, input: unknown): Promise<FlowVerdict> {
  const { rules, policy, files } = deps
  if (caller.audience === 'terminal' && !leadsOutside(caller, call)) return freeFlow
  const isSink = leadsOutside(caller, call)
  const held = isSink ? joined(session, sentFiles(files, rules, call, input)) : session
  const models = isGeneration(call) ? modelsOf(deps, modelIn(input)) : []
  const to = { ...destinationOf(call.name, input), effects: effectsOf(call) }
  const places =
    models.length === 0
      ? rules.decisions(call.name, { ...to, model: null })
      : models.flatMap((model) => rules.decisions(call.name, { ...to, hosts: [], model }))
  const isRuled = places.some((place) => Object.values(place).some((decision) => decision !== undefined))
  const isOwn = held === session && deps.sessions.areOwn(caller, call, held.labels)
  const matter = flowMatter(caller, call, policy, deps.lasting(call, input), isOwn)
  if (!isRuled && isForPerson(call, policy)) return freeFlow
  if (matter === null && !isRuled) return judgeShared(deps, held, caller, call)
  const own = ownValue(policy.sinks, call.name) ?? {}
  const decision = matter === null ? decideAll(held.labels, places) : decideAll(held.labels, places, own, matter.decisions)
  const what = isSink ? `${call.name} sends data outside${addressOf(to)}` : (matter?.what ?? doesWhat(call, to, models))
  const verdict = verdictOf(decision, what, held)
  return verdict.decision === 'allow' && !isSink ? judgeShared(deps, held, caller, call) : verdict
}

/** The model that a request goes to, and each that may answer in its place. */
function modelsOf(
  { config: { model, providers } }: Pick<FlowParts, 'config'>,
  asked: string,
): readonly NonNullable<Destination['model']>[] {
  const names = [asked === '' ? (model.name.includes('/') ? model.name : `${model.provider}/${model.name}`) : asked, ...model.fallback]
  return names.map((name) => {
    const provider = name.includes('/') ? name.slice(0, name.indexOf('/')) : model.provider
    const url = provider === model.provider && model.base_url !== '' ? model.base_url : (ownValue(providers, provider)?.base_url ?? '')
    // Where a plugin sends a conversation is its own affair: no address of the configuration says it.
    const isPlugin = [name, provider].some((each) => each.startsWith('plugin:'))
    return {
      name,
      isLocal:
        !isPlugin && (provider === 'offline' || provider === 'scripted' || (URL.canParse(url) && isThisMachine(new URL(url).hostname))),
    }
  })
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/** A write that a program with network can see sends data outside; what that program has read, nobody knows. */
async function judgeShared({ policy, running, sandbox }: Judging, session: Provenance, caller: Caller, call: Call): Promise<FlowVerdict> {
  const adds = call.effect === 'once' ? call.labels.adds : []
  const written = joinLabels(session.labels, adds)
  if (caller.audience !== 'model' || call.tier === 'read_only' || !isKept(written) || call.files === undefined) return freeFlow
  const isOnline = running.all().some(({ right }) => right === 'shell.network') || (await hasOnlineSession(sandbox))
  if (!isOnline) return freeFlow
  const held = { labels: joinLabels(written, ['untrusted']), from: session.from }
  const decision = decideAll(held.labels, [], ownValue(policy.sinks, call.name) ?? {}, policy)
  return verdictOf(decision, `${call.name} changes files that a running program with network can read`, held)
}

async function hasOnlineSession(sandbox: Sandbox): Promise<boolean> {
  if (!sandbox.status.profiles.includes('online')) return false
  const hands = await sandbox.hands('online')
  return hasSessions((...asked) => hands.ask(...asked), { signal: new AbortController().signal, timeoutMs: sessionsTimeoutMs })
}

const sessionsTimeoutMs = 10_000

/** Labels of the files that a sink may send: those that its input names, and those that its programs see. */
function sentFiles(files: FileLabels, rules: CompiledRules, call: Call, input: unknown): Provenance {
  const at = (path: string): Provenance => joined(files.at(path, { below: true }), rules.path(path, true))
  const folders = call.folders ?? ['/']
  const seen = call.files === 'workspace' ? folders.map(at) : []
  return [...pathsIn(input, maxInputDepth).map(at), ...seen].reduce(joined, nothing)
}

const maxInputDepth = 4

function pathsIn(value: unknown, depth: number): readonly string[] {
  if (depth === 0) return []
  if (typeof value === 'string') return /^\/(?:shared|tmp)\b/.test(value) ? [workspacePath(value) ?? value] : []
  if (Array.isArray(value)) return value.flatMap((one: unknown) => pathsIn(one, depth - 1))
  if (!isObject(value)) return []
  const relative = [value['path'], value['file']].flatMap((path) => (typeof path === 'string' ? (workspacePath(path) ?? []) : []))
  return [...relative, ...Object.values(value).flatMap((one) => pathsIn(one, depth - 1))]
}

function modelIn(input: unknown): string {
  return isObject(input) && typeof input['model'] === 'string' ? input['model'] : ''
}

function addressOf({ hosts, server }: Pick<Destination, 'hosts' | 'server'>): string {
  const names = server === '' ? (hosts ?? []) : [server]
  return names.length === 0 ? '' : ` to ${names.join(', ')}`
}

function doesWhat(call: Call, { effects }: Pick<Destination, 'effects'>, models: readonly NonNullable<Destination['model']>[]): string {
  if (models.length > 0) return `${call.name} sends the conversation to ${models.map(({ name }) => name).join(', ')}`
  return effects.length === 0 ? `a rule of [flow] is about ${call.name}` : `${call.name} may ${effects.join(' and ')}`
}

/** Before files are touched for the first time: what an earlier guest was writing when it ended may be anywhere. */
function createRecovery(files: FileLabels): GuardDeps['recover'] {
  const left = [...files.writers.values()]
  let recovering: Promise<void> | null = left.length === 0 ? Promise.resolve() : null
  const recover = async (looking: Looking): Promise<void> => {
    const since = Math.min(...left.map(({ at }) => at)) - clockSlackMs
    const all = left.reduce<Provenance>(joined, files.everywhere())
    const survey = await surveyOf(looking.ask, looking.options)
    await markChanged({ ...looking, files }, survey.changedAfter(since), all)
    for (const { name } of left) await files.end(looking.of, name)
  }
  return (looking) =>
    (recovering ??= recover(looking).catch((error: unknown) => {
      recovering = null
      throw error
    }))
}

/** Times of files come from a clock that ticks less often than ours. */
const clockSlackMs = 1_000
