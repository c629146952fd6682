/** The current session of a chat: starting, switching and forking sessions, sending messages with attachments. */
import type { OutputOf } from '../../client/index.ts'
import { type CallId, type Failure, type JsonObject, ownValue, type SessionId } from '../../base/index.ts'
import { answerTo, type PendingApproval, type RecordView, type SessionInfo } from '../../protocol/index.ts'
import { type GatewayPort, outputOf } from '../guest-connection.ts'
import { assertAgent, chooseAgent, findSession, newSession, removeUnused } from '../verbs/sessions.ts'
import { assertFewFiles, findLocalFile, type LocalFile, uploadFiles } from '../own-files.ts'
import type { Screen } from '../screen/screen.ts'
import { exactText, formatBytes, plainText } from '../../terminal/index.ts'
import { type ChatSession, openChatSession } from './chat-session.ts'

export interface ConversationDeps {
  readonly gateway: GatewayPort
  readonly screen: Screen
  /** Newest records of a session, oldest first. */
  readonly recent: (session: SessionInfo) => Promise<readonly RecordView[]>
  readonly model?: string | undefined
  /** Agent or character that answers in new sessions. */
  readonly agent?: string | undefined
  readonly user: string
  /** Folder of all users. */
  readonly workspaces: string
  /** Waits for each turn before reading on: for input that is not typed by a person. */
  readonly oneByOne: boolean
  readonly onLost: (failure: Failure) => void
  /** Called with the session whenever the chat enters one. */
  readonly onSession?: (session: SessionId) => void
}

/** Every method rejects with the gateway's OxbowError. */
export interface Conversation {
  current(): ChatSession | null
  /** Begins the session of the next message, if it has not begun. */
  begin(): Promise<ChatSession>
  /** Leaves the session: the next message begins another. */
  leave(title: string): void
  /** @param prefix prefix of the session's id */
  reopen(prefix: string): Promise<void>
  send(text: string): Promise<void>
  /** Attaches a file to the next message; an empty path removes all. @returns the attached files, as text */
  attach(path: string): Promise<string>
  /** Chooses who answers from the next message on, here and in new sessions; empty: the usual agent. */
  choose(agent: string): Promise<void>
  /** @param reason why it is denied; the agent reads it */
  answer(asked: PendingApproval, allow: boolean, reason?: string): Promise<void>
  /** Answers the form of a server: allows the call with this input. */
  fillIn(asked: PendingApproval, input: JsonObject): Promise<void>
  /** Finds the rules that approving the call could keep, for `keep`. @returns them as text; empty without rules */
  offer(call: CallId): Promise<string>
  /** The call whose rules are on the screen. */
  offered(): CallId | null
  /** Approves the offered call and keeps the rule with this number. @returns the rule as text; empty when there is no such rule */
  keep(number: number): Promise<string>
}

/** A rule as `approval.list` shows it. */
type OfferedRule = WaitingCall['rules'][number]

const scopeNames: Readonly<Record<string, string>> = {
  call: 'exactly this call',
  pattern: 'calls like it',
  session: 'calls like it, in this session',
  folder: 'calls like it, in this folder',
}

/** The rules, numbered, whole and exact: what is shown is what is kept. */
function rulesText(rules: readonly OfferedRule[]): string {
  return rules.map(({ scope, text }, at) => `    ${at + 1}  ${ownValue(scopeNames, scope) ?? scope}: ${exactText(text)}`).join('\n')
}

