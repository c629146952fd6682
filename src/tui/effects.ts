/** Does what the reducer asks for, by calls of the gateway; each result comes back as an event. Nothing here throws. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  agentGoal,
  type AgentLine,
  agentSpent,
  agentState,
  agentTree,
  badgeText,
  commandCall,
  costLines,
  formatTime,
  isNoCommand,
  isUsed,
  labelBadges,
  modeBadge,
  ownCommands,
  plainLine,
  plainText,
  promptCall,
  statusRows,
  table,
  screenCommands,
  undoQuestion,
  wayBack,
} from '../terminal/index.ts'
import { assertNever, type CallId, OxbowError, toError, toFailure, nearestNames } from '../base/index.ts'
import type { SessionInfo, InputOf, MadeCall, OutputOf } from '../protocol/index.ts'
import { maxListed, maxRuleTries, maxVersions, ruleRetryMs, watchAgentsMs } from './limits.ts'
import { newPicker, type PickerRow } from './picker.ts'
import type { Ports } from './ports.ts'
import type { Decision } from './question.ts'
import type { SessionLink } from './session-link.ts'
import type { Effect, Event } from './state.ts'
import { createFileFinder } from './file-finder.ts'

/** Effects on the terminal itself, which its driver has. */
type DriverEffect = { readonly type: 'redraw' | 'suspend' | 'exit' | 'set_theme' }
export type OutsideEffect = Exclude<Effect, DriverEffect>

export function isOutside(effect: Effect): effect is OutsideEffect {
  return !['redraw', 'suspend', 'exit', 'set_theme'].includes(effect.type)
}

interface Doing {
  readonly link: SessionLink
  readonly ports: Ports
  readonly dispatch: (event: Event) => void
}

export function createEffects(doing: Doing): (effect: OutsideEffect) => Promise<void> {
  const finder = createFileFinder(doing.link, doing.ports)
  return async (effect) => {
    try {
      if (effect.type === 'complete_files') doing.dispatch({ type: 'files', query: effect.query, files: await finder.find(effect.query) })
      else await perform(effect, doing)
    } catch (error) {
      const { message, hint } = toFailure(error, 'guest_unreachable', 'See `oxbow logs`.')
      if (effect.type === 'complete_files') doing.dispatch({ type: 'files', query: effect.query, files: [] })
      else doing.dispatch({ type: 'say', text: plainLine(`${message.replace(/(?<![.!?:…])$/, '.')} ${hint}`, 300), isError: true })
    }
  }
}

async function perform(effect: Exclude<OutsideEffect, { type: 'complete_files' }>, doing: Doing): Promise<void> {
  const { link, ports, dispatch } = doing
  switch (effect.type) {
    case 'send':
      return link.send(effect)
    case 'cancel': {
      const session = link.current()
      if (session !== null) await link.gateway().cancelTurn(session)
      return
    }
    case 'cancel_all':
      return cancelAll(doing)
    case 'load_older':
      return link.loadOlder(effect.before)
    case 'open':
      return link.open(effect.prefix)
    case 'open_newest':
      return link.openNewest()
    case 'new':
      return link.leave(effect.title)
    case 'attach':
      return dispatch({ type: 'attached', file: await ports.findFile(effect.path) })
    case 'prompt': {
      // In the session, which has read untrusted text from then on. The person sees it before it is sent.
      const [call, input] = promptCall(effect.words)
      const { text } = await ask(doing, call, input, true)
      return dispatch({ type: 'draft', text: plainText(text) })
    }
    case 'expand':
      return expand(effect, doing)
    case 'list_commands':
      return dispatch({ type: 'commands', own: await ownCommands(link.gateway()) })
    case 'list_models':
    case 'choose_model':
      return chooseModel(effect.type === 'choose_model' ? effect.model : '', doing)
    case 'list_definitions':
    case 'choose_agent':
      return definitionEffect(effect, doing)
    case 'offer_rules':
      return offerRules(effect.call, doing)
    case 'decide':
      return decide(effect.call, effect.decision, doing)
    case 'cost':
    case 'count_cost':
      return showCost(effect.type === 'count_cost', doing)
    case 'read_labels':
      return readLabels(doing)
    case 'show_status':
      return dispatch({ type: 'note', tone: 'info', text: plainText(table(statusRows(await link.gateway().status(), 'a file'))) })
    case 'list_sessions':
    case 'list_approvals':
      return effect.type === 'list_sessions' ? listSessions(doing) : listApprovals(doing)
    case 'watch_agents':
    case 'control_agent':
      return agentEffect(effect, doing)
    case 'list_turns':
    case 'preview_undo':
    case 'undo':
      return undo(effect, doing)
    case 'fork':
    case 'rename':
    case 'archive':
    case 'compact':
      return changeSession(effect, doing)
    default:
      return assertNever(effect)
  }
}

