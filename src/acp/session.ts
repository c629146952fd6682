/**
 * One session in an editor: prompts become turns, events become updates, and what waits for approval becomes a question. The session
 * itself is the guest's: it goes on when the editor, this program or the guest ends.
 */
import type { ContentBlock, McpServer, PromptResponse, SessionUpdate } from '@agentclientprotocol/sdk'
import type { FollowEvent } from '../client/index.ts'
import {
  type CallId,
  createIdMaker,
  type Failure,
  folderNote,
  errorMessage,
  OxbowError,
  type SessionId,
  systemClock,
  systemRandom,
  toError,
} from '../base/index.ts'
import {
  answerTo,
  type ClientResult,
  type ClientTools,
  endsTurn,
  type PendingApproval,
  pendingOf,
  readStep,
  isMessage,
  type RecordView,
  type SentMedia,
  type TurnEnd,
} from '../protocol/index.ts'
import { expandCommand, runCommand } from './commands.ts'
import type { Editor } from './editor.ts'
import { askForFolder } from './folder-question.ts'
import { editorForm, fillIn } from './elicit.ts'
import { editorTools, runEditorTool } from './editor-tools.ts'
import type { GuestLink } from './guest-link.ts'
import { cancelWaitMs, listedSessions, maxFormTries } from './limits.ts'
import { showMedia } from './media.ts'
import type { ModelChoice } from './model-option.ts'
import { type Decision, decisionOf, permissionRequest, rulesFor } from './permissions.ts'
import type { AcpPorts, Gateway } from './ports.ts'
import { messageOf } from './prompt.ts'
import type { EditorServers } from './servers/editor-servers.ts'
import { createUpdateFold } from './updates.ts'

/** How much is asked. `configured`: as `[approval]` says. The others are stricter, but for `approve`, which answers for the person. */
export const modes = [
  { id: 'configured', name: 'As configured', description: 'Oxbow asks where its configuration says so.' },
  { id: 'ask', name: 'Ask before changes', description: 'Whatever changes something asks.' },
  { id: 'read_only', name: 'Read only', description: 'Whatever changes something is refused.' },
  { id: 'approve', name: 'Approve all', description: 'Allows whatever would ask, for as long as this mode is on.' },
] as const

export type ModeId = (typeof modes)[number]['id']

export interface EditorSession {
  readonly id: SessionId
  readonly choice: ModelChoice
  mode(): ModeId
  /** A stricter mode stays with the session, whoever opens it next; `approve` ends with this editor. @throws OxbowError */
  setMode(mode: ModeId): Promise<void>
  /** @throws OxbowError */
  prompt(blocks: readonly ContentBlock[], signal: AbortSignal): Promise<PromptResponse>
  cancel(): void
  /** Follows from the last of these records on. @throws OxbowError */
  follow(past: readonly RecordView[]): Promise<void>
  /** Shows the past. */
  replay(past: readonly RecordView[]): void
  /** Cancels what runs. */
  close(): void
  /** The editor has gone: what runs goes on. */
  detach(): void
  /** Whether it was begun here, and nobody has said or chosen anything in it since. */
  isUnused(): boolean
}

interface SessionDeps {
  readonly id: SessionId
  readonly editor: Editor
  readonly link: GuestLink
  readonly ports: AcpPorts
  readonly contextTokens: () => number
  /** As the guest has it. */
  readonly mode: ModeId
  readonly choice: ModelChoice
  /** Folder of the person in which the editor works: the first message names it. Empty: it was named in an earlier one. */
  readonly folder: string
  readonly servers: EditorServers
  /** Whether it was begun by this editor just now. */
  readonly isNew: boolean
  /** Servers of tools that the editor names for this session, and the folder in which it opened it. */
  readonly named: { readonly servers: readonly McpServer[]; readonly folder: string }
}

const newId = createIdMaker(systemClock, systemRandom) as () => CallId

