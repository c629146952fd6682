/** Questions about a workspace that need no running guest: its store, wherever it is, is opened for reading only. */
import { join } from 'node:path'
import { describedCoderCalls, describedRemoteCalls, describedServerCalls } from '../connect/index.ts'
import { describedPluginCalls } from '../plugins/index.ts'
import { describeCall, describedKernelCalls } from '../kernel/index.ts'
import { createSandbox, openEgress, openEgressProxy } from '../sandbox/index.ts'
import { describedHookCalls, differingKeys, exportTraces, services, verifyJournal } from '../services/index.ts'
import { describedSkillCalls } from '../skills/index.ts'
import { openStore, parseReference, type Store, storeAddress, zoeyMethods } from '../store/index.ts'
import { builtinCalls, describedMemoryCalls, openSearch, pluginDataCalls, searchIsOff } from '../tools/index.ts'
import { isUuid, OxbowError, type SessionId } from '../base/index.ts'
import { isGeneration, type Call, emptyChain, isErased, type JournalRecord, type SandboxStatus } from '../protocol/index.ts'
import type { Config, GuestEnvelope, GuestQuestion } from '../config/index.ts'
import { sandboxFolders, withScripts } from './host-ways.ts'

type Question<Command extends GuestQuestion['command']> = Extract<GuestQuestion, { command: Command }>

/** Records sent at once. */
const pageSize = 500
const defaultShown = 50

/** @returns the answer, one JSON document at a time. */
export async function* answer(
  question: Question<'audit-verify' | 'audit-show' | 'audit-recording' | 'audit-export' | 'audit-traces' | 'calls'>,
  envelope: GuestEnvelope,
): AsyncGenerator<object> {
  if (question.command === 'calls') {
    yield* (await callsHere(envelope)).map(describeCall)
    return
  }
  const path = join(envelope.workspaceRoot, 'internal', 'oxbow.db')
  const { config, keys, user, masterKeys: masters } = envelope
  const store = await openStore({
    config: config.store,
    environment: keys,
    path,
    user,
    readOnly: true,
    ...(masters !== undefined && { masters }),
  })
  try {
    await store.opened()
    if (question.command === 'audit-verify') {
      const isShared = storeAddress({ config: config.store, environment: keys }) !== ''
      const report = await verifyJournal(store, { seal: question.seal, isShared })
      yield { ...report, config_differs: await differingKeys(store, config, question.host) }
    } else if (question.command === 'audit-recording') yield* recording(store, question.session)
    else if (question.command === 'audit-export') yield* exportRecords(store, question.after, question.upto)
    else if (question.command === 'audit-traces') yield* exportTraces(store, { ...question, version: envelope.version })
    else yield* show(store, question)
  } finally {
    await store.close()
  }
}

/** Every call; those that a guest with this configuration could not make on this machine say why. Starts nothing. */
async function callsHere(envelope: GuestEnvelope): Promise<readonly Call[]> {
  const { config, workspaceRoot, insecure } = envelope
  const { status, close } = await createSandbox({
    workspaceRoot,
    // Only what is installed matters here: no disk is mounted for it.
    limits: { ...config.sandbox, disk: 'folder' },
    browser: config.browser,
    insecure,
    egressSocket: () => Promise.reject(new Error('calls are only described here')),
    ...sandboxFolders(envelope),
  })
  await close()
  return describedCalls(config, status)
}

/**
 * Every call for the reference, which describes calls and runs none, including calls that this machine's sandbox could not serve.
 * Nothing that they would use is opened.
 * @param status of a sandbox, so that calls which it does not serve are marked; absent: no call is marked
 */
export async function describedCalls(config: Config, status?: SandboxStatus): Promise<readonly Call[]> {
  // One service stands for all: the call is the same.
  const isOff = status !== undefined && config.web.search === 'off'
  const search = isOff ? searchIsOff() : await openSearch({ ...config, web: { ...config.web, search: 'duckduckgo' } }, {}, openEgress)
  const web = { egress: await openEgress(config.egress), robots: 'ignore', proxy: openEgressProxy(config.egress, '') } as const
  const given = builtinCalls(status ?? everything, web)
  const skills = describedSkillCalls()
  return [
    ...given,
    ...(search === null ? [] : [search]),
    ...describedMemoryCalls(),
    ...pluginDataCalls({ ...(await zoeyMethods()), ask: noData, embed: noData }),
    ...describedServerCalls(),
    ...describedPluginCalls(),
    ...(await describedHookCalls()),
    ...describedRemoteCalls(),
    ...describedCoderCalls(),
    ...(status === undefined ? skills : withScripts(skills, status, status.shell)),
    ...(await describedKernelCalls(config, services)),
  ]
}

const everything = { files: true, shell: true, profiles: ['work', 'online', 'browser', 'vault-read'] } as const

