/**
 * The supervisor: agents that were spawned, and what calls do with them. An agent is a session whose turns run by its profile; what it is
 * sent are messages to that session, and its answer is the reply of its last turn. Its record says how far it is, so a restart goes on
 * where a crash stopped: messages have ids that follow from what sent them, and are answered once however often they are started.
 *
 * The end of an agent is reported to its parent: as the result of a wait where one waits for it, else by mail to the parent's session.
 */
import { type AgentProfile, carve, type DocumentChange, processRight, profileCategory } from '../../kernel/index.ts'
import { type CallId, OxbowError, type SessionId } from '../../base/index.ts'
import { grantOf, labelledFields, type RecordView, type Labels, type Limits } from '../../protocol/index.ts'
import { cleanUp, deliver, dueAt, endRun, goOn, kill, marked, post, report } from './agent-life.ts'
import { pause, payerOf, raise, resume } from './agent-control.ts'
import { agentCategory, type AgentRecord, isOver, isSettled, messageTurn, sessionOf } from './agent-record.ts'
import {
  type AgentTable,
  type By,
  checkLimits,
  childrenOf,
  createAgentTable,
  descendantsOf,
  forgetOldest,
  type Held,
  isBelow,
  parentAt,
  save,
  type SpawnRequest,
  type SupervisorDeps,
} from './agent-table.ts'
import { counted } from './mail/peers.ts'
import type { WaitGraph } from './mail/wait-graph.ts'
import { createWaits, type WaitFor, type Waits } from './agent-waits.ts'

export interface Supervisor {
  /** Takes up what a crash left. */
  start(): Promise<void>
  /** Safe to repeat with the same call. @throws OxbowError `limit_reached` */
  spawn(by: By, request: SpawnRequest): Promise<AgentRecord>
  /** Sends a message to an agent that is not over. @throws OxbowError `limit_reached` */
  post(by: By, id: CallId, text: string, labels: Labels): Promise<AgentRecord>
  /** Sends a message of an agent to another one that takes it. @throws OxbowError `limit_reached`, also in a loop */
  postToPeer(by: By, from: CallId, to: CallId, text: string, labels: Labels): Promise<AgentRecord>
  /** Sends a message of an agent to its parent. @throws OxbowError `not_found` if it has none */
  postToParent(by: By, id: CallId, text: string, labels: Labels): Promise<unknown>
  /** Resolves when it and what it ran has ended. @param labels of the reason @returns the agents that were killed; none if it was over */
  kill(by: By, id: CallId, reason: string, labels?: Labels): Promise<readonly AgentRecord[]>
  /** Takes rights from it and from all agents below it, at once. @returns those that had some of them */
  revoke(by: By, id: CallId, rights: readonly string[]): Promise<readonly AgentRecord[]>
  /** Stops it and those below it, each before its next step. @returns those that were not paused before */
  pause(by: By, id: CallId): Promise<readonly CallId[]>
  /** @returns those that were paused */
  resume(by: By, id: CallId): Promise<readonly CallId[]>
  /** What a turn of the session waits for before its next step; null: nothing. */
  pauseOf(session: SessionId): Promise<void> | null
  /** Whose budgets an agent's budget was carved from. */
  payerOf(id: CallId): ReturnType<typeof payerOf>
  /** Adds to its budget. @returns the new one @throws OxbowError `not_found` if it has none */
  raise(by: By, id: CallId, more: Limits): Promise<Limits>
  wait(request: WaitFor): Promise<void>
  /** Who waits for whom. */
  readonly waiting: WaitGraph
  agentOf(session: SessionId): AgentRecord | undefined
  /** @returns the session at the top of an agent's tree, and the agent; null for a session that is no agent's, or has none above it */
  topOf(session: SessionId): { readonly session: SessionId; readonly agent: string } | null
  find(id: CallId): AgentRecord | undefined
  all(): readonly AgentRecord[]
  /** Whether it may have processes in the sandbox. */
  runsPrograms(agent: AgentRecord): boolean
  /** Whether the session, or an agent below it, spawned the agent. */
  isBelow(agent: AgentRecord, session: SessionId | ''): boolean
  /** What a session of a graph spawns counts with what the session that started the graph spawns. */
  countWith(session: SessionId, home: SessionId): void
  /** A turn that waited for an agent may have ended without its end. */
  turnEnded(outcome: RecordView): void
  observed(record: RecordView): void
  stop(): void
}

