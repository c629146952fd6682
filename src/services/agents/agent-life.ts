/**
 * The life of an agent from admission to its end, and the mail by which its parent hears of it. A run begins with messages to its session
 * and ends when no turn of them is open; all that a restart needs is in the record before the next step.
 */
import { type AgentProfile, type DocumentChange, giveBack, profileCategory, userCaller } from '../../kernel/index.ts'
import {
  assertNever,
  type CallId,
  derivedId,
  type ErrorCode,
  fenced,
  isErrorCode,
  type JsonObject,
  errorMessage,
  OxbowError,
  type SessionId,
  toFailure,
  truncate,
  type TurnId,
} from '../../base/index.ts'
import { type DataOrigin, joinLabels, labelledFields, originOf, type Labels } from '../../protocol/index.ts'
import { agentEndMs, agentSweepMs, maxAgentMessages, maxReplyCharacters } from './limits.ts'
import { maxResultCharacters } from './delegation/limits.ts'
import { type AgentMessage, type AgentRecord, type Delegation, isOver, isSettled, mailText } from './agent-record.ts'
import { release } from './agent-control.ts'
import { chargePeers, owesPeers, spentSoFar } from './mail/charges.ts'
import { type AgentTable, type By, byKernel, childrenOf, descendantsOf, type Held, save, type Verdict } from './agent-table.ts'

/** When an agent goes on: at once while it has messages or its end is not reported, and at its deadline while it waits for its children. */
export function dueAt({ state, queued_at: queuedAt, delegation, report: due }: AgentRecord): number | null {
  if (state === 'starting' || state === 'running' || due === 'due') return queuedAt
  return state === 'waiting' ? (delegation?.deadline_at ?? null) : null
}

/** Takes an agent on from where its record says it is: to its place, and through its turns to the end of this run. */
export async function goOn(table: AgentTable, held: Held, signal: AbortSignal): Promise<void> {
  if (held.record.report === 'due') return report(table, held)
  const { queue } = table.deps.runs
  const { id, session, priority, queued_at: since, state } = held.record
  try {
    if (state === 'running') queue.occupy({ key: id, session })
    const isIn = state === 'running' || (state === 'starting' && (await queue.enter({ key: id, session, priority, since }, signal)))
    // One that waits for its children is taken on at its deadline.
    signal.throwIfAborted()
    if (!isIn) return
    await begin(table, held)
    while (held.record.state === 'running') await goOnRunning(table, held, signal)
  } catch (error) {
    if (signal.reason !== 'deadline') throw error
    await fail(table, held, 'Its deadline is over.', 'timeout')
  } finally {
    if (signal.aborted) queue.leave(id)
    await held.saved
  }
}

/** Waits until the turns of its messages have ended, and settles the run; closes it if it gives no sign of life. */
async function goOnRunning(table: AgentTable, held: Held, signal: AbortSignal): Promise<void> {
  const { runs, clock, config } = table.deps
  const { zombie_s: zombieS } = config
  held.last = null
  for (held.ended = 0; held.ended < held.record.messages.length;) {
    const { turn } = held.record.messages[held.ended]!
    const outcome = await runs.turns.endedBy(turn, clock.now() + Math.min(agentSweepMs, (zombieS * 1_000) / 4), signal)
    if (held.record.state !== 'running') return
    if (outcome === null) {
      if (await isDead(table, held)) return fail(table, held, `no sign of life for ${zombieS} s`)
      continue
    }
    held.ended += 1
    if (outcome['status'] !== 'merged') held.last = outcome
  }
  await settle(table, held)
}

async function isDead({ deps }: AgentTable, held: Held): Promise<boolean> {
  const { clock, config, callsOf, isAsking, lastRecordAt } = deps
  const { session, paused } = held.record
  const isLate = (): boolean => clock.now() - held.beat >= config.zombie_s * 1_000
  // A call has its own time limit, and an approval waits as long as it must.
  if (callsOf(session).length > 0 || isAsking(session) || paused === true) held.beat = clock.now()
  if (!isLate()) return false
  // Another guest may run it.
  held.beat = Math.max(held.beat, await lastRecordAt(session))
  return isLate() && held.record.state === 'running'
}