export function createEditorSession(deps: SessionDeps): EditorSession {
  const { id, editor, link, ports } = deps
  const turns = createTurns()
  let { mode, folder, named } = deps
  let stop = (): void => {}
  let isUnused = deps.isNew
  const show = (update: SessionUpdate): void => editor.update(id, update)
  const onMedia = (media: SentMedia): void => {
    void showMedia(media, link).then((content) => content !== null && show({ sessionUpdate: 'agent_message_chunk', content }))
  }
  const fold = createUpdateFold({ ownPath: ports.ownPath, contextTokens: deps.contextTokens, onMedia })
  const questions = createQuestions(deps, () => mode)
  const wish = (): ClientTools => ({ tools: editorTools(editor.capabilities()) })
  const take = (event: FollowEvent): void => {
    fold.live(event, turns.isOwn).forEach(show)
    if (event.type === 'record' && isMessage(event.record)) isUnused = false
    if (event.type === 'record') turns.take(event.record)
    takeQuestions(event, questions)
    if (event.type === 'ended') turns.fail(event.failure)
  }
  const send = async (blocks: readonly ContentBlock[], cancelled: AbortSignal): Promise<PromptResponse> => {
    const { text, attachments } = await messageOf(blocks, ports, await link.gateway())
    const place = folder === '' ? '' : await askForFolder(id, folder, deps, cancelled)
    // Not where it failed: the next message tries again.
    folder = ''
    const { servers } = named
    if (servers.length > 0 && (await deps.servers.offer(id, servers, named.folder, cancelled))) named = { ...named, servers: [] }
    if (cancelled.aborted) return { stopReason: 'cancelled' }
    const note = place === '' ? '' : folderNote(place, 'The editor works')
    return converse(deps, turns, wish, { text: text + note, attachments, client: wish() }, cancelled)
  }
  const answer = async (blocks: readonly ContentBlock[], cancelled: AbortSignal): Promise<PromptResponse> => {
    const command = await runCommand(blocks, id, link)
    if (command === null) return send(await expandCommand(blocks, link), cancelled)
    show({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: command } })
    return { stopReason: 'end_turn' }
  }
  const showTitle = createTitle(id, link, show)
  const leave = (): void => (questions.close(), turns.cancel())
  return {
    id,
    choice: deps.choice,
    mode: () => mode,
    isUnused: () => isUnused,
    async setMode(wanted) {
      isUnused = false
      await setModeOf(id, wanted, link)
      mode = wanted
    },
    async prompt(blocks, signal) {
      isUnused = false
      // Before anything is waited for: a cancellation may follow at once.
      const cancelling = turns.cancelling(signal)
      try {
        return await Promise.race([answer(blocks, cancelling.signal), cancelling.late])
      } finally {
        cancelling.end()
        await editor.written()
        void showTitle()
      }
    },
    cancel: leave,
    async follow(past) {
      stop = await link.follow(id, past, take)
    },
    replay: (past) => past.flatMap(fold.past).forEach(show),
    close: () => (leave(), stop()),
    detach: () => (questions.close(), stop()),
  }
}

function takeQuestions(event: FollowEvent, { ask, settled }: ReturnType<typeof createQuestions>): void {
  if (event.type === 'record' && event.record.phase === 'parked') ask(pendingOf(event.record))
  else if (event.type === 'record' && event.record.phase !== 'intent') settled(event.record.call)
  if (event.type === 'caught_up') event.pending.forEach(ask)
  if (event.type === 'approval' && event.waits) ask(event.approval)
  else if (event.type === 'approval') settled(event.approval.call)
}

async function setModeOf(session: SessionId, mode: ModeId, link: GuestLink): Promise<void> {
  const gateway = await link.gateway()
  const outcome = await gateway.call('session.set_mode', { session, mode: mode === 'approve' ? 'configured' : mode }, session)
  if (outcome.status !== 'ok') throw toError(outcome.failure)
}