export function createSupervisor(deps: SupervisorDeps): Supervisor {
  const { clock } = deps
  const table = createAgentTable(deps, waitsOf, runsOf)
  const { agents, bySession, waits } = table
  return {
    start: () => takeUp(table),
    spawn: (by, request) => spawn(table, by, request),
    async post(by, id, text, labels) {
      const held = agents.get(id)!
      // A person has looked: those that wrote to each other may go on.
      if (by.caller.actor.startsWith('user:')) held.record = { ...held.record, received: undefined }
      await post(table, held, { turn: messageTurn(by.call), text, from: by.caller.actor, labels }, by)
      return held.record
    },
    async postToPeer(by, from, to, text, labels) {
      const [sender, held] = [agents.get(from)!.record, agents.get(to)!]
      const received = counted(sender, held.record, by.call)
      if (received === null) return held.record
      const turn = messageTurn(by.call)
      const message = `[Message from agent ${sender.name} (${from})]\n${marked(text, turn, labels)}`
      await post(table, held, { turn, text: message, from: by.caller.actor, labels, peer: from }, by, { received })
      deps.noteEvent('agent_mail', labelledFields({ agent_id: to, name: held.record.name, from: sender.name }, labels), held.record.session)
      return held.record
    },
    postToParent(by, id, text, labels) {
      const { home, name, sendsNoMail } = agents.get(id)!.record
      if (home === '' || sendsNoMail === true)
        throw new OxbowError('not_found', 'Nobody takes your messages.', { hint: 'Your answer is kept.' })
      const turn = messageTurn(by.call)
      const message = `[Message from agent ${name} (${id})]\n${marked(text, turn, labels)}`
      return deliver(table, home, { turn, text: message, from: by.caller.actor, labels })
    },
    revoke: (by, id, rights) => revoke(table, agents.get(id)!, rights, by),
    kill: (by, id, reason, labels) => kill(table, agents.get(id)!, reason, by, labels),
    pause: (by, id) => pause(table, agents.get(id)!, by),
    resume: (by, id) => resume(table, agents.get(id)!, by),
    pauseOf: (session) => bySession.get(session)?.pause?.promise ?? null,
    payerOf: (id) => payerOf(table, agents.get(id)!),
    raise: (by, id, more) => raise(table, agents.get(id)!, more, by),
    wait: waits.wait,
    waiting: waits.graph,
    agentOf: (session) => bySession.get(session)?.record,
    topOf: (session) => topOf(table, session),
    find: (id) => agents.get(id)?.record,
    all: () => [...agents.values()].map(({ record }) => record),
    runsPrograms: ({ id }) => agents.get(id)?.runsPrograms === true,
    isBelow: (agent, session) => isBelow(table, agent, session),
    countWith: (session, home) => void table.countedWith.set(session, home),
    turnEnded({ session }) {
      for (const each of agents.values()) if (each.awaited && each.record.home === session) void leave(table, each).catch(() => {})
    },
    observed({ session, name }) {
      const held = session === '' ? undefined : bySession.get(session)
      if (held === undefined) return
      held.beat = clock.now()
      // What it has started may outlive the call.
      if (deps.registry.find(name)?.files === 'workspace') held.runsPrograms = true
    },
    stop() {
      table.stopped = true
    },
  }
}

function waitsOf(table: AgentTable): Waits {
  const { agents, deps } = table
  return createWaits({
    ...deps,
    find: (id) => agents.get(id)?.record,
    onBegun(id) {
      const held = agents.get(id)
      if (held !== undefined) held.awaited = false
    },
    onTaken: (id) => void save(table, agents.get(id)!, { report: 'sent' }).catch(() => {}),
    onLeft: (id) => void report(table, agents.get(id)!).catch(() => {}),
  })
}

function runsOf(table: AgentTable): AgentTable['runs'] {
  return table.deps.runs.hold<AgentRecord>({
    name: 'agents',
    category: agentCategory,
    dueAt,
    deadline: ({ report: due, delegation }) => (due === 'due' ? null : (delegation?.deadline_at ?? null)),
    goOn: ({ state, signal }) => goOn(table, table.agents.get(state.id) ?? table.hold(state), signal),
    onLost() {
      // What is read again is what the other worker has made of them.
      for (const held of Array.from(table.agents.values())) table.forget(held)
      void takeIn(table).catch(() => {})
    },
  })
}