/** Sends all its messages to its session. Safe to repeat after a crash: those that were sent are not sent again. */
async function begin(table: AgentTable, held: Held): Promise<void> {
  const { clock, noteEvent, sessions, runs } = table.deps
  const { session, name, id } = held.record
  Object.assign(held, { ended: 0, last: null, begun: false, beat: clock.now() })
  try {
    // Only who takes mail is paid for it. After a crash it counts on.
    const isPaid = held.record.mail !== undefined && held.record.spent_before === undefined
    const counted = isPaid ? { spent_before: await spentSoFar(table, held) } : {}
    if (isOver(held.record)) return
    const saved = save(table, held, { ...counted, state: 'running', started_at: clock.now() })
    const title = truncate(`${name}: ${held.record.task.split('\n', 1)[0]}`, 100)
    await Promise.all([saved, runs.turns.openSession(session, title)])
    noteEvent('agent_started', labelledFields({ agent_id: id, name }, held.record.labels), session)
    sessions.join({ session }, held.record.labels, held.record.home === '' ? [] : [originOf('session', held.record.home)])
    // More messages may come meanwhile.
    for (let i = 0; i < held.record.messages.length; i++) await launch(table, held, held.record.messages[i]!)
    held.begun = true
  } catch (error) {
    await fail(table, held, errorMessage(error)).catch(() => {})
  }
}

/** One that was sent before a crash resumes here, has ended, or runs in another guest. */
async function launch(table: AgentTable, held: Held, { turn, text, from, labels }: AgentMessage): Promise<void> {
  if (isOver(held.record) || table.stopped) return
  const { session, model } = held.record
  await table.deps.runs.turns.send({ session, turn, text, actor: from, model, labels, from: senderOf(from) })
}

async function settle(table: AgentTable, held: Held): Promise<void> {
  const { last, record } = held
  const isOk = last?.['status'] === 'ok'
  if (!isOk && !record.keep) return fail(table, held, whyEnded(last), codeOf(last))
  const hasWorkingChildren = childrenOf(table, held).some(({ record: child }) => !isSettled(child))
  const state = isOk && hasWorkingChildren ? 'waiting' : record.keep ? 'idle' : 'done'
  const reply = replyOf(last, record)
  if (state === 'done' && record.delegation !== undefined) return settleDelegated(table, held, record.delegation, reply)
  await endRun(table, held, { state, reason: isOk ? '' : whyEnded(last), reply, runs: record.runs + 1 })
}

/** The answer has to match the schema of the result. One that does not is returned to the agent, as often as `maxRepairs`. */
async function settleDelegated(table: AgentTable, held: Held, delegation: Delegation, reply: string): Promise<void> {
  const { record } = held
  const verdict = await table.deps.delegated.judge(record, reply).catch(cannotJudge)
  // It was ended meanwhile, or answers another message.
  if (held.record.state !== 'running' || held.record.messages.length > held.ended) return
  switch (verdict.is) {
    case 'accepted':
      held.record = { ...held.record, delegation: { ...delegation, ...(verdict.value !== undefined && { value: verdict.value }) } }
      return endRun(table, held, { state: 'done', reason: '', reply, runs: record.runs + 1 })
    case 'failed':
      return fail(table, held, verdict.reason, verdict.code)
    case 'returned': {
      const repairs = delegation.repairs + 1
      held.record = { ...held.record, delegation: { ...delegation, repairs } }
      const turn = derivedId('repair', record.id, repairs) as TurnId
      return post(table, held, { turn, text: verdict.text, from: 'kernel', labels: [] })
    }
    default:
      return assertNever(verdict)
  }
}

function cannotJudge(error: unknown): Verdict {
  const { message, code } = toFailure(error, 'internal_failure', '')
  return { is: 'failed', reason: `Its result cannot be judged: ${message}`, code }
}

/** Closes an agent that cannot go on. */
async function fail(table: AgentTable, held: Held, reason: string, code?: ErrorCode): Promise<void> {
  if (isOver(held.record)) return
  const { session, delegation, runs, messages } = held.record
  if (messages.length > held.ended) table.deps.lanes.cancel(session)
  const reply = replyOf(held.last, held.record)
  const partial = reply === '' && delegation !== undefined ? await table.deps.delegated.partial(session).catch(() => '') : reply
  await loadLabels(table, held)
  if (isOver(held.record)) return
  await endRun(table, held, { state: 'failed', reason, code, reply: partial, runs: runs + 1 })
}