const noData = (): Promise<never> => Promise.reject(new Error('calls are only described here'))

/** The exchanges of a session with its models, oldest first: what the replay model reads. */
async function* recording(store: Store, session: string): AsyncGenerator<object> {
  const filter = { session: await namedSession(store, session), phases: ['exchange'] as const, hydrate: true }
  const name = createNaming()
  for (let cursor = 0; ;) {
    const page = await store.records({ ...filter, after: cursor, order: 'oldest_first', limit: recordingPage })
    // Other calls put their steps on record by the same phase.
    yield* page.filter(isGeneration).map(name)
    if (page.length < recordingPage) return
    cursor = page.at(-1)?.seq ?? cursor
  }
}

interface Exchange {
  readonly id?: string
  readonly request?: { readonly after?: { readonly id: string } }
}

/** Names what was erased: whole exchanges, and beginnings of requests that were told by an exchange which is gone. */
function createNaming(): (record: Pick<JournalRecord, 'call' | 'body'>) => object {
  const gone = new Set<string>()
  const there = new Set<string>()
  return ({ call, body }) => {
    const exchange = JSON.parse(body) as Exchange
    if (isErased(exchange)) {
      gone.add(call)
      return { id: `${call}#0`, erased: exchange }
    }
    there.add(exchange.id ?? '')
    const { after } = exchange.request ?? {}
    const isGone = after !== undefined && !there.has(after.id) && gone.has(after.id.replace(/#\d+$/, ''))
    return isGone ? { ...exchange, request: { ...exchange.request, after: { ...after, erased: true } } } : exchange
  }
}

/** Exchanges sent at once; one may be megabytes. */
const recordingPage = 20

/** The newest records in order, or those after a cursor. */
async function* show(store: Store, { session, after, limit = defaultShown }: Question<'audit-show'>): AsyncGenerator<object> {
  const filter = { ...(session !== undefined && { session: await namedSession(store, session) }), hydrate: true }
  if (after === undefined) {
    const newest = await store.records({ ...filter, order: 'newest_first', limit })
    yield* [...newest].reverse().map((record) => record)
    return
  }
  for (let cursor = after, left = limit; left > 0;) {
    const page = await store.records({ ...filter, after: cursor, order: 'oldest_first', limit: Math.min(left, pageSize) })
    yield* page.map((record) => record)
    if (page.length < pageSize) return
    cursor = page.at(-1)?.seq ?? cursor
    left -= page.length
  }
}

/**
 * The lines of an export, but for its end, which the runner signs: see docs/audit.md. A body that is kept apart follows as `content`;
 * pieces of files do not.
 */
async function* exportRecords(store: Store, after: number, upto = Infinity): AsyncGenerator<object> {
  const [before] =
    after === 0 ? [] : await store.records({ after: after - 1, before: after + 1, order: 'oldest_first', limit: 1, hydrate: false })
  if (after > 0 && before === undefined)
    throw new OxbowError('not_found', `There is no record ${after}.`, { hint: 'See `oxbow audit show` for the newest.' })
  yield { oxbow: 'export', format: 2, user: store.user, after: { seq: after, hash: before?.hash ?? emptyChain.hash } }
  for (let cursor = after; ;) {
    const page = await store.records({ after: cursor, order: 'oldest_first', limit: recordingPage * 5, hydrate: false })
    for (const { seq, at, actor, session, turn, call, name, phase, body, previous, hash } of page) {
      if (seq > upto) return
      const reference = parseReference(body)
      const bytes = reference === null ? null : await store.blob(reference.blob)
      const content = bytes === null ? {} : { content: Buffer.from(bytes).toString('utf8') }
      yield { seq, at, actor, session, turn, call, name, phase, body, previous, hash, ...content }
    }
    if (page.length === 0) return
    cursor = page.at(-1)!.seq
  }
}

/** How many of the newest sessions are searched for a prefix; a whole id is not searched for. */
const searchedSessions = 10_000
const shownIds = 5

/** Resolves the beginning of a session's id. @throws OxbowError `not_found`, or `bad_input` when it fits several sessions */
async function namedSession(store: Pick<Store, 'sessions'>, named: string): Promise<SessionId> {
  if (isUuid(named)) return named as SessionId
  const prefix = named.trim().toLowerCase()
  const found = prefix === '' ? [] : (await store.sessions(searchedSessions)).filter(({ id }) => id.startsWith(prefix))
  const [only] = found
  if (only === undefined)
    throw new OxbowError('not_found', `no session begins with ${JSON.stringify(named)}`, {
      hint: '`oxbow sessions --archived` lists them all.',
    })
  if (found.length === 1) return only.id
  const shown = found.slice(0, shownIds).map(({ id }) => id)
  throw new OxbowError('bad_input', `${found.length} sessions begin with ${prefix}: ${shown.join(', ')}`, {
    hint: 'Give more characters of the id.',
  })
}