/** Shows the title once it has changed: one comes with the first message, and may change at any time. Never throws. */
function createTitle(id: SessionId, link: GuestLink, show: (update: SessionUpdate) => void): () => Promise<void> {
  let shown = ''
  return async () => {
    try {
      const listed = await (await link.gateway()).listSessions(listedSessions)
      const title = listed.find((each) => each.id === id)?.title ?? ''
      if (title === shown) return
      shown = title
      show({ sessionUpdate: 'session_info_update', title })
    } catch {
      // The next turn shows it.
    }
  }
}

/** One turn after another, as long as each ends with calls of the editor's tools. */
async function converse(
  { id, editor, link, ports, choice }: SessionDeps,
  turns: Turns,
  wish: () => ClientTools,
  first: Message,
  cancelled: AbortSignal,
): Promise<PromptResponse> {
  const cancelTurn = (): void => {
    link.repeat((gateway) => gateway.cancelTurn(id)).catch((error: unknown) => ports.log(`The turn was not cancelled: ${String(error)}`))
  }
  cancelled.addEventListener('abort', cancelTurn, { once: true })
  try {
    for (let message = first; ;) {
      const clientId = newId()
      const over = turns.begin(clientId)
      const sent = message
      await link.repeat((gateway) => gateway.sendTurn({ session: id, clientId, model: choice.model(), ...sent }))
      // Cancelled before the guest had it.
      if (cancelled.aborted) cancelTurn()
      const end = await over
      // However the turn ended: the editor has to hear that it was cancelled.
      if (cancelled.aborted) return { stopReason: 'cancelled' }
      const calls = end.status === 'ok' ? end.calls : []
      if (calls.length === 0) return { stopReason: stopReasonOf(end) }
      const results: ClientResult[] = []
      for (const call of calls)
        results.push({ call: call.call, text: await runEditorTool(call, editor.machine(id), editor.capabilities(), cancelled) })
      if (cancelled.aborted) return { stopReason: 'cancelled' }
      message = { text: '', client: wish(), results }
    }
  } finally {
    cancelled.removeEventListener('abort', cancelTurn)
  }
}

interface Message {
  readonly text: string
  readonly attachments?: Awaited<ReturnType<typeof messageOf>>['attachments']
  readonly client: ClientTools
  readonly results?: readonly ClientResult[]
}

/** @throws OxbowError for a turn that failed: the editor shows it as an error */
function stopReasonOf({ status, failure }: TurnEnd): PromptResponse['stopReason'] {
  // A turn that is over in order has a failure only where its answer was cut off.
  if (status === 'ok') return failure === null ? 'end_turn' : 'max_tokens'
  if (status === 'cancelled') return 'cancelled'
  if (failure === null || (status === 'limit' && failure.code === 'limit_reached')) return 'max_turn_requests'
  throw toError(failure)
}

type Turns = ReturnType<typeof createTurns>

/** The turns that this editor has begun, and the prompts that wait for their ends. */
function createTurns() {
  const waiting = new Map<string, PromiseWithResolvers<TurnEnd>>()
  const own = new Set<string>()
  const cancels = new Set<AbortController>()
  return {
    isOwn: (turn: string): boolean => own.has(turn),
    begin(turn: string): Promise<TurnEnd> {
      own.add(turn)
      const over = Promise.withResolvers<TurnEnd>()
      over.promise.catch(() => {})
      waiting.set(turn, over)
      return over.promise
    },
    take(record: RecordView): void {
      const step = endsTurn(record) ? readStep(record) : null
      if (step?.kind !== 'ended') return
      waiting.get(record.call)?.resolve(step.end)
      waiting.delete(record.call)
    },
    fail(failure: Failure): void {
      for (const over of waiting.values()) over.reject(toError(failure))
    },
    cancel: (): void => cancels.forEach((each) => each.abort()),
    /** @param signal of the prompt's request. `late` answers a prompt whose turn does not end in time. */
    cancelling(signal: AbortSignal) {
      const controller = new AbortController()
      const late = Promise.withResolvers<PromptResponse>()
      let timer: NodeJS.Timeout | undefined
      const stop = (): void => {
        // An editor that goes leaves its turns running.
        if (isCancelRequest(signal.reason)) controller.abort()
      }
      cancels.add(controller)
      signal.addEventListener('abort', stop, { once: true })
      controller.signal.addEventListener('abort', () => {
        timer = setTimeout(() => late.resolve({ stopReason: 'cancelled' }), cancelWaitMs)
      })
      if (signal.aborted) stop()
      return {
        signal: controller.signal,
        late: late.promise,
        end(): void {
          clearTimeout(timer)
          cancels.delete(controller)
          signal.removeEventListener('abort', stop)
        },
      }
    },
  }
}