/** After a restart nobody may have needed its session yet, and one that is not known counts as having read everything. */
async function loadLabels({ deps }: AgentTable, { record }: Held): Promise<void> {
  if (record.started_at !== null) await deps.sessions.load(record.session).catch(() => {})
}

/** Ends a run: with its answer, or for good. Resolves when what it ran has ended and its end is reported. */
export async function endRun(
  table: AgentTable,
  held: Held,
  change: Partial<AgentRecord> & Pick<AgentRecord, 'state'>,
  by?: By,
  more: readonly DocumentChange[] = [],
): Promise<void> {
  const { sessions, runs, lanes, clock, noteEvent } = table.deps
  const { id, name, session, home, labels, messages } = held.record
  const isGoingOn = change.state === 'waiting'
  const charges = owesPeers(held.record) ? await chargePeers(table, held) : []
  // It was killed meanwhile.
  if (charges.length > 0 && isOver(held.record)) return
  if (isOver(change)) table.deps.restrict(session, null)
  held.begun = false
  const read = held.record.started_at === null ? [] : sessions.held({ session })
  const ended: Partial<AgentRecord> = {
    ...change,
    messages: [],
    spent_before: undefined,
    labels: joinLabels(labels, read),
    report: home === '' || isGoingOn ? 'none' : 'due',
    ...(!isGoingOn && { ended_at: clock.now() }),
  }
  const back = held.record.budget !== undefined && isOver(change) ? [giveBack('child', id)] : []
  const saved = save(table, held, ended, by, [...more, ...charges, ...back])
  runs.queue.leave(id)
  await saved
  if (change.state === 'killed') lanes.cancel(session)
  if (isGoingOn) return
  const said = (fields: JsonObject): JsonObject => labelledFields({ agent_id: id, name, ...fields }, held.record.labels)
  if (change.state === 'failed') noteEvent('agent_failed', said({ error: truncate(change.reason ?? '', 200) }), session)
  else noteEvent('agent_stopped', said({ state: change.state }), session)
  if (isOver(held.record)) {
    release(table, held)
    await cleanUp(table, held, messages, by)
  }
  table.waits.settled()
}

/** Ends what an agent that is over leaves behind: children, a running turn, processes. */
export async function cleanUp(
  table: AgentTable,
  held: Held,
  messages: readonly AgentMessage[] = [],
  by: By = byKernel(table),
): Promise<void> {
  const { orphans: rule, parent, home } = held.record
  const orphans = childrenOf(table, held)
  if (rule === 'kill') await Promise.all(orphans.map((child) => kill(table, child, 'its parent ended', by)))
  else if (rule === 'adopt') await Promise.all(orphans.map((child) => save(table, child, { parent, home }, by)))
  await quiet(table, held.record.session, messages)
  await reap(table, held)
}

/** Waits until nothing of its messages runs in its session. */
async function quiet({ deps }: AgentTable, session: SessionId, messages: readonly AgentMessage[]): Promise<void> {
  const until = deps.clock.now() + agentEndMs
  for (const { turn } of messages) if (deps.lanes.isBusy(session)) await deps.runs.turns.endedBy(turn, until)
}

/** Ends the sessions and jobs that its turns left in the sandbox, each with all its processes. */
async function reap({ deps, stopped }: AgentTable, held: Held): Promise<void> {
  if (!held.runsPrograms || stopped) return
  held.runsPrograms = false
  const { session, branch, id: agent } = held.record
  const caller = { ...userCaller(deps.user, session, ''), actor: 'kernel', ...(branch !== undefined && { branch }) }
  const ask = (name: string, input: JsonObject) => deps.gate.call(caller, name, input, { id: deps.newId() as CallId, signal: null })
  const listed = await ask('shell.session_list', {})
  const open = listed.status === 'ok' ? (listed.output as { sessions: readonly { id: string }[] }).sessions : []
  await Promise.all(open.map(({ id }) => ask('shell.session_close', { id })))
  if (branch === agent) await deps.restBranch(branch)
}

/**
 * Resolves when it and what it ran has ended. @param labels of the reason, which its parent reads
 * @returns the agents that were killed, itself first; none if it was over
 */