/** @throws OxbowError as the call failed */
async function ask<Name extends string>(
  { link }: Doing,
  name: Name & MadeCall<Name>,
  input: InputOf<Name>,
  inSession = false,
): Promise<{ readonly output: OutputOf<Name>; readonly text: string }> {
  const session = link.current()
  const outcome = await link.gateway().call<Name>(name, input, inSession && session !== null ? session : undefined)
  if (outcome.status === 'ok') return outcome
  throw toError(outcome.failure)
}

/** Expands one of the person's own commands. */
async function expand({ name, line }: Extract<Effect, { type: 'expand' }>, { link, dispatch }: Doing): Promise<void> {
  const asked = commandCall(line)
  const outcome = asked === null ? null : await link.gateway().call(...asked)
  if (outcome?.status === 'ok') return dispatch({ type: 'expanded', text: outcome.text })
  if (outcome !== null && !isNoCommand(outcome.failure)) {
    // Longer than the line of notices, and it names what to do.
    const { message, hint } = outcome.failure
    return dispatch({ type: 'note', tone: 'error', text: plainText(`${message}\n${hint}`) })
  }
  const [near = ''] = nearestNames(
    name,
    screenCommands.map((command) => command.name),
    2,
  )
  dispatch({
    type: 'say',
    text: `There is no command /${name}.${near === '' ? ' /help lists them.' : ` Did you mean /${near}?`}`,
    isError: true,
  })
}

async function cancelAll({ link, dispatch }: Doing): Promise<void> {
  const busy = (await link.gateway().listSessions(maxListed)).filter((session) => session.busy)
  const stopped = await Promise.all(busy.map(({ id }) => link.gateway().cancelTurn(id)))
  const count = stopped.filter(Boolean).length
  dispatch({ type: 'say', text: count === 0 ? 'No turn is running.' : `Stopped ${count} ${count === 1 ? 'turn' : 'turns'}.` })
}

async function listSessions({ link, dispatch }: Doing): Promise<void> {
  const current = link.current()
  const listed = (await link.gateway().listSessions(maxListed)).filter((session) => isUsed(session) || session.id === current)
  const rows = listed.map((session) => ({
    id: session.id,
    label: sessionLabel(session),
    detail: `${formatTime(session.active_at)}  ${session.turns} ${session.turns === 1 ? 'turn' : 'turns'}  ${session.id.slice(0, 8)}`,
  }))
  dispatch({ type: 'dialog', dialog: newPicker('sessions', 'Sessions', rows, current ?? '') })
}

function sessionLabel({ title, busy, parent }: SessionInfo): string {
  return `${busy ? '● ' : ''}${parent === undefined ? '' : '⑂ '}${title === '' ? '(no title)' : title}`
}

/** @param model empty: lets the person choose */
async function chooseModel(model: string, doing: Doing): Promise<void> {
  const { models } = (await ask(doing, 'model.usable', { model, limit: maxListed })).output
  const rows = models.map(({ id, context_tokens: size }) => ({ id, label: id, detail: `${Math.round(size / 1_000)}k` }))
  if (model === '') doing.dispatch({ type: 'dialog', dialog: newPicker('models', 'Model of the next messages', rows) })
  else doing.dispatch({ type: 'model', model: rows[0]?.id ?? model })
}

async function listApprovals(doing: Doing): Promise<void> {
  const { output } = await ask(doing, 'approval.list', {})
  const rows = output.map(({ session, name, input }) => ({
    id: session,
    label: `${name} ${plainLine(input, 100)}`,
    detail: session.slice(0, 8),
  }))
  if (rows.length === 0) doing.dispatch({ type: 'say', text: 'No call waits for approval.' })
  else doing.dispatch({ type: 'dialog', dialog: newPicker('approvals', 'Calls that wait for approval', rows) })
}