/** @returns whether the editor has cancelled the request; its signal also aborts when the connection ends */
function isCancelRequest(reason: unknown): boolean {
  return typeof reason === 'object' && reason !== null && 'code' in reason && reason.code === requestCancelled
}

/** The protocol's error of a request that was cancelled. */
const requestCancelled = -32_800

/** Calls that wait for the person, each asked once, one after the other as an editor shows them. */
function createQuestions({ id, editor, link, ports }: SessionDeps, mode: () => ModeId) {
  const open = new Map<string, AbortController>()
  let queue = Promise.resolve()
  const permit = async (waiting: PendingApproval, gateway: Gateway, problem: string, signal: AbortSignal): Promise<Decision> => {
    const pending = problem === '' ? waiting : { ...waiting, reason: problem }
    const rules = await rulesFor(pending, gateway)
    const request = { ...permissionRequest(pending, rules, ports), sessionId: id }
    return decisionOf(await editor.ask(request, signal), rules)
  }
  const decide = async (pending: PendingApproval, signal: AbortSignal): Promise<void> => {
    if (signal.aborted) return
    const gateway = await link.gateway()
    // The mode of a session does not apply to the agents below it.
    const isAllowed = mode() === 'approve' && pending.agent === undefined && pending.personal !== true
    const form = editorForm(pending, editor)
    let problem = ''
    for (let tries = 0; tries <= maxFormTries; tries += 1) {
      const ask = async (): Promise<Decision> => {
        if (tries === maxFormTries) return { allow: false, reason: `No answer fitted: ${problem}` }
        if (form !== null) return fillIn(form, id, editor, problem, signal)
        return isAllowed && tries === 0 ? { allow: true } : permit(pending, gateway, problem, signal)
      }
      const answer = await ask()
      if (signal.aborted) return
      const outcome = await gateway.call('call.decide', { ...answerTo(pending), ...answer })
      if (outcome.status === 'ok') return
      const { code, message, hint } = outcome.failure
      // The person may answer otherwise: the call waits as before.
      if (code !== 'bad_input' || !answer.allow) throw toError(outcome.failure)
      problem = form === null ? `${message} ${hint} The call is ${pending.call}.` : message
    }
  }
  const explain = (pending: PendingApproval, error: unknown): void => {
    const why = errorMessage(error)
    ports.log(`${pending.name} waits for approval, and the editor did not answer: ${why}`)
    const text = `\n\n*${pending.name} waits for approval: \`oxbow approve ${pending.call}\`*\n\n`
    editor.update(id, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } })
  }
  return {
    ask(pending: PendingApproval): void {
      if (open.has(pending.call)) return
      const controller = new AbortController()
      open.set(pending.call, controller)
      queue = queue.then(() =>
        decide(pending, controller.signal).catch((error: unknown) => {
          if (!controller.signal.aborted) explain(pending, error)
        }),
      )
    },
    /** It was decided, here or elsewhere, or has ended. */
    settled(call: string): void {
      open.get(call)?.abort()
      open.delete(call)
    },
    close(): void {
      for (const controller of open.values()) controller.abort()
      open.clear()
    },
  }
}

/** @throws OxbowError `not_found` */
export function noSession(id: string): OxbowError {
  return new OxbowError('not_found', `There is no session ${id.slice(0, 100)}.`, {
    hint: 'session/list lists them; session/new starts one.',
  })
}