async function spawn(table: AgentTable, by: By, request: SpawnRequest): Promise<AgentRecord> {
  const { agents, deps } = table
  const known = agents.get(by.call)
  if (known !== undefined) return known.record
  checkLimits(table, request, by.caller.session)
  const parent = parentAt(table, by.caller.session)
  const session = sessionOf(by.call)
  const { instructions, defined, ...fields } = request
  const now = deps.clock.now()
  const { turn } = by.caller
  const isFromTurn = turn === '' || deps.runningTurns.find(turn) !== undefined
  const record: AgentRecord = {
    ...fields,
    ...(!isFromTurn && { sendsNoMail: true }),
    id: by.call,
    session,
    parent: parent?.id ?? '',
    home: by.caller.session,
    depth: (parent?.depth ?? 0) + 1,
    state: 'starting',
    messages: [{ turn: messageTurn(by.call), text: request.task, from: by.caller.actor, labels: request.labels }],
    runs: 0,
    reply: '',
    reason: '',
    report: 'none',
    created_at: now,
    queued_at: now,
    started_at: null,
    ended_at: null,
  }
  const { name, rights, model, branch } = record
  const spawner = /^(?:agent|program):/.test(by.caller.actor) ? by.caller.actor : ''
  const key = /^key:(.+)$/.exec(by.caller.actor)?.[1]
  const of = { agent: by.call, name, rights, model, instructions, home: record.home, spawner, key, branch, ...defined }
  const profile: AgentProfile = { ...of, killed: false }
  const held = table.hold(record)
  const carved =
    record.budget === undefined ? [] : [carve('child', by.call, record.budget, now, { session, above: record.home, actor: spawner })]
  // With its record it goes on.
  await save(table, held, {}, by, [{ category: profileCategory, name: session, value: profile }, ...carved, ...forgetOldest(table)])
  deps.noteEvent('agent_created', labelledFields({ agent_id: record.id, name, parent: record.parent }, record.labels), session)
  return held.record
}

async function revoke(table: AgentTable, held: Held, rights: readonly string[], by: By): Promise<readonly AgentRecord[]> {
  const { documents, restrict } = table.deps
  const denied = rights.map((right) => `!${right}`)
  const changes: DocumentChange[] = []
  const found: Held[] = []
  for (const each of [held, ...descendantsOf(table, held)]) {
    const { session } = each.record
    const profile = await documents.get<AgentProfile>(profileCategory, session)
    if (profile === null) continue
    const taken = (entries: readonly string[]): readonly string[] => [...new Set([...entries, ...denied])].toSorted()
    const { delegable } = profile.value
    const value = { ...profile.value, rights: taken(profile.value.rights), ...(delegable !== undefined && { delegable: taken(delegable) }) }
    changes.push({ category: profileCategory, name: session, value })
    found.push(each)
    restrict(session, grantOf([...value.rights, processRight]))
  }
  await documents.put(by, changes, { sync: true })
  for (const each of found) each.record = { ...each.record, rights: [...new Set([...each.record.rights, ...denied])].toSorted() }
  return found.map(({ record }) => record)
}

function topOf({ bySession }: AgentTable, session: SessionId): { readonly session: SessionId; readonly agent: string } | null {
  const agent = bySession.get(session)?.record
  let home = agent?.home ?? ''
  for (let above = home; above !== ''; above = bySession.get(above)?.record.home ?? '') home = above
  return agent === undefined || home === '' || bySession.has(home) ? null : { session: home, agent: agent.name }
}

/** Takes up what a crash left: agents that go on, ends that nobody has cleaned up. */
async function takeUp(table: AgentTable): Promise<void> {
  const known = await takeIn(table)
  for (const held of known) {
    const { home, delegation } = held.record
    held.awaited = delegation?.awaited === true && home !== '' && table.deps.lanes.isBusy(home)
  }
  await table.runs.load()
  for (const held of known) if (isOver(held.record) && childrenOf(table, held).length > 0) await cleanUp(table, held)
  for (const held of known)
    if (held.record.state === 'waiting' && childrenOf(table, held).every(({ record }) => isSettled(record)))
      await endRun(table, held, { state: held.record.keep ? 'idle' : 'done' })
}

/** The turn that waited for it has ended without its end. */
async function leave(table: AgentTable, held: Held): Promise<void> {
  held.awaited = false
  if (isSettled(held.record)) await report(table, held)
}

/** @returns the agents that there are, the oldest first */
async function takeIn(table: AgentTable): Promise<readonly Held[]> {
  const records = (await table.deps.documents.all<AgentRecord>(agentCategory)).map(({ value }) => value)
  return records.sort((a, b) => a.created_at - b.created_at).map((record) => table.agents.get(record.id) ?? table.hold(record))
}