async function offerRules(call: CallId, doing: Doing): Promise<void> {
  const find = (): Promise<OutputOf<'approval.list'>[number] | undefined> =>
    ask(doing, 'approval.list', {}).then(
      ({ output }) => output.find((one) => one.call === call),
      () => undefined,
    )
  let waiting = await find()
  // A guest that has just started resumes the turn, and has not come to the call yet.
  for (let tries = 0; waiting === undefined && tries < maxRuleTries; tries++) {
    await sleep(ruleRetryMs)
    waiting = await find()
  }
  doing.dispatch({ type: 'rules', call, rules: waiting?.rules ?? [], labels: (waiting?.labels ?? []).length > 0 })
}

async function decide(call: CallId, decision: Decision, doing: Doing): Promise<void> {
  try {
    const { output } = await ask(doing, 'call.decide', { call, ...decision })
    doing.dispatch({ type: 'decided', call, next: (output as { next?: string }).next ?? '' })
  } catch (error) {
    doing.dispatch({ type: 'decide_failed', call, failure: toFailure(error, 'guest_unreachable', '') })
  }
}

async function showCost(isQuiet: boolean, doing: Doing): Promise<void> {
  const { link, dispatch } = doing
  const session = link.current()
  const { output } = await ask(doing, 'budget.show', {}, true)
  const spent = (output as { session?: { spent?: { microDollars?: number } } | null }).session?.spent?.microDollars ?? 0
  if (session !== null) dispatch({ type: 'spent', session, microDollars: spent })
  if (!isQuiet) dispatch({ type: 'note', tone: 'info', text: costLines(output) })
}

async function readLabels(doing: Doing): Promise<void> {
  const session = doing.link.current()
  if (session === null) return
  const [read, strictness] = await Promise.all([ask(doing, 'flow.show', { session }), ask(doing, 'session.mode', { session })])
  doing.dispatch({ type: 'labels', session, labels: labelBadges(read.output), mode: modeBadge(strictness.output) })
}

type UndoEffect = Extract<Effect, { type: 'list_turns' | 'preview_undo' | 'undo' }>

async function undo(effect: UndoEffect, doing: Doing): Promise<void> {
  const { dispatch } = doing
  if (effect.type === 'undo') {
    const { text } = await ask(doing, 'version.undo', effect.input)
    const next = wayBack(effect.input.redo === true, (words) => `/${words}`)
    return dispatch({ type: 'note', tone: 'info', text: plainText(`${text}\n${next}`) })
  }
  if (effect.type === 'list_turns') {
    const { turns } = (await ask(doing, 'version.turns', { limit: maxVersions })).output
    const rows = turns
      .filter(({ undone }) => !undone)
      .map(({ turn, at, author, subject }) => ({ id: turn, label: subject, detail: `${formatTime(at)}  ${author}` }))
    if (rows.length === 0)
      return dispatch({
        type: 'say',
        text: 'There is no turn to undo: none has changed anything that an undo takes back, or all are undone.',
      })
    return dispatch({ type: 'dialog', dialog: newPicker('turns', 'Undo a turn', rows) })
  }
  const { output, text } = await ask(doing, 'version.undo', effect.input)
  const lines = plainText(`${text}\n\n${output.diff}`.trim()).split('\n')
  const verb = effect.input.redo === true ? 'Redo' : 'Undo'
  const title = `${verb}: ${plainLine(effect.title || output.subject, 60)}`
  dispatch({ type: 'dialog', dialog: { kind: 'preview', title, lines, question: undoQuestion(effect.input, output), scroll: 0 } })
}

type SessionEffect = Extract<Effect, { type: 'fork' | 'rename' | 'archive' | 'compact' }>

async function changeSession(effect: SessionEffect, doing: Doing): Promise<void> {
  const { link, dispatch } = doing
  const session = link.current()
  if (session === null) return
  switch (effect.type) {
    case 'fork': {
      const { output } = await ask(doing, 'session.fork', { session, ...(effect.message !== null && { message: effect.message }) })
      await link.open(output.session)
      return dispatch({ type: 'say', text: 'This is a new session that continues from there; the other one is unchanged.' })
    }
    case 'rename':
      await ask(doing, 'session.rename', { session, title: effect.title })
      dispatch({ type: 'title', title: plainLine(effect.title, 200) })
      return dispatch({ type: 'say', text: 'Renamed.' })
    case 'archive':
      await ask(doing, 'session.archive', { session, archived: true })
      link.leave('')
      return dispatch({ type: 'say', text: 'Archived. The next message starts another session.' })
    case 'compact':
      return dispatch({ type: 'say', text: (await ask(doing, 'session.compact', { session })).text })
  }
}