export async function kill(table: AgentTable, held: Held, reason: string, by: By, labels: Labels = []): Promise<readonly AgentRecord[]> {
  const { documents } = table.deps
  const { session } = held.record
  const profile = await documents.get<AgentProfile>(profileCategory, session)
  await loadLabels(table, held)
  if (isOver(held.record)) return []
  const below = descendantsOf(table, held)
  const value = profile === null ? null : { ...profile.value, killed: true }
  held.record = { ...held.record, labels: joinLabels(held.record.labels, labels) }
  await endRun(table, held, { state: 'killed', reason }, by, [{ category: profileCategory, name: session, value }])
  return [held, ...below].map((each) => each.record).filter(({ state }) => state === 'killed')
}

/** Reports an end to the parent, unless it has it or waits for it. */
export async function report(table: AgentTable, held: Held): Promise<void> {
  const { record } = held
  if (record.report !== 'due' || record.home === '' || held.awaited || table.waits.covers(record) || table.stopped) return
  const turn = derivedId('mail', record.id, record.runs, record.state) as TurnId
  const fence = (reply: string): string => marked(reply, turn, record.labels)
  const text = record.delegation === undefined ? mailText(record, fence) : await table.deps.delegated.mail(record, fence)
  if (record.sendsNoMail !== true) await deliver(table, record.home, { turn, text, from: `agent:${record.name}`, labels: record.labels })
  await save(table, held, { report: 'sent' })
}

/** A message of a person says nothing of where its labels come from. */
function senderOf(actor: string): readonly DataOrigin[] {
  return actor.startsWith('agent:') ? [originOf('agent', actor.slice('agent:'.length))] : []
}

/** Text of an agent as its parent reads it: data, where the agent has read untrusted text. */
export function marked(text: string, turn: TurnId, labels: Labels): string {
  return labels.includes('untrusted') ? fenced(text, turn as string as CallId) : text
}

/** Sends a message to a parent: an agent, or the session of a person. */
export async function deliver(table: AgentTable, home: SessionId, message: AgentMessage): Promise<void> {
  const parent = table.bySession.get(home)
  if (parent !== undefined) return isOver(parent.record) ? undefined : post(table, parent, message)
  const { turn, text, from, labels } = message
  try {
    await table.deps.runs.turns.send({ session: home, turn, text, actor: from, labels, from: senderOf(from) })
  } catch {
    // The session was deleted, or takes no more messages: `agent.list` has the answer.
  }
}

/** Gives an agent a message: at once while it runs, else with its next run. @throws OxbowError `limit_reached` */
export async function post(
  table: AgentTable,
  held: Held,
  message: AgentMessage,
  by?: By,
  also: Pick<Partial<AgentRecord>, 'received'> = {},
): Promise<void> {
  const { record } = held
  if (record.messages.some(({ turn }) => turn === message.turn)) return
  if (record.messages.length >= maxAgentMessages)
    throw new OxbowError('limit_reached', `${maxAgentMessages} messages wait for ${record.name}.`, { hint: 'Wait for its answer.' })
  const change = { ...also, messages: [...record.messages, message] }
  if (record.state === 'running') {
    const isBegun = held.begun
    await save(table, held, change, by)
    return isBegun ? launch(table, held, message) : undefined
  }
  if (record.state === 'starting') return save(table, held, change, by)
  await save(table, held, { ...change, state: 'starting', queued_at: table.deps.clock.now(), report: 'none' }, by)
}

function replyOf(outcome: JsonObject | null, { delegation }: AgentRecord): string {
  const reply = outcome?.['reply']
  // One character more than a result may have, so that a longer one is noticed.
  const max = delegation === undefined ? maxReplyCharacters : maxResultCharacters + 1
  return typeof reply === 'string' ? truncate(reply, max) : ''
}

function codeOf(outcome: JsonObject | null): ErrorCode | undefined {
  const failure = outcome?.['failure'] as { readonly code?: unknown } | null | undefined
  return isErrorCode(failure?.code) ? failure.code : undefined
}

function whyEnded(outcome: JsonObject | null): string {
  const failure = outcome?.['failure'] as { readonly message?: string } | null | undefined
  const text = outcome?.['text']
  return truncate(failure?.message ?? (typeof text === 'string' ? text : 'Its turn ended without an answer.'), 500)
}