export function createConversation(deps: ConversationDeps): Conversation {
  const { gateway, screen, recent, model, oneByOne, onLost, onSession, workspaces, user } = deps
  let session: ChatSession | null = null
  /** Who answers in the next session. */
  let agent = deps.agent
  let title = ''
  const attached = createAttached(workspaces)
  const decided = async (call: CallId, next = ''): Promise<void> => {
    if (next === '') session?.answered(call)
    else screen.line(`  ${plainText(next)}`)
    if (oneByOne) await session?.idle()
  }
  const open = async (info: SessionInfo, past: readonly RecordView[]): Promise<ChatSession> => {
    session?.stop()
    onSession?.(info.id)
    session = await openChatSession({ gateway, screen, session: info.id, past, busy: info.busy, user, showsLabels: !oneByOne, onLost })
    return session
  }
  const begin = async (): Promise<ChatSession> => {
    if (session !== null) return session
    const begun = await open(await newSession(gateway, title, agent), [])
    title = ''
    return begun
  }
  return {
    current: () => session,
    begin,
    leave(wanted) {
      session?.stop()
      session = null
      title = wanted
    },
    async reopen(prefix) {
      const info = await findSession(gateway, prefix)
      await open(info, await recent(info))
    },
    async send(text) {
      // A session is created with its first message, so that a chat without messages leaves none behind.
      const files = attached.files()
      const attachments = files.length === 0 ? {} : { attachments: await uploadFiles(files, gateway) }
      const isNew = session === null
      const current = await begin()
      const steering = current.isRunning()
      const message = { session: current.id, text, ...(model !== undefined && { model }), ...attachments }
      const { turn } = await gateway.sendTurn(message).catch(async (error: unknown) => {
        if (isNew) await removeUnused(gateway, current.id, error)
        if (isNew && session === current) {
          current.stop()
          session = null
        }
        throw error
      })
      // Only now: a message that could not be sent is sent again with its files.
      attached.drop(files)
      if (steering) screen.line('  Sent; the agent reads it at its next step.')
      else current.sent(turn)
      if (oneByOne) await current.idle()
    },
    async choose(chosen) {
      const wanted = chosen === '' ? undefined : chosen
      if (session !== null) await chooseAgent(gateway, session.id, chosen)
      else if (wanted !== undefined) await assertAgent(gateway, wanted)
      agent = wanted
    },
    attach: attached.attach,
    ...createAnswers(gateway, decided),
    ...createOffers(gateway, decided),
  }
}

/** Files of the next message. */
function createAttached(workspaces: string) {
  let attached: readonly LocalFile[] = []
  return {
    files: (): readonly LocalFile[] => attached,
    drop: (files: readonly LocalFile[]): void => void (attached = attached.filter((file) => !files.includes(file))),
    async attach(path: string): Promise<string> {
      if (path === '') attached = []
      else {
        assertFewFiles(attached.length + 1)
        attached = [...attached, await findLocalFile(path, workspaces)]
      }
      const names = attached.map(({ name, bytes }) => `${name} (${formatBytes(bytes)})`).join(', ')
      return names === '' ? 'no files are attached' : `attached to the next message: ${names}`
    },
  }
}

function createAnswers(
  gateway: GatewayPort,
  decided: (call: CallId, next?: string) => Promise<void>,
): Pick<Conversation, 'answer' | 'fillIn'> {
  return {
    async answer(asked, allow, reason) {
      const { next } = await outputOf(gateway, 'call.decide', { ...answerTo(asked), allow, ...(reason !== undefined && { reason }) })
      await decided(asked.call, next)
    },
    async fillIn(asked, input) {
      await outputOf(gateway, 'call.decide', { ...answerTo(asked), allow: true, input })
      await decided(asked.call)
    },
  }
}

/** Keeps a rule only from the list that was shown last. */
function createOffers(
  gateway: GatewayPort,
  decided: (call: CallId, next?: string) => Promise<void>,
): Pick<Conversation, 'offer' | 'offered' | 'keep'> {
  let offer: Pick<WaitingCall, 'call' | 'question' | 'rules' | 'labels'> | null = null
  return {
    async offer(call) {
      const waiting = await outputOf(gateway, 'approval.list', {})
      offer = waiting.find((one) => one.call === call) ?? null
      return rulesText(offer?.rules ?? [])
    },
    offered: () => offer?.call ?? null,
    async keep(number) {
      const rule = offer?.rules[number - 1]
      if (offer === null || rule === undefined) return ''
      const { call, labels = [] } = offer
      const remember = { scope: rule.scope, rule: rule.id, labels: labels.length > 0 }
      await outputOf(gateway, 'call.decide', { ...answerTo(offer), allow: true, remember })
      await decided(call)
      return rule.text
    },
  }
}

type WaitingCall = OutputOf<'approval.list'>[number]