// Who answers: the usual agent, or one that the person has defined.

type DefinitionEffect = Extract<Effect, { type: 'list_definitions' | 'choose_agent' }>

async function definitionEffect(effect: DefinitionEffect, doing: Doing): Promise<void> {
  const { link, dispatch } = doing
  if (effect.type === 'choose_agent') {
    await link.chooseAgent(effect.agent)
    const who = effect.agent === '' ? 'The usual agent' : plainLine(effect.agent, 60)
    return dispatch({ type: 'say', text: `${who} answers from the next message on.` })
  }
  const { definitions } = (await ask(doing, 'definition.list', { kind: 'agents' })).output
  const ready = definitions.filter(({ state }) => state === 'ready')
  if (ready.length === 0) return dispatch({ type: 'say', text: 'There is no other agent. oxbow character import FILE makes one.' })
  const rows = [{ id: '', label: 'the usual agent', detail: '' }, ...ready.map(({ name }) => ({ id: name, label: name, detail: '' }))]
  dispatch({ type: 'dialog', dialog: newPicker('definitions', 'Who answers', rows) })
}

// The agents of a guest: their tree, and what a person does with one.

type AgentEffect = Extract<Effect, { type: 'watch_agents' | 'control_agent' }>

async function agentEffect(effect: AgentEffect, doing: Doing): Promise<void> {
  if (effect.type === 'control_agent') return controlAgent(effect, doing)
  if (!effect.isFirst) await sleep(watchAgentsMs)
  doing.dispatch({ type: 'agents', rows: agentTree(await agentsOf(doing)).map(agentRow), isFirst: effect.isFirst })
}

async function agentsOf(doing: Doing): Promise<readonly AgentLine[]> {
  return (await ask(doing, 'agent.list', { ended: false, limit: maxListed })).output.agents
}

function agentRow({ agent, rails }: ReturnType<typeof agentTree>[number]): PickerRow {
  const label = `${rails}${plainLine(agent.name, 30)} · ${agentState(agent)} · ${agentGoal(agent, 60)}`
  const badge = badgeText(labelBadges(agent))
  return { id: agent.session, label, detail: `${badge === '' ? '' : `${badge} · `}${agentSpent(agent)}` }
}

async function controlAgent({ verb, agent: ref, argument }: Extract<AgentEffect, { type: 'control_agent' }>, doing: Doing): Promise<void> {
  const agents = await agentsOf(doing)
  const [agent, ...others] = agents.filter(({ id, name }) => name === ref || (ref.length >= 4 && id.startsWith(ref)))
  if (agent === undefined || others.length > 0)
    throw new OxbowError(
      agent === undefined ? 'not_found' : 'bad_input',
      agent === undefined ? `No agent is called ${ref}.` : `${others.length + 1} agents are called ${ref}.`,
      {
        hint: '/agents lists them; the beginning of an id names one.',
      },
    )
  const { id, name } = agent
  const isPaused = agent.state === 'paused'
  switch (verb) {
    case 'tell':
      await ask(doing, 'agent.send', { to: id, text: argument })
      return doing.dispatch({ type: 'say', text: `${name} reads it at its next step.` })
    case 'pause':
      await ask(doing, isPaused ? 'agent.resume' : 'agent.pause', { agent: id })
      return doing.dispatch({
        type: 'say',
        text: isPaused ? `${name} goes on.` : `${name} stops before its next step; /pause ${name} lets it go on.`,
      })
    case 'raise':
      await ask(doing, 'agent.raise', { agent: id, tokens: Number(argument) })
      return doing.dispatch({ type: 'say', text: `${name} may use ${argument} more tokens.` })
    case 'kill':
      await ask(doing, 'agent.kill', { agent: id })
      return doing.dispatch({ type: 'say', text: `${name} has ended.` })
  }
}
